//! The tables of a recipe, from TOML.
//!
//! Must not know: unknown keys and values where a table belongs, which were told of before.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use toml::de::{DeTable, DeValue};

use crate::copy::postgres::write::Mode;
use crate::recipe_error::{Diagnosis, nearest};
use crate::recipe_keys::kind;
use crate::recipe_lines::join;
use crate::recipe_secret::is_misplaced;
use crate::recipe_steps::{columns, entries, step, text};
use crate::schema::{Scalar, Type};
use crate::source::cassandra;
use crate::transform::Step;

/// One table: where its rows come from, what happens to them, where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// A path, a glob, or `-`, as typed: relative to the recipe's folder.
    pub from: String,
    /// The target table, as typed.
    pub into: String,
    /// Columns that are more than text.
    pub types: BTreeMap<String, Type>,
    /// What is said of a cluster's table; nothing with another source.
    pub cassandra: cassandra::Options,
    /// The chain. Modules' paths are absolute, or relative to the working directory.
    pub transforms: Vec<Step>,
    /// Columns whose values the target may round, cut or pad.
    pub round: Vec<String>,
    /// Whether a target that is not there is made; never one that is changed.
    pub create: Option<Create>,
    /// Whether the target may be an UNLOGGED table.
    pub allow_unlogged: bool,
    /// What happens to rows whose key is there.
    pub write: Mode,
    /// Whether the target is emptied before its first row.
    pub truncate: Option<Truncate>,
}

/// When a target is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum Create {
    /// When there is no table of its name.
    IfMissing,
}

/// When a target is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum Truncate {
    /// When the ledger does not know the load yet.
    FirstRun,
}

/// The most tables of one recipe.
const MAX_TABLES: usize = 1000;
/// The longest name of a table, in bytes: two quoted names of 63 bytes, at most.
const MAX_INTO_BYTES: usize = 260;

/// All tables with their places. One that is not right is left out and told of.
pub(crate) fn tables(diagnosis: &mut Diagnosis, root: &DeTable<'_>, base: &Path) -> Vec<(usize, Table)> {
    let Some(value) = root.get("tables") else {
        diagnosis.wrong("tables", "there is no table: add [[tables]] with `from` and `into`");
        return Vec::new();
    };
    let DeValue::Array(items) = value.get_ref() else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_TABLES {
        diagnosis.wrong("tables", format!("must be 1 to {MAX_TABLES} tables, found {}", items.len()));
        return Vec::new();
    }
    let mut seen = BTreeMap::new();
    let mut tables = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("tables[{at}]");
        let DeValue::Table(item) = item.get_ref() else { continue };
        let Some(table) = table(diagnosis, item, &path, base) else { continue };
        if let Some(first) = seen.insert(table.into.clone(), at) {
            let line = diagnosis.lines.line_of(&format!("tables[{first}].into"));
            let line = line.map_or(String::new(), |line| format!(" in line {line}"));
            let what = format!(
                "another table goes into the same target{line}: use a glob in `from`, or two recipes"
            );
            diagnosis.wrong(&join(&path, "into"), what);
        }
        tables.push((at, table));
    }
    tables
}

fn table(diagnosis: &mut Diagnosis, table: &DeTable<'_>, path: &str, base: &Path) -> Option<Table> {
    let from = required(diagnosis, table, path, "from");
    let into = required(diagnosis, table, path, "into");
    if let Some(into) = &into {
        check_into(diagnosis, &join(path, "into"), into);
    }
    let types = table.get("types").map(|value| types(diagnosis, value.get_ref(), &join(path, "types")));
    let cassandra = options(diagnosis, table, path);
    let steps = table.get("transforms").map(|value| {
        let path = join(path, "transforms");
        let DeValue::Array(items) = value.get_ref() else { return Vec::new() };
        let items = items.iter().enumerate();
        items
            .filter_map(|(at, item)| step(diagnosis, item.get_ref(), &format!("{path}[{at}]"), base))
            .collect()
    });
    let round =
        table.get("round").and_then(|value| columns(diagnosis, value.get_ref(), &join(path, "round")));
    let create = table.get("create").and_then(|value| match value.get_ref().as_str() {
        Some("if-missing") => Some(Create::IfMissing),
        _ => {
            diagnosis.wrong(&join(path, "create"), "must be \"if-missing\", or be left out");
            None
        }
    });
    let (write, truncate) = writing(diagnosis, table, path);
    let unlogged = table.get("allow_unlogged").map(|value| match value.get_ref() {
        DeValue::Boolean(yes) => *yes,
        other => {
            diagnosis.wrong(
                &join(path, "allow_unlogged"),
                format!("must be true or false, found {}", kind(other)),
            );
            false
        }
    });
    Some(Table {
        from: from?,
        into: into?,
        types: types.unwrap_or_default(),
        cassandra,
        transforms: steps.unwrap_or_default(),
        round: round.unwrap_or_default(),
        create,
        allow_unlogged: unlogged.unwrap_or_default(),
        write,
        truncate,
    })
}

/// How rows get into a table that may hold some.
fn writing(diagnosis: &mut Diagnosis, table: &DeTable<'_>, path: &str) -> (Mode, Option<Truncate>) {
    let write = table.get("write").and_then(|value| {
        let mode = Mode::ALL.into_iter().find(|mode| value.get_ref().as_str() == Some(mode.name()));
        if mode.is_none() {
            diagnosis.wrong(&join(path, "write"), "must be \"append\", \"skip\" or \"upsert\"");
        }
        mode
    });
    let from = table.get("from").and_then(|from| from.get_ref().as_str());
    let truncate = table.get("truncate").and_then(|value| match (value.get_ref().as_str(), from) {
        (Some("first-run"), Some("-")) => {
            let what = "not with standard input, of which every run is the first: each would empty the table";
            diagnosis.wrong(&join(path, "truncate"), what);
            None
        }
        (Some("first-run"), _) => Some(Truncate::FirstRun),
        _ => {
            diagnosis.wrong(&join(path, "truncate"), "must be \"first-run\", or be left out");
            None
        }
    });
    (write.unwrap_or_default(), truncate)
}

/// Tells of a target table that no database can have.
pub(crate) fn check_into(diagnosis: &mut Diagnosis, path: &str, into: &str) {
    if is_misplaced(into) {
        let what = "must be a table's name, and is an address: a database's goes into `target.postgres.url`, or behind --to";
        diagnosis.wrong(path, what);
    }
    if into.len() > MAX_INTO_BYTES || into.chars().any(char::is_control) {
        let what =
            format!("must be a table's name of at most {MAX_INTO_BYTES} bytes, without control characters");
        diagnosis.wrong(path, what);
    }
}

fn required(diagnosis: &mut Diagnosis, table: &DeTable<'_>, path: &str, key: &str) -> Option<String> {
    let Some(value) = table.get(key) else {
        diagnosis.wrong(&join(path, key), "is missing");
        return None;
    };
    text(diagnosis, value.get_ref(), &join(path, key))
}

/// What goes with a cluster as the source.
fn options(diagnosis: &mut Diagnosis, table: &DeTable<'_>, path: &str) -> cassandra::Options {
    let value = |key: &str| Some((table.get(key)?.get_ref(), join(path, key)));
    let mut columns = |key| {
        let Some((value, path)) = value(key) else { return BTreeMap::new() };
        let mut columns = BTreeMap::new();
        for (new, column) in entries(diagnosis, value, &path) {
            let column = text(diagnosis, column.get_ref(), &join(&path, new.get_ref()));
            columns.extend(column.map(|column| (new.get_ref().to_string(), column)));
        }
        columns
    };
    let (writetime, ttl) = (columns("writetime"), columns("ttl"));
    let filter = value("where").and_then(|(value, path)| text(diagnosis, value, &path));
    let limit = value("limit").and_then(|(value, path)| {
        let rows = whole(value).and_then(|rows| u64::try_from(rows).ok()).filter(|rows| *rows > 0);
        if rows.is_none() {
            diagnosis.wrong(&path, "must be a whole number of rows, 1 or more");
        }
        rows
    });
    let token_range = value("token_range").and_then(|(value, path)| {
        let range = match value {
            DeValue::Array(ends) => match &ends[..] {
                [from, to] => whole(from.get_ref()).zip(whole(to.get_ref())).filter(|(from, to)| from < to),
                _ => None,
            },
            _ => None,
        };
        if range.is_none() {
            diagnosis
                .wrong(&path, "must be two whole numbers, the first smaller, e.g. [0, 1000000000000000]");
        }
        range
    });
    cassandra::Options { filter, token_range, limit, writetime, ttl }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(number) = value else { return None };
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn types(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    for (column, value) in entries(diagnosis, value, path) {
        let path = join(path, column.get_ref());
        let Some(name) = text(diagnosis, value.get_ref(), &path) else { continue };
        match name.parse::<Type>() {
            Ok(ty) => drop(types.insert(column.get_ref().to_string(), ty)),
            Err(_) => diagnosis.wrong(&path, unknown_type(&name)),
        }
    }
    types
}

fn unknown_type(name: &str) -> String {
    let scalar = name.strip_suffix("[]").unwrap_or(name);
    let names = Scalar::ALL.map(Scalar::name);
    match common_name(scalar).or_else(|| nearest(scalar, names)) {
        Some(near) => format!("unknown type, did you mean `{near}{}`?", &name[scalar.len()..]),
        None => format!("unknown type: use one of {}, or one of these with [] behind it", names.join(", ")),
    }
}

/// Our name for a type that elsewhere has another one.
fn common_name(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "bool" => "boolean",
        "smallint" | "short" | "int2" => "int16",
        "int" | "integer" | "int4" => "int32",
        "bigint" | "long" | "int8" => "int64",
        "real" | "float" | "float4" => "float32",
        "double" | "double precision" | "float8" => "float64",
        "decimal" => "numeric",
        "string" | "varchar" | "char" | "str" => "text",
        "bytea" | "blob" | "binary" => "bytes",
        "timestamptz" | "datetime" => "timestamp",
        "jsonb" => "json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe_lines::Lines;
    use crate::schema::Type;

    fn read(text: &str) -> (Vec<(usize, Table)>, Vec<String>) {
        let root = DeTable::parse(text).unwrap();
        let mut diagnosis = Diagnosis::new(Some("r.toml".as_ref()));
        diagnosis.lines = Lines::of(text, root.get_ref());
        let tables = tables(&mut diagnosis, root.get_ref(), "/base".as_ref());
        (tables, diagnosis.problems.iter().map(ToString::to_string).collect())
    }

    fn problems(lines: &str) -> Vec<String> {
        read(&format!("[[tables]]\nfrom = 'a'\ninto = 't'\n{lines}\n")).1
    }

    #[test]
    fn a_recipe_without_tables_is_refused() {
        assert_eq!(
            read("").1,
            ["r.toml: `tables`: there is no table: add [[tables]] with `from` and `into`"]
        );
        assert_eq!(read("tables = []").1, ["r.toml:1:1: `tables`: must be 1 to 1000 tables, found 0"]);
    }

    #[test]
    fn two_tables_into_the_same_target_are_refused_with_both_lines() {
        let text = "[[tables]]\nfrom = 'a'\ninto = 't'\n[[tables]]\nfrom = 'b'\ninto = 't'\n";
        let expected = "r.toml:6:1: `tables[1].into`: another table goes into the same target in line 3: use a glob \
                        in `from`, or two recipes";
        assert_eq!(read(text).1, [expected]);
        assert_eq!(read(&text.replacen("'t'", "'u'", 1)).1, Vec::<String>::new());
    }

    #[test]
    fn from_and_into_are_required_and_text() {
        let text = "[[tables]]\nfrom = 5\n[[tables]]\ninto = ''\nfrom = 'a'\n";
        assert_eq!(
            read(text).1,
            [
                "r.toml:2:1: `tables[0].from`: must be text, found a whole number",
                "r.toml:1:1: `tables[0].into`: is missing",
                "r.toml:4:1: `tables[1].into`: must not be empty",
            ]
        );
        assert!(problems("allow_unlogged = 'yes'")[0].ends_with("must be true or false, found text"));
        assert!(
            problems("create = true")[0]
                .ends_with("`tables[0].create`: must be \"if-missing\", or be left out")
        );
        assert_eq!(problems("create = 'if-missing'"), Vec::<String>::new());
        assert!(problems("write = 'merge'")[0].ends_with("must be \"append\", \"skip\" or \"upsert\""));
        assert!(problems("truncate = true")[0].ends_with("must be \"first-run\", or be left out"));
        assert!(
            problems("round = 'a'")[0].ends_with("`tables[0].round`: must be a list of columns, found text")
        );
        assert!(problems("round = []")[0].ends_with("`tables[0].round`: names no column"));
    }

    #[test]
    fn how_rows_are_written_is_one_of_three_ways_and_append_unless_said() {
        let of = |lines: &str| {
            let (tables, problems) = read(&format!("[[tables]]\nfrom = 'a'\ninto = 't'\n{lines}\n"));
            assert_eq!(problems, Vec::<String>::new());
            (tables[0].1.write, tables[0].1.truncate)
        };
        assert_eq!(of(""), (Mode::Append, None));
        for mode in Mode::ALL {
            assert_eq!(of(&format!("write = '{}'", mode.name())), (mode, None));
        }
        assert_eq!(of("truncate = 'first-run'"), (Mode::Append, Some(Truncate::FirstRun)));
        let (_, problems) = read("[[tables]]\nfrom = '-'\ninto = 't'\ntruncate = 'first-run'\n");
        assert!(problems[0].contains("`tables[0].truncate`: not with standard input"), "{problems:?}");
    }

    #[test]
    fn what_goes_with_a_cluster_is_checked_for_its_form() {
        let lowest = "token_range = [-9223372036854775808, 9223372036854775807]";
        assert_eq!(problems(lowest), Vec::<String>::new());
        for (line, what) in [
            ("where = ''", "`tables[0].where`: must not be empty"),
            ("token_range = [1]", "`tables[0].token_range`: must be two whole numbers"),
            ("token_range = [1, 1]", "`tables[0].token_range`: must be two whole numbers, the first smaller"),
            ("token_range = [1, 9223372036854775808]", "`tables[0].token_range`: must be two"),
            ("limit = 0", "`tables[0].limit`: must be a whole number of rows, 1 or more"),
            ("limit = '5'", "`tables[0].limit`: must be a whole number"),
            ("writetime = ['a']", "`tables[0].writetime`: must be a table"),
            ("ttl = { a = 5 }", "`tables[0].ttl.a`: must be text"),
        ] {
            let problems = problems(line);
            assert!(problems.len() == 1 && problems[0].contains(what), "{line}: {problems:?}");
        }
    }

    #[test]
    fn types_are_ours_and_the_names_of_others_lead_to_them() {
        let (tables, problems) = read(
            "[[tables]]\nfrom = 'a'\ninto = 't'\nallow_unlogged = true\n[tables.types]\na = 'int32'\n'b c' = 'text[]'\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert!(tables[0].1.allow_unlogged);
        assert_eq!(tables[0].1.types["b c"], Type::array_of(Scalar::Text));
        for (name, near) in
            [("int", "int32"), ("bigint[]", "int64[]"), ("tsxt", "text"), ("Numeric", "numeric")]
        {
            let expected = format!("r.toml:4:11: `tables[0].types.a`: unknown type, did you mean `{near}`?");
            assert_eq!(self::problems(&format!("types = {{ a = '{name}' }}")), [expected]);
        }
        let problems = self::problems("types = { a = 'polygon' }");
        assert!(problems[0].contains("unknown type: use one of boolean, int16"), "{problems:?}");
    }
}
