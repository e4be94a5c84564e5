//! A row that could not be loaded, kept with its original values, stage and reason.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::position::Position;

/// Where a row failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The source could not decode it.
    Read,
    /// A module rejected it.
    Transform,
    /// It has no text form that PostgreSQL accepts.
    Encode,
    /// The server refused it.
    Server,
}

impl Stage {
    /// The word in ledger, report and messages.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Transform => "transform",
            Stage::Encode => "encode",
            Stage::Server => "server",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The row as it was in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// A JSON object of the columns that were read, in their order; numbers exact.
    Columns(String),
    /// The record's bytes, where they could not be decoded into columns.
    Bytes(Vec<u8>),
    /// Nothing was kept.
    Nothing,
}

impl Original {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        match self {
            Original::Columns(json) => json.len(),
            Original::Bytes(bytes) => bytes.len(),
            Original::Nothing => 0,
        }
    }

    /// Whether nothing of it is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is kept of rows that could not be loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What a reject keeps of its row, for private data less than all of it: `"full"` all columns that were read, up to
    /// 64 KiB; `"keys"` those of the primary key, of files nothing; `"none"` nothing. Source, position, stage, code and
    /// reason stay always, and the position of a row of a cluster is its primary key. What was kept before stays.
    pub keep: Keep,
}

/// How much of a row a reject keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// All columns that were read, up to 64 KiB.
    #[default]
    Full,
    /// The columns of the primary key, of a source that has one; of files nothing.
    Keys,
    /// Nothing.
    None,
}

/// The most that is kept of one original row, in bytes; what is behind is cut, and said so.
pub const MAX_ORIGINAL_BYTES: usize = 64 * 1024;

/// A row that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where the row starts in its source.
    pub position: Position,
    /// Where it failed.
    pub stage: Stage,
    /// Short, from a closed set of each stage, for grouping: `ragged`, `bad_cell`, `module`, …
    pub code: &'static str,
    /// For people. Never a value of the row, except what a module wrote itself.
    pub reason: Cow<'static, str>,
    /// What was read.
    pub original: Original,
    /// Whether `original` was cut at [`MAX_ORIGINAL_BYTES`].
    pub cut: bool,
}

/// Rejects counted by stage, code and reason, in bounded space: a module may make up any number of reasons.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    groups: BTreeMap<(Stage, &'static str, String), u64>,
}

/// One line of a [`Tally`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where the rows failed.
    pub stage: Stage,
    /// The stage's code.
    pub code: &'static str,
    /// The reason, or `other reasons`.
    pub reason: String,
    /// How many.
    pub rows: u64,
}

impl Tally {
    /// Different reasons that are told apart.
    const MAX_GROUPS: usize = 100;

    /// The groups of some rejects.
    pub fn of(rejects: &[Reject]) -> Tally {
        let mut tally = Tally::default();
        rejects.iter().for_each(|reject| tally.add(reject));
        tally
    }

    /// Adds another tally's groups.
    pub fn merge(&mut self, other: Tally) {
        for ((stage, code, reason), rows) in other.groups {
            self.count((stage, code, reason), rows);
        }
    }

    /// Counts one more.
    pub fn add(&mut self, reject: &Reject) {
        self.count((reject.stage, reject.code, reject.reason.to_string()), 1);
    }

    fn count(&mut self, mut key: (Stage, &'static str, String), rows: u64) {
        if self.groups.len() >= Self::MAX_GROUPS && !self.groups.contains_key(&key) {
            key.2 = "other reasons".into();
        }
        *self.groups.entry(key).or_default() += rows;
    }

    /// The groups, largest first.
    pub fn groups(&self) -> Vec<Group> {
        let group = |((stage, code, reason), rows): (&(Stage, &'static str, String), &u64)| Group {
            stage: *stage,
            code,
            reason: reason.clone(),
            rows: *rows,
        };
        let mut groups: Vec<Group> = self.groups.iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(reason: String) -> Reject {
        let original = Original::Columns("{}".into());
        let position = Position::FILE_START;
        Reject {
            position,
            stage: Stage::Transform,
            code: "module",
            reason: reason.into(),
            original,
            cut: false,
        }
    }

    #[test]
    fn rejects_are_grouped_largest_first() {
        let mut tally = Tally::default();
        for reason in ["a", "b", "b"] {
            tally.add(&reject(reason.into()));
        }
        let groups: Vec<(String, u64)> = tally.groups().into_iter().map(|g| (g.reason, g.rows)).collect();
        assert_eq!(groups, [("b".to_string(), 2), ("a".to_string(), 1)]);
    }

    #[test]
    fn endlessly_many_reasons_take_bounded_space() {
        let mut tally = Tally::default();
        for number in 0..10_000 {
            tally.add(&reject(number.to_string()));
        }
        let groups = tally.groups();
        assert_eq!(groups.len(), 101);
        assert_eq!((groups[0].reason.as_str(), groups[0].rows), ("other reasons", 9900));
    }
}
