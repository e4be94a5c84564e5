//! Rejects on their way into the ledger's table, in the transaction of their chunk. Must not know why a row was
//! rejected.

use tokio_postgres::types::Type;

use super::plan::Param;
use crate::reject::{Original, Reject};

/// The most bytes of rejects in one statement, about: a message of the protocol is bounded.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// The most rejects in one statement.
const GROUP_ROWS: usize = 1000;

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

    fn push(&mut self, reject: Reject) {
        let (columns, bytes) = storable(reject.original);
        self.bytes += columns.as_ref().map_or(0, String::len) + bytes.as_ref().map_or(0, Vec::len);
        self.positions.push(reject.position.stored());
        self.stages.push(reject.stage.name());
        self.codes.push(reject.code);
        // A module may write anything into its reason, PostgreSQL's text has no NUL.
        self.reasons.push(reject.reason.replace('\0', "\u{fffd}"));
        self.originals.push(columns);
        self.original_bytes.push(bytes);
        self.cut.push(reject.cut);
    }
}

/// The rejects of a chunk in bounded groups, in order.
pub(super) fn groups(rejects: Vec<Reject>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for reject in rejects {
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_ROWS && group.bytes < GROUP_BYTES => group.push(reject),
            _ => {
                let mut group = Group::default();
                group.push(reject);
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
        Original::Columns(json) if serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok() => {
            (Some(json), None)
        }
        Original::Columns(text) => (None, Some(text.into_bytes())),
        Original::Bytes(bytes) => (None, Some(bytes)),
        Original::Nothing => (None, None),
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(groups(small).iter().map(Group::len).collect::<Vec<_>>(), [1000, 1000, 500]);
        let large = (0..9).map(|_| reject(Original::Bytes(vec![0; GROUP_BYTES / 2]))).collect();
        assert_eq!(groups(large).iter().map(Group::len).collect::<Vec<_>>(), [2, 2, 2, 2, 1]);
        assert!(groups(Vec::new()).is_empty());
    }

    #[test]
    fn what_is_not_json_is_kept_as_bytes() {
        assert_eq!(storable(Original::Columns("{\"a\":1}".into())), (Some("{\"a\":1}".into()), None));
        assert_eq!(storable(Original::Columns("{\"a\":".into())), (None, Some(b"{\"a\":".to_vec())));
        assert_eq!(storable(Original::Bytes(vec![0xff])), (None, Some(vec![0xff])));
        assert_eq!(storable(Original::Nothing), (None, None));
    }

    #[test]
    fn a_nul_in_a_reason_is_replaced() {
        assert_eq!(groups(vec![reject(Original::Bytes(Vec::new()))])[0].reasons, ["too\u{fffd}few"]);
    }
}
