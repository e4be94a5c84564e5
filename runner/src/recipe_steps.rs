//! The steps of a chain, from TOML: by hand, because the order of keys counts and every problem has a place.
//!
//! Must not know: what a step does.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::recipe_error::Diagnosis;
use crate::recipe_keys::kind;
use crate::recipe_lines::join;
use crate::recipe_moment::moment;
use crate::transform::{Constant, Step};

type Entries<'a, 'i> = Vec<(&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)>;

/// One step: exactly one of its kinds.
pub(crate) fn step(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str, base: &Path) -> Option<Step> {
    let DeValue::Table(table) = value else { return None };
    const KINDS: [&str; 4] = ["drop", "rename", "constant", "module"];
    let mut kinds = KINDS.iter().filter_map(|kind| Some((*kind, table.get(*kind)?.get_ref())));
    let Some((kind, value)) = kinds.next() else {
        diagnosis.wrong(path, "a step needs one of `drop`, `rename`, `constant`, `module`");
        return None;
    };
    if let Some((other, _)) = kinds.next() {
        diagnosis
            .wrong(path, format!("a step does one thing, this has `{kind}` and `{other}`: write two steps"));
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

/// A list of columns, at least one.
pub(crate) fn columns(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<Vec<String>> {
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
        DeValue::Array(_) | DeValue::Table(_) => {
            Err("must be text, a number, true or false, a date or a time")
        }
    }
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

/// Text that is not empty.
pub(crate) fn text(diagnosis: &mut Diagnosis, value: &DeValue<'_>, path: &str) -> Option<String> {
    match value {
        DeValue::String(text) if !text.is_empty() => return Some(text.to_string()),
        DeValue::String(_) => diagnosis.wrong(path, "must not be empty"),
        other => diagnosis.wrong(path, format!("must be text, found {}", kind(other))),
    }
    None
}

/// The entries of a table in the order of the file.
pub(crate) fn entries<'a, 'i>(
    diagnosis: &mut Diagnosis,
    value: &'a DeValue<'i>,
    path: &str,
) -> Entries<'a, 'i> {
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

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use crate::recipe_lines::Lines;

    /// The step that is typed as `text`, in the second line of a list.
    fn read(text: &str) -> (Option<Step>, Vec<String>) {
        let text = format!("s = [\n{text}\n]\n");
        let root = DeTable::parse(&text).unwrap();
        let root = root.get_ref();
        let mut diagnosis = Diagnosis::new(Some("r.toml".as_ref()));
        diagnosis.lines = Lines::of(&text, root);
        let value = root.get("s").and_then(|list| list.get_ref().get(0)).unwrap();
        let step = step(&mut diagnosis, value.get_ref(), "s[0]", "/base".as_ref());
        (step, diagnosis.problems.iter().map(ToString::to_string).collect())
    }

    fn good(text: &str) -> Step {
        let (step, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        step.unwrap()
    }

    #[test]
    fn a_constant_has_the_type_that_toml_gives_it() {
        let text = "{ constant = { z = 'x', a = -5, c = 2.5, b = true, d = 1970-01-02, e = 00:00:01, f = 1970-01-01T00:00:01Z } }";
        let expected = [
            ("z", Constant::Text("x".into())),
            ("a", Constant::Int64(-5)),
            ("c", Constant::Float64(2.5)),
            ("b", Constant::Boolean(true)),
            ("d", Constant::Date(1)),
            ("e", Constant::Time(1_000_000)),
            ("f", Constant::Timestamp(1_000_000)),
        ];
        assert_eq!(good(text), Step::Constant(expected.map(|(name, value)| (name.into(), value)).into()));
        assert_eq!(
            good("{ constant = { h = 0xff } }"),
            Step::Constant(vec![("h".into(), Constant::Int64(255))])
        );
    }

    #[test]
    fn options_are_text_or_json_in_the_order_of_the_file() {
        let text = "{ module = 'x.wasm', options = { z = 'plain \"text\"', a = 5, m = [1.5, 'x'], d = 2013-01-01, \
                    b = { y = true, c = [] } } }";
        let expected = [
            ("z", "plain \"text\""),
            ("a", "5"),
            ("m", "[1.5,\"x\"]"),
            ("d", "2013-01-01"),
            ("b", "{\"y\":true,\"c\":[]}"),
        ];
        let options = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(good(text), Step::Module { module: "/base/x.wasm".into(), options });
    }

    #[test]
    fn renames_keep_their_order_and_an_absolute_module_its_path() {
        let names = [("z", "a"), ("b", "z")].map(|(old, new)| (old.into(), new.into()));
        assert_eq!(good("{ rename = { z = 'a', b = 'z' } }"), Step::Rename(names.into()));
        assert_eq!(
            good("{ module = '/x.wasm' }"),
            Step::Module { module: "/x.wasm".into(), options: Vec::new() }
        );
    }

    #[test]
    fn a_step_that_is_not_one_thing_is_refused_with_its_line() {
        for (text, expected) in [
            ("{ }", "r.toml:2:1: `s[0]`: a step needs one of `drop`, `rename`, `constant`, `module`"),
            (
                "{ drop = ['a'], rename = { a = 'b' } }",
                "r.toml:2:1: `s[0]`: a step does one thing, this has `drop` and `rename`: write two steps",
            ),
            ("{ drop = ['a'], options = {} }", "r.toml:2:17: `s[0].options`: only a `module` has options"),
            ("{ drop = 'a' }", "r.toml:2:3: `s[0].drop`: must be a list of columns, found text"),
            ("{ drop = ['a', 5] }", "r.toml:2:16: `s[0].drop[1]`: must be text, found a whole number"),
            ("{ drop = [] }", "r.toml:2:3: `s[0].drop`: names no column"),
            ("{ rename = {} }", "r.toml:2:3: `s[0].rename`: names no column"),
            ("{ rename = ['a'] }", "r.toml:2:3: `s[0].rename`: must be a table, found a list"),
            ("{ rename = { a = '' } }", "r.toml:2:14: `s[0].rename.a`: must not be empty"),
            ("{ constant = { a = [] } }", "must be text, a number, true or false, a date or a time"),
            ("{ constant = { a = 9223372036854775808 } }", "the number does not fit into int64"),
            ("{ module = 5 }", "r.toml:2:3: `s[0].module`: must be text, found a whole number"),
            ("{ module = 'x', options = 5 }", "`s[0].options`: must be a table, found a whole number"),
            (
                "{ module = 'x', options = { a = [nan] } }",
                "r.toml:2:29: `s[0].options.a`: JSON has no such number",
            ),
        ] {
            let (_, problems) = read(text);
            assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        }
    }
}
