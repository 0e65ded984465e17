//! How many slots move at once. Invariant 1 lives here: nothing that serves is taken away while more is missing than `parallelism` allows; and
//! that containers do not pile up: never more than twice `parallelism` slots are in flight.
//!
//! A round has two halves: [`look`] says of every slot what it needs next, [`go`] chooses what may be done of it now.

use jiff::Timestamp;

use super::drain;
use super::look::{HostView, Lookup, SlotView, in_slot, is_up, view};
use super::slot::{Move, Step, begins_at, next_step};
use super::spread::Hosts;
use super::time::{after, between};
use super::{Action, ContainerSeen, ContainerState, Desired, Health, Observed, Policy, Progress, SlotVerdict, SlotWanted, Version, back};
use crate::model::{SlotId, format_duration};
use crate::pipeline::Order;

/// Where a walk over the slots leads.
pub(super) struct Aim<'a> {
    /// What every slot shall be; none where nothing was before and the new ones are taken away.
    goal: Option<&'a Version>,
    /// How fast, and what counts as well.
    pub(super) policy: &'a Policy,
    is_back: bool,
    /// The stage that is under way. On the way back there are none: no canary, no bake, no approval.
    stage: Option<usize>,
}

impl<'a> Aim<'a> {
    pub(super) fn forward(desired: &'a Desired, stage: usize) -> Self {
        Self { goal: Some(&desired.to), policy: &desired.update, is_back: false, stage: Some(stage) }
    }

    pub(super) fn back(desired: &'a Desired) -> Self {
        Self { goal: desired.back.as_ref(), policy: &desired.rollback, is_back: true, stage: None }
    }

    /// Whether a slot's turn comes in a later stage.
    fn is_later(&self, wanted: &SlotWanted) -> bool {
        self.stage.is_some_and(|stage| wanted.stage > stage)
    }

    /// Whether a slot's old container has to stay up until a later stage.
    fn is_kept_up(&self, wanted: &SlotWanted) -> bool {
        self.stage.is_some_and(|stage| wanted.switch > stage)
    }

    /// Whether the gate behind the present stage is about the slot.
    fn is_about(&self, wanted: &SlotWanted) -> bool {
        self.stage.is_some_and(|stage| wanted.stage == stage || wanted.switch == stage)
    }
}

/// What all slots need.
#[derive(Default)]
pub(super) struct Round<'a> {
    /// Moves that take nothing from anybody.
    free: Vec<Wish<'a>>,
    /// The next moves of slots that are under way.
    under_way: Vec<Wish<'a>>,
    /// The first moves of slots that were not begun and that do not serve anyway.
    down: Vec<Wish<'a>>,
    /// The first moves of the other slots that were not begun.
    fresh: Vec<Wish<'a>>,
    /// Slots in flight, less those that have handed their place on.
    in_flight: usize,
    /// Slots in which new and old stand side by side and the new one is well: it is watched until it is proven, or the old one is to stop.
    handed_on: usize,
    /// Slots that do not serve, or of which nobody knows; but for those of later stages.
    missing: usize,
    /// Slots of later stages that do not serve: it is not for this stage to do anything about them.
    missing_later: usize,
    /// Slots that serve.
    serving: usize,
    /// Slots whose turn has come and that are not settled yet.
    open: usize,
    /// Slots that the gate behind the present stage is about, on hosts that do not answer.
    pub(super) unseen: usize,
    /// Since when the last of the others is healthy.
    pub(super) healthy_since: Option<Timestamp>,
    /// When the one that was looked at the longest ago was looked at.
    pub(super) looked_at: Option<Timestamp>,
    /// Lines about what is waited for that had no room.
    more_lines: usize,
}

/// What one slot would do next.
#[derive(Clone, Copy)]
struct Wish<'a> {
    slot: &'a SlotId,
    what: Move<'a>,
    /// Whether the slot no longer serves after it.
    costs: bool,
    /// When the slot is begun, if it is with this.
    begins: Timestamp,
}

impl Round<'_> {
    /// Whether every slot whose turn has come is settled: done, failed, or on a host that was left behind.
    pub(super) fn is_through(&self) -> bool {
        self.open == 0
    }
}

/// Looks at every slot, and notes in `progress` which are done, which failed, and which hosts are left behind.
pub(super) fn look<'a>(desired: &'a Desired, observed: &'a Observed, progress: &mut Progress, aim: &Aim, now: Timestamp) -> Round<'a> {
    let mut round = Round::default();
    let mut lookup = Lookup::new(observed, &desired.service);
    for wanted in &desired.slots {
        let slot = &wanted.slot;
        let (host, containers) = lookup.host(&slot.host);
        match host {
            HostView::Answered(looked_at) => {
                // "Healthy for so long" is never said of a time at which nobody looked.
                let at = looked_at.map_or(now, |looked_at| looked_at.min(now));
                if aim.is_about(wanted) {
                    round.looked_at = Some(round.looked_at.map_or(at, |oldest| oldest.min(at)));
                }
                welcome_back(slot, progress, aim);
                if progress.failures(aim.is_back).contains_key(slot) {
                    progress.began.remove(slot);
                    continue;
                }
                if progress.under_way.contains(slot) {
                    // An old container that is being stopped still looks as if it were through on the way back, and then as if it had died.
                    progress.done.remove(slot);
                    round.open += 1;
                    round.in_flight += 1;
                    round.missing += 1;
                    progress.waits(&mut round.more_lines, || format!("{slot}: an action to end"));
                    continue;
                }
                settle_or_wish(wanted, in_slot(containers, slot), desired, progress, aim, &mut round, at);
            }
            HostView::Silent { since, why } => silent(wanted, (since, why), progress, aim, &mut round, now),
            HostView::Unasked => {
                round.open += 1;
                round.missing += 1;
                progress.waits(&mut round.more_lines, || format!("{slot}: host {} was not asked yet", slot.host));
            }
        }
    }
    round
}

/// A host that answers again is part of the rollout again, and, unless the rollout has turned for it, its silence is forgiven.
fn welcome_back(slot: &SlotId, progress: &mut Progress, aim: &Aim) {
    progress.left_behind.remove(&slot.host);
    if !aim.is_back && matches!(progress.failed.get(slot), Some(SlotVerdict::HostSilent { .. })) {
        progress.failed.remove(slot);
    }
}

/// A silent host is waited for; then it is left behind. A slot of it that was in flight counts as failed: the new release may be what silenced it.
fn silent(wanted: &SlotWanted, host: (Timestamp, &str), progress: &mut Progress, aim: &Aim, round: &mut Round, now: Timestamp) {
    let (slot, (since, why)) = (&wanted.slot, host);
    if progress.failures(aim.is_back).contains_key(slot) {
        return;
    }
    let limit = after(since, aim.policy.host_timeout);
    if progress.done.contains(slot) {
        // It was proven, so nothing is waited for; but for a while nothing more is taken away, as it may be down.
        if now < limit {
            round.missing += 1;
            round.unseen += usize::from(aim.is_about(wanted));
            progress.look_at(limit);
        }
        return;
    }
    if now >= limit || progress.left_behind.contains_key(&slot.host) {
        progress.left_behind.entry(slot.host.clone()).or_insert_with(|| why.to_owned());
        if progress.began.remove(slot).is_some() && !aim.is_back {
            progress.failed.insert(slot.clone(), SlotVerdict::HostSilent { why: why.to_owned() });
        }
        return;
    }
    round.open += usize::from(!aim.is_later(wanted));
    round.missing += 1;
    if let Some(began) = progress.began.get_mut(slot) {
        // Its time does not run while nobody can see what it does.
        *began = now;
        round.in_flight += 1;
    }
    progress.look_at(limit);
    progress.waits(&mut round.more_lines, || {
        format!("{slot}: host {} is silent for {} of {} ({why})", slot.host, span(since, now), format_duration(aim.policy.host_timeout))
    });
}

/// Says of a slot on a host that answered what it needs.
fn settle_or_wish<'a>(
    wanted: &'a SlotWanted,
    containers: &[&'a ContainerSeen],
    desired: &'a Desired,
    progress: &mut Progress,
    aim: &Aim,
    round: &mut Round<'a>,
    now: Timestamp,
) {
    let slot = &wanted.slot;
    let began = progress.began.get(slot).copied();
    let (view, step) = match aim.goal {
        None => (SlotView::default(), back::take_away(containers, desired)),
        Some(goal) if wanted.is_absent && !aim.is_back => drain::look(containers, goal, began, desired, now),
        Some(_) if aim.is_back && began.is_none() && back::is_untouched(containers, desired) => (SlotView::default(), Step::Done),
        Some(goal) => {
            let view = view(containers, goal);
            let step = next_step(&view, wanted.order, began, desired, aim.policy, now);
            (view, relapsed(slot, &step, progress).unwrap_or(step))
        }
    };
    round.serving += usize::from(view.healthy > 0);
    if aim.is_about(wanted)
        && let Some(ContainerSeen { health: Health::Healthy { since }, .. }) = view.goal
    {
        round.healthy_since = round.healthy_since.max(Some(*since));
    }
    if aim.is_later(wanted) && step != Step::Done {
        // It was not begun by this rollout, so nothing is asked of it before its turn.
        progress.done.remove(slot);
        round.missing_later += usize::from(view.healthy == 0);
        return;
    }
    if matches!(step, Step::Finish(_)) && aim.is_kept_up(wanted) {
        return wait_for_the_switch(slot, progress, began, now);
    }
    match step {
        Step::Done => return settle(slot, progress, began, now),
        Step::Fail(verdict) => {
            progress.done.remove(slot);
            progress.ready.remove(slot);
            progress.began.remove(slot);
            progress.last_done_at = Some(now);
            progress.failures(aim.is_back).insert(slot.clone(), verdict);
            return;
        }
        Step::Finish(what) => {
            round.handed_on += usize::from(began.is_some());
            round.free.push(Wish { slot, what, costs: false, begins: now });
        }
        Step::Wait { until, healthy_since } => {
            let began = *progress.began.entry(slot.clone()).or_insert(now);
            if wanted.order == Order::StartFirst && healthy_since.is_some() {
                round.handed_on += 1;
            } else {
                round.in_flight += 1;
            }
            healthy_since.into_iter().for_each(|since| progress.progressed(since));
            progress.look_at(until);
            progress.waits(&mut round.more_lines, || waiting_line(slot, began, healthy_since, aim.policy, now));
        }
        Step::Act(what) => {
            // Nothing is lost by taking away what nothing stood before.
            let wish = Wish { slot, what, costs: aim.goal.is_some() && what.costs(&view), begins: begins_at(&view, now) };
            if began.is_some() || view.goal.is_some_and(is_up) {
                // Its time runs even while its next move is held for others that do not serve, else each could wait for the other for ever.
                progress.began.entry(slot.clone()).or_insert(now);
                round.in_flight += 1;
                round.under_way.push(wish);
            } else if view.healthy == 0 {
                round.down.push(wish);
            } else {
                round.fresh.push(wish);
            }
        }
    }
    progress.done.remove(slot);
    progress.ready.remove(slot);
    round.open += 1;
    round.missing += usize::from(view.healthy == 0 && aim.goal.is_some());
}

/// The newcomer is proven, and the old one stays beside it until all are switched together.
fn wait_for_the_switch(slot: &SlotId, progress: &mut Progress, began: Option<Timestamp>, now: Timestamp) {
    progress.done.remove(slot);
    progress.ready.insert(slot.clone());
    if began.is_some() {
        progress.began.remove(slot);
        progress.last_done_at = Some(now);
        progress.progressed(now);
    }
}

/// A container that was proven and then ended by itself failed after all; starting it again and again would never come to an end.
fn relapsed<'a>(slot: &SlotId, step: &Step, progress: &Progress) -> Option<Step<'a>> {
    match step {
        Step::Act(Move::StartAgain(ContainerSeen { state: ContainerState::Exited { code, .. }, .. }))
            if progress.done.contains(slot) || progress.ready.contains(slot) =>
        {
            Some(Step::Fail(SlotVerdict::Exited { code: *code }))
        }
        _ => None,
    }
}

fn settle(slot: &SlotId, progress: &mut Progress, began: Option<Timestamp>, now: Timestamp) {
    if !progress.done.contains(slot) {
        progress.done.insert(slot.clone());
        progress.ready.remove(slot);
    }
    // Slots that were there all along cost no time, and nobody need wait after them.
    if began.is_some() {
        progress.began.remove(slot);
        progress.last_done_at = Some(now);
        progress.progressed(now);
    }
}

/// Chooses what may be done now, and notes which slots are begun with it.
pub(super) fn go(desired: &Desired, progress: &mut Progress, aim: &Aim, round: &Round, now: Timestamp) -> Vec<Action> {
    let mut leave = Leave::new(desired, aim, round);
    for wish in round.free.iter().chain(&round.under_way) {
        leave.ask(wish);
    }
    if !round.down.is_empty() || !round.fresh.is_empty() {
        let mut room = room(progress, aim, round, leave.parallelism, now);
        let mut hosts = Hosts::of(desired, progress);
        // What is down anyway goes first: replacing it takes nothing from anybody. Then hosts with nothing in flight: no host loses two while others
        // lose none, and an engine answers nothing about one container while it starts or stops another.
        let busy = &hosts.busy().clone();
        let fresh = |is_busy| round.fresh.iter().filter(move |wish| busy.contains(&wish.slot.host) == is_busy);
        for wish in round.down.iter().chain(fresh(false)).chain(fresh(true)) {
            if room == 0 {
                break;
            }
            if !hosts.has_room(&wish.slot.host) {
                leave.beside += 1;
            } else if leave.ask(wish) {
                hosts.take(&wish.slot.host);
                progress.began.insert(wish.slot.clone(), wish.begins);
                room -= 1;
            }
        }
    }
    leave.given(progress, round.more_lines)
}

/// Chooses what may be done now of what was begun; nothing else is.
pub(super) fn bring_to_an_end(desired: &Desired, progress: &mut Progress, aim: &Aim, round: Round) -> Vec<Action> {
    let mut leave = Leave::new(desired, aim, &round);
    for wish in round.free.iter().chain(&round.under_way).chain(&round.down).chain(&round.fresh) {
        if progress.began.contains_key(wish.slot) {
            leave.ask(wish);
        }
    }
    leave.given(progress, round.more_lines)
}

/// How many slots may be begun now.
fn room(progress: &mut Progress, aim: &Aim, round: &Round, parallelism: usize, now: Timestamp) -> usize {
    if is_pausing_between(progress, aim, round.in_flight + round.handed_on, now) {
        return 0;
    }
    // Start-first takes nothing away before the newcomer is proven, so a newcomer that is well can be watched beside the next ones that rise.
    // But containers must not pile up: no more such slots than `parallelism` go uncounted (docs/decisions/0005).
    parallelism.saturating_sub(round.in_flight + round.handed_on.saturating_sub(parallelism))
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
    actions: Vec<Action>,
}

impl<'a> Leave<'a> {
    fn new(desired: &'a Desired, aim: &Aim<'a>, round: &Round) -> Self {
        let parallelism = match aim.policy.parallelism {
            0 => desired.slots.len(),
            some => some as usize,
        };
        let Round { missing, missing_later, serving, .. } = *round;
        Self { version: aim.goal.unwrap_or(&desired.to), parallelism, missing, missing_later, serving, held: 0, beside: 0, actions: Vec::new() }
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

fn waiting_line(slot: &SlotId, began: Timestamp, healthy_since: Option<Timestamp>, policy: &Policy, now: Timestamp) -> String {
    match healthy_since {
        Some(since) => format!("{slot}: healthy for {} of {}", span(since, now), format_duration(policy.monitor)),
        None => format!("{slot}: to become healthy, {} of {}", span(began, now), format_duration(policy.healthy_deadline)),
    }
}

fn span(from: Timestamp, to: Timestamp) -> String {
    format_duration(between(from, to))
}
