//! Standard output as the target: nothing is remembered, and who reads it may go away.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command};

use etl_tests::harness::{Folder, Ran};

/// A load that waits for its reader, who has seen its beginning.
fn begun(folder: &Folder) -> (Child, ChildStdout) {
    // Far more than a pipe and the load's buffers hold.
    let rows: String = (0..400_000).map(|id| format!("{id},some words\n")).collect();
    folder.write("rows.csv", format!("id,words\n{rows}"));
    let recipe = "name = \"x\"\n[run]\nchunk_rows = 1000\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n";
    folder.write("recipe.toml", recipe);
    let mut child = folder.etl(["run", "--to", "-", "--report", "r.json"]).start();
    let mut out = child.stdout.take().unwrap();
    let mut start = [0; 4096];
    out.read_exact(&mut start).unwrap();
    assert!(start.starts_with(b"id,words\n0,some words\n"));
    (child, out)
}

fn ending(folder: &Folder) -> serde_json::Value {
    let report = std::fs::read(folder.path("r.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&report).unwrap()["ending"].take()
}

#[test]
fn a_load_that_was_stopped_does_not_promise_to_continue() {
    let folder = Folder::new();
    let (mut child, mut out) = begun(&folder);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    while !stderr.contains("stopping: ") {
        assert!(err.read_line(&mut stderr).unwrap() > 0, "{stderr}");
    }
    io::copy(&mut out, &mut io::sink()).unwrap();
    err.read_to_string(&mut stderr).unwrap();
    let ran = Ran { code: child.wait().unwrap().code(), stdout: String::new(), stderr };
    ran.code(130)
        .says(&["stopped; what was written stays", "standard output cannot be continued"])
        .never_says("command continues")
        .never_says("continue with");
    assert_eq!(ending(&folder), "stopped");
}

#[test]
fn a_reader_that_goes_away_has_seen_what_it_wanted() {
    let folder = Folder::new();
    let (child, out) = begun(&folder);
    drop(out);
    let ran = Ran::of(&child.wait_with_output().unwrap()).code(0);
    ran.says(&["x: ended: nobody reads standard output any more"])
        .never_says("error")
        .never_says("continue with");
    assert_eq!(ending(&folder), "unread");
}

#[test]
fn a_load_that_failed_does_not_promise_to_continue() {
    let folder = Folder::new();
    folder.write("rows.csv", "id,name\n1,one\nragged\n");
    let ran = folder.etl(["run", "--from", "rows.csv", "--to", "-"]).run().code(7);
    ran.says(&["standard output cannot be continued", "hint: raise max_rejects"])
        .never_says("command continues")
        .never_says("continue with");
}
