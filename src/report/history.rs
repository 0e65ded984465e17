//! `refit history`: the runs, and what each service is on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::story;
use crate::journal::{RunSummary, ServiceState};
use crate::model::ServiceName;
use crate::run::RunOutcome;

/// Runs and services as one document.
#[derive(Serialize)]
pub struct History<'a> {
    runs: &'a [RunSummary],
    services: &'a BTreeMap<ServiceName, ServiceState>,
}

/// For machines.
pub fn as_json<'a>(runs: &'a [RunSummary], services: &'a BTreeMap<ServiceName, ServiceState>) -> History<'a> {
    History { runs, services }
}

/// For people: a table of runs, newest first, then where each service is and where it must not go by itself.
pub fn as_text(runs: &[RunSummary], services: &BTreeMap<ServiceName, ServiceState>) -> Vec<String> {
    if runs.is_empty() {
        return vec!["no run yet; `refit plan` shows what the first one would do".into()];
    }
    let row = |run: &RunSummary| {
        [
            run.run.to_string(),
            super::moment(run.began_at),
            run.release.map_or_else(|| "-".into(), |release| release.to_string()),
            outcome_word(run.outcome.as_ref()).to_owned(),
            run.by.clone(),
            story::change_words(&run.change),
        ]
    };
    let mut lines = super::table(["RUN", "BEGAN", "RELEASE", "OUTCOME", "BY", "FOR"], runs.iter().map(row));
    if !services.is_empty() {
        lines.push(String::new());
    }
    for (name, state) in services {
        let current = state.current.map_or_else(|| "on no release yet".into(), |release| format!("on {release}"));
        lines.push(format!("{name}: {current}"));
        for (release, quarantine) in &state.quarantined {
            lines.push(format!("  {release} is not rolled again by itself: {} ({})", quarantine.why, quarantine.run));
        }
    }
    lines
}

fn outcome_word(outcome: Option<&RunOutcome>) -> &'static str {
    match outcome {
        None => "under way",
        Some(RunOutcome::Done) => "done",
        Some(RunOutcome::NothingToDo) => "nothing to do",
        Some(RunOutcome::BuildsFailed { .. }) => "builds failed",
        Some(RunOutcome::RolledBack { .. }) => "rolled back",
        Some(RunOutcome::InPart { .. }) => "in part",
        Some(RunOutcome::Refused { .. }) => "refused",
        Some(RunOutcome::Stuck { .. }) => "stuck",
        Some(RunOutcome::Aborted { .. }) => "aborted",
    }
}
