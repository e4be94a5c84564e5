//! `etl run --rejects FILE`: rows that a person has corrected are loaded once, through the same path.

use etl_tests::bed::{Bed, Process, until};
use etl_tests::harness::Ran;
use serde_json::{Value, json};

use super::bed::bed;

/// `etl run recipe.toml --rejects FILE`.
fn send(bed: &Bed, file: &str) -> Ran {
    bed.etl(["--rejects", file]).run()
}

/// Exports the rejects, has each line corrected by `original`, and writes `file`.
fn correct(bed: &Bed, file: &str, original: impl Fn(&Value) -> Value) {
    let text = bed.folder.etl(["rejects", "recipe.toml", "--export", "-"]).run().code(0).stdout;
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["original"] = original(&line);
        format!("{line}\n")
    };
    bed.folder.write(file, text.lines().map(line).collect::<String>());
}

/// What the person knows of the bed's bad rows.
fn right(line: &Value) -> Value {
    match (line["source"].as_str().unwrap(), line["line"].as_u64().unwrap()) {
        ("people.csv", 3) => json!({"id": 2, "name": "Bob"}),
        ("people.csv", 4) => json!({"id": "3", "name": "Cleo"}),
        ("people.csv", 5) => json!({"id": 4, "name": "Dora"}),
        ("people.csv", 6) => json!({"name": "", "id": 5}),
        ("people.csv", 8) => json!({"id": 7, "name": null}),
        ("pets.csv", 2) => json!({"pet": 10, "owner": 1}),
        other => panic!("{other:?}"),
    }
}

async fn people(bed: &Bed) -> Vec<String> {
    let sql = "SELECT id || ' ' || coalesce('<' || name || '>', 'NULL') FROM people ORDER BY id";
    bed.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

const ALL: [&str; 7] = ["1 <Ada>", "2 <Bob>", "3 <Cleo>", "4 <Dora>", "5 <>", "6 <Fay>", "7 NULL"];

#[tokio::test]
async fn corrected_rows_go_into_their_tables_once() {
    let bed = bed("rejects_again", "").await;
    bed.run().code(8);
    assert_eq!(people(&bed).await, ["1 <Ada>", "6 <Fay>"]);
    correct(&bed, "corrected.jsonl", right);
    send(&bed, "corrected.jsonl").code(8).says(&["6 rows read: 6 loaded"]);
    assert_eq!(people(&bed).await, ALL);
    assert_eq!(bed.number("SELECT count(*) FROM pets WHERE (pet, owner) IN ((10, 1), (11, 6))").await, 2);
    // What was a reject stays one: of its own source.
    assert_eq!(bed.number("SELECT count(*) FROM etl.reject").await, 6);
    let by_source =
        "SELECT count(*) FROM etl.ledger WHERE source = 'corrected.jsonl' AND done AND rejected = 0";
    assert_eq!(bed.number(by_source).await, 2);
    for _ in 0..2 {
        send(&bed, "corrected.jsonl").code(8).says(&["was done before, nothing to load"]);
        bed.run().code(8).says(&["was done before, nothing to load"]);
    }
    assert_eq!((people(&bed).await.len(), bed.number("SELECT count(*) FROM pets").await), (7, 2));
    // Another content under the name is not what was loaded.
    correct(&bed, "corrected.jsonl", |_| json!({"id": 100, "name": "", "pet": 1, "owner": 1}));
    send(&bed, "corrected.jsonl").code(9).says(&["write further corrections into another file"]);
}

#[tokio::test]
async fn a_corrected_row_that_is_still_bad_is_a_reject_of_the_file() {
    let bed = bed("rejects_again_bad", "").await;
    bed.run().code(8);
    correct(&bed, "second.jsonl", |line| match line["line"].as_u64().unwrap() {
        3 => json!({"id": 2, "name": "B\u{0}b"}),
        4 => json!({"id": "three", "name": "Cleo"}),
        5 => json!({"id": 4}),
        6 => json!({"id": 5, "name": "", "nmae": 1}),
        _ => right(line),
    });
    send(&bed, "second.jsonl").code(8).says(&["6 rows read: 2 loaded, 4 rejected"]);
    assert_eq!(people(&bed).await, ["1 <Ada>", "6 <Fay>", "7 NULL"]);
    let sql = "SELECT stage || '/' || code || ' ' || original FROM etl.reject WHERE source = 'second.jsonl'
               ORDER BY split_part(position, ':', 2)::int";
    let rejects: Vec<String> =
        bed.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected = [
        "encode/nul {\"id\":2,\"name\":\"B\\u0000b\"}",
        "read/bad_cell {\"id\":\"three\",\"name\":\"Cleo\"}",
        "read/missing_column {\"id\":4}",
        "read/unknown_column {\"id\":5,\"name\":\"\",\"nmae\":1}",
    ];
    assert_eq!(rejects, expected);
    // They can be exported and corrected in their turn: only those of that file.
    correct(&bed, "all.jsonl", right_of_second);
    let text = std::fs::read_to_string(bed.folder.path("all.jsonl")).unwrap();
    let third: Vec<&str> = text.lines().filter(|line| line.contains("\"source\":\"second.jsonl\"")).collect();
    bed.folder.write("third.jsonl", third.join("\n"));
    send(&bed, "third.jsonl").code(8).says(&["4 rows read: 4 loaded"]);
    assert_eq!(people(&bed).await, ALL);
}

/// What the server could not read as JSON is kept all the same, and ends nothing.
#[tokio::test]
async fn a_corrected_row_that_is_nested_deeper_than_the_server_reads_is_a_reject_like_any_other() {
    let bed = bed("rejects_again_deep", "").await;
    bed.run().code(8);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let line = format!("{{\"table\":\"public.people\",\"original\":{{\"id\":2,\"name\":{deep}}}}}\n");
    bed.folder.write("deep.jsonl", line);
    send(&bed, "deep.jsonl").code(8).says(&["1 rows read: 0 loaded, 1 rejected"]);
    let kept = "SELECT length(original_bytes)::bigint FROM etl.reject WHERE source = 'deep.jsonl'";
    assert_eq!(bed.number(kept).await, 40_000 + "{\"id\":2,\"name\":}".len() as i64);
}

fn right_of_second(line: &Value) -> Value {
    let text = line["original"].to_string();
    match line["source"].as_str().unwrap() {
        "second.jsonl" if text.contains("2") => json!({"id": 2, "name": "Bob"}),
        "second.jsonl" if text.contains("three") => json!({"id": 3, "name": "Cleo"}),
        "second.jsonl" if text.contains("4") => json!({"id": 4, "name": "Dora"}),
        "second.jsonl" => json!({"id": 5, "name": ""}),
        _ => right(line),
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_its_line_before_a_row_moves() {
    let bed = bed("rejects_again_refused", "").await;
    bed.run().code(8);
    bed.folder.etl(["rejects", "recipe.toml", "--export", "out.jsonl"]).run().code(0);
    let before = bed.number("SELECT count(*) FROM etl.source").await;
    // As it was exported: four records that have no columns, as they could not be read.
    let ran = send(&bed, "out.jsonl").code(3);
    ran.says(&[
        "`out.jsonl` line 1: has no columns",
        "`out.jsonl` line 2: has no columns",
        "line 6: has no columns",
    ]);
    let line =
        |table: &str, cut: bool| json!({"table": table, "cut": cut, "original": {"id": 9, "name": "x"}});
    for (name, text, says) in [
        ("cut.jsonl", line("public.people", true).to_string(), "line 1: holds a row that was cut"),
        (
            "cats.jsonl",
            line("public.cats", false).to_string(),
            "line 1: the recipe loads no table `public.cats`",
        ),
        ("empty.jsonl", "\n\n".into(), "has no reject in it"),
        ("people.csv", String::from_utf8_lossy(super::bed::PEOPLE).into(), "line 1: is no reject"),
    ] {
        bed.folder.write(name, text);
        send(&bed, name).code(3).says(&[says]).never_says("Ada");
    }
    send(&bed, "nowhere.jsonl").code(3).says(&["there is no file `nowhere.jsonl`"]);
    bed.etl(["--fresh", "--rejects", "cut.jsonl"]).run().code(2);
    assert_eq!(bed.number("SELECT count(*) FROM etl.source").await, before);
    assert_eq!(people(&bed).await.len(), 2);
}

#[tokio::test]
async fn a_crash_in_the_middle_of_corrected_rows_is_continued_exactly() {
    let bed = Bed::new("rejects_again_crash").await;
    bed.sql("CREATE TABLE people (id int, name text)").await;
    let rows: String = (1..=400).map(|id| format!("{id},a\0{id}\n")).collect();
    bed.folder.write("people.csv", format!("id,name\n{rows}"));
    bed.recipe(
        "[run]\nstreams = 1\nchunk_rows = 7\nmax_rejects = 1000\n[[tables]]\nfrom = \"people.csv\"\n\
         into = \"people\"\ntypes = { id = \"int32\" }\n",
    );
    bed.run().code(8).says(&["400 rejected"]);
    let right =
        |line: &Value| json!({"id": line["original"]["id"], "name": format!("n{}", line["original"]["id"])});
    correct(&bed, "corrected.jsonl", right);
    bed.slow_down_table("people", 100).await;
    for kills in 1..=3 {
        let process = Process::of(bed.etl(["--rejects", "corrected.jsonl"]));
        let loaded = "SELECT count(*) FROM people";
        until("some chunks", async || (bed.number(loaded).await >= kills * 40).then_some(())).await;
        let _ = process.kill();
        // Without the file nobody can go on with it.
        bed.run().code(9).says(&[
            "corrected.jsonl was begun with --rejects and is not done: add --rejects corrected.jsonl",
        ]);
    }
    bed.sql("DROP TRIGGER pause ON people").await;
    send(&bed, "corrected.jsonl").code(8);
    let exact = "SELECT count(*) FROM people WHERE name = 'n' || id";
    assert_eq!(
        (bed.number(exact).await, bed.number("SELECT count(DISTINCT id) FROM people").await),
        (400, 400)
    );
    assert_eq!(bed.number("SELECT count(*) FROM people").await, 400);
    assert_eq!(bed.is_finished().await, 800);
}

#[tokio::test]
async fn values_of_every_type_come_back_as_they_were() {
    let bed = Bed::new("rejects_again_types").await;
    let columns = [
        ("boolean", "boolean", "true"),
        ("int16", "smallint", "-7"),
        ("int32", "int", "2147483647"),
        ("int64", "bigint", "-9223372036854775808"),
        ("float32", "real", "1.5e-7"),
        ("float64", "double precision", "NaN"),
        ("numeric", "numeric", "12345678901234567890.10"),
        ("bytes", "bytea", "\\x00ff"),
        ("uuid", "uuid", "123e4567-e89b-12d3-a456-426614174000"),
        ("date", "date", "0044-03-15 BC"),
        ("time", "time", "23:59:59.999999"),
        ("timestamp", "timestamptz", "2013-01-31 05:06:07.123456+00"),
        ("interval", "interval", "1 year 2 mons 3 days 04:05:06.7"),
        ("inet", "inet", "2001:db8::/64"),
        ("json", "json", "{\"\"a\"\": [1.10, null]}"),
        ("text[]", "text[]", "{\"\"a,\\\"\"b\"\",NULL,\"\"\"\"}"),
        ("int64[]", "bigint[]", "{1,NULL,-3}"),
        ("text", "text", ""),
    ];
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let targets: Vec<String> =
        columns.iter().zip(&names).map(|((_, sql, _), name)| format!("{name} {sql}")).collect();
    bed.sql(&format!("CREATE TABLE t (bad text, {})", targets.join(", "))).await;
    let values: Vec<String> = columns.iter().map(|(_, _, value)| format!("\"{value}\"")).collect();
    let (header, row) = (names.join(","), values.join(","));
    bed.folder.write("t.csv", format!("bad,{header}\nx,{row}\n\0,{row}\n\0{}\n", ",".repeat(columns.len())));
    let types: Vec<String> =
        columns.iter().zip(&names).map(|((ty, ..), name)| format!("{name} = \"{ty}\"")).collect();
    let types = types.join(", ");
    bed.recipe(&format!(
        "[run]\nmax_rejects = 2\n[[tables]]\nfrom = \"t.csv\"\ninto = \"t\"\ntypes = {{ {types} }}\n"
    ));
    bed.run().code(8).says(&["1 loaded, 2 rejected"]);
    // As an editor does it: serde_json would round the numbers.
    let text = bed.folder.etl(["rejects", "recipe.toml", "--export", "-"]).run().code(0).stdout;
    bed.folder.write("corrected.jsonl", text.replace("\"bad\":\"\\u0000\"", "\"bad\":\"x\""));
    send(&bed, "corrected.jsonl").code(8).says(&["2 rows read: 2 loaded"]);
    let whole = "SELECT count(*) FROM t GROUP BY t::text ORDER BY 1 DESC LIMIT 1";
    assert_eq!(bed.number(whole).await, 2, "the first two rows are equal");
    let nulls = names.iter().map(|name| format!("{name} IS NULL")).collect::<Vec<_>>().join(" AND ");
    assert_eq!(bed.number(&format!("SELECT count(*) FROM t WHERE bad = 'x' AND {nulls}")).await, 1);
}

#[tokio::test]
async fn a_folder_of_files_takes_corrected_rows_as_a_database_does() {
    let bed = bed("rejects_again_files", "").await;
    bed.etl(["--to", "out"]).run().code(8);
    let text =
        bed.folder.etl(["rejects", "recipe.toml", "--to", "out", "--export", "-"]).run().code(0).stdout;
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["original"] = right(&line);
        line.to_string()
    });
    bed.folder.write("corrected.jsonl", lines.collect::<Vec<_>>().join("\n"));
    bed.etl(["--to", "out", "--rejects", "corrected.jsonl"]).run().code(8).says(&["6 rows read: 6 loaded"]);
    bed.etl(["--to", "out", "--rejects", "corrected.jsonl"]).run().code(8).says(&["was done before"]);
    let read = |file: &str| std::fs::read_to_string(bed.folder.path(file)).unwrap();
    assert_eq!(read("out/public.people/000002.csv"), "id,name\n2,Bob\n3,Cleo\n4,Dora\n5,\"\"\n7,\n");
    assert_eq!(read("out/public.pets/000002.csv"), "pet,owner\n10,1\n");
}

#[tokio::test]
async fn standard_input_takes_no_corrected_rows() {
    let bed = bed("rejects_again_stdin", "").await;
    bed.folder.write("corrected.jsonl", "");
    let path = bed.folder.path("pets.csv");
    bed.recipe("[[tables]]\nfrom = \"-\"\ninto = \"public.pets\"\n");
    bed.etl(["--rejects", "corrected.jsonl"])
        .stdin_from(&path)
        .run()
        .code(2)
        .says(&["--rejects needs a source"]);
}
