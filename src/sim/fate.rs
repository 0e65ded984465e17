//! What becomes of a container once it is started.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{HostName, ReleaseNumber, SlotId};
use crate::rollout::{ContainerState, Health};

/// What becomes of a container once it is started. Each start begins it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It becomes healthy after this long and stays so.
    Healthy(Duration),
    /// It never becomes healthy.
    NeverHealthy,
    /// It is healthy after the first time and unwell from the second on.
    Sickens(Duration, Duration),
    /// It is healthy at once and ends after this long; the engine does not start it again.
    Exits(Duration, i64),
    /// It ends at once, again and again, and the engine starts it again and again.
    Loops(i64),
}

/// Which containers have a fate other than being healthy at once. Empty conditions fit everything; the last rule that fits counts.
#[derive(Debug, Clone)]
pub struct FateRule {
    /// Only on this host.
    pub host: Option<HostName>,
    /// Only in the slot with this index.
    pub index: Option<u32>,
    /// Only containers of this release.
    pub release: Option<ReleaseNumber>,
    /// The fate.
    pub fate: Fate,
}

impl Fate {
    /// State and health at `now` of a container started at `since`.
    pub fn at(&self, since: Timestamp, now: Timestamp) -> (ContainerState, Health) {
        let moment = |after: Duration| since.checked_add(after).unwrap_or(Timestamp::MAX);
        let running = ContainerState::Running { since, restarts: 0 };
        let unwell = |why: &str| Health::Unhealthy { why: why.to_owned() };
        match self {
            Self::Healthy(after) if now >= moment(*after) => (running, Health::Healthy { since: moment(*after) }),
            Self::Healthy(_) | Self::NeverHealthy => (running, Health::Starting),
            Self::Sickens(_, sick) if now >= moment(*sick) => (running, unwell("simulated: it sickened")),
            Self::Sickens(after, _) if now >= moment(*after) => (running, Health::Healthy { since: moment(*after) }),
            Self::Sickens(..) => (running, Health::Starting),
            Self::Exits(after, code) if now >= moment(*after) => {
                (ContainerState::Exited { code: *code, at: moment(*after) }, unwell("simulated: it ended"))
            }
            Self::Exits(..) => (running, Health::Healthy { since }),
            Self::Loops(code) => (ContainerState::Restarting { restarts: restarts(since, now), code: *code }, Health::Starting),
        }
    }
}

/// The fate of a container of `release` in `slot`, if a rule fits.
pub(super) fn fate_of(rules: &[FateRule], slot: &SlotId, release: ReleaseNumber) -> Option<Fate> {
    let fits = |rule: &&FateRule| {
        rule.host.as_ref().is_none_or(|host| *host == slot.host)
            && rule.index.is_none_or(|index| index == slot.index)
            && rule.release.is_none_or(|only| only == release)
    };
    rules.iter().rfind(fits).map(|rule| rule.fate.clone())
}

/// The engine doubles its pause from 100 ms on, so restarts grow with the logarithm of time.
fn restarts(since: Timestamp, now: Timestamp) -> u32 {
    let tenths = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0) / 100;
    (tenths + 1).ilog2()
}
