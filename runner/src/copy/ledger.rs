//! A table's ledger, whichever target keeps it: a database in tables beside its rows, a folder in a file.
//!
//! Must not know: what a source is, and how rows are sent.

use std::sync::Arc;

pub use super::drift::Part;
use super::error::Error;
use super::files::Folder;
pub use super::gate::{Gate, Limit};
use super::postgres::control::Control;
pub use super::postgres::plan::Plan;
pub use crate::copy::state::{
    Claimed, Committed, Loaded, NewSplit, OnCommit, RunKey, Source, Split, SplitKey, Standing, Started,
    Waited,
};
use crate::position::Position;

/// Where it is written which part of which split of one table is committed.
#[derive(Clone, Debug)]
pub enum Ledger {
    /// In the target database, over the control connection.
    Postgres {
        /// The control connection.
        control: Arc<Control>,
        /// The run and table.
        plan: Plan,
    },
    /// In the folder that the files are written to.
    Files(Arc<Folder>),
}

impl Ledger {
    /// The target table.
    pub fn target(&self) -> &str {
        match self {
            Ledger::Postgres { plan, .. } => &plan.key.target,
            Ledger::Files(folder) => &folder.key().target,
        }
    }

    /// The sources that it knows.
    pub async fn sources(&self) -> Result<Vec<Source>, Error> {
        match self {
            Ledger::Postgres { control, plan } => control.ask(async |link| plan.sources(link).await).await,
            Ledger::Files(folder) => Ok(folder.sources()),
        }
    }

    /// Adds a source, or answers what it already holds of it (false).
    pub async fn add_source(&self, new: &Source) -> Result<(Source, bool), Error> {
        match self {
            Ledger::Postgres { control, plan } => {
                control.ask(async |link| plan.add_source(link, new).await).await
            }
            Ledger::Files(folder) => folder.add_source(new),
        }
    }

    /// Takes note of another fingerprint of the same content.
    pub async fn renew_fingerprint(&self, source: &str, fingerprint: &str) -> Result<(), Error> {
        match self {
            Ledger::Postgres { control, plan } => {
                control.ask(async |link| plan.renew_fingerprint(link, source, fingerprint).await).await
            }
            Ledger::Files(folder) => folder.renew_fingerprint(source, fingerprint),
        }
    }

    /// Forgets a source of one split of which nothing is committed; false, and nothing is forgotten, where something is,
    /// or another process may load it.
    pub async fn drop_source(&self, source: &str) -> Result<bool, Error> {
        match self {
            Ledger::Postgres { control, plan } => {
                control.ask(async |link| plan.drop_source(link, source).await).await
            }
            Ledger::Files(folder) => folder.drop_source(source),
        }
    }

    /// Adds splits behind those that it holds, if the source is still cut up to `from`; false if somebody was faster.
    pub async fn append_splits(
        &self,
        source: &str,
        from: &Position,
        new: &[NewSplit],
        to: &Position,
        tiled: bool,
    ) -> Result<bool, Error> {
        match self {
            Ledger::Postgres { control, plan } => {
                control.ask(async |link| plan.append_splits(link, source, from, new, to, tiled).await).await
            }
            Ledger::Files(folder) => folder.append_splits(source, from, new, to, tiled),
        }
    }

    /// All splits, by source and place.
    pub async fn splits(&self) -> Result<Vec<Split>, Error> {
        match self {
            Ledger::Postgres { control, plan } => control.ask(async |link| plan.splits(link).await).await,
            Ledger::Files(folder) => Ok(folder.splits()),
        }
    }

    /// Marks the run of this table as finished if nothing is left, and answers how it stands.
    pub async fn finish(&self) -> Result<Standing, Error> {
        match self {
            Ledger::Postgres { control, plan } => control.ask(async |link| plan.finish(link).await).await,
            Ledger::Files(folder) => folder.finish(),
        }
    }
}
