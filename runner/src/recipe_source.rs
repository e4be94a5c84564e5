//! What a recipe's rows are read from: one of the two sources, and the keys of tables that go with it.
//!
//! Must not know: how a table is read from TOML.

use std::path::Path;

use crate::copy;
use crate::copy::postgres::write::Mode;
use crate::recipe::Target;
use crate::recipe_error::Diagnosis;
use crate::recipe_lines::join;
use crate::recipe_secret::is_misplaced;
use crate::recipe_settings::Settings;
use crate::recipe_tables::Table;
use crate::source::cassandra::{TableName, check_filter};
use crate::source::{cassandra, csv};

/// What the rows are read from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files.
    Csv(csv::Settings),
    /// A cluster.
    Cassandra(Box<cassandra::Settings>),
}

/// One of the two sources; CSV files where none is named. Paths start from `base`.
pub(crate) fn source(diagnosis: &mut Diagnosis, settings: &Settings, base: &Path) -> Source {
    if !settings.has("source.cassandra") {
        let csv: csv::Settings = settings.section(diagnosis, "source.csv");
        diagnosis.wrong_in("source.csv", csv.problems());
        return Source::Csv(csv);
    }
    if settings.has("source.csv") {
        diagnosis.wrong("source.cassandra", "not together with `source.csv`: a run has one source");
    }
    let mut cassandra: cassandra::Settings = settings.section(diagnosis, "source.cassandra");
    diagnosis.wrong_in("source.cassandra", cassandra.problems());
    let paths =
        [&mut cassandra.password_file, &mut cassandra.ca, &mut cassandra.certificate, &mut cassandra.key];
    for path in paths.into_iter().flatten() {
        *path = base.join(&*path);
    }
    Source::Cassandra(Box::new(cassandra))
}

/// The target, unless one of the tables is a trial and `--to` does not name it: then a folder of its own, so that some
/// of the rows cannot be taken for all. Answers a note about it too.
pub(crate) fn of_trials(
    target: Target,
    tables: &[(usize, Table)],
    told: bool,
    (base, name): (&Path, &str),
) -> (Target, Option<String>) {
    if told || !tables.iter().any(|(_, table)| table.cassandra.is_trial()) {
        return (target, None);
    }
    let dir = base.join("etl-out").join(format!("{name}-trial"));
    let note = format!(
        "`limit` or `token_range` makes this a trial: its rows go to files in {}, unless --to names the target",
        dir.display()
    );
    (Target::Files(copy::files::Settings { dir }), Some(note))
}

/// Tells of keys of tables that do not go with files as the target.
pub(crate) fn check_writes(diagnosis: &mut Diagnosis, target: &Target, tables: &[(usize, Table)]) {
    let Target::Files(_) = target else { return };
    for (at, table) in tables {
        let path = format!("tables[{at}]");
        if table.write != Mode::Append {
            let what =
                "goes by a table's primary key, and the target is files, which have none: leave it out";
            diagnosis.wrong(&join(&path, "write"), what);
        }
        if table.truncate.is_some() {
            diagnosis
                .wrong(&join(&path, "truncate"), "empties a table, and the target is files: leave it out");
        }
    }
}

/// An address may hold a password, so it is not shown.
const NO_ADDRESS: &str = "must be a file, a pattern or `-`, or keyspace.table of the cluster in `[source.cassandra]`, \
    and is an address: `etl init` writes a recipe for a cluster's";

/// Tells of keys of tables that do not go with the source. Each table comes with its place in the recipe.
pub(crate) fn check_tables(diagnosis: &mut Diagnosis, source: &Source, tables: &[(usize, Table)]) {
    let mut reads_stdin = false;
    for (at, table) in tables {
        let path = format!("tables[{at}]");
        if is_misplaced(&table.from) {
            diagnosis.wrong(&join(&path, "from"), NO_ADDRESS);
            continue;
        }
        let is_stdin = matches!(source, Source::Csv(_)) && table.from == "-";
        if is_stdin && reads_stdin {
            let what = "is standard input, which another table reads already: it can be read only once";
            diagnosis.wrong(&join(&path, "from"), what);
        }
        reads_stdin |= is_stdin;
        match source {
            Source::Csv(_) => check_of_csv(diagnosis, &path, table),
            Source::Cassandra(_) => check_of_cassandra(diagnosis, &path, table),
        }
    }
}

fn check_of_csv(diagnosis: &mut Diagnosis, path: &str, table: &Table) {
    let cassandra::Options { filter, token_range, limit, writetime, ttl } = &table.cassandra;
    let given = [
        ("where", filter.is_some()),
        ("token_range", token_range.is_some()),
        ("limit", limit.is_some()),
        ("writetime", !writetime.is_empty()),
        ("ttl", !ttl.is_empty()),
    ];
    for (key, _) in given.into_iter().filter(|(_, given)| *given) {
        let what = "goes with `[source.cassandra]`, and this recipe reads CSV files";
        diagnosis.wrong(&join(path, key), what);
    }
}

fn check_of_cassandra(diagnosis: &mut Diagnosis, path: &str, table: &Table) {
    if let Err(error) = table.from.parse::<TableName>() {
        diagnosis.wrong(&join(path, "from"), error.to_string());
    }
    if !table.types.is_empty() {
        let what = "goes with CSV files: the columns of a cluster's table have their types";
        diagnosis.wrong(&join(path, "types"), what);
    }
    let options = &table.cassandra;
    if let Some(Err(what)) = options.filter.as_deref().map(check_filter) {
        diagnosis.wrong(&join(path, "where"), what);
    }
    for new in options.ttl.keys().filter(|new| options.writetime.contains_key(*new)) {
        diagnosis.wrong(&join(&join(path, "ttl"), new), "there is a column of this name in `writetime`");
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::recipe::{Error, Flags, Recipe};

    const CLUSTER: &str = "name = 'n'\n[source.cassandra]\nhosts = ['a']\n";
    const TABLE: &str = "[[tables]]\nfrom = 'ks.t'\ninto = 't'\n";

    #[test]
    fn standard_input_is_read_by_one_table() {
        let table = |into: &str| format!("[[tables]]\nfrom = '-'\ninto = '{into}'\n");
        assert!(read(&format!("name = 'n'\n{}", table("a")), &[]).is_ok());
        let problems = read(&format!("name = 'n'\n{}{}", table("a"), table("b")), &[]).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.starts_with("r.toml:6:") && problem.contains("`tables[1].from`"), "{problem}");
    }

    #[test]
    fn a_trial_goes_to_files_unless_the_flag_names_the_target() {
        let of_target = |target: &str| format!("{CLUSTER}{target}{TABLE}limit = 5\n");
        let is_trial =
            |target| matches!(target, Target::Files(files) if files.dir == Path::new("/r/etl-out/n-trial"));
        let postgres = "[target.postgres]\nurl = 'postgres://h/d'\n";
        for target in ["", "[target.files]\ndir = 'o'\n", "[target.files]\ndir = '-'\n", postgres] {
            let recipe = read(&of_target(target), &[]).unwrap();
            let note = recipe.note.unwrap_or_default();
            assert!(note.contains("/r/etl-out/n-trial") && is_trial(recipe.target), "{target}: {note}");
        }
        let text = of_target(postgres);
        let flags = Flags { to: Some("postgres://h/d".into()), ..Flags::default() };
        let told = Recipe::parse(text.as_bytes(), "r.toml".as_ref(), "/r".as_ref(), [], &flags).unwrap();
        assert!(matches!(told.target, Target::Postgres(_)) && told.note.is_none());
        let whole = read(&text.replace("limit = 5", "where = 'a > 1'"), &[]).unwrap();
        assert!(matches!(whole.target, Target::Postgres(_)));
    }

    #[test]
    fn a_trial_of_a_table_that_is_written_by_its_key_is_one_as_any_other() {
        let more = "limit = 5\nwrite = 'upsert'\ntruncate = 'first-run'\n";
        let postgres = "[target.postgres]\nurl = 'postgres://h/d'\n";
        assert!(read(&format!("{CLUSTER}{postgres}{TABLE}{more}"), &[]).unwrap().note.is_some());
        let problems = read(&format!("{CLUSTER}{TABLE}{more}"), &[]).unwrap_err();
        assert!(problems[0].contains("`tables[0].write`: goes by a table's primary key"), "{problems:?}");
        assert!(problems[1].contains("`tables[0].truncate`: empties a table"), "{problems:?}");
    }

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Recipe, Vec<String>> {
        let environment =
            environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let read =
            Recipe::parse(text.as_bytes(), "r.toml".as_ref(), "/r".as_ref(), environment, &Flags::default());
        read.map_err(|error| match error {
            Error::Invalid(problems) => problems.iter().map(ToString::to_string).collect(),
            other => panic!("{other}"),
        })
    }

    fn cluster(text: &str, environment: &[(&str, &str)]) -> cassandra::Settings {
        match read(text, environment).unwrap().source {
            Source::Cassandra(settings) => *settings,
            Source::Csv(settings) => panic!("{settings:?}"),
        }
    }

    #[test]
    fn a_section_of_cassandra_makes_a_cluster_the_source_with_paths_from_the_recipe() {
        let text = format!("{CLUSTER}ca = 'ca.pem'\npassword_file = '/run/p'\nuser = 'u'\n{TABLE}");
        let settings = cluster(&text, &[]);
        assert_eq!(settings.hosts, ["a"]);
        assert_eq!(settings.ca.as_deref(), Some("/r/ca.pem".as_ref()));
        assert_eq!(settings.password_file.as_deref(), Some("/run/p".as_ref()));
    }

    #[test]
    fn hosts_and_password_may_come_from_the_environment() {
        let environment = [
            ("ETL_SOURCE__CASSANDRA__HOSTS", "['b:1', 'c']"),
            ("ETL_SOURCE__CASSANDRA__USER", "u"),
            ("ETL_SOURCE__CASSANDRA__PASSWORD", "12345"),
        ];
        let settings = cluster(&format!("name = 'n'\n{TABLE}"), &environment);
        assert_eq!(settings.hosts, ["b:1", "c"]);
        assert!(settings.password.is_some());
    }

    #[test]
    fn a_variable_about_another_source_or_target_than_the_recipes_is_left_alone() {
        let environment = [
            ("ETL_SOURCE__CASSANDRA__CA", "ca.pem"),
            ("ETL_SOURCE__CASSANDRA__PASSWORD", "hush"),
            ("ETL_TARGET__POSTGRES__RETRIES", "5"),
        ];
        let text = "name = 'n'\n[[tables]]\nfrom = 'a.csv'\ninto = 't'\n";
        for target in ["", "[target.files]\ndir = 'o'\n"] {
            let recipe = read(&format!("{text}{target}"), &environment).unwrap();
            assert!(
                matches!((&recipe.source, &recipe.target), (Source::Csv(_), Target::Files(_))),
                "{target}"
            );
            assert!(!format!("{recipe:?}").contains("hush"));
        }
        let postgres = read(&format!("{text}[target.postgres]\n"), &environment).unwrap();
        assert!(matches!(postgres.target, Target::Postgres(postgres) if postgres.retries == 5));
        let settings = cluster(&format!("{CLUSTER}{TABLE}"), &[("ETL_SOURCE__CSV__DELIMITER", ";")]);
        assert_eq!(settings.hosts, ["a"]);
    }

    #[test]
    fn without_a_recipe_only_the_address_of_a_database_makes_one_the_target() {
        let target = |name: &str, value: &str| {
            let flags = Flags { from: Some("a.csv".into()), into: Some("t".into()), ..Flags::default() };
            Recipe::from_flags([(name.into(), value.into())], &flags).unwrap().target
        };
        assert!(matches!(target("ETL_TARGET__POSTGRES__RETRIES", "5"), Target::Files(_)));
        assert!(matches!(target("ETL_TARGET__POSTGRES__URL", "postgres://h/d"), Target::Postgres(_)));
    }

    #[test]
    fn a_run_has_one_source() {
        let problems = read(&format!("{CLUSTER}[source.csv]\nquote = ''\n{TABLE}"), &[]).unwrap_err();
        let expected = "r.toml:2:9: `source.cassandra`: not together with `source.csv`: a run has one source";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_told_once_with_its_line() {
        let text = |line: &str| format!("name = 'n'\n[source.cassandra]\n{line}\n{TABLE}");
        let hosts = read(&text("hosts = 'a'"), &[]).unwrap_err();
        assert_eq!(hosts, ["r.toml:3:1: `source.cassandra.hosts`: must be a list, found text"]);
        let port = read(&text("hosts = ['a']\nport = 0"), &[]).unwrap_err();
        assert_eq!(port, ["r.toml:4:1: `source.cassandra.port`: must be between 1 and 65,535"]);
        let none = read(&text("port = 1"), &[]).unwrap_err();
        assert!(none.len() == 1 && none[0].contains("`source.cassandra.hosts`: is missing"), "{none:?}");
        let word = read(&text("hosts = ['a']\nconsistency = 'QUORUMS'"), &[]).unwrap_err();
        assert!(
            word[0].contains("`source.cassandra.consistency`: unknown value: use one of `LOCAL_ONE`"),
            "{word:?}"
        );
    }

    #[test]
    fn keys_of_tables_go_with_their_source() {
        let keys = "where = 'a > 1'\ntoken_range = [-5, 5]\nlimit = 10\nwritetime = { w = 'a' }\nttl = { t = 'a' }\n";
        let recipe = read(&format!("{CLUSTER}{TABLE}{keys}"), &[]).unwrap();
        let options = &recipe.tables[0].cassandra;
        assert_eq!(options.filter.as_deref(), Some("a > 1"));
        assert_eq!((options.token_range, options.limit), (Some((-5, 5)), Some(10)));
        assert_eq!((options.writetime["w"].as_str(), options.ttl["t"].as_str()), ("a", "a"));
        let files = read(&format!("name = 'n'\n{TABLE}{keys}"), &[]).unwrap_err();
        assert_eq!(files.len(), 5);
        assert!(files.iter().all(|problem| problem.contains("goes with `[source.cassandra]`")), "{files:?}");
        let types = read(&format!("{CLUSTER}{TABLE}types = {{ a = 'int32' }}\n"), &[]).unwrap_err();
        assert!(types[0].starts_with("r.toml:7:1: `tables[0].types`: goes with CSV files"), "{types:?}");
    }

    #[test]
    fn a_table_of_a_cluster_has_a_keyspace_and_a_condition_is_one() {
        let from = read(&format!("{CLUSTER}[[tables]]\nfrom = 'data/*.csv'\ninto = 't'\n"), &[]).unwrap_err();
        assert!(from[0].starts_with("r.toml:5:1: `tables[0].from`: must be keyspace.table"), "{from:?}");
        let filter = read(&format!("{CLUSTER}{TABLE}where = 'a = 1; x'\n"), &[]).unwrap_err();
        assert!(filter[0].contains("`tables[0].where`: must be a condition alone"), "{filter:?}");
        let same = format!("{CLUSTER}{TABLE}writetime = {{ x = 'a' }}\nttl = {{ x = 'a' }}\n");
        assert!(read(&same, &[]).unwrap_err()[0].contains("`tables[0].ttl.x`: there is a column"));
    }
}
