//! The first half of a round: [`look`] says of every slot what it needs next. [`leave`](super::leave) chooses what may be done of it now.

use jiff::Timestamp;

use super::drain;
use super::look::{HostView, Lookup, SlotView, in_slot, is_serving, is_up, view};
use super::quiet::{Known, Quiet};
use super::slot::{Move, Step, begins_at, next_step};
use super::time::{after, between};
use super::{ContainerSeen, ContainerState, Desired, Health, Observed, Policy, Progress, SlotVerdict, SlotWanted, Version, back};
use crate::model::{SlotId, format_duration};
use crate::pipeline::Order;

/// What shall be, what is, and when.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) now: Timestamp,
}

/// Where a walk over the slots leads.
pub(super) struct Aim<'a> {
    /// What every slot shall be; none where nothing was before and the new ones are taken away.
    pub(super) goal: Option<&'a Version>,
    /// How fast, and what counts as well.
    pub(super) policy: &'a Policy,
    pub(super) is_back: bool,
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
    pub(super) fn is_about(&self, wanted: &SlotWanted) -> bool {
        self.stage.is_some_and(|stage| wanted.stage == stage || wanted.switch == stage)
    }
}

/// What all slots need.
pub(super) struct Round<'a> {
    pub(super) lookup: Lookup<'a>,
    /// Moves that take nothing from anybody.
    pub(super) free: Vec<Wish<'a>>,
    /// The next moves of slots that are under way.
    pub(super) under_way: Vec<Wish<'a>>,
    /// The slots, by their place, that were not begun and that do not serve anyway.
    pub(super) down: Vec<usize>,
    /// The other slots, by their place, that were not begun.
    pub(super) fresh: Vec<usize>,
    pub(super) counts: Counts,
    /// Slots that the gate behind the present stage is about, on hosts that do not answer.
    pub(super) unseen: usize,
    /// Since when the last of the others is healthy.
    pub(super) healthy_since: Option<Timestamp>,
    /// Lines about what is waited for that had no room.
    pub(super) more_lines: usize,
}

/// How many slots are how.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Slots in flight, less those that have handed their place on.
    pub(super) in_flight: usize,
    /// Slots in which new and old stand side by side and the new one is well: it is watched until it is proven, or the old one is to stop.
    pub(super) handed_on: usize,
    /// Slots that do not serve, or of which nobody knows; but for those of later stages.
    pub(super) missing: usize,
    /// Slots of later stages that do not serve: it is not for this stage to do anything about them.
    pub(super) missing_later: usize,
    /// Slots that serve.
    pub(super) serving: usize,
    /// Slots whose turn has come and that are not settled yet.
    pub(super) open: usize,
}

/// What one slot would do next.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) slot: &'a SlotId,
    pub(super) what: Move<'a>,
    /// Whether the slot no longer serves after it.
    pub(super) costs: bool,
    /// When the slot is begun, if it is with this.
    pub(super) begins: Timestamp,
}

impl<'a> Round<'a> {
    fn new(scene: &Scene<'a>) -> Self {
        Self {
            lookup: Lookup::new(scene.observed, &scene.desired.service, scene.now),
            free: Vec::new(),
            under_way: Vec::new(),
            down: Vec::new(),
            fresh: Vec::new(),
            counts: Counts::default(),
            unseen: 0,
            healthy_since: None,
            more_lines: 0,
        }
    }

    /// Whether every slot whose turn has come is settled: done, failed, or on a host that was left behind.
    pub(super) fn is_through(&self) -> bool {
        self.counts.open == 0
    }

    /// Counts what was seen of a slot about which there is something to do.
    fn saw(&mut self, serves: bool, healthy_since: Option<Timestamp>, is_about: bool) {
        self.counts.serving += usize::from(serves);
        if is_about {
            self.healthy_since = self.healthy_since.max(healthy_since);
        }
    }

    /// Takes those for missing that served when they were last seen, on hosts that have been asked since and take long to answer.
    fn doubt(&mut self, scene: &Scene<'a>) {
        if scene.observed.overdue.is_empty() {
            return;
        }
        for wanted in scene.desired.slots.iter().filter(|wanted| scene.observed.overdue.contains(&wanted.slot.host)) {
            let slot = &wanted.slot;
            if in_slot(self.lookup.host(&slot.host).1, slot).iter().any(|one| is_serving(one)) {
                self.counts.missing += 1;
                self.counts.serving = self.counts.serving.saturating_sub(1);
            }
        }
    }

    /// Counts a slot, by its place, about which there is nothing to do but perhaps to begin it.
    fn count(&mut self, place: usize, known: Known, aim: &Aim, wanted: &SlotWanted) {
        let counts = &mut self.counts;
        match known {
            Known::Done { healthy_since, serves } => self.saw(serves, healthy_since, aim.is_about(wanted)),
            Known::Later { serves } => {
                counts.serving += usize::from(serves);
                counts.missing_later += usize::from(!serves);
            }
            Known::Fresh => {
                counts.serving += 1;
                counts.open += 1;
                self.fresh.push(place);
            }
            Known::Down => {
                counts.open += 1;
                // Where nothing shall be, nothing is missing.
                counts.missing += usize::from(aim.goal.is_some());
                self.down.push(place);
            }
        }
    }
}

/// Looks at every slot, and notes in `progress` which are done, which failed, and which hosts are left behind. Those of which `quiet` knows what is
/// to be said are taken as said.
pub(super) fn look<'a>(scene: &Scene<'a>, progress: &mut Progress, aim: &Aim<'a>, quiet: &mut Quiet) -> Round<'a> {
    let mut round = Round::new(scene);
    for (place, wanted) in scene.desired.slots.iter().enumerate() {
        let known = quiet.known(place).or_else(|| look_at(scene, wanted, progress, aim, &mut round));
        if let Some(known) = known {
            round.count(place, known, aim, wanted);
            quiet.remember(place, known);
        }
    }
    round.doubt(scene);
    round
}

/// Looks at one slot. What can be said of it until something changes there is handed back, and not counted yet.
fn look_at<'a>(scene: &Scene<'a>, wanted: &'a SlotWanted, progress: &mut Progress, aim: &Aim<'a>, round: &mut Round<'a>) -> Option<Known> {
    let slot = &wanted.slot;
    match round.lookup.host(&slot.host).0 {
        HostView::Answered(at) => {
            welcome_back(slot, progress, aim);
            if progress.failures(aim.is_back).contains_key(slot) {
                progress.began.remove(slot);
                return None;
            }
            if progress.under_way.contains(slot) {
                // An old container that is being stopped still looks as if it were through on the way back, and then as if it had died.
                progress.done.remove(slot);
                round.counts.open += 1;
                round.counts.in_flight += 1;
                round.counts.missing += 1;
                progress.waits(&mut round.more_lines, || format!("{slot}: an action to end"));
                return None;
            }
            settle_or_wish(wanted, &Scene { now: at, ..*scene }, progress, aim, round)
        }
        HostView::Silent { since, why } => {
            silent(wanted, (since, why), progress, aim, round, scene.now);
            None
        }
        HostView::Unasked => {
            round.counts.open += 1;
            round.counts.missing += 1;
            progress.waits(&mut round.more_lines, || format!("{slot}: host {} was not asked yet", slot.host));
            None
        }
    }
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
            round.counts.missing += 1;
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
    round.counts.open += usize::from(!aim.is_later(wanted));
    round.counts.missing += 1;
    if let Some(began) = progress.began.get_mut(slot) {
        // Its time does not run while nobody can see what it does.
        *began = now;
        round.counts.in_flight += 1;
    }
    progress.look_at(limit);
    progress.waits(&mut round.more_lines, || {
        format!("{slot}: host {} is silent for {} of {} ({why})", slot.host, span(since, now), format_duration(aim.policy.host_timeout))
    });
}

/// What is in a slot of a host that answered, and what it needs next.
fn need<'a>(wanted: &'a SlotWanted, scene: &Scene<'a>, progress: &Progress, aim: &Aim<'a>, lookup: &mut Lookup<'a>) -> (SlotView<'a>, Step<'a>) {
    let Scene { desired, now, .. } = *scene;
    let slot = &wanted.slot;
    let containers = in_slot(lookup.host(&slot.host).1, slot);
    let began = progress.began.get(slot).copied();
    match aim.goal {
        None => (SlotView::default(), back::take_away(containers, desired)),
        Some(goal) if wanted.is_absent && !aim.is_back => drain::look(containers, goal, began, desired, now),
        Some(_) if aim.is_back && began.is_none() && back::is_untouched(containers, desired) => (SlotView::default(), Step::Done),
        Some(goal) => {
            let view = view(containers, goal);
            let step = next_step(&view, wanted.order, began, desired, aim.policy, now);
            (view, relapsed(slot, &step, progress).unwrap_or(step))
        }
    }
}

/// What a slot that was not begun would do first; none if that is nothing.
pub(super) fn first_wish<'a>(scene: &Scene<'a>, place: usize, progress: &Progress, aim: &Aim<'a>, lookup: &mut Lookup<'a>) -> Option<Wish<'a>> {
    let wanted = scene.desired.slots.get(place)?;
    let HostView::Answered(now) = lookup.host(&wanted.slot.host).0 else { return None };
    let scene = Scene { now, ..*scene };
    match need(wanted, &scene, progress, aim, lookup) {
        (view, Step::Act(what)) => Some(wish(&wanted.slot, what, &view, aim, scene.now)),
        _ => None,
    }
}

fn wish<'a>(slot: &'a SlotId, what: Move<'a>, view: &SlotView<'a>, aim: &Aim, now: Timestamp) -> Wish<'a> {
    // Nothing is lost by taking away what nothing stood before.
    Wish { slot, what, costs: aim.goal.is_some() && what.costs(view), begins: begins_at(view, now) }
}

/// Says of a slot on a host that answered what it needs.
fn settle_or_wish<'a>(wanted: &'a SlotWanted, scene: &Scene<'a>, progress: &mut Progress, aim: &Aim<'a>, round: &mut Round<'a>) -> Option<Known> {
    let (slot, now) = (&wanted.slot, scene.now);
    let began = progress.began.get(slot).copied();
    let (view, step) = need(wanted, scene, progress, aim, &mut round.lookup);
    let healthy_since = match view.goal {
        Some(ContainerSeen { health: Health::Healthy { since }, .. }) => Some(*since),
        _ => None,
    };
    let (serves, is_about) = (view.healthy > 0, aim.is_about(wanted));
    let is_new = began.is_none() && !view.goal.is_some_and(is_up);
    match step {
        Step::Done => {
            settle(slot, progress, began, now);
            return Some(Known::Done { serves, healthy_since });
        }
        _ if aim.is_later(wanted) => {
            // It was not begun by this rollout, so nothing is asked of it before its turn.
            progress.done.remove(slot);
            return Some(Known::Later { serves });
        }
        Step::Act(_) if is_new => {
            progress.done.remove(slot);
            progress.ready.remove(slot);
            return Some(if serves { Known::Fresh } else { Known::Down });
        }
        Step::Fail(verdict) => {
            round.saw(serves, healthy_since, is_about);
            progress.done.remove(slot);
            progress.ready.remove(slot);
            progress.began.remove(slot);
            progress.last_done_at = Some(now);
            progress.failures(aim.is_back).insert(slot.clone(), verdict);
            return None;
        }
        Step::Finish(_) if aim.is_kept_up(wanted) => {
            round.saw(serves, healthy_since, is_about);
            wait_for_the_switch(slot, progress, began, now);
            return None;
        }
        Step::Finish(what) => {
            round.counts.handed_on += usize::from(began.is_some());
            round.free.push(Wish { slot, what, costs: false, begins: now });
        }
        Step::Wait { until, healthy_since } => {
            let began = *progress.began.entry(slot.clone()).or_insert(now);
            if wanted.order == Order::StartFirst && healthy_since.is_some() {
                round.counts.handed_on += 1;
            } else {
                round.counts.in_flight += 1;
            }
            healthy_since.into_iter().for_each(|since| progress.progressed(since));
            progress.look_at(until);
            progress.waits(&mut round.more_lines, || waiting_line(slot, began, healthy_since, aim.policy, now));
        }
        Step::Act(what) => {
            // Its time runs even while its next move is held for others that do not serve, else each could wait for the other for ever.
            progress.began.entry(slot.clone()).or_insert(now);
            round.counts.in_flight += 1;
            round.under_way.push(wish(slot, what, &view, aim, now));
        }
    }
    progress.done.remove(slot);
    progress.ready.remove(slot);
    round.saw(serves, healthy_since, is_about);
    round.counts.open += 1;
    round.counts.missing += usize::from(!serves && aim.goal.is_some());
    None
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

fn waiting_line(slot: &SlotId, began: Timestamp, healthy_since: Option<Timestamp>, policy: &Policy, now: Timestamp) -> String {
    match healthy_since {
        Some(since) => format!("{slot}: healthy for {} of {}", span(since, now), format_duration(policy.monitor)),
        None => format!("{slot}: to become healthy, {} of {}", span(began, now), format_duration(policy.healthy_deadline)),
    }
}

pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    format_duration(between(from, to))
}
