//! The tables of a recipe and the steps of their chains, from TOML: by hand, because the order of keys counts
//! and every problem has a place. Unknown keys were told of before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use toml::value::{Date, Datetime, Offset, Time};

use crate::recipe_error::{Diagnosis, nearest};
use crate::recipe_keys::kind;
use crate::recipe_lines::join;
use crate::schema::{Scalar, Type};
use crate::transform::{Constant, Step};

/// One table: where its rows come from, what happens to them, where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// A path, a glob, or `-`, as typed: relative to the recipe's folder.
    pub from: String,
    /// The target table, as typed.
    pub into: String,
    /// Columns that are more than text.
    pub types: BTreeMap<String, Type>,
    /// The chain. Modules' paths are absolute, or relative to the working directory.
    pub transforms: Vec<Step>,
    /// Whether the target may be an UNLOGGED table.
    pub allow_unlogged: bool,
}

/// The most tables of one recipe.
const MAX_TABLES: usize = 1000;
/// The longest name of a table, in bytes: two quoted names of 63 bytes, at most.
const MAX_INTO_BYTES: usize = 260;

type Entries<'a, 'i> = Vec<(&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)>;

/// All tables. One that is not right is left out and told of.
pub(crate) fn tables(diagnosis: &mut Diagnosis, root: &DeTable<'_>, base: &Path) -> Vec<Table> {
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
            let what = format!("another table goes into the same target{line}: use a glob in `from`, or two recipes");
            diagnosis.wrong(&join(&path, "into"), what);
        }
        tables.push(table);
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
    let steps = table.get("transforms").map(|value| {
        let path = join(path, "transforms");
        let DeValue::Array(items) = value.get_ref() else { return Vec::new() };
        let items = items.iter().enumerate();
        items.filter_map(|(at, item)| step(diagnosis, item.get_ref(), &format!("{path}[{at}]"), base)).collect()
    });
    let unlogged = table.get("allow_unlogged").map(|value| match value.get_ref() {
        DeValue::Boolean(yes) => *yes,
        other => {
            diagnosis.wrong(&join(path, "allow_unlogged"), format!("must be true or false, found {}", kind(other)));
            false
        }
    });
    Some(Table {
        from: from?,
        into: into?,
        types: types.unwrap_or_default(),
        transforms: steps.unwrap_or_default(),
        allow_unlogged: unlogged.unwrap_or_default(),
    })
}

/// Tells of a target table that no database can have.
pub(crate) fn check_into(diagnosis: &mut Diagnosis, path: &str, into: &str) {
    if into.len() > MAX_INTO_BYTES || into.chars().any(char::is_control) {
        let what = format!("must be a table's name of at most {MAX_INTO_BYTES} bytes, without control characters");
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

/// Text that is not empty.
pub(crate) fn text(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<String> {
    match value {
        DeValue::String(text) if !text.is_empty() => return Some(text.to_string()),
        DeValue::String(_) => diagnosis.wrong(path, "must not be empty"),
        other => diagnosis.wrong(path, format!("must be text, found {}", kind(other))),
    }
    None
}

fn types(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    for (column, value) in entries(diagnosis, value, path) {
        let path = join(path, column.get_ref());
        let Some(name) = text(diagnosis, value.get_ref(), &path) else { continue };
        match name.parse::<Type>() {
            Ok(ty) => drop(types.insert(column.get_ref().to_string(), ty)),
            Err(error) => diagnosis.wrong(&path, unknown_type(&name, &error.to_string())),
        }
    }
    types
}

fn unknown_type(name: &str, error: &str) -> String {
    let scalar = name.strip_suffix("[]").unwrap_or(name);
    let names = Scalar::ALL.map(Scalar::name);
    match common_name(scalar).or_else(|| nearest(scalar, names)) {
        Some(near) => format!("unknown type, did you mean `{near}{}`?", &name[scalar.len()..]),
        None => error.to_owned(),
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

/// The entries of a table in the order of the file.
fn entries<'a, 'i>(diagnosis: &mut Diagnosis, value: &'a DeValue<'i>, path: &str) -> Entries<'a, 'i> {
    let DeValue::Table(table) = value else {
        diagnosis.wrong(path, format!("must be a table, found {}", kind(value)));
        return Vec::new();
    };
    in_order(table)
}

fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Entries<'a, 'i> {
    let mut entries: Entries<'a, 'i> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn step(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str, base: &Path) -> Option<Step> {
    let DeValue::Table(table) = value else { return None };
    const KINDS: [&str; 4] = ["drop", "rename", "constant", "module"];
    let mut kinds = KINDS.iter().filter_map(|kind| Some((*kind, table.get(*kind)?.get_ref())));
    let Some((kind, value)) = kinds.next() else {
        diagnosis.wrong(path, "a step needs one of `drop`, `rename`, `constant`, `module`");
        return None;
    };
    if let Some((other, _)) = kinds.next() {
        diagnosis.wrong(path, format!("a step does one thing, this has `{kind}` and `{other}`: write two steps"));
        return None;
    }
    if kind != "module" && table.contains_key("options") {
        diagnosis.wrong(&join(path, "options"), "only a `module` has options");
    }
    let inner = join(path, kind);
    Some(match kind {
        "drop" => Step::Drop(columns(diagnosis, value, &inner)?),
        "rename" => Step::Rename(renames(diagnosis, value, &inner)?),
        "constant" => Step::Constant(constants(diagnosis, value, &inner)?),
        _ => {
            let module = base.join(text(diagnosis, value, &inner)?);
            let value = table.get("options").map(|value| value.get_ref());
            let options = value.map(|value| options(diagnosis, value, &join(path, "options")));
            Step::Module { module, options: options.unwrap_or_default() }
        }
    })
}

/// A step that is left empty does nothing, so it is a mistake.
fn some<T>(diagnosis: &mut Diagnosis, path: &str, all: Vec<T>) -> Option<Vec<T>> {
    if all.is_empty() {
        diagnosis.wrong(path, "names no column");
    }
    (!all.is_empty()).then_some(all)
}

fn columns(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<Vec<String>> {
    let DeValue::Array(items) = value else {
        diagnosis.wrong(path, format!("must be a list of columns, found {}", kind(value)));
        return None;
    };
    let named = items.iter().enumerate();
    let named = named.map(|(at, item)| text(diagnosis, item.get_ref(), &format!("{path}[{at}]")));
    let named: Option<Vec<_>> = named.collect();
    named.and_then(|all| some(diagnosis, path, all))
}

fn renames(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<Vec<(String, String)>> {
    let before = diagnosis.problems.len();
    let mut all = Vec::new();
    for (old, new) in entries(diagnosis, value, path) {
        let new = text(diagnosis, new.get_ref(), &join(path, old.get_ref()));
        all.extend(new.map(|new| (old.get_ref().to_string(), new)));
    }
    if diagnosis.problems.len() == before { some(diagnosis, path, all) } else { None }
}

fn constants(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<Vec<(String, Constant)>> {
    let before = diagnosis.problems.len();
    let mut all = Vec::new();
    for (column, value) in entries(diagnosis, value, path) {
        match constant(value.get_ref()) {
            Ok(constant) => all.push((column.get_ref().to_string(), constant)),
            Err(what) => diagnosis.wrong(&join(path, column.get_ref()), what),
        }
    }
    if diagnosis.problems.len() == before { some(diagnosis, path, all) } else { None }
}

fn constant(value: &DeValue<'_>) -> Result<Constant, &'static str> {
    match value {
        DeValue::String(text) => Ok(Constant::Text(text.to_string())),
        DeValue::Boolean(yes) => Ok(Constant::Boolean(*yes)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Constant::Int64)
            .map_err(|_| "the number does not fit into int64: quote it, and it loads as text"),
        DeValue::Float(number) => {
            number.as_str().parse().map(Constant::Float64).map_err(|_| "the number does not fit into float64")
        }
        DeValue::Datetime(value) => moment(value),
        DeValue::Array(_) | DeValue::Table(_) => Err("must be text, a number, true or false, a date or a time"),
    }
}

/// A date, a time or both. Without an offset, UTC.
fn moment(value: &Datetime) -> Result<Constant, &'static str> {
    const NOWHERE: &str = "there is no such date or time";
    let time = value.time.map(micros).transpose()?;
    let days = value.date.map(days).transpose()?;
    match (days, time) {
        (Some(days), None) => i32::try_from(days).map(Constant::Date).map_err(|_| NOWHERE),
        (None, Some(micros)) => Ok(Constant::Time(micros)),
        (Some(days), Some(micros)) => {
            let minutes = match value.offset {
                Some(Offset::Custom { minutes }) => i64::from(minutes),
                Some(Offset::Z) | None => 0,
            };
            Ok(Constant::Timestamp(days * 86_400_000_000 + micros - minutes * 60_000_000))
        }
        (None, None) => Err(NOWHERE),
    }
}

/// Days since 1970-01-01.
fn days(date: Date) -> Result<i64, &'static str> {
    let part = |n: u8| i8::try_from(n).unwrap_or_default();
    let year = i16::try_from(date.year).unwrap_or_default();
    let date = jiff::civil::Date::new(year, part(date.month), part(date.day));
    let date = date.map_err(|_| "there is no such date")?;
    let span = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1)));
    Ok(i64::from(span.map_err(|_| "there is no such date")?.get_days()))
}

/// Microseconds since midnight.
fn micros(time: Time) -> Result<i64, &'static str> {
    let nanos = time.nanosecond.unwrap_or_default();
    if nanos % 1000 != 0 {
        return Err("a time has no more than six digits behind the second");
    }
    let second = time.second.unwrap_or_default();
    if second > 59 {
        return Err("a minute has no more than 60 seconds here");
    }
    let seconds = (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(second);
    Ok(seconds * 1_000_000 + i64::from(nanos / 1000))
}

/// A module's options: text as it is, anything else as JSON, in the order of the file.
fn options(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in entries(diagnosis, value, path) {
        let text = match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Datetime(moment) => Ok(moment.to_string()),
            other => json(other).map(|json| json.to_string()),
        };
        match text {
            Ok(text) => all.push((name.get_ref().to_string(), text)),
            Err(what) => diagnosis.wrong(&join(path, name.get_ref()), what),
        }
    }
    all
}

fn json(value: &DeValue<'_>) -> Result<serde_json::Value, &'static str> {
    const NO_JSON: &str = "JSON has no such number";
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(yes) => (*yes).into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| NO_JSON)?.into()
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            number.ok_or(NO_JSON)?.into()
        }
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            serde_json::Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let pairs = in_order(table).into_iter();
            let pairs = pairs.map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)));
            serde_json::Value::Object(pairs.collect::<Result<_, &'static str>>()?)
        }
    })
}

/// The chain of modules without options that flags ask for.
pub(crate) fn modules(paths: &[PathBuf], base: &Path) -> Vec<Step> {
    paths.iter().map(|path| Step::Module { module: base.join(path), options: Vec::new() }).collect()
}
