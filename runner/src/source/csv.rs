//! `[source.csv]`: how the files are written. Must not know where they are.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Error;
use crate::dialect::Dialect;
use crate::units::{ByteSize, SettingProblem};

/// How the CSV files of all tables are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `true`: the first record of each file names the columns. A list of names: the files have no header, and
    /// these are their columns. `false`: no header, the columns are `column1`, `column2`, …
    pub header: Header,
    /// The character between two cells, one ASCII character; a tabulator is `"\t"`.
    pub delimiter: String,
    /// The character around cells that hold a delimiter, a quote or a line end, one ASCII character.
    /// Empty: quotes have no meaning.
    pub quote: String,
    /// The character in front of a quote or of itself inside a quoted cell, one ASCII character; in front of anything
    /// else it is data. A doubled quote stands for one in any case. Empty: there is no such character.
    pub escape: String,
    /// Words that mean NULL when a cell consists of one and is not quoted, besides the empty cell, which is NULL
    /// always. None by default, because any word may be a value.
    pub null: Vec<String>,
    /// The longest record, in bytes of the file; a longer one is rejected without being held in memory, so that an
    /// unclosed quote costs no more than this. At most 1 GiB, because PostgreSQL takes no more.
    pub max_row_bytes: ByteSize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            header: Header::InFile(true),
            delimiter: ",".into(),
            quote: "\"".into(),
            escape: String::new(),
            null: Vec::new(),
            max_row_bytes: ByteSize(16 << 20),
        }
    }
}

/// Where the columns' names come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Whether the first record of each file names the columns; if not, they are numbered.
    InFile(bool),
    /// The files have no header, these are the names.
    Names(Vec<String>),
}

const MAX_ROW_BYTES: u64 = 1 << 30;

impl Settings {
    /// The first thing that is wrong, as it may make others wrong.
    pub fn problems(&self) -> Vec<SettingProblem> {
        match self.dialect() {
            Err(Error::Setting { key, problem }) => vec![(key, problem.into())],
            _ => Vec::new(),
        }
    }

    /// The bytes with a meaning, checked together with the other settings.
    pub fn dialect(&self) -> Result<Dialect, Error> {
        let delimiter = one_byte("delimiter", &self.delimiter)?.ok_or(Error::Setting {
            key: "delimiter",
            problem: "is empty: write one character, e.g. \",\"",
        })?;
        let quote = one_byte("quote", &self.quote)?;
        let escape = one_byte("escape", &self.escape)?;
        let refuse = |key, problem| Err(Error::Setting { key, problem });
        if quote == Some(delimiter) {
            return refuse("quote", "is the same character as `delimiter`");
        }
        if escape == Some(delimiter) {
            return refuse("escape", "is the same character as `delimiter`");
        }
        if escape.is_some() && quote.is_none() {
            return refuse("escape", "has a meaning only inside quotes, but `quote` is empty");
        }
        if !(1..=MAX_ROW_BYTES).contains(&self.max_row_bytes.0) {
            return refuse("max_row_bytes", "must be between 1 B and 1 GiB");
        }
        // An escape that is the quote is a doubled quote, which is understood anyhow.
        Ok(Dialect { delimiter, quote, escape: escape.filter(|escape| Some(*escape) != quote) })
    }
}

/// The character as a byte; `None` when there is none.
fn one_byte(key: &'static str, text: &str) -> Result<Option<u8>, Error> {
    match text.as_bytes() {
        [] => Ok(None),
        [b'\r' | b'\n'] => Err(Error::Setting { key, problem: "cannot be a line end" }),
        [byte] if byte.is_ascii() => Ok(Some(*byte)),
        _ => Err(Error::Setting { key, problem: "must be one ASCII character" }),
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Header::InFile(yes) => serializer.serialize_bool(*yes),
            Header::Names(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a list of column names")
    }

    fn visit_bool<E: serde::de::Error>(self, yes: bool) -> Result<Header, E> {
        Ok(Header::InFile(yes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Header, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(Header::Names(names))
    }
}

impl JsonSchema for Header {
    fn schema_name() -> Cow<'static, str> {
        "Header".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "array"], "items": { "type": "string" } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(settings("").unwrap(), Settings::default());
        assert_eq!(Settings::default().dialect().unwrap(), Dialect::default());
    }

    #[test]
    fn the_header_is_a_yes_a_no_or_a_list_of_names() {
        assert_eq!(settings("header = false").unwrap().header, Header::InFile(false));
        let names = Header::Names(vec!["a".into(), "b".into()]);
        assert_eq!(settings("header = ['a', 'b']").unwrap().header, names);
        let error = settings("header = 3").unwrap_err().to_string();
        assert!(error.contains("true, false or a list of column names"), "{error}");
        for header in ["header = true", "header = ['a', 'b']"] {
            let once = settings(header).unwrap();
            assert_eq!(settings(&toml::to_string(&once).unwrap()).unwrap(), once);
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(settings("delimeter = ';'").is_err());
    }

    #[test]
    fn an_empty_quote_means_that_quotes_have_no_meaning() {
        let dialect = settings("quote = ''\ndelimiter = \"\\t\"").unwrap().dialect().unwrap();
        assert_eq!(dialect, Dialect { delimiter: b'\t', quote: None, escape: None });
    }

    #[test]
    fn an_escape_that_is_the_quote_is_a_doubled_quote() {
        assert_eq!(settings("escape = '\"'").unwrap().dialect().unwrap(), Dialect::default());
        assert_eq!(settings(r"escape = '\'").unwrap().dialect().unwrap().escape, Some(b'\\'));
    }

    #[test]
    fn a_dialect_that_cannot_be_read_back_is_refused_by_key() {
        for (text, key) in [
            ("delimiter = ''", "delimiter"),
            ("delimiter = '--'", "delimiter"),
            ("delimiter = 'é'", "delimiter"),
            ("delimiter = \"\\n\"", "delimiter"),
            ("quote = ','", "quote"),
            ("quote = \"\\r\"", "quote"),
            ("escape = ','", "escape"),
            ("escape = '\\'\nquote = ''", "escape"),
            ("max_row_bytes = 0", "max_row_bytes"),
            ("max_row_bytes = '2 GiB'", "max_row_bytes"),
        ] {
            let error = settings(text).unwrap().dialect().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`source.csv.{key}` ")), "{text}: {error}");
        }
    }
}
