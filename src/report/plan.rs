//! A plan as people read it: what is built and why, what is reused, what waits, what rolls where, and what it comes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::build::Schedule;
use crate::inventory::Difference;
use crate::model::{Digest, HostName, ImageName, format_duration};
use crate::pipeline::Condition;
use crate::plan::{BuildStep, Change, Plan, Reason, RollStep, StageStep, StepKind};

/// A plan as data: the plan itself, its hash, and how long it is expected to take.
#[derive(Debug, Serialize)]
pub struct PlanJson<'a> {
    hash: Digest,
    expected_ms: u64,
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<&'a BTreeMap<String, Difference>>,
}

impl<'a> PlanJson<'a> {
    /// With what the bases change that it takes anew, by their names.
    pub fn with_packages(self, packages: &'a BTreeMap<String, Difference>) -> Self {
        Self { packages: Some(packages), ..self }
    }
}

/// A plan for programs. `parallel` builds run at once.
pub fn plan_json(plan: &Plan, parallel: usize) -> PlanJson<'_> {
    PlanJson { hash: plan.hash(), expected_ms: expected(plan, parallel).as_millis() as u64, plan, packages: None }
}

/// A plan for people. `parallel` builds run at once; with 0 nothing is said of how long they take.
pub fn plan(plan: &Plan, parallel: usize) -> String {
    if let Change::Drain(host) = &plan.change {
        return drain(host, &plan.rolls);
    }
    if plan.steps.is_empty() && plan.rolls.is_empty() {
        let held = held(plan);
        return if held.is_empty() { "Nothing to do: everything is up to date.".to_owned() } else { format!("{held}Nothing to do.") };
    }
    let steps: Steps<'_> = plan.steps.iter().map(|step| (&step.image, step)).collect();
    let mut text = String::new();
    section(&mut text, "Build", &plan.steps, |step| step.kind == StepKind::Build, &steps);
    section(&mut text, "Reuse", &plan.steps, |step| matches!(step.kind, StepKind::Reuse { .. }), &steps);
    section(&mut text, "Wait", &plan.steps, |step| step.kind == StepKind::Deferred, &steps);
    rolls(&mut text, &plan.rolls);
    text + &held(plan) + &summary(plan, parallel)
}

/// The services that stay although there is something else than what they run.
fn held(plan: &Plan) -> String {
    let services = plan.held.iter().map(ToString::to_string).chain(plan.sick.iter().map(ToString::to_string));
    let lines: Vec<_> = services.chain(plan.held_bases.iter().map(ToString::to_string)).map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() { String::new() } else { format!("Hold\n{}\n", lines.concat()) }
}

type Steps<'a> = HashMap<&'a ImageName, &'a BuildStep>;

/// The steps of one kind, a line for each reason.
fn section(text: &mut String, title: &str, all: &[BuildStep], of_kind: impl Fn(&BuildStep) -> bool, steps: &Steps<'_>) {
    let chosen: Vec<_> = all.iter().filter(|step| of_kind(step)).collect();
    if chosen.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for step in chosen {
        let _ = writeln!(text, "  {}{}", step.image, details(step));
        for reason in &step.reasons {
            let _ = writeln!(text, "      {}", why(reason, steps));
        }
    }
    text.push('\n');
}

/// What stands behind the name of an image: its sources if they are not the newest, and how long it took last time.
fn details(step: &BuildStep) -> String {
    let mut words = Vec::new();
    if step.kind == StepKind::Build {
        words.extend(step.context.deployed.map(|release| format!("from the sources of {release}")));
        if step.context.dirty {
            words.push("with files that are in no commit".to_owned());
        }
        words.extend(step.took.map(|took| format!("took {} last time", format_duration(took))));
    }
    if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) }
}

/// A chain longer than this says more by its two ends.
const LINKS_MAX: usize = 6;

/// One reason, followed along its parents to where it began.
fn why(reason: &Reason, steps: &Steps<'_>) -> String {
    let mut text = one_reason(reason);
    let mut at = reason;
    let mut links = 0;
    while let Reason::ParentBuilt { parent, .. } = at
        && let Some(next) = steps.get(parent).and_then(|step| step.reasons.first())
    {
        links += 1;
        let ends = !matches!(next, Reason::ParentBuilt { .. });
        if links < LINKS_MAX || ends {
            let _ = match next {
                // A link says its parent and the line; a base says for itself what it is.
                Reason::ParentBuilt { parent, at } => write!(text, " ← {parent} ({at})"),
                Reason::BaseMoved { .. } => write!(text, " ← {}", one_reason(next)),
                other => write!(text, " ← {parent}: {}", one_reason(other)),
            };
        } else if links == LINKS_MAX {
            text.push_str(" ← …");
        }
        at = next;
    }
    text
}

fn one_reason(reason: &Reason) -> String {
    let unknown = |commit: &Option<String>| commit.as_deref().map_or("no commit".to_owned(), |commit| commit.get(..12).unwrap_or(commit).to_owned());
    match reason {
        Reason::NeverBuilt => "was never built".to_owned(),
        Reason::BaseMoved { base, old: Some(old), new, at } => {
            format!("{} moved sha256:{} → sha256:{} ({at})", base.familiar(), old.short(), new.short())
        }
        Reason::BaseMoved { base, old: None, new, at } => format!("{} is now sha256:{} ({at})", base.familiar(), new.short()),
        Reason::ParentBuilt { parent, at } => format!("stands on {parent} ({at})"),
        Reason::ContextChanged { old, new } if old == new => "its files changed".to_owned(),
        Reason::ContextChanged { old, new } => format!("its files changed: {} → {}", unknown(old), unknown(new)),
        Reason::SettingsChanged => "its build settings changed".to_owned(),
        Reason::Asked => "was asked for".to_owned(),
        Reason::Patch { gone } => format!("is to lose {gone}; built without the cache"),
        Reason::Refresh => "is made of packages from outside; built without the cache".to_owned(),
        Reason::Missing => "is gone from the builder, and others are built on it".to_owned(),
        Reason::UpToDate => "unchanged; others are built on it".to_owned(),
    }
}

/// What stops on a host that is drained, and what goes on elsewhere.
fn drain(host: &HostName, rolls: &[RollStep]) -> String {
    if rolls.is_empty() {
        return format!("Nothing that was released runs on {host}; from here on nothing is rolled there.");
    }
    let mut text = format!("Stop on {host}\n");
    for roll in rolls {
        let on = |here: bool| roll.hosts.iter().filter(move |count| (count.host == *host) == here);
        let slots = |here: bool| on(here).map(|count| count.slots as usize).sum::<usize>();
        let rest = match on(false).count() {
            0 => String::new(),
            hosts => format!("; {} on {} go on", slots(false), counted(hosts, "other host")),
        };
        let _ = writeln!(text, "  {}  ({}{rest})", roll.service, counted(slots(true), "slot"));
        for note in &roll.notes {
            let _ = writeln!(text, "      {note}");
        }
    }
    let _ = write!(text, "\nPlan: {} to stop on {host}; nothing is rolled there until `refit hosts undrain {host}`", counted(rolls.len(), "service"));
    text
}

fn rolls(text: &mut String, rolls: &[RollStep]) {
    if rolls.is_empty() {
        return;
    }
    let _ = writeln!(text, "Roll");
    for roll in rolls {
        let from = match (roll.repair, roll.from) {
            (Some(release), _) => format!("back to what {release} is"),
            (None, Some(release)) => format!("on {release} now"),
            (None, None) => "first rollout".to_owned(),
        };
        let when = if roll.certain { "" } else { ", if its image comes out changed" };
        let _ = writeln!(text, "  {}  (image {}, {from}{when})", roll.service, roll.image);
        let hosts: Vec<_> = roll.hosts.iter().map(|host| format!("{} × {}", host.host, host.slots)).collect();
        let _ = writeln!(text, "      {}", hosts.join(", "));
        if let Some(back) = back(roll) {
            let _ = writeln!(text, "      {back}");
        }
        if !roll.stages.is_empty() {
            let _ = writeln!(text, "      in stages: {}", roll.stages.iter().map(stage_words).collect::<Vec<_>>().join(" → "));
        }
        if !roll.after.is_empty() {
            let after: Vec<_> = roll.after.iter().map(|(service, condition)| format!("{service}{}", condition_words(*condition))).collect();
            let _ = writeln!(text, "      after {}", after.join(", "));
        }
        for note in &roll.notes {
            let _ = writeln!(text, "      {note}");
        }
    }
    text.push('\n');
}

/// A stage and what stands behind it, such as `canary (1 slot, then healthy for 10m, then a person's word)`.
fn stage_words(StageStep { stage, slots }: &StageStep) -> String {
    let bake = (!stage.gate.bake.is_zero()).then(|| format!(", then healthy for {}", format_duration(stage.gate.bake)));
    let approve = stage.gate.approve.then_some(", then a person's word");
    format!("{} ({}{}{})", stage.name, counted(*slots, "slot"), bake.unwrap_or_default(), approve.unwrap_or_default())
}

/// Where a service goes if it fails.
fn back(roll: &RollStep) -> Option<String> {
    let back = roll.back?;
    let why = if roll.from == Some(back) { "" } else { ", the last release that was wholly healthy" };
    Some(format!("back to {back}{why}, if it fails"))
}

fn condition_words(condition: Condition) -> &'static str {
    match condition {
        Condition::ServiceStarted => "",
        Condition::ServiceHealthy => " (healthy)",
    }
}

fn summary(plan: &Plan, parallel: usize) -> String {
    let count = |of_kind: &dyn Fn(&StepKind) -> bool| plan.steps.iter().filter(|step| of_kind(&step.kind)).count();
    let build = count(&|kind| *kind == StepKind::Build);
    let mut parts = vec![format!("{build} to build"), format!("{} reused", count(&|kind| matches!(kind, StepKind::Reuse { .. })))];
    match count(&|kind| *kind == StepKind::Deferred) {
        0 => {}
        waiting => parts.push(format!("{waiting} waiting")),
    }
    let hosts: BTreeSet<_> = plan.rolls.iter().flat_map(|roll| &roll.hosts).map(|slots| &slots.host).collect();
    parts.push(match plan.rolls.len() {
        0 => "nothing to roll".to_owned(),
        services => format!("{} to roll on {}", counted(services, "service"), counted(hosts.len(), "host")),
    });
    // A guess is worth its line only if most of it was measured.
    let measured = plan.steps.iter().filter(|step| step.kind == StepKind::Build && step.took.is_some()).count();
    let time = if parallel == 0 || measured * 2 <= build {
        String::new()
    } else {
        format!("; builds take about {}", format_duration(expected(plan, parallel)))
    };
    format!("Plan: {}{time}", parts.join(", "))
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn expected(plan: &Plan, parallel: usize) -> Duration {
    let (released, known) = (BTreeMap::new(), BTreeMap::new());
    Schedule::new(plan, parallel, &released, &known).left(|_| Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PortSpec;
    use crate::pipeline::Rebuild;
    use crate::plan::Change;
    use crate::plan::samples::{Sample, base, sources};

    #[test]
    fn a_plan_says_what_and_why() {
        let mut sample = Sample::built("base: debian:bookworm-slim, mid: base, web: mid alpine+, api: base, tools: alpine");
        sample.serve("web", "web");
        let port = PortSpec { host_ip: None, published: Some((80, 80)), target: 8080, protocol: "tcp".into() };
        sample.serve("api", "api").container.ports.push(port);
        insta::assert_snapshot!(plan(&sample.plan(Change::Everything).unwrap(), 8));
        sample.services.get_mut(&"api".parse().unwrap()).unwrap().as_released.container =
            sample.estate.services[&"api".parse().unwrap()].container.clone();
        insta::assert_snapshot!(plan(&sample.plan(Change::Everything).unwrap(), 8), @"Nothing to do: everything is up to date.");
        sample.move_base("debian:bookworm-slim");
        insta::assert_snapshot!(plan(&sample.plan(base("debian:bookworm-slim")).unwrap(), 8));
        sample.move_base("alpine");
        sample.image("tools").rebuild.runtime = Rebuild::NextCycle;
        sample.facts("web").newest = sources("0123456789abcdef");
        insta::assert_snapshot!(plan(&sample.plan(Change::Everything).unwrap(), 1));
        insta::assert_snapshot!(plan(&sample.plan(Change::Image("web".parse().unwrap())).unwrap(), 1));
    }

    #[test]
    fn a_service_that_stays_although_there_is_something_else_is_told() {
        let mut sample = Sample::built("base: debian, web: base, api: base");
        let refuse = |sample: &mut Sample, service: &str| {
            let user = sample.serve(service, service);
            user.container.user = Some("1000".into());
            let name = user.name.clone();
            let id = sample.services[&name].as_released.id;
            let spec = crate::model::spec_hash(id, &sample.estate.services[&name].container, None);
            let why = "1 of 2 slots failed; web@host-1/0: its container exited with code 3".to_owned();
            let refused = crate::plan::RefusedRelease { release: crate::model::ReleaseNumber(2), spec, why };
            sample.quarantined.services.insert(name, vec![refused]);
        };
        refuse(&mut sample, "web");
        insta::assert_snapshot!(plan(&sample.plan(Change::Everything).unwrap(), 1), @"
        Hold
          web stays on r1: r2 is in quarantine (1 of 2 slots failed; web@host-1/0: its container exited with code 3); `refit release r2 --unquarantine` lifts that

        Nothing to do.
        ");
        sample.serve("api", "api").container.user = Some("1000".into());
        insta::assert_snapshot!(plan(&sample.plan(Change::Everything).unwrap(), 1));
    }

    #[test]
    fn a_long_chain_is_shown_by_its_ends() {
        let chain: Vec<_> = (1..12).map(|at| format!("i{at}: i{}", at - 1)).collect();
        let mut sample = Sample::built(&format!("i0: debian, {}", chain.join(", ")));
        sample.move_base("debian");
        let made = sample.plan(base("debian")).unwrap();
        let steps: Steps<'_> = made.steps.iter().map(|step| (&step.image, step)).collect();
        insta::assert_snapshot!(why(&made.steps[11].reasons[0], &steps));
    }

    #[test]
    fn a_plan_is_data_too() {
        let mut sample = Sample::built("base: debian, web: base");
        sample.move_base("debian");
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan_json(&sample.plan(base("debian")).unwrap(), 1)).unwrap());
    }
}
