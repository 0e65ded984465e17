//! Triggers, freezes and maintenance windows as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Text, Words};

/// What begins a patch cycle by itself: all bases are looked at, and everything out of date is rebuilt and rolled as one run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    /// When, as five cron fields.
    pub(super) cron: String,
    /// The time zone that `cron` is meant in (default: `UTC`).
    pub(super) timezone: Option<String>,
    /// How long after that its run may go on; then it stops at a safe point, and goes on in the next one (default: until it is done).
    pub(super) window: Option<String>,
    /// A run begins at most so much later, always the same for the same occurrence (default: `0s`).
    pub(super) jitter: Option<String>,
    /// `security` passes freezes that allow it (default: `normal`).
    pub(super) priority: Option<Priority>,
    /// Which images are rebuilt even where nothing below them moved: those that are `marked` by their `refresh: always`, `all` or `never`
    /// (default: `marked`).
    pub(super) refresh: Option<CycleRefresh>,
}

/// Whether a run may pass where others wait.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Priority {
    /// It waits.
    Normal,
    /// It passes freezes that allow it, and needs no maintenance window.
    Security,
}

/// Which images a patch cycle rebuilds even where nothing below them moved.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CycleRefresh {
    /// Those that say `refresh: always`.
    Marked,
    /// All of them.
    All,
    /// None.
    Never,
}

/// Whether an image is rebuilt although nothing below it moved.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refresh {
    /// Only when something moved.
    OnChange,
    /// In every patch cycle.
    Always,
}

/// A time in which nothing is rolled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Freeze {
    /// Its first day, such as `2026-12-20`, or the moment at which it begins: `2026-12-20T18:00`.
    pub(super) from: String,
    /// Its last day, which is part of it, or the moment at which it is over.
    pub(super) to: String,
    /// The time zone of both (default: `UTC`).
    pub(super) timezone: Option<String>,
    /// Why, for those who wait.
    pub(super) reason: Option<String>,
    /// The services that it holds (default: all that is in the estate).
    #[serde(default)]
    pub(super) services: Vec<String>,
    /// Who may pass it: `nothing`, or runs whose priority is `security` (default: `nothing`).
    pub(super) allow: Option<FreezeAllow>,
}

/// Who may pass a freeze.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FreezeAllow {
    /// Nobody.
    Nothing,
    /// Runs whose priority is `security`.
    Security,
}

/// A time of the week in which runs by webhook and poll may begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// The days on which it opens, such as `MON-FRI` or `SAT,SUN`, or a list of them (default: every day).
    pub(super) days: Option<Words>,
    /// When it opens, such as `"22:00"`.
    pub(super) from: Text,
    /// When it closes, such as `"04:00"`; on the next day if that is earlier than `from`. `"24:00"` is the end of the day.
    pub(super) to: Text,
    /// The time zone of both (default: `UTC`).
    pub(super) timezone: Option<String>,
}
