//! Why a daemon did not do what was asked.

use std::error::Error;

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
    /// The certificates cannot be used.
    #[error("the file that `--server-ca` names holds no certificates")]
    #[diagnostic(help("it must hold the certificate of the authority, or of the daemon itself, in PEM"))]
    Authorities,
    /// The client itself.
    #[error("no connection can be made from here")]
    Build {
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Nobody answers.
    #[error("refit at {name} does not answer")]
    #[diagnostic(help("check that `refit serve` runs there, and that it can be reached from here"))]
    Silent {
        /// Where.
        name: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// Its certificate is not trusted.
    #[error("the certificate of {name} is not trusted: {why}")]
    #[diagnostic(help("`--server-ca FILE` (or REFIT_SERVER_CA) trusts the authority that signed it, or the certificate itself"))]
    Untrusted {
        /// Where.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something in front of it answers in its place.
    #[error("refit at {name} is away: {status}")]
    #[diagnostic(help("something in front of it answered in its place; check that `refit serve` runs there"))]
    Away {
        /// Where.
        name: String,
        /// What was answered.
        status: String,
    },
    /// Whoever answers is no refit, or another one than is understood here.
    #[error("{name} does not answer as a refit does: {why}")]
    #[diagnostic(help("check the URL; if there is a refit, use the same version here and there"))]
    Stranger {
        /// Where.
        name: String,
        /// What was unexpected.
        why: String,
    },
    /// It said no.
    #[error("{}", said(name, problem))]
    #[diagnostic(help("{}", help(name, problem)))]
    Refused {
        /// Where.
        name: String,
        /// What it said.
        problem: Box<Problem>,
    },
}

impl ClientError {
    /// Whether it lies at what was asked, and not at the world.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Clear { .. } | Self::Token | Self::Authorities | Self::Stranger { .. } => true,
            Self::Build { .. } | Self::Silent { .. } | Self::Untrusted { .. } | Self::Away { .. } => false,
            Self::Refused { problem, .. } => problem.status < 500,
        }
    }

    /// Whether it may be otherwise in a moment: the daemon is being started again, or the network is.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Away { .. } => true,
            Self::Refused { problem, .. } => problem.status >= 500,
            _ => false,
        }
    }

    /// The status that it answered, if it said no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { problem, .. } => Some(problem.status),
            _ => None,
        }
    }
}

fn said(name: &str, problem: &Problem) -> String {
    match (problem.status, problem.detail.is_empty()) {
        (401, _) => format!("{name} does not know this token, or got none"),
        (_, true) => problem.title.clone(),
        (_, false) => problem.detail.clone(),
    }
}

fn help(name: &str, problem: &Problem) -> String {
    match (problem.status, &problem.help) {
        (401, _) => "set REFIT_TOKEN (or REFIT_TOKEN_FILE) to a token that `refit token add NAME --role ROLE` made there".to_owned(),
        (_, Some(help)) => help.clone(),
        (403, None) => "a token with another role may do it".to_owned(),
        (status, None) => format!("{name} answered {status}"),
    }
}

/// What is wrong with the certificate that was shown, if that is what a request failed with.
pub(super) fn untrusted(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(format!("{why:?}"));
        }
        // The error of an I/O operation does not tell what it holds as its source.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
