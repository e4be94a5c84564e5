//! A batch that a module could not take whole: its rows are tried in halves, in the source's order, down to single
//! ones.
//!
//! A batch of n rows takes at most 2n - 1 calls, and 2 log n for one guilty row; and n more where rows that fail alone are
//! tried once more. What runs into the time limit is dear: no more than [`MAX_OUT_OF_TIME`] rows of a batch may.
//!
//! Must not know: why a module was stopped, and what becomes of the rows.

use crate::batch::Batch;

/// How many rows of one batch may run into the time limit, each alone, before the module is to blame and not they: with
/// the default of 5 s for a call, 8 rows that are far apart in a batch of 1,024 take 6 minutes to find.
pub(crate) const MAX_OUT_OF_TIME: usize = 8;

/// So many rows that failed alone end their chunk: whether they are too many is judged when it ends.
const JUDGED_AFTER: usize = 16;

/// The rest of a batch that was cut.
#[derive(Debug, Default)]
pub(crate) struct Bisect {
    /// Those that are left, the next one last.
    parts: Vec<Batch>,
    /// Whether what is in hand is a part, and not a batch as it was read.
    in_part: bool,
    out_of_time: usize,
    /// Rows that failed alone since a chunk ended.
    unjudged: usize,
    dear: bool,
}

impl Bisect {
    /// The next part, of at most `max_rows` rows; `None` when nothing is left, and a batch is to be read.
    pub(crate) fn next(&mut self, max_rows: usize) -> Option<Batch> {
        let mut part = self.parts.pop();
        if let Some(large) = part.take_if(|part| part.rows > max_rows.max(1)) {
            // Its chunk is another one, and smaller.
            let (first, last) = large.cut(max_rows.max(1));
            self.parts.push(last);
            part = Some(first);
        }
        self.in_part = part.is_some();
        if part.is_none() {
            self.out_of_time = 0;
        }
        part
    }

    /// Whether the batch in hand is one as it was read.
    pub(crate) fn is_whole(&self) -> bool {
        !self.in_part
    }

    /// Puts both halves of the batch in hand, of at least two rows, in front of what is left.
    pub(crate) fn halve(&mut self, batch: Batch) {
        let middle = batch.rows.div_ceil(2);
        let (first, last) = batch.cut(middle);
        self.parts.extend([last, first]);
    }

    /// Puts the batch in hand in front of what is left, to be tried once more.
    pub(crate) fn again(&mut self, batch: Batch) {
        self.parts.push(batch);
    }

    /// Notes that the batch in hand was one row, and failed. False when too many ran into the time limit.
    #[must_use]
    pub(crate) fn failed_alone(&mut self, ran_out_of_time: bool) -> bool {
        self.unjudged += 1;
        if ran_out_of_time {
            self.dear = true;
            self.out_of_time += 1;
        }
        self.out_of_time <= MAX_OUT_OF_TIME
    }

    /// Whether the chunk in hand should end: what was dear to find out is kept, and too many rejects are noticed before
    /// more of them are looked for. Asked once behind each batch or part.
    pub(crate) fn ends_chunk(&mut self) -> bool {
        let through = self.unjudged > 0 && self.parts.is_empty();
        let ends = through || self.dear || self.unjudged >= JUDGED_AFTER;
        if ends {
            (self.unjudged, self.dear) = (0, false);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::RowStarts;
    use crate::counters::Asides;
    use crate::position::Position;

    fn batch(rows: usize) -> Batch {
        let mut starts = RowStarts::in_file(0, 1);
        (0..rows as u64).for_each(|row| assert!(starts.push_start(row, row + 1)));
        Batch {
            columns: Vec::new(),
            rows,
            starts: Arc::new(starts),
            rejects: Vec::new(),
            rows_before: Vec::new(),
            asides: Asides::default(),
            end: Position::File { byte: rows as u64, line: rows as u64 + 1 },
            source_bytes: rows as u64,
            loan: None,
        }
    }

    /// Carries a batch; answers its rows in the order in which they were taken, those that failed, and the calls.
    fn carry(rows: usize, most: usize, guilty: &BTreeSet<u64>) -> (Vec<u64>, Vec<u64>, usize) {
        let mut bisect = Bisect::default();
        let (mut taken, mut failed, mut calls) = (Vec::new(), Vec::new(), 0);
        assert!(bisect.next(9999).is_none());
        let mut next = Some(batch(rows));
        while let Some(batch) = next {
            calls += 1;
            let lines: Vec<u64> = (0..batch.rows).map(|row| batch.starts.at(row).byte()).collect();
            let bad = lines.iter().any(|line| guilty.contains(line));
            if bad && batch.rows > 1 {
                bisect.halve(batch);
            } else {
                if bad {
                    assert!(bisect.failed_alone(false));
                    failed.extend(&lines);
                }
                assert_eq!(batch.end.byte(), lines.last().unwrap() + 1);
                taken.extend(lines);
            }
            next = bisect.next(most);
        }
        (taken, failed, calls)
    }

    proptest! {
        #[test]
        fn each_row_is_taken_once_in_order_and_the_guilty_ones_fail_alone(
            rows in 1_usize..200,
            most in 1_usize..200,
            guilty in proptest::collection::btree_set(0_u64..200, 0..12),
        ) {
            let guilty: BTreeSet<u64> = guilty.into_iter().filter(|row| *row < rows as u64).collect();
            let (taken, failed, calls) = carry(rows, most, &guilty);
            prop_assert_eq!(taken, (0..rows as u64).collect::<Vec<_>>());
            prop_assert_eq!(failed, guilty.iter().copied().collect::<Vec<_>>());
            prop_assert!(calls < 2 * rows);
        }
    }

    #[test]
    fn one_guilty_row_of_many_is_found_in_few_calls() {
        let (_, failed, calls) = carry(1024, 1024, &BTreeSet::from([700]));
        assert_eq!((failed, calls), (vec![700], 21));
    }

    #[test]
    fn rows_that_run_out_of_time_are_counted_by_batch() {
        let mut bisect = Bisect::default();
        assert!((0..MAX_OUT_OF_TIME).all(|_| bisect.failed_alone(true)));
        assert!(!bisect.failed_alone(true));
        assert!(bisect.next(9999).is_none());
        assert!(bisect.failed_alone(true), "another batch");
    }

    #[test]
    fn a_chunk_ends_behind_a_batch_with_failures_and_sooner_where_they_are_many_or_dear() {
        let mut bisect = Bisect::default();
        assert!(!bisect.ends_chunk());
        bisect.halve(batch(4));
        assert!(bisect.next(9999).is_some() && bisect.failed_alone(false) && !bisect.ends_chunk());
        assert!(bisect.failed_alone(true) && bisect.ends_chunk(), "dear");
        assert!((0..JUDGED_AFTER - 1).all(|_| bisect.failed_alone(false) && !bisect.ends_chunk()));
        assert!(bisect.failed_alone(false) && bisect.ends_chunk(), "many");
        assert!(bisect.failed_alone(false) && bisect.next(9999).is_some() && bisect.ends_chunk(), "through");
        assert!(!bisect.ends_chunk());
    }
}
