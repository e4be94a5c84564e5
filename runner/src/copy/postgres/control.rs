//! The control connection of a run, opened again when it is lost: ledgers, heartbeats and checks need one to the end.
//!
//! Must not know: what is asked through it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::backend::{Backend, Link};
use super::connect::{Cluster, PROBES};
use super::nodes::Node;
use super::options::Endpoint;
use super::session::Connection;
use crate::copy::error::{Class, Error};
use crate::patience::Patience;

/// How often one who waits for an answer looks whether it will come.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

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
    /// Where it was opened.
    endpoint: Endpoint,
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
        let (backend, endpoint) = (connection.backend()?, cluster.endpoint.clone());
        let current = Mutex::new(Arc::new(Held { connection, backend, endpoint }));
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
            let answer = tokio::select! {
                answer = request(held.link()) => answer,
                reason = self.is_of_no_use(&held) => Err(Error::Lost {
                    address: held.connection.address.clone(),
                    action: "asking the ledger",
                    reason,
                }),
            };
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

    /// Comes back when an answer through `held` is not to be waited for any more: its node shows no sign of life, or
    /// another connection is in its place.
    async fn is_of_no_use(&self, held: &Arc<Held>) -> String {
        let patience = self.cluster.options.stall_timeout;
        let mut since = Instant::now();
        loop {
            sleep(LOOK_AGAIN).await;
            if !Arc::ptr_eq(held, &self.current()) {
                return "another connection is in its place".into();
            }
            if since.elapsed() >= patience {
                if let Err(error) = self.cluster.probe_at(&held.endpoint, PROBES).await {
                    return format!("no sign of life: {error}");
                }
                // It is alive, and what we asked for takes its time.
                since = Instant::now();
            }
        }
    }

    /// Opens another connection in place of `lost`, unless somebody else did. None that can be had is no error yet.
    pub async fn renew(&self, lost: &Arc<Held>) -> Result<(), Error> {
        if !Arc::ptr_eq(lost, &self.current()) {
            return Ok(());
        }
        let (connection, endpoint) = match self.cluster.connect_again(&self.nodes).await {
            Ok((connection, endpoint)) => (Arc::new(connection), endpoint),
            Err(error) if matches!(error.class(), Class::Connection | Class::Passing) => return Ok(()),
            Err(error) => return Err(error),
        };
        let backend = connection.backend()?;
        *self.held() = Arc::new(Held { connection, backend, endpoint });
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Arc<Held>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
