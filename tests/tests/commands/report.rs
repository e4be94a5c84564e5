//! What is written where at the end of a run: a report, the command that continues, standard output.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use etl_tests::harness::{Folder, guest};

const ROWS: &str = "id,name\n1,one\nragged\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    folder.write(
        "recipe.toml",
        "name = \"x\"\n[run]\nmax_rejects = 1\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n",
    );
    folder
}

#[test]
fn the_command_that_continues_is_told_whatever_bytes_its_words_have() {
    let folder = folder();
    let name = OsStr::from_bytes(b"x\xff.json");
    let words =
        [OsStr::new("run"), OsStr::new("--max-rejects"), OsStr::new("0"), OsStr::new("--report"), name];
    folder
        .etl(words)
        .run()
        .code(7)
        .says(&["continue with: ", "run --max-rejects 0 --report 'x\u{fffd}.json'"]);
    assert!(Path::new(&folder.path("").join(name)).exists());
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_a_row_moves() {
    let folder = folder();
    fs::create_dir(folder.path("dir")).unwrap();
    fs::hard_link(folder.path("rows.csv"), folder.path("same.csv")).unwrap();
    for (name, says) in [
        ("-", "--report names a file"),
        ("recipe.toml", "--report would write over recipe.toml, which this load reads"),
        ("rows.csv", "--report would write over rows.csv"),
        ("same.csv", "--report would write over same.csv"),
        ("nowhere/x.json", "cannot write the report nowhere/x.json: No such file"),
        ("dir", "cannot write the report dir: "),
    ] {
        folder.etl(["run", "--report", name]).run().code(2).says(&[says]);
    }
    assert_eq!(fs::read_to_string(folder.path("rows.csv")).unwrap(), ROWS);
    assert!(!folder.path("etl-out").exists());
    // A load that does not begin leaves what was there.
    folder.write("old.json", "old");
    folder.etl(["run"]).run().code(8);
    for name in ["old.json", "new.json"] {
        folder.etl(["run", "--fresh", "--report", name]).run().code(2).says(&["add --yes"]);
    }
    assert_eq!(fs::read_to_string(folder.path("old.json")).unwrap(), "old");
    assert!(!folder.path("new.json").exists());
}

#[test]
fn a_load_that_is_judged_at_its_end_reports_its_tables() {
    let folder = Folder::new();
    let rows: String = (0..8).map(|id| format!("{id},x\n")).collect();
    folder.write("rows.csv", format!("id,name\n{rows}ragged\nragged\n"));
    let words = ["run", "--from", "rows.csv", "--into", "t", "--report", "r.json"];
    let run = |percent| folder.etl(words.iter().chain(&["--max-rejects-percent", percent])).run();
    let reported = || {
        let report = fs::read(folder.path("r.json")).unwrap();
        let table = serde_json::from_slice::<serde_json::Value>(&report).unwrap()["tables"][0].take();
        ["read", "loaded", "rejected"].map(|what| table["rows"][what].as_u64())
    };
    let line = "-> t: 1 of 1 splits, 10 rows read: 8 loaded, 2 rejected";
    run("5").code(7).says(&["2 of 10 rows rejected", line]);
    assert_eq!(reported(), [Some(10), Some(8), Some(2)]);
    run("20").code(8).says(&["was done before", line]);
    // The same load, and less patience.
    run("19").code(7).says(&["2 of 10 rows rejected", line]);
    assert_eq!(reported(), [Some(10), Some(8), Some(2)]);
}

#[test]
fn a_report_that_cannot_be_written_in_the_end_hides_nothing_else() {
    let folder = folder();
    let ran = folder.etl(["run", "--report", "/dev/full", "--json"]).run().code(5);
    assert_eq!(ran.json()["ending"], "done");
    ran.says(&["error: cannot write /dev/full", "No space left on device"]);
    let ran = folder.etl(["run", "--report", "/dev/full"]).run().code(5);
    ran.says(&["x: was done before", "cannot write /dev/full"]);
    let words = ["run", "--to", "other", "--max-rejects", "0", "--report", "/dev/full"];
    let ran = folder.etl(words).run().code(7);
    ran.says(&["x: failed", "continue with: ", "cannot write /dev/full", "1 of 2 rows rejected"]);
}

#[test]
fn a_full_disk_behind_standard_output_is_no_success() {
    let folder = folder();
    folder.etl(["run"]).run().code(8);
    let module = guest("rust", "identity");
    let module = module.to_str().unwrap();
    for words in [
        &["run", "--json"][..],
        &["check"],
        &["check", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["ddl"],
        &["ddl", "--json"],
        &["rejects"],
        &["rejects", "--json"],
        &["rejects", "--export", "-"],
        &["inspect", module],
        &["inspect", module, "--json"],
    ] {
        let ran = folder.etl(words).stdout_to(Path::new("/dev/full")).run().code(5);
        ran.says(&["error: cannot write standard output", "No space left on device"]);
    }
}

#[test]
fn files_are_planned_by_names_that_leave_a_terminal_alone() {
    let folder = Folder::new();
    folder.write("a\u{1b}[31m.csv", ROWS);
    folder.write("recipe.toml", "name = \"x\"\n[[tables]]\nfrom = \"a*.csv\"\ninto = \"t\"\n");
    let ran = folder.etl(["plan"]).run().code(0).never_says("\u{1b}");
    assert!(ran.stdout.starts_with("a\\u{1b}[31m.csv -> t: 1 split\n"), "{ran:?}");
}
