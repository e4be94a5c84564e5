//! What of a recipe decides which rows a table gets: what a later run is compared with.
//!
//! Must not know: modules' bytes, which the chain knows, and where the comparison is kept.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::copy::postgres::write::Mode;
use crate::recipe::{Recipe, Source, Table};
use crate::source::cassandra;
use crate::transform::{Constant, Step};

/// Keys of `[transform]` that decide when a module is stopped and what it may log, but never what it makes of a row.
/// One that is stopped has rejects: a higher limit spares those that are still to come. A key that is not here counts:
/// a refusal too many is better than other rows in the same table.
const NO_SHAPE: [&str; 6] = ["memory", "call_timeout", "stack", "table_elements", "log_lines", "cache"];

/// Keys of `[source.cassandra]` that decide who is asked and how fast, but never which rows there are.
const NO_SHAPE_OF_CASSANDRA: [&str; 16] = [
    "hosts",
    "port",
    "datacenter",
    "allow_remote",
    "user",
    "password_file",
    "tls",
    "ca",
    "certificate",
    "key",
    "consistency",
    "connect_timeout",
    "request_timeout",
    "address_map",
    "max_rows_per_second",
    "max_bytes_per_second",
];

/// See [`Recipe::shaping`].
pub(crate) fn shaping(recipe: &Recipe, table: &Table) -> Vec<(String, String)> {
    let mut parts = match &recipe.source {
        Source::Csv(csv) => different("source.csv", csv, &Default::default(), &[]),
        Source::Cassandra(settings) => {
            different("source.cassandra", &**settings, &Default::default(), &NO_SHAPE_OF_CASSANDRA)
        }
    };
    parts.extend(different("transform", &recipe.transform, &Default::default(), &NO_SHAPE));
    parts.extend(table.types.iter().map(|(column, ty)| (format!("types.{column}"), ty.to_string())));
    parts.extend(of_options(&table.cassandra));
    if !table.round.is_empty() {
        let mut columns: Vec<String> =
            table.round.iter().map(|column| Value::from(column.as_str()).to_string()).collect();
        columns.sort();
        parts.push(("round".into(), list(columns.into_iter())));
    }
    if table.write != Mode::default() {
        parts.push(("write".into(), table.write.name().into()));
    }
    let steps = table.transforms.iter().enumerate();
    parts.extend(steps.map(|(at, step)| (format!("transforms[{at}]"), step_in_words(step))));
    parts
}

/// Which rows of a cluster's table are read, and what besides its columns.
fn of_options(options: &cassandra::Options) -> Vec<(String, String)> {
    let cassandra::Options { filter, token_range, limit, writetime, ttl } = options;
    let mut parts: Vec<(String, String)> = Vec::new();
    parts.extend(filter.iter().map(|filter| ("where".into(), Value::from(filter.as_str()).to_string())));
    parts.extend(token_range.iter().map(|(from, to)| ("token_range".into(), format!("[{from}, {to}]"))));
    parts.extend(limit.iter().map(|limit| ("limit".into(), limit.to_string())));
    for (key, columns) in [("writetime", writetime), ("ttl", ttl)] {
        let text = |column: &String| Value::from(column.as_str()).to_string();
        parts.extend(columns.iter().map(|(new, column)| (format!("{key}.{new}"), text(column))));
    }
    parts
}

/// The settings that are not as by default.
fn different<T: Serialize>(
    section: &str,
    settings: &T,
    default: &T,
    except: &[&str],
) -> Vec<(String, String)> {
    let (settings, default) = (object(settings), object(default));
    let settings = settings.into_iter().filter(|(key, value)| default.get(key) != Some(value));
    let settings = settings.filter(|(key, _)| !except.contains(&key.as_str()));
    settings.map(|(key, value)| (format!("{section}.{key}"), value.to_string())).collect()
}

fn object<T: Serialize>(settings: &T) -> serde_json::Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    }
}

/// A step as in a recipe, but without a module's path: the same bytes elsewhere make the same rows.
fn step_in_words(step: &Step) -> String {
    let text = |text: &String| Value::from(text.as_str()).to_string();
    match step {
        Step::Drop(columns) => format!("drop {}", list(columns.iter().map(text))),
        Step::Rename(names) => {
            format!(
                "rename {}",
                list(names.iter().map(|(old, new)| format!("{} = {}", text(old), text(new))))
            )
        }
        Step::Constant(columns) => {
            let columns = columns.iter().map(|(name, value)| format!("{} = {}", text(name), constant(value)));
            format!("constant {}", list(columns))
        }
        Step::Module { options, .. } => {
            // In one order, as the module sees them.
            let mut options: Vec<String> =
                options.iter().map(|(name, value)| format!("{} = {}", text(name), text(value))).collect();
            options.sort();
            format!("module {}", list(options.into_iter()))
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let mut text = String::from("{");
    for (at, item) in items.enumerate() {
        let comma = if at == 0 { " " } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{item}");
    }
    text + " }"
}

fn constant(value: &Constant) -> String {
    match value {
        Constant::Boolean(value) => format!("boolean {value}"),
        Constant::Int64(value) => format!("int64 {value}"),
        Constant::Float64(value) => format!("float64 {value}"),
        Constant::Text(value) => format!("text {}", Value::from(value.as_str())),
        Constant::Date(days) => format!("date {days} days"),
        Constant::Time(micros) => format!("time {micros} us"),
        Constant::Timestamp(micros) => format!("timestamp {micros} us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_cluster_only_what_decides_on_rows_shapes_them() {
        let text = "name = 'n'\n[source.cassandra]\nhosts = ['a']\nport = 1\ndatacenter = 'd'\nallow_remote = true\n\
                    user = 'u'\npassword_file = 'p'\ntls = 'verify-full'\nca = 'c'\ncertificate = 'e'\nkey = 'k'\n\
                    consistency = 'ONE'\nconnect_timeout = '1 s'\nrequest_timeout = '1 s'\n\
                    address_map = { '1.1.1.1:1' = '2.2.2.2:2' }\nmax_rows_per_second = 1\n\
                    max_bytes_per_second = '1 MiB'\nstatic_only = 'skip'\n[[tables]]\nfrom = 'ks.t'\ninto = 't'\n\
                    where = 'a > 1'\ntoken_range = [-1, 1]\nlimit = 5\nttl = { b = 'a' }\nwritetime = { c = 'a' }\n";
        let environment = [("ETL_SOURCE__CASSANDRA__PASSWORD".into(), "hush".into())];
        let flags = crate::recipe::Flags::default();
        let recipe =
            Recipe::parse(text.as_bytes(), "r".as_ref(), "/r".as_ref(), environment, &flags).unwrap();
        let expected = [
            ("source.cassandra.static_only", "\"skip\""),
            ("where", "\"a > 1\""),
            ("token_range", "[-1, 1]"),
            ("limit", "5"),
            ("writetime.c", "\"a\""),
            ("ttl.b", "\"a\""),
        ];
        let expected = expected.map(|(part, value)| (part.into(), value.into()));
        assert_eq!(shaping(&recipe, &recipe.tables[0]), expected);
    }

    fn of_table(lines: &str) -> Vec<(String, String)> {
        let target = "[target.postgres]\nurl = 'postgres://h/d'\n";
        let text = format!("name = 'n'\n{target}[[tables]]\nfrom = 'a.csv'\ninto = 't'\n{lines}\n");
        let flags = crate::recipe::Flags::default();
        let recipe = Recipe::parse(text.as_bytes(), "r".as_ref(), "/r".as_ref(), [], &flags).unwrap();
        shaping(&recipe, &recipe.tables[0])
    }

    #[test]
    fn a_write_mode_shapes_rows_unless_it_is_the_default_and_what_was_emptied_does_not() {
        assert_eq!(of_table("write = 'append'\ntruncate = 'first-run'"), []);
        assert_eq!(of_table("write = 'upsert'"), [("write".into(), "upsert".into())]);
        assert_eq!(of_table("write = 'skip'"), [("write".into(), "skip".into())]);
    }

    #[test]
    fn what_the_target_may_round_shapes_rows_in_whatever_order() {
        let read = |round: &str| of_table(&format!("round = {round}"));
        assert_eq!(read("['b', 'a']"), [("round".into(), "{ \"a\", \"b\" }".into())]);
        assert_eq!(read("['b', 'a']"), read("['a', 'b']"));
    }

    #[test]
    fn neither_a_modules_path_nor_the_order_of_its_options_shapes_rows() {
        let words = |module: &str, options: &[(&str, &str)]| {
            let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            step_in_words(&Step::Module { module: module.into(), options })
        };
        let one = words("a.wasm", &[("x", "1"), ("y", "2")]);
        assert_eq!(one, r#"module { "x" = "1", "y" = "2" }"#);
        assert_eq!(one, words("b/c.wasm", &[("y", "2"), ("x", "1")]));
    }
}
