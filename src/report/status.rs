//! `refit status` as a table.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::format_duration;
use crate::rollout::SlotStatus;

/// The table's lines, a line for each reason why a slot is unhealthy, and a closing line that says whether all is well.
pub fn as_text(statuses: &[SlotStatus], now: Timestamp) -> Vec<String> {
    if statuses.is_empty() {
        return vec!["the estate has no services".into()];
    }
    let row = |status: &SlotStatus| {
        [
            status.service.to_string(),
            status.host.to_string(),
            status.index.to_string(),
            status.release.map_or_else(|| "-".into(), |release| release.to_string()),
            status.image.map_or_else(|| "-".into(), |image| image.short()),
            status.health.to_owned(),
            status.since.map_or_else(|| "-".into(), |since| ago(now, since)),
            status.drift.clone().unwrap_or_default(),
        ]
    };
    let drifted = statuses.iter().filter(|status| status.drift.is_some()).count();
    let unwell = statuses.iter().filter(|status| !status.is_well()).count();
    let drained = statuses.iter().filter(|status| status.health == "drained").count();
    let drained = if drained == 0 { String::new() } else { format!("; {drained} drained") };
    let slots = super::count(statuses.len(), "slot");
    let mut lines = super::table(["SERVICE", "HOST", "SLOT", "RELEASE", "IMAGE", "HEALTH", "SINCE", "DRIFT"], statuses.iter().map(row));
    lines.push(String::new());
    lines.extend(statuses.iter().filter_map(reason));
    lines.push(if drifted == 0 && unwell == 0 {
        format!("{slots}, all healthy and as released{drained}")
    } else {
        format!("{slots}, {unwell} not healthy, {drifted} not as released{drained}")
    });
    lines
}

/// What speaks against a slot. The output of a check may have many lines, which are one here.
fn reason(status: &SlotStatus) -> Option<String> {
    let why = status.why.as_ref()?.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(format!("{}@{}/{} is {}: {why}", status.service, status.host, status.index, status.health))
}

fn ago(now: Timestamp, since: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0).unsigned_abs();
    format_duration(Duration::from_secs(seconds))
}
