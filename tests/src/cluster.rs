//! A Cassandra cluster of the test's own: for what the shared node cannot show (passwords, TLS, several nodes, a
//! node killed in the middle). It is gone when the value is dropped, and at the latest when the next one starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cassandra::Access;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    /// How it is reached: with TLS and the client's certificate where it asks for them, and as user `cassandra`
    /// where it has users.
    pub access: Access,
    /// Keys and certificates (`keys/ca.pem`, `keys/client.crt`, `keys/client.key`; a stranger's with `other-`)
    /// and a folder `n1`, `n2`, … per node.
    pub folder: PathBuf,
}

impl Cluster {
    /// Starts one with options of `tests/cassandra.sh`, e.g. `["--nodes", "3"]`; panics when it does not start.
    /// Takes 10 s a node on a busy machine.
    pub fn start(options: &[&str]) -> Cluster {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let owner = std::process::id().to_string();
        let mut cluster = Cluster {
            name: format!("test-{owner}-{number}"),
            access: Access::default(),
            folder: PathBuf::new(),
        };
        let start = ["start", &cluster.name, "--quick", "--owner", &owner];
        script(&[&start, options].concat());
        let variables = script(&["env", &cluster.name]);
        let value = |name: &str| {
            let words = variables.split_whitespace();
            words
                .filter_map(|word| word.split_once('='))
                .find(|word| word.0 == name)
                .expect(name)
                .1
                .to_string()
        };
        cluster.folder = value("ETL_TEST_CASSANDRA_FOLDER").into();
        cluster.access.hosts = value("ETL_TEST_CASSANDRA").split(',').map(String::from).collect();
        let has = |option: &str| options.contains(&option);
        cluster.access.user = has("--auth").then(|| ("cassandra".into(), "cassandra".into()));
        cluster.access.ca = (has("--tls") || has("--mtls")).then(|| cluster.key("ca.pem"));
        cluster.access.client = has("--mtls").then(|| (cluster.key("client.crt"), cluster.key("client.key")));
        cluster
    }

    /// The path of a key or certificate.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(name)
    }

    /// Ends a node (from 1) as a crash would. What was written less than 200 ms before may be lost.
    pub fn kill_node(&self, node: usize) {
        self.node("kill-node", node);
    }

    /// Stops a node in order: what it holds is on disk.
    pub fn stop_node(&self, node: usize) {
        self.node("stop-node", node);
    }

    /// Starts a node again; the others see it afterwards.
    pub fn restart_node(&self, node: usize) {
        self.node("restart-node", node);
    }

    /// A node that is there and answers nothing.
    pub fn pause_node(&self, node: usize) {
        self.node("pause-node", node);
    }

    /// The end of a pause.
    pub fn resume_node(&self, node: usize) {
        self.node("resume-node", node);
    }

    fn node(&self, action: &str, node: usize) {
        script(&[action, &self.name, &node.to_string()]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(path()).args(["remove", &self.name]).output();
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cassandra.sh")
}

/// Runs the script; its standard output.
#[track_caller]
fn script(arguments: &[&str]) -> String {
    // To a file: the nodes would keep a pipe open.
    let messages = tempfile::NamedTempFile::new().expect("a file");
    let output = Command::new(path())
        .args(arguments)
        .stderr(messages.reopen().expect("a file"))
        .output()
        .expect("tests/cassandra.sh can be started");
    let said = std::fs::read_to_string(messages.path()).unwrap_or_default();
    assert!(output.status.success(), "tests/cassandra.sh {}: {said}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("UTF-8")
}
