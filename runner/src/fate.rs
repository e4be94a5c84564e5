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
