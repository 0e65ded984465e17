//! From where a request comes, for the audit log.

use std::net::IpAddr;

use axum::http::HeaderMap;

/// The other end of a connection over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

/// Proxies add themselves to it, the nearest one last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The sender's address, for people to read. A proxy on this machine is believed about whom it speaks for; anybody else could say anything.
pub(super) fn shown(peer: Option<Peer>, headers: &HeaderMap) -> String {
    let Some(Peer(address)) = peer else { return "this machine".to_owned() };
    let address = address.to_canonical();
    let said = headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|value| value.to_str().ok());
    let said = said.and_then(|value| value.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    said.filter(|_| address.is_loopback()).unwrap_or(address).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_about_whom_it_speaks_for() {
        for (peer, forwarded, expected) in [
            ("203.0.113.7", None, "203.0.113.7"),
            ("203.0.113.7", Some("198.51.100.1"), "203.0.113.7"),
            ("127.0.0.1", None, "127.0.0.1"),
            // What the sender claims comes before what the proxy adds.
            ("127.0.0.1", Some("192.0.2.1, 198.51.100.1"), "198.51.100.1"),
            ("::1", Some("2001:db8::1"), "2001:db8::1"),
            ("127.0.0.1", Some("unknown"), "127.0.0.1"),
            ("::ffff:203.0.113.7", None, "203.0.113.7"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = forwarded {
                headers.insert(FORWARDED_FOR, value.parse().unwrap());
            }
            assert_eq!(shown(Some(Peer(peer.parse().unwrap())), &headers), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(shown(None, &HeaderMap::new()), "this machine");
    }
}
