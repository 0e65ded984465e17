//! A Dockerfile that names its frontend (`# syntax=docker/dockerfile:1`) on a builder that cannot fetch it.
//!
//! BuildKit runs such a frontend as a container from a registry, so an estate without one could not build at all, although the frontend
//! that is built into the engine reads almost every such file. So: as the Dockerfile says first, and where that image cannot be had,
//! the built-in frontend, with a line in the build's log that says so. Only for Docker's own frontend: another one speaks another language.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Builders (by endpoint) on which Docker's frontend could not be had: asking again costs each build a name server's patience.
static UNREACHABLE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The reference of the `# syntax` directive, if it is one of Docker's own frontends.
pub(super) fn official_frontend(dockerfile: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(dockerfile);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
        if key.trim().eq_ignore_ascii_case("syntax") {
            let reference = value.split_whitespace().next()?;
            let name = reference.strip_prefix("docker.io/").unwrap_or(reference);
            let repository = name.split([':', '@']).next()?;
            return ["docker/dockerfile", "docker/dockerfile-upstream"].contains(&repository).then(|| reference.to_owned());
        }
    }
    None
}

/// Whether the failure of a build is that its frontend could not be had.
pub(super) fn is_missing_frontend(frontend: &str, failure: &str) -> bool {
    let name = frontend.split('@').next().unwrap_or(frontend);
    failure.contains(name) && !failure.contains("parse error") || failure.contains("docker/dockerfile")
}

pub(super) fn is_known_unreachable(endpoint: &str) -> bool {
    UNREACHABLE.lock().unwrap_or_else(PoisonError::into_inner).contains(endpoint)
}

pub(super) fn note_unreachable(endpoint: &str) {
    UNREACHABLE.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_frontends_are_known() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(official_frontend(text.as_bytes()).as_deref(), expected, "{text:?}");
        check("# syntax=docker/dockerfile:1\nFROM a\n", Some("docker/dockerfile:1"));
        check("#escape=`\n#Syntax = docker.io/docker/dockerfile:1.7@sha256:00\r\nFROM a\n", Some("docker.io/docker/dockerfile:1.7@sha256:00"));
        check("# syntax=example.com/own:1\nFROM a\n", None);
        check("# a comment\n# syntax=docker/dockerfile:1\nFROM a\n", None);
        check("FROM a\n# syntax=docker/dockerfile:1\n", None);
        check("", None);
    }
}
