//! When a notice that could not be sent is tried again, and when it is given up.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// After the first attempt; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// However often it failed: a server that is back is noticed within this long, and one that is away is not asked more often.
const PAUSE_MAX: Duration = Duration::from_secs(30 * 60);
/// News of yesterday are in the journal, and nobody wants to be woken by them.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// So many doublings of the first pause are more than the longest one.
const DOUBLINGS_MAX: u32 = 16;

/// What came of an attempt that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the same again would be refused again.
    pub is_final: bool,
    /// For how long the other side asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// An answer of a web server. A status from 400 to 499 is final, but for "too slow", "too early" and "too many"; so is one that sends elsewhere.
    /// Source: RFC 9110, section 15; 425: RFC 8470; 429: RFC 6585.
    pub fn of_http(status: u16, retry_after: Option<Duration>) -> Self {
        let is_final = matches!(status, 300..=499) && !matches!(status, 408 | 425 | 429);
        Self { is_final, retry_after: retry_after.filter(|_| !is_final) }
    }

    /// An answer of a mail server: 5xx is final, 4xx is not. Source: RFC 5321, section 4.2.1.
    pub fn of_smtp(code: u16) -> Self {
        Self { is_final: code >= 500, retry_after: None }
    }

    /// None, or none that can be understood.
    pub fn none() -> Self {
        Self::default()
    }
}

/// What becomes of a notice that could not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// It is tried again.
    At(Timestamp),
    /// It is not.
    GiveUp {
        /// Why, in words that go on behind "the notice is given up: ".
        why: String,
    },
}

/// When to try again after so many failed attempts (1 or more), the first of which was made at `first_at` and the last of which got `answer`.
///
/// The pause doubles from 5 s to half an hour, less up to a quarter by chance, so that many notices that failed together do not come again together.
/// Chance is a hash of `first_at` and `attempts`: the same input gives the same moment. A pause that the other side asked for is kept, and nothing
/// is tried later than 24 h after `first_at`.
pub fn next_attempt(attempts: u32, first_at: Timestamp, now: Timestamp, answer: Answer) -> Retry {
    if answer.is_final {
        return Retry::GiveUp { why: "the same again would be refused again".to_owned() };
    }
    let pause = pause(attempts, first_at).max(answer.retry_after.unwrap_or_default());
    let last = first_at.checked_add(GIVE_UP_AFTER).unwrap_or(Timestamp::MAX);
    match now.checked_add(pause) {
        Ok(at) if at <= last => Retry::At(at),
        _ if answer.retry_after.is_some_and(|asked| asked >= GIVE_UP_AFTER.unsigned_abs()) => {
            Retry::GiveUp { why: "the other side asked to be left alone for longer than a day".to_owned() }
        }
        _ => Retry::GiveUp { why: format!("{attempts} attempts within a day failed") },
    }
}

fn pause(attempts: u32, first_at: Timestamp) -> Duration {
    let doublings = attempts.saturating_sub(1).min(DOUBLINGS_MAX);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX);
    whole - whole.mul_f64(0.25 * chance(attempts, first_at))
}

/// From 0 to 1, evenly. FNV-1a, then its upper bits mixed down (the finaliser of splitmix64), since neighbouring moments differ in few bits.
fn chance(attempts: u32, first_at: Timestamp) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in first_at.as_nanosecond().to_le_bytes().into_iter().chain(attempts.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn pause_after(attempts: u32, answer: Answer) -> f64 {
        match next_attempt(attempts, at(0), at(10), answer) {
            Retry::At(next) => next.duration_since(at(10)).as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        for (attempts, whole) in [(1, 5.0), (2, 10.0), (3, 20.0), (8, 640.0), (10, 1_800.0), (1_000_000, 1_800.0)] {
            let pause = pause_after(attempts, Answer::none());
            assert!((whole * 0.75..=whole).contains(&pause), "{attempts}: {pause}");
        }
    }

    #[test]
    fn chance_is_the_same_for_the_same_and_spread_over_others() {
        assert_eq!(pause(3, at(1)), pause(3, at(1)));
        let chances: Vec<f64> = (0..1_000).map(|n| chance(1, at(n))).collect();
        let mean = chances.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        assert!(chances.iter().any(|chance| *chance < 0.05) && chances.iter().any(|chance| *chance > 0.95));
    }

    #[test]
    fn what_the_other_side_asks_for_is_kept() {
        let asked = |s| Answer::of_http(429, Some(Duration::from_secs(s)));
        assert_eq!(pause_after(1, asked(90)), 90.0);
        // It does not make an attempt earlier.
        assert!(pause_after(1, asked(0)) >= 3.75);
        assert!(matches!(next_attempt(1, at(0), at(1), asked(90_000)), Retry::GiveUp { why } if why.contains("longer than a day")));
        assert!(matches!(next_attempt(1, at(0), at(1), asked(u64::MAX)), Retry::GiveUp { .. }));
    }

    #[test]
    fn a_refusal_is_final_and_a_failure_is_not() {
        for (status, is_final) in [
            (301, true),
            (308, true),
            (400, true),
            (401, true),
            (404, true),
            (410, true),
            (408, false),
            (425, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(Answer::of_http(status, None).is_final, is_final, "{status}");
        }
        for (code, is_final) in [(421, false), (450, false), (535, true), (550, true), (0, false)] {
            assert_eq!(Answer::of_smtp(code).is_final, is_final, "{code}");
        }
        assert!(matches!(next_attempt(1, at(0), at(1), Answer::of_http(404, None)), Retry::GiveUp { .. }));
    }

    #[test]
    fn after_a_day_it_is_given_up() {
        assert!(matches!(next_attempt(50, at(0), at(84_000), Answer::none()), Retry::At(_)));
        assert!(matches!(next_attempt(51, at(0), at(86_390), Answer::none()), Retry::GiveUp { why } if why.contains("51 attempts")));
        assert!(matches!(next_attempt(1, at(0), at(90_000), Answer::none()), Retry::GiveUp { .. }));
    }

    proptest! {
        #[test]
        fn it_always_ends_and_never_goes_back_in_time(attempts: u32, first in -377_705_023_201i64..=253_402_207_200, later in 0i64..100_000, asked: Option<u32>) {
            let first_at = Timestamp::from_second(first).unwrap();
            let now = first_at.checked_add(SignedDuration::from_secs(later)).unwrap_or(Timestamp::MAX);
            let answer = Answer { is_final: false, retry_after: asked.map(|s| Duration::from_secs(s.into())) };
            if let Retry::At(at) = next_attempt(attempts, first_at, now, answer) {
                prop_assert!(at > now);
                prop_assert!(at.duration_since(first_at) <= GIVE_UP_AFTER);
            }
        }
    }
}
