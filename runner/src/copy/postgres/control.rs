//! The control connection of a run, opened again when it is lost: ledgers, heartbeats and checks need one to the end.
//!
//! Must not know: what is asked through it.

use std::sync::atomic::{AtomicBool, Ordering};
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

/// How long a run that is being stopped waits for a sign of life.
const STOPPED_PATIENCE: Duration = Duration::from_secs(2);

/// One for each run.
#[derive(Debug)]
pub struct Control {
    cluster: Arc<Cluster>,
    /// Where a connection can be had besides the configured hosts.
    nodes: Vec<Node>,
    current: Mutex<Arc<Held>>,
    /// Set when the run is being stopped: then nobody waits for a server that does not answer.
    stop: Arc<AtomicBool>,
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
    pub fn new(cluster: &Arc<Cluster>, nodes: Vec<Node>, stop: Arc<AtomicBool>) -> Result<Control, Error> {
        let connection = Arc::clone(&cluster.control);
        let (backend, endpoint) = (connection.backend()?, cluster.endpoint.clone());
        let current = Mutex::new(Arc::new(Held { connection, backend, endpoint }));
        Ok(Control { cluster: Arc::clone(cluster), nodes, current, stop })
    }

    /// Nodes that the cluster has by now besides those that are `known`; `None` where it lists none, now and later.
    pub async fn new_nodes(&self, known: &[Node]) -> Result<Option<Vec<Node>>, Error> {
        let held = self.current();
        self.once(&held, self.cluster.new_nodes(&held.connection, known)).await
    }

    /// The connection of now.
    pub fn current(&self) -> Arc<Held> {
        Arc::clone(&self.held())
    }

    /// Asks something that may be asked twice: after a lost connection, or when the server could not do it, it is asked
    /// again, with growing waits, for as long as the target's `give_up_after` says, or until the run is stopped.
    pub async fn ask<T>(&self, request: impl AsyncFn(Link<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut patience = Patience::default();
        loop {
            let held = self.current();
            match self.once(&held, request(held.link())).await {
                Err(error) => self.get_ready(&held, error, &mut patience).await?,
                answer => return answer,
            }
        }
    }

    /// Asks once, and waits no longer than there are signs of life.
    pub(super) async fn once<T>(
        &self,
        held: &Arc<Held>,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            answer = request => answer,
            reason = self.is_of_no_use(held) => Err(Error::Lost {
                address: held.connection.address.clone(),
                action: "asking the ledger",
                reason,
            }),
        }
    }

    /// Gets ready to ask again: waits, and opens another connection if this one was lost. The error where that is of no
    /// use, or was done for long enough.
    pub(super) async fn get_ready(
        &self,
        held: &Arc<Held>,
        error: Error,
        patience: &mut Patience,
    ) -> Result<(), Error> {
        let give_up = self.stopped() || patience.lasts() >= self.cluster.options.give_up_after;
        let retries = error.retries(self.cluster.options.retries);
        let wait = if give_up || !error.class().may_pass() { None } else { patience.wait_of(retries) };
        let Some(wait) = wait else { return Err(error) };
        tracing::warn!(%error, "asking again");
        let end = Instant::now() + wait;
        while Instant::now() < end && !self.stopped() {
            sleep(LOOK_AGAIN.min(end.saturating_duration_since(Instant::now()))).await;
        }
        if error.class() == Class::Connection {
            self.renew(held).await?;
        }
        Ok(())
    }

    /// Comes back when an answer through `held` is not to be waited for any more: its node shows no sign of life, or
    /// another connection is in its place.
    async fn is_of_no_use(&self, held: &Arc<Held>) -> String {
        let mut since = Instant::now();
        loop {
            sleep(LOOK_AGAIN).await;
            if !Arc::ptr_eq(held, &self.current()) {
                return "another connection is in its place".into();
            }
            let (patience, probes) = match self.stopped() {
                true => (STOPPED_PATIENCE, 1),
                false => (self.cluster.options.stall_timeout, PROBES),
            };
            if since.elapsed() < patience {
                continue;
            }
            match self.cluster.probe_at(&held.endpoint, probes).await {
                Err(error) if !error.is_full() => return format!("no sign of life: {error}"),
                // It is alive, and what we asked for takes its time.
                _ => since = Instant::now(),
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Opens another connection in place of `lost`, unless somebody else did. None that can be had is no error yet.
    pub async fn renew(&self, lost: &Arc<Held>) -> Result<(), Error> {
        if !Arc::ptr_eq(lost, &self.current()) {
            return Ok(());
        }
        let (connection, endpoint) = match self.cluster.connect_again(&self.nodes).await {
            Ok((connection, endpoint)) => (Arc::new(connection), endpoint),
            Err(error) if error.class().may_pass() => return Ok(()),
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
