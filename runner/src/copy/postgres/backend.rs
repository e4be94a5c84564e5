//! Who a connection is at the server, and the end of connections that we lost. Must not know the ledger.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::failure::{failure, failure_of};
use crate::copy::error::Error;

/// SQL for a point in time as text, the same whatever the session's settings are.
macro_rules! utc {
    ($time:literal) => {
        concat!("to_char(", $time, " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
    };
}
pub(super) use utc;

/// One connection as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Host and port by which it was reached, for messages.
    pub address: String,
    /// When the server process started: tells servers apart whatever address they were reached by.
    pub server: String,
    /// The backend's process id.
    pub pid: i32,
    /// When the backend started: process ids are used again.
    pub backend_start: String,
    /// Whether the server is a YugabyteDB.
    pub yugabyte: bool,
    /// `server_version_num`, e.g. 150018.
    pub version: u32,
    /// Whether the database can hold every character.
    pub every_character: bool,
}

impl Backend {
    /// Asks the server, in one round trip. `address` is what messages shall call it.
    pub async fn read(client: &Client, address: &str) -> Result<Backend, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            utc!("pg_postmaster_start_time()"),
            ", pg_backend_pid(), ",
            utc!("a.backend_start"),
            ", version() LIKE '%-YB-%', current_setting('server_version_num')::int, current_setting('server_encoding') FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()"
        );
        let failed = |error: &tokio_postgres::Error| failure("asking for the backend", address, error);
        let rows = client.query_typed(SQL, &[]).await.map_err(|error| failed(&error))?;
        let row = rows.first().ok_or_else(|| {
            let hidden = "does not list our own session in pg_stat_activity (a connection pooler?)";
            Error::Refused(format!("{address} {hidden}: connect to the server directly"))
        })?;
        let get = |column| row.try_get::<_, String>(column).map_err(|error| failed(&error));
        let pid = row.try_get(1).map_err(|error| failed(&error))?;
        let yugabyte = row.try_get(3).map_err(|error| failed(&error))?;
        let version: i32 = row.try_get(4).map_err(|error| failed(&error))?;
        let version = version.unsigned_abs();
        let every_character = holds_every_character(&get(5)?);
        Ok(Backend {
            address: address.into(),
            server: get(0)?,
            pid,
            backend_start: get(2)?,
            yugabyte,
            version,
            every_character,
        })
    }
}

/// Whether a database of this encoding can hold every character. One of `SQL_ASCII` looks at none.
pub(super) fn holds_every_character(server_encoding: &str) -> bool {
    matches!(server_encoding, "UTF8" | "SQL_ASCII")
}

/// A connection in use: the client, and who it is at the server.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    /// The connection.
    pub client: &'a Client,
    /// Who it is.
    pub backend: &'a Backend,
}

impl std::fmt::Debug for Link<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?})", self.backend)
    }
}

impl Link<'_> {
    /// What the driver's error means on this connection.
    pub(super) fn failure(&self, action: &'static str, error: &tokio_postgres::Error) -> Error {
        failure_of(action, (&self.backend.address, self.backend.yugabyte), error)
    }

    /// A statement in one round trip.
    pub(super) async fn rows(
        &self,
        action: &'static str,
        sql: &str,
        params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        self.client.query_typed(sql, params).await.map_err(|error| self.failure(action, &error))
    }

    /// A value of an answer.
    pub(super) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(
        &self,
        row: &'r tokio_postgres::Row,
        column: &str,
    ) -> Result<T, Error> {
        row.try_get(column).map_err(|error| self.failure("reading an answer", &error))
    }

    /// Ends a connection of ours that we lost, so that its transaction does not hold locks until the server
    /// notices. True if it was still there. Another server's backend, or another connection that got the same
    /// process id, is left alone.
    pub async fn terminate_own(&self, lost: &Backend) -> Result<bool, Error> {
        const SQL: &str = concat!(
            "SELECT pg_terminate_backend(a.pid) AS ended FROM pg_stat_activity a WHERE a.pid = $1 AND ",
            utc!("a.backend_start"),
            " = $2 AND ",
            utc!("pg_postmaster_start_time()"),
            " = $3"
        );
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&lost.pid, Type::INT4), (&lost.backend_start, Type::TEXT), (&lost.server, Type::TEXT)];
        let rows = self.rows("ending a lost connection", SQL, &params).await?;
        rows.first().map_or(Ok(false), |row| self.get(row, "ended"))
    }
}
