//! `etl plan`, `etl inspect`, `--help` and `--version`. That the documents know every command, flag and exit code is
//! a test of the documents.

use std::path::Path;

use etl_tests::generate;
use etl_tests::harness::{Folder, guest};
use etl_tests::postgres::Server;
use serde_json::Value;

#[test]
fn help_and_version_end_well_and_mistyped_words_do_not() {
    let folder = Folder::new();
    let version = folder.etl(["--version"]).run().code(0).stdout;
    assert_eq!(version.trim(), format!("etl {}", env!("CARGO_PKG_VERSION")));
    assert!(folder.etl(["--help"]).run().code(0).stdout.contains("docs/exit-codes.md"));
    folder.etl(["help", "run"]).run().code(0);
    let none: [&str; 0] = [];
    folder.etl(none).run().code(2).says(&["Usage: etl"]);
    folder.etl(["rum"]).run().code(2).says(&["unrecognized subcommand 'rum'", "'run'"]);
    folder.etl(["run", "--stream", "3"]).run().code(2).says(&["--streams"]);
    folder.etl(["run", "r.toml", "--from", "a.csv"]).run().code(2).says(&["cannot be used with"]);
    folder.etl(["run", "--into", "t"]).run().code(2).says(&["--from"]);
    folder.etl(["run", "--memory", "many"]).run().code(2).says(&["--memory", "64 MiB"]);
}

#[tokio::test]
async fn plan_shows_splits_that_tile_the_files_and_streams_by_node_and_makes_nothing() {
    let server = Server::of_the_test_run();
    let client = server.database("commands_plan").await;
    client
        .batch_execute(&format!("CREATE TABLE c ({} text)", generate::HEADER.trim().replace(',', " text, ")))
        .await
        .unwrap();
    let folder = Folder::new();
    let mut rows = Vec::new();
    generate::file(2000, &mut rows).unwrap();
    folder.write("rows.csv", &rows);
    let url = server.url("127.0.0.1,127.0.0.2,127.0.0.3", "commands_plan");
    let text = format!(
        "name = \"p\"\n[target.postgres]\nurl = \"{url}\"\n[run]\nstreams = 4\nsplit_bytes = \"32 KiB\"\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.c\"\n"
    );
    folder.write("recipe.toml", text);
    let json = folder.etl(["plan", "--json"]).run().code(0).json();
    let splits = json["files"][0]["splits"].as_array().unwrap();
    let number = |split: &Value, key: &str| split[key].as_u64().unwrap();
    assert!(splits.len() > 8, "{} splits", splits.len());
    assert_eq!(number(&splits[0], "byte"), generate::HEADER.len() as u64);
    for pair in splits.windows(2) {
        assert_eq!(number(&pair[0], "end"), number(&pair[1], "byte"), "a gap or an overlap");
    }
    assert_eq!(number(splits.last().unwrap(), "end"), rows.len() as u64);
    let streams: Vec<u64> = json["nodes"].as_array().unwrap().iter().map(|n| number(n, "streams")).collect();
    assert_eq!(streams, [2, 1, 1]);

    let text = folder.etl(["plan"]).run().code(0).stdout;
    let head = format!("rows.csv -> public.c: {} splits\n", splits.len());
    assert!(text.starts_with(&head) && text.contains("  … and ") && text.contains("streams\n"), "{text}");
    let made =
        "SELECT (SELECT count(*) FROM c) + (SELECT count(*) FROM pg_tables WHERE tablename = 'ledger')";
    assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    // A split that cannot keep all streams busy is said.
    let text = folder.etl(["plan", "--streams", "64"]).run().code(0);
    assert!(format!("{}{}", text.stdout, text.stderr).contains("of 64 streams busy"), "{text:?}");
    folder.etl(["plan", "nix.toml"]).run().code(2).says(&["cannot read the recipe nix.toml"]);
}

#[test]
fn inspect_shows_modules_of_every_language_and_says_what_others_are() {
    let folder = Folder::new();
    let inspect = |path: &Path| folder.etl(["inspect".as_ref(), path.as_os_str()]).run();
    for (language, kind, made_by) in [
        ("rust", "a plain core module", "language: Rust"),
        ("c", "a plain core module", "clang"),
        ("go", "WASI", "language: Go"),
    ] {
        let path = guest(language, "identity");
        let ran = inspect(&path).code(0);
        for part in [kind, "contract  0.1", "sha256    ", "plan (i32 i32 i32 i32) -> (i32)", made_by] {
            assert!(ran.stdout.contains(part), "{language} lacks {part:?}: {}", ran.stdout);
        }
        let json = folder.etl(["inspect".as_ref(), path.as_os_str(), "--json".as_ref()]).run().code(0).json();
        assert_eq!((&json["contract"], &json["problem"]), (&"0.1".into(), &Value::Null), "{json:#}");
        assert_eq!(json["sha256"].as_str().map(str::len), Some(64));
    }
    inspect(&folder.path("nix.wasm")).code(4).says(&["cannot read module ", "nix.wasm", "No such file"]);
    for (content, says) in [
        (&b"fn main() {}"[..], "it is a text file; did you mean to compile it?"),
        (b"\0\x01\xff\xfe", "it is not WebAssembly"),
        (b"", "the file is empty"),
    ] {
        let path = folder.write("garbage.wasm", content);
        inspect(&path).code(4).says(&["error: module ", "garbage.wasm cannot be used", says]);
    }
    let bare = wat::parse_str("(module (func (export \"etl_transform_0_2\")))").unwrap();
    let ran = inspect(&folder.write("bare.wasm", bare)).code(4);
    assert!(
        ran.stdout.contains("problem   ") && ran.stdout.contains("0.2, this runner speaks 0.1"),
        "{ran:?}"
    );
}
