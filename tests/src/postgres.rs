//! A database of its own for each test, on the real PostgreSQL that `tests/postgres.sh` started.

use tokio_postgres::{Client, NoTls};

/// The variable with the server's URL (a superuser, no password), set by the test script.
pub const VARIABLE: &str = "ETL_TEST_POSTGRES";

/// The server: host 127.0.0.1 (also 127.0.0.2 and .3), its port and the superuser.
#[derive(Clone, Debug)]
pub struct Server {
    /// The port on all three addresses.
    pub port: u16,
    /// The superuser's name.
    pub user: String,
}

impl Server {
    /// The server of this test run. Panics with what to do when there is none: a test is never skipped.
    pub fn of_the_test_run() -> Server {
        let url = std::env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} is not set: run the tests with `make test`, or `eval \"$(tests/postgres.sh env)\"` first")
        });
        Server::of_url(&url)
    }

    /// The server at an address.
    pub fn of_url(url: &str) -> Server {
        let config: tokio_postgres::Config = url.parse().expect("a PostgreSQL URL");
        Server { port: config.get_ports()[0], user: config.get_user().expect("a user").into() }
    }

    /// The URL of a database on this server, through the given hosts.
    pub fn url(&self, hosts: &str, database: &str) -> String {
        let hosts: Vec<String> = hosts.split(',').map(|h| format!("{h}:{}", self.port)).collect();
        format!("postgres://{}@{}/{database}", self.user, hosts.join(","))
    }

    /// A connection to a database. A statement that waits for ever becomes a failed test.
    pub async fn client(&self, database: &str) -> Client {
        let url = self.url("127.0.0.1", database);
        let mut config: tokio_postgres::Config = url.parse().expect("a PostgreSQL URL");
        config.options("-c statement_timeout=5min");
        let (client, connection) = config.connect(NoTls).await.expect("the test server answers");
        tokio::spawn(connection);
        client
    }

    /// A new, empty database with the given name (letters, digits, `_`); an old one of that name is dropped.
    pub async fn database(&self, name: &str) -> Client {
        let client = self.client("postgres").await;
        let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
        let version: i32 = version.expect("a version").get(0);
        // Before PostgreSQL 13 nothing is forced: then nobody may be connected.
        let force = if version >= 130_000 { "WITH (FORCE)" } else { "" };
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} {force}")).await.expect("drop");
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("create");
        self.client(name).await
    }
}
