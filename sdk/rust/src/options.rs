//! The recipe's `options` table as a struct of the author's: serde's way, messages for the recipe's writer.
//!
//! Must not know: columns and rows.

use std::fmt;

use serde_core::de::value::StrDeserializer;
use serde_core::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde_core::forward_to_deserialize_any;

use crate::schema::Setting;

/// Reads the settings into a struct. A setting that the struct has no field for is refused, with or without
/// `#[serde(deny_unknown_fields)]`.
pub fn read<'de, T: Deserialize<'de>>(settings: &'de [Setting]) -> Result<T, String> {
    T::deserialize(Table { settings }).map_err(|error| error.0)
}

/// For a module that takes none.
pub fn none(settings: &[Setting]) -> Result<(), String> {
    match settings.first() {
        None => Ok(()),
        Some(setting) => Err(format!("unknown option `{}`: this module takes none", setting.name)),
    }
}

#[derive(Debug)]
struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error(message.to_string())
    }
    fn missing_field(name: &'static str) -> Self {
        Error(format!("option `{name}` is missing"))
    }
    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Error(unknown(name, known))
    }
    fn duplicate_field(name: &'static str) -> Self {
        Error(format!("option `{name}` is there twice"))
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match known {
        [] => format!("unknown option `{name}`: this module takes none"),
        _ => format!("unknown option `{name}`: this module takes `{}`", known.join("`, `")),
    }
}

/// All settings.
struct Table<'de> {
    settings: &'de [Setting],
}

impl<'de> Deserializer<'de> for Table<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { left: self.settings.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.settings.iter().find(|setting| !fields.contains(&setting.name.as_str())) {
            Some(setting) => Err(Error(unknown(&setting.name, fields))),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        none(self.settings).map_err(Error)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Entries<'de> {
    left: std::slice::Iter<'de, Setting>,
    value: Option<&'de Setting>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.value = self.left.next();
        match self.value {
            None => Ok(None),
            Some(setting) => seed.deserialize(StrDeserializer::new(&setting.name)).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let setting = self.value.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        let value = seed.deserialize(Value { text: &setting.value });
        value.map_err(|error| Error(format!("option `{}`: {error}", setting.name)))
    }
}

/// One setting's value. The field's type says how to read it: `true` may be a string or a truth value.
struct Value<'de> {
    text: &'de str,
}

macro_rules! through_json {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            json(self.text, |json| json.$method(visitor))
        }
    )*};
}

/// `serde_json` adds where in the text it stumbled; in a text of one line that only confuses.
fn json<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = read(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| {
        let message = error.to_string();
        Error(message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what).to_owned())
    })
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    /// Nobody said what it is, so JSON where it is JSON.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match serde_json::from_str::<de::IgnoredAny>(self.text) {
            Ok(_) => json(self.text, |json| json.deserialize_any(visitor)),
            Err(_) => visitor.visit_borrowed_str(self.text),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A table `{ kind = … }` is a variant with content; everything else is a variant's name.
        if self.text.starts_with('{') {
            return json(self.text, |json| json.deserialize_enum(name, variants, visitor));
        }
        visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(self.text))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        json(self.text, |json| json.deserialize_struct(name, fields, visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        json(self.text, |json| json.deserialize_tuple(length, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        json(self.text, |json| json.deserialize_tuple_struct(name, length, visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        json(self.text, |json| json.deserialize_unit_struct(name, visitor))
    }

    through_json! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_seq
        deserialize_map deserialize_ignored_any
    }
}
