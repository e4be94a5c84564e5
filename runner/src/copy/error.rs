//! What can go wrong at the target, in one closed set of classes. Never a server's message, DETAIL or CONTEXT:
//! they carry values of rows.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::position::Position;
use crate::reject::{Reject, Stage};
use crate::untrusted;

/// What an error means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Another worker moved the split's ledger row: nothing of this chunk was committed, take another split.
    Clash,
    /// The server refused a row of the chunk.
    RefusedRow,
    /// The connection was lost, or none can be had: the split can be reopened, on another node if need be.
    Connection,
    /// The server cannot do it at the moment: the split can be reopened a little later.
    Passing,
    /// Recipe, module, source or target differ from what the ledger was made with.
    Drift,
    /// The server refuses what we ask for: permissions, missing tables, bad settings.
    Refused,
    /// The recipe, the environment or a flag says something about the target that cannot be used.
    Settings,
    /// Another process loads the same run right now.
    Busy,
    /// More rows were rejected than the run allows.
    Rejects,
    /// A mistake of ours.
    Bug,
}

impl Class {
    /// Whether the same may succeed a little later, or on another node.
    pub fn may_pass(self) -> bool {
        matches!(self, Class::Connection | Class::Passing)
    }
}

/// What failed at the target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, in our words: host and reason, without secrets.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// What happened and what to do.
        reason: String,
        /// SQLSTATE, if the server said why.
        state: Option<String>,
    },
    /// None of several hosts could be connected to.
    #[error("cannot connect to any of {} hosts: {}", failures.len(), listed(failures))]
    NoHost {
        /// Host and port, and what happened there, in the configured order.
        failures: Vec<(String, String)>,
    },
    /// The connection ended while it was needed.
    #[error("connection to {address} lost during {action}: {reason}")]
    Lost {
        /// Host and port.
        address: String,
        /// What was being done: `COPY`, `COMMIT`, `claim`, …
        action: &'static str,
        /// The driver's words (I/O errors carry no values).
        reason: String,
    },
    /// The connection ended between sending `COMMIT` and its answer: claim the split again, its position says what
    /// happened.
    #[error("connection to {address} lost before COMMIT was answered: {reason}")]
    InDoubt {
        /// Host and port.
        address: String,
        /// The driver's words, or the server's state.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{action} was refused: {0}", action = .0.action)]
    Server(Box<ServerError>),
    /// The server refused a row of a chunk, which was rolled back.
    #[error("the server refused a row of {0}")]
    RefusedRow(Box<RefusedRow>),
    /// The ledger row is not as this worker left it.
    #[error("split {split} was taken over by another worker")]
    Clash {
        /// Source and start of the split.
        split: String,
    },
    /// The run would make other rows than the ledger was made for.
    #[error("{0}")]
    Drift(String),
    /// Another process is at work on what we need.
    #[error("{0}")]
    Busy(String),
    /// More rows were rejected than the run allows; the chunk that went over it was rolled back.
    #[error("{0}")]
    TooManyRejects(Box<TooManyRejects>),
    /// Nodes or tables are not usable, in our words.
    #[error("{0}")]
    Refused(String),
    /// Settings that cannot be used, whatever the server is like.
    #[error("{0}")]
    Settings(String),
    /// A file of the files target cannot be written.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was being done: `writing`, `renaming to`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Disk full, no permission, …
        source: io::Error,
    },
    /// Nobody reads standard output any more.
    #[error("the reader of standard output went away")]
    ReaderGone,
    /// An answer that the protocol does not allow.
    #[error("internal error: {0}")]
    Bug(String),
}

fn listed(failures: &[(String, String)]) -> String {
    let failures: Vec<String> = failures.iter().map(|(address, why)| format!("{address}: {why}")).collect();
    failures.join("; ")
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { action, path: path.into(), source }
    }

    /// Whether a server that is alive has no connection left.
    pub fn is_full(&self) -> bool {
        matches!(self, Error::Connect { state: Some(state), .. } if state == "53300")
    }

    /// How often it is tried again, of `retries`: what is no server's answer is bounded by time alone.
    pub fn retries(&self, retries: u32) -> u32 {
        match self {
            Error::Server(server) => server.retries(retries),
            _ => u32::MAX,
        }
    }

    /// What the error means for the run.
    pub fn class(&self) -> Class {
        match self {
            // A user, a password or a database does not become right by waiting.
            Error::Connect { state: Some(state), .. }
                if matches!(state.get(..2), Some("28" | "3D" | "42")) || state == "57P04" =>
            {
                Class::Refused
            }
            Error::Connect { .. } | Error::NoHost { .. } | Error::Lost { .. } | Error::InDoubt { .. } => {
                Class::Connection
            }
            Error::Server(server) => server.class(),
            Error::Refused(_) | Error::Io { .. } | Error::ReaderGone => Class::Refused,
            Error::RefusedRow(_) => Class::RefusedRow,
            Error::Clash { .. } => Class::Clash,
            Error::Drift(_) => Class::Drift,
            Error::Settings(_) => Class::Settings,
            Error::Busy(_) => Class::Busy,
            Error::TooManyRejects(_) => Class::Rejects,
            Error::Bug(_) => Class::Bug,
        }
    }
}

/// The parts of a server's error that carry no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// What was being done: `COPY`, `COMMIT`, `claim`, …
    pub action: &'static str,
    /// SQLSTATE, five characters.
    pub state: String,
    /// Its condition name, e.g. `unique_violation`.
    pub condition: &'static str,
    /// Name of the violated constraint.
    pub constraint: Option<String>,
    /// Name of the column.
    pub column: Option<String>,
    /// Name of the table.
    pub table: Option<String>,
    /// Physical line of the COPY data, from 1, from the first line of CONTEXT that names a COPY.
    pub line: Option<u64>,
    /// The server is a YugabyteDB, and its message is one of those after which trying again helps.
    pub says_try_again: bool,
}

impl ServerError {
    /// Whether a row of a chunk is to blame: data exceptions, constraints, limits, what triggers raise.
    pub fn blames_a_row(&self) -> bool {
        // 22P04 is a COPY that is not what we said it is.
        matches!(self.state.get(..2), Some("22" | "23" | "44" | "54" | "P0")) && self.state != "22P04"
    }

    /// What is done about it: the table in `docs/targets.md`. Lost connections (08, 57P01 to 57P03, 57P05) and
    /// servers that take no writes (25006) are left for another connection; conflicts of transactions (40), resources
    /// (53), locks and objects in use (55P03, 55006), cancelled statements (57) and I/O errors (58) pass.
    pub fn class(&self) -> Class {
        match (self.state.get(..2), self.state.as_str()) {
            (_, "57P04") => Class::Refused,
            (_, "22P04") => Class::Bug,
            (Some("08"), _) | (_, "57P01" | "57P02" | "57P03" | "57P05" | "25006") => Class::Connection,
            (Some("40" | "53" | "57" | "58"), _) | (_, "55P03" | "55006") => Class::Passing,
            // Words of YugabyteDB, for states that PostgreSQL uses for bugs.
            (_, "XX000" | "72000") if self.says_try_again => Class::Passing,
            _ => Class::Refused,
        }
    }

    /// How often it is tried again: a statement that was cancelled by somebody is cancelled again.
    pub fn retries(&self, retries: u32) -> u32 {
        if self.state == "57014" { retries.min(3) } else { retries }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {} ({})", self.state, self.condition)?;
        for (what, name) in
            [("table", &self.table), ("column", &self.column), ("constraint", &self.constraint)]
        {
            if let Some(name) = name {
                write!(f, ", {what} `{name}`")?;
            }
        }
        Ok(())
    }
}

/// Which row the server refused, as far as it can be told, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The source of the chunk.
    pub source: String,
    /// The first and the last source row that the chunk sent.
    pub range: Option<(Position, Position)>,
    /// The source row that the server named. A hint: deferred constraints name none.
    pub position: Option<Position>,
    /// The same as numbers; `None` when nothing had been sent.
    pub suspects: Option<Suspects>,
    /// What the server answered.
    pub server: ServerError,
}

/// What is known of a refused chunk's rows, counted from the chunk's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspects {
    /// The first row that was sent.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// The one that the server named.
    pub hint: Option<u64>,
}

/// `flights.csv, lines 2-21, at line 7: SQLSTATE 23505 (unique_violation), table …`
impl fmt::Display for RefusedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some((first, last)) = &self.range {
            write!(f, ", {}", Position::span(first, last))?;
        }
        if let Some(position) = &self.position {
            write!(f, ", at {position}")?;
        }
        write!(f, ": {}", self.server)
    }
}

/// More rows were rejected than the run allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooManyRejects {
    /// The setting that was exceeded, e.g. `max_rejects = 0`.
    pub limit: String,
    /// Rows rejected, those of the chunk in hand and of earlier runs included.
    pub rejected: u64,
    /// Rows read, counted likewise.
    pub read: u64,
    /// The last rejects, those of the chunk in hand if it was rolled back, without their values.
    pub last: Vec<RejectNote>,
}

impl fmt::Display for TooManyRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows rejected, more than {} allows", self.rejected, self.read, self.limit)?;
        for note in &self.last {
            let RejectNote { source, position, stage, reason, .. } = note;
            let reason = untrusted::shown(reason, untrusted::MAX_MESSAGE_BYTES);
            write!(f, "\n  {source} {position}: {stage}: {reason}")?;
        }
        Ok(())
    }
}

/// A reject as people are told of it: without the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectNote {
    /// The file.
    pub source: String,
    /// Where the row starts in its source.
    pub position: Position,
    /// Where it failed.
    pub stage: Stage,
    /// From the stage's closed set.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

impl RejectNote {
    /// What may be told of a reject of `source`.
    pub fn new(source: &str, reject: &Reject) -> RejectNote {
        RejectNote {
            source: source.into(),
            position: reject.position.clone(),
            stage: reject.stage,
            code: reject.code,
            reason: reject.reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(state: &str) -> ServerError {
        ServerError { action: "COPY", state: state.into(), condition: "x", ..ServerError::default() }
    }

    #[test]
    fn a_state_tells_whether_a_row_is_to_blame_or_trying_again_helps() {
        let is = |state: &str, class| {
            assert_eq!(server(state).class(), class, "{state}");
            assert_eq!(Error::Server(Box::new(server(state))).class(), class, "{state}");
            assert!(!server(state).blames_a_row(), "{state}");
        };
        for state in ["22P02", "23505", "54000", "P0001"] {
            assert!(server(state).blames_a_row() && server(state).class() == Class::Refused, "{state}");
        }
        ["08006", "57P01", "57P03", "25006"].iter().for_each(|state| is(state, Class::Connection));
        ["40001", "53100", "53300", "55P03", "55006", "57014", "58030"]
            .iter()
            .for_each(|state| is(state, Class::Passing));
        ["42501", "42P01", "57P04", "28P01", "XX000", "72000", "", "P"]
            .iter()
            .for_each(|state| is(state, Class::Refused));
        is("22P04", Class::Bug);
        let yugabyte = ServerError { says_try_again: true, ..server("XX000") };
        assert_eq!(yugabyte.class(), Class::Passing);
        assert_eq!((server("57014").retries(10), server("40001").retries(10)), (3, 10));
    }

    #[test]
    fn a_refused_row_is_shown_with_its_lines() {
        let at = |line| Position::File { byte: line, line };
        let mut refused = RefusedRow {
            source: "a.csv".into(),
            range: Some((at(2), at(9))),
            position: Some(at(7)),
            suspects: None,
            server: ServerError { constraint: Some("k".into()), ..server("23505") },
        };
        let text = "a.csv, lines 2-9, at line 7: SQLSTATE 23505 (x), constraint `k`";
        assert_eq!(refused.to_string(), text);
        refused.position = None;
        assert_eq!(refused.to_string(), text.replace(", at line 7", ""));
    }
}
