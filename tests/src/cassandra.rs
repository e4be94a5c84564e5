//! A keyspace of its own for each test, on the real Cassandra that `tests/cassandra.sh` started.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use scylla::errors::{ExecutionError, NewSessionError};
use scylla::frame::response::result::ColumnType;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::serialize::SerializationError;
use scylla::serialize::row::SerializeRow;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};
use scylla::statement::Statement;

use crate::bed::DEADLINE;

/// The variable with the node's address and port, set by the test script.
pub const VARIABLE: &str = "ETL_TEST_CASSANDRA";

/// Replication of a keyspace on one node.
pub const ONE_COPY: &str = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

/// Statements under way at once when rows are written.
const WRITES: usize = 192;

/// How a cluster is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// All nodes, `127.0.0.1:port` first; one port.
    pub hosts: Vec<String>,
    /// User and password.
    pub user: Option<(String, String)>,
    /// The authority of the nodes' certificates; none for a connection without TLS.
    pub ca: Option<PathBuf>,
    /// The client's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Access {
    /// The shared node of this test run. Panics with what to do when there is none: a test is never skipped.
    pub fn of_the_test_run() -> Access {
        let hosts = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!(
                "{VARIABLE} is not set: run the tests with `make test`, or `tests/cassandra.sh start test` and \
                 `eval \"$(tests/cassandra.sh env test)\"` first"
            )
        });
        Access { hosts: hosts.split(',').map(String::from).collect(), ..Access::default() }
    }

    /// The port of all nodes.
    pub fn port(&self) -> u16 {
        let port = self.hosts.first().and_then(|host| host.rsplit_once(':')).expect("host:port").1;
        port.parse().expect("a port")
    }

    /// As another user.
    pub fn user(&self, name: &str, password: &str) -> Access {
        Access { user: Some((name.into(), password.into())), ..self.clone() }
    }

    /// A session of the driver, or why there is none.
    pub async fn try_session(&self) -> Result<Session, NewSessionError> {
        let mut builder = SessionBuilder::new()
            .known_nodes(&self.hosts)
            .fetch_schema_metadata(false)
            .connection_timeout(Duration::from_secs(20));
        if let Some((user, password)) = &self.user {
            builder = builder.user(user, password);
        }
        if let Some(ca) = &self.ca {
            builder = builder.tls_context(Some(Arc::new(tls(ca, self.client.as_ref()))));
        }
        builder.build().await
    }

    /// A session of the driver.
    pub async fn session(&self) -> Session {
        self.try_session().await.unwrap_or_else(|e| panic!("no session with {self:?}: {e}"))
    }
}

fn tls(ca: &Path, client: Option<&(PathBuf, PathBuf)>) -> rustls::ClientConfig {
    let certificates = |path: &Path| -> Vec<CertificateDer<'static>> {
        let read = CertificateDer::pem_file_iter(path).expect("a PEM file");
        read.map(|certificate| certificate.expect("a certificate")).collect()
    };
    let mut roots = rustls::RootCertStore::empty();
    certificates(ca).into_iter().for_each(|certificate| roots.add(certificate).expect("an authority"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots);
    match client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            config.with_client_auth_cert(certificates(certificate), key).expect("a client certificate")
        }
    }
}

/// A keyspace and a session that uses it. It is dropped at the end, also of a test that fails.
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// How its cluster is reached.
    pub access: Access,
    /// A session whose statements need no keyspace's name.
    pub session: Session,
}

impl Keyspace {
    /// A new, empty keyspace on the shared node (letters, digits, `_`); an old one of that name is dropped.
    pub async fn new(name: &str) -> Keyspace {
        Keyspace::on(&Access::of_the_test_run(), name, ONE_COPY).await
    }

    /// The same on another cluster, all of whose nodes run, with its replication, e.g. [`ONE_COPY`].
    pub async fn on(access: &Access, name: &str, replication: &str) -> Keyspace {
        let session = access.session().await;
        settled(&session, access.hosts.len()).await;
        run(&session, &format!("DROP KEYSPACE IF EXISTS {name}")).await;
        run(&session, &format!("CREATE KEYSPACE {name} WITH replication = {replication}")).await;
        session.use_keyspace(name, false).await.expect("a keyspace that was just made");
        Keyspace { name: name.into(), access: access.clone(), session }
    }

    /// Runs a statement.
    pub async fn cql(&self, statement: &str) {
        run(&self.session, statement).await;
    }

    /// The bigint that a query answers with.
    pub async fn number(&self, query: &str) -> i64 {
        number(&self.session, query).await
    }

    /// Writes rows by one prepared statement, many at once. Rows are tuples or lists of values, or of [`Raw`] bytes.
    pub async fn insert<R: SerializeRow>(&self, statement: &str, rows: impl IntoIterator<Item = R>) {
        insert(&self.session, statement, rows).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    /// [`estimated`] for a table of this keyspace.
    pub async fn estimated(&self, table: &str) {
        estimated(&self.session, &self.name, table).await;
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let (access, statement) = (self.access.clone(), format!("DROP KEYSPACE IF EXISTS {}", self.name));
        // A runtime of its own: the test's may be ending. A cluster that is gone has no keyspace either.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let session = access.try_session().await.ok()?;
                session.query_unpaged(patient(&statement), &[]).await.ok()
            })
        });
        let _ = dropping.join();
    }
}

/// Waits until each node lists all others. One that is seen alive may not be a member yet: then the driver does not
/// know it, does not wait for it to agree on a new table, and a write to it fails.
async fn settled(session: &Session, nodes: usize) {
    let started = Instant::now();
    while !lists_all(session, nodes).await {
        assert!(started.elapsed() < DEADLINE, "the nodes do not all see each other");
        tokio::time::sleep(Duration::from_millis(100)).await;
        session.refresh_metadata().await.expect("metadata of the cluster");
    }
}

async fn lists_all(session: &Session, nodes: usize) -> bool {
    let state = session.get_cluster_state();
    let known = state.get_nodes_info();
    if known.len() != nodes || known.iter().any(|node| !node.is_connected()) {
        return false;
    }
    for node in known {
        let mut peers = patient("SELECT peer FROM system.peers");
        let target = NodeIdentifier::HostId(node.host_id);
        peers.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
        let answer = session.query_unpaged(peers, &[]).await.expect("a node that runs answers");
        if answer.into_rows_result().expect("rows").rows_num() + 1 != nodes {
            return false;
        }
    }
    true
}

/// Runs a statement; panics with it when the server refuses.
pub async fn run(session: &Session, statement: &str) {
    let ran = session.query_unpaged(patient(statement), &[]).await;
    ran.unwrap_or_else(|e| panic!("{statement}: {e}"));
}

/// The bigint that a query answers with.
pub async fn number(session: &Session, query: &str) -> i64 {
    let result = session.query_unpaged(patient(query), &[]).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    result.into_rows_result().expect("rows").single_row::<(i64,)>().expect("one bigint").0
}

/// Has a table written to disk, and waits until the node that answers has estimated its size. Up to half a minute
/// after the node's start, some seconds later on.
pub async fn estimated(session: &Session, keyspace: &str, table: &str) {
    let flush =
        |period| format!("ALTER TABLE {keyspace}.{table} WITH memtable_flush_period_in_ms = {period}");
    let query = format!(
        "SELECT sum(partitions_count) FROM system.size_estimates \
         WHERE keyspace_name = '{keyspace}' AND table_name = '{table}'"
    );
    run(session, &flush(500)).await;
    let started = Instant::now();
    while number(session, &query).await == 0 {
        assert!(started.elapsed() < DEADLINE, "the size of {keyspace}.{table} is never estimated");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    run(session, &flush(0)).await;
}

/// A statement that may take its time: a busy machine makes tables slowly.
fn patient(statement: &str) -> Statement {
    let mut statement = Statement::new(statement);
    statement.set_request_timeout(Some(DEADLINE));
    statement
}

/// Writes rows by one prepared statement, many at once; the first error ends it.
pub async fn insert<R: SerializeRow>(
    session: &Session,
    statement: &str,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), ExecutionError> {
    let mut prepared = session.prepare(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    prepared.set_is_idempotent(true);
    prepared.set_request_timeout(Some(DEADLINE));
    let prepared = &prepared;
    let writes = futures_util::stream::iter(rows)
        .map(async |row| session.execute_unpaged(prepared, row).await)
        .buffer_unordered(WRITES);
    writes.try_for_each(|_| std::future::ready(Ok(()))).await
}

/// The bytes of a cell as they are, whatever its type: extremes that no type of the driver has, values of no length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Option<Vec<u8>>);

impl Raw {
    /// A cell of these bytes.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Raw {
        Raw(Some(bytes.into()))
    }

    /// NULL.
    pub const NULL: Raw = Raw(None);
}

impl SerializeValue for Raw {
    fn serialize<'b>(
        &self,
        _: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match &self.0 {
            None => Ok(writer.set_null()),
            Some(bytes) => writer.set_value(bytes).map_err(SerializationError::new),
        }
    }
}
