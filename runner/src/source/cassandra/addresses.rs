//! `address_map`: where to connect to instead of the address by which the cluster knows a node.
//!
//! Must not know: which nodes there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;

use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};

/// From the cluster's addresses to ours.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressMap(pub(super) BTreeMap<SocketAddr, SocketAddr>);

impl AddressMap {
    /// Where to connect to. The cluster tells addresses without ports, and the driver adds the port of the host that
    /// it asked, which behind a tunnel is not the node's own: so the port counts only where it decides.
    pub(super) fn translate(&self, address: SocketAddr) -> SocketAddr {
        let same_ip = || self.0.iter().find(|(from, _)| from.ip() == address.ip()).map(|(_, to)| to);
        *self.0.get(&address).or_else(same_ip).unwrap_or(&address)
    }
}

impl AddressTranslator for AddressMap {
    fn translate_address<'life0, 'life1, 'async_trait>(
        &'life0 self,
        peer: &'life1 UntranslatedPeer<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<SocketAddr, TranslationError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        let translated = self.translate(peer.untranslated_address());
        Box::pin(std::future::ready(Ok(translated)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_replaced_whatever_its_port_and_others_stay() {
        let rules = [
            ("10.0.0.1:9042", "127.0.0.1:19042"),
            ("10.0.0.2:1", "127.0.0.1:2"),
            ("10.0.0.2:3", "127.0.0.1:4"),
        ];
        let rules = rules.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
        let map = AddressMap(rules.into_iter().collect());
        let translated = |text: &str| map.translate(text.parse().unwrap()).to_string();
        assert_eq!(translated("10.0.0.1:9042"), "127.0.0.1:19042");
        assert_eq!(translated("10.0.0.1:19042"), "127.0.0.1:19042");
        assert_eq!(translated("10.0.0.2:3"), "127.0.0.1:4");
        assert_eq!(translated("10.0.0.9:9042"), "10.0.0.9:9042");
    }
}
