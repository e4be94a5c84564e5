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
