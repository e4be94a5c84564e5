//! `[source.cassandra.values]`: what becomes of values that PostgreSQL has no room for. Must not know how values
//! are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of values of Cassandra that PostgreSQL cannot store as they are. By default each makes its row a
/// reject; nothing is changed without being told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Values {
    /// A text with the character U+0000, which PostgreSQL cannot store. `"reject"`: its row is a reject. `"strip"`:
    /// the character is left out. `"replace"`: U+FFFD stands for it. In a map's key it is a reject in any case,
    /// because two keys could become one.
    pub nul: Nul,
    /// A value of zero length where the type has none: Cassandra lets a number, a boolean, a uuid, an address or a
    /// point in time be empty, which is not NULL. `"null"`: it becomes NULL, and the report says how many there
    /// were. `"reject"`: its row is a reject, as it is always where the column is of the primary key. An empty text
    /// or blob is a value like any other.
    pub empty: Empty,
    /// A `time` that is finer than the microsecond of PostgreSQL's. `"reject"`: its row is a reject. `"truncate"`:
    /// the rest is cut off. `"bigint"`: all columns of this type are nanoseconds since midnight, as `int64`. Inside
    /// json a time always has all its digits.
    pub time_nanoseconds: TimeNanoseconds,
    /// A `duration` that is finer than the microsecond of PostgreSQL's `interval`. `"reject"`: its row is a reject.
    /// `"truncate"`: the rest is cut off, towards zero. Inside json a duration always has all its digits.
    pub duration_nanoseconds: DurationNanoseconds,
}

/// What becomes of U+0000 in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Nul {
    /// The row is a reject.
    #[default]
    Reject,
    /// The character is left out.
    Strip,
    /// U+FFFD stands for it.
    Replace,
}

/// What becomes of a value of zero length where the type has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Empty {
    /// It is NULL, and counted.
    #[default]
    Null,
    /// The row is a reject.
    Reject,
}

/// What becomes of a time that is finer than a microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum TimeNanoseconds {
    /// The row is a reject.
    #[default]
    Reject,
    /// The rest is cut off.
    Truncate,
    /// Times are numbers of nanoseconds.
    Bigint,
}

/// What becomes of a duration that is finer than a microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum DurationNanoseconds {
    /// The row is a reject.
    #[default]
    Reject,
    /// The rest is cut off.
    Truncate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_rejects_all_but_values_of_zero_length() {
        let values: Values = toml::from_str("").unwrap();
        assert_eq!(values, Values::default());
        let all =
            "nul = 'reject'\nempty = 'null'\ntime_nanoseconds = 'reject'\nduration_nanoseconds = 'reject'";
        assert_eq!(toml::from_str::<Values>(all).unwrap(), values);
    }

    #[test]
    fn each_word_is_read_back() {
        let text = "nul = 'replace'\nempty = 'reject'\ntime_nanoseconds = 'bigint'\nduration_nanoseconds = 'truncate'";
        let values: Values = toml::from_str(text).unwrap();
        assert_eq!(values.time_nanoseconds, TimeNanoseconds::Bigint);
        assert_eq!(toml::from_str::<Values>(&toml::to_string(&values).unwrap()).unwrap(), values);
    }

    #[test]
    fn an_unknown_key_or_word_is_refused() {
        assert!(toml::from_str::<Values>("nulls = 'strip'").is_err());
        assert!(toml::from_str::<Values>("nul = 'keep'").is_err());
    }
}
