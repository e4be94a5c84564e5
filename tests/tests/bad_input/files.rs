//! The files target when it cannot write: the disk is full, a file is too large, the folder is not ours. Whole files
//! alone have their names, and the same command continues.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use etl_tests::harness::{Folder, Ran, binary};

use super::bed::{HUSH, row, rows};

/// A recipe without a target: files in `etl-out/full/public.t`.
fn folder(rows: &str) -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", rows);
    let text = "name = \"full\"\n[run]\nstreams = 1\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.t\"\n";
    folder.write("recipe.toml", text);
    folder
}

/// What is in the table's folder, without the lock.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("etl-out/full/public.t")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".lock");
    names.sort();
    names
}

#[test]
fn a_full_disk_is_named_with_its_file_and_the_same_command_continues() {
    let folder = folder(&format!("{}10\n", rows(9)));
    let run = |max: &str| folder.etl(["run", "recipe.toml", "--max-rejects", max]).run().never_says(HUSH);
    // The bad row stops the first run: the split is begun and not done.
    run("0").code(7);
    assert_eq!(names(&folder), ["etl.json"]);
    // A device that is always full, where the split's rows are written.
    symlink("/dev/full", folder.path("etl-out/full/public.t/.000001.csv.part")).unwrap();
    let full = run("1").code(5);
    full.says(&[
        "writing ",
        "/etl-out/full/public.t/.000001.csv.part failed",
        "No space left on device",
        "continue with: ",
    ]);
    assert_eq!(names(&folder), ["etl.json"]);
    run("1").code(8);
    assert_eq!(names(&folder), ["000001.csv", "000001.rejects.jsonl", "etl.json"]);
    let written = fs::read_to_string(folder.path("etl-out/full/public.t/000001.csv")).unwrap();
    assert_eq!(written, rows(9));
}

#[test]
fn rejects_that_do_not_fit_on_the_disk_leave_no_rows_either() {
    let folder = folder(&format!("{}10\n", rows(9)));
    folder.etl(["run", "recipe.toml"]).run().code(7);
    symlink("/dev/full", folder.path("etl-out/full/public.t/.000001.rejects.jsonl.part")).unwrap();
    let full = folder.etl(["run", "recipe.toml", "--max-rejects", "1"]).run().never_says(HUSH).code(5);
    full.says(&[".000001.rejects.jsonl.part failed", "No space left on device"]);
    assert_eq!(names(&folder), ["etl.json"]);
}

#[test]
fn a_limit_on_the_size_of_files_keeps_what_is_whole() {
    // Splits of a few kilobytes up to one that is larger than the limit of 64 KiB.
    let long = format!("5000,{HUSH} {}\n", "x".repeat(100_000));
    let content = format!("{}{long}{}", rows(400), (401..=800).map(row).collect::<String>());
    let folder = folder(&content);
    let mut command = Command::new("sh");
    // Without its signal the limit is an error like a full disk.
    command.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" run recipe.toml"]).arg(binary());
    command.current_dir(folder.path("")).env("ETL_RUN__SPLIT_BYTES", "2 KiB");
    let ran = Ran::of(&command.output().unwrap()).code(5).never_says(HUSH);
    let _ = ran.says(&["writing ", ".csv.part failed", "File too large"]);
    assert!(names(&folder).iter().all(|name| !name.ends_with(".part")), "{:?}", names(&folder));
    folder.etl(["run", "recipe.toml"]).run().code(0);
    let mut ids = ids(&folder);
    ids.sort_unstable();
    let expected: Vec<u32> = (1..=800).chain([5000]).collect();
    assert_eq!(ids, expected);
}

/// The ids in all files, in the order of their names.
fn ids(folder: &Folder) -> Vec<u32> {
    let of = |name: &String| {
        let text = fs::read_to_string(folder.path("etl-out/full/public.t").join(name)).unwrap();
        let rows = text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap());
        rows.collect::<Vec<u32>>()
    };
    names(folder).iter().filter(|name| name.ends_with(".csv")).flat_map(of).collect()
}

#[test]
fn a_folder_that_holds_something_else_is_not_written_into() {
    let folder = folder(&rows(2));
    folder.write("etl-out/full/public.t/diary.txt", "mine");
    let ran = folder.etl(["run", "recipe.toml"]).run().code(5);
    ran.says(&["etl-out/full/public.t is not empty and holds no etl.json: name an empty one"]);
    assert_eq!(names(&folder), ["diary.txt"]);
    folder.write("file", "");
    let ran = folder.etl(["run", "recipe.toml", "--to", "file"]).run().code(5);
    ran.says(&["making the folder ", "file/public.t failed"]);
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let folder = folder(&rows(2));
    let ran = folder.etl(["run", "recipe.toml", "--report", "/dev/full"]).run().code(5);
    ran.says(&["cannot write /dev/full", "No space left on device"]);
    assert_eq!(ids(&folder), [1, 2]);
    assert!(!Path::new("/dev/full").is_file());
}
