//! The way of a rollout: forward, perhaps back, then sweeping, then finished. This is its table of contents; each phase has its own file.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::back::{self, is_way_back};
use super::gate;
use super::leave;
use super::pace::{self, Aim, Round, Scene};
use super::quiet::Quiet;
use super::sweep;
use super::verdict::{too_many, why_it_turns};
use super::{Action, Back, Desired, Observed, Outcome, Person, Phase, Progress};
use crate::model::HostName;
use crate::pipeline::FailureAction;

/// Decides what to do now.
///
/// In: what shall be, what is, what is remembered from the last look, and what a person said since then. Out: what to remember, and the actions to
/// carry out now, at most one for each slot. The next look must come after these have ended (or were given up); what is not visible then is asked
/// for again. Without actions the next look is due at `look_again_at`, or when something happens.
///
/// Pure: the same input gives the same output. O(slots + containers · log) for each look.
pub fn decide(desired: &Desired, observed: &Observed, progress: Progress, person: Option<Person>, now: Timestamp) -> (Progress, Vec<Action>) {
    walk(&Scene { desired, observed, now }, progress, person, &mut Quiet::default())
}

/// The same as [`decide`], for who decides again and again about one rollout: `quiet` spares it the slots of which nothing new is to be said.
///
/// `moved` are the hosts of which something else was seen than at the last decision. The progress must be that of the last decision, as far as it
/// was not changed by [`report_refusal`](super::report_refusal), [`report_loss`](super::report_loss) or its `under_way`.
pub fn decide_on<'a>(
    quiet: &mut Quiet<'a>,
    moved: &BTreeSet<HostName>,
    desired: &'a Desired,
    observed: &Observed,
    progress: Progress,
    person: Option<Person>,
    now: Timestamp,
) -> (Progress, Vec<Action>) {
    quiet.stir(moved, &progress);
    walk(&Scene { desired, observed, now }, progress, person, quiet)
}

fn walk(scene: &Scene, mut progress: Progress, person: Option<Person>, quiet: &mut Quiet) -> (Progress, Vec<Action>) {
    if let Some(word) = person {
        hear(scene.desired, &mut progress, word);
        quiet.forget();
    }
    // A phase that ends hands the same observation to the next one. Each turn leads further down in this list, so there is an end.
    loop {
        progress.look_again_at = None;
        progress.waiting_for.clear();
        let turned = match progress.phase.clone() {
            Phase::Forward => forward(scene, &mut progress, quiet),
            Phase::Back(back) => backward(scene, &mut progress, back, quiet),
            Phase::Sweeping(outcome) => sweeping(scene, &mut progress, outcome),
            Phase::Paused { why, back } => paused(scene, &mut progress, &why, back.is_some(), quiet),
            Phase::Finished(_) => return (progress, Vec::new()),
        };
        match turned {
            Turned::No(actions) => return (progress, actions),
            Turned::To(phase) => {
                progress.turn(phase);
                quiet.forget();
            }
        }
    }
}

/// Whether a phase goes on with these actions, or is over.
enum Turned {
    No(Vec<Action>),
    To(Phase),
}

/// Takes a person's word. After the end of the way there is nothing left to pause or to take back, so it is not heard then.
fn hear(desired: &Desired, progress: &mut Progress, word: Person) {
    let next = match (word, progress.phase.clone()) {
        (Person::Pause, Phase::Forward) => Phase::Paused { why: "a person said so".to_owned(), back: None },
        (Person::Pause, Phase::Back(back)) => Phase::Paused { why: "a person said so".to_owned(), back: Some(back) },
        (Person::Resume, Phase::Paused { back, .. }) => back.map_or(Phase::Forward, Phase::Back),
        (Person::Abort, Phase::Paused { back: Some(back), .. }) => Phase::Back(back),
        // Said before there is a gate to open, it is not heard: nobody can have seen what it would be about.
        (Person::Approve, Phase::Forward) => {
            progress.stage.is_approved |= progress.stage.at_gate.is_some();
            return;
        }
        (Person::Abort, Phase::Forward | Phase::Paused { back: None, .. }) => go_back(desired, "a person said so".to_owned()),
        (_, _) => return,
    };
    // Whoever says `go on` gives the slots that failed another chance.
    match &next {
        Phase::Forward => progress.failed.clear(),
        Phase::Back(_) => back::begin(progress),
        _ => {}
    }
    progress.turn(next);
}

fn go_back(desired: &Desired, why: String) -> Phase {
    if is_way_back(desired) {
        Phase::Back(Back { why })
    } else {
        Phase::Finished(Outcome::Stuck { why: format!("{why}; what ran before was the same version, so there is nothing to go back to") })
    }
}

fn forward(scene: &Scene, progress: &mut Progress, quiet: &mut Quiet) -> Turned {
    let desired = scene.desired;
    let aim = Aim::forward(desired, progress.stage.number);
    let mut round = pace::look(scene, progress, &aim, quiet);
    let slots = desired.slots.len();
    if too_many(progress.failed.len(), slots, aim.policy.max_failure_ratio) && aim.policy.failure_action != FailureAction::Continue {
        return Turned::To(give_up(desired, progress, why_it_turns(&progress.failed, slots)));
    }
    if round.is_through() {
        return at_gate(scene, progress, &aim, &round);
    }
    progress.stage.at_gate = None;
    if let Some(why) = gate::overdue(scene, progress, &aim, &mut round) {
        return Turned::To(give_up(desired, progress, why));
    }
    let actions = leave::go(scene, progress, &aim, &mut round);
    progress.stage.has_moved |= !actions.is_empty();
    Turned::No(actions)
}

/// A stage is through: what comes next waits for the gate behind it.
fn at_gate(scene: &Scene, progress: &mut Progress, aim: &Aim, round: &Round) -> Turned {
    progress.progressed_at = None;
    if !gate::opens(scene, progress, aim, round) {
        return Turned::No(Vec::new());
    }
    if !scene.desired.is_last_stage(progress.stage.number) {
        gate::pass(progress);
        return Turned::To(Phase::Forward);
    }
    progress.stage.at_gate = None;
    let is_whole = progress.failed.is_empty() && progress.left_behind.is_empty();
    Turned::To(Phase::Sweeping(if is_whole { Outcome::Done } else { Outcome::DoneInPart }))
}

/// Where a way forward leads that comes to no good end. One that was to go on whatever fails, and cannot, calls for a person.
fn give_up(desired: &Desired, progress: &mut Progress, why: String) -> Phase {
    match desired.update.failure_action {
        FailureAction::Rollback => {
            back::begin(progress);
            go_back(desired, why)
        }
        FailureAction::Pause | FailureAction::Continue => Phase::Paused { why, back: None },
    }
}

fn backward(scene: &Scene, progress: &mut Progress, back: Back, quiet: &mut Quiet) -> Turned {
    let aim = Aim::back(scene.desired);
    let mut round = pace::look(scene, progress, &aim, quiet);
    let slots = scene.desired.slots.len();
    let goes_on = aim.policy.failure_action == FailureAction::Continue;
    // A rollback is never rolled back: it stops and calls for a person.
    if !goes_on && too_many(progress.failed_back.len(), slots, aim.policy.max_failure_ratio) {
        let why = format!("on the way back ({}) {}", back.why, why_it_turns(&progress.failed_back, slots));
        return Turned::To(Phase::Paused { why, back: Some(back) });
    }
    if round.is_through() {
        return Turned::To(if progress.failed_back.is_empty() {
            Phase::Sweeping(Outcome::RolledBack { why: back.why })
        } else {
            let failed = why_it_turns(&progress.failed_back, slots);
            Phase::Finished(Outcome::Stuck { why: format!("on the way back ({}) {failed}", back.why) })
        });
    }
    if let Some(why) = gate::overdue(scene, progress, &aim, &mut round) {
        return Turned::To(Phase::Paused { why: format!("on the way back ({}) {why}", back.why), back: Some(back) });
    }
    Turned::No(leave::go(scene, progress, &aim, &mut round))
}

/// Begins nothing, but brings to its end what is in flight: a slot that was left in the middle could be one without a container. What fails now
/// waits for a person like everything else.
fn paused(scene: &Scene, progress: &mut Progress, why: &str, is_back: bool, quiet: &mut Quiet) -> Turned {
    let desired = scene.desired;
    let aim = if is_back { Aim::back(desired) } else { Aim::forward(desired, progress.stage.number) };
    let round = pace::look(scene, progress, &aim, quiet);
    let actions = leave::bring_to_an_end(desired, progress, &aim, &round);
    if progress.stands_still() {
        progress.look_again_at = None;
        progress.waiting_for = vec![format!("paused: {why}; a person says whether it goes on (resume) or back (abort)")];
    } else {
        progress.waiting_for.insert(0, format!("to stand still ({why}), the slots in flight"));
    }
    Turned::No(actions)
}

fn sweeping(scene: &Scene, progress: &mut Progress, outcome: Outcome) -> Turned {
    let actions = sweep::sweep(scene.desired, scene.observed, progress, &outcome, scene.now);
    if actions.is_empty() && progress.look_again_at.is_none() { Turned::To(Phase::Finished(outcome)) } else { Turned::No(actions) }
}
