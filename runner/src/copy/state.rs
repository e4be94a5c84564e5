//! What ledgers say of runs, sources and splits, and what a sender says of chunks: the same for every target.
//!
//! Must not know: how a target keeps it.

use std::time::Duration;

use crate::counters::{Asides, Counts};
use crate::position::Position;
use crate::reject::Tally;

/// What a run is known by in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunKey {
    /// The recipe's name.
    pub name: String,
    /// The target table, spelled in one way whatever the recipe wrote.
    pub target: String,
}

/// What a run has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it was started first, by the server's clock, UTC.
    pub started: String,
    /// When it was finished, if it was.
    pub finished: Option<String>,
    /// What happened to its rows; `written` is how many of them are in the target.
    pub counts: Counts,
    /// How many sources it has, and how many of them are cut into splits to their end.
    pub sources: (u64, u64),
    /// How many splits it has, and how many of them are done.
    pub splits: (u64, u64),
    /// Chunks committed.
    pub chunks: u64,
}

/// How a run stands when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The ledger did not know it; when it was started, as [`Standing::started`].
    New(String),
    /// It was started before, by us or by another process that may be at work still.
    Continued(Standing),
    /// It was finished, and nothing was added since.
    Finished(Standing),
}

impl Started {
    /// When the run was started first: tells it from a run of the same key that was begun after this one was forgotten.
    pub fn at(&self) -> &str {
        match self {
            Started::New(at) => at,
            Started::Continued(standing) | Started::Finished(standing) => &standing.started,
        }
    }
}

/// A source of a run, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is known by: a file's path.
    pub source: String,
    /// What it was when it was added, as JSON.
    pub fingerprint: String,
    /// How large its splits are meant to be.
    pub split_bytes: u64,
    /// Up to where it is cut into splits.
    pub tiled_to: Position,
    /// Whether that is its end.
    pub tiled: bool,
}

/// A new split: from `start` up to `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSplit {
    /// Where it starts.
    pub start: Position,
    /// Where the next split starts; None is the source's end.
    pub end: Option<Position>,
}

/// A split of a run, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Which split.
    pub key: SplitKey,
    /// Where it ends; None is the source's end.
    pub end: Option<Position>,
    /// Up to where it is done.
    pub position: Position,
    /// How often it was claimed: what the next claim has to name.
    pub epoch: i64,
    /// Through which address its owner loads it, or loaded it last.
    pub owner_address: Option<String>,
    /// What happened to its rows so far.
    pub counts: Counts,
    /// Chunks committed.
    pub chunks: u64,
    /// Whether nothing is left to do in it.
    pub done: bool,
}

/// Which split of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SplitKey {
    /// The source's key.
    pub source: String,
    /// Where the split starts.
    pub start: Position,
}

impl std::fmt::Display for SplitKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {}", self.source, self.start)
    }
}

/// A split that is ours to load, from `position` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Which split.
    pub key: SplitKey,
    /// Where it ends; None is the source's end.
    pub end: Option<Position>,
    /// Up to where it is done: the place to read on from.
    pub position: Position,
    /// What this claim is told apart by.
    pub epoch: i64,
    /// Whose it is.
    pub owner: String,
    /// What was committed before.
    pub counts: Counts,
}

/// Time spent waiting for the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// Until it took the rows.
    pub send: Duration,
    /// For its answers: beginning and committing chunks.
    pub answers: Duration,
}

/// A chunk that is in the target.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where the split is done up to.
    pub position: Position,
    /// What happened to the chunk's rows.
    pub counts: Counts,
    /// How many of them could be decoded.
    pub rows: u64,
    /// Bytes that were sent as rows.
    pub bytes: u64,
    /// Bytes of the source.
    pub source_bytes: u64,
    /// What was read besides rows.
    pub asides: Asides,
    /// Its rejects by reason.
    pub rejects: Tally,
    /// Time spent waiting since the chunk before.
    pub waited: Waited,
}

/// What was committed of a split by one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where the split is done up to.
    pub position: Position,
    /// Nothing is left to do in it; else the worker stopped, and what it had not ended was rolled back.
    pub done: bool,
    /// Chunks committed.
    pub chunks: u64,
    /// What happened to their rows.
    pub counts: Counts,
    /// Bytes that were sent as rows, in committed chunks.
    pub bytes: u64,
    /// Time spent waiting for the target.
    pub waited: Waited,
}

/// Told of every committed chunk.
pub type OnCommit<'a> = &'a mut (dyn FnMut(&Committed) + Send);
