//! What is done about a request that failed, and how long it is tried again. Must not know what was asked for.

use std::time::Duration;

use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};

use super::Error;
use super::reason::Reason;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be answered later, or by another node.
    Again(Reason),
    /// The server gave up in the middle, as it does with too many tombstones: another node does not help, asking
    /// for less may.
    TooMuch(Reason),
    /// It will not be answered.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Fatal(error)
    }
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Failure {
        let reason = Reason::of_read(&error);
        match &error {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, words)) => {
                of_answer(answer, words, reason)
            }
            ExecutionError::PrepareError(_)
            | ExecutionError::ConnectionPoolError(_)
            | ExecutionError::LastAttemptError(_)
            | ExecutionError::RequestTimeout(_)
            | ExecutionError::EmptyPlan
            | ExecutionError::MetadataError(_) => Failure::Again(reason),
            _ => Failure::Fatal(Error::Refused { reason }),
        }
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Failure {
        let reason = Reason::of_prepare(&error);
        match error {
            PrepareError::AllAttemptsFailed {
                first_attempt: RequestAttemptError::DbError(answer, words),
            } => of_answer(&answer, &words, reason),
            _ => Failure::Again(reason),
        }
    }
}

fn of_answer(answer: &DbError, words: &str, reason: Reason) -> Failure {
    match answer {
        DbError::ReadFailure { .. } if is_too_much(words) => Failure::TooMuch(reason),
        DbError::ReadFailure { .. } => {
            Failure::Again(Reason::Server("the replicas failed (their logs say why)"))
        }
        DbError::Unavailable { .. }
        | DbError::Overloaded
        | DbError::IsBootstrapping
        | DbError::ReadTimeout { .. }
        | DbError::TruncateError
        | DbError::ServerError
        | DbError::Unprepared { .. }
        | DbError::RateLimitReached { .. } => Failure::Again(reason),
        _ => Failure::Fatal(Error::Refused { reason }),
    }
}

/// Whether replicas failed because of how much they were asked for. Servers tell their reasons since Cassandra 4
/// (`… 1 failures: READ_TOO_MANY_TOMBSTONES from /10.0.0.1:7000`): others are those of a node that comes or goes.
/// Where none is told, tombstones are the likeliest.
fn is_too_much(words: &str) -> bool {
    !words.contains(" from /") || ["TOMBSTONES", "READ_SIZE"].iter().any(|reason| words.contains(reason))
}

/// How often a request is tried again before it is given up: over a minute, if each attempt fails at once.
const ATTEMPTS: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Attempts without a page between them.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failed: u32,
}

impl Patience {
    /// How long to wait before the next attempt; `None` to give up.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        if self.failed >= ATTEMPTS {
            return None;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failed.min(16)).min(LONGEST_WAIT);
        self.failed += 1;
        // Readers that failed together do not come back together.
        Some(wait / 2 + wait.mul_f64(jitter() / 2.0))
    }

    /// A page came.
    pub(super) fn reset(&mut self) {
        self.failed = 0;
    }
}

/// Between 0 and 1, from the system's randomness.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    f64::from(RandomState::new().hash_one(0u8) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut patience = Patience::default();
        let waits: Vec<Duration> = std::iter::from_fn(|| patience.wait()).collect();
        assert_eq!(waits.len(), ATTEMPTS as usize);
        assert!(waits[0] >= FIRST_WAIT / 2 && waits[0] <= FIRST_WAIT);
        assert!(waits[11] >= LONGEST_WAIT / 2 && waits[11] <= LONGEST_WAIT);
        assert!(waits.iter().sum::<Duration>() > Duration::from_secs(30));
        patience.reset();
        assert!(patience.wait().is_some());
    }

    const READ_FAILURE: DbError = DbError::ReadFailure {
        consistency: scylla::statement::Consistency::One,
        received: 0,
        required: 1,
        numfailures: 1,
        data_present: false,
    };

    fn said(answer: DbError, words: &str) -> Failure {
        let attempt = RequestAttemptError::DbError(answer, words.into());
        Failure::from(ExecutionError::LastAttemptError(attempt))
    }

    #[test]
    fn a_replica_that_fails_for_another_reason_than_tombstones_is_asked_again() {
        let words = |reason: &str| {
            format!("Operation failed - received 1 responses and 1 failures: {reason} from /127.0.0.3:7000")
        };
        for reason in ["UNKNOWN", "NODE_DOWN", "TIMEOUT"] {
            assert!(matches!(said(READ_FAILURE, &words(reason)), Failure::Again(_)), "{reason}");
        }
        for reason in ["READ_TOO_MANY_TOMBSTONES", "READ_SIZE", "UNKNOWN from /a, READ_TOO_MANY_TOMBSTONES"] {
            assert!(matches!(said(READ_FAILURE, &words(reason)), Failure::TooMuch(_)), "{reason}");
        }
        let old = "Operation failed - received 0 responses and 1 failures";
        assert!(matches!(said(READ_FAILURE, old), Failure::TooMuch(_)));
    }

    #[test]
    fn a_failed_read_is_tried_smaller_and_a_refused_one_not_at_all() {
        let failure = |answer| said(answer, "secret");
        assert!(matches!(failure(READ_FAILURE), Failure::TooMuch(_)));
        assert!(matches!(failure(DbError::Overloaded), Failure::Again(_)));
        assert!(matches!(failure(DbError::Invalid), Failure::Fatal(_)));
        assert!(matches!(Failure::from(ExecutionError::EmptyPlan), Failure::Again(_)));
        assert!(!format!("{:?}", failure(DbError::Unauthorized)).contains("secret"));
    }
}
