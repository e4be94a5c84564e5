//! The target as a whole: a control connection to the first usable host, and further connections on demand.
//!
//! Must not know: ledger, splits, rows.

use super::environment::Environment;
use super::nodes::Node;
use super::options::{Endpoint, Options};
use super::session::Connection;
use super::settings::Settings;
use super::tls::Tls;
use crate::copy::error::Error;

/// A target that answered. Dropping it ends the control connection; opened ones live on.
#[derive(Debug)]
pub struct Cluster {
    /// For plans, ledger and checks; named `etl/control/<run>`, never a standby.
    pub control: Connection,
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
        let mut failures: Vec<(String, String)> = Vec::new();
        for endpoint in options.hosts.clone() {
            match Connection::open(&endpoint, &options, &tls, &name).await {
                Ok(connection) if connection.server.standby => {
                    failures.push((connection.address, "it is a standby, which takes no writes".into()));
                }
                Ok(control) => {
                    let mut notes = options.notes.clone();
                    notes.extend(failures.into_iter().map(|(host, why)| format!("{host} left out: {why}")));
                    return Ok(Cluster { control, notes, options, tls, endpoint, name });
                }
                Err(Error::Connect { address, reason }) => failures.push((address, reason)),
                Err(error) => return Err(error),
            }
        }
        // Among the reasons may be a missing password: say why the file with it was ignored.
        if let (Some(last), false) = (failures.last_mut(), options.notes.is_empty()) {
            last.1 = format!("{} ({})", last.1, options.notes.join("; "));
        }
        Err(match failures.pop() {
            Some((address, reason)) if failures.is_empty() => Error::Connect { address, reason },
            Some(last) => Error::NoHost { failures: failures.into_iter().chain([last]).collect() },
            None => Error::Bug("no host".into()),
        })
    }

    /// Opens a connection to a node. [`super::session::stream_name`] makes a stream's name.
    pub async fn open(&self, node: &Node, application_name: &str) -> Result<Connection, Error> {
        let connection = Connection::open(&node.endpoint, &self.options, &self.tls, application_name).await?;
        if connection.server.standby {
            let reason = "it has become a standby, which takes no writes".into();
            return Err(Error::Connect { address: connection.address, reason });
        }
        Ok(connection)
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
