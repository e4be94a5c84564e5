//! The target as a whole: a control connection to the first usable host, and further connections on demand.
//!
//! Must not know: ledger, splits, rows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::environment::Environment;
use super::nodes::Node;
use super::options::{Endpoint, Options};
use super::session::{Connection, Server};
use super::settings::Settings;
use super::tls::Tls;
use crate::copy::error::Error;

/// So many probes have to fail before a node that shows no sign of life is given up.
pub const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_millis(500);

/// A target that answered. Dropping it ends the control connection; opened ones live on.
#[derive(Debug)]
pub struct Cluster {
    /// For plans, ledger and checks; named `etl/control/<run>`, never a standby.
    pub control: Arc<Connection>,
    /// What the user should know: hosts that did not answer, an ignored password file.
    pub notes: Vec<String>,
    pub(super) options: Options,
    pub(super) tls: Tls,
    /// Where the control connection is.
    pub(super) endpoint: Endpoint,
    /// The control connection's name; connections that only look at a node carry it too.
    pub(super) name: String,
}

impl Cluster {
    /// Connects to the first usable host. When there is none, the error tells what happened at each.
    pub async fn connect(
        settings: &Settings,
        environment: &Environment,
        run: &str,
    ) -> Result<Cluster, Error> {
        let options = Options::resolve(settings, environment)?;
        let tls = Tls::new(options.ssl_mode, &options.root)?;
        let name = format!("etl/control/{run}");
        let found = first_usable(&options.hosts, (&options, &tls), &name).await?;
        let mut notes = options.notes.clone();
        notes.extend(found.failures.into_iter().map(|(host, why)| format!("{host} left out: {why}")));
        Ok(Cluster {
            control: Arc::new(found.connection),
            notes,
            endpoint: found.endpoint,
            options,
            tls,
            name,
        })
    }

    /// Another control connection, to a configured host or one of `nodes`.
    pub(super) async fn connect_again(&self, nodes: &[Node]) -> Result<(Connection, Endpoint), Error> {
        let mut endpoints = self.options.hosts.clone();
        let others =
            nodes.iter().map(|node| &node.endpoint).filter(|node| !self.options.hosts.contains(node));
        endpoints.extend(others.cloned());
        let found = first_usable(&endpoints, (&self.options, &self.tls), &self.name).await?;
        Ok((found.connection, found.endpoint))
    }

    /// Whether a node answers a new connection and takes writes, in little time: else what keeps it from that, `times`
    /// one after the other.
    pub async fn probe(&self, node: &Node, times: u32) -> Result<(), Error> {
        self.probe_at(&node.endpoint, times).await
    }

    pub(super) async fn probe_at(&self, endpoint: &Endpoint, times: u32) -> Result<(), Error> {
        let mut options = self.options.clone();
        options.connect_timeout = options.probe_timeout;
        let mut last = None;
        for time in 0..times {
            if time > 0 {
                sleep(PROBE_PAUSE).await;
            }
            let opened = Connection::open(endpoint, &options, &self.tls, &self.name).await;
            match opened.and_then(writable) {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Bug("no probe".into())))
    }

    /// Opens a connection to a node. [`super::session::stream_name`] makes a stream's name.
    pub async fn open(&self, node: &Node, application_name: &str) -> Result<Connection, Error> {
        writable(Connection::open(&node.endpoint, &self.options, &self.tls, application_name).await?)
    }

    /// How long a node may give no sign of life.
    pub fn stall_timeout(&self) -> Duration {
        self.options.stall_timeout
    }

    /// How long a run waits while no node can be used.
    pub fn give_up_after(&self) -> Duration {
        self.options.give_up_after
    }

    /// How often something that passes is tried again.
    pub fn retries(&self) -> u32 {
        self.options.retries
    }

    /// The user whose rights count.
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// The database that is loaded into.
    pub fn database(&self) -> &str {
        &self.options.database
    }

    /// The schema of our own tables.
    pub fn schema(&self) -> &str {
        &self.options.schema
    }
}

/// The first host that can be used.
struct Found {
    connection: Connection,
    endpoint: Endpoint,
    /// Those before it, and what happened there.
    failures: Vec<(String, String)>,
}

async fn first_usable(
    endpoints: &[Endpoint],
    (options, tls): (&Options, &Tls),
    name: &str,
) -> Result<Found, Error> {
    let mut failures: Vec<(String, String)> = Vec::new();
    for endpoint in endpoints {
        match Connection::open(endpoint, options, tls, name).await {
            Ok(Connection { address, server: Server { no_writes: Some(what), .. }, .. }) => {
                failures.push((address, format!("it is {what}: it takes no writes")));
            }
            Ok(connection) => return Ok(Found { connection, endpoint: endpoint.clone(), failures }),
            Err(Error::Connect { address, reason, .. }) => failures.push((address, reason)),
            Err(error) => return Err(error),
        }
    }
    // Among the reasons may be a missing password: say why the file with it was ignored.
    if let (Some(last), false) = (failures.last_mut(), options.notes.is_empty()) {
        last.1 = format!("{} ({})", last.1, options.notes.join("; "));
    }
    Err(match failures.pop() {
        Some((address, reason)) if failures.is_empty() => Error::Connect { address, reason, state: None },
        Some(last) => Error::NoHost { failures: failures.into_iter().chain([last]).collect() },
        None => Error::Bug("no host".into()),
    })
}

/// A connection to a server that was there before and may have changed.
fn writable(connection: Connection) -> Result<Connection, Error> {
    match connection.server.no_writes {
        None => Ok(connection),
        Some(what) => {
            let reason = format!("it has become {what}: it takes no writes");
            Err(Error::Connect { address: connection.address, reason, state: None })
        }
    }
}
