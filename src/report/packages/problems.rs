//! `refit cve`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::SUBSCRIBERS;
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
            fix(one),
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

fn fix(one: &OpenProblem) -> String {
    let for_subscribers = || one.fixed_for_subscribers.as_ref().map(|version| format!("{version} ({SUBSCRIBERS})"));
    one.fixed.clone().or_else(for_subscribers).unwrap_or_else(|| "none known".to_owned())
}

/// What nobody has looked at yet, in one line for stderr; of many problems the first are named.
pub fn undetermined(problems: &BTreeSet<String>) -> Option<String> {
    let named = super::few(&problems.iter().cloned().collect::<Vec<_>>());
    (!problems.is_empty()).then(|| format!("nobody has looked yet whether packages that run have {named}; read the tracker again later"))
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
    if !kept.undetermined.is_empty() {
        let packages = kept.undetermined.iter().cloned().collect::<Vec<_>>().join(", ");
        lines.push(format!("  unclear   whether {packages} has it: its distribution has not looked yet"));
    }
    let Some(seen) = &kept.seen else {
        let known = if kept.undetermined.is_empty() { "no container" } else { "no other container" };
        lines.push(format!("  {known} has or had it"));
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
    lines.push(format!("  fix       {}", fix(seen)));
    lines
}

fn names(advisory: &Advisory) -> impl Iterator<Item = &str> {
    std::iter::once(advisory.id.as_str()).chain(advisory.aliases.iter().map(String::as_str))
}
