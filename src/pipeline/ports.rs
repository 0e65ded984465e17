//! Published ports in Compose's short form.

use crate::model::PortSpec;

/// More ports than these in one range are a slip of the finger.
const RANGE_MAX: u32 = 4_096;

/// Reads `[[address:]published:]target[/protocol]`, each port a number or a range `a-b`.
///
/// Ranges of equal length on both sides are paired; a range before one port lets the engine choose. Source: the Compose Specification, "ports".
pub(super) fn short(text: &str) -> Result<Vec<PortSpec>, String> {
    let refuse = || format!("expected `[address:]published:target[/protocol]`, such as `80:8080` or `127.0.0.1:53:53/udp`, found `{text}`");
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) => (ports, protocol),
        None => (text, "tcp"),
    };
    check_protocol(protocol)?;
    let (front, target) = match ports.rsplit_once(':') {
        Some((front, target)) => (Some(front), target),
        None => (None, ports),
    };
    let target = range(target).ok_or_else(refuse)?;
    let (host_ip, published) = match front {
        None => (None, None),
        Some(front) => {
            let (address, published) = match front.rsplit_once(':') {
                Some((address, published)) => (Some(address_of(address).ok_or_else(refuse)?), published),
                None => (None, front),
            };
            let published = if published.is_empty() && address.is_some() { None } else { Some(range(published).ok_or_else(refuse)?) };
            (address, published)
        }
    };
    paired(host_ip, published, target, protocol).ok_or_else(|| format!("the ranges of `{text}` differ in length"))
}

/// Reads `published` of the long form: a port or a range.
pub(super) fn published(text: &str) -> Result<(u16, u16), String> {
    range(text).ok_or_else(|| format!("expected a port or a range such as `8000-8010`, found `{text}`"))
}

/// Checks a protocol.
pub(super) fn check_protocol(protocol: &str) -> Result<(), String> {
    if matches!(protocol, "tcp" | "udp" | "sctp") { Ok(()) } else { Err(format!("expected the protocol `tcp`, `udp` or `sctp`, found `{protocol}`")) }
}

fn paired(host_ip: Option<String>, published: Option<(u16, u16)>, target: (u16, u16), protocol: &str) -> Option<Vec<PortSpec>> {
    let spec = |published, target| PortSpec { host_ip: host_ip.clone(), published, target, protocol: protocol.to_owned() };
    if target.0 == target.1 {
        return Some(vec![spec(published, target.0)]);
    }
    match published {
        None => Some((target.0..=target.1).map(|port| spec(None, port)).collect()),
        Some((first, last)) if last - first == target.1 - target.0 => {
            Some((first..=last).zip(target.0..=target.1).map(|(outside, inside)| spec(Some((outside, outside)), inside)).collect())
        }
        Some(_) => None,
    }
}

fn address_of(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn range(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        None => port(text).map(|port| (port, port)),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            (first <= last && u32::from(last - first) < RANGE_MAX).then_some((first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Result<String, String> {
        let one = |port: PortSpec| {
            let published = port.published.map_or("any".to_owned(), |(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
            format!("{}|{published}>{}/{}", port.host_ip.unwrap_or_default(), port.target, port.protocol)
        };
        short(text).map(|ports| ports.into_iter().map(one).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn short_ports_are_read_as_compose_reads_them() {
        for (text, ports) in [
            ("80:8080", "|80>8080/tcp"),
            ("8080", "|any>8080/tcp"),
            ("127.0.0.1:53:53/udp", "127.0.0.1|53>53/udp"),
            ("127.0.0.1::53", "127.0.0.1|any>53/tcp"),
            ("[::1]:80:8080", "::1|80>8080/tcp"),
            ("9000-9010:8080", "|9000-9010>8080/tcp"),
            ("9090-9091:8080-8081", "|9090>8080/tcp |9091>8081/tcp"),
            ("3000-3001", "|any>3000/tcp |any>3001/tcp"),
        ] {
            assert_eq!(show(text).as_deref(), Ok(ports), "{text}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in ["", ":", "80:", ":80", "0:80", "80:0", "70000:80", "80:80/http", "a:b", "1.2.3:80:80", "1-2:3-5", "2-1:80", "1-60000"] {
            assert!(short(bad).is_err(), "{bad}");
        }
    }
}
