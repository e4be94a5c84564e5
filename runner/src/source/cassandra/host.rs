//! The nodes that are asked first, as a recipe names them.
//!
//! Must not know: how they are connected to.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// A node to ask first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContactPoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl ContactPoint {
    /// Its addresses; none where the name has none, or cannot be looked up.
    pub(super) async fn resolve(&self) -> Vec<SocketAddr> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        found.map(Iterator::collect).unwrap_or_default()
    }
}

/// `host:port`, as messages show it.
impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The longest name of a host, in bytes.
const MAX_NAME_BYTES: usize = 255;
const ASTRA: &str = "names Astra: its secure-connect bundles are not supported, only clusters whose nodes can be \
                     connected to by address";

/// Reads `host`, `host:port`, `::1`, `[::1]`, `[::1]:port`. What is wrong is told without the text, which may hold a
/// password.
pub(super) fn contact_point(text: &str, default_port: u16) -> Result<ContactPoint, &'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.ends_with(".zip") || lower.contains(".astra.datastax.com") {
        return Err(ASTRA);
    }
    read(text, default_port).ok_or("is not `host`, `host:port` or `[IPv6 address]:port`")
}

fn read(text: &str, default_port: u16) -> Option<ContactPoint> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some(ContactPoint { host: text.into(), port: default_port });
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, port) = inner.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if host.is_empty() || host.len() > MAX_NAME_BYTES || !host.chars().all(plain) {
                return None;
            }
            (host, port)
        }
    };
    let port = port.map_or(Some(default_port), |port| port.parse().ok().filter(|port| *port != 0))?;
    Some(ContactPoint { host: host.into(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_own_port_or_the_common_one() {
        for (text, shown) in [
            ("a", "a:9042"),
            ("b-1.example:1", "b-1.example:1"),
            ("10.0.0.1", "10.0.0.1:9042"),
            ("::1", "[::1]:9042"),
            ("[::1]", "[::1]:9042"),
            ("[::1]:2", "[::1]:2"),
        ] {
            assert_eq!(contact_point(text, 9042).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "a:", "a:0", "a:70000", "cassandra://a", "u:hush@a", "[a]:1", "[::1]1", "a b"] {
            let problem = contact_point(text, 9042).unwrap_err();
            assert!(problem.starts_with("is not `host`"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_bundle_of_astra_is_refused_as_such() {
        for text in ["secure-connect-db.zip", "/home/me/Bundle.ZIP", "1234-eu.db.astra.datastax.com:29042"] {
            let problem = contact_point(text, 9042).unwrap_err();
            assert!(problem.contains("secure-connect bundles are not supported"), "{text}: {problem}");
        }
    }
}
