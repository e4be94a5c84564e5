//! What the file, the environment and flags say about the settings: a layer each.
//!
//! Must not know: tables, which come from the file only.

use std::collections::BTreeMap;
use std::ffi::OsString;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use toml::de::{DeTable, DeValue};

use crate::recipe_error::{Diagnosis, Origin};
use crate::recipe_keys::{Keys, Section, Shape};
use crate::recipe_lines::join;

/// The sections that can be set from outside the file.
pub(crate) const SECTIONS: [&str; 5] = ["source", "target", "transform", "rejects", "run"];

/// The name of the file's layer.
const FILE: &str = "file";

/// One layer.
pub(crate) struct Layer {
    name: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

impl Layer {
    fn new(name: &'static str) -> Self {
        Layer { name, values: Dict::new() }
    }

    /// Whether this layer has a word on `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        find(&self.values, path).is_some()
    }

    /// Whether this is what stands in the recipe's file.
    pub(crate) fn is_file(&self) -> bool {
        self.name == FILE
    }

    /// Takes back what this layer says about `path`.
    pub(crate) fn remove(&mut self, path: &str) {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        if section.is_empty() {
            self.values.remove(key);
        } else if let Some(Value::Dict(_, inner)) = find_mut(&mut self.values, section) {
            inner.remove(key);
        }
    }

    fn set(&mut self, path: &[&str], value: Value) {
        let mut table = &mut self.values;
        let Some((key, sections)) = path.split_last() else { return };
        for section in sections {
            let inner = table.entry((*section).to_owned()).or_insert_with(|| Value::from(Dict::new()));
            let Value::Dict(_, inner) = inner else { return };
            table = inner;
        }
        table.insert((*key).to_owned(), value);
    }
}

fn find<'a>(values: &'a Dict, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = values.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_dict()?.get(key))
}

fn find_mut<'a>(values: &'a mut Dict, path: &str) -> Option<&'a mut Value> {
    let mut keys = path.split('.');
    let first = values.get_mut(keys.next()?)?;
    keys.try_fold(first, |value, key| match value {
        Value::Dict(_, inner) => inner.get_mut(key),
        _ => None,
    })
}

/// The file's settings; what [`crate::recipe_keys::check`] complains of is left out.
pub(crate) fn of_file(diagnosis: &mut Diagnosis, keys: &Keys, root: &DeTable<'_>) -> Layer {
    let mut layer = Layer::new(FILE);
    for (key, value) in root.iter().filter(|(key, _)| SECTIONS.contains(&key.get_ref().as_ref())) {
        if let (Some(Shape::Section(section)), DeValue::Table(table)) =
            (keys.root().get(key.get_ref()), value.get_ref())
        {
            let values = section_values(diagnosis, section, key.get_ref(), table);
            layer.values.insert(key.get_ref().to_string(), Value::from(values));
        }
    }
    layer
}

fn section_values(diagnosis: &mut Diagnosis, section: Section<'_>, at: &str, table: &DeTable<'_>) -> Dict {
    let mut values = Dict::new();
    for (key, value) in table {
        let path = join(at, key.get_ref());
        let value = match (section.get(key.get_ref()), value.get_ref()) {
            (Some(Shape::Section(section)), DeValue::Table(table)) => {
                Some(Value::from(section_values(diagnosis, section, &path, table)))
            }
            (Some(Shape::Text | Shape::Value), value) => {
                let value = plain(value);
                if let Err(what) = value {
                    diagnosis.wrong_at(diagnosis.in_file(&path), &path, what);
                }
                value.ok()
            }
            _ => None,
        };
        values.extend(value.map(|value| (key.get_ref().to_string(), value)));
    }
    values
}

/// A TOML value as figment has it.
fn plain(value: &DeValue<'_>) -> Result<Value, &'static str> {
    const TOO_LARGE: &str = "the number is too large";
    Ok(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            Value::from(number.map_err(|_| TOO_LARGE)?)
        }
        DeValue::Float(number) => Value::from(number.as_str().parse::<f64>().map_err(|_| TOO_LARGE)?),
        DeValue::Boolean(yes) => Value::from(*yes),
        DeValue::Datetime(_) => {
            return Err("a date or time is not allowed here: quote it if it is meant as text");
        }
        DeValue::Array(items) => {
            let items = items.iter().map(|item| plain(item.get_ref()));
            Value::from(items.collect::<Result<Vec<Value>, _>>()?)
        }
        DeValue::Table(table) => {
            let values = table.iter().map(|(k, v)| Ok((k.get_ref().to_string(), plain(v.get_ref())?)));
            Value::from(values.collect::<Result<Dict, &'static str>>()?)
        }
    })
}

/// The variables named `ETL_SECTION__KEY`. Others, even with `ETL_` in front, are none of ours.
pub(crate) fn of_environment(
    diagnosis: &mut Diagnosis,
    keys: &Keys,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Layer {
    let mut layer = Layer::new("environment");
    let ours = environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours: BTreeMap<_, _> =
        ours.filter(|(name, _)| name.starts_with("ETL_") && name.contains("__")).collect();
    for (name, value) in ours {
        let path = name["ETL_".len()..].to_ascii_lowercase().replace("__", ".");
        let origin = Origin::Variable(name.clone());
        match value.into_string() {
            Ok(value) => set(diagnosis, &mut layer, keys, (&path, &value, origin), variable),
            Err(_) => diagnosis.wrong_at(origin, &path, "is not UTF-8"),
        }
    }
    layer
}

fn variable(path: &str) -> String {
    format!("ETL_{}", path.to_ascii_uppercase().replace('.', "__"))
}

/// The flags that set a key: (flag, key, value), a value written as in the environment.
pub(crate) fn of_flags(diagnosis: &mut Diagnosis, keys: &Keys, flags: &[(String, String, String)]) -> Layer {
    let mut layer = Layer::new("flags");
    for (flag, path, value) in flags {
        set(diagnosis, &mut layer, keys, (path, value, Origin::Flag(flag.clone())), str::to_owned);
    }
    layer
}

/// Sets one key, or tells why it cannot be set.
fn set(
    diagnosis: &mut Diagnosis,
    layer: &mut Layer,
    keys: &Keys,
    (path, text, origin): (&str, &str, Origin),
    name: fn(&str) -> String,
) {
    let segments: Vec<&str> = path.split('.').collect();
    let is_text = match leaf(keys, &segments) {
        Ok(is_text) => is_text,
        Err(Wrong::Section) => {
            return diagnosis.wrong_at(origin, path, "is a section, not a setting: set one of its keys");
        }
        Err(Wrong::FileOnly) => {
            let what = "comes from the recipe's file only";
            return diagnosis.wrong_at(origin, path, what);
        }
        Err(Wrong::Unknown) if path.ends_with("password") => {
            return diagnosis.wrong_at(origin, path, "unknown setting: use PGPASSWORD or .pgpass");
        }
        Err(Wrong::Unknown) => {
            let all = settings(keys).into_iter().map(|path| name(&path)).collect::<Vec<_>>();
            let near = nearest_setting(&name(path), &all);
            let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
            return diagnosis.wrong_at(origin, path, format!("unknown setting{near}"));
        }
    };
    match if is_text { Ok(Value::from(text)) } else { parse(text) } {
        Ok(value) => {
            diagnosis.set.insert(path.to_owned(), origin);
            layer.set(&segments, value);
        }
        Err(what) => diagnosis.wrong_at(origin, path, what),
    }
}

/// A value as it would stand in the file, but text without quotes.
fn parse(text: &str) -> Result<Value, &'static str> {
    match DeValue::parse(text.trim()) {
        Ok(value) if !matches!(value.get_ref(), DeValue::Datetime(_)) => plain(value.get_ref()),
        _ => Ok(Value::from(text)),
    }
}

enum Wrong {
    Section,
    FileOnly,
    Unknown,
}

/// Whether the setting at `segments` is text and nothing else.
fn leaf(keys: &Keys, segments: &[&str]) -> Result<bool, Wrong> {
    let mut section = keys.root();
    for (at, segment) in segments.iter().enumerate() {
        if at == 0 && !SECTIONS.contains(segment) {
            return Err(if section.get(segment).is_some() { Wrong::FileOnly } else { Wrong::Unknown });
        }
        let last = at + 1 == segments.len();
        match section.get(segment) {
            Some(Shape::Section(inner)) => section = inner,
            Some(Shape::Text) if last => return Ok(true),
            Some(Shape::Value) if last => return Ok(false),
            _ => return Err(Wrong::Unknown),
        }
    }
    Err(Wrong::Section)
}

/// The paths of all settings.
pub(crate) fn settings(keys: &Keys) -> Vec<String> {
    fn below(section: Section<'_>, at: &str, all: &mut Vec<String>) {
        for key in section.keys() {
            let path = join(at, key);
            match section.get(key) {
                Some(Shape::Section(inner)) => below(inner, &path, all),
                Some(Shape::Text | Shape::Value) => all.push(path),
                _ => {}
            }
        }
    }
    let mut all = Vec::new();
    for key in SECTIONS {
        if let Some(Shape::Section(section)) = keys.root().get(key) {
            below(section, key, &mut all);
        }
    }
    all
}

/// The setting that `name` was probably meant to be; names are long, so a few letters may differ.
fn nearest_setting<'a>(name: &str, all: &'a [String]) -> Option<&'a String> {
    const MAX_DISTANCE: usize = 5;
    const MAX_NAME_BYTES: usize = 128;
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let near = all.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (near.0 <= MAX_DISTANCE).then_some(near.1)
}
