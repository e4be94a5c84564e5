//! A folder of files as the target: it belongs to one load and one table, and lies where the target is.

use std::fs;

use etl_tests::harness::Folder;

const ROWS: &str = "id,name\n1,one\n2,two\n";

/// A recipe that loads `from` into folders of `out`.
fn recipe(folder: &Folder, name: &str, from: &str, intos: &[&str]) -> String {
    let tables = intos.iter().map(|into| format!("[[tables]]\nfrom = \"{from}\"\ninto = \"{into}\"\n"));
    let text = format!("name = \"{name}\"\n[target.files]\ndir = \"out\"\n{}", tables.collect::<String>());
    folder.write(&format!("{name}.toml"), text);
    format!("{name}.toml")
}

#[test]
fn another_load_neither_adds_to_a_folder_nor_empties_it() {
    let folder = Folder::new();
    folder.write("a.csv", ROWS);
    folder.write("b.csv", "id,name\n3,three\nragged\n");
    let (a, b) = (recipe(&folder, "a", "a.csv", &["t"]), recipe(&folder, "b", "b.csv", &["t"]));
    folder.etl(["run", &a]).run().code(0);
    let says = ["out/t holds the load `a` into t, and this one is `b` into t: name another folder"];
    folder.etl(["run", &b]).run().code(5).says(&says);
    folder.etl(["run", &b, "--fresh", "--yes"]).run().code(5).says(&says);
    folder.etl(["check", &b]).run().code(11).says(&["b.toml:6: folder ", says[0]]);
    assert_eq!(fs::read_to_string(folder.path("out/t/000001.csv")).unwrap(), ROWS);
    assert!(!folder.path("out/t/000002.csv").exists());
    folder.etl(["run", &a]).run().code(0).says(&["was done before"]);
    // Nor does it see its rejects.
    folder.etl(["run", &b, "--to", "mine", "--max-rejects", "1"]).run().code(8);
    assert_eq!(folder.etl(["rejects", &a, "--to", "mine"]).run().code(0).stdout, "no rejects\n");
    assert!(folder.etl(["rejects", &b, "--to", "mine"]).run().code(0).stdout.starts_with("t: 1 reject\n"));
    // What --fresh takes away is told with its rejects.
    let ran = folder.etl(["run", &b, "--to", "mine", "--fresh"]).run().code(2);
    ran.says(&["the files of the load before in ", "mine/t go away, with 1 reject\n"]);
}

#[test]
fn each_table_has_a_folder_of_its_own_inside_of_the_targets() {
    let folder = Folder::new();
    folder.write("a.csv", ROWS);
    let both = recipe(&folder, "both", "a.csv", &["x/y", "x_y"]);
    let says = ["both.toml:9: x_y goes into the folder of x/y, ", "out/x_y: `/` in a name becomes `_`"];
    folder.etl(["check", &both]).run().code(11).says(&says);
    folder.etl(["run", &both]).run().code(5).says(&says);
    for into in ["..", "."] {
        let outside = recipe(&folder, "outside", "a.csv", &[into]);
        let says = format!("outside.toml:6: `{into}` names no folder of its own in ");
        folder.etl(["run", &outside]).run().code(5).says(&[&says]);
    }
    assert!(!folder.path("out").exists() && !folder.path("etl.json").exists());
}

#[test]
fn rows_and_report_do_not_share_standard_output() {
    let folder = Folder::new();
    folder.write("a.csv", ROWS);
    let ran = folder.etl(["run", "--from", "a.csv", "--to", "-", "--json"]).run().code(2);
    assert_eq!(ran.stdout, "");
    ran.says(&["--json prints the report where the rows go: write it into a file with --report"]);
    let two = recipe(&folder, "two", "a.csv", &["a", "b"]);
    let says = ["two.toml:9: standard output takes one table"];
    folder.etl(["check", &two, "--to", "-"]).run().code(11).says(&says);
    folder.etl(["run", &two, "--to", "-"]).run().code(5).says(&says);
}

#[test]
fn rejects_beside_standard_output_are_not_written_over_by_those_of_the_next_run() {
    let folder = Folder::new();
    for (file, row) in [("a.csv", "first"), ("b.csv", "second")] {
        folder.write(file, format!("id,name\n1,one\n{row}\n"));
        let words = ["run", "--from", file, "--to", "-", "--max-rejects", "1", "--quiet"];
        assert_eq!(folder.etl(words).run().code(8).stdout, "id,name\n1,one\n");
    }
    let names: Vec<String> = {
        let entries = fs::read_dir(folder.path("")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.contains("rejects"));
        names.sort();
        names
    };
    assert_eq!(names, ["etl-rejects-000001.jsonl", "etl-rejects-000002.jsonl"]);
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (name, row) in names.iter().zip(["first", "second"]) {
        assert!(fs::read_to_string(folder.path(name)).unwrap().contains(&hex(row)), "{name}");
    }
}
