//! How registries are reached.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ImageRef;

/// How a registry is reached where it is not as any other: with TLS, the machine's own authorities and nobody in between.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryAccess {
    /// Registries that are asked first, in this order.
    pub mirrors: Vec<Mirror>,
    /// Whether it speaks plain HTTP.
    pub insecure: bool,
    /// A file of authorities that are trusted for it besides the machine's own, absolute.
    pub ca: Option<PathBuf>,
}

/// A registry that has another one's images, under the same repositories or below a path of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Mirror {
    /// Its host, and its port if it has one.
    pub host: String,
    /// What stands before the repository there, without slashes at the ends; mostly empty.
    pub path: String,
}

impl Mirror {
    /// Reads `mirror.example.com:5000` or `harbor.example.com/hub`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("expected a registry such as `mirror.example.com:5000` or `harbor.example.com/hub`, found `{}`", text.escape_debug());
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let bare = bare.strip_suffix('/').unwrap_or(bare);
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        // Two parts behind it: of one alone Docker Hub would make `library/x`.
        let path_of = if path.is_empty() { "x/x".to_owned() } else { format!("{path}/x") };
        let reference: ImageRef = format!("{host}/{path_of}").parse().map_err(|_| refuse())?;
        let is_host = reference.registry() == host && reference.repository() == path_of;
        if is_host { Ok(Self { host: host.to_owned(), path: path.to_owned() }) } else { Err(refuse()) }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

impl TryFrom<String> for Mirror {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Mirror> for String {
    fn from(mirror: Mirror) -> String {
        mirror.to_string()
    }
}

/// The name of a registry as image references have it: `registry.example.com:5000`, `docker.io`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let mirror = Mirror::parse(text).ok().filter(|mirror| mirror.path.is_empty() && mirror.host == text);
    // Docker Hub has more names than one; references know only this.
    let is_hub = matches!(text, "index.docker.io" | "registry-1.docker.io");
    if is_hub {
        return Ok("docker.io".to_owned());
    }
    mirror.map(|mirror| mirror.host).ok_or_else(|| {
        format!("expected a registry's name such as `registry.example.com:5000`, found `{}`: neither a scheme nor a path", text.escape_debug())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read() {
        for (text, host, path) in [
            ("mirror.example.com:5000", "mirror.example.com:5000", ""),
            ("https://mirror.example.com/", "mirror.example.com", ""),
            ("harbor.example.com/hub/proxy", "harbor.example.com", "hub/proxy"),
            ("localhost:5000", "localhost:5000", ""),
            ("[::1]:5000", "[::1]:5000", ""),
        ] {
            let mirror = Mirror::parse(text).unwrap();
            assert_eq!((mirror.host.as_str(), mirror.path.as_str()), (host, path), "{text}");
            assert_eq!(Mirror::parse(&mirror.to_string()), Ok(mirror));
        }
        for bad in
            ["", "/", "mirror", "http://mirror.example.com", "https://", "m.example.com//x", "m.example.com/Hub", "m.example.com/a b", "user@m.com"]
        {
            assert!(Mirror::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn registries_are_named_as_references_name_them() {
        for (text, expected) in
            [("docker.io", Some("docker.io")), ("index.docker.io", Some("docker.io")), ("r.example.com:5000", Some("r.example.com:5000"))]
        {
            assert_eq!(name(text).ok().as_deref(), expected, "{text}");
        }
        for bad in ["", "https://r.example.com", "r.example.com/", "r.example.com/x", "debian"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
