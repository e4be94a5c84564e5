//! What can go wrong with a cluster, in our words. Must not hold a secret or a row's values.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use super::reason::Reason;
use crate::tls;
use crate::units::Span;

/// An error of a source that is a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of `[source.cassandra]` that cannot be used.
    #[error("`source.cassandra.{key}` {problem}")]
    Setting {
        /// The setting's key.
        key: &'static str,
        /// What is wrong with it and what would be right.
        problem: Cow<'static, str>,
    },
    /// The file with the password cannot be read.
    #[error("`source.cassandra.password_file`: cannot read `{}`", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file for TLS that cannot be used, or no authorities.
    #[error("`source.cassandra.{key}` cannot be used")]
    Tls {
        /// The setting's key.
        key: &'static str,
        /// Which file, and what is wrong with it.
        #[source]
        source: tls::Error,
    },
    /// No host that could be connected to.
    #[error("cannot connect to Cassandra: {}", listed(failures))]
    NoHost {
        /// Hosts, and what happened there.
        failures: Vec<(String, Reason)>,
    },
    /// A host was connected to, but the cluster as a whole took too long.
    #[error(
        "the cluster did not answer within {limit}: a node may hang; if it is only slow, raise `source.cassandra.connect_timeout`"
    )]
    Timeout {
        /// `connect_timeout`.
        limit: Span,
    },
    /// Hosts answered, but asking the cluster failed.
    #[error("cannot read {what}: {reason}")]
    Read {
        /// Whose rows were asked for.
        what: &'static str,
        /// Why there are none.
        reason: Reason,
    },
    /// A datacenter that the cluster does not have.
    #[error(
        "the cluster has no datacenter `{datacenter}`: set `source.cassandra.datacenter` to one of {}",
        names(known)
    )]
    NoDatacenter {
        /// As in the recipe.
        datacenter: String,
        /// Those that there are, ascending.
        known: Vec<String>,
    },
    /// Several datacenters, and no telling which one is ours.
    #[error(
        "the cluster has several datacenters: set `source.cassandra.datacenter` to the one to read from, {}",
        names(known)
    )]
    WhichDatacenter {
        /// Those that there are, ascending.
        known: Vec<String>,
    },
    /// Tokens that are not Murmur3's.
    #[error(
        "the cluster's partitioner is `{partitioner}`: only Murmur3Partitioner is supported, the default since Cassandra 1.2"
    )]
    Partitioner {
        /// Its class.
        partitioner: String,
    },
}

/// What happened at each host; hosts with the same reason together.
fn listed(failures: &[(String, Reason)]) -> String {
    let mut groups: Vec<(Vec<&str>, &Reason)> = Vec::new();
    for (host, reason) in failures {
        match groups.iter_mut().find(|(_, other)| *other == reason) {
            Some((hosts, _)) => hosts.push(host),
            None => groups.push((vec![host], reason)),
        }
    }
    let groups = groups.iter().map(|(hosts, reason)| format!("{}: {reason}", hosts.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}

/// The first names of what may be many, from a server: quoted, without control characters.
fn names(all: &[String]) -> String {
    const MOST: usize = 20;
    let shown = all.iter().take(MOST).map(|name| format!("`{}`", name.escape_debug()));
    let more = if all.len() > MOST { ", …" } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_the_same_reason_are_told_together() {
        let failures = vec![
            ("a:9042".into(), Reason::Refused),
            ("b:9042".into(), Reason::WrongPassword),
            ("c:9042".into(), Reason::Refused),
        ];
        let text = Error::NoHost { failures }.to_string();
        let refused = Reason::Refused;
        assert!(
            text.starts_with(&format!("cannot connect to Cassandra: a:9042, c:9042: {refused}; b:9042: "))
        );
    }

    #[test]
    fn names_of_datacenters_are_shown_without_control_characters_and_not_without_end() {
        let known: Vec<String> = (0..30).map(|at| format!("dc{at:02}\n")).collect();
        let text = Error::WhichDatacenter { known }.to_string();
        assert!(text.ends_with("`dc19\\n`, …"), "{text}");
    }
}
