//! What must hold after every story, looked up in the machines. Where refit's journal is looked at, it is held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use refit::journal::Journal;
use refit::model::SlotId;
use refit::rollout::{Action, Back, Desired, Outcome, Phase};
use refit::run::{Event, RunState, Way};
use refit::sim::What;

use super::draw::{Drawn, Happening, Story};
use super::history::{History, Life};
use super::stage::Stage;

/// What was seen may be this old when the action that follows from it arrives: a look, a lost reply, and the way there.
const STALE: Duration = Duration::from_secs(16);
/// What a slot may take to be served again, beyond what its container needs to become well, when nothing is wrong.
const GAP_MAX: Duration = Duration::from_secs(4);

type Wrong = Result<(), String>;

/// Before what is known to be so and is not mended yet: such a story is counted by itself, and not as wrong.
pub const KNOWN: &str = "known: ";

/// After the trouble, before anything is healed.
pub fn trouble(story: &Story, stage: &Stage, history: &History, began: Timestamp) -> Wrong {
    one_writer(story, history)?;
    nothing_served_is_taken(story, history, began)?;
    nothing_needed_is_removed(history)?;
    foreign_containers_are_untouched(stage, history)?;
    volumes_move_on(stage, history)?;
    journal_is_whole(stage)?;
    effects_were_intended(stage, history)?;
    ends_are_true(stage, history)?;
    outcomes_are_true(story, stage, history)
}

/// After everything is healed and rolled: every slot has its container, and there is nothing else.
pub fn peace(stage: &Stage) -> Wrong {
    let states = stage.journal.service_states().unwrap();
    let now = stage.clock_now();
    for service in stage.estate.services.values() {
        let current = states.get(&service.name).and_then(|state| state.current).ok_or(format!("{} is on no release", service.name))?;
        let spec = stage.journal.release(current).unwrap().unwrap().services[&service.name].spec_hash();
        for (name, host) in &stage.hosts {
            let state = host.state();
            let own: Vec<_> = state
                .machine
                .containers()
                .filter(|one| one.slot.service == service.name && !stage.foreign.iter().any(|(_, id)| *id == one.id))
                .collect();
            let serving: BTreeSet<u32> = own.iter().filter(|one| one.is_healthy(now) && one.version.spec == spec).map(|one| one.slot.index).collect();
            if own.len() != service.replicas as usize || serving.len() != own.len() {
                let found: Vec<String> = own.iter().map(|one| format!("{} {} {:?}", one.slot, one.version.release, one.at(now))).collect();
                return Err(format!("in peace {} on {name} is not {} slots of {current}: {found:#?}", service.name, service.replicas));
            }
        }
    }
    Ok(())
}

fn drawn<'a>(story: &'a Story, slot: &SlotId) -> &'a Drawn {
    story.services.iter().find(|one| one.name == slot.service.as_str()).unwrap()
}

/// Invariant 2: in a slot that goes stop-first two containers are never up at once.
fn one_writer(story: &Story, history: &History) -> Wrong {
    for (id, life) in &history.lives {
        if !drawn(story, life.slot()).is_stop_first() {
            continue;
        }
        for (other_id, other) in history.in_slot(life.slot()).filter(|(other, _)| *other > id) {
            for span in life.up() {
                if let Some(both) = other.up().find(|other| other.0 < span.1 && span.0 < other.1) {
                    let at = both.0.max(span.0);
                    return Err(format!("invariant 2: two containers are up in {} at {at}: {} and {}", life.slot(), &id[..8], &other_id[..8]));
                }
            }
        }
    }
    Ok(())
}

/// Invariant 1: what refit stops is not the only one that serves, but for `parallelism` slots that go stop-first, and those are soon served again.
fn nothing_served_is_taken(story: &Story, history: &History, began: Timestamp) -> Wrong {
    let mut taken: BTreeMap<SlotId, Timestamp> = BTreeMap::new();
    for (_, deed) in history.deeds.iter().filter(|(_, deed)| deed.what == What::Stopped) {
        let (at, life) = (deed.at, &history.lives[&deed.container]);
        let slot = life.slot();
        let just_before = at - Duration::from_nanos(1);
        let serves_until_now = life.healthy().any(|span| span.0 <= just_before && span.1 >= at);
        let others_serve = history.in_slot(slot).any(|(id, other)| *id != deed.container && other.was_healthy_between(at - STALE, at));
        // Where nothing was before, what is new is taken away again when it is not to be.
        let is_all_there_ever_was = history.in_slot(slot).all(|(_, other)| other.made.version.spec == life.made.version.spec);
        if at < began || !serves_until_now || others_serve || (story.is_first && is_all_there_ever_was) {
            continue;
        }
        let service = drawn(story, slot);
        if !service.is_stop_first() {
            return Err(format!("invariant 1: {slot} goes start-first, and its only container that served was stopped at {at}"));
        }
        taken.retain(|slot, since| !is_served_or_excused(story, history, slot, *since, at));
        taken.insert(slot.clone(), at);
        let down = taken.keys().filter(|other| other.service == slot.service).count();
        let allowed = if service.parallelism == 0 { usize::MAX } else { service.parallelism as usize };
        if down > allowed {
            return Err(format!("invariant 1: {down} slots of {} are down by refit's hand at {at}, {allowed} may be: {taken:?}", slot.service));
        }
        check_gap(story, history, slot, at)?;
    }
    Ok(())
}

/// Whether a slot that refit took down at `since` serves again by `at`, or is down for another reason by then.
fn is_served_or_excused(story: &Story, history: &History, slot: &SlotId, since: Timestamp, at: Timestamp) -> bool {
    let is_served = history.served_again(slot, since).is_some_and(|again| again <= at);
    let is_sick = history.in_slot(slot).any(|(_, life)| life.is_sick(at) && life.was_up_between(since, at));
    // One that takes long to be well may be unwell by its probes before.
    let fails_its_probe = drawn(story, slot).has_probe && history.in_slot(slot).any(|(_, life)| life.rises_in() > Duration::from_secs(2));
    let is_slow = is_troubled(story, slot) && at > since + Duration::from_secs(5);
    is_served || is_sick || fails_its_probe || refuses_starts(story, slot) || is_slow
}

/// A slot that refit took down is served again as soon as its container is well, unless something keeps refit from it.
fn check_gap(story: &Story, history: &History, slot: &SlotId, at: Timestamp) -> Wrong {
    if is_troubled(story, slot) || !story.deaths.is_empty() {
        return Ok(());
    }
    let rises_in = history.in_slot(slot).map(|(_, life)| life.rises_in()).max().unwrap_or_default();
    let limit = at + GAP_MAX + rises_in;
    let is_sick = history.in_slot(slot).any(|(_, life)| life.is_sick(limit));
    match history.served_again(slot, at) {
        Some(again) if again <= limit => Ok(()),
        _ if is_sick => Ok(()),
        again => Err(format!("invariant 1: {slot} was taken down at {at} and is served again at {again:?}, later than {limit}")),
    }
}

/// Whether a slot's engine refuses to make or start containers at some time: what it refused has failed, and does not count as in flight.
fn refuses_starts(story: &Story, slot: &SlotId) -> bool {
    let number: usize = slot.host.as_str()[1..].parse().unwrap();
    let refuses = |happening: &Happening| match happening {
        Happening::DiskFull { host, .. } | Happening::StartsRefused { host, .. } | Happening::Prunes { host } => *host == number,
        Happening::Says(_) | Happening::Dies { .. } => false,
    };
    story.happenings.iter().any(|(_, happening)| refuses(happening))
}

/// Whether anything is wrong with the engine of a slot's host.
fn is_troubled(story: &Story, slot: &SlotId) -> bool {
    let number: usize = slot.host.as_str()[1..].parse().unwrap();
    let trouble = &story.host_troubles[number];
    let is_about = |happening: &Happening| match happening {
        Happening::DiskFull { host, .. } | Happening::StartsRefused { host, .. } | Happening::Prunes { host } | Happening::Dies { host, .. } => {
            *host == number
        }
        Happening::Says(_) => false,
    };
    !trouble.silent.is_empty()
        || trouble.latency_ms > 20
        || trouble.stop_takes_ms > 0
        || trouble.calls_lost_percent + trouble.replies_lost_percent > 0
        || story.happenings.iter().any(|(_, happening)| is_about(happening))
}

/// Nothing is removed but beside another container that is there in its place, or what was new where nothing had been.
fn nothing_needed_is_removed(history: &History) -> Wrong {
    for (_, deed) in history.deeds.iter().filter(|(_, deed)| deed.what == What::Removed) {
        let life = &history.lives[&deed.container];
        let mut others = history.in_slot(life.slot()).filter(|(id, _)| **id != deed.container).peekable();
        let is_alone = others.peek().is_none();
        let is_replaced = others.any(|(_, other)| other.was_up_between(deed.at - STALE, deed.at) || other.is_sick(deed.at));
        if !is_alone && !is_replaced {
            return Err(format!(
                "invariant 3: {} of {} in {} was removed at {}, and nobody serves in its place",
                &deed.container[..8],
                life.made.version.release,
                life.slot(),
                deed.at
            ));
        }
    }
    Ok(())
}

/// Invariant 10.
fn foreign_containers_are_untouched(stage: &Stage, history: &History) -> Wrong {
    for (host, id) in &stage.foreign {
        let is_up = stage.hosts[host].state().machine.container(id).is_some_and(|one| one.is_healthy(stage.clock_now()));
        let deeds = history.foreign.iter().filter(|(_, deed)| deed.container == *id).count();
        if !is_up || deeds != 2 {
            return Err(format!("invariant 10: a container of another estate on {host} was touched"));
        }
    }
    Ok(())
}

/// Invariant 4: volumes stay, and the one of a slot's first container is the one of its last.
fn volumes_move_on(stage: &Stage, history: &History) -> Wrong {
    let slots: BTreeSet<&SlotId> = history.lives.values().map(Life::slot).collect();
    for slot in slots {
        let mut made: Vec<_> = history.in_slot(slot).collect();
        made.sort_by_key(|(_, life)| life.made_at);
        let volumes: BTreeSet<&String> = made.iter().map(|(_, life)| &life.made.volume).collect();
        if volumes.len() > 1 {
            return Err(format!(
                "invariant 4: the volume of {slot} did not move on: {:#?}",
                made.iter().map(|(id, life)| (&id[..8], life.made_at, &life.made.volume)).collect::<Vec<_>>()
            ));
        }
        let state = stage.hosts[&slot.host].state();
        if let Some(lost) = volumes.into_iter().find(|volume| !state.machine.volumes().contains(*volume)) {
            return Err(format!("invariant 4: volume {lost} of {slot} is gone"));
        }
    }
    Ok(())
}

/// The chain of hashes is whole, and every run's events follow each other.
fn journal_is_whole(stage: &Stage) -> Wrong {
    let verified = stage.journal.verify().unwrap();
    if let Some(broken) = verified.broken {
        return Err(format!("the journal is broken: {broken}"));
    }
    for run in stage.journal.runs(usize::MAX).unwrap() {
        let events = stage.journal.events(run.run).unwrap();
        RunState::of(events.iter().map(|recorded| (recorded.at, &recorded.event))).map_err(|why| format!("{}: {why}", run.run))?;
    }
    Ok(())
}

/// Every deed was intended in the journal before it was done.
fn effects_were_intended(stage: &Stage, history: &History) -> Wrong {
    let taped = stage.taped.lock().unwrap();
    for (_, deed) in &history.deeds {
        let life = &history.lives[&deed.container];
        if deed.what == What::Died {
            continue;
        }
        let is_it = |action: &Action| {
            action.slot() == life.slot()
                && match (&deed.what, action) {
                    (What::Made(_), Action::StartNew { version, .. }) => version.spec == life.made.version.spec,
                    (What::Started, Action::StartNew { version, .. }) => version.spec == life.made.version.spec,
                    (What::Started, Action::StartAgain { container, .. })
                    | (What::Stopped, Action::Stop { container, .. })
                    | (What::Removed, Action::Remove { container, .. }) => *container == deed.container,
                    _ => false,
                }
        };
        // A call that outlives whoever sent it may take effect at the very moment at which it was intended.
        let is_intent = |event: &Event| matches!(event, Event::ActionIntended { .. });
        let before = taped.iter().rev().filter(|(at, recorded)| *at < deed.at || *at == deed.at && is_intent(&recorded.event));
        let last = before.map(|(_, recorded)| &recorded.event).find(|event| match event {
            Event::ActionIntended { action } | Event::ActionEnded { action, .. } => is_it(action),
            _ => false,
        });
        if !matches!(last, Some(Event::ActionIntended { .. })) {
            return Err(format!(
                "the journal does not say that {:?} of {} in {} at {} was intended",
                deed.what,
                &deed.container[..8],
                life.slot(),
                deed.at
            ));
        }
    }
    Ok(())
}

/// What the journal says was done is so on the machine, and a slot that is said to be done was well for `monitor`.
fn ends_are_true(stage: &Stage, history: &History) -> Wrong {
    let mut desired: Option<Desired> = None;
    let mut phase = Phase::Forward;
    for (at, recorded) in stage.taped.lock().unwrap().iter() {
        match &recorded.event {
            Event::RolloutBegan { desired: new, way, .. } => {
                let back = |why: &String| Phase::Back(Back { why: why.clone() });
                (desired, phase) = (Some((**new).clone()), if let Way::Back { why } = way { back(why) } else { Phase::Forward });
            }
            Event::PhaseChanged { phase: new, .. } => phase = new.clone(),
            Event::ActionEnded { action, error: None, .. } => ended_is_true(history, action, *at)?,
            Event::SlotDone { slot, .. } if phase == Phase::Forward => {
                let desired = desired.as_ref().ok_or("a slot is done before its rollout began")?;
                let was_well = |life: &Life| {
                    life.made.version.spec == desired.to.spec && life.healthy().any(|(from, to)| from + desired.update.monitor <= to.min(*at))
                };
                if !history.in_slot(slot).any(|(_, life)| was_well(life)) {
                    return Err(format!("{slot} is said to be done at {at}, and was not well for {:?}", desired.update.monitor));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn ended_is_true(history: &History, action: &Action, at: Timestamp) -> Wrong {
    let life = |container: &String| history.lives.get(container);
    let just_before = at - Duration::from_nanos(1);
    let is_true = match action {
        Action::StartNew { slot, version, .. } => {
            history.in_slot(slot).any(|(_, life)| life.made.version.spec == version.spec && life.made_at <= at && life.up().any(|span| span.0 <= at))
        }
        Action::StartAgain { container, .. } => life(container).is_some_and(|life| life.up().any(|span| span.0 <= at)),
        Action::Stop { container, .. } => life(container).is_none_or(|life| !life.is_up(at) || !life.is_up(just_before)),
        Action::Remove { container, .. } => life(container).is_none_or(|life| life.removed_at.is_some_and(|removed| removed <= at)),
    };
    if is_true { Ok(()) } else { Err(format!("the journal says at {at} that {action:?} was carried out, and it was not")) }
}

/// Invariant 3: every rollout ended as the journal says.
fn outcomes_are_true(story: &Story, stage: &Stage, history: &History) -> Wrong {
    let mut desired: BTreeMap<String, (Timestamp, Desired)> = BTreeMap::new();
    let mut left_out: BTreeSet<SlotId> = BTreeSet::new();
    for (at, recorded) in stage.taped.lock().unwrap().iter() {
        match &recorded.event {
            Event::RolloutBegan { desired: new, .. } => {
                desired.insert(new.service.to_string(), (*at, (**new).clone()));
                left_out.clear();
            }
            Event::SlotFailed { slot, .. } => drop(left_out.insert(slot.clone())),
            Event::SlotDone { slot, .. } => drop(left_out.remove(slot)),
            Event::HostLeftBehind { service, host, .. } => {
                let slots = desired[service.as_str()].1.slots.iter().map(|wanted| &wanted.slot);
                left_out.extend(slots.filter(|slot| slot.host == *host).cloned());
            }
            Event::RolloutEnded { service, outcome, .. } => {
                let (began, desired) = &desired[service.as_str()];
                for slot in desired.slots.iter().map(|wanted| &wanted.slot) {
                    let is_out = left_out.contains(slot);
                    slot_is_as_told(story, history, desired, slot, outcome, is_out, (*began, *at))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn slot_is_as_told(
    story: &Story,
    history: &History,
    desired: &Desired,
    slot: &SlotId,
    outcome: &Outcome,
    is_out: bool,
    (began, at): (Timestamp, Timestamp),
) -> Wrong {
    let own = || history.in_slot(slot).filter(|(_, life)| life.made_at <= at);
    let up = |spec| own().filter(|(_, life)| life.made.version.spec == spec && life.is_up(at)).count();
    let all_up = own().filter(|(_, life)| life.is_up(at)).count();
    let trouble = |what: &str| Err(format!("invariant 3: {slot} {what} at {at}, though its rollout ended as {outcome:?}"));
    match outcome {
        Outcome::Done | Outcome::DoneInPart if is_out && *outcome == Outcome::DoneInPart => Ok(()),
        Outcome::Done | Outcome::DoneInPart => {
            let was_let_be = own().any(|(_, life)| life.made.version.spec == desired.to.spec && life.was_let_be(at));
            match (was_let_be, up(desired.to.spec), all_up) {
                (false, ..) => trouble("does not have its new container"),
                (true, new, all) if new != all && !is_troubled(story, slot) => trouble("has another container that is up"),
                _ => Ok(()),
            }
        }
        Outcome::RolledBack { .. } if is_out && is_troubled(story, slot) => Ok(()),
        Outcome::RolledBack { .. } => {
            if up(desired.to.spec) > 0 {
                return trouble("has a new container that is up");
            }
            let before = own().find(|(_, life)| life.made_at < began && life.was_up_between(began, began));
            match before {
                None => Ok(()),
                // What the run had rolled before was taken back: what was there before that serves again.
                Some((_, life)) if life.made.version.spec == desired.to.spec => match &desired.back {
                    Some(back) if !own().any(|(_, life)| life.made.version.spec == back.spec && life.was_let_be(at)) => {
                        trouble("is not back on its old release")
                    }
                    _ => Ok(()),
                },
                Some((id, life)) if life.removed_at.is_some_and(|removed| removed <= at) => {
                    trouble(&format!("has lost its old container {}", &id[..8]))
                }
                Some((_, life)) if !life.was_let_be(at) => trouble("does not have its old container up"),
                Some(_) => Ok(()),
            }
        }
        Outcome::Stuck { .. } => Ok(()),
    }
}
