//! When each watched base's registry is asked next.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::spread::{PAUSE_MAX, RateLimit, about, after_failures, chance, later, stretch, times};
use crate::model::{ImageRef, serde_duration};

/// Bases that are new to refit, or wait for the same registry, are asked over this time and not all at once.
const TOGETHER: Duration = Duration::from_secs(60);
/// A registry that says that nothing is left, and not for how long, is asked again after this at the latest.
const NOTHING_LEFT: Duration = Duration::from_secs(3_600);

/// How a question to a registry ended, as far as it matters for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It said what the base is.
    Told {
        /// What it said of its limit.
        limit: Option<RateLimit>,
    },
    /// It wants to be left alone, by everybody who asks from here.
    TooMany {
        /// Until then, if it said.
        until: Option<Timestamp>,
    },
    /// It did not answer, or not so that anything could be learnt.
    Failed,
}

/// The watched bases and when each is asked next. Plain data: the same calls give the same rounds.
///
/// Between two questions about a base lies its `watch`, a tenth more or less. After failures the pause begins at half a minute and doubles up to
/// an hour; one answer brings it back to `watch`. A registry that said "too many" is left alone until it said, at most a day, for all its bases. One whose
/// limit goes down with each question has what is left of it spread over its window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    bases: BTreeMap<ImageRef, Asking>,
    registries: BTreeMap<String, Standing>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asking {
    #[serde(with = "serde_duration")]
    watch: Duration,
    /// So many questions were answered.
    round: u64,
    /// So many of the last ones failed.
    failures: u32,
    /// When `next_at` was decided.
    since: Timestamp,
    next_at: Timestamp,
}

/// What is known of a registry's patience.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Standing {
    /// Nobody asks from the first moment to the second.
    quiet: Option<(Timestamp, Timestamp)>,
    limit: Option<RateLimit>,
    /// Whether our questions make the limit go down. Docker Hub's does not for them: it counts pulls.
    counts: bool,
}

impl Rounds {
    /// Takes over which bases are watched, and how often. What is known of those that stay is kept; new ones are asked within the next minute.
    pub fn watch(&mut self, watched: &BTreeMap<ImageRef, Duration>, now: Timestamp) {
        self.bases.retain(|base, _| watched.contains_key(base));
        self.registries.retain(|registry, _| watched.keys().any(|base| base.registry() == registry));
        for (base, watch) in watched {
            match self.bases.get_mut(base) {
                Some(asking) if asking.watch == *watch => {}
                _ => {
                    let first = times(TOGETHER.min(*watch), chance(base, 0));
                    self.bases.insert(base.clone(), Asking { watch: *watch, round: 0, failures: 0, since: now, next_at: later(now, first) });
                }
            }
        }
    }

    /// The bases that are due, those that waited longest first. One stays due until [`Rounds::answered`]: who asks knows whom it is asking, and how
    /// many at once.
    pub fn due(&mut self, now: Timestamp) -> Vec<ImageRef> {
        self.notice_a_clock_set_back(now);
        let mut due: Vec<(Timestamp, &ImageRef)> = self.bases.keys().filter_map(|base| Some((self.next_of(base)?, base))).collect();
        due.retain(|(next_at, _)| *next_at <= now);
        due.sort();
        due.into_iter().map(|(_, base)| base.clone()).collect()
    }

    /// When the next base is due; none if nothing is watched.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.bases.keys().filter_map(|base| self.next_of(base)).min()
    }

    /// When this base is due; none if it is not watched.
    pub fn next_of(&self, base: &ImageRef) -> Option<Timestamp> {
        let asking = self.bases.get(base)?;
        let quiet = self.registries.get(base.registry()).and_then(|standing| standing.quiet);
        // Those that wait for one registry do not come to it at one moment.
        let after_quiet =
            quiet.filter(|(_, until)| asking.next_at < *until).map(|(_, until)| later(until, times(TOGETHER, chance(base, asking.round))));
        Some(after_quiet.unwrap_or(asking.next_at))
    }

    /// Notes how a question about a base ended, whoever asked it, and decides when it is asked next.
    pub fn answered(&mut self, base: &ImageRef, answer: Answer, now: Timestamp) {
        let standing = self.registries.entry(base.registry().to_owned()).or_default();
        match answer {
            Answer::Told { limit } => standing.told(limit, now),
            Answer::TooMany { until } => standing.be_quiet(until.unwrap_or(now), now),
            Answer::Failed => {}
        }
        let factor = self.factor(base.registry());
        let Some(asking) = self.bases.get_mut(base) else { return };
        asking.round = asking.round.wrapping_add(1);
        asking.failures = if matches!(answer, Answer::Told { .. }) { 0 } else { asking.failures.saturating_add(1) };
        let chance = chance(base, asking.round);
        let pause = match asking.failures {
            0 => times(about(asking.watch, chance), factor).min(PAUSE_MAX.max(times(asking.watch, 1.1))),
            failures => after_failures(failures, chance),
        };
        asking.since = now;
        asking.next_at = later(now, pause);
    }

    /// By how much pauses are longer so that the registry's limit lasts.
    fn factor(&self, registry: &str) -> f64 {
        let Some(Standing { limit: Some(limit), counts: true, .. }) = self.registries.get(registry) else { return 1.0 };
        stretch(limit, self.bases.iter().filter(|(base, _)| base.registry() == registry).map(|(_, asking)| asking.watch))
    }

    /// After a clock was ahead and is right again, every wait is as long as it was meant to be.
    fn notice_a_clock_set_back(&mut self, now: Timestamp) {
        let shift = |since: &mut Timestamp, until: &mut Timestamp| {
            if *since > now {
                let meant = until.duration_since(*since);
                *since = now;
                *until = now.checked_add(meant).unwrap_or(Timestamp::MAX);
            }
        };
        self.bases.values_mut().for_each(|asking| shift(&mut asking.since, &mut asking.next_at));
        for (since, until) in self.registries.values_mut().filter_map(|standing| standing.quiet.as_mut()) {
            shift(since, until);
        }
    }
}

impl Standing {
    fn told(&mut self, limit: Option<RateLimit>, now: Timestamp) {
        if let (Some(before), Some(after)) = (self.limit, limit) {
            // More than before is a new window, which tells nothing.
            self.counts = after.remaining < before.remaining || (self.counts && after.remaining > before.remaining);
        }
        self.limit = limit.or(self.limit);
        if let Some(RateLimit { remaining: 0, window, .. }) = limit
            && self.counts
        {
            self.be_quiet(later(now, window.map_or(NOTHING_LEFT, |window| window.min(NOTHING_LEFT))), now);
        }
    }

    /// The later of two ends counts, but no end is more than a day away.
    fn be_quiet(&mut self, until: Timestamp, now: Timestamp) {
        let before = self.quiet.map_or(now, |(_, until)| until);
        let until = until.max(before).min(later(now, PAUSE_MAX));
        self.quiet = Some((now, until));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WATCH: Duration = Duration::from_secs(900);
    const TOLD: Answer = Answer::Told { limit: None };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn base(name: &str) -> ImageRef {
        name.parse().unwrap()
    }

    fn rounds(names: &[&str]) -> Rounds {
        let mut rounds = Rounds::default();
        rounds.watch(&names.iter().map(|name| (base(name), WATCH)).collect(), at(0));
        rounds
    }

    /// Seconds from `now` until a base is asked.
    fn wait(rounds: &Rounds, name: &str, now: i64) -> i64 {
        rounds.next_of(&base(name)).unwrap().duration_since(at(now)).as_secs()
    }

    fn limit(remaining: u32) -> Answer {
        Answer::Told { limit: Some(RateLimit { remaining, limit: Some(100), window: Some(Duration::from_secs(21_600)) }) }
    }

    #[test]
    fn a_new_base_is_asked_within_a_minute_and_then_about_every_watch() {
        let mut rounds = rounds(&["debian:12"]);
        assert!((0..60).contains(&wait(&rounds, "debian:12", 0)));
        assert_eq!((rounds.due(at(-1)), rounds.due(at(60))), (vec![], vec![base("debian:12")]));
        let mut waits = Vec::new();
        for now in [60, 960, 1_860, 2_760] {
            rounds.answered(&base("debian:12"), TOLD, at(now));
            waits.push(wait(&rounds, "debian:12", now));
        }
        assert!(waits.iter().all(|wait| (810..=990).contains(wait)), "{waits:?}");
        waits.dedup();
        assert_eq!(waits.len(), 4, "no two rounds are the same");
        assert_eq!(rounds.next_at(), rounds.next_of(&base("debian:12")));
    }

    #[test]
    fn failures_are_waited_for_longer_and_longer_and_one_answer_ends_it() {
        let mut rounds = rounds(&["debian:12"]);
        let waits: Vec<i64> = (0..10)
            .map(|_| {
                rounds.answered(&base("debian:12"), Answer::Failed, at(0));
                wait(&rounds, "debian:12", 0)
            })
            .collect();
        assert!((15..=30).contains(&waits[0]) && (30..=60).contains(&waits[1]) && (1_800..=3_600).contains(&waits[9]), "{waits:?}");
        rounds.answered(&base("debian:12"), TOLD, at(0));
        assert!((810..=990).contains(&wait(&rounds, "debian:12", 0)));
        rounds.answered(&base("debian:12"), Answer::Failed, at(0));
        assert!((15..=30).contains(&wait(&rounds, "debian:12", 0)), "it begins anew");
    }

    #[test]
    fn a_registry_that_says_too_many_is_left_alone_for_all_its_bases() {
        let mut rounds = rounds(&["debian:12", "python:3.12", "r.example.com/os:1"]);
        rounds.answered(&base("debian:12"), Answer::TooMany { until: Some(at(5_000)) }, at(0));
        for name in ["debian:12", "python:3.12"] {
            assert!((5_000..5_060).contains(&wait(&rounds, name, 0)), "{name}");
        }
        assert!(wait(&rounds, "r.example.com/os:1", 0) < 60);
        assert_eq!(rounds.due(at(4_999)), [base("r.example.com/os:1")]);
        // Without a time the pause after failures counts, and one beyond reason is no longer than a day.
        rounds.answered(&base("r.example.com/os:1"), Answer::TooMany { until: None }, at(0));
        assert!((15..=30).contains(&wait(&rounds, "r.example.com/os:1", 0)));
        rounds.answered(&base("debian:12"), Answer::TooMany { until: Some(Timestamp::MAX) }, at(0));
        assert!((86_400..86_460).contains(&wait(&rounds, "debian:12", 0)));
    }

    #[test]
    fn what_is_left_of_a_limit_that_goes_down_is_spread() {
        let names: Vec<String> = (0..10).map(|n| format!("base{n}:1")).collect();
        let mut rounds = rounds(&names.iter().map(String::as_str).collect::<Vec<_>>());
        // Ten bases, 24 rounds in six hours: 240 questions, of which 59 are left.
        rounds.answered(&base("base0:1"), limit(60), at(0));
        assert!((810..=990).contains(&wait(&rounds, "base0:1", 0)), "one answer tells nothing yet");
        rounds.answered(&base("base1:1"), limit(59), at(0));
        let stretched = wait(&rounds, "base1:1", 0) as f64 / 900.0;
        assert!((0.9 * 240.0 / 59.0..=1.1 * 240.0 / 59.0).contains(&stretched), "{stretched}");
        // A limit that our questions do not touch spreads nothing.
        rounds.answered(&base("base2:1"), limit(59), at(0));
        assert!((810..=990).contains(&wait(&rounds, "base2:1", 0)));
        // Nothing left: nobody asks for an hour.
        rounds.answered(&base("base3:1"), limit(0), at(0));
        assert!((3_600..3_660).contains(&wait(&rounds, "base4:1", 0)));
    }

    #[test]
    fn a_changed_estate_keeps_what_is_known_of_bases_that_stay() {
        let mut rounds = rounds(&["debian:12", "python:3.12", "r.example.com/os:1"]);
        rounds.answered(&base("debian:12"), TOLD, at(0));
        let before = rounds.next_of(&base("debian:12"));
        rounds.watch(&BTreeMap::from([(base("debian:12"), WATCH), (base("python:3.12"), Duration::from_secs(10)), (base("alpine"), WATCH)]), at(100));
        assert_eq!(rounds.next_of(&base("debian:12")), before);
        assert!((0..10).contains(&wait(&rounds, "python:3.12", 100)) && (0..60).contains(&wait(&rounds, "alpine", 100)));
        assert_eq!(rounds.next_of(&base("r.example.com/os:1")), None);
        rounds.answered(&base("r.example.com/os:1"), TOLD, at(100));
        assert_eq!(rounds.next_of(&base("r.example.com/os:1")), None, "one that is not watched is not begun with");
        let text = serde_json::to_string(&rounds).unwrap();
        assert_eq!(serde_json::from_str::<Rounds>(&text).unwrap(), rounds);
    }

    #[test]
    fn a_clock_that_was_ahead_makes_nobody_wait_for_years() {
        let mut rounds = rounds(&["debian:12"]);
        rounds.answered(&base("debian:12"), TOLD, at(1_000_000_000));
        rounds.answered(&base("debian:12"), Answer::TooMany { until: Some(at(1_000_000_100)) }, at(1_000_000_000));
        assert_eq!(rounds.due(at(0)), []);
        assert!(wait(&rounds, "debian:12", 0) <= 160);
    }

    proptest! {
        /// Whatever registries say: the next question is never in the past, never more than a day and a bit away, and always comes.
        #[test]
        fn the_next_question_comes_within_a_day(story in prop::collection::vec((0u8..5, 0u32..200, 0i64..5_000), 1..60), watch in 1u64..86_400) {
            let mut rounds = Rounds::default();
            let names = [base("debian:12"), base("python:3.12")];
            rounds.watch(&names.iter().map(|name| (name.clone(), Duration::from_secs(watch))).collect(), at(0));
            let mut now = 0;
            for (kind, number, pass) in story {
                now += pass;
                let answer = match kind {
                    0 => TOLD,
                    1 => Answer::Failed,
                    2 => Answer::TooMany { until: None },
                    3 => Answer::TooMany { until: Some(at(i64::from(number) * 10_000)) },
                    _ => limit(number),
                };
                let name = &names[number as usize % 2];
                rounds.answered(name, answer, at(now));
                let next = rounds.next_of(name).unwrap();
                prop_assert!(next >= at(now) && next <= at(now + 96_000), "{answer:?} at {now}: {next}");
                prop_assert!(rounds.due(next).contains(name));
            }
        }
    }
}
