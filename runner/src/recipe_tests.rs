//! A recipe as a whole: text, environment and flags in; what they mean, or every problem, out.

use std::ffi::OsString;
use std::path::Path;

use crate::copy::gate::Limit;
use crate::recipe::{Error, Flags, Recipe, Source, Target};
use crate::schema::{Scalar, Type};
use crate::transform::Step;

const FLIGHTS: &str = r#"name = "flights"                    # the ledger's key

[source.csv]
null = ["NA"]

[target.postgres]
url = "postgres://etl@127.0.0.1,127.0.0.2,127.0.0.3/etl"   # port and password: environment, .pgpass

[run]
streams = 32
max_rejects_percent = 5

[[tables]]
from = "data/flights-2013-01.csv"
into = "public.flights"
types = { year = "int32", dep_time = "int32" }
transforms = [
  { drop = ["hour", "minute"] },
  { module = "flights.wasm", options = { cancelled = "flag" } },
]
"#;

const ONE_TABLE: &str = "name = 'n'\n[[tables]]\nfrom = 'a.csv'\ninto = 't'\n";

fn read(text: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Recipe, Error> {
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Recipe::parse(text.as_bytes(), "r.toml".as_ref(), "/recipes".as_ref(), environment, flags)
}

fn recipe(text: &str) -> Recipe {
    read(text, &[], &Flags::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn problems_with(text: &str, environment: &[(&str, &str)], flags: &Flags) -> Vec<String> {
    match read(text, environment, flags) {
        Err(Error::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn problems(text: &str) -> Vec<String> {
    problems_with(text, &[], &Flags::default())
}

fn shell(set: &[(&str, &str, &str)]) -> Flags {
    let set = set.iter().map(|(flag, key, value)| ((*flag).into(), (*key).into(), (*value).into()));
    Flags { folder: "/shell".into(), set: set.collect(), ..Flags::default() }
}

fn postgres_url(recipe: &Recipe) -> String {
    match &recipe.target {
        Target::Postgres(postgres) => serde_json::to_value(&postgres.url).unwrap().as_str().unwrap().into(),
        Target::Files(files) => panic!("{files:?}"),
    }
}

fn csv(recipe: &Recipe) -> &crate::source::csv::Settings {
    match &recipe.source {
        Source::Csv(csv) => csv,
        Source::Cassandra(cassandra) => panic!("{cassandra:?}"),
    }
}

fn files_dir(recipe: &Recipe) -> &Path {
    match &recipe.target {
        Target::Files(files) => &files.dir,
        Target::Postgres(postgres) => panic!("{postgres:?}"),
    }
}

#[test]
fn the_recipe_of_the_flights_means_what_it_says() {
    let recipe = recipe(FLIGHTS);
    assert_eq!(recipe.name, "flights");
    assert_eq!(csv(&recipe).null, ["NA"]);
    assert_eq!(postgres_url(&recipe), "postgres://etl@127.0.0.1,127.0.0.2,127.0.0.3/etl");
    assert_eq!((recipe.run.streams, recipe.run.max_rejects()), (32, Limit::Percent(5.0)));
    assert_eq!(recipe.run.chunk_rows, 20_000);
    let [table] = recipe.tables.as_slice() else { panic!("{:?}", recipe.tables) };
    assert_eq!((table.from.as_str(), table.into.as_str()), ("data/flights-2013-01.csv", "public.flights"));
    assert_eq!(table.types["year"], Type::of(Scalar::Int32));
    let options = vec![("cancelled".into(), "flag".into())];
    let module = Step::Module { module: "/recipes/flights.wasm".into(), options };
    assert_eq!(table.transforms, [Step::Drop(vec!["hour".into(), "minute".into()]), module]);
    assert_eq!(recipe.lines.line_of("tables[0].transforms[1]"), Some(19));
    assert_eq!(recipe.lines.line_of("tables[0].types.year"), Some(16));
}

#[test]
fn a_later_layer_wins() {
    let environment = [("ETL_RUN__STREAMS", "4"), ("ETL_RUN__MEMORY", "128 MiB"), ("PATH", "/bin")];
    let from_environment = read(FLIGHTS, &environment, &Flags::default()).unwrap();
    assert_eq!((from_environment.run.streams, from_environment.run.memory.0), (4, 128 << 20));
    assert_eq!(csv(&from_environment).null, ["NA"]);
    let from_flags = read(FLIGHTS, &environment, &shell(&[("--streams", "run.streams", "2")])).unwrap();
    assert_eq!((from_flags.run.streams, from_flags.run.memory.0), (2, 128 << 20));
}

#[test]
fn a_variable_is_written_as_in_the_recipe_without_quotes_around_text() {
    let environment = [
        ("ETL_SOURCE__CSV__NULL", r#"["NA", ""]"#),
        ("ETL_SOURCE__CSV__DELIMITER", "7"),
        ("ETL_TARGET__POSTGRES__URL", "postgres://etl:secret@other/etl"),
        ("ETL_RUN__CHUNK_ROWS", "10_000"),
        ("ETL_RUN__SPLIT_BYTES", "1048576"),
        ("ETL_RUN__CHUNK_TIME", "1500 ms"),
    ];
    let recipe = read(FLIGHTS, &environment, &Flags::default()).unwrap();
    assert_eq!(csv(&recipe).null, ["NA", ""]);
    assert_eq!(csv(&recipe).delimiter.to_string(), "7");
    assert_eq!(recipe.run.chunk_rows, 10_000);
    assert_eq!(recipe.run.split_bytes.unwrap().0, 1 << 20);
    assert_eq!(recipe.run.chunk_time.to_string(), "1500 ms");
    // A password in the environment is fine; the address may be shown without it.
    assert!(postgres_url(&recipe).contains("other"));
}

#[test]
fn a_mistyped_variable_is_named_with_the_nearest_known_one() {
    let cases = [
        ("ETL_RUN__STREMS", "4", "ETL_RUN__STREMS: unknown setting, did you mean `ETL_RUN__STREAMS`?"),
        ("ETL_RNU__STREAMS", "4", "ETL_RNU__STREAMS: unknown setting, did you mean `ETL_RUN__STREAMS`?"),
        ("ETL_RUN__STREAMS", "many", "ETL_RUN__STREAMS: must be a whole number, 0 or more, found text"),
        ("ETL_RUN__STREAMS", "0", "ETL_RUN__STREAMS: must be between 1 and 1,024"),
        ("ETL_RUN__STREAMS", "", "ETL_RUN__STREAMS: must be a whole number, 0 or more, found text"),
        ("ETL_SOURCE__CSV__NULL", "NA", "ETL_SOURCE__CSV__NULL: must be a list, found text"),
        (
            "ETL_RUN__STREAMS__X",
            "4",
            "ETL_RUN__STREAMS__X: unknown setting, did you mean `ETL_RUN__STREAMS`?",
        ),
        (
            "ETL_TARGET__POSTGRES",
            "x",
            "ETL_TARGET__POSTGRES: is a section, not a setting: set one of its keys",
        ),
        ("ETL_TABLES__FROM", "x", "ETL_TABLES__FROM: comes from the recipe's file only"),
        (
            "ETL_TARGET__POSTGRES__PASSWORD",
            "x",
            "ETL_TARGET__POSTGRES__PASSWORD: unknown setting: use PGPASSWORD or .pgpass",
        ),
    ];
    for (name, value, expected) in cases {
        assert_eq!(problems_with(FLIGHTS, &[(name, value)], &Flags::default()), [expected]);
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let environment = [("ETL_TEST_POSTGRES", "x"), ("ETL_BLESS", "1"), ("MY_ETL_RUN__STREAMS", "x")];
    read(FLIGHTS, &environment, &Flags::default()).unwrap();
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_place_and_never_shown() {
    let cases = [
        (
            "[run]\nstreams = 'hush'\n",
            "r.toml:6:1: `run.streams`: must be a whole number, 0 or more, found text",
        ),
        ("[run]\nstreams = -1\n", "r.toml:6:1: `run.streams`: must be a whole number, 0 or more"),
        (
            "[run]\nstreams = 1.5\n",
            "r.toml:6:1: `run.streams`: must be a whole number, 0 or more, found a number",
        ),
        ("[run]\nmemory = 'hush'\n", "not a size: write a whole number and B, KiB, MiB or GiB"),
        (
            "[run]\nchunk_time = 10\n",
            "`run.chunk_time`: must be a span of time, e.g. \"10 s\", found a whole number",
        ),
        ("[run]\nchunk_rows = 99999999999999999999\n", "`run.chunk_rows`: the number is too large"),
        ("[run]\nstreams = 2013-01-01\n", "`run.streams`: a date or time is not allowed here"),
        ("[source.csv]\nnull = 'hush'\n", "`source.csv.null`: must be a list, found text"),
        ("[source.csv]\nnull = ['x', 1]\n", "`source.csv.null[1]`: must be text, found a whole number"),
        ("[target.postgres]\nurl = 5\n", "r.toml:6:1: `target.postgres.url`: must be text"),
        ("[target]\npostgres = 'postgres://a:hush@h'\n", "`target.postgres`: must be a table, found text"),
    ];
    for (text, expected) in cases {
        let problems = problems(&format!("{ONE_TABLE}{text}"));
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        assert!(!problems[0].contains("hush"), "{problems:?}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = "[run]\nstreams = 0\nmemroy = 1\n[transform]\nmemory = 'x'\n[[tables]]\nfrom = ''\n";
    let problems = problems(text);
    let starts: Vec<_> = problems.iter().map(|problem| problem.split("`:").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "r.toml: `name",
            "r.toml:2:1: `run.streams",
            "r.toml:3:1: `run.memroy",
            "r.toml:5:1: `transform.memory",
            "r.toml:6:1: `tables[0].into",
            "r.toml:7:1: `tables[0].from",
        ],
        "{problems:?}"
    );
    let error = read(text, &[], &Flags::default()).unwrap_err().to_string();
    assert!(error.starts_with("6 problems in the recipe\n  r.toml: `name`: is missing"), "{error}");
}

#[test]
fn bad_toml_is_told_with_its_line_and_without_its_text() {
    for (text, line) in [
        ("name = \"a\n", "r.toml:1:"),
        ("name = 'a'\n[target.postgres\nurl = 'hush'", "r.toml:2:"),
        ("[target.postgres]\nurl = postgres://a:hush@h/d\n", "r.toml:2:"),
        ("name = 'a'\nname = 'hush'\n", "r.toml:2:"),
        ("\n\n= 5\n", "r.toml:3:"),
    ] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].starts_with(line), "{problems:?}");
        assert!(problems[0].contains("not TOML: ") && !problems[0].contains("hush"), "{problems:?}");
    }
    let bytes = Recipe::parse(b"# \xff", "r.toml".as_ref(), "/".as_ref(), [], &Flags::default());
    assert_eq!(bytes.unwrap_err().to_string(), "r.toml:1:3: is not UTF-8");
}

#[test]
fn a_name_is_required_and_plain() {
    for name in ["", "a b", "ä", ".hidden", "a/b", &"x".repeat(101)] {
        let problems = problems(&ONE_TABLE.replace("'n'", &format!("'{name}'")));
        assert!(problems[0].starts_with("r.toml:1:1: `name`: must "), "{problems:?}");
    }
    assert_eq!(recipe(&ONE_TABLE.replace("'n'", "'a-B_1.2'")).name, "a-B_1.2");
    let problems = problems_with(ONE_TABLE, &[], &Flags { name: Some("a b".into()), ..Flags::default() });
    assert!(problems[0].starts_with("--name: must be"), "{problems:?}");
}

#[test]
fn without_a_target_files_go_beside_the_recipe() {
    assert_eq!(files_dir(&recipe(ONE_TABLE)), Path::new("/recipes/etl-out/n"));
    assert_eq!(files_dir(&recipe(&format!("{ONE_TABLE}[target.files]\n"))), Path::new("/recipes/etl-out/n"));
    assert_eq!(
        files_dir(&recipe(&format!("{ONE_TABLE}[target.files]\ndir = 'o'\n"))),
        Path::new("/recipes/o")
    );
    assert_eq!(files_dir(&recipe(&format!("{ONE_TABLE}[target.files]\ndir = '-'\n"))), Path::new("-"));
    let problems = problems(&format!("{ONE_TABLE}[target.files]\ndir = ''\n"));
    assert_eq!(problems, ["r.toml:6:1: `target.files.dir`: must not be empty"]);
}

#[test]
fn two_targets_are_refused_unless_a_flag_decides() {
    let both = format!("{FLIGHTS}[target.files]\ndir = 'o'\n");
    let expected = "r.toml:21:9: `target.files`: not together with `target.postgres`: a run has one target";
    assert_eq!(problems(&both), [expected]);
    let environment = [("ETL_TARGET__FILES__DIR", "o")];
    let refused = problems_with(FLIGHTS, &environment, &Flags::default());
    assert!(refused[0].contains("a run has one target"), "{refused:?}");
    let to_files = Flags { to: Some("out".into()), ..shell(&[]) };
    assert_eq!(files_dir(&read(FLIGHTS, &[], &to_files).unwrap()), Path::new("/shell/out"));
    let to_server = Flags { to: Some("postgres://h/d".into()), ..shell(&[]) };
    assert_eq!(postgres_url(&read(&both, &[], &to_server).unwrap()), "postgres://h/d");
}

#[test]
fn the_limits_of_rejects_exclude_each_other_and_a_later_layer_replaces_both() {
    let text = format!("{ONE_TABLE}[run]\nmax_rejects = 1\nmax_rejects_percent = 1\n");
    let expected =
        "r.toml:7:1: `run.max_rejects_percent`: not together with `run.max_rejects`: keep one of the two";
    assert_eq!(problems(&text), [expected]);
    let recipe = read(FLIGHTS, &[("ETL_RUN__MAX_REJECTS", "7")], &Flags::default()).unwrap();
    assert_eq!(recipe.run.max_rejects(), Limit::Rows(7));
    let flags = shell(&[("--max-rejects-percent", "run.max_rejects_percent", "0.5")]);
    let recipe = read(FLIGHTS, &[("ETL_RUN__MAX_REJECTS", "7")], &flags).unwrap();
    assert_eq!(recipe.run.max_rejects(), Limit::Percent(0.5));
}

#[test]
fn a_password_in_a_flag_is_refused_without_being_printed() {
    let to = Flags { to: Some("postgres://a:hush@h/d".into()), ..shell(&[]) };
    let set = shell(&[("--set", "target.postgres.url", "host=h password=hush")]);
    for flags in [to, set] {
        let problems = problems_with(FLIGHTS, &[], &flags);
        assert!(problems.len() == 1 && problems[0].contains("PGPASSWORD"), "{problems:?}");
        assert!(!problems[0].contains("hush"), "{problems:?}");
    }
    let to = Flags { to: Some("mysql://h/d".into()), ..shell(&[]) };
    assert_eq!(
        problems_with(FLIGHTS, &[], &to),
        ["--to: must be postgres://…, a folder, or - for standard output"]
    );
}

#[test]
fn flags_replace_the_chain_of_one_table_and_no_more() {
    let flags = Flags { transforms: vec!["map.wasm".into()], ..shell(&[]) };
    let module = Step::Module { module: "/shell/map.wasm".into(), options: Vec::new() };
    assert_eq!(read(FLIGHTS, &[], &flags).unwrap().tables[0].transforms, [module]);
    let two = format!("{FLIGHTS}[[tables]]\nfrom = 'b'\ninto = 'c'\n");
    let expected = "--transform: replaces the chain of a recipe's one table, and this recipe has 2";
    assert_eq!(problems_with(&two, &[], &flags), [expected]);
    let from = Flags { from: Some("x.csv".into()), into: Some("t".into()), ..shell(&[]) };
    let what = "is for a run without a recipe: tables come from the recipe's file only";
    assert_eq!(problems_with(FLIGHTS, &[], &from), [format!("--from: {what}"), format!("--into: {what}")]);
}

fn without_recipe(from: &str, to: Option<&str>, into: Option<&str>) -> Flags {
    let text = |text: &str| Some(text.to_owned());
    Flags { from: text(from), to: to.and_then(text), into: into.and_then(text), ..shell(&[]) }
}

#[test]
fn a_run_without_a_recipe_is_named_after_its_table_and_its_source() {
    let to = Some("postgres://h/d");
    let name = |from: &str, into: &str| {
        let recipe = Recipe::from_flags([], &without_recipe(from, to, Some(into))).unwrap();
        assert_eq!((recipe.tables[0].from.as_str(), recipe.tables[0].into.as_str()), (from, into));
        recipe.name
    };
    assert!(name("data.csv", "public.t").starts_with("public.t-"));
    assert_eq!(name("data.csv", "public.t"), name("data.csv", "public.t"));
    assert_eq!(name("data.csv", "public.t"), name("./data.csv", "public.t"));
    assert_ne!(name("data.csv", "public.t"), name("other.csv", "public.t"));
    assert_ne!(name("data.csv", "public.t"), name("data.csv", "public.u"));
    assert!(name("data.csv", &"\"ä b\"".repeat(20)).len() <= 100);
}

#[test]
fn a_run_without_a_recipe_says_what_is_missing() {
    let to = Some("postgres://h/d");
    let flags = |from, to, into| match Recipe::from_flags([], &without_recipe(from, to, into)) {
        Ok(recipe) => recipe.tables[0].into.clone(),
        Err(error) => error.to_string(),
    };
    assert_eq!(flags("", to, Some("t")), "--from: is missing: name the file to load, or a recipe");
    assert_eq!(flags("a.csv", to, None), "--into: is missing: name the target table");
    assert_eq!(flags("d/a b.csv.gz", None, None), "a_b");
    assert_eq!(flags("-", Some("-"), None), "stdin");
    assert_eq!(flags("a.csv", to, Some("a\nb")).split(": ").next(), Some("--into"));
    let environment = [("ETL_TARGET__POSTGRES__URL".into(), "postgres://h/d".into())];
    let error = Recipe::from_flags(environment, &without_recipe("a.csv", None, None)).unwrap_err();
    assert_eq!(error.to_string(), "--into: is missing: name the target table");
}

#[test]
fn what_shapes_rows_is_listed_and_nothing_else() {
    let text =
        FLIGHTS.replace("[run]", "[transform]\nmemory = '1 MiB'\nrows_factor = 5\n[run]\nmemory = '1 GiB'");
    let recipe = recipe(&text);
    let expected = [
        ("source.csv.null", r#"["NA"]"#),
        ("transform.rows_factor", "5"),
        ("types.dep_time", "int32"),
        ("types.year", "int32"),
        ("transforms[0]", r#"drop { "hour", "minute" }"#),
        ("transforms[1]", r#"module { "cancelled" = "flag" }"#),
    ];
    assert_eq!(recipe.shaping(&recipe.tables[0]), expected.map(|(part, value)| (part.into(), value.into())));
}

#[test]
fn a_file_that_is_no_recipe_is_told_of_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.toml");
    let load = || Recipe::load(&path, [], &Flags::default());
    let missing = load().unwrap_err().to_string();
    assert_eq!(missing, format!("cannot read the recipe {}", path.display()));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(load().unwrap_err().to_string().ends_with("is larger than 1048576 bytes: is it a recipe?"));
    std::fs::write(&path, FLIGHTS).unwrap();
    let recipe = load().unwrap();
    assert_eq!((recipe.base.as_path(), recipe.file.as_deref()), (folder.path(), Some(path.as_path())));
}
