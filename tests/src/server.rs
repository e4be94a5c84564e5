//! A PostgreSQL of the test's own: for what the shared server cannot show (passwords, TLS, a standby, a second
//! cluster, a stop in the middle). It is gone when the value is dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::postgres::Server;

/// How a private server is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    files: Vec<(String, String)>,
    hba: Option<String>,
    standby: bool,
}

impl Setup {
    /// A line of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Setup {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A file in the data folder, readable by the server alone.
    pub fn file(mut self, name: &str, text: &str) -> Setup {
        self.files.push((name.into(), text.into()));
        self
    }

    /// The whole `pg_hba.conf`; without it everybody is trusted.
    pub fn hba(mut self, text: &str) -> Setup {
        self.hba = Some(text.into());
        self
    }

    /// In recovery for ever: a standby without a primary.
    pub fn standby(mut self) -> Setup {
        self.standby = true;
        self
    }

    /// Starts it; panics with the server's log when it does not start.
    pub fn start(self) -> PrivateServer {
        PrivateServer::start(self)
    }
}

/// A running server; superuser `etl`, database `postgres`, on 127.0.0.1, .2 and .3.
#[derive(Debug)]
pub struct PrivateServer {
    /// The port on all three addresses.
    pub port: u16,
    folder: TempDir,
    account: Option<Account>,
    programs: PathBuf,
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl PrivateServer {
    fn start(setup: Setup) -> PrivateServer {
        let folder = tempfile::tempdir().expect("a folder");
        let account = account();
        let mut server = PrivateServer { port: 0, folder, account, programs: bin() };
        server.own(server.folder.path());
        let initdb =
            ["-D", &server.data(), "-U", "etl", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        succeed(server.run("initdb", &initdb), "initdb");
        for (name, text) in &setup.files {
            server.write(name, text);
        }
        if let Some(hba) = &setup.hba {
            server.write("pg_hba.conf", hba);
        }
        if setup.standby {
            server.write("standby.signal", "");
        }
        // The free port may be taken by somebody else before the server has it.
        for attempt in 1.. {
            server.port = free_port();
            server.configure(&setup.settings);
            let log = server.folder.path().join("data/log.txt");
            let start = ["-D", &server.data(), "-l", &log.display().to_string(), "-w", "-t", "60", "start"];
            if server.run("pg_ctl", &start).status.success() {
                break;
            }
            assert!(
                attempt < 3,
                "the private server did not start: {}",
                fs::read_to_string(log).unwrap_or_default()
            );
        }
        server
    }

    /// Where it is, for what makes databases.
    pub fn server(&self) -> Server {
        Server { port: self.port, user: "etl".into() }
    }

    /// The URL of a database, through the given hosts.
    pub fn url(&self, hosts: &str, database: &str) -> String {
        self.server().url(hosts, database)
    }

    /// Where its Unix socket is.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// A superuser's connection (it needs `trust`).
    pub async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url("127.0.0.1", "postgres"), NoTls)
            .await
            .expect("the private server answers");
        tokio::spawn(connection);
        client
    }

    /// Runs a statement in database `postgres` over the Unix socket, which needs no password while `local` is trusted.
    pub fn psql(&self, statement: &str) {
        let (folder, port) = (self.folder.path().display().to_string(), self.port.to_string());
        let to =
            ["-X", "-v", "ON_ERROR_STOP=1", "-h", &folder, "-p", &port, "-U", "etl", "-d", "postgres", "-c"];
        succeed(self.run("psql", &[&to[..], &[statement]].concat()), "psql");
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// Stops it and starts it again on the same port: `fast` ends sessions in order, `immediate` as a crash would.
    pub fn restart(&self, mode: &str) {
        let log = self.folder.path().join("data/log.txt").display().to_string();
        let restart = ["-D", &self.data(), "-l", &log, "-m", mode, "-w", "-t", "120", "restart"];
        succeed(self.run("pg_ctl", &restart), "pg_ctl restart");
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn configure(&self, settings: &[(String, String)]) {
        let mut text = format!(
            "port = {}\nlisten_addresses = '127.0.0.1,127.0.0.2,127.0.0.3'\nunix_socket_directories = '{}'\n\
             fsync = off\nautovacuum = off\nshared_buffers = '16MB'\nmax_connections = 100\n",
            self.port,
            self.folder.path().display()
        );
        for (name, value) in settings {
            text.push_str(&format!("{name} = '{value}'\n"));
        }
        self.write("postgresql.conf", &text);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("data").join(name);
        fs::write(&path, text).expect("a file in the data folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        self.own(&path);
    }

    fn own(&self, path: &Path) {
        if let Some(account) = self.account {
            chown(path, Some(account.user), Some(account.group)).expect("chown");
        }
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> Output {
        let tool = self.programs.join(tool);
        let mut command = match self.account {
            None => Command::new(tool),
            Some(_) => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(tool);
                command
            }
        };
        // A pipe would stay open as long as the server that pg_ctl starts: to a file instead.
        let messages = fs::File::create(self.folder.path().join("messages.txt")).expect("a file");
        let status = command
            .args(arguments)
            .current_dir("/")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(messages.try_clone().expect("a handle"))
            .stderr(messages)
            .status()
            .expect("PostgreSQL's tools (and runuser, as root) can be started");
        let text = fs::read(self.folder.path().join("messages.txt")).unwrap_or_default();
        Output { status, stdout: text, stderr: Vec::new() }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port of TCP's oldest days (tcpmux): nobody listens there, and nobody comes to.
pub const DEAD_PORT: u16 = 1;

/// A port that nothing listened on a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn succeed(output: Output, what: &str) {
    assert!(output.status.success(), "{what} failed: {}", String::from_utf8_lossy(&output.stdout));
}

/// The account for the server when the test runs as root.
fn account() -> Option<Account> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().expect("id");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
        text.parse().unwrap_or_else(|_| {
            panic!("`id {}` gave no number: is there a user postgres?", arguments.join(" "))
        })
    };
    (id(&["-u"]) == 0).then(|| Account { user: id(&["-u", "postgres"]), group: id(&["-g", "postgres"]) })
}

/// The folder of PostgreSQL's server tools: on the path (where links lead to), else Debian's newest.
fn bin() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| folder.join("initdb").canonicalize().ok());
    let debian = || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let tools = versions.map(|entry| entry.path().join("bin/initdb")).filter(|tool| tool.exists());
        let version = |tool: &PathBuf| tool.iter().nth(4).and_then(|part| part.to_str()?.parse::<u32>().ok());
        tools.max_by_key(version)
    };
    let initdb = on_path.or_else(debian);
    let initdb =
        initdb.expect("PostgreSQL's server is not installed: install it, or put its `initdb` on the path");
    initdb.parent().expect("a folder").to_path_buf()
}
