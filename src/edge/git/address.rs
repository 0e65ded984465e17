//! URLs of repositories: in the one form that the transports take, and without what must not be shown.

/// A repository's URL with `scp`'s short form written out. `host:path` counts from the user's home, which `/./` stands for.
pub(super) fn normal(url: &str) -> String {
    let Some((host, path)) = short_form(url) else { return url.to_owned() };
    match path.starts_with('/') {
        true => format!("ssh://{host}{path}"),
        false => format!("ssh://{host}/./{path}"),
    }
}

/// `host:path`, `user@[::1]:path` or `[host:port]:path`; what has a slash before the colon is a folder.
fn short_form(url: &str) -> Option<(&str, &str)> {
    let colon = match url.find('[').filter(|&open| !url[..open].contains([':', '/'])) {
        Some(_) => url.find("]:")? + 1,
        None => url.find(':')?,
    };
    let (host, path) = (&url[..colon], &url[colon + 1..]);
    (!url.contains("://") && !host.contains('/') && host.len() > 1).then_some((host, path))
}

/// A URL for messages: whatever stands before the host of an `http` URL may be a token.
pub fn redact(url: &str) -> String {
    match split_user(url) {
        Some((scheme, _, rest)) if scheme.starts_with("http") => format!("{scheme}://***@{rest}"),
        Some((scheme, user, rest)) => format!("{scheme}://{}@{rest}", user.split(':').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}

/// Scheme, user part and the rest of a URL that has a user part.
pub(super) fn split_user(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let at = authority.rfind('@')?;
    Some((scheme, &rest[..at], &rest[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_written_out() {
        for (url, expected) in [
            ("git@host:team/shop.git", "ssh://git@host/./team/shop.git"),
            ("host:/srv/shop", "ssh://host/srv/shop"),
            ("me@[::1]:shop", "ssh://me@[::1]/./shop"),
            ("[host:22]:/srv/shop", "ssh://[host:22]/srv/shop"),
            ("https://host/x", "https://host/x"),
            ("ssh://host:22/x", "ssh://host:22/x"),
            ("/srv/a:b", "/srv/a:b"),
            ("./a:b", "./a:b"),
        ] {
            assert_eq!(normal(url), expected);
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        for (url, expected) in [
            ("https://ghp_secret@host/x@y", "https://***@host/x@y"),
            ("https://user:p@ss@host/x", "https://***@host/x"),
            ("ssh://git:pw@host/x", "ssh://git@host/x"),
            ("https://host/x", "https://host/x"),
            ("/srv/x", "/srv/x"),
        ] {
            assert_eq!(redact(url), expected);
        }
    }
}
