//! What bollard says, in refit's own few words: silent, refused, missing, disk full.

use std::error::Error as _;
use std::io;

use bollard::errors::Error as BollardError;

use crate::edge::EngineError;
use crate::fault;

/// Translates an error of a call that was to do `what`.
pub(super) fn understand(endpoint: &str, what: &str, error: BollardError) -> EngineError {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => answered(endpoint, what, status_code, &message),
        BollardError::DockerStreamError { error } | BollardError::DockerContainerWaitError { error, .. } => answered(endpoint, what, 500, &error),
        BollardError::RequestTimeoutError => silent(endpoint, "no answer in time"),
        BollardError::HyperLegacyError { .. } | BollardError::HyperResponseError { .. } | BollardError::IOError { .. } => {
            unreachable(endpoint, what, &error)
        }
        other => refused(endpoint, what, &causes(&other)),
    }
}

/// Translates the engine's own no.
pub(super) fn answered(endpoint: &str, what: &str, status: u16, message: &str) -> EngineError {
    let message = message.trim();
    if message.contains("no space left on device") {
        return EngineError::DiskFull { endpoint: endpoint.to_owned(), what: what.to_owned() };
    }
    match status {
        404 if let Some(missing) = missing(message) => EngineError::Missing { endpoint: endpoint.to_owned(), what: missing },
        _ if message.is_empty() => refused(endpoint, what, &format!("status {status}")),
        _ => refused(endpoint, what, message),
    }
}

pub(super) fn refused(endpoint: &str, what: &str, why: &str) -> EngineError {
    EngineError::Refused { endpoint: endpoint.to_owned(), what: what.to_owned(), why: why.to_owned() }
}

pub(super) fn silent(endpoint: &str, why: &str) -> EngineError {
    EngineError::Silent { endpoint: endpoint.to_owned(), why: why.to_owned() }
}

/// A broken connection is silence; a certificate, a permission or a login that is refused will be so the next time too.
fn unreachable(endpoint: &str, what: &str, error: &BollardError) -> EngineError {
    let why = causes(error);
    let mut for_good = matches!(error, BollardError::IOError { err } if is_barred(err));
    let mut source = error.source();
    while let Some(cause) = source {
        for_good |= cause.downcast_ref::<io::Error>().is_some_and(is_barred);
        source = cause.source();
    }
    if for_good { refused(endpoint, what, &why) } else { silent(endpoint, &why) }
}

/// Looks into an error and into those that it wraps: `source()` leaves out the one that is wrapped right beneath.
fn is_barred(error: &io::Error) -> bool {
    let wrapped = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData) || wrapped.is_some_and(is_barred)
}

/// `No such image: web:1` and `network shop_front not found` as the thing that is missing.
fn missing(message: &str) -> Option<String> {
    let message = message.strip_prefix("Error response from daemon: ").unwrap_or(message);
    if let Some(rest) = message.strip_prefix("No such ").or_else(|| message.strip_prefix("no such ")) {
        // Some versions say it twice: `no such image: web:1: No such image: web:1`.
        let once = rest.split(": No such ").next().unwrap_or(rest);
        return Some(once.replacen(": ", " ", 1));
    }
    if let Some(name) = message.strip_prefix("get ").and_then(|rest| rest.strip_suffix(": no such volume")) {
        return Some(format!("volume {name}"));
    }
    // Newer engines say first what they were about to do.
    let last = message.rsplit(": ").next()?;
    last.strip_suffix(" not found").filter(|rest| rest.starts_with("network ")).map(str::to_owned)
}

/// An error with all its causes, without the layers of the HTTP client.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    without_layers(&fault::causes(error))
}

/// The HTTP client's own layers say nothing to a person; what is behind them does.
const LAYERS: [&str; 4] = ["Error in the hyper legacy client: ", "client error (Connect): ", "client error (SendRequest): ", "tcp connect error: "];

fn without_layers(text: &str) -> String {
    let mut rest = text;
    while let Some(inner) = LAYERS.iter().find_map(|layer| rest.strip_prefix(layer)) {
        rest = inner;
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_become_one_of_four() {
        let check = |status: u16, message: &str, expected: &str| {
            assert_eq!(answered("unix:///s", "create container web", status, message).to_string(), expected);
        };
        check(404, "No such image: web:1", "engine unix:///s has no image web:1");
        check(404, "no such image: web:1: No such image: web:1", "engine unix:///s has no image web:1");
        check(404, "No such container: abc", "engine unix:///s has no container abc");
        check(404, "network shop_front not found", "engine unix:///s has no network shop_front");
        check(404, "failed to set up container networking: network back not found", "engine unix:///s has no network back");
        check(404, "get data: no such volume", "engine unix:///s has no volume data");
        check(404, "page not found", "engine unix:///s refused to create container web: page not found");
        check(409, "Conflict. The name is in use", "engine unix:///s refused to create container web: Conflict. The name is in use");
        check(500, "write /x: no space left on device", "engine unix:///s has no space left on its disk to create container web");
        check(502, "", "engine unix:///s refused to create container web: status 502");
    }

    #[test]
    fn the_clients_layers_are_left_out() {
        let text = "Error in the hyper legacy client: client error (Connect): Connection refused (os error 111)";
        assert_eq!(without_layers(text), "Connection refused (os error 111)");
        assert_eq!(without_layers("broken: tcp connect error: x"), "broken: tcp connect error: x");
    }

    #[test]
    fn a_timeout_is_silence() {
        assert!(understand("e", "ask", BollardError::RequestTimeoutError).is_silence());
        let broken = io::Error::new(io::ErrorKind::ConnectionReset, "reset");
        assert!(understand("e", "ask", BollardError::IOError { err: broken }).is_silence());
        let barred = io::Error::other(io::Error::new(io::ErrorKind::PermissionDenied, "denied"));
        assert!(!understand("e", "ask", BollardError::IOError { err: barred }).is_silence());
    }
}
