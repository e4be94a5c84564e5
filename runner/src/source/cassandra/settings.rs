//! `[source.cassandra]`: the cluster that tables are read from, and how much of it a run may take.
//!
//! Must not know: how a connection is made, and which tables are read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::host::{ContactPoint, contact_point};
use super::values::Values;
use crate::units::{ByteSize, SettingProblem, Span};

/// The cluster that tables are read from: Apache Cassandra, or ScyllaDB.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Nodes to ask first, `host` or `host:port`, 1 to 100; the others are found by asking these.
    #[schemars(length(min = 1, max = 100), example = &["10.0.0.1", "10.0.0.2"])]
    pub hosts: Vec<String>,
    /// The port of hosts that name none. A node that is found has the port of the host that told of it.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The datacenter whose nodes are asked. Without it: that of the host that answers first; name it where `hosts`
    /// are in several.
    #[schemars(example = &"dc1")]
    pub datacenter: Option<String>,
    /// Ask nodes of other datacenters as well, where no node of `datacenter` that has the rows can be reached. What was
    /// written in `datacenter` may not have got there.
    pub allow_remote: bool,
    /// Who logs in; without it nobody does, which a cluster with `AllowAllAuthenticator` takes.
    #[schemars(example = &"etl")]
    pub user: Option<String>,
    /// The password, never in a recipe, which is kept in git: set `ETL_SOURCE__CASSANDRA__PASSWORD` in the
    /// environment, or use `password_file`.
    #[serde(skip_serializing)]
    pub password: Option<Password>,
    /// A file whose first line is the password, relative to the recipe's folder. `password` goes first.
    #[schemars(example = &"/run/secrets/cassandra")]
    pub password_file: Option<PathBuf>,
    /// How far TLS is asked for. Without it: `verify-full` where `ca` is given, `disable` elsewhere. `disable` is not
    /// encrypted; `require` is, to whomever; with `verify-ca` an authority has signed the node's certificate; with
    /// `verify-full` it also is valid for the node's address or for one of `hosts`.
    #[schemars(example = &"verify-full")]
    pub tls: Option<TlsMode>,
    /// The authorities that sign the nodes' certificates: a PEM file, relative to the recipe's folder. Without it
    /// those of the system.
    #[schemars(example = &"ca.pem")]
    pub ca: Option<PathBuf>,
    /// Our own certificate with what leads to its authority, where the cluster asks for one: a PEM file, relative to
    /// the recipe's folder.
    #[schemars(example = &"etl.pem")]
    pub certificate: Option<PathBuf>,
    /// The private key of `certificate`: a PEM file without passphrase, relative to the recipe's folder.
    #[schemars(example = &"etl.key")]
    pub key: Option<PathBuf>,
    /// How many replicas must agree on what they answer. With `ONE` and `LOCAL_ONE` a replica that missed a write is
    /// believed, so a row may be missing or old, and a retry on another replica may answer otherwise.
    pub consistency: Consistency,
    /// Longest time until the cluster is connected to, 1 ms to 24 h. A node that then keeps silent for half of that, 5 s at
    /// least, counts as gone.
    pub connect_timeout: Span,
    /// Longest wait for one answer, 1 ms to 24 h; then the request is repeated elsewhere. The servers' own limits (10 s
    /// for a range by default) should pass first, as they say more.
    pub request_timeout: Span,
    /// Where to connect to instead of the address by which the cluster knows a node, for clusters behind NAT or a
    /// tunnel: `"10.0.0.1:9042" = "127.0.0.1:19042"`. The port in front counts only where an address has several
    /// entries. Other addresses stay as they are, and so do `hosts`.
    #[schemars(example = rule("10.0.0.1:9042", "127.0.0.1:19042"))]
    pub address_map: BTreeMap<String, String>,
    /// Most rows read in one second by the whole run. Without it there is no limit.
    #[schemars(range(min = 1), example = 50_000)]
    pub max_rows_per_second: Option<u64>,
    /// Most bytes of rows read in one second by the whole run, at least 1 KiB. Without it there is no limit.
    #[schemars(example = &"20 MiB")]
    pub max_bytes_per_second: Option<ByteSize>,
    /// What becomes of a partition that has static columns but no row: its clustering columns are NULL, so most
    /// targets cannot take it. `reject` it, or `skip` it.
    pub static_only: StaticOnly,
    /// What becomes of values that PostgreSQL has no room for.
    pub values: Values,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hosts: Vec::new(),
            port: 9042,
            datacenter: None,
            allow_remote: false,
            user: None,
            password: None,
            password_file: None,
            tls: None,
            ca: None,
            certificate: None,
            key: None,
            consistency: Consistency::LocalQuorum,
            connect_timeout: Span(Duration::from_secs(15)),
            request_timeout: Span(Duration::from_secs(30)),
            address_map: BTreeMap::new(),
            max_rows_per_second: None,
            max_bytes_per_second: None,
            static_only: StaticOnly::Reject,
            values: Values::default(),
        }
    }
}

/// A password: never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(pub(super) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// How far TLS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Not encrypted.
    Disable,
    /// Encrypted, to whomever.
    Require,
    /// The certificate is signed by a known authority.
    VerifyCa,
    /// And it is valid for the node's address, or for one of the hosts.
    VerifyFull,
}

/// How many replicas must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Consistency {
    /// One, of the datacenter that is asked.
    LocalOne,
    /// One.
    One,
    /// Two.
    Two,
    /// Three.
    Three,
    /// Most of the replicas in the datacenter that is asked.
    LocalQuorum,
    /// Most of all replicas, in whatever datacenter.
    Quorum,
    /// All of them.
    All,
}

/// What becomes of a partition with static columns and no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StaticOnly {
    /// A reject.
    Reject,
    /// Nothing.
    Skip,
}

const MAX_HOSTS: usize = 100;
/// The longest name of a user or a datacenter, in bytes.
const MAX_NAME_BYTES: usize = 255;
const MAX_ADDRESSES: usize = 10_000;

impl Settings {
    /// Everything that cannot be used, told without looking at files or asking a server.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems: Vec<SettingProblem> = Vec::new();
        let mut check = |key, checked: Result<(), Cow<'static, str>>| {
            problems.extend(checked.err().map(|problem| (key, problem)));
        };
        check("hosts", self.contact_points().map(drop));
        check("port", refuse(self.port == 0, "must be between 1 and 65,535"));
        for (key, name) in [("datacenter", &self.datacenter), ("user", &self.user)] {
            let wrong = name.as_ref().is_some_and(|name| name.is_empty() || name.len() > MAX_NAME_BYTES);
            check(key, refuse(wrong, "must have 1 to 255 bytes"));
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        check("user", refuse(has_password && self.user.is_none(), "is missing, but there is a password"));
        self.tls_problems(&mut check);
        for (key, span) in
            [("connect_timeout", self.connect_timeout), ("request_timeout", self.request_timeout)]
        {
            let inside = (Duration::from_millis(1)..=Duration::from_secs(24 * 3600)).contains(&span.0);
            check(key, refuse(!inside, "must be between 1 ms and 24 h"));
        }
        check("address_map", self.addresses().map(drop));
        check("max_rows_per_second", refuse(self.max_rows_per_second == Some(0), "must be at least 1"));
        let slow = self.max_bytes_per_second.is_some_and(|rate| rate < ByteSize(1 << 10));
        check("max_bytes_per_second", refuse(slow, "must be at least 1 KiB"));
        problems
    }

    fn tls_problems(&self, check: &mut impl FnMut(&'static str, Result<(), Cow<'static, str>>)) {
        let mode = self.tls_mode();
        let verifies = matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
        let unread = "is not looked at with this `tls`: use verify-full or verify-ca, or take it out";
        check("ca", refuse(self.ca.is_some() && !verifies, unread));
        let unsent = "is not sent without TLS: give `ca`, or set `tls`";
        check("certificate", refuse(self.certificate.is_some() && mode == TlsMode::Disable, unsent));
        let alone = "is missing: a certificate goes with its key";
        check("key", refuse(self.certificate.is_some() && self.key.is_none(), alone));
        let alone = "is missing: a key goes with its certificate";
        check("certificate", refuse(self.key.is_some() && self.certificate.is_none(), alone));
        let files = [
            ("password_file", &self.password_file),
            ("ca", &self.ca),
            ("certificate", &self.certificate),
            ("key", &self.key),
        ];
        for (key, path) in files {
            let empty = path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
            check(key, refuse(empty, "must not be empty"));
        }
    }

    /// What a consistency gives up that is weaker than most of the replicas, or holds for one datacenter where others may
    /// be read.
    pub fn note(&self) -> Option<&'static str> {
        match self.consistency {
            Consistency::LocalOne | Consistency::One => Some(
                "with this `source.cassandra.consistency` one replica is believed: rows that it missed are not loaded, \
                 and a retry on another one may pass over some; LOCAL_QUORUM does not",
            ),
            Consistency::LocalQuorum if self.allow_remote => Some(
                "with `source.cassandra.allow_remote` another datacenter is believed where no replica of the own can be \
                 reached: rows that have not got there yet are not loaded",
            ),
            _ => None,
        }
    }

    /// How far TLS is asked for, by default too.
    pub fn tls_mode(&self) -> TlsMode {
        self.tls.unwrap_or(if self.ca.is_some() { TlsMode::VerifyFull } else { TlsMode::Disable })
    }

    /// The hosts with their ports, at least one.
    pub(super) fn contact_points(&self) -> Result<Vec<ContactPoint>, Cow<'static, str>> {
        if self.hosts.is_empty() {
            return Err("is missing: name one or more nodes, e.g. hosts = [\"10.0.0.1\"]".into());
        }
        if self.hosts.len() > MAX_HOSTS {
            return Err("must be at most 100: some nodes are enough, they know the others".into());
        }
        let hosts = self.hosts.iter().enumerate();
        hosts
            .map(|(at, text)| {
                contact_point(text, self.port).map_err(|what| format!("entry {} {what}", at + 1).into())
            })
            .collect()
    }

    /// `address_map` as addresses.
    pub(super) fn addresses(&self) -> Result<BTreeMap<SocketAddr, SocketAddr>, Cow<'static, str>> {
        if self.address_map.len() > MAX_ADDRESSES {
            return Err("must have at most 10,000 entries".into());
        }
        let pairs = self.address_map.iter().map(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        pairs.collect::<Option<_>>().ok_or_else(|| {
            "needs addresses with ports on both sides, e.g. \"10.0.0.1:9042\" = \"127.0.0.1:19042\"".into()
        })
    }
}

fn refuse(wrong: bool, problem: &'static str) -> Result<(), Cow<'static, str>> {
    if wrong { Err(problem.into()) } else { Ok(()) }
}

/// A table with one entry, for the example.
fn rule(from: &str, to: &str) -> serde_json::Value {
    [(from, to)].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        let hosts = if text.starts_with("hosts") { "" } else { "hosts = ['a']\n" };
        toml::from_str(&format!("{hosts}{text}")).unwrap()
    }

    #[test]
    fn a_host_is_needed_and_enough() {
        let settings = settings("");
        assert_eq!(settings.problems(), []);
        let none = Settings::default().problems();
        assert!(
            matches!(none.as_slice(), [("hosts", problem)] if problem.starts_with("is missing")),
            "{none:?}"
        );
        assert_eq!(settings.tls_mode(), TlsMode::Disable);
        assert_eq!(settings.consistency, Consistency::LocalQuorum);
    }

    #[test]
    fn an_authority_turns_full_verification_on() {
        assert_eq!(settings("ca = 'ca.pem'").tls_mode(), TlsMode::VerifyFull);
        assert_eq!(settings("ca = 'ca.pem'\ntls = 'verify-ca'").tls_mode(), TlsMode::VerifyCa);
    }

    #[test]
    fn settings_that_cannot_be_used_are_named_by_key() {
        for (text, key) in [
            ("hosts = ['a', 'u:hush@b']", "hosts"),
            ("port = 0", "port"),
            ("datacenter = ''", "datacenter"),
            ("password = 'x'", "user"),
            ("password_file = 'x'", "user"),
            ("password_file = ''\nuser = 'u'", "password_file"),
            ("ca = 'x'\ntls = 'disable'", "ca"),
            ("ca = 'x'\ntls = 'require'", "ca"),
            ("certificate = 'x'\nkey = 'y'", "certificate"),
            ("ca = 'a'\ncertificate = 'x'", "key"),
            ("ca = 'a'\nkey = 'x'", "certificate"),
            ("connect_timeout = '0 s'", "connect_timeout"),
            ("request_timeout = '25 h'", "request_timeout"),
            ("address_map = { '10.0.0.1' = '127.0.0.1:1' }", "address_map"),
            ("max_rows_per_second = 0", "max_rows_per_second"),
            ("max_bytes_per_second = 1", "max_bytes_per_second"),
        ] {
            let problems = settings(text).problems();
            assert_eq!(problems.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key], "{text}");
        }
    }

    #[test]
    fn what_a_recipe_gives_up_is_noted() {
        let note = |text: &str| settings(text).note().unwrap_or_default();
        assert!(note("").is_empty() && note("consistency = 'QUORUM'\nallow_remote = true").is_empty());
        assert!(note("consistency = 'ONE'\nallow_remote = true").contains("one replica is believed"));
        assert!(note("allow_remote = true").contains("another datacenter is believed"));
    }

    #[test]
    fn words_for_closed_sets_are_those_of_cassandra_and_libpq() {
        let all = settings("consistency = 'LOCAL_ONE'\ntls = 'require'\nstatic_only = 'skip'");
        assert_eq!(all.consistency, Consistency::LocalOne);
        assert_eq!((all.tls, all.static_only), (Some(TlsMode::Require), StaticOnly::Skip));
        assert!(toml::from_str::<Settings>("consistency = 'SERIAL'").is_err());
    }

    #[test]
    fn a_password_is_neither_shown_nor_serialized() {
        let settings = settings("user = 'u'\npassword = 'hush'");
        assert_eq!(settings.password, Some(Password("hush".into())));
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
