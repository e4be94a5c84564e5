//! `etl check`: every problem of a recipe at once, each with its line, before a row moves.

use etl_tests::harness::Folder;
use etl_tests::postgres::Server;
use tokio_postgres::Client;

const HUSH: &str = "hush-7f3a";
const ROLE: &str = "commands_check_role";

/// Four tables with a problem each, and a module that is not there.
async fn bed(database: &str) -> (Client, Folder, String) {
    let server = Server::of_the_test_run();
    let client = server.database(database).await;
    client
        .batch_execute(
            "CREATE TABLE good (id int, name text);
             CREATE TABLE other (id int, title text);
             CREATE TABLE must (id int, name text, extra text NOT NULL);
             CREATE TABLE typed (id int, name int[]);
             CREATE TABLE closed (id int, name text);",
        )
        .await
        .unwrap();
    let folder = Folder::new();
    folder.write("rows.csv", format!("id,name\n1,{HUSH}\n"));
    let url = server.url("127.0.0.1", database);
    (client, folder, url)
}

fn table(into: &str, more: &str) -> String {
    format!("[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.{into}\"\n{more}\n")
}

/// The recipe, and the line of each table's `into`.
fn recipe(folder: &Folder, url: &str) -> impl Fn(&str) -> String {
    let text = [
        format!("name = \"check\"\n[target.postgres]\nurl = \"{url}\"\n"),
        table("good", ""),
        table("other", "transforms = [\n  { constant = { id2 = 1 } },\n]"),
        table("must", ""),
        table("typed", "types = { name = \"boolean\" }"),
        table("closed", ""),
        table("gone", ""),
        table(
            "good2",
            "transforms = [\n  { rename = { id = \"number\" } },\n  { module = \"nix.wasm\" },\n]",
        ),
    ];
    let text = text.concat();
    folder.write("recipe.toml", &text);
    move |needle: &str| {
        let index =
            text.lines().position(|line| line.contains(needle)).unwrap_or_else(|| panic!("no {needle}"));
        format!("recipe.toml:{}: ", index + 1)
    }
}

#[tokio::test]
async fn problems_of_all_kinds_are_found_at_once_with_their_lines() {
    let (client, folder, url) = bed("commands_check").await;
    client.batch_execute(&format!("DROP ROLE IF EXISTS {ROLE}; CREATE ROLE {ROLE} LOGIN")).await.unwrap();
    let grant = format!(
        "GRANT INSERT, SELECT ON good, other, must, typed TO {ROLE}; GRANT CREATE ON DATABASE commands_check TO {ROLE}"
    );
    client.batch_execute(&grant).await.unwrap();
    let user = url.replacen(&url[..url.find('@').unwrap()], &format!("postgres://{ROLE}"), 1);
    let line = recipe(&folder, &user);
    let ran = folder.etl(["check", "recipe.toml"]).run().never_says(HUSH).code(11);
    let says = |needle: &str, what: &str| format!("  {}{what}", line(needle));
    let expected = [
        says("nix.wasm", "cannot read module "),
        says(
            "{ constant",
            "table public.other has no column `id2`: add it there, drop it here with { drop = [\"id2\"] }",
        )
        .replace(&line("{ constant"), &line("transforms = [")),
        says("transforms = [", "table public.other has no column `name`"),
        says(
            "public.must",
            "column `extra` of public.must is NOT NULL, has no default, and nothing fills it",
        ),
        says("public.closed", "no permission to insert into public.closed: GRANT INSERT"),
        says("public.gone", "there is no table `public.gone` in the target database: create it first"),
    ];
    let parts: Vec<&str> = expected.iter().map(String::as_str).collect();
    let ran = ran
        .says(&parts)
        .says(&["error: 7 problems", "column `name` is boolean and does not load into integer[]"]);
    assert_eq!(ran.stdout, "");
    // Nothing was made, and nothing is loaded by a run either: its code is that of the first problem.
    folder.etl(["run", "recipe.toml"]).run().never_says(HUSH).code(4).says(&["error: 7 problems"]);
    let made =
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'etl') + (SELECT count(*) FROM good)";
    assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 0);
    client.batch_execute(&format!("DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")).await.unwrap();
}

#[tokio::test]
async fn problems_are_json_for_programs_also_those_of_reading_and_connecting() {
    let (_client, folder, url) = bed("commands_check_json").await;
    let line = recipe(&folder, &url);
    let ran = folder.etl(["check", "recipe.toml", "--json"]).run().never_says(HUSH).code(11);
    let json = ran.json();
    assert_eq!((json["name"].as_str(), ran.stderr.as_str()), (Some("check"), ""));
    let problems = json["problems"].as_array().unwrap();
    let of = |key: &str| {
        let found = problems.iter().find(|problem| problem["key"] == key);
        found.unwrap_or_else(|| panic!("no problem at {key}: {json:#}"))
    };
    let number = |needle: &str| line(needle).split(':').nth(1).unwrap().parse::<u64>().unwrap();
    assert_eq!(of("tables[5].into")["line"], number("public.gone"));
    assert_eq!(of("tables[6].transforms[1]")["line"], number("nix.wasm"));
    let text = of("tables[6].transforms[1]")["problem"].as_str().unwrap();
    assert!(text.contains("nix.wasm: No such file"), "the cause is missing: {text}");

    folder.write("bad.toml", "name = \"x\"\n[run]\nstream = 3\n");
    let ran = folder.etl(["check", "bad.toml", "--json"]).run().code(2);
    assert_eq!(ran.json()["makes"], serde_json::json!([]));
    let problems = ran.json()["problems"].clone();
    assert_eq!((&problems[0]["key"], &problems[0]["line"]), (&"tables".into(), &serde_json::Value::Null));
    assert_eq!((&problems[1]["key"], &problems[1]["line"]), (&"run.stream".into(), &3.into()));

    let dead = format!("postgres://etl@127.0.0.1:{}/db", etl_tests::server::DEAD_PORT);
    folder
        .write("dead.toml", format!("name = \"x\"\n[target.postgres]\nurl = \"{dead}\"\n{}", table("t", "")));
    let ran = folder.etl(["check", "dead.toml", "--json"]).run().code(11);
    let json = ran.json();
    assert_eq!(json["problems"][0]["line"], 3);
    assert!(json["problems"][0]["problem"].as_str().unwrap().contains("connection refused"), "{json}");
}

#[test]
fn bounds_of_all_sections_are_told_at_once_with_their_lines() {
    let folder = Folder::new();
    let sections =
        "[transform]\nstack = '2 MiB'\n[source.csv]\nquote = ','\n[target.postgres]\nretries = 5000\n";
    folder.write("bad.toml", format!("name = 'x'\n{sections}{}", table("t", "")));
    let json = folder.etl(["check", "bad.toml", "--json"]).run().code(2).json();
    let problems = json["problems"].as_array().unwrap().iter();
    let problems: Vec<_> =
        problems.map(|problem| (problem["key"].as_str(), problem["line"].as_u64())).collect();
    let expected = [("transform.stack", 3), ("source.csv.quote", 5), ("target.postgres.retries", 7)];
    assert_eq!(problems, expected.map(|(key, line)| (Some(key), Some(line))), "{json}");
}

#[tokio::test]
async fn a_columns_name_from_a_file_cannot_move_the_cursor() {
    let (_client, folder, url) = bed("commands_check_names").await;
    folder.write("rows.csv", "id,na\u{1b}[2Jme\n1,one\n");
    let target = format!("name = 'x'\n[target.postgres]\nurl = '{url}'\n");
    folder.write("names.toml", format!("{target}{}", table("good", "")));
    let ran = folder.etl(["check", "names.toml"]).run().code(11).never_says("\u{1b}");
    ran.says(&["has no column `na\\u{1b}[2Jme`"]);
}

#[tokio::test]
async fn a_good_recipe_is_told_with_its_files_and_columns_and_nothing_is_made() {
    let (client, folder, url) = bed("commands_check_good").await;
    let text = format!("name = \"x\"\n[target.postgres]\nurl = \"{url}\"\n{}", table("good", ""));
    folder.write("recipe.toml", text);
    let ran = folder.etl(["check", "recipe.toml"]).run().code(0);
    assert_eq!(
        ran.stdout,
        "rows.csv -> public.good: 1 file, 2 of 2 columns read, 2 columns loaded: no problem found\n"
    );
    let ran = folder.etl(["check"]).run().code(0);
    assert!(ran.stdout.contains("no problem found"), "recipe.toml is the default: {ran:?}");
    assert_eq!(folder.etl(["check", "--quiet"]).run().code(0).stdout, "");
    let ran = folder.etl(["check", "--json"]).run().code(0);
    assert_eq!(ran.json(), serde_json::json!({"name": "x", "problems": [], "makes": []}));
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'etl'";
    assert_eq!(client.query_one(schemas, &[]).await.unwrap().get::<_, i64>(0), 0);
}
