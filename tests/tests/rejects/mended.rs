//! A mistake in a file of corrections: as long as nothing of it is loaded it may be mended, or left out.

use etl_tests::bed::Bed;
use etl_tests::harness::{Etl, Folder, Ran};

const LEFT_OUT: &str = "nothing of sub/c.jsonl was loaded, which was begun with --rejects: it is left out";

/// `sub/people.csv` has two rejects, which is what `sub/recipe.toml` allows.
fn write(folder: &Folder, target: &str, run: &str) {
    folder.write("sub/people.csv", "id,name\nx,Ada\ny,Bob\n3,Cleo\n");
    folder.write(
        "sub/recipe.toml",
        format!(
            "name = \"n\"\n{target}\n[run]\nstreams = 1\nmax_rejects = 2\n{run}\n[[tables]]\nfrom = \"people.csv\"\n\
             into = \"people\"\ntypes = {{ id = \"int32\" }}\n"
        ),
    );
}

/// Writes corrections with these ids.
fn corrections(folder: &Folder, file: &str, ids: [&str; 2]) {
    let line =
        |id: &str| format!("{{\"table\":\"people\",\"original\":{{\"id\":\"{id}\",\"name\":\"n\"}}}}\n");
    folder.write(file, ids.map(line).concat());
}

fn etl(folder: &Folder, more: &[&str]) -> Etl {
    folder.etl(["run", "sub/recipe.toml"].iter().chain(more))
}

fn send(folder: &Folder, file: &str) -> Ran {
    etl(folder, &["--rejects", file]).run()
}

/// From the load's begin to corrections that are loaded, over all ways that there are.
fn all_ways(folder: &Folder) {
    let plain = || etl(folder, &[]).run();
    plain().code(8);
    corrections(folder, "sub/c.jsonl", ["1", "two"]);
    send(folder, "sub/c.jsonl").code(7);
    // Left out, begun again, and mended under its name.
    plain().code(8).says(&[LEFT_OUT]);
    plain().code(8).says(&["was done before"]).never_says("c.jsonl");
    send(folder, "sub/c.jsonl").code(7);
    corrections(folder, "sub/c.jsonl", ["1", "20"]);
    send(folder, "sub/c.jsonl").code(8).says(&["2 rows read: 2 loaded"]);
    // Another file in its place.
    corrections(folder, "sub/d.jsonl", ["4", "five"]);
    send(folder, "sub/d.jsonl").code(7);
    corrections(folder, "sub/e.jsonl", ["4", "5"]);
    send(folder, "sub/e.jsonl").code(8).says(&["nothing of sub/d.jsonl was loaded", "2 rows read: 2 loaded"]);
    plain().code(8).says(&["was done before"]);
    corrections(folder, "sub/c.jsonl", ["6", "7"]);
    send(folder, "sub/c.jsonl").code(9).says(&["rows of it are loaded: put it back as it was"]);
}

#[tokio::test]
async fn a_database_takes_corrections_that_were_mended() {
    let bed = Bed::new("rejects_mended").await;
    bed.sql("CREATE TABLE people (id int, name text)").await;
    write(&bed.folder, &format!("[target.postgres]\nurl = \"{}\"", bed.url()), "");
    all_ways(&bed.folder);
    let sum = "SELECT sum(id) FROM people";
    assert_eq!(bed.number(sum).await, 3 + 1 + 20 + 4 + 5);
    assert_eq!(bed.is_finished().await, 3 + 2 + 2);
}

#[test]
fn a_folder_takes_corrections_that_were_mended() {
    let folder = Folder::new();
    write(&folder, "", "");
    all_ways(&folder);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder.path("sub/etl-out/n/people")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "csv") {
            let text = std::fs::read_to_string(path).unwrap();
            ids.extend(text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()));
        }
    }
    ids.sort();
    assert_eq!(ids, ["1", "20", "3", "4", "5"]);
}

#[tokio::test]
async fn corrections_of_which_rows_are_loaded_are_named_as_the_flag_takes_them() {
    let bed = Bed::new("rejects_mended_half").await;
    bed.sql("CREATE TABLE people (id int, name text)").await;
    write(&bed.folder, &format!("[target.postgres]\nurl = \"{}\"", bed.url()), "chunk_rows = 1");
    etl(&bed.folder, &[]).run().code(8);
    corrections(&bed.folder, "sub/c.jsonl", ["1", "two"]);
    send(&bed.folder, "sub/c.jsonl").code(7);
    assert_eq!(bed.number("SELECT count(*) FROM people WHERE id = 1").await, 1);
    let says = "sub/c.jsonl was begun with --rejects and is not done: add --rejects sub/c.jsonl, or begin";
    etl(&bed.folder, &[]).run().code(9).says(&[says]);
    etl(&bed.folder, &["--rejects", "sub/c.jsonl", "--max-rejects", "3"]).run().code(8);
    assert_eq!(bed.is_finished().await, 3 + 2);
}
