//! The next step of one slot. Looks only at what is there, so asking twice is harmless.

use std::time::Duration;

use jiff::Timestamp;

use super::look::{SlotView, is_serving};
use super::verdict::{Judged, deadline, judge, too_late};
use super::{Action, ContainerSeen, ContainerState, Desired, Policy, SlotVerdict, Version};
use crate::model::SlotId;
use crate::pipeline::Order;

/// What one slot needs next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step<'a> {
    /// Nothing: the wanted container is proven and alone.
    Done,
    /// The wanted container is proven; what stood in its place may go. Takes nothing from anybody, so it needs no leave.
    Finish(Move<'a>),
    /// This.
    Act(Move<'a>),
    /// The container is up, and time will tell.
    Wait {
        /// When time alone changes something.
        until: Timestamp,
        /// Since when it is healthy, if it is.
        healthy_since: Option<Timestamp>,
    },
    /// It failed.
    Fail(SlotVerdict),
}

/// An action in the making: cheap to copy, becomes an [`Action`] when it is its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Move<'a> {
    StartNew { over: Option<&'a ContainerSeen> },
    StartAgain(&'a ContainerSeen),
    Stop(&'a ContainerSeen),
}

impl Move<'_> {
    pub(super) fn action(self, slot: &SlotId, version: &Version) -> Action {
        let slot = slot.clone();
        match self {
            Self::StartNew { over } => Action::StartNew { slot, version: version.clone(), takes_over: over.map(|old| old.id.clone()) },
            Self::StartAgain(one) => Action::StartAgain { slot, container: one.id.clone() },
            Self::Stop(one) => Action::Stop { slot, container: one.id.clone() },
        }
    }

    /// Whether it takes the last container that serves from its slot.
    pub(super) fn costs(self, view: &SlotView) -> bool {
        matches!(self, Self::Stop(one) if is_serving(one) && view.healthy == 1)
    }
}

/// When a slot is begun whose wanted container has ended: after that, however old the oldest of the looks is that `now` holds for. Else the next look
/// would find that it ended after its slot was begun, and that it failed.
pub(super) fn begins_at(view: &SlotView, now: Timestamp) -> Timestamp {
    view.goal.and_then(ended_at).map_or(now, |ended| ended.max(now))
}

fn ended_at(container: &ContainerSeen) -> Option<Timestamp> {
    match container.state {
        ContainerState::Exited { at, .. } => Some(at),
        _ => None,
    }
}

/// Says what a slot needs next on its way to the version that `view` was made for.
pub(super) fn next_step<'a>(
    view: &SlotView<'a>,
    order: Order,
    began: Option<Timestamp>,
    desired: &Desired,
    policy: &Policy,
    now: Timestamp,
) -> Step<'a> {
    let judged = view.goal.map(|goal| judge(goal, began, policy, now));
    let stopping = if order == Order::StopFirst { desired.stop_grace_period } else { Duration::ZERO };
    let until = deadline(began.unwrap_or(now), policy, stopping);
    // Taking the old one down may need several attempts. What comes in its place has the whole time from then on, else the slot is left empty.
    let taken_down = view.kept.filter(|_| order == Order::StopFirst).and_then(ended_at);
    let until = taken_down.map_or(until, |at| until.max(deadline(at.min(now), policy, Duration::ZERO)));
    let is_over = now > until;
    // Stop-first means that two never stand side by side, whoever started the other one.
    let in_the_way = view.other_up.filter(|_| order == Order::StopFirst);
    match (judged, view.goal, in_the_way) {
        (Some(Judged::Failed(verdict)), ..) => Step::Fail(verdict),
        (Some(Judged::Proven), ..) => view.other_up.map_or(Step::Done, |other| Step::Finish(Move::Stop(other))),
        (Some(Judged::Young { healthy_since, .. }), ..) if healthy_since > until => Step::Fail(too_late(policy)),
        (Some(Judged::Rising | Judged::Stopped) | None, ..) if is_over => Step::Fail(too_late(policy)),
        (_, _, Some(other)) => Step::Act(Move::Stop(other)),
        (Some(Judged::Young { healthy_since, proven_at }), ..) => Step::Wait { until: proven_at, healthy_since: Some(healthy_since) },
        (Some(Judged::Rising), ..) => Step::Wait { until, healthy_since: None },
        // One that was never started may lack what comes between its making and its start: it is made to its end.
        (Some(Judged::Stopped), Some(goal), None) if goal.state != ContainerState::Created => Step::Act(Move::StartAgain(goal)),
        (Some(Judged::Stopped) | None, _, None) => Step::Act(Move::StartNew { over: view.kept }),
    }
}
