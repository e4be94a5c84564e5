//! The servers that streams are spread over: the ones that `yb_servers()` lists, else the configured hosts; each
//! reachable, none a standby, all of one cluster.
//!
//! Must not know: how many streams there will be.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::connect::Cluster;
use super::identifier::{literal, quoted};
use super::options::Endpoint;
use super::session::Connection;
use crate::copy::error::Error;

/// More nodes than that are not used.
const MAX_NODES: usize = 1000;

/// Nodes that are tried at the same time.
const AT_ONCE: usize = 16;

/// On a YugabyteDB another node may see a new table a heartbeat later.
const MARKER_TRIES: u32 = 20;
const MARKER_PAUSE: Duration = Duration::from_millis(250);

/// One server of the target.
#[derive(Clone, Debug)]
pub struct Node {
    name: String,
    pub(super) endpoint: Endpoint,
}

impl Node {
    /// Short name for people: the host, with its port where hosts share a name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.endpoint.to_string()
    }
}

/// The nodes, and what the user should know about how they were found.
#[derive(Debug)]
pub struct Nodes {
    /// At least one, in the order that ties are broken by.
    pub nodes: Vec<Node>,
    /// Which addresses were left out, and why.
    pub notes: Vec<String>,
    /// The connections that the nodes were looked at with, by address; they end with this value.
    probes: Vec<Connection>,
}

impl Cluster {
    /// Finds the nodes. Each is connected to once, but for the one with the control connection.
    pub async fn nodes(&self) -> Result<Nodes, Error> {
        let mut notes = Vec::new();
        let listed = match self.options.discover {
            true => self.listed(&self.control, &mut notes).await,
            false => Ok(None),
        };
        let listed = match listed {
            Err(error @ Error::Server(_)) => {
                notes.push(format!("{error}: using the configured hosts"));
                None
            }
            listed => listed?,
        };
        if let Some(listed) = listed {
            let found = self.reachable(listed, &mut notes).await;
            if !found.endpoints.is_empty() {
                return Ok(found.with(notes));
            }
            notes.push(
                "none of the nodes that yb_servers() lists can be used: falling back to the configured hosts"
                    .into(),
            );
        }
        let configured = self.options.hosts.iter().map(|host| vec![host.clone()]).collect();
        let found = self.reachable(configured, &mut notes).await;
        if found.endpoints.is_empty() {
            return Err(Error::Refused(format!(
                "no configured host can be used any more: {}",
                notes.join("; ")
            )));
        }
        Ok(found.with(notes))
    }

    /// Nodes that `yb_servers()` lists by now and that are not among `known`; each answered. `None` where there is
    /// nothing to ask, now and later.
    pub async fn new_nodes(
        &self,
        connection: &Connection,
        known: &[Node],
    ) -> Result<Option<Vec<Node>>, Error> {
        if !self.options.discover {
            return Ok(None);
        }
        let Some(mut listed) = self.listed(connection, &mut Vec::new()).await? else { return Ok(None) };
        let is_known = |endpoint: &Endpoint| {
            let same =
                |node: &Node| (&node.endpoint.host, node.endpoint.port) == (&endpoint.host, endpoint.port);
            known.iter().any(same)
        };
        listed.retain(|endpoints| !endpoints.iter().any(is_known));
        let found = self.reachable(listed, &mut Vec::new()).await;
        let all = known.iter().map(|node| node.endpoint.clone()).chain(found.endpoints).collect();
        Ok(Some(named(all).split_off(known.len())))
    }

    /// What `yb_servers()` lists, each with the addresses to try; `None` where there is no such function, which is looked
    /// for first: a call would be an error in the server's log.
    async fn listed(
        &self,
        connection: &Connection,
        notes: &mut Vec<String>,
    ) -> Result<Option<Vec<Vec<Endpoint>>>, Error> {
        let query = format!("SELECT host, port, node_type, public_ip FROM yb_servers() LIMIT {MAX_NODES}");
        let failed = |error| connection.error("yb_servers()", &error);
        let is_there = "SELECT WHERE to_regprocedure('yb_servers()') IS NOT NULL";
        let answer = connection.client.simple_query(is_there).await.map_err(failed)?;
        if !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
            return Ok(None);
        }
        let answer = connection.client.simple_query(&query).await.map_err(failed)?;
        let mut replicas = 0;
        let mut listed = Vec::new();
        for row in answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        }) {
            let text = |at| row.try_get(at).ok().flatten().unwrap_or_default();
            if text(2) != "primary" {
                replicas += 1;
                continue;
            }
            match self.endpoints(row) {
                Some(endpoints) => listed.push(endpoints),
                None => notes.push("yb_servers() lists an address that is none: left out".into()),
            }
        }
        if replicas > 0 {
            notes.push(format!("{replicas} read replica(s) left out: they take no writes"));
        }
        Ok(Some(listed))
    }

    /// The private address first, then the public one. Both prove themselves by a configured host's name or their own.
    fn endpoints(&self, row: &SimpleQueryRow) -> Option<Vec<Endpoint>> {
        let text = |at| row.try_get(at).ok().flatten().unwrap_or_default();
        let port = text(1).parse().ok().filter(|port| *port > 0)?;
        // A host that starts with `/` would be a socket's folder on our machine.
        let usable = |host: &&str| {
            !host.is_empty()
                && host.len() <= 255
                && !host.starts_with('/')
                && host.bytes().all(|b| b.is_ascii_graphic())
        };
        let mut hosts: Vec<&str> = [text(0), text(3)].into_iter().filter(usable).collect();
        hosts.dedup();
        let mut names: Vec<String> =
            self.options.hosts.iter().flat_map(|host| host.certificate_names.clone()).collect();
        names.dedup();
        let endpoint = |host: &str| Endpoint {
            host: host.into(),
            address: None,
            port,
            certificate_names: names.iter().cloned().chain([host.to_string()]).collect(),
            password: self.endpoint.password.clone(),
        };
        Some(hosts.into_iter().map(endpoint).collect::<Vec<_>>()).filter(|endpoints| !endpoints.is_empty())
    }

    /// The first usable address of each, in the given order and each once; notes say what is left out.
    async fn reachable(&self, candidates: Vec<Vec<Endpoint>>, notes: &mut Vec<String>) -> Found {
        let looks =
            futures_util::stream::iter(candidates.into_iter().map(|endpoints| self.first_usable(endpoints)));
        let looked: Vec<Result<(Endpoint, Option<Connection>), String>> =
            looks.buffered(AT_ONCE).collect().await;
        let mut seen = HashSet::new();
        let mut found = Found::default();
        for look in looked {
            match look {
                Ok((endpoint, probe))
                    if seen.insert((endpoint.host.clone(), endpoint.address, endpoint.port)) =>
                {
                    found.endpoints.push(endpoint);
                    found.probes.extend(probe);
                }
                Ok(_) => {}
                Err(note) => notes.push(note),
            }
        }
        found
    }

    async fn first_usable(&self, endpoints: Vec<Endpoint>) -> Result<(Endpoint, Option<Connection>), String> {
        let mut failures = Vec::new();
        for endpoint in endpoints {
            if endpoint.to_string() == self.control.address {
                return Ok((endpoint, None));
            }
            match Connection::open(&endpoint, &self.options, &self.tls, &self.name).await {
                Ok(connection) => match connection.server.no_writes {
                    Some(what) => failures.push(format!("{endpoint} is {what}")),
                    None => return Ok((endpoint, Some(connection))),
                },
                Err(error) => failures.push(error.to_string()),
            }
        }
        Err(format!("node left out: {}", failures.join("; ")))
    }

    /// Proves that all nodes, and the configured hosts that answer, are one cluster: a row that is written through
    /// the control connection is seen through each. Makes our schema and the table for it if they are missing.
    pub async fn verify_one_cluster(&self, found: &Nodes) -> Result<(), Error> {
        let mut others: Vec<(&Endpoint, bool)> =
            found.nodes.iter().map(|node| (&node.endpoint, true)).collect();
        others.extend(self.options.hosts.iter().map(|host| (host, false)));
        let mut seen = HashSet::from([self.endpoint.to_string()]);
        others.retain(|(endpoint, _)| seen.insert(endpoint.to_string()));
        if others.is_empty() {
            return Ok(());
        }
        let table = format!("{}.node_check", quoted(&self.options.schema));
        let marker = self.write_marker(&table).await?;
        let (table, marker) = (table.as_str(), marker.as_str());
        let checks = others.into_iter().map(|(endpoint, is_node)| {
            let probe = found.probes.iter().find(|probe| probe.address == endpoint.to_string());
            self.check_node(endpoint, is_node, probe, table, marker)
        });
        let checked: Vec<Result<(), Error>> =
            futures_util::stream::iter(checks).buffered(AT_ONCE).collect().await;
        let removed =
            self.control.client.batch_execute(&format!("DELETE FROM {table} WHERE run = '{marker}'")).await;
        checked.into_iter().collect::<Result<(), Error>>()?;
        removed.map_err(|error| self.control.error("remove the node check's row", &error))
    }

    async fn write_marker(&self, table: &str) -> Result<String, Error> {
        self.make_table(table).await?;
        let write = format!(
            "DELETE FROM {table} WHERE at < now() - interval '1 day'; \
             INSERT INTO {table} VALUES (md5(random()::text || clock_timestamp()::text || pg_backend_pid()), now()) RETURNING run"
        );
        let error = |error| self.control.error("write the node check's row", &error);
        let answer = self.control.client.simple_query(&write).await.map_err(error)?;
        let marker = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
            _ => None,
        });
        let marker = marker.filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()));
        marker.map(String::from).ok_or_else(|| Error::Bug("the node check's row did not come back".into()))
    }

    /// `IF NOT EXISTS` still races with another run that makes the same: theirs is as good.
    async fn make_table(&self, table: &str) -> Result<(), Error> {
        let client = &self.control.client;
        // Without the right to create anything, an existing table is enough.
        if client.simple_query(&format!("SELECT FROM {table} LIMIT 0")).await.is_ok() {
            return Ok(());
        }
        let schema = &self.options.schema;
        // `IF NOT EXISTS` asks for the right to create schemas even where it has nothing to do.
        let there = format!("SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}", literal(schema));
        let there = client
            .simple_query(&there)
            .await
            .map_err(|error| self.control.error("look for our schema", &error))?;
        let there = there.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_)));
        let make_schema = (!there).then(|| format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema)));
        let make_table =
            format!("CREATE TABLE IF NOT EXISTS {table} (run text PRIMARY KEY, at timestamptz NOT NULL)");
        for statement in make_schema.into_iter().chain([make_table]) {
            if let Err(error) = client.batch_execute(&statement).await {
                match self.control.error("create our schema", &error) {
                    Error::Server(refusal)
                        if ["23505", "42P06", "42P07"].contains(&refusal.state.as_str()) => {}
                    Error::Server(refusal) if refusal.state == "42501" => {
                        return Err(Error::Refused(format!(
                            "user `{}` may not create schema `{}` in database `{}`: grant CREATE on the database, or let an owner make the schema and grant CREATE and USAGE on it",
                            self.options.user, self.options.schema, self.options.database
                        )));
                    }
                    error => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn check_node(
        &self,
        endpoint: &Endpoint,
        is_node: bool,
        probe: Option<&Connection>,
        table: &str,
        marker: &str,
    ) -> Result<(), Error> {
        if let Some(probe) = probe {
            return self.check_marker(probe, table, marker).await;
        }
        match Connection::open(endpoint, &self.options, &self.tls, &self.name).await {
            // A standby lags: it is no node, and it is no other cluster either for all we know.
            Ok(connection) if connection.server.no_writes.is_some() => Ok(()),
            Ok(connection) => self.check_marker(&connection, table, marker).await,
            Err(error) if is_node => Err(error),
            // A configured host that is down takes no rows.
            Err(_) => Ok(()),
        }
    }

    async fn check_marker(&self, connection: &Connection, table: &str, marker: &str) -> Result<(), Error> {
        let query = format!("SELECT FROM {table} WHERE run = '{marker}'");
        let tries = if self.control.server.yugabyte { MARKER_TRIES } else { 1 };
        for attempt in 0..tries {
            if attempt > 0 {
                tokio::time::sleep(MARKER_PAUSE).await;
            }
            match connection.client.simple_query(&query).await {
                Ok(answer) if answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) => {
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) => match connection.error("read the node check's row", &error) {
                    // No such schema or table there.
                    Error::Server(refusal) if ["3F000", "42P01"].contains(&refusal.state.as_str()) => {}
                    error => return Err(error),
                },
            }
        }
        Err(Error::Refused(format!(
            "{} and {} are different clusters: a row written through the one is not there through the other; name the hosts of one cluster",
            self.control.address, connection.address
        )))
    }
}

/// What answered, and the connections to it.
#[derive(Default)]
struct Found {
    endpoints: Vec<Endpoint>,
    probes: Vec<Connection>,
}

impl Found {
    fn with(self, notes: Vec<String>) -> Nodes {
        Nodes { nodes: named(self.endpoints), notes, probes: self.probes }
    }
}

/// Names by host, with the port where a host occurs more than once.
fn named(endpoints: Vec<Endpoint>) -> Vec<Node> {
    let hosts: Vec<String> = endpoints.iter().map(|endpoint| endpoint.host.clone()).collect();
    let name = |endpoint: &Endpoint| {
        let unique = hosts.iter().filter(|host| **host == endpoint.host).count() == 1;
        match (endpoint.is_socket(), unique) {
            (true, true) => "local".into(),
            (true, false) => format!("local:{}", endpoint.port),
            (false, true) => endpoint.host.clone(),
            (false, false) => endpoint.to_string(),
        }
    };
    endpoints.into_iter().map(|endpoint| Node { name: name(&endpoint), endpoint }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.into(), address: None, port, certificate_names: Vec::new(), password: None }
    }

    #[test]
    fn a_node_is_named_by_its_host_and_by_the_port_where_hosts_are_shared() {
        let nodes = named(vec![endpoint("a", 1), endpoint("b", 1), endpoint("b", 2), endpoint("/tmp", 3)]);
        let names: Vec<&str> = nodes.iter().map(Node::name).collect();
        assert_eq!(names, ["a", "b:1", "b:2", "local"]);
    }
}
