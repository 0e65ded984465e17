//! Who is told what happens in the estate, and by which way: checked.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estate::SecretSource;
use crate::model::Place;

/// One addressee of notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notify {
    /// Where it was written.
    pub at: Place,
    /// By which way it is told.
    pub to: NotifyTo,
    /// What it is told.
    pub on: BTreeSet<NoticeKind>,
}

impl Notify {
    /// Every secret that must be read before a notice can be sent there.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let all: Vec<&SecretSource> = match &self.to {
            NotifyTo::Web(web) => {
                let plain_or_secret = std::iter::once(&web.url).chain(web.headers.values());
                plain_or_secret.filter_map(GivenValue::secret).chain(&web.sign).collect()
            }
            NotifyTo::Mail(mail) => mail.login.iter().map(|login| &login.password).collect(),
        };
        all.into_iter()
    }
}

/// The way by which an addressee is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyTo {
    /// A POST to a web server.
    Web(WebTarget),
    /// A mail.
    Mail(MailTarget),
}

/// A web server that notices are posted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebTarget {
    /// `http://` or `https://`. Whoever knows it may be able to write there, so it counts as a secret wherever it is shown.
    pub url: GivenValue,
    /// The shape of what is sent.
    pub format: NoticeFormat,
    /// Further headers by name.
    pub headers: BTreeMap<String, GivenValue>,
    /// The key of the signature; none is made without.
    pub sign: Option<SecretSource>,
}

/// A value that stands in the pipeline, or comes from a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GivenValue {
    /// As it was written.
    Plain(String),
    /// What the secret holds when it is needed.
    Secret(SecretSource),
}

impl GivenValue {
    /// The secret that it comes from.
    pub fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(source) => Some(source),
        }
    }
}

/// The shape of a notice that is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeFormat {
    /// refit's own JSON.
    #[default]
    Json,
    /// Slack's incoming webhooks, which others understand too (Mattermost, Rocket.Chat, Discord's `/slack`).
    Slack,
}

/// People who are told by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailTarget {
    /// To whom, one mail for all: `ops@example.com` or `Ops <ops@example.com>`. Never empty.
    pub to: Vec<String>,
    /// From whom.
    pub from: String,
    /// The name or address of the server that takes the mail.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection to it is protected.
    pub tls: MailTls,
    /// With which user name and password; none if the server takes mail without.
    pub login: Option<MailLogin>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// It begins in the clear and must become TLS before anything is said. Port 587 by default.
    #[default]
    Starttls,
    /// TLS from the first byte on. Port 465 by default.
    Implicit,
    /// Not at all. Port 25 by default.
    None,
}

/// A login to a mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailLogin {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretSource,
}

/// A kind of thing that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A run began.
    Began,
    /// A run waits for a person's approval.
    Waits,
    /// A run stands still until a person speaks.
    Paused,
    /// A run failed before it changed anything on a host, or some of its builds did.
    Failed,
    /// Services went back to their release before.
    RolledBack,
    /// A run came to its end, and all is as it was planned.
    Done,
    /// A run came to its end, but for hosts left behind or slots that failed.
    InPart,
    /// A run cannot go on and cannot go back: services are in between, and a person is needed.
    Stuck,
    /// A person ended a run.
    Aborted,
    /// A release, and the bases that moved with it, are held in quarantine.
    Quarantined,
    /// The pipelines cannot be used as they are now; the estate from before stays in force.
    EstateBroken,
    /// What runs is not what was released.
    Drift,
}

impl NoticeKind {
    /// All of them, as they are documented.
    pub const ALL: [Self; 12] = [
        Self::Began,
        Self::Waits,
        Self::Paused,
        Self::Failed,
        Self::RolledBack,
        Self::Done,
        Self::InPart,
        Self::Stuck,
        Self::Aborted,
        Self::Quarantined,
        Self::EstateBroken,
        Self::Drift,
    ];

    /// The kind as a pipeline writes it: `rolled-back`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Waits => "waits",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Done => "done",
            Self::InPart => "in-part",
            Self::Stuck => "stuck",
            Self::Aborted => "aborted",
            Self::Quarantined => "quarantined",
            Self::EstateBroken => "estate-broken",
            Self::Drift => "drift",
        }
    }

    /// Whether an addressee that does not say what it wants is told. That a run began, and that all went well, is no news to most people.
    pub fn is_told_by_default(self) -> bool {
        !matches!(self, Self::Began | Self::Done)
    }
}

impl std::fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
