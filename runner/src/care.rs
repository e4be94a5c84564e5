//! What a stream knows of rows that the server refused: which are guilty, and how carefully to read on.
//!
//! Pure. Must not know: connections, and how a chunk was refused.

use crate::copy::error::RefusedRow;
use crate::pace::{Pace, Verdict};
use crate::pipeline::Condemned;

/// One for each stream: how careful it is goes on from split to split.
#[derive(Debug)]
pub(crate) struct Care {
    pace: Pace,
    /// Guilty rows behind the committed position of the split in hand, in no order.
    condemned: Vec<Condemned>,
}

impl Care {
    /// Chunks of `chunk_rows` rows, until something is refused.
    pub(crate) fn new(chunk_rows: u64) -> Care {
        Care { pace: Pace::new(chunk_rows), condemned: Vec::new() }
    }

    /// Another split is begun, or the same one from a position that may be another one.
    pub(crate) fn begin(&mut self) {
        self.condemned.clear();
        self.pace.forget();
    }

    /// The sizes of the next chunks.
    pub(crate) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// Whether a refusal is to be expected.
    pub(crate) fn is_careful(&self) -> bool {
        self.pace.is_careful()
    }

    /// The rows that become rejects, counted from the committed position.
    pub(crate) fn condemned(&self) -> Vec<Condemned> {
        self.condemned.clone()
    }

    /// A chunk of `rows` rows is in the target.
    pub(crate) fn committed(&mut self, rows: u64) {
        self.pace.ended(rows);
        self.condemned.retain_mut(|condemned| match condemned.number.checked_sub(rows) {
            Some(number) => {
                condemned.number = number;
                true
            }
            None => false,
        });
    }

    /// The chunk behind the committed position was refused. False if nothing tells which rows it had.
    pub(crate) fn refused(&mut self, refused: &RefusedRow) -> bool {
        let (Some(suspects), Some((first, _))) = (refused.suspects, &refused.range) else { return false };
        if let Verdict::Guilty(number) = self.pace.refused(suspects) {
            self.condemned.push(Condemned {
                number,
                position: first.clone(),
                code: refused.server.condition,
                reason: refused.server.to_string(),
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::error::{ServerError, Suspects};
    use crate::position::Position;

    fn refused(first: u64, last: u64) -> RefusedRow {
        let at = |line| Position::File { byte: line, line };
        RefusedRow {
            source: "a.csv".into(),
            range: Some((at(first), at(last))),
            position: None,
            suspects: Some(Suspects { first, last, hint: None }),
            server: ServerError {
                state: "23505".into(),
                condition: "unique_violation",
                ..Default::default()
            },
        }
    }

    #[test]
    fn a_guilty_row_is_counted_from_what_is_committed_and_forgotten_with_it() {
        let mut care = Care::new(100);
        assert!(care.refused(&refused(0, 9)));
        assert!(care.condemned().is_empty());
        assert!(care.refused(&refused(4, 4)));
        care.committed(3);
        assert_eq!(care.condemned()[0].number, 1);
        assert_eq!(care.condemned()[0].reason, "SQLSTATE 23505 (unique_violation)");
        care.committed(2);
        assert!(care.condemned().is_empty());
    }

    #[test]
    fn a_chunk_of_which_nothing_is_known_cannot_be_searched() {
        let mut care = Care::new(100);
        assert!(!care.refused(&RefusedRow { suspects: None, ..refused(0, 9) }));
        assert!(!care.is_careful());
    }
}
