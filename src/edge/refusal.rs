//! What to do about an engine's no: the next move for the refusals that people meet most, and where to look for the others.

/// The next move after `endpoint` refused to do `what` because of `why`.
pub(super) fn help(endpoint: &str, what: &str, why: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["Permission denied (os error 13)"]) {
        return "this user may not use the engine: add it to the group of the socket (mostly `docker`) and log in anew, or run refit as one who may"
            .into();
    }
    if says(&["port is already allocated", "address already in use"]) {
        return format!("{} shows which container has the port; stop that one, or publish another port", command(endpoint, "ps"));
    }
    if what.starts_with("pull ") && says(&["denied", "unauthorized", "authentication required", "no basic auth"]) {
        return "check the name, or log in to its registry with `docker login` as the user who runs refit".into();
    }
    if says(&["certificate"]) {
        return "check the folder that `tls:` of this endpoint names: ca.pem must have signed the engine's certificate, and the engine's own CA cert.pem".into();
    }
    let log = "the engine's own log on its machine says more (`journalctl -u docker`)";
    format!("asked again it will say the same until the cause is gone; {log}")
}

/// A command of Docker's client for that engine; errors that come from in between have no address to give it.
fn command(endpoint: &str, words: &str) -> String {
    if endpoint.contains("://") { format!("`docker -H {endpoint} {words}`") } else { format!("`docker {words}` there") }
}

#[cfg(test)]
mod tests {
    use super::help;

    #[test]
    fn each_refusal_has_a_next_move() {
        let check = |what: &str, why: &str, part: &str| {
            let help = help("tcp://h:2375", what, why);
            assert!(help.contains(part), "{what}: {why}: {help}");
        };
        check("ask for its version", "Permission denied (os error 13)", "may not use the engine");
        check("start container web", "Bind for 0.0.0.0:80 failed: port is already allocated", "`docker -H tcp://h:2375 ps` shows");
        check("pull acme/web:1", "pull access denied for acme/web", "docker login");
        // A container's own program may be denied something too: no login helps there.
        check("start container web", "exec: \"/run.sh\": permission denied: unknown", "journalctl -u docker");
        check("open a connection", "invalid peer certificate: UnknownIssuer", "`tls:`");
        check("create container web", "status 500", "journalctl -u docker");
        assert!(help("the host", "start it", "port is already allocated").starts_with("`docker ps` there"));
    }
}
