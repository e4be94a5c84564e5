//! A cluster that tables are read from, with what all their readers share. Must not know tables.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use scylla::errors::PrepareError;
use scylla::frame::response::result::ColumnSpec;
use scylla::statement::prepared::PreparedStatement;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore};

use super::nodes::Readers;
use super::rate::Rate;
use super::{Client, Error, Settings};
use crate::units::Span;

/// A cluster that answered.
pub struct Cluster {
    pub(super) client: Client,
    pub(super) settings: Settings,
    /// Where pages are fetched.
    pub(super) runtime: Handle,
    pub(super) readers: Arc<Readers>,
    pub(super) rate: Rate,
    /// Whoever fetches a page that is larger than usual holds the one permit until it is done with it.
    pub(super) large_pages: Arc<Semaphore>,
    statements: Mutex<HashMap<String, Prepared>>,
}

/// A statement, with the columns that it had when it was prepared first: the driver prepares it anew without a word.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) statement: PreparedStatement,
    pub(super) columns: Arc<[ColumnSpec<'static>]>,
}

/// Why there is no prepared statement.
#[derive(Debug)]
pub(super) enum NotPrepared {
    /// No node prepared it.
    Refused(PrepareError),
    /// A node that is connected did not answer within `request_timeout`.
    Late(Span),
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl Cluster {
    /// Connects to the cluster that the recipe names.
    pub async fn open(settings: &Settings) -> Result<Cluster, Error> {
        let client = Client::connect(settings).await?;
        let bytes = settings.max_bytes_per_second.map(|size| size.0);
        Ok(Cluster {
            client,
            runtime: Handle::current(),
            readers: Arc::default(),
            rate: Rate::new(settings.max_rows_per_second, bytes),
            large_pages: Arc::new(Semaphore::new(1)),
            statements: Mutex::default(),
            settings: settings.clone(),
        })
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.client.cluster
    }

    /// The server's release, e.g. `5.0.9`.
    pub fn version(&self) -> &str {
        &self.client.version
    }

    /// The datacenter that is read from, unless all are.
    pub(super) fn datacenter(&self) -> Option<&str> {
        (!self.settings.allow_remote).then_some(&*self.client.datacenter)
    }

    /// A statement, prepared once for all readers.
    pub(super) async fn prepared(&self, text: &str) -> Result<Prepared, NotPrepared> {
        // The driver asks all nodes, and waits for each of them as long as it is connected.
        let limit = self.settings.request_timeout;
        let prepared = tokio::time::timeout(limit.0, self.prepare(text)).await;
        prepared.map_err(|_| NotPrepared::Late(limit))?.map_err(NotPrepared::Refused)
    }

    async fn prepare(&self, text: &str) -> Result<Prepared, PrepareError> {
        let mut statements = self.statements.lock().await;
        if let Some(prepared) = statements.get(text) {
            return Ok(prepared.clone());
        }
        let statement = self.client.session.prepare(text).await?;
        let columns = statement.get_current_result_set_col_specs().get().iter().cloned().collect();
        let prepared = Prepared { statement, columns };
        statements.insert(text.into(), prepared.clone());
        Ok(prepared)
    }
}
