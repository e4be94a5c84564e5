//! How many rows the next chunks of a stream hold. Ordinarily as many as the recipe says; behind a row that the
//! server refused fewer, so that the guilty row is found with few repetitions, and the next one costs little.
//!
//! Pure: rows are numbers here, counted from the place where a walk began. Stream and worker each walk through the
//! same pace. Must not know: SQL, connections, positions.

use std::collections::VecDeque;

use crate::copy::error::Suspects;

/// The largest chunk while rows are being refused. Of a refused chunk all rows are sent in vain, so chunks are kept
/// short of the distance to the next refused row, which nobody knows.
const CAREFUL_ROWS: u64 = 2_000;

/// The smallest chunk that is begun with behind a guilty row.
const FEW_ROWS: u64 = 16;

/// So many rows go by without a refusal before chunks become twice as large.
const CALM_ROWS: u64 = 10 * CAREFUL_ROWS;

/// The sizes of a stream's next chunks.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// The size that the recipe says.
    full: u64,
    /// The sizes of the very next chunks.
    planned: VecDeque<u64>,
    /// The size of those behind them.
    rows: u64,
    /// Rows committed since the size changed last.
    calm: u64,
    /// Rows committed since the last guilty row.
    since_guilty: u64,
    /// Rows that may still hold the guilty one: sizes do not grow until they are behind us.
    suspects: u64,
    /// The server's hint named an innocent row: halve instead, until the guilty one is found.
    hints_mislead: bool,
}

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This row is to blame: nothing else was sent. Counted from the chunk's beginning.
    Guilty(u64),
    /// Read again in the sizes that the pace says now.
    Search,
}

impl Pace {
    /// Full chunks of `full` rows.
    pub(crate) fn new(full: u64) -> Pace {
        Pace {
            full,
            planned: VecDeque::new(),
            rows: full,
            calm: 0,
            since_guilty: 0,
            suspects: 0,
            hints_mislead: false,
        }
    }

    /// How many rows the next chunk may hold.
    pub(crate) fn rows(&self) -> u64 {
        self.planned.front().copied().unwrap_or(self.rows)
    }

    /// Whether a refusal is to be expected, so that nothing should be sent behind an unanswered chunk.
    pub(crate) fn is_careful(&self) -> bool {
        self.rows < self.full || !self.planned.is_empty()
    }

    /// What was planned for the chunks behind a place is of no use at another one.
    pub(crate) fn forget(&mut self) {
        self.planned.clear();
        self.suspects = 0;
        self.hints_mislead = false;
    }

    /// A chunk of `rows` rows ended, or was committed.
    pub(crate) fn ended(&mut self, rows: u64) {
        let planned = self.planned.pop_front();
        self.suspects = self.suspects.saturating_sub(rows);
        if planned == Some(1) && self.planned.is_empty() {
            // The suspect was taken when it was alone.
            self.hints_mislead = true;
        }
        if self.suspects == 0 {
            self.hints_mislead = false;
        }
        self.since_guilty = self.since_guilty.saturating_add(rows);
        self.calm += rows;
        let wanted = if self.rows < CAREFUL_ROWS { self.rows } else { CALM_ROWS };
        if self.suspects == 0 && self.planned.is_empty() && self.calm >= wanted {
            self.rows = (2 * self.rows).min(self.full);
            self.calm = 0;
        }
    }

    /// The chunk that was to be committed next was refused.
    pub(crate) fn refused(&mut self, suspects: Suspects) -> Verdict {
        let Suspects { first, last, hint } = suspects;
        self.planned.clear();
        self.calm = 0;
        if first == last {
            self.guilty();
            return Verdict::Guilty(first);
        }
        let sent = last - first + 1;
        self.suspects = last + 1;
        match hint.filter(|hint| (first..=last).contains(hint) && !self.hints_mislead) {
            Some(hint) => {
                self.planned.extend((hint > 0).then_some(hint));
                self.planned.push_back(1);
                self.rows = self.rows.min(CAREFUL_ROWS);
            }
            // What was sent is cut in two; rows before it were sent nowhere.
            None => self.rows = (first + sent / 2).clamp(1, CAREFUL_ROWS),
        }
        Verdict::Search
    }

    /// A guilty row was found: how far it was from the one before tells how far the next may be.
    fn guilty(&mut self) {
        self.rows = self.since_guilty.saturating_mul(2).clamp(FEW_ROWS, CAREFUL_ROWS).min(self.full);
        self.since_guilty = 0;
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    /// What it took to load rows of which some are refused.
    #[derive(Debug, Default)]
    struct Cost {
        rejected: Vec<u64>,
        loaded: u64,
        copies: u64,
        sent: u64,
    }

    /// Loads `total` rows as stream and server do: a chunk with a bad row is refused as a whole.
    fn load(total: u64, full: u64, bad: &[u64], hint_of: impl Fn(u64) -> Option<u64>) -> Cost {
        let mut pace = Pace::new(full);
        let (mut at, mut condemned, mut cost) = (0, BTreeSet::new(), Cost::default());
        while at < total {
            let rows = pace.rows().min(total - at);
            let sent: Vec<u64> = (at..at + rows).filter(|row| !condemned.contains(row)).collect();
            if !sent.is_empty() {
                cost.copies += 1;
                cost.sent += sent.len() as u64;
            }
            let Some(guilty) = sent.iter().find(|row| bad.contains(row)) else {
                cost.loaded += sent.len() as u64;
                cost.rejected.extend(condemned.iter().filter(|row| (at..at + rows).contains(row)));
                pace.ended(rows);
                at += rows;
                condemned = condemned.split_off(&at);
                continue;
            };
            let (first, last) = (sent[0] - at, sent[sent.len() - 1] - at);
            let hint = hint_of(*guilty).and_then(|row| row.checked_sub(at));
            if let Verdict::Guilty(row) = pace.refused(Suspects { first, last, hint }) {
                condemned.insert(at + row);
            }
            assert!(cost.copies < 100 * (total + 1), "no end: {cost:?}");
        }
        cost
    }

    proptest! {
        #[test]
        fn exactly_the_refused_rows_are_rejected_whatever_the_server_hints(
            total in 1_u64..3_000,
            full in 1_u64..4_000,
            bad in proptest::collection::btree_set(0_u64..3_000, 0..12),
            lie in prop_oneof![Just(None), Just(Some(0)), (0_u64..3_000).prop_map(Some)],
            is_honest in any::<bool>(),
        ) {
            let bad: Vec<u64> = bad.into_iter().filter(|row| *row < total).collect();
            let cost = load(total, full, &bad, |guilty| if is_honest { Some(guilty) } else { lie });
            prop_assert_eq!(&cost.rejected, &bad);
            prop_assert_eq!(cost.loaded, total - bad.len() as u64);
        }
    }

    #[test]
    fn one_bad_row_with_a_good_hint_costs_three_more_copies() {
        let clean = load(20_000, 20_000, &[], Some);
        assert_eq!(clean.copies, 1);
        // What was before it, the row alone, and the rest in chunks that grow again.
        let one = load(20_000, 20_000, &[19_000], Some);
        assert_eq!(one.copies, 4, "{one:?}");
        let first = load(2_000, 2_000, &[0], Some);
        assert!(first.copies <= 4 + 7, "{first:?}");
    }

    #[test]
    fn without_hints_the_search_halves() {
        let cost = load(20_000, 20_000, &[13_371], |_| None);
        assert_eq!(cost.rejected, [13_371]);
        assert!(cost.copies < 40, "{cost:?}");
    }

    #[test]
    fn one_bad_row_in_ten_thousand_is_sent_with_few_others_in_vain() {
        let bad: Vec<u64> = (0..50).map(|n| 5_000 + n * 10_000).collect();
        let cost = load(500_000, 20_000, &bad, Some);
        assert!(cost.sent < 500_000 * 13 / 10, "{} rows sent in {} copies", cost.sent, cost.copies);
    }

    #[test]
    fn rows_that_are_all_bad_are_tried_in_small_chunks() {
        let bad: Vec<u64> = (0..1_000).collect();
        let cost = load(1_000, 20_000, &bad, Some);
        assert_eq!(cost.rejected.len(), 1_000);
        assert!(cost.copies <= 2_100 && cost.sent < 20_000, "{} rows in {} copies", cost.sent, cost.copies);
    }

    #[test]
    fn chunks_grow_back_to_what_the_recipe_says() {
        let mut pace = Pace::new(20_000);
        assert_eq!(pace.refused(Suspects { first: 0, last: 19_999, hint: Some(100) }), Verdict::Search);
        assert_eq!(pace.rows(), 100);
        pace.ended(100);
        assert_eq!((pace.rows(), pace.is_careful()), (1, true));
        assert_eq!(pace.refused(Suspects { first: 0, last: 0, hint: None }), Verdict::Guilty(0));
        while pace.is_careful() {
            pace.ended(pace.rows());
        }
        assert_eq!(pace.rows(), 20_000);
    }
}
