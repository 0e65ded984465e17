//! A run told event by event: the lines of a rollout as it goes, and of `refit show` afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{ServiceName, format_duration};
use crate::plan::{Change, StepKind};
use crate::prune::Goner;
use crate::rollout::{Action, Gate, Outcome, Person, Phase, SlotVerdict};
use crate::run::{BuildOutcome, CarryOutcome, Event, NotRolled, RunOutcome, Way};

/// How much of the story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What a person who watches wants to know.
    Watch,
    /// Every event: each action's intention and end.
    All,
}

/// The lines of one event: none if it is of no interest at that detail. The first word says the stage, so that the lines can be searched.
pub fn lines(event: &Event, detail: Detail) -> Vec<String> {
    match event {
        Event::RunBegan { change, by, words } => vec![format!("run      {}, asked for by {by}: {words}", change_words(change))],
        Event::Planned { plan } => {
            let builds = plan.steps.iter().filter(|step| step.kind == StepKind::Build).count();
            vec![format!("plan     {} to build, {} to roll", count(builds, "image"), count(plan.rolls.len(), "service"))]
        }
        Event::BuildBegan { image, inputs, .. } => vec![format!("build    {image}: started (inputs {})", inputs.short())],
        Event::BuildEnded { image, outcome, elapsed_ms } => build_ended(&image.to_string(), outcome, *elapsed_ms),
        Event::Released { release } => vec![format!("release  {}: {}", release.number, count(release.images.len(), "image"))],
        Event::Carried { image, name, host, outcome } => {
            let image = match name {
                Some(name) => format!("{} ({})", name.familiar(), image.short()),
                None => image.short(),
            };
            carried(&image, &host.to_string(), outcome, detail)
        }
        Event::SickBefore { services } => {
            services.iter().map(|(service, why)| format!("sick     {service} before anything was touched: {why}")).collect()
        }
        Event::ContentsRead { release, bills, troubles } => {
            let packages = bills.values().map(|bill| bill.packages).sum();
            let read = format!("read     {} in {} of {release}", count(packages, "package"), count(bills.len(), "image"));
            std::iter::once(read).chain(troubles.iter().map(|trouble| format!("         {trouble}"))).collect()
        }
        Event::Quarantined { release, bases, why } => {
            let bases: Vec<_> = bases.iter().map(|(base, digest)| format!(", and {} at sha256:{}", base.familiar(), digest.short())).collect();
            vec![format!("hold     {release}{} in quarantine: {why}", bases.concat())]
        }
        Event::Unquarantined { release, by } => vec![format!("hold     {release} taken out of quarantine by {by}")],
        Event::NotRolled { service, why: NotRolled::Because(why) } => vec![format!("leave    {service}: not rolled: {why}")],
        Event::NotRolled { service, why: NotRolled::AsItIs } if detail == Detail::All => {
            vec![format!("leave    {service}: it runs what it is to run")]
        }
        Event::NotRolled { .. } => Vec::new(),
        Event::RolloutBegan { desired, way: Way::Back { why }, .. } => {
            let to = desired.back.as_ref().map_or_else(|| "nothing".to_owned(), |back| back.release.to_string());
            vec![format!("back     {}: {} → {to}, {}: {why}", desired.service, desired.to.release, count(desired.slots.len(), "slot"))]
        }
        Event::RolloutBegan { desired, way: Way::There, .. } if let Some(host) = desired.drains() => {
            let stops = desired.slots.iter().filter(|wanted| wanted.is_absent).count();
            vec![format!("drain    {}: {} to stop on {host}", desired.service, count(stops, "slot"))]
        }
        Event::RolloutBegan { desired, way: Way::There, .. } => {
            let from = desired.back.as_ref().map_or_else(|| "nothing".to_owned(), |back| back.release.to_string());
            let slots = count(desired.slots.len(), "slot");
            let stages: Vec<&str> = desired.stages.iter().map(|stage| stage.name.as_str()).collect();
            let stages = if stages.is_empty() { String::new() } else { format!(" in stages: {}", stages.join(", ")) };
            vec![format!("roll     {}: {from} → {}, {slots}{stages}", desired.service, desired.to.release)]
        }
        Event::ActionIntended { action } if detail == Detail::All => vec![format!("act      {}", action_words(action))],
        Event::ActionEnded { action, error: Some(error), .. } => vec![format!("act      {}: failed: {error}", action_words(action))],
        Event::ActionEnded { action, error: None, .. } if detail == Detail::All => vec![format!("act      {}: done", action_words(action))],
        Event::ActionIntended { .. } | Event::ActionEnded { .. } => Vec::new(),
        Event::CopyBegan { slot, from, to } => vec![format!("data     {slot}: copying volume {from} to {to}, while nobody writes it")],
        Event::Copied { slot, from, to, files, bytes, kept, .. } => {
            let what = format!("data     {slot}: volume {from} copied to {to} ({}, {})", count(*files as usize, "file"), size(*bytes));
            vec![match kept {
                0 => what,
                kept => format!("{what}; {} of it kept on {}, `docker volume rm {to}` there removes this one", copies(*kept), slot.host),
            }]
        }
        Event::Adopted { slot, files: 0, deleted, .. } if deleted.is_empty() => vec![format!("data     {slot}: nothing to take over")],
        Event::Adopted { slot, files, bytes, deleted } => {
            let what = format!("data     {slot}: {} taken over ({})", count(*files as usize, "file"), size(*bytes));
            vec![if deleted.is_empty() { what } else { format!("{what}; deleted before and there again: {}", crate::data::named(deleted)) }]
        }
        Event::SlotDone { slot, is_empty: false } => vec![format!("slot     {slot}: proven healthy")],
        Event::SlotDone { slot, is_empty: true } => vec![format!("slot     {slot}: nothing runs in it")],
        Event::SlotFailed { slot, verdict, last_lines } => {
            with_last_lines(format!("slot     {slot}: FAILED, {}", verdict_words(verdict)), last_lines)
        }
        Event::HostLeftBehind { service, host, why } => vec![format!("host     {host}: left behind in the rollout of {service}: {why}")],
        Event::PhaseChanged { service, phase } => phase_words(phase).map(|words| format!("roll     {service}: {words}")).into_iter().collect(),
        Event::GateReached { service, stage, gate } => vec![format!("gate     {service}: {stage} is through; {}", gate_words(gate))],
        Event::StageBegan { service, stage, .. } => vec![format!("stage    {service}: {stage}")],
        Event::PersonSaid { word, by } => vec![format!("person   {by}: {}", person_words(*word))],
        Event::RolloutEnded { service, outcome: Outcome::Done, drained: Some(host), .. } => vec![format!("drain    {service}: stopped on {host}")],
        Event::RolloutEnded { service, release, outcome, .. } => {
            vec![format!("roll     {service}: {}", outcome_words(outcome, &release.to_string()))]
        }
        Event::Interrupted { by } => vec![format!("run      interrupted by {by}; builds that ran were cancelled")],
        Event::Resumed { by } => vec![format!("run      taken up again by {by}")],
        Event::PruneBegan { engine, goes } => {
            let line = |goner: &Goner| format!("prune    {engine}: {}: {}", goner.thing, goner.why);
            let all = goes.iter().filter(|_| detail == Detail::All).map(line);
            std::iter::once(format!("prune    {engine}: {} to remove", count(goes.len(), "thing"))).chain(all).collect()
        }
        Event::PruneEnded { engine, removed, bytes, failed } => {
            let failed = failed.iter().map(|one| format!("prune    {engine}: {} could not be removed: {}", one.thing, one.why));
            std::iter::once(format!("prune    {engine}: {} removed, about {} free", count(*removed, "thing"), size(*bytes))).chain(failed).collect()
        }
        Event::RunEnded { outcome } => run_ended(outcome),
    }
}

fn copies(number: usize) -> String {
    if number == 1 { "1 copy".to_owned() } else { format!("{number} copies") }
}

/// `web, api`.
pub fn list(names: &[impl std::fmt::Display]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `1 image`, `2 images`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A change in words.
pub fn change_words(change: &Change) -> String {
    match change {
        Change::Everything => "everything that is out of date".into(),
        Change::Base(base) => format!("base {}", base.familiar()),
        Change::Moved { bases, images } => {
            let bases = bases.iter().map(|base| format!("base {}", base.familiar()));
            bases.chain(images.iter().map(|image| format!("the sources of {image}"))).collect::<Vec<_>>().join(", ")
        }
        Change::Cycle { .. } => "the patch cycle".into(),
        Change::Patch(patch) => format!("{}, which has to go", patch.gone),
        Change::Image(image) => format!("image {image} and what stands on it"),
        Change::Rebuild => "a rebuild of every image".into(),
        Change::Release(release) => format!("release {release} again"),
        Change::Drift => "what is not as it was released".into(),
        Change::Drain(host) => format!("a drain of host {host}"),
        Change::Undrain(host) => format!("host {host}, which is counted in again"),
        Change::Prune { keep } => format!("a prune that keeps {}", count(keep.get() as usize, "release")),
    }
}

fn took(elapsed_ms: u64) -> String {
    format_duration(Duration::from_millis(elapsed_ms))
}

fn build_ended(image: &str, outcome: &BuildOutcome, elapsed_ms: u64) -> Vec<String> {
    match outcome {
        BuildOutcome::Built { id, tag, .. } => vec![format!("build    {image}: built in {}, {} ({})", took(elapsed_ms), tag.familiar(), id.short())],
        BuildOutcome::Reused { id, tag, .. } => vec![format!("build    {image}: reused, {} ({})", tag.familiar(), id.short())],
        BuildOutcome::Unchanged { id, tag, .. } => {
            vec![format!("build    {image}: unchanged after {}, stays {} ({})", took(elapsed_ms), tag.familiar(), id.short())]
        }
        BuildOutcome::Failed { why, last_lines } => {
            with_last_lines(format!("build    {image}: FAILED after {}: {why}", took(elapsed_ms)), last_lines)
        }
        BuildOutcome::Skipped { because } => vec![format!("build    {image}: skipped, because {because} has no image")],
    }
}

fn carried(image: &str, host: &str, outcome: &CarryOutcome, detail: Detail) -> Vec<String> {
    match outcome {
        CarryOutcome::AlreadyThere if detail == Detail::All => vec![format!("carry    {image} → {host}: was there")],
        CarryOutcome::AlreadyThere => Vec::new(),
        CarryOutcome::Sent { bytes, layers, kept, elapsed_ms } => {
            let layers = count(*layers as usize, "layer");
            vec![format!("carry    {image} → {host}: {} in {} ({layers} sent, {kept} there)", size(*bytes), took(*elapsed_ms))]
        }
        CarryOutcome::Failed { why } => vec![format!("carry    {image} → {host}: FAILED: {why}")],
    }
}

/// Bytes for people, in powers of 1,000 as Docker prints sizes: `20.5 kB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn with_last_lines(first: String, last_lines: &[String]) -> Vec<String> {
    std::iter::once(first).chain(last_lines.iter().map(|line| format!("         | {line}"))).collect()
}

fn action_words(action: &Action) -> String {
    let short = |container: &str| container.chars().take(12).collect::<String>();
    match action {
        Action::StartNew { slot, version, .. } => format!("{slot}: start a container of {} ({})", version.release, version.spec.short()),
        Action::StartAgain { slot, container } => format!("{slot}: start {} again", short(container)),
        Action::Stop { slot, container } => format!("{slot}: stop {}", short(container)),
        Action::Remove { slot, container } => format!("{slot}: remove {}", short(container)),
    }
}

/// Why a slot failed, in words.
pub(super) fn verdict_words(verdict: &SlotVerdict) -> String {
    match verdict {
        SlotVerdict::Exited { code } => format!("its container ended with exit code {code}"),
        SlotVerdict::Unhealthy { why } => format!("its container is unhealthy: {why}"),
        SlotVerdict::NotStoppedInTime { deadline_ms } => format!("it was not stopped within {}", took(*deadline_ms)),
        SlotVerdict::NotHealthyInTime { deadline_ms } => format!("it was not healthy within {}", took(*deadline_ms)),
        SlotVerdict::Refused { why } => why.clone(),
        SlotVerdict::WouldLoseData { why } => format!("not replaced: {why}"),
        SlotVerdict::HostSilent { why } => format!("its host does not answer: {why}"),
    }
}

fn phase_words(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Back(back) => Some(format!("GOING BACK: {}", back.why)),
        Phase::Paused { why, .. } => Some(format!("paused: {why}")),
        Phase::Forward => Some("goes on".into()),
        Phase::Sweeping(_) | Phase::Finished(_) => None,
    }
}

fn person_words(word: Person) -> &'static str {
    match word {
        Person::Pause => "pause",
        Person::Resume => "go on",
        Person::Abort => "abort, go back",
        Person::Approve => "approved",
    }
}

/// What a gate asks for, in words.
pub(super) fn gate_words(gate: &Gate) -> String {
    let bake = (!gate.bake.is_zero()).then(|| format!("it must stay healthy for {}", format_duration(gate.bake)));
    let approve = gate.approve.then(|| "a person must say so: `refit approve`".to_owned());
    let words: Vec<String> = bake.into_iter().chain(approve).collect();
    if words.is_empty() { "nothing more is asked".to_owned() } else { format!("before what comes next {}", words.join(", then ")) }
}

/// How a rollout ended, in words.
pub fn outcome_words(outcome: &Outcome, release: &str) -> String {
    match outcome {
        Outcome::Done => format!("done, every slot is on {release}"),
        Outcome::DoneInPart => format!("on {release} in part"),
        Outcome::RolledBack { why } => format!("ROLLED BACK: {why}"),
        Outcome::Stuck { why } => format!("STUCK, a person is needed: {why}"),
    }
}

fn run_ended(outcome: &RunOutcome) -> Vec<String> {
    match outcome {
        RunOutcome::Done => vec!["end      done".into()],
        RunOutcome::NothingToDo => vec!["end      nothing to do".into()],
        RunOutcome::BuildsFailed { images, not_rolled } => {
            let images: Vec<_> = images.iter().map(ToString::to_string).collect();
            let failed = format!("end      builds failed: {}; nothing that stands on them was rolled", images.join(", "));
            std::iter::once(failed).chain(not_rolled_lines(not_rolled)).collect()
        }
        RunOutcome::RolledBack { services, not_rolled } => back_lines(services).chain(not_rolled_lines(not_rolled)).collect(),
        RunOutcome::InPart { missing } => missing.iter().map(|line| format!("end      in part: {line}")).collect(),
        RunOutcome::Refused { why } => vec![format!("end      refused: {why}")],
        RunOutcome::Stuck { why, services, not_rolled } => {
            let stuck = format!("end      stuck: {why}");
            std::iter::once(stuck).chain(back_lines(services)).chain(not_rolled_lines(not_rolled)).collect()
        }
        RunOutcome::Aborted { services, not_rolled } => {
            std::iter::once("end      aborted".to_owned()).chain(back_lines(services)).chain(not_rolled_lines(not_rolled)).collect()
        }
    }
}

fn back_lines(services: &BTreeMap<ServiceName, String>) -> impl Iterator<Item = String> {
    services.iter().map(|(service, why)| format!("end      {service} was rolled back: {why}"))
}

fn not_rolled_lines(services: &BTreeMap<ServiceName, String>) -> impl Iterator<Item = String> {
    services.iter().map(|(service, why)| format!("end      {service} was not rolled: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_for_people() {
        for (bytes, text) in [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (20_480, "20.5 kB"), (999_999, "1.0 MB"), (137_000_000, "137.0 MB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_failed_build_shows_its_last_lines() {
        let outcome = BuildOutcome::Failed { why: "exit code: 1".into(), last_lines: vec!["E: no such package".into()] };
        let event = Event::BuildEnded { image: "web".parse().unwrap(), outcome, elapsed_ms: 2_500 };
        assert_eq!(lines(&event, Detail::Watch), ["build    web: FAILED after 2.5s: exit code: 1", "         | E: no such package"]);
    }
}
