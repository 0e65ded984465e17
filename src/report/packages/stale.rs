//! `refit status --stale`.

use jiff::Timestamp;

use crate::inquiry::{BaseBehind, ServiceBehind};
use crate::workshop::FoundStaleness;

/// A line for each service, and one that sums it up.
pub fn stale(found: &FoundStaleness, now: Timestamp) -> Vec<String> {
    let behind = &found.services;
    if behind.is_empty() {
        return vec!["no service was rolled yet".to_owned()];
    }
    let row = |one: &ServiceBehind| {
        let bases: Vec<String> = one.bases.iter().map(|base| base.base.familiar()).collect();
        [
            one.service.to_string(),
            one.image.clone(),
            one.release.to_string(),
            if bases.is_empty() { "-".to_owned() } else { super::few(&bases) },
            days(&one.bases, now),
            match &one.fixes {
                Some(fixes) if fixes.is_empty() => "-".to_owned(),
                Some(fixes) => fixes.len().to_string(),
                None => "not read".to_owned(),
            },
            one.unfixed.map_or_else(|| "not read".to_owned(), |unfixed| if unfixed == 0 { "-".to_owned() } else { unfixed.to_string() }),
        ]
    };
    let header = ["SERVICE", "IMAGE", "RELEASE", "BASES BEHIND", "DAYS BEHIND", "FIXES WAITING", "WITHOUT FIX"];
    let mut lines = crate::report::table(header, behind.iter().map(row));
    let stale = behind.iter().filter(|one| one.is_stale()).count();
    lines.push(String::new());
    lines.push(match stale {
        0 if !found.warnings.is_empty() => format!("{}, none known to be behind", crate::report::count(behind.len(), "service")),
        0 => format!("{}, none behind", crate::report::count(behind.len(), "service")),
        stale => format!("{}, {stale} behind", crate::report::count(behind.len(), "service")),
    });
    lines
}

/// Days since the oldest move that was not built on, as far as that is known.
fn days(bases: &[BaseBehind], now: Timestamp) -> String {
    if bases.is_empty() {
        return "-".to_owned();
    }
    let oldest = bases.iter().filter_map(|base| base.since).min();
    oldest.map_or_else(|| "?".to_owned(), |since| (now.duration_since(since).as_hours().max(0) / 24).to_string())
}
