//! Rejects on their way into the ledger's table, in the transaction of their chunk. Must not know why a row was
//! rejected.

use std::fmt::Write;

use tokio_postgres::types::Type;

use super::plan::Param;
use crate::reject::{Original, Reject};

/// The most bytes of rejects in one statement, about: a message of the protocol is bounded.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// The most rejects in one statement.
const GROUP_ROWS: usize = 1000;

/// The server reads JSON by recursion: what is nested deeper may be more than its stack holds.
const MAX_JSON_DEPTH: usize = 1000;

/// Behind the split's key, the types of a group's parameters.
pub(super) const TYPES: [Type; 7] = [
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BOOL_ARRAY,
];

/// The statement that inserts a group: `$1` to `$4` are the split's key.
pub(super) fn sql(table: &str) -> String {
    format!(
        "INSERT INTO {table} (name, target, source, start, position, stage, code, reason, original, original_bytes, cut)
         SELECT $1, $2, $3, $4, r.position, r.stage, r.code, r.reason, r.original::json, r.original_bytes, r.cut
         FROM unnest($5, $6, $7, $8, $9, $10, $11)
             AS r (position, stage, code, reason, original, original_bytes, cut)"
    )
}

/// What one statement inserts, column by column.
#[derive(Debug, Default)]
pub(super) struct Group {
    positions: Vec<String>,
    stages: Vec<&'static str>,
    codes: Vec<&'static str>,
    reasons: Vec<String>,
    originals: Vec<Option<String>>,
    original_bytes: Vec<Option<Vec<u8>>>,
    cut: Vec<bool>,
    bytes: usize,
}

impl Group {
    /// How many rows it inserts.
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The statement's parameters behind the split's key.
    pub(super) fn params(&self) -> [Param<'_>; 7] {
        [
            &self.positions,
            &self.stages,
            &self.codes,
            &self.reasons,
            &self.originals,
            &self.original_bytes,
            &self.cut,
        ]
    }

    fn push(&mut self, reject: Reject, every_character: bool) {
        let (mut columns, bytes) = storable(reject.original);
        // A module may write anything into its reason, PostgreSQL's text has no NUL.
        let mut reason = reject.reason.replace('\0', "\u{fffd}");
        if !every_character {
            columns = columns.map(|json| ascii_json(&json));
            reason = reason.replace(|c: char| !c.is_ascii(), "?");
        }
        self.bytes += columns.as_ref().map_or(0, String::len) + bytes.as_ref().map_or(0, Vec::len);
        self.positions.push(reject.position.stored());
        self.stages.push(reject.stage.name());
        self.codes.push(reject.code);
        self.reasons.push(reason);
        self.originals.push(columns);
        self.original_bytes.push(bytes);
        self.cut.push(reject.cut);
    }
}

/// The rejects of a chunk in bounded groups, in order; for a database that has every character, or not.
pub(super) fn groups(rejects: Vec<Reject>, every_character: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for reject in rejects {
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_ROWS && group.bytes < GROUP_BYTES => {
                group.push(reject, every_character);
            }
            _ => {
                let mut group = Group::default();
                group.push(reject, every_character);
                groups.push(group);
            }
        }
    }
    groups
}

/// JSON goes into the `json` column, everything else into the `bytea` column: a reject must never be what makes a
/// chunk fail.
fn storable(original: Original) -> (Option<String>, Option<Vec<u8>>) {
    match original {
        Original::Columns(json) if is_json(&json) && depth(&json) <= MAX_JSON_DEPTH => (Some(json), None),
        Original::Columns(text) => (None, Some(text.into_bytes())),
        Original::Bytes(bytes) => (None, Some(bytes)),
        Original::Nothing => (None, None),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// How deep arrays and objects are nested in `json`, which is right.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'"' => in_string = !in_string,
            b'\\' => is_escaped = true,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The same JSON in ASCII: other characters stand in strings alone, where they may be written as `\u20ac`.
pub(super) fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Position;
    use crate::reject::Stage;

    fn reject(original: Original) -> Reject {
        Reject {
            position: Position::FILE_START,
            stage: Stage::Read,
            code: "ragged",
            reason: "too\0few".into(),
            original,
            cut: false,
        }
    }

    #[test]
    fn groups_are_bounded_in_rows_and_bytes() {
        let small = (0..2500).map(|_| reject(Original::Columns("{}".into()))).collect();
        assert_eq!(groups(small, true).iter().map(Group::len).collect::<Vec<_>>(), [1000, 1000, 500]);
        let large = (0..9).map(|_| reject(Original::Bytes(vec![0; GROUP_BYTES / 2]))).collect();
        assert_eq!(groups(large, true).iter().map(Group::len).collect::<Vec<_>>(), [2, 2, 2, 2, 1]);
        assert!(groups(Vec::new(), true).is_empty());
    }

    #[test]
    fn what_is_not_json_is_kept_as_bytes() {
        assert_eq!(storable(Original::Columns("{\"a\":1}".into())), (Some("{\"a\":1}".into()), None));
        assert_eq!(storable(Original::Columns("{\"a\":".into())), (None, Some(b"{\"a\":".to_vec())));
        assert_eq!(storable(Original::Bytes(vec![0xff])), (None, Some(vec![0xff])));
        assert_eq!(storable(Original::Nothing), (None, None));
    }

    #[test]
    fn json_that_is_nested_deeper_than_a_server_reads_is_kept_as_bytes() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let deep = format!("{{\"a\":{}}}", nested(20_000));
        assert_eq!(storable(Original::Columns(deep.clone())), (None, Some(deep.into_bytes())));
        let most = nested(MAX_JSON_DEPTH);
        assert_eq!(storable(Original::Columns(most.clone())), (Some(most), None));
        let flat = format!("{{\"{0}\\\"{0}\":[{1}[]]}}", "[{".repeat(2000), "[],".repeat(2000));
        assert_eq!(storable(Original::Columns(flat.clone())), (Some(flat), None));
    }

    #[test]
    fn a_nul_in_a_reason_is_replaced() {
        assert_eq!(groups(vec![reject(Original::Bytes(Vec::new()))], true)[0].reasons, ["too\u{fffd}few"]);
    }

    #[test]
    fn a_database_without_every_character_gets_ascii() {
        let odd = || Reject {
            reason: "€ too few".into(),
            ..reject(Original::Columns("{\"ä\":\"€ 𝄞\"}".into()))
        };
        let ascii = &groups(vec![odd()], false)[0];
        assert_eq!(ascii.reasons, ["? too few"]);
        assert_eq!(ascii.originals, [Some("{\"\\u00e4\":\"\\u20ac \\ud834\\udd1e\"}".into())]);
        let whole = &groups(vec![odd()], true)[0];
        assert_eq!(
            (whole.reasons[0].as_str(), whole.originals[0].as_deref()),
            ("€ too few", Some("{\"ä\":\"€ 𝄞\"}"))
        );
    }

    proptest! {
        #[test]
        fn json_in_ascii_means_the_same(texts: Vec<(String, String)>) {
            let json = serde_json::to_string(&texts).unwrap();
            let ascii = ascii_json(&json);
            prop_assert!(ascii.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Vec<(String, String)>>(&ascii).unwrap(), texts);
        }
    }
}
