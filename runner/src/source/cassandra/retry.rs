//! What is done about a request that failed, and how long it is tried again. Must not know what was asked for.

use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};

use super::Error;
use super::cluster::NotPrepared;
use super::reason::Reason;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be answered later, or by another node.
    Again(Reason),
    /// There was no answer in time: another node may have one, or this one for less.
    Late(Reason),
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
            ExecutionError::RequestTimeout(_) => Failure::Late(reason),
            ExecutionError::PrepareError(_)
            | ExecutionError::ConnectionPoolError(_)
            | ExecutionError::LastAttemptError(_)
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

impl From<NotPrepared> for Failure {
    fn from(error: NotPrepared) -> Failure {
        match error {
            NotPrepared::Refused(error) => error.into(),
            NotPrepared::Late(_) => Failure::Again(Reason::NoAnswer),
        }
    }
}

fn of_answer(answer: &DbError, words: &str, reason: Reason) -> Failure {
    match answer {
        DbError::ReadFailure { .. } if is_too_much(words) => Failure::TooMuch(reason),
        DbError::ReadFailure { .. } => {
            Failure::Again(Reason::Server("the replicas failed (their logs say why)"))
        }
        DbError::ReadTimeout { .. } => Failure::Late(reason),
        DbError::Unavailable { .. }
        | DbError::Overloaded
        | DbError::IsBootstrapping
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

/// How often a request is tried again before it is given up: under a minute, if each attempt fails at once.
pub(super) const ATTEMPTS: u32 = 12;

/// From so many failures in a row on less is asked for, if there was no answer in time: one may be the node's alone.
pub(super) const ATTEMPTS_FOR_ALL: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const READ_FAILURE: DbError = DbError::ReadFailure {
        consistency: scylla::statement::Consistency::One,
        received: 0,
        required: 1,
        numfailures: 1,
        data_present: false,
    };

    const READ_TIMEOUT: DbError = DbError::ReadTimeout {
        consistency: scylla::statement::Consistency::One,
        received: 0,
        required: 1,
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
        assert!(matches!(failure(READ_TIMEOUT), Failure::Late(_)));
        let late = Failure::from(ExecutionError::RequestTimeout(std::time::Duration::ZERO));
        assert!(matches!(late, Failure::Late(_)));
        assert!(matches!(failure(DbError::Invalid), Failure::Fatal(_)));
        assert!(matches!(Failure::from(ExecutionError::EmptyPlan), Failure::Again(_)));
        assert!(!format!("{:?}", failure(DbError::Unauthorized)).contains("secret"));
    }
}
