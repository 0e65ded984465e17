//! How questions are spread: jitter that needs no dice, the pause after failures, and what a registry's limit leaves for each base.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{ImageRef, serde_duration};

/// No pause that failures or limits lead to is longer; what a registry asks for beyond that is taken for a mistake.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// After the first failure. Twice as long after each further one.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// After many failures: whoever mends the registry should not have to wait for us for half a day.
const AFTER_FAILURES_MAX: Duration = Duration::from_secs(3_600);

/// What a registry said of its limit, in an answer to one question. Source: `RateLimit-Limit` and `RateLimit-Remaining` as Docker Hub sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// So many questions may still be asked.
    pub remaining: u32,
    /// Of so many in a whole window, if it said.
    pub limit: Option<u32>,
    /// The window, if it said.
    #[serde(default, with = "opt_duration")]
    pub window: Option<Duration>,
}

mod opt_duration {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Duration, serde_duration};

    #[derive(Serialize, Deserialize)]
    struct Wrap(#[serde(with = "serde_duration")] Duration);

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(Wrap).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Wrap>::deserialize(deserializer)?.map(|wrap| wrap.0))
    }
}

/// A number from 0 to below 1 that is the same for the same base and round, and has nothing to do with that of another one.
pub(super) fn chance(base: &ImageRef, round: u64) -> f64 {
    let hash = Sha256::new().chain_update(base.as_str()).chain_update(round.to_be_bytes()).finalize();
    let bits = hash.iter().take(4).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// A tenth more or less than `watch`, so that bases that began together drift apart.
pub(super) fn about(watch: Duration, chance: f64) -> Duration {
    times(watch, 0.9 + 0.2 * chance)
}

/// The pause after so many failures in a row, of which half is left to chance: those that failed together do not come back together.
pub(super) fn after_failures(failures: u32, chance: f64) -> Duration {
    let doubled = AFTER_FAILURE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    times(doubled.min(AFTER_FAILURES_MAX), 0.5 + 0.5 * chance)
}

/// By how much all pauses between questions to a registry must be longer for `limit` to last a whole window, if `pauses` are what is wanted.
pub(super) fn stretch(limit: &RateLimit, pauses: impl Iterator<Item = Duration>) -> f64 {
    let Some(window) = limit.window else { return 1.0 };
    let wanted: f64 = pauses.map(|pause| window.as_secs_f64() / pause.as_secs_f64().max(1.0)).sum();
    (wanted / f64::from(limit.remaining.max(1))).max(1.0)
}

/// `duration` so many times; as long as can be if that is too long to be said.
pub(super) fn times(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// So much later; at the end of time if that is later.
pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_the_same_again_and_spread_evenly() {
        let base: ImageRef = "debian:12".parse().unwrap();
        assert_eq!(chance(&base, 7).to_bits(), chance(&base, 7).to_bits());
        let all: Vec<f64> = (0..1_000).map(|round| chance(&base, round)).collect();
        assert!(all.iter().all(|chance| (0.0..1.0).contains(chance)));
        for tenth in 0..10 {
            let count = all.iter().filter(|chance| (**chance * 10.0) as usize == tenth).count();
            assert!((60..140).contains(&count), "{count} of 1000 in tenth {tenth}");
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds = |failures, chance| after_failures(failures, chance).as_secs();
        assert_eq!([1, 2, 3, 7, 8, 100, u32::MAX].map(|failures| seconds(failures, 1.0)), [30, 60, 120, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!([0, 1, 8].map(|failures| seconds(failures, 0.0)), [15, 15, 1_800]);
    }

    #[test]
    fn a_limit_stretches_only_what_it_does_not_cover() {
        let limit = |remaining, window: Option<u64>| RateLimit { remaining, limit: None, window: window.map(Duration::from_secs) };
        let check = |limit: RateLimit, pauses: &[u64], expected: f64| {
            let found = stretch(&limit, pauses.iter().map(|s| Duration::from_secs(*s)));
            assert!((found - expected).abs() < 1e-9, "{limit:?} {pauses:?}: {found}");
        };
        check(limit(100, Some(21_600)), &[900; 4], 1.0);
        check(limit(60, Some(21_600)), &[900; 10], 4.0);
        check(limit(0, Some(21_600)), &[900], 24.0);
        check(limit(1, None), &[900; 100], 1.0);
        check(limit(10, Some(100)), &[0], 10.0);
    }

    #[test]
    fn what_is_too_long_to_be_said_is_as_long_as_can_be() {
        assert_eq!(times(Duration::MAX, 2.0), Duration::MAX);
        assert_eq!(later(Timestamp::MAX, Duration::MAX), Timestamp::MAX);
    }
}
