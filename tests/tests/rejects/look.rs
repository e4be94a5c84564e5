//! `etl rejects`: counts by reason with samples, and all rejects in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use etl_tests::bed::Bed;
use etl_tests::harness::Ran;
use serde_json::Value;

use super::bed::bed;

fn look(bed: &Bed, more: &[&str]) -> Ran {
    bed.folder.etl(["rejects", "recipe.toml"].iter().chain(more)).env("COLUMNS", "80").run()
}

#[tokio::test]
async fn rejects_are_counted_by_reason_with_their_places_and_rows() {
    let bed = bed("rejects_look", "").await;
    assert_eq!(look(&bed, &[]).code(0).stdout, "no rejects\n");
    bed.run().code(8);
    let expected = "\
public.people: 5 rejects
  1  encode/nul: column `name`: text with a NUL character, which PostgreSQL can…
       people.csv line 5: {\"id\":4,\"name\":\"D\\u0000ora\"}
  1  read/bad_cell: column `id`: not of type int32
       people.csv line 4: x,Cleo
  1  read/bad_utf8: column `name`: not UTF-8
       people.csv line 6: 5,\u{fffd}
  1  read/ragged: 1 cell, 2 columns expected
       people.csv line 8: 7
  1  read/ragged: 3 cells, 2 columns expected
       people.csv line 3: 2,Bob,more
public.pets: 1 reject
  1  read/bad_cell: column `pet`: not of type int32
       pets.csv line 2: none,1
";
    assert_eq!(look(&bed, &[]).code(0).stdout, expected);
    let pets = look(&bed, &["--table", "public.pets", "--samples", "0"]).code(0).stdout;
    assert_eq!(pets, "public.pets: 1 reject\n  1  read/bad_cell: column `pet`: not of type int32\n");
    let json = look(&bed, &["--json"]).code(0).json();
    assert_eq!((&json["name"], &json["tables"][0]["rows"]), (&"test".into(), &5.into()));
    assert_eq!(
        json["tables"][0]["groups"][0]["samples"][0]["original"],
        "{\"id\":4,\"name\":\"D\\u0000ora\"}"
    );
    look(&bed, &["--table", "public.cats"])
        .code(2)
        .says(&["no table `public.cats`", "public.people, public.pets"]);
    // The recipe of another load has none.
    let text = std::fs::read_to_string(bed.folder.path("recipe.toml")).unwrap();
    bed.folder.write("recipe.toml", text.replace("name = \"test\"", "name = \"other\""));
    assert_eq!(look(&bed, &[]).code(0).stdout, "no rejects\n");
}

#[tokio::test]
async fn all_rejects_are_written_whole_in_the_order_of_their_source() {
    let bed = bed("rejects_export", "chunk_rows = 1").await;
    bed.run().code(8);
    look(&bed, &["--export", "out.jsonl"]).code(0).says(&["6 rejects written to out.jsonl"]);
    let path = bed.folder.path("out.jsonl");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<(&str, u64)> =
        lines.iter().map(|line| (line["source"].as_str().unwrap(), line["line"].as_u64().unwrap())).collect();
    let people = [3, 4, 5, 6, 8].map(|line| ("people.csv", line));
    assert_eq!(places, [&people[..], &[("pets.csv", 2)]].concat());
    assert!(lines[..5].iter().all(|line| line["table"] == "public.people" && line["cut"] == false));
    assert_eq!(lines[0]["original_text"], "2,Bob,more");
    assert_eq!((&lines[0]["stage"], &lines[0]["code"]), (&"read".into(), &"ragged".into()));
    assert_eq!(lines[0]["position"], "14:3");
    assert!(text.contains(r#""original":{"id":4,"name":"D\u0000ora"}}"#), "{text}");
    assert_eq!(lines[3]["original_bytes"], "\\x352cff");
    // It may hold corrections by now.
    look(&bed, &["--export", "out.jsonl"]).code(2).says(&["out.jsonl is there already"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(look(&bed, &["--export", "-"]).code(0).stdout, text);
    let one = look(&bed, &["--export", "-", "--table", "public.pets", "--format", "csv"]).code(0).stdout;
    let expected = "table,source,position,line,stage,code,reason,cut,original,original_text,original_bytes\n\
         public.pets,pets.csv,10:2,2,read,bad_cell,column `pet`: not of type int32,false,,\"none,1\",\n";
    assert_eq!(one, expected);
    look(&bed, &["--export", "out.txt"]).code(2).says(&["--format"]);
}

#[tokio::test]
async fn a_folder_of_files_gives_its_rejects_back_as_a_database_does() {
    let bed = bed("rejects_files", "").await;
    bed.run().code(8);
    let database = look(&bed, &["--export", "-"]).code(0).stdout;
    bed.etl(["--to", "out"]).run().code(8);
    assert_eq!(look(&bed, &["--to", "out", "--export", "-"]).code(0).stdout, database);
    assert_eq!(look(&bed, &["--to", "out"]).code(0).stdout, look(&bed, &[]).code(0).stdout);
    assert_eq!(look(&bed, &["--to", "elsewhere"]).code(0).stdout, "no rejects\n");
    look(&bed, &["--to", "-"]).code(2).says(&["standard output keeps no ledger"]);
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file_and_can_be_repeated() {
    let bed = bed("rejects_half", "").await;
    bed.etl(["--to", "out"]).run().code(8);
    let gone = bed.folder.path("out/public.pets/000001.rejects.jsonl");
    let rejects = fs::read(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let export = || look(&bed, &["--to", "out", "--export", "out.jsonl"]);
    export().code(5).says(&["reading", "000001.rejects.jsonl failed"]);
    let names = || fs::read_dir(bed.folder.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        !names().any(|name| name.to_string_lossy().contains("out.jsonl")),
        "{:?}",
        Vec::from_iter(names())
    );
    fs::write(&gone, rejects).unwrap();
    export().code(0).says(&["6 rejects written to out.jsonl"]);
    let path = bed.folder.path("out.jsonl");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 6);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_table_that_is_gone_has_its_rejects_still() {
    let bed = bed("rejects_gone", "").await;
    bed.run().code(8);
    bed.sql("DROP TABLE pets").await;
    let shown = look(&bed, &["--table", "public.pets"]).code(0).stdout;
    assert!(shown.starts_with("public.pets: 1 reject\n"), "{shown}");
}
