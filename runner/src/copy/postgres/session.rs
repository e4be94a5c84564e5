//! One connection with its session pinned, and what its server says about itself: one round trip after the
//! login.
//!
//! Must not know: nodes, and what the session is for.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};

use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage, Socket};

use super::backend::{Backend, holds_every_character, utc};
use super::failure::failure;
use super::identifier::literal;
use super::options::{Endpoint, Options};
use super::pinned::{self, COPY_IN_ONE_PIECE, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES};
use super::reason;
use super::tls::{self, Tls};
use crate::copy::error::Error;

/// The longest `application_name` the server keeps, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// The oldest server version that we speak to (YugabyteDB 2 is an 11.2).
const MIN_VERSION: u32 = 110_000;

/// YugabyteDB settings that take a chunk's rows and its ledger row out of their common transaction.
const BREAK_TRANSACTIONS: [&str; 2] = ["yb_disable_transactional_writes", "yb_enable_upsert_mode"];

/// Columns of the second statement of [`statements`].
const FACTS: usize = 11;

/// A connection to one node.
#[derive(Debug)]
pub struct Connection {
    /// The driver's handle.
    pub client: Client,
    /// Host and port, as messages show it.
    pub address: String,
    /// What the server says about itself and this session.
    pub server: Server,
    /// Why the connection ended, once it has.
    pub lost: Lost,
}

/// Facts about the server and the session on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`, e.g. 150018.
    pub version: u32,
    /// Whether this is a YugabyteDB.
    pub yugabyte: bool,
    /// Why it takes no writes, if it takes none: what it is.
    pub no_writes: Option<&'static str>,
    /// When the server started, as text in UTC: another start is another life of the server.
    pub started: String,
    /// The server's own address, as it sees it; none over a Unix socket.
    pub address: Option<String>,
    /// Process id of our backend.
    pub backend_pid: i32,
    /// When our backend started, as text in UTC: with the pid it names the backend for ever. None where the
    /// server (or a pooler) hides it.
    pub backend_started: Option<String>,
    /// Whether the database can hold every character.
    pub every_character: bool,
    /// Names of settings that make exactly once impossible, and what is wrong with them.
    pub breaks_exactly_once: Vec<String>,
}

/// A slot that the driver's task fills when the connection ends, before anybody sees it closed.
#[derive(Clone, Debug, Default)]
pub struct Lost(Arc<OnceLock<String>>);

impl Lost {
    /// Why the connection ended; `None` while it lives.
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Connection {
    /// Connects, pins the session and asks for the facts, all within `connect_timeout`.
    pub(super) async fn open(
        endpoint: &Endpoint,
        options: &Options,
        tls: &Tls,
        application_name: &str,
    ) -> Result<Connection, Error> {
        let limit = options.connect_timeout;
        match timeout(limit, open(endpoint, options, tls, application_name)).await {
            Ok(opened) => opened,
            Err(_) => {
                let reason = format!(
                    "no usable session within {limit:?} (connect_timeout): is the address right, is the server overloaded, does a firewall drop packets?"
                );
                Err(Error::Connect { address: endpoint.to_string(), reason, state: None })
            }
        }
    }

    /// The driver's error during `action` as ours, with the reason that the driver's task knows.
    pub fn error(&self, action: &'static str, error: &tokio_postgres::Error) -> Error {
        match (failure(action, &self.address, error), self.lost.reason()) {
            (Error::Lost { address, action, .. }, Some(reason)) => {
                Error::Lost { address, action, reason: reason.into() }
            }
            (error, _) => error,
        }
    }

    /// Names the session anew, e.g. for a split of another table. Not while a COPY is open.
    pub async fn set_application_name(&self, name: &str) -> Result<(), Error> {
        let statement = format!("SET application_name = {}", literal(&clean(name)));
        self.client.batch_execute(&statement).await.map_err(|e| self.error("SET", &e))
    }

    /// Who we are at the server, without asking again.
    pub fn backend(&self) -> Result<Backend, Error> {
        let Some(backend_start) = self.server.backend_started.clone() else {
            return Err(Error::Refused(format!(
                "{} does not list our own session in pg_stat_activity (a connection pooler?): connect to the server directly",
                self.address
            )));
        };
        let (server, pid) = (self.server.started.clone(), self.server.backend_pid);
        let yugabyte = self.server.yugabyte;
        let (version, every_character) = (self.server.version, self.server.every_character);
        let address = self.address.clone();
        Ok(Backend { address, server, pid, backend_start, yugabyte, version, every_character })
    }

    /// Refuses a server on which rows and ledger would not be committed together.
    pub fn refuse_unsafe_append(&self) -> Result<(), Error> {
        if self.server.breaks_exactly_once.is_empty() {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{} cannot load exactly once: {}",
            self.address,
            self.server.breaks_exactly_once.join("; ")
        )))
    }
}

/// The name of a stream's session: node first, so that a long run or table cannot hide it.
pub fn stream_name(node: &str, run: &str, table: &str) -> String {
    clean(&format!("etl/{node}/{run}/{table}"))
}

/// A name as the server keeps it: it replaces what is not printable ASCII, and cuts.
pub(super) fn clean(name: &str) -> String {
    let clean = name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
    clean.take(MAX_NAME_BYTES).collect()
}

async fn open(endpoint: &Endpoint, options: &Options, tls: &Tls, name: &str) -> Result<Connection, Error> {
    let address = endpoint.to_string();
    let config = config(endpoint, options, tls, name);
    let connector = if endpoint.is_socket() {
        // A socket has no TLS and no name: `verify-full` must not stumble over that.
        tls.connector(&["localhost".into()])?
    } else {
        tls.connector(&endpoint.certificate_names)?
    };
    let (client, connection) = config.connect(connector).await.map_err(|error| Error::Connect {
        address: address.clone(),
        reason: reason::of(&error, endpoint, options),
        state: state_of(&error),
    })?;
    let lost = Lost::default();
    tokio::spawn(drive(connection, lost.clone()));
    let answer = client.simple_query(&statements(options)).await.map_err(|error| {
        let reason = match error.as_db_error() {
            Some(_) => {
                format!("the session cannot be set up: {}", failure("SET", &address, &error))
            }
            None => reason::of(&error, endpoint, options),
        };
        Error::Connect { address: address.clone(), reason, state: state_of(&error) }
    })?;
    let server = server(&facts(&answer)).map_err(|reason| Error::Connect {
        address: address.clone(),
        reason,
        state: None,
    })?;
    Ok(Connection { client, address, server, lost })
}

fn state_of(error: &tokio_postgres::Error) -> Option<String> {
    error.code().map(|state| state.code().to_owned())
}

fn config(endpoint: &Endpoint, options: &Options, tls: &Tls, name: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&endpoint.host)
        .port(endpoint.port)
        .user(&options.user)
        .dbname(&options.database)
        .application_name(clean(name))
        // A name may have several addresses: a silent first one leaves time for the second.
        .connect_timeout(options.connect_timeout / 2)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .tcp_user_timeout(options.tcp_user_timeout)
        .ssl_mode(tls.driver_mode());
    if endpoint.is_socket() {
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
    }
    if let Some(address) = endpoint.address {
        config.hostaddr(address);
    }
    if let Some(password) = &endpoint.password {
        config.password(&password.0);
    }
    if let Some(server_options) = &options.server_options {
        config.options(server_options);
    }
    config
}

/// Drives the connection until it ends. Notices are dropped: they carry values of rows.
async fn drive(mut connection: tokio_postgres::Connection<Socket, tls::Stream<Socket>>, lost: Lost) {
    let reason = loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break reason::lost(&error),
            None => break "it was closed".to_string(),
        }
    };
    // Before the connection is dropped: the client sees it closed only after that.
    lost.0.get_or_init(|| reason);
    drop(connection);
}

/// All in one message: the settings, then the facts.
fn statements(options: &Options) -> String {
    let [writes, upsert] = BREAK_TRANSACTIONS;
    let (started, backend_started) = (utc!("pg_postmaster_start_time()"), utc!("a.backend_start"));
    format!(
        "SELECT {}; \
         SELECT current_setting('server_version_num'), version(), \
         CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE current_setting('transaction_read_only') END, \
         {started}, host(inet_server_addr()), pg_backend_pid(), \
         (SELECT {backend_started} FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()), \
         current_setting('{COPY_IN_ONE_PIECE}', true), \
         current_setting('{writes}', true), current_setting('{upsert}', true), \
         current_setting('server_encoding')",
        pinned::settings(options)
    )
}

/// The last row: that of the second statement. A value that is missing is NULL.
fn facts(answer: &[SimpleQueryMessage]) -> [Option<&str>; FACTS] {
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let last = rows.last();
    std::array::from_fn(|at| last.and_then(|row| row.try_get(at).ok().flatten()))
}

/// Reads the facts, in the order of [`statements`].
fn server(facts: &[Option<&str>; FACTS]) -> Result<Server, String> {
    let [
        version,
        release,
        writable,
        started,
        address,
        pid,
        backend_started,
        pieces,
        writes,
        upsert,
        encoding,
    ] = *facts;
    let odd = || "the server's answer to our first question makes no sense".to_string();
    let version: u32 = version.and_then(|text| text.parse().ok()).ok_or_else(odd)?;
    if version < MIN_VERSION {
        return Err(format!("the server is version {}: 11 or later is needed", version / 10_000));
    }
    let yugabyte = release.ok_or_else(odd)?.contains("-YB-");
    let mut breaks_exactly_once = Vec::new();
    for (name, value) in BREAK_TRANSACTIONS.into_iter().zip([writes, upsert]) {
        if value == Some("on") {
            breaks_exactly_once.push(format!("{name} is on: turn it off for this user and database"));
        }
    }
    if yugabyte && pieces != Some("0") {
        breaks_exactly_once.push(format!(
            "{COPY_IN_ONE_PIECE} is not known there, so it may commit a COPY in pieces: use a newer release"
        ));
    }
    Ok(Server {
        version,
        yugabyte,
        no_writes: match writable.ok_or_else(odd)? {
            "off" => None,
            "standby" => Some("a standby"),
            _ => Some("read only (default_transaction_read_only)"),
        },
        started: started.ok_or_else(odd)?.into(),
        address: address.map(String::from),
        backend_pid: pid.and_then(|text| text.parse().ok()).ok_or_else(odd)?,
        backend_started: backend_started.map(String::from),
        every_character: holds_every_character(encoding.ok_or_else(odd)?),
        breaks_exactly_once,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn yugabyte<'a>(pieces: Option<&'a str>, writes: &'a str) -> [Option<&'a str>; FACTS] {
        let release = Some("PostgreSQL 11.2-YB-2.21.0.0-b0 on x86_64");
        let started = Some("2026-01-01 00:00:00+00");
        [
            Some("110002"),
            release,
            Some("off"),
            started,
            None,
            Some("7"),
            None,
            pieces,
            Some(writes),
            Some("off"),
            Some("UTF8"),
        ]
    }

    #[test]
    fn a_yugabytedb_is_known_by_its_version_and_usable_when_it_commits_rows_with_the_ledger() {
        let found = server(&yugabyte(Some("0"), "off")).unwrap();
        assert!(found.yugabyte && found.no_writes.is_none() && found.breaks_exactly_once.is_empty());
        let writes = server(&yugabyte(Some("0"), "on")).unwrap();
        assert!(writes.breaks_exactly_once[0].starts_with("yb_disable_transactional_writes is on"));
        let pieces = server(&yugabyte(None, "off")).unwrap();
        assert!(pieces.breaks_exactly_once[0].contains("in pieces"));
    }

    #[test]
    fn an_odd_answer_and_an_old_server_are_refused() {
        assert!(server(&[None; FACTS]).is_err());
        let mut old = yugabyte(Some("0"), "off");
        old[0] = Some("90603");
        assert!(server(&old).unwrap_err().contains("version 9: 11 or later"));
    }

    #[test]
    fn a_connection_has_all_the_limits_of_the_settings() {
        let url = "postgres://u@h:1/d?sslmode=disable";
        let settings = super::super::settings::Settings::of_url(url);
        let environment = super::super::environment::Environment::from_iter([("USER", "u")]);
        let mut options = Options::resolve(&settings, &environment).unwrap();
        options.tcp_user_timeout = Duration::from_secs(77);
        options.connect_timeout = Duration::from_secs(8);
        let tls = Tls::new(options.ssl_mode, &options.root).unwrap();
        let config = config(&options.hosts[0], &options, &tls, "n");
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(77)));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(4)));
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle(), KEEPALIVE_IDLE);
        assert_eq!(config.get_keepalives_interval(), Some(KEEPALIVE_INTERVAL));
        assert_eq!(config.get_keepalives_retries(), Some(KEEPALIVE_RETRIES));
    }

    #[test]
    fn a_name_is_cut_where_the_server_cuts_it_and_holds_plain_ascii() {
        assert_eq!(clean(&"é".repeat(70)), "?".repeat(63));
        assert_eq!(clean("etl/n\0\n/it's"), "etl/n??/it's");
    }
}
