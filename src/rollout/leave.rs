//! The second half of a round: how many slots move at once. Invariant 1 lives here: nothing that serves is taken away while more is missing than
//! `parallelism` allows; and that containers do not pile up: never more than twice `parallelism` slots are in flight.

use jiff::Timestamp;

use super::pace::{Aim, Counts, Round, Scene, Wish, first_wish, span};
use super::spread::Hosts;
use super::time::after;
use super::{Action, Desired, Progress, Version};
use crate::model::format_duration;

/// Chooses what may be done now, and notes which slots are begun with it.
pub(super) fn go<'a>(scene: &Scene<'a>, progress: &mut Progress, aim: &Aim<'a>, round: &mut Round<'a>) -> Vec<Action> {
    let desired = scene.desired;
    let mut leave = Leave::new(desired, aim, &round.counts);
    for wish in round.free.iter().chain(&round.under_way) {
        leave.ask(wish);
    }
    if !round.down.is_empty() || !round.fresh.is_empty() {
        let mut room = room(progress, aim, &round.counts, leave.parallelism, scene.now);
        let mut hosts = Hosts::of(desired, progress);
        // What is down anyway goes first: replacing it takes nothing from anybody. Then hosts with nothing in flight: no host loses two while others
        // lose none, and an engine answers nothing about one container while it starts or stops another.
        let busy = &hosts.busy().clone();
        let host_of = |place: &usize| &desired.slots[*place].slot.host;
        let fresh = |is_busy| round.fresh.iter().filter(move |place| busy.contains(host_of(place)) == is_busy);
        for place in round.down.iter().chain(fresh(false)).chain(fresh(true)) {
            if room == 0 {
                break;
            }
            if scene.observed.overdue.contains(host_of(place)) {
                leave.overdue += 1;
            } else if !hosts.has_room(host_of(place)) {
                leave.beside += 1;
            } else if let Some(wish) = first_wish(scene, *place, progress, aim, &mut round.lookup)
                && leave.ask(&wish)
            {
                hosts.take(&wish.slot.host);
                progress.began.insert(wish.slot.clone(), wish.begins);
                room -= 1;
            }
        }
    }
    leave.given(progress, round.more_lines)
}

/// Chooses what may be done now of what was begun; nothing else is.
pub(super) fn bring_to_an_end(desired: &Desired, progress: &mut Progress, aim: &Aim, round: &Round) -> Vec<Action> {
    let mut leave = Leave::new(desired, aim, &round.counts);
    for wish in round.free.iter().chain(&round.under_way) {
        if progress.began.contains_key(wish.slot) {
            leave.ask(wish);
        }
    }
    leave.given(progress, round.more_lines)
}

/// How many slots may be begun now.
fn room(progress: &mut Progress, aim: &Aim, counts: &Counts, parallelism: usize, now: Timestamp) -> usize {
    if is_pausing_between(progress, aim, counts.in_flight + counts.handed_on, now) {
        return 0;
    }
    // Start-first takes nothing away before the newcomer is proven, so a newcomer that is well can be watched beside the next ones that rise.
    // But containers must not pile up: no more such slots than `parallelism` go uncounted (docs/decisions/0005).
    parallelism.saturating_sub(counts.in_flight + counts.handed_on.saturating_sub(parallelism))
}

/// Gives moves their leave, as far as invariant 1 has room for them.
struct Leave<'a> {
    version: &'a Version,
    parallelism: usize,
    /// Slots that do not serve, those included that will not after what was given leave.
    missing: usize,
    missing_later: usize,
    /// Slots that will serve after what was given leave.
    serving: usize,
    held: usize,
    /// Slots that wait for slots on other hosts.
    beside: usize,
    /// Slots that wait for their own host to answer.
    overdue: usize,
    actions: Vec<Action>,
}

impl<'a> Leave<'a> {
    fn new(desired: &'a Desired, aim: &Aim<'a>, counts: &Counts) -> Self {
        let parallelism = match aim.policy.parallelism {
            0 => desired.slots.len(),
            some => some as usize,
        };
        let Counts { missing, missing_later, serving, .. } = *counts;
        Self {
            version: aim.goal.unwrap_or(&desired.to),
            parallelism,
            missing,
            missing_later,
            serving,
            held: 0,
            beside: 0,
            overdue: 0,
            actions: Vec::new(),
        }
    }

    /// Whether a slot may do what it would do next; if so, it is among the actions.
    fn ask(&mut self, wish: &Wish) -> bool {
        // What is down in a later stage must not hold those before it for ever, nor cost the last one that serves.
        let is_last = self.serving <= 1 && self.missing + self.missing_later >= self.parallelism;
        let is_held = wish.costs && (self.missing >= self.parallelism || is_last);
        self.held += usize::from(is_held);
        if !is_held {
            self.missing += usize::from(wish.costs);
            self.serving -= usize::from(wish.costs && self.serving > 0);
            self.actions.push(wish.what.action(wish.slot, self.version));
        }
        !is_held
    }

    /// What was given leave; and says what was not.
    fn given(self, progress: &mut Progress, mut more_lines: usize) -> Vec<Action> {
        if self.held > 0 {
            let Self { held, parallelism, .. } = self;
            let missing = self.missing + self.missing_later;
            progress.waits(&mut more_lines, || format!("{held} slots: {missing} do not serve, and parallelism allows no more than {parallelism}"));
        }
        if self.beside > 0 {
            let beside = self.beside;
            progress.waits(&mut more_lines, || format!("{beside} slots: hosts beside theirs have slots in flight"));
        }
        if self.overdue > 0 {
            let overdue = self.overdue;
            progress.waits(&mut more_lines, || format!("{overdue} slots: their hosts have been asked, and take long to answer"));
        }
        if more_lines > 0 {
            progress.waiting_for.push(format!("and {more_lines} more"));
        }
        self.actions
    }
}

/// With a `delay`, slots go in batches: the next one begins when the last one is through and the delay is over.
fn is_pausing_between(progress: &mut Progress, aim: &Aim, in_flight: usize, now: Timestamp) -> bool {
    if aim.policy.delay.is_zero() {
        return false;
    }
    if in_flight > 0 {
        return true;
    }
    let Some(last) = progress.last_done_at else { return false };
    let next = after(last, aim.policy.delay);
    if now >= next {
        return false;
    }
    progress.progressed_at = None;
    progress.look_at(next);
    let line = format!("the next slots: {} of {} delay are over", span(last, now), format_duration(aim.policy.delay));
    progress.waits(&mut 0, || line);
    true
}
