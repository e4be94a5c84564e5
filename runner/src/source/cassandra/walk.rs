//! Which statement is next on the way from a position to a split's end. Pure: it says what to ask, is told what
//! came, and must not know who asks, pages, or what else a row has.
//!
//! Rows come in the order of tokens, then of stored partition keys, then of clustering columns. Behind a row are
//! therefore, in this order:
//!
//! - the rest of its partition: with all its clustering columns but the last, which is behind; with all but the last
//!   two … ([`Statement::Rest`]), which is right for columns of mixed order, where comparing tuples is not;
//! - other partitions of the same token: its keys ([`Statement::Keys`]), and each one that is behind
//!   ([`Statement::Partition`]);
//! - the tokens up to the split's end ([`Statement::Range`]).
//!
//! There is no other way back: after an error the walk is moved behind the last row that came
//! ([`Walk::behind_key`]), as it is for a position from the ledger. Where a server gives up on a range because of
//! tombstones, [`Walk::halve`] makes it smaller; the halves are read one after the other, so the order stays. Where it
//! has no time for a range, it has none for the others either: [`Walk::halve_all`].

use std::collections::BTreeMap;

use super::key::{BadKey, Key};
use super::statement::Statement;

/// No server gives this token to a key: a range that starts here starts with the ring.
const RING_START: i64 = i64::MIN;

/// So many keys of one token are kept; if there are more (somebody wanted it so), they are asked for again.
const MAX_KEYS: usize = 64;

/// A split is cut into no more ranges than this: each of them is asked for, whatever is in it.
const MAX_RANGES: usize = 1024;

/// What to ask for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The statement.
    pub statement: Statement,
    /// Its values in the wire's form, without their lengths; a token is a bigint.
    pub values: Vec<Vec<u8>>,
    /// All rows asked for are behind this token.
    pub start: i64,
    /// The last token asked for.
    pub end: i64,
}

/// The way through what is left of a split.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Columns of the partition key.
    partition: usize,
    /// Clustering columns.
    clustering: usize,
    /// The split: behind this token …
    start: i64,
    /// … up to this one.
    end: i64,
    /// The token that the walk is in the middle of.
    token: Option<InToken>,
    /// What is left behind it, last range first.
    ranges: Vec<(i64, i64)>,
}

/// The walk within one token.
#[derive(Clone, Debug)]
struct InToken {
    token: i64,
    /// Values of the partition key in hand.
    partition: Vec<Vec<u8>>,
    /// Clustering columns of the row that all is behind.
    clustering: Vec<Vec<u8>>,
    /// The partition key in hand as it is stored.
    stored: Vec<u8>,
    next: Next,
    /// Keys behind the one in hand by their stored form, with their values.
    later: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// There were more than are kept.
    more: bool,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Rest { equal: usize },
    Keys,
    Partition,
}

impl Walk {
    /// Through the whole split `(start, end]` of a table with so many key columns; `start` is [`i64::MIN`] where
    /// the ring starts.
    pub fn new(partition: usize, clustering: usize, start: i64, end: i64) -> Walk {
        let ranges = if start < end { vec![(start, end)] } else { Vec::new() };
        Walk { partition, clustering, start, end, token: None, ranges }
    }

    /// Moves on behind a row: its key's cells, as in [`Key::parse`], and its token.
    pub fn behind_key(&mut self, said: i64, cells: &[u8]) -> Result<(), BadKey> {
        let key = Key::parse(cells, self.partition, self.clustering)?;
        let token = key.token();
        if token != said {
            return Err(BadKey::Token { token, said });
        }
        if token <= self.start || token > self.end {
            return Err(BadKey::Outside { token, start: self.start, end: self.end });
        }
        let clustering = key.clustering.as_deref().map(owned).unwrap_or_default();
        let next = clustering.len().checked_sub(1).map_or(Next::Keys, |equal| Next::Rest { equal });
        self.token = Some(InToken {
            token,
            partition: owned(&key.partition),
            clustering,
            stored: key.stored(),
            next,
            later: BTreeMap::new(),
            more: false,
        });
        self.leave(token);
        Ok(())
    }

    /// What to ask for now, from its first row. None at the split's end.
    pub fn step(&self) -> Option<Step> {
        if let Some(token) = &self.token {
            return Some(token.step());
        }
        let &(start, end) = self.ranges.last()?;
        let (statement, values) = match start {
            RING_START => (Statement::FirstRange, vec![bigint(end)]),
            _ => (Statement::Range, vec![bigint(start), bigint(end)]),
        };
        Some(Step { statement, values, start, end })
    }

    /// Takes one of the keys that [`Statement::Keys`] yields, in any order: its cells.
    pub fn key(&mut self, cells: &[u8]) -> Result<(), BadKey> {
        let key = Key::parse(cells, self.partition, 0)?;
        let Some(hand) = &mut self.token else { return Ok(()) };
        let token = key.token();
        if token != hand.token {
            return Err(BadKey::Token { token, said: hand.token });
        }
        let stored = key.stored();
        if stored > hand.stored {
            hand.later.insert(stored, owned(&key.partition));
        }
        if hand.later.len() > MAX_KEYS {
            hand.later.pop_last();
            hand.more = true;
        }
        Ok(())
    }

    /// The step's rows (or keys) have all come.
    pub fn exhausted(&mut self) {
        let Some(token) = &mut self.token else {
            self.ranges.pop();
            return;
        };
        if !token.exhausted() {
            self.token = None;
        }
    }

    /// Makes the step's range half as large, with the other half behind it. False if it is one token, or the walk
    /// is within one: then the step's range is as small as can be, and that is what cannot be read. To be called
    /// for the step that failed, before the walk is moved behind the last row that came of it.
    pub fn halve(&mut self) -> bool {
        let Some(range) = self.ranges.last_mut().filter(|_| self.token.is_none()) else { return false };
        let Some(middle) = middle(*range) else { return false };
        let start = std::mem::replace(&mut range.0, middle);
        self.ranges.push((start, middle));
        true
    }

    /// Makes all ranges that are left half as large. False if the walk is within a token, or there would be too many.
    /// To be called as [`Walk::halve`] is.
    pub fn halve_all(&mut self) -> bool {
        if self.token.is_some() || self.ranges.len() > MAX_RANGES / 2 {
            return false;
        }
        let halves = self.ranges.iter().flat_map(|&(start, end)| match middle((start, end)) {
            Some(middle) => [Some((middle, end)), Some((start, middle))],
            None => [Some((start, end)), None],
        });
        let halves: Vec<(i64, i64)> = halves.flatten().collect();
        let halved = halves.len() > self.ranges.len();
        self.ranges = halves;
        halved
    }

    /// What is left are the tokens behind this one.
    fn leave(&mut self, token: i64) {
        while self.ranges.last().is_some_and(|(_, end)| *end <= token) {
            self.ranges.pop();
        }
        match self.ranges.last_mut() {
            Some((start, _)) => *start = token,
            None if token < self.end => self.ranges.push((token, self.end)),
            None => {}
        }
    }
}

impl InToken {
    fn step(&self) -> Step {
        let (statement, values) = match self.next {
            Next::Rest { equal } => {
                let clustering = self.clustering.iter().take(equal + 1);
                (Statement::Rest { equal }, self.partition.iter().chain(clustering).cloned().collect())
            }
            Next::Keys => (Statement::Keys, vec![bigint(self.token)]),
            Next::Partition => (Statement::Partition, self.partition.clone()),
        };
        Step { statement, values, start: self.token.saturating_sub(1), end: self.token }
    }

    /// Goes on to what is next; false if nothing is left of the token.
    fn exhausted(&mut self) -> bool {
        match self.next {
            Next::Rest { equal: 0 } => self.next = Next::Keys,
            Next::Rest { equal } => self.next = Next::Rest { equal: equal - 1 },
            Next::Keys | Next::Partition => return self.next_partition(),
        }
        true
    }

    fn next_partition(&mut self) -> bool {
        if let Some((stored, partition)) = self.later.pop_first() {
            self.stored = stored;
            self.partition = partition;
            self.next = Next::Partition;
            return true;
        }
        self.next = Next::Keys;
        std::mem::take(&mut self.more)
    }
}

/// The token in the middle of a range; none if it is one token.
fn middle((start, end): (i64, i64)) -> Option<i64> {
    let middle = start.saturating_add_unsigned(end.abs_diff(start) / 2);
    (middle != start).then_some(middle)
}

fn owned(cells: &[&[u8]]) -> Vec<Vec<u8>> {
    cells.iter().map(|cell| cell.to_vec()).collect()
}

fn bigint(token: i64) -> Vec<u8> {
    token.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests;
