//! BuildKit's errors in words that help: its inner doings cut away, and what is the engine's trouble told from what is the Dockerfile's.

use tonic::{Code, Status};

use crate::edge::{BuildError, EngineError};

/// What BuildKit puts before the words that matter, layer by layer.
const INNER_DOINGS: [&str; 7] = [
    "failed to solve: ",
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve with frontend gateway.v0: ",
    "failed to build LLB: ",
    "failed to create LLB definition: ",
    "failed to load cache key: ",
    "failed to compute cache key: ",
];

/// Cuts away what says only which part of BuildKit passed an error on.
pub(super) fn clean(text: &str) -> String {
    let mut rest = text.trim();
    loop {
        let before = rest;
        for prefix in INNER_DOINGS {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        if let Some((_, words)) = rest.strip_prefix("rpc error: code = ").and_then(|coded| coded.split_once(" desc = ")) {
            rest = words;
        }
        if rest == before {
            break;
        }
    }
    if let Some(pull) = unreachable_pull(rest) {
        return pull;
    }
    match rest.strip_prefix("executor failed running [").and_then(|run| run.split_once("]: ")) {
        Some((command, how)) => format!("RUN {} failed: {how}", command.strip_prefix("/bin/sh -c ").unwrap_or(command)),
        None => newer_run(rest).unwrap_or_else(|| rest.to_owned()),
    }
}

/// Newer engines: `process "/bin/sh -c false" did not complete successfully: exit code: 1`.
fn newer_run(text: &str) -> Option<String> {
    let (command, how) = text.strip_prefix("process \"")?.rsplit_once("\" did not complete successfully: ")?;
    Some(format!("RUN {} failed: {how}", command.strip_prefix("/bin/sh -c ").unwrap_or(command)))
}

/// An engine that cannot reach a registry names only the URL that it tried; the reader knows the image.
fn unreachable_pull(text: &str) -> Option<String> {
    let (request, why) = text.strip_prefix("failed to do request: ")?.split_once("\": ")?;
    let (registry, path) = request.split_once("://")?.1.split_once("/v2/")?;
    let (repository, version) = path.split_once("/manifests/")?;
    let registry = if registry == "registry-1.docker.io" { "docker.io" } else { registry };
    let sign = if version.starts_with("sha256:") { '@' } else { ':' };
    Some(format!("image {registry}/{repository}{sign}{version} is not on the builder and could not be pulled: {why}"))
}

/// What a refused solve means.
pub(super) fn solve_error(endpoint: &str, status: &Status) -> BuildError {
    let endpoint = endpoint.to_owned();
    let text = status.message();
    if is_lost(status) {
        return EngineError::Silent { endpoint, why: format!("the connection was lost during the build ({text})") }.into();
    }
    if text.contains("no space left on device") {
        return EngineError::DiskFull { endpoint, what: "build".into() }.into();
    }
    BuildError::Failed { why: clean(text) }
}

/// Whether the engine has gone. A status made here, by the transport, has a source; one that came over the wire has none.
fn is_lost(status: &Status) -> bool {
    use std::error::Error;
    // An engine that is being stopped cancels its builds; nobody else does, since we are still waiting.
    status.source().is_some() || status.code() == Code::Unavailable || status.code() == Code::Cancelled || status.message() == "context canceled"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text), expected);
        check(
            "failed to solve with frontend dockerfile.v0: failed to build LLB: executor failed running [/bin/sh -c false]: exit code: 1",
            "RUN false failed: exit code: 1",
        );
        check(
            "process \"/bin/sh -c echo \"a\" && false\" did not complete successfully: exit code: 2",
            "RUN echo \"a\" && false failed: exit code: 2",
        );
        check("rpc error: code = Unknown desc = failed to solve: nope:1: not found", "nope:1: not found");
        check(
            "failed to do request: Head \"https://registry-1.docker.io/v2/library/debian/manifests/12\": dial tcp: no such host",
            "image docker.io/library/debian:12 is not on the builder and could not be pulled: dial tcp: no such host",
        );
        check("dockerfile parse error line 2: unknown instruction: FRMO", "dockerfile parse error line 2: unknown instruction: FRMO");
    }

    #[test]
    fn the_engines_trouble_is_told_from_the_dockerfiles() {
        let check = |status: Status, expected: &str| {
            let kind = match solve_error("unix:///x", &status) {
                BuildError::Failed { .. } => "failed",
                BuildError::Engine(EngineError::DiskFull { .. }) => "full",
                BuildError::Engine(EngineError::Silent { .. }) => "silent",
                other => panic!("{other}"),
            };
            assert_eq!(kind, expected, "{status:?}");
        };
        check(Status::unknown("executor failed running [x]: exit code: 1"), "failed");
        check(Status::unknown("write /var/lib/x: no space left on device"), "full");
        check(Status::unavailable("gone"), "silent");
        check(Status::from_error(Box::new(std::io::Error::other("broken pipe"))), "silent");
        check(Status::unknown("context canceled"), "silent");
    }
}
