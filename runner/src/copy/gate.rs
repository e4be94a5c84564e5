//! How many rows may be rejected before the run stops: judged before a chunk is committed, over what the ledger
//! held when it was last asked, what this process committed and what its other streams are committing; and at the end, over
//! what the ledger holds. Must not know the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::copy::error::{Error, RejectNote, TooManyRejects};
use crate::copy::state::SplitKey;
use crate::counters::Counts;
use crate::reject::Reject;

/// From how many rows on a percentage is judged before the end of the run: one bad row in ten says little.
pub const JUDGED_FROM_ROWS: u64 = 1000;

/// How many rejects an error shows.
const SHOWN: usize = 5;

/// How many rows may be rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// `max_rejects`: so many.
    Rows(u64),
    /// `max_rejects_percent`: so many of a hundred rows read.
    Percent(f64),
}

/// One gate for all streams of a run.
#[derive(Debug)]
pub struct Gate {
    limit: Limit,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    /// By target and split, what is committed.
    splits: HashMap<(String, SplitKey), Sum>,
    committed: Sum,
    /// Admitted, but not committed yet.
    pending: Sum,
    /// The last rejects that this process committed.
    last: VecDeque<RejectNote>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    read: u64,
    rejected: u64,
}

impl Gate {
    /// A gate that has seen nothing yet: tell it with [`Gate::holds`] what the ledger holds.
    pub fn new(limit: Limit) -> Gate {
        Gate { limit, tally: Mutex::default() }
    }

    /// What the ledger holds of a split, in place of what was known of it: at the start of a run, and with each claim
    /// (only the ledger knows whether a chunk in doubt was committed).
    pub fn holds(&self, target: &str, split: &SplitKey, counts: &Counts) {
        let now = Sum { read: counts.read, rejected: counts.rejected };
        let mut tally = self.tally();
        let before = tally.splits.insert((target.to_owned(), split.clone()), now).unwrap_or_default();
        tally.committed.read = tally.committed.read - before.read + now.read;
        tally.committed.rejected = tally.committed.rejected - before.rejected + now.rejected;
    }

    /// Judges a whole load, however few rows it has, once nothing is left of it: `read` rows were, of which `rejected`
    /// are in its ledgers, whichever processes put them there.
    pub fn judge(&self, read: u64, rejected: u64) -> Result<(), Error> {
        let all = Sum { read, rejected };
        if self.exceeded_by(all) {
            return Err(self.too_many(all, self.tally().last.iter().cloned().collect()));
        }
        Ok(())
    }

    /// Lets a chunk pass, or says that it goes over the limit.
    pub(in crate::copy) fn admit(
        &self,
        source: &str,
        counts: &Counts,
        rejects: &[Reject],
    ) -> Result<Admitted<'_>, Error> {
        let mut tally = self.tally();
        let chunk = Sum { read: counts.read, rejected: counts.rejected };
        let total = Sum {
            read: tally.committed.read + tally.pending.read + chunk.read,
            rejected: tally.committed.rejected + tally.pending.rejected + chunk.rejected,
        };
        let judged = matches!(self.limit, Limit::Rows(_)) || total.read >= JUDGED_FROM_ROWS;
        // A chunk without rejects makes nothing worse: it may finish what an earlier run with more patience began.
        let last = &rejects[rejects.len().saturating_sub(SHOWN)..];
        let last: Vec<RejectNote> = last.iter().map(|reject| RejectNote::new(source, reject)).collect();
        if chunk.rejected > 0 && judged && self.exceeded_by(total) {
            return Err(self.too_many(total, last));
        }
        tally.pending.read += chunk.read;
        tally.pending.rejected += chunk.rejected;
        Ok(Admitted { gate: self, chunk, last })
    }

    fn exceeded_by(&self, sum: Sum) -> bool {
        match self.limit {
            Limit::Rows(most) => sum.rejected > most,
            Limit::Percent(most) => sum.rejected as f64 * 100.0 > most * sum.read as f64,
        }
    }

    fn too_many(&self, sum: Sum, last: Vec<RejectNote>) -> Error {
        let limit = match self.limit {
            Limit::Rows(most) => format!("max_rejects = {most}"),
            Limit::Percent(most) => format!("max_rejects_percent = {most}"),
        };
        let (rejected, read) = (sum.rejected, sum.read);
        Error::TooManyRejects(Box::new(TooManyRejects { limit, rejected, read, last }))
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk that may be committed. Dropped without [`Admitted::committed`] it counts no more.
#[derive(Debug)]
pub(in crate::copy) struct Admitted<'a> {
    gate: &'a Gate,
    chunk: Sum,
    last: Vec<RejectNote>,
}

impl Admitted<'_> {
    /// The chunk is in the target.
    pub(in crate::copy) fn committed(mut self, target: &str, split: &SplitKey) {
        let last = std::mem::take(&mut self.last);
        let mut tally = self.gate.tally();
        tally.last.extend(last);
        let too_many = tally.last.len().saturating_sub(SHOWN);
        tally.last.drain(..too_many);
        let held = tally.splits.entry((target.to_owned(), split.clone())).or_default();
        held.read += self.chunk.read;
        held.rejected += self.chunk.rejected;
        tally.committed.read += self.chunk.read;
        tally.committed.rejected += self.chunk.rejected;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut tally = self.gate.tally();
        tally.pending.read -= self.chunk.read;
        tally.pending.rejected -= self.chunk.rejected;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use crate::reject::{Original, Stage};

    fn split() -> SplitKey {
        SplitKey { source: "a.csv".into(), start: Position::FILE_START }
    }

    fn counts(read: u64, rejected: u64) -> Counts {
        Counts { read, rejected, loaded: read - rejected, ..Counts::default() }
    }

    fn rejects(number: u64) -> Vec<Reject> {
        let reject = |line| Reject {
            position: Position::File { byte: line, line },
            stage: Stage::Transform,
            code: "module",
            reason: "no such zone".into(),
            original: Original::Columns("{\"a\":\"secret\"}".into()),
            cut: false,
        };
        (1..=number).map(reject).collect()
    }

    fn admit(gate: &Gate, read: u64, rejected: u64) -> Result<Admitted<'_>, Error> {
        gate.admit("a.csv", &counts(read, rejected), &rejects(rejected))
    }

    #[test]
    fn what_the_ledger_holds_counts() {
        let gate = Gate::new(Limit::Rows(5));
        gate.holds("t", &split(), &counts(100, 4));
        assert!(admit(&gate, 10, 2).is_err());
        admit(&gate, 10, 1).unwrap().committed("t", &split());
        assert!(admit(&gate, 10, 1).is_err());
        assert!(admit(&gate, 10, 0).is_ok());
        gate.holds("t", &split(), &counts(100, 4));
        assert!(admit(&gate, 10, 1).is_ok());
    }

    #[test]
    fn chunks_of_other_streams_count_while_they_are_committed() {
        let gate = Gate::new(Limit::Rows(3));
        let first = admit(&gate, 10, 2).unwrap();
        assert!(admit(&gate, 10, 2).is_err());
        drop(first);
        assert!(admit(&gate, 10, 2).is_ok());
    }

    #[test]
    fn a_limit_is_exceeded_by_one_more() {
        let passes = |limit, rejected, read| Gate::new(limit).judge(read, rejected).is_ok();
        assert!(passes(Limit::Rows(0), 0, 10) && !passes(Limit::Rows(0), 1, 10));
        assert!(passes(Limit::Percent(5.0), 5, 100) && !passes(Limit::Percent(5.0), 6, 100));
        assert!(passes(Limit::Percent(0.0), 0, 0));
    }

    #[test]
    fn a_percentage_is_judged_from_a_thousand_rows_on_and_at_the_end() {
        let gate = Gate::new(Limit::Percent(5.0));
        admit(&gate, 900, 90).unwrap().committed("t", &split());
        assert!(gate.judge(900, 90).is_err());
        assert!(admit(&gate, 100, 0).is_ok());
        assert!(admit(&gate, 100, 1).is_err());
        admit(&gate, 1000, 0).unwrap().committed("t", &split());
        assert!(gate.judge(2000, 90).is_ok());
        assert!(admit(&gate, 100, 10).is_ok());
        assert!(admit(&gate, 100, 11).is_err());
    }

    #[test]
    fn the_error_shows_the_last_rejects_without_their_rows() {
        let error = admit(&Gate::new(Limit::Rows(0)), 10, 7).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("7 of 10 rows rejected, more than max_rejects = 0 allows\n"), "{text}");
        assert!(text.ends_with("\n  a.csv line 7: transform: no such zone"), "{text}");
        assert_eq!(text.lines().count(), 1 + SHOWN);
        assert!(!text.contains("secret"));
    }

    #[test]
    fn the_verdict_on_a_whole_run_shows_the_last_rejects_that_were_committed() {
        let gate = Gate::new(Limit::Percent(5.0));
        for _ in 0..3 {
            admit(&gate, 10, 2).unwrap().committed("t", &split());
        }
        let text = gate.judge(30, 6).unwrap_err().to_string();
        assert!(
            text.starts_with("6 of 30 rows rejected, more than max_rejects_percent = 5 allows\n"),
            "{text}"
        );
        assert!(text.ends_with("\n  a.csv line 2: transform: no such zone"), "{text}");
        assert_eq!(text.lines().count(), 1 + SHOWN);
    }
}
