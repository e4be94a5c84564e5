//! Recipes that cannot be read, or say what no recipe may say: exit code 2, each problem with its line, and nothing
//! is touched. No value is ever shown: it may be a secret.

use etl_tests::harness::{Folder, Ran};

const SECRET: &str = "pa55-hush";

/// Runs a recipe in a folder that must stay as it is.
#[track_caller]
fn refused(text: impl AsRef<[u8]>) -> Ran {
    let folder = Folder::new();
    folder.write("recipe.toml", text);
    folder.write("rows.csv", "id\n1\n");
    let ran = folder.etl(["run", "recipe.toml"]).run().code(2).never_says(SECRET);
    assert!(!folder.path("etl-out").exists(), "something was written");
    assert_eq!(ran.stdout, "");
    ran
}

const TABLE: &str = "[[tables]]\nfrom = \"rows.csv\"\ninto = \"public.t\"\n";

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let text = format!("name = \"x\"\n[run]\nstream = 3\n{TABLE}");
    refused(text).says(&["recipe.toml:3:1: `run.stream`: unknown key, did you mean `streams`?"]);
    let text = format!("name = \"x\"\n{TABLE}transfroms = []\n");
    refused(text).says(&["recipe.toml:5:1: `tables[0].transfroms`: unknown key, did you mean `transforms`?"]);
    let text = format!("name = \"x\"\n[targets.postgres]\nurl = \"{SECRET}\"\n{TABLE}");
    refused(text).says(&["recipe.toml:2:2: `targets`: unknown key, did you mean `target`?"]);
}

#[test]
fn what_is_not_toml_is_refused_with_its_place() {
    refused("name = \"x\"\n[run\nstreams = 3\n").says(&["recipe.toml:2:5: not TOML: unclosed table"]);
    refused(format!("name = \"x\"\nurl = {SECRET} {SECRET}\n")).says(&["recipe.toml:2:", "not TOML"]);
    refused("name = \"x\"\nname = \"y\"\n").says(&["recipe.toml:2:1: not TOML: duplicate key"]);
    refused(b"name = \"\xff\"\n").says(&["recipe.toml:1:9", "UTF-8"]);
    refused("")
        .says(&["`name`: is missing", "`tables`: there is no table: add [[tables]] with `from` and `into`"]);
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = format!(
        "[run]\nstreams = \"{SECRET}\"\nmemory = \"1 parsec\"\nchunk_rows = 0\n{TABLE}types = {{ id = \"int3\" }}\n"
    );
    let ran = refused(text).says(&[
        "error: 5 problems in the recipe",
        "`name`: is missing",
        "recipe.toml:2:1: `run.streams`: must be a whole number, 0 or more, found text",
        "recipe.toml:3:1: `run.memory`: ",
        "recipe.toml:4:1: `run.chunk_rows`: must be between 1 and 10,000,000",
        "recipe.toml:8:11: `tables[0].types.id`: unknown type, did you mean `int32`?",
    ]);
    assert_eq!(ran.stderr.lines().count(), 6, "{}", ran.stderr);
}

#[test]
fn a_recipe_that_is_not_there_or_no_file_is_named() {
    let folder = Folder::new();
    let missing = folder.etl(["run", "nix.toml"]).run().code(2);
    missing.says(&["cannot read the recipe nix.toml", "No such file", "hint: name a recipe", "--from"]);
    let nothing = folder.etl(["run"]).run().code(2);
    nothing.says(&["cannot read the recipe recipe.toml", "hint: name a recipe"]);
    std::fs::create_dir(folder.path("d")).unwrap();
    folder.etl(["run", "d"]).run().code(2).says(&["cannot read the recipe d", "directory"]);
    let huge = std::fs::File::create(folder.path("huge.toml")).unwrap();
    huge.set_len(1 << 30).unwrap();
    folder.etl(["run", "huge.toml"]).run().code(2).says(&["huge.toml is larger than 1048576 bytes"]);
}

#[test]
fn a_password_in_a_recipe_or_a_flag_is_refused_and_not_shown() {
    for url in [
        format!("postgres://etl:{SECRET}@127.0.0.1/db"),
        format!("host=127.0.0.1 user=etl password={SECRET}"),
        format!("postgres://etl@127.0.0.1/db?password={SECRET}"),
    ] {
        let text = format!("name = \"x\"\n[target.postgres]\nurl = \"{url}\"\n{TABLE}");
        refused(text).says(&["recipe.toml:3:1: `target.postgres.url`: ", "use PGPASSWORD, .pgpass"]);
        let folder = Folder::new();
        folder.write("rows.csv", "id\n1\n");
        let ran = folder.etl(["run", "--from", "rows.csv", "--into", "public.t", "--to", &url]).run();
        ran.code(2).never_says(SECRET).says(&["PGPASSWORD"]);
    }
    let text = format!("name = \"x\"\n[target.postgres]\npassword = \"{SECRET}\"\n{TABLE}");
    refused(text).says(&["recipe.toml:3:1: `target.postgres.password`", "PGPASSWORD"]);
}

#[test]
fn a_variable_that_cannot_be_used_is_named_without_its_value() {
    let folder = Folder::new();
    folder.write("recipe.toml", format!("name = \"x\"\n{TABLE}"));
    folder.write("rows.csv", "id\n1\n");
    for (name, value, says) in [
        ("ETL_RUN__STREAMS", SECRET, "ETL_RUN__STREAMS: must be a whole number"),
        ("ETL_RUN__STREEMS", "1", "ETL_RUN__STREEMS: unknown setting, did you mean `ETL_RUN__STREAMS`?"),
        ("ETL_TABLES__FROM", SECRET, "ETL_TABLES__FROM: comes from the recipe's file only"),
        ("ETL_TARGET__POSTGRES__PASSWORD", SECRET, "use PGPASSWORD or .pgpass"),
        ("ETL_RUN__MAX_REJECTS_PERCENT", "101", "ETL_RUN__MAX_REJECTS_PERCENT: must be between 0 and 100"),
    ] {
        let ran = folder.etl(["run", "recipe.toml"]).env(name, value).run();
        ran.code(2).never_says(SECRET).says(&[says]);
        assert!(!folder.path("etl-out").exists());
    }
}

#[test]
fn a_step_that_does_not_fit_is_named_with_its_line() {
    let step = |steps: &str| {
        refused(
            format!("name = \"x\"\n{TABLE}transforms = [\n  {{ drop = [\"id\"] }},\n]\n")
                .replace("  { drop = [\"id\"] },", steps),
        )
    };
    step("  { rename = { id = \"number\" } },\n  { drop = [\"id\"] },")
        .says(&["recipe.toml:7: transform 2 (drop): there is no column `id` here; the columns are number"]);
    step("  { drop = [\"id\"] },").says(&["recipe.toml:6: transform 1 (drop): no column would be left"]);
    step("  { constant = { id = 1 } },")
        .says(&["recipe.toml:6: transform 1 (constant): two columns would have the name `id`"]);
    step("  { foo = 1 },")
        .says(&["recipe.toml:6:5: `tables[0].transforms[0].foo`: unknown key: use one of `drop`"]);
    step("  { drop = [\"id\"], rename = { id = \"a\" } },").says(&["recipe.toml:6:3:", "write two steps"]);
}

#[test]
fn a_dialect_that_cannot_be_read_is_refused_with_its_line() {
    let csv = |line: &str| refused(format!("name = \"x\"\n[source.csv]\n{line}\n{TABLE}"));
    csv("delimiter = \"ab\"").says(&["recipe.toml:3:1: `source.csv.delimiter`: must be one ASCII character"]);
    csv("quote = \",\"").says(&["recipe.toml:3:1: `source.csv.quote`: is the same character as `delimiter`"]);
    csv("max_row_bytes = \"2 GiB\"").says(&["recipe.toml:3:1: `source.csv.max_row_bytes`: must be between"]);
    csv("header = []").says(&["recipe.toml:3: `source.csv.header` is an empty list: name the columns"]);
}
