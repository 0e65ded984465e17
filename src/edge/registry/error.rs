//! Why a registry did not say what was asked.

use jiff::Timestamp;

use crate::trigger::watch::Answer;

/// Why a registry did not say what was asked. No variant holds a login, a token, or what a registry's answer had in its body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RegistryError {
    /// The registry does not have it.
    #[error("{registry} has no {what}")]
    #[diagnostic(help("check the name and the tag; some registries say so too of what a login is needed for: {}", login(registry)))]
    NotFound {
        /// Which registry.
        registry: String,
        /// What was asked for: `library/debian:bookworm`, `tags of shop/web`.
        what: String,
    },
    /// The image is not there for the platform.
    #[error("{what} of {registry} is not there for {platform}, only for {}", has.join(", "))]
    #[diagnostic(help("build for one of these platforms, or choose another base"))]
    NoPlatform {
        /// Which registry.
        registry: String,
        /// Which image.
        what: String,
        /// What was asked for.
        platform: String,
        /// What there is.
        has: Vec<String>,
    },
    /// The registry wants a login, or another one.
    #[error("{registry} does not show {what}: {why}")]
    #[diagnostic(help("check the name, and log in as the user who runs refit: {}", login(registry)))]
    Unauthorised {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why, as far as can be told.
        why: String,
    },
    /// The registry wants to be left alone.
    #[error("{registry} was asked too often{}", until.map(|until| format!(" and wants to be left alone until {until}")).unwrap_or_default())]
    #[diagnostic(help(
        "refit waits; a login has a higher limit with most registries ({}), a mirror none (`registries: {{ \"{registry}\": {{ mirror: … }} }}`)",
        login(registry)
    ))]
    RateLimited {
        /// Which registry.
        registry: String,
        /// Until then, if it said.
        until: Option<Timestamp>,
    },
    /// Nobody answered, or not in time, or not who should.
    #[error("{registry} cannot be reached: {why}")]
    #[diagnostic(help("{}", reach(registry, why)))]
    Unreachable {
        /// Which registry.
        registry: String,
        /// What the attempt said.
        why: String,
    },
    /// The answer is larger than anything of its kind.
    #[error("{what} of {registry}: there is more than {most} of it, which refit does not read")]
    #[diagnostic(help("see with `curl` or `skopeo` what the registry sends; a tag can be watched instead of followed"))]
    TooLarge {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The bound, with its unit.
        most: String,
    },
    /// The registry answered, and not as a registry does.
    #[error("{registry} gave no proper answer for {what}: {why}")]
    #[diagnostic(help("the registry's own log says more; refit asks again by itself"))]
    Broken {
        /// Which registry.
        registry: String,
        /// What was asked for.
        what: String,
        /// The HTTP status, if that was it.
        status: Option<u16>,
        /// What is wrong with the answer.
        why: String,
    },
}

impl RegistryError {
    /// What it means for the next question.
    pub fn answer(&self) -> Answer {
        match self {
            Self::RateLimited { until, .. } => Answer::TooMany { until: *until },
            _ => Answer::Failed,
        }
    }
}

/// How people log in; Docker Hub is the registry that needs no name.
fn login(registry: &str) -> String {
    if registry == "docker.io" { "`docker login`".to_owned() } else { format!("`docker login {registry}`") }
}

/// What to do about a registry that cannot be reached. The first line that fits counts.
fn reach(registry: &str, why: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let entry = |setting: &str| format!("`registries: {{ \"{registry}\": {{ {setting} }} }}`");
    if says(&["InvalidContentType", "corrupt message"]) {
        return format!("it seems to speak plain HTTP: give it a certificate, or say so by {}", entry("insecure: true"));
    }
    if says(&["certificate", "UnknownIssuer", "authorit"]) {
        return format!("name the file with its authority by {}, or add that to this machine's own", entry("ca: certs/ca.pem"));
    }
    if says(&["lookup", "dns", "resolve", "not known"]) {
        return format!("check the name: `getent hosts {}`", registry.split(':').next().unwrap_or(registry));
    }
    format!("see that {registry} is up and can be reached from this machine; refit asks again by itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_the_next_move() {
        let check = |error: RegistryError, message: &str, next: &str| {
            let help = miette::Diagnostic::help(&error).unwrap().to_string();
            assert!(error.to_string().contains(message) && help.contains(next), "{error}: {help}");
        };
        let of = |registry: &str| (registry.to_owned(), "library/debian:12".to_owned());
        let (registry, what) = of("docker.io");
        check(RegistryError::NotFound { registry, what }, "docker.io has no library/debian:12", "`docker login`");
        let (registry, what) = of("r.example.com:5000");
        check(RegistryError::Unauthorised { registry, what, why: "it says 401".into() }, "it says 401", "`docker login r.example.com:5000`");
        let until = "2026-09-01T00:00:00Z".parse().ok();
        check(RegistryError::RateLimited { registry: "docker.io".into(), until }, "alone until 2026-09-01", "{ \"docker.io\": { mirror: … } }");
        for (why, next) in [
            ("received corrupt message of type InvalidContentType", "insecure: true"),
            ("invalid peer certificate: UnknownIssuer", "ca: certs/ca.pem"),
            ("failed to lookup address information: Name or service not known", "`getent hosts r.example.com`"),
            ("Connection refused (os error 111)", "is up"),
        ] {
            check(RegistryError::Unreachable { registry: "r.example.com:5000".into(), why: why.into() }, why, next);
        }
    }
}
