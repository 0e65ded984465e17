//! Why a daemon did not do what was asked.

use crate::api::Problem;

/// Why a daemon did not do what was asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ClientError {
    /// The URL is none.
    #[error("{url} is no address of a refit")]
    #[diagnostic(help("write it as https://refit.example.com:7334, or http://127.0.0.1:7334 on this machine"))]
    Url {
        /// What was given.
        url: String,
    },
    /// A token would travel in the clear.
    #[error("a token would travel to {url} for everybody to read")]
    #[diagnostic(help("let the daemon serve TLS (`--tls-cert`, `--tls-key`) and use https://, or go through `ssh -L`"))]
    Clear {
        /// Where to.
        url: String,
    },
    /// The token cannot be a token.
    #[error("the token in REFIT_TOKEN cannot be sent")]
    #[diagnostic(help("it is one line of text: `refit token add` prints one"))]
    Token,
    /// The client itself.
    #[error("no connection can be made from here")]
    Build {
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Nobody answers, or what is answered cannot be read.
    #[error("refit at {base} did not answer")]
    #[diagnostic(help("check that `refit serve` runs there, and that it can be reached: `curl {base}/healthz`"))]
    Silent {
        /// Where.
        base: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// It said no.
    #[error("{problem}")]
    #[diagnostic(help("{}", help(problem, base)))]
    Refused {
        /// Where.
        base: String,
        /// What it said.
        problem: Problem,
    },
}

fn help(problem: &Problem, base: &str) -> String {
    match problem.status {
        401 => format!("{base} needs a token: set REFIT_TOKEN to one that `refit token add` made there"),
        403 => "a token with another role may do it".to_owned(),
        _ => format!("{base} answered {}", problem.status),
    }
}
