//! Which keys a recipe may have, read from its JSON schema, and what is wrong with the keys of one that was
//! typed: unknown ones, tables where there is none, passwords.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::recipe_document::schema;
use crate::recipe_error::{Diagnosis, nearest, suggestion};
use crate::recipe_lines::join;
use crate::recipe_secret::has_password;

/// What a key of the schema holds.
pub(crate) enum Shape<'a> {
    /// A table with known keys.
    Section(Section<'a>),
    /// A list of such tables.
    Sections(Section<'a>),
    /// Text, and nothing else.
    Text,
    /// Any other value.
    Value,
}

/// A table of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a>(&'a Value);

impl<'a> Section<'a> {
    /// What `key` holds, if it is known.
    pub(crate) fn get(self, key: &str) -> Option<Shape<'a>> {
        self.0.get(key).map(shape)
    }

    /// The known keys.
    pub(crate) fn keys(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }
}

/// All keys of a recipe.
pub(crate) struct Keys(Value);

impl Keys {
    pub(crate) fn known() -> Self {
        Keys(schema())
    }

    pub(crate) fn root(&self) -> Section<'_> {
        Section(&self.0["properties"])
    }
}

fn shape(schema: &Value) -> Shape<'_> {
    if let Some(properties) = properties(schema) {
        return Shape::Section(Section(properties));
    }
    if let Some(properties) = schema.get("items").and_then(properties) {
        return Shape::Sections(Section(properties));
    }
    if is_text(schema) { Shape::Text } else { Shape::Value }
}

/// A table's keys, also where the table is one of several alternatives (an optional one).
fn properties(schema: &Value) -> Option<&Value> {
    let own = schema.get("properties");
    own.or_else(|| alternatives(schema)?.iter().find_map(properties))
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array())
}

fn is_text(schema: &Value) -> bool {
    match alternatives(schema) {
        Some(all) => all.iter().filter(|one| one.get("type").is_none_or(|name| name != "null")).all(is_text),
        None => schema.get("type").is_some_and(|name| name == "string"),
    }
}

/// Tells of unknown keys at every level, of values where a table belongs, and of passwords.
pub(crate) fn check(diagnosis: &mut Diagnosis, keys: &Keys, table: &DeTable<'_>) {
    check_section(diagnosis, keys, keys.root(), "", table);
    check_secrets(diagnosis, table);
}

fn check_section(
    diagnosis: &mut Diagnosis,
    keys: &Keys,
    section: Section<'_>,
    at: &str,
    table: &DeTable<'_>,
) {
    for (key, value) in table {
        let path = join(at, key.get_ref());
        match (section.get(key.get_ref()), value.get_ref()) {
            (None, _) => {
                let what = format!("unknown key{}", advice(keys, section, at, key.get_ref()));
                diagnosis.wrong_at(diagnosis.in_file(&path), &path, what);
            }
            (Some(Shape::Section(section)), DeValue::Table(table)) => {
                check_section(diagnosis, keys, section, &path, table);
            }
            (Some(Shape::Section(_)), value) => {
                let what = format!("must be a table, found {}", kind(value));
                diagnosis.wrong_at(diagnosis.in_file(&path), &path, what);
            }
            (Some(Shape::Sections(section)), value) => check_sections(diagnosis, keys, section, &path, value),
            (Some(Shape::Text | Shape::Value), _) => {}
        }
    }
}

fn check_sections(
    diagnosis: &mut Diagnosis,
    keys: &Keys,
    section: Section<'_>,
    path: &str,
    value: &DeValue<'_>,
) {
    let DeValue::Array(items) = value else {
        let hint = if path == "tables" { ": write [[tables]]" } else { "" };
        return diagnosis.wrong(path, format!("must be a list of tables, found {}{hint}", kind(value)));
    };
    for (at, item) in items.iter().enumerate() {
        let path = format!("{path}[{at}]");
        match item.get_ref() {
            DeValue::Table(table) => check_section(diagnosis, keys, section, &path, table),
            other => diagnosis.wrong(&path, format!("must be a table, found {}", kind(other))),
        }
    }
}

/// What `key` was probably meant to be: a key of this section, the same key of another one, or any of these.
fn advice(keys: &Keys, section: Section<'_>, at: &str, key: &str) -> String {
    if at == "target.postgres" && key == "password" {
        return format!(": {NO_PASSWORD}");
    }
    // A user or a port of the target is none of the source, nor the other way round.
    let other_end = |home: &String| {
        let ends = |one, other| at.starts_with(one) && home.starts_with(other);
        ends("source", "[target") || ends("target", "[source")
    };
    if nearest(key, section.keys()).is_none()
        && let Some(home) = home(keys.root(), "", key).filter(|home| !other_end(home))
    {
        return format!(": `{key}` belongs into `{home}`");
    }
    suggestion(key, section.keys())
}

/// The section that has `key`.
fn home(section: Section<'_>, at: &str, key: &str) -> Option<String> {
    section.keys().find_map(|name| {
        let path = join(at, name);
        match section.get(name)? {
            Shape::Section(inner) if inner.get(key).is_some() => Some(format!("[{path}]")),
            Shape::Sections(inner) if inner.get(key).is_some() => Some(format!("[[{path}]]")),
            Shape::Section(inner) | Shape::Sections(inner) => home(inner, &path, key),
            _ => None,
        }
    })
}

/// What to do with a password of the source instead.
pub(crate) const NO_SOURCE_PASSWORD: &str = "a password does not belong here: use ETL_SOURCE__CASSANDRA__PASSWORD in the environment, or `password_file`";

/// What to do with a password of the target instead.
pub(crate) const NO_PASSWORD: &str = "a password does not belong here: use PGPASSWORD, .pgpass or ETL_TARGET__POSTGRES__URL in the environment";

fn check_secrets(diagnosis: &mut Diagnosis, root: &DeTable<'_>) {
    let cassandra = root.get("source").and_then(|source| source.get_ref().get("cassandra"));
    if cassandra.and_then(|section| section.get_ref().get("password")).is_some() {
        let path = "source.cassandra.password";
        diagnosis.wrong_at(diagnosis.in_file(path), path, NO_SOURCE_PASSWORD);
    }
    let postgres = root.get("target").and_then(|target| target.get_ref().get("postgres"));
    let Some(DeValue::Table(postgres)) = postgres.map(|value| value.get_ref()) else { return };
    for (key, value) in postgres {
        let Some(text) = value.get_ref().as_str() else { continue };
        if (key.get_ref() == "password" && !text.is_empty()) || has_password(text) {
            let path = join("target.postgres", key.get_ref());
            if !diagnosis.problems.iter().any(|problem| problem.key == path) {
                diagnosis.wrong_at(diagnosis.in_file(&path), &path, NO_PASSWORD);
            }
        }
    }
}

/// A value's kind, for people.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut diagnosis = Diagnosis::new(Some("r.toml".as_ref()));
        let table = DeTable::parse(text).unwrap();
        diagnosis.lines = crate::recipe_lines::Lines::of(text, table.get_ref());
        check(&mut diagnosis, &Keys::known(), table.get_ref());
        diagnosis.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_key_is_named_at_every_level_with_the_nearest_known_one() {
        let text = "nme = 'a'\n[run]\nstream = 4\n[source.cvs]\n[source.csv]\nnul = []\n[[tables]]\nform = 'a'\n\
                    transforms = [\n  { drp = [] },\n]\n[target.postgres]\nur = ''\n";
        assert_eq!(
            problems(text),
            [
                "r.toml:1:1: `nme`: unknown key, did you mean `name`?",
                "r.toml:3:1: `run.stream`: unknown key, did you mean `streams`?",
                "r.toml:6:1: `source.csv.nul`: unknown key, did you mean `null`?",
                "r.toml:4:9: `source.cvs`: unknown key, did you mean `csv`?",
                "r.toml:8:1: `tables[0].form`: unknown key, did you mean `from`?",
                "r.toml:10:5: `tables[0].transforms[0].drp`: unknown key, did you mean `drop`?",
                "r.toml:13:1: `target.postgres.ur`: unknown key, did you mean `url`?",
            ]
        );
    }

    #[test]
    fn a_key_in_the_wrong_section_is_told_where_it_belongs() {
        assert_eq!(
            problems("streams = 4"),
            ["r.toml:1:1: `streams`: unknown key: `streams` belongs into `[run]`"]
        );
        let text = "[run]\ntransforms = []\n";
        assert_eq!(
            problems(text),
            ["r.toml:2:1: `run.transforms`: unknown key: `transforms` belongs into `[[tables]]`"]
        );
    }

    #[test]
    fn a_key_unlike_any_other_is_told_what_there_is() {
        let expected = "r.toml:1:1: `colour`: unknown key: use one of `name`, `source`, `target`, `transform`, `rejects`, \
                        `run`, `tables`";
        assert_eq!(problems("colour = 1"), [expected]);
    }

    #[test]
    fn a_value_where_a_table_belongs_is_refused() {
        assert_eq!(
            problems("run = 5\nsource.csv = []\ntables = 'x'\n"),
            [
                "r.toml:1:1: `run`: must be a table, found a whole number",
                "r.toml:2:8: `source.csv`: must be a table, found a list",
                "r.toml:3:1: `tables`: must be a list of tables, found text: write [[tables]]",
            ]
        );
        assert_eq!(
            problems("tables = [1]"),
            ["r.toml:1:11: `tables[0]`: must be a table, found a whole number"]
        );
        let text = "[[tables]]\ntransforms = ['m.wasm']\n";
        assert_eq!(problems(text), ["r.toml:2:15: `tables[0].transforms[0]`: must be a table, found text"]);
    }

    #[test]
    fn a_password_in_the_file_is_refused_without_being_printed() {
        for line in
            ["url = 'postgres://a:secret@h/d'", "url = 'host=h password=secret'", "password = 'secret'"]
        {
            let problems = problems(&format!("[target.postgres]\n{line}\n"));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with("r.toml:2:1: `target.postgres."), "{problems:?}");
            assert!(problems[0].contains("PGPASSWORD") && !problems[0].contains("secret"), "{problems:?}");
        }
        let problems = problems("[source.cassandra]\npassword = 'secret'\n");
        assert!(
            problems[0].starts_with("r.toml:2:1: `source.cassandra.password`: a password does not belong")
        );
        assert!(problems.len() == 1 && !problems[0].contains("secret"), "{problems:?}");
    }

    #[test]
    fn a_key_of_one_end_is_not_sent_to_the_other() {
        let problems = problems("[target.postgres]\ndatacenter = 'x'\n");
        assert!(problems[0].contains("unknown key: use one of"), "{problems:?}");
    }
}
