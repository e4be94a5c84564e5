//! The chunk whose `COMMIT` was sent and is not answered: if its connection is lost, or nobody waits for it any more, the
//! ledger alone knows whether it was committed.
//!
//! Must not know: how the ledger is asked.

use std::sync::{Mutex, PoisonError};

use crate::copy::state::Committed;
use crate::counters::Counts;

/// Room for one chunk, which a sender fills and who uses the sender looks into.
#[derive(Debug, Default)]
pub struct Unanswered(Mutex<Option<InDoubt>>);

/// A chunk that may have been committed.
#[derive(Clone, Debug)]
pub struct InDoubt {
    /// What is known to be committed of the split without it.
    pub before: Counts,
    /// What is committed with it, but for what the target alone can count.
    pub chunk: Committed,
}

impl Unanswered {
    /// The chunk's `COMMIT` was sent.
    pub(super) fn sent(&self, chunk: InDoubt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(chunk);
    }

    /// The chunk, if there is one; then there is none.
    pub fn take(&self) -> Option<InDoubt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl InDoubt {
    /// The chunk as it was committed, now that the split's committed rows are known to be these; none if they are fewer
    /// than it takes.
    pub fn committed(self, now: &Counts) -> Option<Committed> {
        Some(Committed { counts: now.since(&self.before)?, ..self.chunk })
    }
}
