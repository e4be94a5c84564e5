//! What became of each input row of a batch, counted so that none is lost: one row is all or nothing.
//!
//! Must not know: how rows are handed on.

use crate::batch::Batch;
use crate::counters::Counts;
use crate::encode;
use crate::pipeline::Condemned;
use crate::transform;

/// What became of each input row of a batch.
#[derive(Debug)]
pub(crate) struct Fate<'c> {
    /// Input rows that encode refused, with the code and reason of the first of their output rows.
    pub(crate) refused: Vec<(u32, encode::Refused)>,
    /// Input rows that the server refused before, of those that encode did not refuse.
    pub(crate) condemned: Vec<(u32, &'c Condemned)>,
    /// Input rows with at least one output row that goes to the target.
    loaded: u64,
}

impl<'c> Fate<'c> {
    /// Of what the modules made, and encode and server refused.
    pub(crate) fn of(
        outcome: &transform::Outcome,
        refused: &[encode::Refused],
        condemned: &[(u32, &'c Condemned)],
        rows: usize,
    ) -> Fate<'c> {
        let origin_of = |row: u32| outcome.origin.as_ref().map_or(row, |origin| origin[row as usize]);
        let mut by_origin: Vec<(u32, encode::Refused)> =
            refused.iter().map(|refused| (origin_of(refused.row), *refused)).collect();
        by_origin.sort_by_key(|(origin, refused)| (*origin, refused.row));
        by_origin.dedup_by_key(|(origin, _)| *origin);
        let emitted = match &outcome.origin {
            None => outcome.rows as u64,
            Some(origin) => distinct(origin, rows),
        };
        let mut fate =
            Fate { loaded: emitted - by_origin.len() as u64, refused: by_origin, condemned: Vec::new() };
        let is_sent = |row: u32| match &outcome.origin {
            None => (row as usize) < outcome.rows,
            Some(origin) => origin.contains(&row),
        };
        let condemned = condemned.iter().filter(|(row, _)| is_sent(*row) && !fate.is_refused(*row as usize));
        fate.condemned = condemned.copied().collect();
        fate.loaded -= fate.condemned.len() as u64;
        fate
    }

    /// Whether nothing of an input row goes to the target, as encode or server refused it.
    pub(crate) fn is_refused(&self, origin: usize) -> bool {
        !self.refused.is_empty()
            && self.refused.binary_search_by_key(&origin, |(origin, _)| *origin as usize).is_ok()
            || self.condemned.iter().any(|(row, _)| *row as usize == origin)
    }

    /// The batch's counts but for `written`, each counted on its own so that a loss shows.
    pub(crate) fn counts(&self, batch: &Batch, outcome: &transform::Outcome) -> Counts {
        let refused = self.refused.len() + self.condemned.len();
        let rejected = batch.rejects.len() + outcome.rejects.len() + refused;
        Counts {
            read: (batch.rows + batch.rejects.len()) as u64,
            loaded: self.loaded,
            filtered: u64::from(outcome.filtered),
            rejected: rejected as u64,
            skipped: 0,
            written: 0,
        }
    }
}

/// The rows of a batch that are condemned; `walked` rows were read before it.
pub(crate) fn condemned_in<'c>(
    batch: &Batch,
    walked: u64,
    condemned: &'c [Condemned],
) -> Vec<(u32, &'c Condemned)> {
    let row_of = |condemned: &Condemned| {
        let row = usize::try_from(condemned.number.checked_sub(walked)?).ok()?;
        (row < batch.rows && batch.starts.at(row) == condemned.position).then_some(row as u32)
    };
    condemned.iter().filter_map(|condemned| Some((row_of(condemned)?, condemned))).collect()
}

/// How many different input rows `origin` names.
fn distinct(origin: &[u32], rows: usize) -> u64 {
    if origin.is_sorted() {
        return origin.chunk_by(|a, b| a == b).count() as u64;
    }
    let mut seen = vec![false; rows];
    origin.iter().filter(|row| !std::mem::replace(&mut seen[**row as usize], true)).count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::RowStarts;
    use crate::counters::Asides;
    use crate::encode::Refused;
    use crate::position::Position;

    fn outcome(rows: usize, origin: Option<&[u32]>, rejects: &[u32], filtered: u32) -> transform::Outcome {
        let rejects = rejects.iter().map(|row| (*row, "no".to_owned())).collect();
        transform::Outcome {
            rows,
            columns: Vec::new(),
            origin: origin.map(<[u32]>::to_vec),
            rejects,
            filtered,
        }
    }

    fn refused(row: u32, code: &'static str) -> Refused {
        Refused { row, column: 0, code, reason: "why" }
    }

    /// A file's batch of rows at the bytes 0, 10, 20, …
    fn batch(rows: u64) -> Batch {
        let mut starts = RowStarts::in_file(0, 1);
        (0..rows).for_each(|row| assert!(starts.push_start(10 * row, row + 1)));
        Batch {
            columns: Vec::new(),
            rows: starts.len(),
            starts: Arc::new(starts),
            rejects: Vec::new(),
            rows_before: Vec::new(),
            asides: Asides::default(),
            end: Position::File { byte: 10 * rows, line: rows + 1 },
            source_bytes: 10 * rows,
            loan: None,
        }
    }

    /// Row `number` of a walk, at the place where row `row` of [`batch`] is.
    fn condemned(number: u64, row: u64) -> Condemned {
        let position = Position::File { byte: 10 * row, line: row + 1 };
        Condemned { number, position, code: "check_violation", reason: "SQLSTATE 23514".into() }
    }

    fn codes(fate: &Fate<'_>) -> Vec<(u32, &'static str)> {
        let by_encode = fate.refused.iter().map(|(row, refused)| (*row, refused.code));
        by_encode.chain(fate.condemned.iter().map(|(row, condemned)| (*row, condemned.code))).collect()
    }

    /// loaded, filtered, rejected
    fn counts(fate: &Fate<'_>, batch: &Batch, outcome: &transform::Outcome) -> (u64, u64, u64) {
        let counts = fate.counts(batch, outcome);
        assert!(counts.balanced(), "{counts:?}");
        (counts.loaded, counts.filtered, counts.rejected)
    }

    #[test]
    fn rows_that_came_as_they_were_have_each_their_own_fate() {
        let (batch, outcome) = (batch(4), outcome(4, None, &[], 0));
        let condemned = condemned(2, 2);
        let fate = Fate::of(&outcome, &[refused(0, "nul")], &[(2, &condemned)], 4);
        assert_eq!(codes(&fate), [(0, "nul"), (2, "check_violation")]);
        assert_eq!([0, 1, 2, 3].map(|row| fate.is_refused(row)), [true, false, true, false]);
        assert_eq!(counts(&fate, &batch, &outcome), (2, 0, 2));
    }

    #[test]
    fn a_row_of_which_one_copy_is_refused_is_refused_as_a_whole_and_once() {
        // Row 1 became three, row 0 none, row 2 two.
        let (batch, outcome) = (batch(4), outcome(6, Some(&[1, 1, 1, 2, 2, 3]), &[], 1));
        let found = [refused(1, "nul"), refused(2, "out_of_range"), refused(4, "bad_numeric")];
        let fate = Fate::of(&outcome, &found, &[], 4);
        assert_eq!(codes(&fate), [(1, "nul"), (2, "bad_numeric")]);
        assert_eq!([0, 1, 2, 3].map(|row| fate.is_refused(row)), [false, true, true, false]);
        assert_eq!(counts(&fate, &batch, &outcome), (1, 1, 2));
    }

    #[test]
    fn of_reordered_copies_the_first_that_is_refused_gives_the_reason() {
        let (batch, outcome) = (batch(3), outcome(5, Some(&[2, 0, 2, 1, 0]), &[], 0));
        let found = [refused(1, "nul"), refused(2, "out_of_range"), refused(4, "bad_numeric")];
        let fate = Fate::of(&outcome, &found, &[], 3);
        assert_eq!(codes(&fate), [(0, "nul"), (2, "out_of_range")]);
        assert_eq!(counts(&fate, &batch, &outcome), (1, 0, 2));
    }

    #[test]
    fn what_a_module_or_encode_refused_is_not_refused_by_the_server_too() {
        // Row 0 was rejected by a module, row 1 left out by it, row 2 refused by encode.
        let (batch, outcome) = (batch(4), outcome(3, Some(&[2, 3, 3]), &[0], 1));
        let all: Vec<Condemned> = (0..4).map(|row| condemned(row, row)).collect();
        let all: Vec<(u32, &Condemned)> = (0..).zip(&all).collect();
        let fate = Fate::of(&outcome, &[refused(0, "nul")], &all, 4);
        assert_eq!(codes(&fate), [(2, "nul"), (3, "check_violation")]);
        assert_eq!(counts(&fate, &batch, &outcome), (0, 1, 3));
    }

    #[test]
    fn undecodable_rows_are_read_and_rejected() {
        let mut batch = batch(1);
        batch.rejects.push(crate::reject::Reject {
            position: Position::FILE_START,
            stage: crate::reject::Stage::Read,
            code: "ragged",
            reason: "why".into(),
            original: crate::reject::Original::Nothing,
            cut: false,
        });
        let outcome = outcome(2, Some(&[0, 0]), &[], 0);
        let fate = Fate::of(&outcome, &[], &[], 1);
        assert_eq!(counts(&fate, &batch, &outcome), (1, 0, 1));
        assert_eq!(fate.counts(&batch, &outcome).read, 2);
    }

    #[test]
    fn a_condemned_row_is_known_by_its_number_and_its_place() {
        let batch = batch(3);
        let all = [condemned(4, 0), condemned(6, 2), condemned(7, 3), condemned(5, 2)];
        let rows =
            |walked: u64| condemned_in(&batch, walked, &all).iter().map(|(row, _)| *row).collect::<Vec<_>>();
        assert_eq!(rows(4), [0, 2]);
        // Read before, or at their numbers are other rows now.
        assert_eq!(rows(5), [0; 0]);
        assert_eq!(rows(8), [0; 0]);
    }
}
