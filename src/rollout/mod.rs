//! Desired + observed → actions: the moving of one service from one release to another, slot by slot. Builds nothing, resolves no tag.
//!
//! [`decide`] is called again and again with fresh observations until its progress says that it is finished. It looks at what *is*, never at
//! what it asked for last, so a crash, a lost reply or a person's own hand on a host are all the same to it.

mod back;
mod decide;
mod drain;
mod gate;
mod health;
mod leave;
mod look;
mod networks;
mod pace;
mod progress;
mod quiet;
mod sick;
mod sightings;
mod slot;
mod spread;
mod stages;
mod status;
mod sweep;
#[cfg(test)]
mod tests;
mod time;
mod types;
mod verdict;

pub use decide::{decide, decide_on};
pub use health::{ProbeBook, combine};
pub use networks::{NetworkSeen, network_differences};
pub use progress::{Kept, report_loss, report_refusal};
pub use quiet::Quiet;
pub use sick::{SlotsSeen, sick_before};
pub use sightings::{LookAt, Sightings, Told};
pub use stages::Stages;
pub use status::SlotStatus;
pub use types::{
    Action, Back, ContainerSeen, ContainerState, Desired, Gate, Heading, Health, HostSeen, Observed, Outcome, Person, Phase, Policy, Progress,
    SlotVerdict, SlotWanted, Stage, StageProgress, Version,
};
