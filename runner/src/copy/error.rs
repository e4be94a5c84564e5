//! What can go wrong at the target, in one closed set of classes. Never a server's message, DETAIL or CONTEXT:
//! they carry values of rows.

/// What an error means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Another worker moved the split's ledger row: nothing of this chunk was committed, take another split.
    Clash,
    /// The server refused a row of the chunk.
    RefusedRow,
    /// The connection was lost, or the server cannot work right now: the split can be reopened.
    Connection,
    /// Recipe, module, source or target differ from what the ledger was made with.
    Drift,
    /// The server refuses what we ask for: permissions, missing tables, bad settings.
    Refused,
    /// A mistake of ours.
    Bug,
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
    /// The server answered with an error.
    #[error("{action} was refused: {0}", action = .0.action)]
    Server(Box<ServerError>),
    /// The ledger row is not as this worker left it.
    #[error("split {split} was taken over by another worker")]
    Clash {
        /// Source and start of the split.
        split: String,
    },
    /// The run would make other rows than the ledger was made for.
    #[error("{0}")]
    Drift(String),
    /// Settings, nodes or tables are not usable, in our words.
    #[error("{0}")]
    Refused(String),
    /// An answer that the protocol does not allow.
    #[error("internal error: {0}")]
    Bug(String),
}

fn listed(failures: &[(String, String)]) -> String {
    let failures: Vec<String> = failures.iter().map(|(address, why)| format!("{address}: {why}")).collect();
    failures.join("; ")
}

impl Error {
    /// What the error means for the run.
    pub fn class(&self) -> Class {
        match self {
            Error::Connect { .. } | Error::NoHost { .. } | Error::Lost { .. } => Class::Connection,
            Error::Server(refusal) => class_of(&refusal.state),
            Error::Clash { .. } => Class::Clash,
            Error::Drift(_) => Class::Drift,
            Error::Refused(_) => Class::Refused,
            Error::Bug(_) => Class::Bug,
        }
    }
}

/// Rows are to blame for data exceptions, constraints, limits of a row and what triggers raise. A server that is
/// short of something, restarts, became read-only or rolled back for another transaction can be tried again.
fn class_of(state: &str) -> Class {
    match state {
        "25006" | "55P03" | "57014" => return Class::Connection,
        // A second `BEGIN`, a statement after an error: ours to get right.
        "25001" | "25P01" | "25P02" => return Class::Bug,
        _ => {}
    }
    match state.get(..2).unwrap_or_default() {
        "22" | "23" | "44" | "54" | "P0" => Class::RefusedRow,
        "08" | "40" | "53" | "57" | "58" => Class::Connection,
        _ => Class::Refused,
    }
}

/// The parts of a server's error that carry no values.
#[derive(Debug, Default)]
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
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_has_one_class() {
        let class = |state: &str| {
            Error::Server(Box::new(ServerError { state: state.into(), ..ServerError::default() })).class()
        };
        for state in ["22P02", "23505", "54000", "P0001", "44000"] {
            assert_eq!(class(state), Class::RefusedRow, "{state}");
        }
        for state in ["08007", "40001", "40003", "40P01", "53100", "57P01", "58030", "25006", "55P03"] {
            assert_eq!(class(state), Class::Connection, "{state}");
        }
        for state in ["42501", "42P01", "28P01", "3D000", "0A000", "XX000", "", "é"] {
            assert_eq!(class(state), Class::Refused, "{state}");
        }
        assert_eq!(class("25P02"), Class::Bug);
    }

    #[test]
    fn all_hosts_are_shown_when_none_answers() {
        let failures = [("a:1", "refused"), ("b:2", "no answer")];
        let failures = failures.map(|(host, why)| (host.to_string(), why.to_string())).to_vec();
        let shown = Error::NoHost { failures }.to_string();
        assert_eq!(shown, "cannot connect to any of 2 hosts: a:1: refused; b:2: no answer");
    }
}
