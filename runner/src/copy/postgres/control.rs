//! The control connection of a run, opened again when it is lost: ledgers, heartbeats and checks need one to the end.
//!
//! Must not know: what is asked through it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::backend::{Backend, Link};
use super::connect::Cluster;
use super::nodes::Node;
use super::session::Connection;
use crate::copy::error::{Class, Error};
use crate::patience::Patience;

/// What a statement of ours may take on top of the lock that it may wait for.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// One for each run.
#[derive(Debug)]
pub struct Control {
    cluster: Arc<Cluster>,
    /// Where a connection can be had besides the configured hosts.
    nodes: Vec<Node>,
    current: Mutex<Arc<Held>>,
}

/// A connection that serves as the control connection, or did.
#[derive(Debug)]
pub struct Held {
    connection: Arc<Connection>,
    backend: Backend,
}

impl Held {
    /// The connection in use.
    pub fn link(&self) -> Link<'_> {
        Link { client: &self.connection.client, backend: &self.backend }
    }
}

impl Control {
    /// Begins with the connection that the cluster was found by.
    pub fn new(cluster: &Arc<Cluster>, nodes: Vec<Node>) -> Result<Control, Error> {
        let connection = Arc::clone(&cluster.control);
        let backend = connection.backend()?;
        let current = Mutex::new(Arc::new(Held { connection, backend }));
        Ok(Control { cluster: Arc::clone(cluster), nodes, current })
    }

    /// Nodes that the cluster has by now besides those that are `known`.
    pub async fn new_nodes(&self, known: &[Node]) -> Result<Vec<Node>, Error> {
        let held = self.current();
        self.cluster.new_nodes(&held.connection, known).await
    }

    /// The connection of now.
    pub fn current(&self) -> Arc<Held> {
        Arc::clone(&self.held())
    }

    /// Asks something that may be asked twice: after a lost connection, or when the server could not do it, it is asked
    /// again, with growing waits, for as long as the target's `give_up_after` says.
    pub async fn ask<T>(&self, request: impl AsyncFn(Link<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut patience = Patience::default();
        loop {
            let held = self.current();
            let limit = self.cluster.options.lock_timeout + STATEMENT_LIMIT;
            let answer = timeout(limit, request(held.link())).await.unwrap_or_else(|_| {
                Err(Error::Lost {
                    address: held.connection.address.clone(),
                    action: "asking the ledger",
                    reason: format!("no answer for {} s", limit.as_secs()),
                })
            });
            let error = match answer {
                Err(error) if matches!(error.class(), Class::Connection | Class::Passing) => error,
                answer => return answer,
            };
            if patience.lasts() >= self.cluster.options.give_up_after {
                return Err(error);
            }
            tracing::warn!(%error, "asking again");
            sleep(patience.wait()).await;
            if error.class() == Class::Connection {
                self.renew(&held).await?;
            }
        }
    }

    /// Opens another connection in place of `lost`, unless somebody else did. None that can be had is no error yet.
    pub async fn renew(&self, lost: &Arc<Held>) -> Result<(), Error> {
        if !Arc::ptr_eq(lost, &self.current()) {
            return Ok(());
        }
        let connection = match self.cluster.connect_again(&self.nodes).await {
            Ok(connection) => Arc::new(connection),
            Err(error) if matches!(error.class(), Class::Connection | Class::Passing) => return Ok(()),
            Err(error) => return Err(error),
        };
        let backend = connection.backend()?;
        *self.held() = Arc::new(Held { connection, backend });
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Arc<Held>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
