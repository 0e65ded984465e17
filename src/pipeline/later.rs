//! What is understood and not acted on yet: triggers and freezes.

use super::at::At;
use super::finding::Findings;
use super::raw;

/// Says what is understood and not acted on yet, after checking its form.
pub(super) fn check(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) {
    for (at, pipeline) in files {
        let triggers = at.key("triggers");
        for (name, trigger) in &pipeline.triggers.0 {
            let at = triggers.key(name);
            if trigger.cron.split_whitespace().count() != 5 {
                findings.error(&at.key("cron"), format!("expected five cron fields such as `0 3 * * TUE`, found `{}`", trigger.cron), "");
            }
            if let Some(window) = &trigger.window
                && let Err(error) = crate::model::parse_duration(window)
            {
                findings.error(&at.key("window"), error.to_string(), "");
            }
        }
        if !pipeline.triggers.0.is_empty() {
            findings.warning(&triggers, "`triggers` is read, but not acted on yet", "start runs by `refit rollout`, from cron for instance");
        }
        check_freeze(&at.key("freeze"), &pipeline.freeze, findings);
    }
}

fn check_freeze(at: &At<'_>, freezes: &[raw::Freeze], findings: &mut Findings) {
    for (index, freeze) in freezes.iter().enumerate() {
        let at = at.index(index);
        let mut day = |key: &str, text: &str| match text.parse::<jiff::civil::Date>() {
            Ok(day) => Some(day),
            Err(_) => {
                findings.error(&at.key(key), format!("expected a day such as `2026-12-20`, found `{text}`"), "");
                None
            }
        };
        let (from, to) = (day("from", &freeze.from), day("to", &freeze.to));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            findings.error(&at.key("to"), format!("the freeze ends ({to}) before it begins ({from})"), "swap the two days");
        }
    }
    if !freezes.is_empty() {
        findings.warning(at, "`freeze` is read, but not acted on yet", "nothing rolls by itself yet; a person who runs `refit rollout` decides");
    }
}
