//! The settings that come out of all layers: defaults < file < environment < flags.
//!
//! Must not know: what a setting is for, and how a layer was read.

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::value::Value;
use serde::de::DeserializeOwned;

use crate::recipe_error::{Diagnosis, suggestion};
use crate::recipe_layers::Layer;
use crate::recipe_lines::join;

/// Keys that exclude each other: whoever sets one takes back the other of an earlier layer.
const EITHER: [(&str, &str); 1] = [("run.max_rejects", "run.max_rejects_percent")];

/// A source or target is chosen by its section in the file, be it only the heading, or by this key, whoever sets it.
/// Files are the source where nothing else is chosen, so that no key of theirs has to.
const CHOOSES: [(&str, &str); 3] = [
    ("source.cassandra", "source.cassandra.hosts"),
    ("target.postgres", "target.postgres.url"),
    ("target.files", "target.files.dir"),
];

/// Whether one of `layers` makes the source or target `section` the run's.
pub(crate) fn chosen(layers: &[Layer], section: &str) -> bool {
    let key = CHOOSES.iter().find_map(|(chosen, key)| (*chosen == section).then_some(*key));
    layers.iter().any(|layer| layer.is_file() && layer.has(section) || key.is_some_and(|key| layer.has(key)))
}

/// The layers, joined.
pub(crate) struct Settings(Figment);

impl Settings {
    /// The later layer wins; with one of two keys that exclude each other it takes back the other.
    /// Flags, the last layer, take back the other target; the environment does not, or a variable that lies
    /// around would send rows elsewhere.
    pub(crate) fn join(diagnosis: &mut Diagnosis, mut layers: Vec<Layer>) -> Self {
        for (one, other) in [("target.postgres", "target.files"), ("target.files", "target.postgres")] {
            if let Some((flags, earlier)) = layers.split_last_mut()
                && flags.has(one)
            {
                earlier.iter_mut().for_each(|layer| layer.remove(other));
            }
        }
        forget_the_others(&mut layers);
        for (one, other) in EITHER.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            if let Some(last) = layers.iter().rposition(|layer| layer.has(one)) {
                layers[..last].iter_mut().for_each(|layer| layer.remove(other));
            }
        }
        let settings = Settings(layers.into_iter().fold(Figment::new(), Figment::merge));
        for (one, other) in EITHER {
            if settings.has(one) && settings.has(other) {
                diagnosis.wrong(other, format!("not together with `{one}`: keep one of the two"));
            }
        }
        settings
    }

    /// Whether any layer has a word on `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// The settings at `path`: the defaults, where nobody says anything or something wrong.
    pub(crate) fn section<T: DeserializeOwned + Default>(&self, diagnosis: &mut Diagnosis, path: &str) -> T {
        let Ok(mut value) = self.0.find_value(path) else { return T::default() };
        loop {
            let errors = match value.deserialize::<T>() {
                Ok(settings) => return settings,
                Err(errors) => errors,
            };
            let mut taken = false;
            for error in errors {
                let inner = error.path.iter().fold(path.to_owned(), |path, key| match key.parse::<usize>() {
                    Ok(index) => format!("{path}[{index}]"),
                    Err(_) => join(&path, key),
                });
                diagnosis.wrong(&inner, in_words(&inner, &error.kind));
                taken |= take(&mut value, &error.path);
            }
            if !taken {
                return T::default();
            }
        }
    }
}

/// A variable about a source or target that is not the run's lies around for other recipes.
fn forget_the_others(layers: &mut [Layer]) {
    let mut others: Vec<&str> = CHOOSES.map(|(section, _)| section).to_vec();
    others.retain(|section| !chosen(layers, section));
    if !others.contains(&"source.cassandra") && !chosen(layers, "source.csv") {
        others.push("source.csv");
    }
    for section in others {
        layers.iter_mut().for_each(|layer| layer.remove(section));
    }
}

/// Takes back a key that is wrong, so that the others can be looked at. False where there is none.
fn take(value: &mut Value, path: &[String]) -> bool {
    match (value, path.first()) {
        (Value::Dict(_, keys), Some(key)) => keys.remove(key).is_some(),
        _ => false,
    }
}

/// figment's words carry the offending value; these do not.
fn in_words(path: &str, kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(actual, expected) => {
            format!("must be {}, found {}", plainly(expected), actual_kind(actual))
        }
        Kind::InvalidValue(_, expected) => format!("must be {}", plainly(expected)),
        Kind::InvalidLength(length, expected) => format!("must be {expected}, found {length}"),
        Kind::UnknownVariant(word, known) => {
            format!("unknown value{}", suggestion(word, known.iter().copied()))
        }
        Kind::UnknownField(word, known) => format!("unknown key{}", suggestion(word, known.iter().copied())),
        Kind::MissingField(name) => format!("`{name}` is missing"),
        Kind::DuplicateField(name) => format!("`{name}` is there twice"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "the number is too large".into(),
        // A stage's own words, which may hold the value.
        Kind::Message(words) if !path.ends_with("url") && !path.contains("password") => words.clone(),
        Kind::Message(_) | Kind::Unsupported(_) | Kind::UnsupportedKey(..) => "is not valid".into(),
    }
}

/// serde's words for what it expects, in ours.
fn plainly(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" => "text",
        "a character" => "one character",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other => other,
    }
}

fn actual_kind(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}
