//! Docker endpoints: `unix://`, `tcp://` and `ssh://`.

use std::path::{Path, PathBuf};

use super::estate::Endpoint;

/// Where an engine listens unless somebody moved it.
pub(super) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Reads an endpoint. `tls` is the folder of its certificates, already absolute.
pub(super) fn endpoint(text: &str, tls: Option<&Path>) -> Result<Endpoint, String> {
    let refuse = || format!("expected `unix:///var/run/docker.sock`, `tcp://host:port` or `ssh://user@host[:port]`, found `{text}`");
    let (scheme, rest) = text.split_once("://").ok_or_else(refuse)?;
    if rest.contains(char::is_whitespace) || rest.is_empty() {
        return Err(refuse());
    }
    if tls.is_some() && scheme != "tcp" {
        return Err(format!("`tls` belongs to `tcp://` only, but the endpoint is `{text}`"));
    }
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Endpoint::Unix { path: PathBuf::from(rest) }),
        "tcp" => {
            let (host, port) = host_port(rest.trim_end_matches('/')).ok_or_else(refuse)?;
            Ok(Endpoint::Tcp { host, port: port.ok_or_else(refuse)?, tls: tls.map(Path::to_owned) })
        }
        "ssh" => ssh(rest).ok_or_else(refuse),
        _ => Err(refuse()),
    }
}

fn ssh(rest: &str) -> Option<Endpoint> {
    let (authority, socket) = match rest.find('/') {
        Some(slash) if rest.len() > slash + 1 => rest.split_at(slash),
        Some(slash) => (&rest[..slash], DEFAULT_SOCKET),
        None => (rest, DEFAULT_SOCKET),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() => (Some(user.to_owned()), host),
        Some(_) => return None,
        None => (None, authority),
    };
    let (host, port) = host_port(host)?;
    // ssh would read these as options.
    if host.starts_with('-') || user.as_ref().is_some_and(|user| user.starts_with('-')) {
        return None;
    }
    Some(Endpoint::Ssh { user, host, port, socket: socket.to_owned() })
}

fn host_port(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?.parse().ok()?) };
        return Some((address.to_owned(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0u16)?)),
        None => (text, None),
    };
    let good = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    good.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_printed_back() {
        for text in [
            "unix:///var/run/docker.sock",
            "tcp://10.0.0.12:2376",
            "ssh://deploy@10.0.0.11",
            "ssh://web-1",
            "ssh://deploy@web-1:2222",
            "ssh://web-1/run/user/1000/docker.sock",
        ] {
            assert_eq!(endpoint(text, None).unwrap().to_string(), text);
        }
        assert!(matches!(endpoint("tcp://[::1]:2376", Some(Path::new("/c"))), Ok(Endpoint::Tcp { host, port: 2376, tls: Some(_) }) if host == "::1"));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for bad in [
            "",
            "web-1",
            "unix://docker.sock",
            "tcp://host",
            "tcp://host:0",
            "http://x:1",
            "ssh://",
            "ssh://@x",
            "ssh://-oProxyCommand=x",
            "tcp://a b:1",
        ] {
            assert!(endpoint(bad, None).is_err(), "{bad}");
        }
        assert!(endpoint("ssh://x", Some(Path::new("/c"))).is_err());
    }
}
