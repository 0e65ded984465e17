//! What to do about an engine's no: the next move for the refusals that people meet most, and where to look for the others.

use crate::model::ImageRef;

/// The next move after `endpoint` refused to do `what` because of `why`.
pub(super) fn help(endpoint: &str, what: &str, why: &str) -> String {
    if let Some(image) = what.strip_prefix("pull ")
        && let Some((_, next)) = PULLS.iter().find(|(words, _)| says(why, words))
    {
        return next(&registry_of(image));
    }
    if says(why, &["Permission denied (os error 13)"]) {
        return "this user may not use the engine: add it to the group of the socket (mostly `docker`) and log in anew, or run refit as one who may"
            .into();
    }
    if says(why, &["port is already allocated", "address already in use"]) {
        return format!("{} shows which container has the port; stop that one, or publish another port", command(endpoint, "ps"));
    }
    if says(why, &["certificate"]) {
        return "check the folder that `tls:` of this endpoint names: ca.pem must have signed the engine's certificate, and the engine's own CA cert.pem".into();
    }
    let log = "the engine's own log on its machine says more (`journalctl -u docker`)";
    format!("asked again it will say the same until the cause is gone; {log}")
}

/// What to do, given the registry.
type NextMove = fn(&str) -> String;

/// What a pull is refused with, and the next move, given the registry. The first line that fits counts: a name that nobody knows may time out, too.
const PULLS: [(&[&str], NextMove); 7] = [
    (&["no such host", "dial tcp: lookup ", "server misbehaving"], |registry| {
        format!(
            "the builder's machine knows no {registry}: check the name, and there `getent hosts {}`",
            registry.split(':').next().unwrap_or(registry)
        )
    }),
    (&["server gave HTTP response to HTTPS client"], |registry| {
        format!("{registry} speaks no TLS: give it a certificate, or name it under `insecure-registries` in the builder's /etc/docker/daemon.json")
    }),
    (&["x509: ", "certificate"], |registry| {
        format!(
            "the builder does not trust {registry}: put the CA of its certificate into /etc/docker/certs.d/{registry}/ca.crt on the builder's machine"
        )
    }),
    (&["toomanyrequests", "rate limit"], |registry| format!("wait, or log in as the user who runs refit, for a higher limit: {}", login(registry))),
    (&["credential helper", "login in Docker's configuration"], |registry| {
        format!("mend it as the user who runs refit, or log in anew: {}", login(registry))
    }),
    (&["denied", "unauthorized", "authentication required", "no basic auth", "incorrect username or password"], |registry| {
        format!("check the name, and log in as the user who runs refit: {}", login(registry))
    }),
    (&["connection refused", "i/o timeout", "no route to host", "Client.Timeout", "deadline exceeded", "connection reset", "EOF"], |registry| {
        format!("see that {registry} is up and can be reached from the builder's machine; `--offline` takes the images that are there")
    }),
];

/// How people log in; Docker Hub is the registry that needs no name.
fn login(registry: &str) -> String {
    if registry == "docker.io" { "`docker login`".to_owned() } else { format!("`docker login {registry}`") }
}

fn registry_of(image: &str) -> String {
    image.parse::<ImageRef>().map_or_else(|_| "the registry".to_owned(), |image| image.registry().to_owned())
}

fn says(why: &str, words: &[&str]) -> bool {
    words.iter().any(|word| why.contains(word))
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
        // A container's own program may be denied something too: no login helps there.
        check("start container web", "exec: \"/run.sh\": permission denied: unknown", "journalctl -u docker");
        check("open a connection", "invalid peer certificate: UnknownIssuer", "`tls:`");
        check("create container web", "status 500", "journalctl -u docker");
        assert!(help("the host", "start it", "port is already allocated").starts_with("`docker ps` there"));
    }

    #[test]
    fn each_pull_that_is_refused_has_a_next_move() {
        let check = |image: &str, why: &str, part: &str| {
            let help = help("tcp://h:2375", &format!("pull {image}"), why);
            assert!(help.contains(part), "{image}: {why}: {help}");
        };
        let there = |rest: &str| format!("Get \"https://r.example.com:5000/v2/\": {rest}");
        check("acme/web:1", "pull access denied for acme/web, repository does not exist or may require 'docker login'", "`docker login`");
        check("r.example.com:5000/os:1", &there("no basic auth credentials"), "`docker login r.example.com:5000`");
        check("r.example.com:5000/os:1", &there("unauthorized: authentication required"), "`docker login r.example.com:5000`");
        check("r.example.com:5000/os:1", "the credential helper docker-credential-x failed", "`docker login r.example.com:5000`");
        check("acme/web:1", "toomanyrequests: You have reached your pull rate limit", "`docker login`");
        check("r.example.com:5000/os:1", &there("dial tcp: lookup r.example.com: no such host"), "`getent hosts r.example.com`");
        check("r.example.com:5000/os:1", &there("dial tcp: lookup r.example.com: i/o timeout"), "`getent hosts r.example.com`");
        check("r.example.com:5000/os:1", &there("dial tcp 10.0.0.1:5000: connect: connection refused"), "`--offline`");
        check("r.example.com:5000/os:1", &there("http: server gave HTTP response to HTTPS client"), "insecure-registries");
        check("r.example.com:5000/os:1", &there("x509: certificate signed by unknown authority"), "certs.d/r.example.com:5000/ca.crt");
    }
}
