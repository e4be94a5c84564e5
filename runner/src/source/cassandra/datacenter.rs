//! Which datacenter is read from.
//!
//! Pure. Must not know: the driver.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::error::Error;

/// What a cluster says of one of its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeInfo {
    /// Where we would connect to.
    pub(super) address: SocketAddr,
    pub(super) datacenter: Option<String>,
}

/// The one that the recipe names; else that of the host that was connected to.
pub(super) fn choose(given: Option<&str>, contact: SocketAddr, nodes: &[NodeInfo]) -> Result<String, Error> {
    let known: BTreeSet<&str> = nodes.iter().filter_map(|node| node.datacenter.as_deref()).collect();
    let all = || known.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    if let Some(given) = given {
        return match known.contains(given) {
            true => Ok(given.to_owned()),
            false => Err(Error::NoDatacenter { datacenter: given.to_owned(), known: all() }),
        };
    }
    if known.len() == 1 {
        return Ok(all().concat());
    }
    let at = |same: fn(SocketAddr, SocketAddr) -> bool| {
        nodes.iter().find(|node| same(node.address, contact)).and_then(|node| node.datacenter.clone())
    };
    let contacts =
        at(|node, contact| node == contact).or_else(|| at(|node, contact| node.ip() == contact.ip()));
    contacts.ok_or_else(|| Error::WhichDatacenter { known: all() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(all: &[(&str, &str)]) -> Vec<NodeInfo> {
        let node = |(address, datacenter): &(&str, &str)| NodeInfo {
            address: address.parse().unwrap(),
            datacenter: Some((*datacenter).to_owned()),
        };
        all.iter().map(node).collect()
    }

    fn chosen(given: Option<&str>, contact: &str, all: &[(&str, &str)]) -> Result<String, String> {
        choose(given, contact.parse().unwrap(), &nodes(all)).map_err(|error| error.to_string())
    }

    const TWO: [(&str, &str); 2] = [("10.0.0.1:9042", "east"), ("10.0.0.2:9042", "west")];

    #[test]
    fn a_datacenter_that_is_there_is_taken_and_another_one_refused_with_those_that_are() {
        assert_eq!(chosen(Some("west"), "10.0.0.1:9042", &TWO).unwrap(), "west");
        let refused = chosen(Some("West"), "10.0.0.1:9042", &TWO).unwrap_err();
        assert!(refused.contains("no datacenter `West`") && refused.ends_with("`east`, `west`"), "{refused}");
    }

    #[test]
    fn without_a_name_it_is_the_hosts_own() {
        assert_eq!(chosen(None, "10.0.0.2:9042", &TWO).unwrap(), "west");
        assert_eq!(chosen(None, "10.0.0.2:19042", &TWO).unwrap(), "west");
    }

    #[test]
    fn the_only_one_needs_no_name_whatever_the_address() {
        assert_eq!(chosen(None, "1.2.3.4:9042", &TWO[..1]).unwrap(), "east");
    }

    #[test]
    fn where_the_host_is_none_of_several_a_name_is_asked_for() {
        let asked = chosen(None, "1.2.3.4:9042", &TWO).unwrap_err();
        assert!(asked.contains("several datacenters") && asked.ends_with("`east`, `west`"), "{asked}");
    }
}
