//! Tells people: sends one notice to one addressee, by HTTP or by mail.
//!
//! Once, and with a limit of time: when to try again is said by `notice`, and whoever calls this does not wait for it while a run goes on. Secrets are
//! read anew at every attempt, so one that was rotated is taken up. Neither they nor a URL, which may itself be one, come into an error.

mod mail;
mod secret;
mod web;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault;
use crate::model::Secret;
use crate::notice::{Answer, Notice};
use crate::pipeline::{Notify, NotifyTo};

/// One request, from the connection to the answer. Whoever takes longer is tried again later.
const HTTP_WAIT: Duration = Duration::from_secs(10);
/// One command of a mail server, and the greeting before.
const SMTP_WAIT: Duration = Duration::from_secs(10);
/// All of them together.
const MAIL_WAIT: Duration = Duration::from_secs(30);

/// A notice did not arrive, as far as is known: a server that takes it and then falls silent may be told twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{to}: {why}")]
pub struct NotSent {
    /// Where it was to go, without what nobody may know: scheme and host.
    pub to: String,
    /// What the other side said; [`next_attempt`](crate::notice::next_attempt) takes it.
    pub answer: Answer,
    /// Why.
    pub why: String,
}

/// Sends notices.
#[derive(Debug, Clone)]
pub struct Notifier {
    client: reqwest::Client,
    /// The variables of refit's environment that secrets name.
    environment: BTreeMap<String, Secret>,
}

impl Notifier {
    /// A sender, which opens no connection yet. `environment` has the variables that the secrets of addressees name.
    ///
    /// Errors if the machine's certificates cannot be read.
    pub fn new(environment: BTreeMap<String, Secret>) -> std::io::Result<Self> {
        // Whoever comes first installs it; a second time is no error to us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { client: web::client(HTTP_WAIT).map_err(std::io::Error::other)?, environment })
    }

    /// Sends a notice once. Whether the addressee wants that kind is the caller's to ask ([`Notify::on`]).
    pub async fn send(&self, notify: &Notify, notice: &Notice) -> Result<(), NotSent> {
        match &notify.to {
            NotifyTo::Web(target) => self.post(target, notice).await,
            NotifyTo::Mail(target) => self.mail(target, notice).await,
        }
    }
}

/// The causes of an error on one line, without what would move a terminal's cursor.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    fault::causes(error).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
