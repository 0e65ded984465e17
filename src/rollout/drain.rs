//! A slot in which nothing shall run: what does is stopped, and kept for the day on which it shall again.

use jiff::Timestamp;

use super::look::{SlotView, is_up, view};
use super::slot::{Move, Step};
use super::verdict::{deadline, not_stopped};
use super::{ContainerSeen, Desired, Version};

/// What is in the slot, none of it wanted, and what to do about it: nothing once nothing is up.
///
/// A slot that was begun has a deadline like any other, since what is missing elsewhere may hold it.
pub(super) fn look<'a>(
    containers: &[&'a ContainerSeen],
    released: &Version,
    began: Option<Timestamp>,
    desired: &Desired,
    now: Timestamp,
) -> (SlotView<'a>, Step<'a>) {
    // What is as released counts as what is replaced does: it serves until its slot has room to go.
    let view = SlotView { goal: None, ..view(containers, released) };
    let policy = &desired.update;
    let is_over = began.is_some_and(|began| now > deadline(began, policy, desired.stop_grace_period));
    let step = match containers.iter().find(|one| is_up(one)) {
        None => Step::Done,
        Some(_) if is_over => Step::Fail(not_stopped(policy)),
        Some(up) => Step::Act(Move::Stop(up)),
    };
    (view, step)
}
