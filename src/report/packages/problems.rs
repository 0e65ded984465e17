//! `refit cve`.

use std::time::Duration;

use crate::advisory::Advisory;
use crate::inquiry::{OpenProblem, ProblemKept};
use crate::model::format_duration;

/// Problems as a table, and a line that sums it up.
pub fn problems(problems: &[OpenProblem]) -> Vec<String> {
    let row = |one: &OpenProblem| {
        [
            one.id.clone(),
            one.severity.clone().unwrap_or_else(|| "-".to_owned()),
            open_for(one),
            one.containers.to_string(),
            super::few(&one.services.iter().map(ToString::to_string).collect::<Vec<_>>()),
            super::few(&one.packages.iter().cloned().collect::<Vec<_>>()),
            one.fixed.clone().unwrap_or_else(|| "none known".to_owned()),
        ]
    };
    let open = problems.iter().filter(|one| one.is_open).count();
    let mut lines = Vec::new();
    if !problems.is_empty() {
        lines = crate::report::table(["PROBLEM", "SEVERITY", "OPEN FOR", "CONTAINERS", "SERVICES", "PACKAGES", "FIX"], problems.iter().map(row));
        lines.push(String::new());
    }
    lines.push(match (problems.len(), open) {
        (0, _) => "no problem that advisories know of is in any container".to_owned(),
        (all, open) if all == open => format!("{} open", crate::report::count(open, "problem")),
        (all, open) => format!("{}, {open} of them open", crate::report::count(all, "problem")),
    });
    lines
}

fn open_for(one: &OpenProblem) -> String {
    one.open_s.map_or_else(|| "over".to_owned(), span)
}

/// Whole days where it is days: nobody counts the seconds of a month.
fn span(seconds: u64) -> String {
    const DAY_S: u64 = 86_400;
    match seconds {
        0 => "0s".to_owned(),
        1..DAY_S => format_duration(Duration::from_secs(seconds)),
        _ => format!("{} d", seconds / DAY_S),
    }
}

/// Everything that is known of one problem.
pub fn problem(name: &str, kept: &ProblemKept) -> Vec<String> {
    let mut lines = Vec::new();
    let advisory = kept.advisories.iter().find(|advisory| !advisory.summary.is_empty()).or(kept.advisories.first());
    lines.push(format!("{name}: {}", advisory.map(|advisory| advisory.summary.as_str()).unwrap_or_default()));
    let names: Vec<&str> = kept.advisories.iter().flat_map(names).filter(|other| *other != name).collect();
    if !names.is_empty() {
        lines.push(format!("  also      {}", names.join(", ")));
    }
    let Some(seen) = &kept.seen else {
        lines.push("  no container has or had it".to_owned());
        return lines;
    };
    let moment = crate::report::moment;
    lines.extend(seen.severity.iter().map(|severity| format!("  severity  {severity}")));
    lines.push(format!("  known     since {}", moment(seen.exposure.known_since)));
    lines.push(format!("  seen      first {}", moment(seen.exposure.first_seen)));
    lines.push(match seen.exposure.last_gone {
        Some(gone) => format!("  gone      since {}; containers had it for {} after it was known", moment(gone), span(seen.exposed_s)),
        None => format!("  open      in {}, for {}", crate::report::count(seen.containers, "container"), open_for(seen)),
    });
    lines.push(format!("  services  {}", seen.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    lines.push(format!("  packages  {}", seen.packages.iter().cloned().collect::<Vec<_>>().join(", ")));
    lines.push(format!("  fix       {}", seen.fixed.as_deref().unwrap_or("none known")));
    lines
}

fn names(advisory: &Advisory) -> impl Iterator<Item = &str> {
    std::iter::once(advisory.id.as_str()).chain(advisory.aliases.iter().map(String::as_str))
}
