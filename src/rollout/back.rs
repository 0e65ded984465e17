//! The way back: the same walk with the release before as its goal, or, where there was none, the taking away of what is new.

use super::look::{is_serving, is_up};
use super::slot::{Move, Step};
use super::{ContainerSeen, Desired, Progress};

/// Whether there is another version to go back to, or nothing at all (which can be gone back to as well), or what is stopped and kept.
pub(super) fn is_way_back(desired: &Desired) -> bool {
    !desired.is_repair() || desired.drains().is_some()
}

/// Forgets what was reached: on the way back a slot is done only when it is back.
pub(super) fn begin(progress: &mut Progress) {
    progress.done.clear();
    progress.ready.clear();
    progress.stage.at_gate = None;
    progress.failed_back.clear();
    progress.last_done_at = None;
}

/// The next step of a slot in which nothing was before: the new containers go. Containers of yet other versions were not put there by this rollout.
pub(super) fn take_away<'a>(containers: &[&'a ContainerSeen], desired: &Desired) -> Step<'a> {
    let new = containers.iter().find(|one| one.version.spec == desired.to.spec && is_up(one));
    new.map_or(Step::Done, |new| Step::Act(Move::Stop(new)))
}

/// Whether this rollout has put nothing into the slot: the old container is up or was down before, and no new one is there.
///
/// Such a slot is left alone, so that one that was sick all along does not make the way back fail.
pub(super) fn is_untouched(containers: &[&ContainerSeen], desired: &Desired) -> bool {
    let is_new = |one: &&&ContainerSeen| one.version.spec == desired.to.spec;
    !containers.iter().any(|one| is_new(&one)) && containers.iter().any(|one| is_up(one) && !is_serving(one))
}
