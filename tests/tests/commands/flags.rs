//! What is moved where, said without a recipe, over a recipe, and by the environment.

use std::collections::BTreeSet;
use std::fs;

use etl_tests::harness::{Folder, guest};
use etl_tests::postgres::Server;

const ROWS: &str = "id,name\n1,one\n2,two\n3,three\n4,four\n";

/// All ids in the files of a folder.
fn ids(folder: &Folder, dir: &str) -> BTreeSet<i32> {
    let files = fs::read_dir(folder.path(dir)).unwrap().map(|entry| entry.unwrap().path());
    let csv = files.filter(|path| path.extension().is_some_and(|end| end == "csv"));
    csv.flat_map(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect::<Vec<_>>()
    })
    .collect()
}

#[tokio::test]
async fn without_a_recipe_flags_say_it_all_and_the_same_flags_continue() {
    let server = Server::of_the_test_run();
    let client = server.database("commands_flags").await;
    client.batch_execute("CREATE TABLE t (id bigint, name text)").await.unwrap();
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    let url = server.url("127.0.0.1", "commands_flags");
    let module = guest("rust", "identity");
    let module = module.to_str().unwrap();
    let flags = ["run", "--from", "rows.csv", "--to", &url, "--into", "public.t", "--transform", module];
    let count = || async { client.query_one("SELECT count(*), sum(id)::int8 FROM t", &[]).await.unwrap() };
    folder.etl(flags).run().code(0).says(&[": done", "4 rows read: 4 loaded"]);
    folder.etl(flags).run().code(0).says(&["was done before, nothing to load"]);
    assert_eq!((count().await.get::<_, i64>(0), count().await.get::<_, i64>(1)), (4, 10));
    // Another name is another load; the name is in the ledger.
    folder.etl(flags.into_iter().chain(["--name", "again"])).run().code(0).says(&["again: done"]);
    assert_eq!(count().await.get::<_, i64>(0), 8);
    let names = client.query("SELECT name FROM etl.run ORDER BY name", &[]).await.unwrap();
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    assert!(names.len() == 2 && names.contains(&"again".into()), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("public.t-")), "{names:?}");
    // What is missing or does not fit is said.
    folder.etl(["run", "--from", "rows.csv", "--to", &url]).run().code(2).says(&["--into"]);
    folder
        .etl(["run", "--from", "rows.csv", "--to", "http://x"])
        .run()
        .code(2)
        .says(&["--to: must be postgres://…, a folder, or - for standard output"]);
    folder.etl(["run", "--from", "nix.csv"]).run().code(3).says(&["there is no file `", "nix.csv`"]);
}

#[test]
fn an_address_is_no_folder_however_it_is_written() {
    const HUSH: &str = "hush-2b1c";
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    let words = format!("sslmode=disable host=127.0.0.1 user=u password={HUSH}");
    let url = format!("postgres://u:{HUSH}@h/d");
    let run = |to: &str| folder.etl(["run", "--from", "rows.csv", "--into", "t", "--to", to]).run();
    run(&words).code(2).never_says(HUSH).says(&["--to: a password does not belong here"]);
    run(&format!("x=1 password={HUSH}")).code(2).never_says(HUSH).says(&["--to: must be postgres://…"]);
    let port = etl_tests::server::DEAD_PORT;
    let ran = run(&format!("connect_timeout=1 host=127.0.0.1 port={port} user=u")).code(5);
    ran.says(&["connection refused"]);
    for dir in [&url, &words] {
        let ran = folder.etl(["run", "--from", "rows.csv", "--into", "t"]).env("ETL_TARGET__FILES__DIR", dir);
        ran.run().code(2).never_says(HUSH).says(&["ETL_TARGET__FILES__DIR: must be a folder"]);
        let target = format!("name = \"x\"\n[target.files]\ndir = \"{dir}\"\n");
        let table = "[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n";
        folder.write("recipe.toml", target + table);
        let ran = folder.etl(["run"]).run().code(2).never_says(HUSH);
        ran.says(&["recipe.toml:3:1: `target.files.dir`: must be a folder"]);
    }
    let left: Vec<_> =
        fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_address_where_a_path_or_a_table_belongs_is_not_printed() {
    const HUSH: &str = "hush-9d4e";
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    folder.write("recipe.toml", "name = 'x'\n[[tables]]\nfrom = 'rows.csv'\ninto = 't'\n");
    let report = format!("postgres://u:{HUSH}@h/d");
    for address in [format!("cassandra://u:{HUSH}@h/ks"), report.clone(), format!("host=h password={HUSH}")] {
        let etl = |args: &[&str]| folder.etl(args).run().code(2).never_says(HUSH);
        etl(&["run", &address]).says(&["an address stands where the recipe's file belongs"]);
        etl(&["run", "--from", &address]).says(&["--from: must be a file, a pattern or `-`"]);
        etl(&["run", "--from", "rows.csv", "--into", &address]).says(&["--into: must be a table's name"]);
        etl(&["run", "--report", &address]).says(&["--report names a file, and this is an address"]);
        etl(&["run", "recipe.toml", &address]).says(&["unexpected argument '(an address)'"]);
        for (key, other) in [("from", "into"), ("into", "from")] {
            let table = format!("name = 'x'\n[[tables]]\n{key} = '{address}'\n{other} = 'rows.csv'\n");
            folder.write("bad.toml", table);
            etl(&["check", "bad.toml"]).says(&[&format!("bad.toml:3:1: `tables[0].{key}`: must be a ")]);
        }
    }
}

#[test]
fn transform_takes_the_place_of_a_recipes_chain_if_it_has_one_table() {
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    let table = |into: &str| {
        format!(
            "[[tables]]\nfrom = \"rows.csv\"\ninto = \"{into}\"\ntypes = {{ id = \"int64\" }}\ntransforms = [{{ drop = [\"name\"] }}]\n"
        )
    };
    folder.write("one.toml", format!("name = \"one\"\n{}", table("t")));
    folder.write("two.toml", format!("name = \"two\"\n{}{}", table("a"), table("b")));
    let module = guest("rust", "filter");
    let module = module.to_str().unwrap();
    folder.etl(["run", "one.toml", "--transform", module, "--quiet"]).run().code(0);
    let text = fs::read_to_string(folder.path("etl-out/one/t/000001.csv")).unwrap();
    assert_eq!(text, "id,name\n2,two\n4,four\n");
    let ran = folder.etl(["run", "two.toml", "--transform", module]).run().code(2);
    ran.says(&["--transform: replaces the chain of a recipe's one table, and this recipe has 2"]);
    // It shapes rows, so the recipe's own chain is another load.
    folder
        .etl(["run", "one.toml"])
        .run()
        .code(9)
        .says(&["run `one` into t cannot continue", "transforms[0]"]);
}

#[test]
fn settings_come_from_the_file_then_the_environment_then_flags() {
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    folder.write(
        "recipe.toml",
        "name = \"x\"\n[run]\nstreams = 2\nmax_rejects = 0\n[[tables]]\nfrom = \"rows.csv\"\ninto = \"t\"\n",
    );
    let streams = |variable: Option<&str>, flag: &[&str]| {
        let etl = folder.etl(["run", "--fresh", "--yes", "--json"].iter().chain(flag));
        let etl = if let Some(value) = variable { etl.env("ETL_RUN__STREAMS", value) } else { etl };
        etl.run().code(0).json()["streams"].as_u64().unwrap()
    };
    assert_eq!(streams(None, &[]), 2);
    assert_eq!(streams(Some("3"), &[]), 3);
    assert_eq!(streams(Some("3"), &["--streams", "4"]), 4);
    let dir = folder.path("elsewhere");
    folder.etl(["run"]).env("ETL_TARGET__FILES__DIR", &dir).run().code(0);
    assert_eq!(ids(&folder, "elsewhere/t"), (1..=4).collect());
    let ran = folder.etl(["run"]).env("ETL_RUN__STREAMS", "0").run().code(2);
    ran.says(&["ETL_RUN__STREAMS: must be between 1 and 1,024"]);
}

#[test]
fn files_go_to_a_default_folder_a_named_one_or_standard_output() {
    let folder = Folder::new();
    folder.write("data/rows.csv", ROWS);
    folder.write("recipe.toml", "name = \"x\"\n[[tables]]\nfrom = \"data/rows.csv\"\ninto = \"t\"\n");
    folder.etl(["run"]).run().code(0).says(&["x: done", "4 rows read: 4 loaded"]);
    assert_eq!(fs::read_to_string(folder.path("etl-out/x/t/000001.csv")).unwrap(), ROWS);
    assert!(folder.path("etl-out/x/t/etl.json").exists());
    folder.etl(["run", "--to", "named"]).run().code(0);
    assert_eq!(ids(&folder, "named/t"), (1..=4).collect());
    let ran = folder.etl(["run", "--to", "-"]).run().code(0);
    assert_eq!(ran.stdout, ROWS);
    let ran = folder.etl(["run", "--from", "data/rows.csv", "--to", "-", "--quiet"]).run().code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (ROWS, ""));
    // Without a recipe and a target the source's name is the folder's.
    folder.etl(["run", "--from", "data/rows.csv", "--name", "n"]).run().code(0);
    assert_eq!(ids(&folder, "etl-out/n/rows"), (1..=4).collect());
    // A table's folder belongs to one run at a time.
    let lock = fs::File::open(folder.path("named/t/.lock")).unwrap();
    lock.try_lock().unwrap();
    folder.etl(["run", "--to", "named"]).run().code(10).says(&["another run writes into ", "named/t"]);
}

#[tokio::test]
async fn standard_input_is_a_source_that_is_new_each_time() {
    let server = Server::of_the_test_run();
    let client = server.database("commands_stdin").await;
    client.batch_execute("CREATE TABLE t (id int, name text)").await.unwrap();
    let folder = Folder::new();
    let rows = folder.write("rows.csv", ROWS);
    let url = server.url("127.0.0.1", "commands_stdin");
    let run =
        || folder.etl(["run", "--from", "-", "--to", &url, "--into", "public.t"]).stdin_from(&rows).run();
    run().code(0).says(&["4 rows read: 4 loaded"]);
    run().code(0);
    let count = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count, 8, "standard input is another source each time");
    let ran = folder.etl(["run", "--from", "-", "--to", "-"]).stdin_from(&rows).run().code(0);
    assert_eq!(ran.stdout, ROWS);
    // Nothing comes.
    folder.etl(["run", "--from", "-", "--to", "-"]).run().code(3).says(&["is empty: it has no header"]);
}

#[test]
fn a_report_is_written_as_json_beside_what_people_read() {
    let folder = Folder::new();
    folder.write("rows.csv", ROWS);
    let args = ["run", "--from", "rows.csv", "--into", "t", "--name", "n", "--report", "report.json"];
    folder.etl(args).run().code(0).says(&["n: done"]);
    let text = fs::read_to_string(folder.path("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["name"], &report["ending"]), (&"n".into(), &"done".into()));
    assert_eq!((&report["rows"]["read"], &report["rows"]["loaded"]), (&4.into(), &4.into()));
    let json = folder
        .etl(["run", "--from", "rows.csv", "--into", "t", "--name", "n", "--json"])
        .run()
        .code(0)
        .json();
    assert_eq!((&json["ending"], &json["rows"]["read"]), (&"already_done".into(), &0.into()));
}
