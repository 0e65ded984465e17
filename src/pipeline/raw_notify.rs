//! Who is told what happens, as it is written, before anything is checked.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Entries, Short, Words};

/// An addressee of notices: `url` or `url_secret`, or `mail`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    /// Where notices are posted to, `https://…` or `http://…`. If whoever knows it can write there, keep it in a secret and name that by `url_secret`.
    pub(super) url: Option<String>,
    /// The name of a secret that holds the URL.
    pub(super) url_secret: Option<String>,
    /// `json`: refit's own; `slack`: Slack's incoming webhooks, which others understand too (default: `json`).
    pub(super) format: Option<NoticeFormat>,
    /// Further headers: a text, or `{ secret: … }`.
    #[serde(default)]
    pub(super) headers: Entries<Short<HeaderValue>>,
    /// The name of a secret: the body's HMAC-SHA256 by it is sent as `X-Refit-Signature: sha256=…` (default: no signature).
    pub(super) sign: Option<String>,
    /// By mail.
    pub(super) mail: Option<Mail>,
    /// What is told (default: all but `began` and `done`).
    pub(super) on: Option<Vec<NoticeKind>>,
}

/// A header's value from a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderValue {
    /// The name of the secret that holds the value.
    pub(super) secret: String,
}

/// The shape of what is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NoticeFormat {
    /// refit's own JSON.
    Json,
    /// Slack's incoming webhooks.
    Slack,
}

/// People who are told by mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    /// To whom: an address such as `ops@example.com` or `Ops <ops@example.com>`, or a list of them.
    pub(super) to: Words,
    /// From whom, likewise.
    pub(super) from: String,
    /// The server that takes the mail: `smtp://host`, `smtp://host:port` or `smtps://host`.
    pub(super) server: String,
    /// The user name (default: no login).
    pub(super) user: Option<String>,
    /// The name of the secret that holds the password.
    pub(super) password: Option<String>,
    /// `starttls` (port 587), `implicit` (port 465; TLS from the first byte on) or `none` (port 25) (default: `starttls`; `implicit` for `smtps://`).
    pub(super) tls: Option<MailTls>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MailTls {
    /// It begins in the clear and must become TLS.
    Starttls,
    /// TLS from the first byte on.
    Implicit,
    /// Not at all.
    None,
}

/// A kind of thing that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NoticeKind {
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
    /// Services are in between, and a person is needed.
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
