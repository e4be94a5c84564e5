//! A session with the cluster: a host that answers, the datacenter to read from, and the driver set up for both.
//!
//! The driver is told to repeat nothing by itself: reads are reopened at their position, which only the reader knows.
//! Must not know: tables, splits, rows.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use scylla::client::SelfIdentity;
use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::{Session, TlsContext};
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::host_filter::{AcceptAllHostFilter, DcHostFilter, HostFilter};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::{Consistency, Statement};

use super::addresses::AddressMap;
use super::credentials::{self, Credentials};
use super::datacenter::{self, NodeInfo};
use super::error::Error;
use super::host::ContactPoint;
use super::reason::{Offer, Reason};
use super::settings::{self, Settings};

/// A cluster that answered.
pub struct Client {
    /// Asks the nodes of [`Client::datacenter`], and no others unless the recipe allows it.
    pub session: Arc<Session>,
    /// The cluster's name.
    pub cluster: String,
    /// The datacenter that is read from.
    pub datacenter: String,
    /// The server's release: `5.0.9`.
    pub version: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?}, {:?}, {:?})", self.cluster, self.datacenter, self.version)
    }
}

/// Hosts that are tried at once.
const PROBES: usize = 8;

impl Client {
    /// Connects within `connect_timeout`. Where no host can be connected to, the error tells what happened at each.
    pub async fn connect(settings: &Settings) -> Result<Client, Error> {
        let door = Door::of(settings)?;
        let limit = settings.connect_timeout;
        match tokio::time::timeout(limit.0, door.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Timeout { limit, key: "connect_timeout" }),
        }
    }
}

/// All that connecting needs, read and checked.
struct Door<'a> {
    settings: &'a Settings,
    hosts: Vec<ContactPoint>,
    credentials: Option<Credentials>,
    tls: Option<TlsContext>,
    offer: Offer,
    addresses: AddressMap,
    /// Longest time for one host.
    limit: Duration,
}

impl Door<'_> {
    fn of(settings: &Settings) -> Result<Door<'_>, Error> {
        if let Some((key, problem)) = settings.problems().into_iter().next() {
            return Err(Error::Setting { key, problem });
        }
        let setting = |key| move |problem| Error::Setting { key, problem };
        let hosts = settings.contact_points().map_err(setting("hosts"))?;
        let addresses = settings.addresses().map_err(setting("address_map"))?;
        let tls = credentials::tls(settings, &hosts)?.map(TlsContext::from);
        Ok(Door {
            credentials: credentials::of(settings)?,
            offer: Offer { tls: tls.is_some(), certificate: settings.certificate.is_some() },
            addresses: AddressMap(addresses),
            limit: settings.connect_timeout.0 / 3,
            settings,
            hosts,
            tls,
        })
    }

    async fn open(&self) -> Result<Client, Error> {
        let (contact, nodes) = self.probe().await?;
        let datacenter = datacenter::choose(self.settings.datacenter.as_deref(), contact, &nodes)?;
        let filter: Arc<dyn HostFilter> = match self.settings.allow_remote {
            true => Arc::new(AcceptAllHostFilter),
            false => Arc::new(DcHostFilter::new(datacenter.clone())),
        };
        let session =
            self.builder(contact, filter).default_execution_profile_handle(self.profile(&datacenter));
        let session = session.build().await.map_err(|error| {
            let reason = Reason::of_session(&error, self.offer);
            Error::NoHost { failures: vec![(contact.to_string(), reason)] }
        })?;
        self.greet(session, datacenter).await
    }

    /// The first host that lets us in, and the nodes that it knows.
    async fn probe(&self) -> Result<(SocketAddr, Vec<NodeInfo>), Error> {
        let mut failures: Vec<(usize, String, Reason)> = Vec::new();
        let mut candidates: Vec<(usize, String, SocketAddr)> = Vec::new();
        for (at, host) in self.hosts.iter().enumerate() {
            let found = tokio::time::timeout(self.limit, host.resolve()).await;
            match found.unwrap_or_default().as_slice() {
                [] => failures.push((at, host.to_string(), Reason::NoAddress)),
                addresses => {
                    candidates.extend(addresses.iter().map(|address| (at, shown(host, *address), *address)));
                }
            }
        }
        let probes = candidates.into_iter().map(async |(at, name, address)| {
            let nodes = tokio::time::timeout(self.limit, self.nodes(address)).await;
            (at, name, address, nodes.unwrap_or(Err(Reason::NoAnswer)))
        });
        let mut probes = futures_util::stream::iter(probes).buffer_unordered(PROBES);
        while let Some((at, name, address, nodes)) = probes.next().await {
            match nodes {
                Ok(nodes) => return Ok((address, nodes)),
                Err(reason) => failures.push((at, name, reason)),
            }
        }
        failures.sort_by_key(|(at, ..)| *at);
        Err(Error::NoHost {
            failures: failures.into_iter().map(|(_, name, reason)| (name, reason)).collect(),
        })
    }

    /// The nodes that the host at `address` knows, by a session that connects to no other.
    async fn nodes(&self, address: SocketAddr) -> Result<Vec<NodeInfo>, Reason> {
        let builder = self.builder(address, Arc::new(Nobody)).fetch_schema_metadata(false);
        let session = builder.build().await.map_err(|error| Reason::of_session(&error, self.offer))?;
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info().iter().map(|node| NodeInfo {
            address: self.addresses.translate(SocketAddr::new(node.address.ip(), node.address.port())),
            datacenter: node.datacenter.clone(),
        });
        Ok(nodes.collect())
    }

    fn builder(&self, address: SocketAddr, filter: Arc<dyn HostFilter>) -> SessionBuilder {
        // The driver itself bounds TCP alone: a node that accepts and stays silent is found by its missing answers.
        let silence = (self.settings.connect_timeout.0 / 2).max(Duration::from_secs(5));
        let identity = SelfIdentity::new()
            .with_application_name("etl")
            .with_application_version(env!("CARGO_PKG_VERSION"));
        let builder = SessionBuilder::new()
            .known_node_addr(address)
            .connection_timeout(self.limit)
            .keepalive_interval(Duration::from_secs(2))
            .keepalive_timeout(silence)
            .custom_identity(identity)
            .driver_config_reporting(false)
            .fetch_full_schema_metadata(false)
            .host_filter(filter)
            .tls_context(self.tls.clone())
            .address_translator(Arc::new(self.addresses.clone()));
        match &self.credentials {
            Some(Credentials { user, password }) => builder.user(user, password),
            None => builder,
        }
    }

    fn profile(&self, datacenter: &str) -> ExecutionProfileHandle {
        let nodes = DefaultPolicy::builder()
            .prefer_datacenter(datacenter.to_owned())
            .permit_dc_failover(self.settings.allow_remote)
            .build();
        ExecutionProfile::builder()
            .consistency(consistency(self.settings.consistency))
            .request_timeout(Some(self.settings.request_timeout.0))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .load_balancing_policy(nodes)
            .build()
            .into_handle()
    }

    /// Asks what the cluster is, and whether it can be read at all.
    async fn greet(&self, session: Session, datacenter: String) -> Result<Client, Error> {
        const WHAT: &str = "system.local";
        let mut statement = Statement::new(
            "SELECT cluster_name, partitioner, release_version FROM system.local WHERE key = 'local'",
        );
        statement.set_consistency(Consistency::One);
        let answer = session.query_unpaged(statement, ()).await;
        let answer = answer.map_err(|error| Error::Read { what: WHAT, reason: Reason::of_read(&error) })?;
        let unreadable = |error: String| Error::Read { what: WHAT, reason: Reason::Other(error) };
        let rows = answer.into_rows_result().map_err(|error| unreadable(error.to_string()))?;
        let (cluster, partitioner, version) = rows
            .first_row::<(Option<String>, Option<String>, Option<String>)>()
            .map_err(|error| unreadable(error.to_string()))?;
        let partitioner = partitioner.unwrap_or_default();
        if partitioner.rsplit('.').next() != Some("Murmur3Partitioner") {
            return Err(Error::Partitioner { partitioner });
        }
        Ok(Client {
            session: Arc::new(session),
            cluster: cluster.unwrap_or_default(),
            datacenter,
            version: version.unwrap_or_default(),
        })
    }
}

/// `host:port`, with the address behind it where the host is a name.
fn shown(host: &ContactPoint, address: SocketAddr) -> String {
    if host.host == address.ip().to_string() {
        host.to_string()
    } else {
        format!("{host} ({})", address.ip())
    }
}

/// Accepts no node: a session that only has the connection by which it learns of the cluster.
struct Nobody;

impl HostFilter for Nobody {
    fn accept(&self, _: &scylla::cluster::metadata::Peer) -> bool {
        false
    }
}

fn consistency(ours: settings::Consistency) -> Consistency {
    match ours {
        settings::Consistency::LocalOne => Consistency::LocalOne,
        settings::Consistency::One => Consistency::One,
        settings::Consistency::Two => Consistency::Two,
        settings::Consistency::Three => Consistency::Three,
        settings::Consistency::LocalQuorum => Consistency::LocalQuorum,
        settings::Consistency::Quorum => Consistency::Quorum,
        settings::Consistency::All => Consistency::All,
    }
}
