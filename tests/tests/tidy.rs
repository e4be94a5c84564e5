//! The repository's rules as a test: plain text, no parser, no server. Each rule says why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAX_LINES: usize = 400;

/// Floor of every module of the runner; a module may import its own floor and those below, but no stage another.
const FLOORS: [(u8, &[&str]); 5] = [
    (
        0,
        &[
            "batch",
            "schema",
            "position",
            "dialect",
            "reject",
            "counters",
            "memory",
            "units",
            "loads",
            "original",
            "text_form",
            "values",
            "tls",
            "append",
            "patience",
            "failpoint",
            "untrusted",
        ],
    ),
    (1, &["source", "split", "transform", "encode", "copy"]),
    (2, &["recipe", "reference", "progress", "report", "usage", "uncontinued"]),
    (
        3,
        &[
            "pipeline", "bisect", "fate", "pace", "care", "chunk", "queue", "worker", "stream", "tiling",
            "feed", "job", "target", "load",
        ],
    ),
    (
        4,
        &[
            "cli",
            "door",
            "failure",
            "prepare",
            "folders",
            "output",
            "exit_code",
            "run",
            "check",
            "plan",
            "inspect",
            "rejects",
            "ddl",
            "init",
            "main",
        ],
    ),
];

/// A third-party crate's only home: one purpose, used in one place.
const HOMES: [(&str, &str); 16] = [
    ("wasmtime", "transform"),
    ("wasmparser", "transform"),
    ("wit_component", "transform"),
    ("wit_parser", "transform"),
    ("wat", "transform"),
    ("rustc_demangle", "transform"),
    ("tokio_postgres", "copy"),
    ("rustls", "tls"),
    ("tokio_rustls", "copy"),
    ("scylla", "source"),
    ("csv_core", "source"),
    ("flate2", "source"),
    ("zstd", "source"),
    ("figment", "recipe"),
    ("indicatif", "progress"),
    ("clap", "cli"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root").to_path_buf()
}

/// All files that git tracks or would track, relative to the root.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    names.lines().filter(|name| root().join(name).is_file()).map(String::from).collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn rust_files() -> Vec<(String, String)> {
    let rust = files().into_iter().filter(|name| name.ends_with(".rs"));
    rust.map(|name| (name.clone(), read(&name))).collect()
}

/// The runner's files, without those that are tests as a whole.
fn runner_files() -> Vec<(String, String)> {
    rust_files().into_iter().filter(|(name, _)| name.starts_with("runner/src/") && !is_test(name)).collect()
}

/// Files that are tests as a whole.
fn is_test(name: &str) -> bool {
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    name.starts_with("tests/")
        || name.contains("/tests/")
        || stem.ends_with("tests")
        || stem.ends_with("_properties")
}

/// What stands before the tests of a file.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

/// `runner/src/copy/files.rs` → `copy`, `runner/src/batch.rs` → `batch`.
fn module_of(name: &str) -> &str {
    let rest = name.strip_prefix("runner/src/").expect("a file of the runner");
    let first = rest.split('/').next().unwrap_or(rest);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn floor_of(module: &str) -> Option<u8> {
    // A module that was cut into several loose files keeps its floor: recipe_lines, job_check …
    let belongs = |name: &&str| module == *name || module.starts_with(&format!("{name}_"));
    FLOORS.iter().find(|(_, names)| names.iter().any(&belongs)).map(|(floor, _)| *floor)
}

fn report(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_rust_file_says_what_it_is_in_its_first_line() {
    let broken = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    report("a file opens with `//!`: what it is, what it must not know", broken.map(|(n, _)| n).collect());
}

#[test]
fn no_rust_file_is_longer_than_a_newcomer_reads() {
    let broken = rust_files().into_iter().filter_map(|(name, text)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{name}: {lines} lines, at most {MAX_LINES}"))
    });
    report("cut the file by concern", broken.collect());
}

#[test]
fn every_module_stands_on_a_floor_and_imports_only_its_own_and_lower_ones() {
    let mut broken = Vec::new();
    for (name, text) in runner_files() {
        let module = module_of(&name);
        if module == "lib" {
            continue;
        }
        let Some(floor) = floor_of(module) else {
            broken.push(format!("{name}: not on any floor (FLOORS in tests/tests/tidy.rs)"));
            continue;
        };
        for used in crate_uses(without_tests(&text)) {
            let ok = match floor_of(&used) {
                None => false,
                Some(other) if floor == 1 && other == 1 => used == module,
                Some(4) => floor == 4,
                Some(other) => other <= floor,
            };
            if !ok {
                broken.push(format!("{name}: imports `crate::{used}`"));
            }
        }
    }
    report("a stage never imports a stage, a floor never a higher one", broken);
}

/// The modules named behind `crate::` or, in the binary, `etl::`.
fn crate_uses(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for start in ["crate::", "use etl::"] {
            for (at, _) in line.match_indices(start) {
                let rest = &line[at + start.len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                if end > 0 {
                    found.insert(rest[..end].to_string());
                }
            }
        }
    }
    found
}

#[test]
fn a_third_party_crate_is_used_in_its_home_alone() {
    let mut broken = Vec::new();
    for (name, text) in runner_files() {
        for (krate, home) in HOMES {
            let used = without_tests(&text).lines().any(|line| {
                let line = line.trim_start();
                let names = |prefix: &str| line.contains(&format!("{prefix}{krate}::"));
                !line.starts_with("//")
                    && (names(" ")
                        || names("<")
                        || names("(")
                        || names("&")
                        || line.starts_with(&format!("{krate}::")))
            });
            if used && module_of(&name) != home && !module_of(&name).starts_with(&format!("{home}_")) {
                broken.push(format!("{name}: uses {krate}, whose home is {home}"));
            }
        }
    }
    report("one crate for one purpose, in one place", broken);
}

#[test]
fn nothing_is_imported_by_a_star_outside_tests() {
    let mut broken = Vec::new();
    for (name, text) in rust_files() {
        if is_test(&name) || name.contains("/benches/") {
            continue;
        }
        let stars = without_tests(&text).lines().filter(|line| {
            let line = line.trim_start();
            (line.starts_with("use ") || line.starts_with("pub use "))
                && line.ends_with("*;")
                && !line.contains("prelude")
        });
        broken.extend(stars.map(|line| format!("{name}: {line}")));
    }
    report("nobody can check who depends on whom behind a star", broken);
}

#[test]
fn every_folder_of_sdk_and_examples_has_a_readme() {
    let all = files();
    let mut broken = Vec::new();
    for tree in ["sdk", "examples"] {
        let folders: BTreeSet<&str> = all
            .iter()
            .filter_map(|name| name.strip_prefix(tree)?.strip_prefix('/')?.split_once('/'))
            .map(|f| f.0)
            .collect();
        for folder in folders.into_iter().filter(|folder| *folder != "wit") {
            let readme = format!("{tree}/{folder}/README.md");
            if !all.contains(&readme) {
                broken.push(readme);
            }
        }
    }
    report("a folder for users says what it is", broken);
}

#[test]
fn no_binary_and_no_module_is_checked_in() {
    let broken = files().into_iter().filter(|name| {
        let bytes = fs::read(root().join(name)).unwrap_or_default();
        name.ends_with(".wasm")
            || (bytes.contains(&0)
                && !name.starts_with("tests/data/")
                && !name.starts_with("tests/fuzz/corpus/"))
    });
    report(
        "modules are built from source; data with NUL bytes lives in tests/data or a corpus",
        broken.collect(),
    );
}

#[test]
fn every_source_file_of_the_runner_is_part_of_the_crate() {
    let texts: Vec<_> =
        rust_files().into_iter().filter(|(name, _)| name.starts_with("runner/src/")).collect();
    let broken = texts.iter().filter(|(name, _)| {
        let path = Path::new(name);
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name");
        let stem = if stem == "mod" {
            path.parent().and_then(|p| p.file_name()?.to_str()).expect("a folder")
        } else {
            stem
        };
        let declared = |text: &str| {
            text.lines().any(|line| {
                line.trim_start()
                    .trim_start_matches("pub ")
                    .trim_start_matches("pub(crate) ")
                    .trim_start_matches("pub(super) ")
                    == format!("mod {stem};")
            })
        };
        !["lib", "main"].contains(&stem)
            && !texts
                .iter()
                .any(|(_, text)| declared(text) || text.contains(&format!("#[path = \"{stem}.rs\"]")))
    });
    report("a file that no `mod` names is dead", broken.map(|(name, _)| name.clone()).collect());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for name in files().into_iter().filter(|name| name.ends_with(".md")) {
        let folder = root().join(&name).parent().expect("a folder").to_path_buf();
        let text = read(&name);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !folder.join(target).exists() {
                broken.push(format!("{name}: {target}"));
            }
        }
    }
    report("a link leads nowhere", broken);
}

#[test]
fn the_readme_stays_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, at most 150: move detail to docs/");
}

/// Cargo would take them for this one's where their files are newer: a test would pass, or fail, on other code.
#[test]
fn crates_that_another_checkout_built_are_built_again_and_dependencies_are_not() {
    let target = tempfile::tempdir().unwrap();
    let crates = target.path().join("debug/.fingerprint");
    let [ours, tests, others] =
        ["etl-0123456789abcdef", "etl-tests-0123456789abcdef", "etlx-0123456789abcdef"]
            .map(|name| crates.join(name));
    let prepare = || {
        let status = Command::new("bash")
            .args(["-c", ". tests/lib.sh && need_rust"])
            .current_dir(root())
            .env("CARGO_TARGET_DIR", target.path())
            .status();
        assert!(status.unwrap().success());
        [&ours, &tests, &others].map(|folder| folder.exists())
    };
    [&ours, &tests, &others].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    assert_eq!(prepare(), [false, false, true], "nobody knows who built them");
    [&ours, &tests].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    assert_eq!(prepare(), [true; 3], "this checkout did");
    fs::write(target.path().join("checkout"), "/another/checkout\n").unwrap();
    assert_eq!(prepare(), [false, false, true]);
}
