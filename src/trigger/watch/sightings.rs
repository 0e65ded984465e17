//! What a registry's answer about one base means: it is where it was, it moved, or it moved too recently to be trusted.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::Digest;

/// So many digests are remembered for each base, those that were seen last. A base that moves daily is remembered for two months.
const SEEN_MAX: usize = 64;

/// What a registry showed for a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What the tag points to: an index of several platforms, or the manifest of one.
    pub digest: Digest,
    /// The manifest of the estate's own platform within the index; none if the tag points to no index.
    pub platform: Option<Digest>,
}

impl Shown {
    /// What decides whether two are the same to this estate: an index that changed for other platforms only is no change.
    pub fn content(&self) -> Digest {
        self.platform.unwrap_or(self.digest)
    }
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It is what the estate is built on.
    Same,
    /// It is something else, and may be built on.
    Moved,
    /// It is something else, which is left alone until then.
    Cooling {
        /// When refit first saw it, and the base's `cooldown` later.
        until: Timestamp,
    },
}

/// The digests that a base had, as far as refit saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sightings {
    seen: Vec<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    shown: Shown,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Sightings {
    /// Remembers what was shown, and says what it means to an estate that is built on `taken`: the digest of an index or of a manifest as the
    /// registry had it (not the image id by which plans know a base), or none if that is not known, and then whatever is shown counts as moved.
    ///
    /// An estate that builds a base for several platforms keeps sightings for each of them.
    ///
    /// The cooldown counts from when refit first saw the content, also if it went away and came back meanwhile: registries that are many machines
    /// answer old and new by turns for a while, and a count that began again each time would never end. For content that was forgotten
    /// (it is among the last 64 no more) it begins anew.
    pub fn judge(&mut self, shown: Shown, taken: Option<Digest>, cooldown: Duration, now: Timestamp) -> Meaning {
        let first_seen = self.remember(shown, now);
        if taken.is_some_and(|taken| taken == shown.digest || self.content_of(taken) == shown.content()) {
            return Meaning::Same;
        }
        let until = first_seen.checked_add(cooldown).unwrap_or(Timestamp::MAX);
        if until <= now { Meaning::Moved } else { Meaning::Cooling { until } }
    }

    /// When refit first saw what it saw last; none if it never saw anything.
    pub fn newest_since(&self) -> Option<Timestamp> {
        let newest = self.seen.iter().max_by_key(|seen| seen.last_seen)?;
        self.first_seen(newest.shown.content())
    }

    /// When refit first saw this content; none if it never did, or has forgotten.
    pub fn first_seen(&self, content: Digest) -> Option<Timestamp> {
        self.seen.iter().filter(|seen| seen.shown.content() == content).map(|seen| seen.first_seen).min()
    }

    /// Notes a sighting, and returns the content's first one.
    fn remember(&mut self, shown: Shown, now: Timestamp) -> Timestamp {
        // A clock that was wrong and is right again must not make the cooldown longer than it is.
        for seen in &mut self.seen {
            seen.first_seen = seen.first_seen.min(now);
            seen.last_seen = seen.last_seen.min(now);
        }
        let first_seen = self.first_seen(shown.content()).unwrap_or(now);
        self.seen.retain(|seen| seen.shown != shown);
        if self.seen.len() >= SEEN_MAX
            && let Some(oldest) = self.seen.iter().enumerate().min_by_key(|(_, seen)| seen.last_seen).map(|(at, _)| at)
        {
            self.seen.remove(oldest);
        }
        self.seen.push(Seen { shown, first_seen, last_seen: now });
        first_seen
    }

    /// The content behind a digest, which may be an index's that the tag pointed to once.
    fn content_of(&self, digest: Digest) -> Digest {
        self.seen.iter().find(|seen| seen.shown.digest == digest).map_or(digest, |seen| seen.shown.content())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    /// `a` is a manifest, `i/a` an index that has it.
    fn shown(text: &str) -> Shown {
        match text.split_once('/') {
            Some((index, manifest)) => Shown { digest: digest(index), platform: Some(digest(manifest)) },
            None => Shown { digest: digest(text), platform: None },
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * HOUR).unwrap()
    }

    /// Shows one after the other, an hour apart, to an estate that is built on `taken` and stays so. `=`, `!` for moved, or hours until it may be taken.
    #[track_caller]
    fn check(taken: &str, cooldown_h: u64, story: &str, expected: &str) {
        let mut sightings = Sightings::default();
        let taken = Some(taken).filter(|taken| !taken.is_empty()).map(digest);
        let meanings = story.split(' ').enumerate().map(|(hour, text)| {
            let now = at(hour as i64);
            match sightings.judge(shown(text), taken, Duration::from_secs(cooldown_h * HOUR as u64), now) {
                Meaning::Same => "=".to_owned(),
                Meaning::Moved => "!".to_owned(),
                Meaning::Cooling { until } => ((until.as_second() - now.as_second()) / HOUR).to_string(),
            }
        });
        assert_eq!(meanings.collect::<Vec<_>>().join(" "), expected, "{story} on {taken:?}");
    }

    #[test]
    fn what_is_shown_is_held_against_what_is_built_on() {
        check("a", 0, "a b a", "= ! =");
        check("", 0, "a a", "! !");
        // An index that changed for other platforms is no move, one that changed for ours is.
        check("i1", 0, "i1/a i2/a i3/b", "= = !");
        check("a", 0, "i1/a i2/a i3/b", "= = !");
        // A tag that was a plain manifest and became an index of it, and the other way round.
        check("a", 0, "a i/a a", "= = =");
        check("i", 0, "i/a a", "= =");
        // Before anything was seen, an index's digest tells nothing of what is in it.
        check("i1", 0, "i2/a i1/a i2/a", "! = =");
    }

    #[test]
    fn a_cooldown_counts_from_the_first_sight() {
        check("a", 3, "a b b b b", "= 3 2 1 !");
        // It went away and came back: by its first sight.
        check("a", 3, "b a b b", "3 = 1 !");
        // A third one takes over: its own first sight.
        check("a", 3, "b c c b c", "3 3 2 ! !");
        // The index changes on the way, the content does not.
        check("a", 3, "i1/b i2/b i3/b i4/b", "3 2 1 !");
        check("", 2, "a a a", "2 1 !");
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_make_the_wait_longer() {
        let mut sightings = Sightings::default();
        let cooldown = Duration::from_secs(24 * 3_600);
        assert_eq!(sightings.judge(shown("b"), Some(digest("a")), cooldown, at(1_000)), Meaning::Cooling { until: at(1_024) });
        assert_eq!(sightings.judge(shown("b"), Some(digest("a")), cooldown, at(0)), Meaning::Cooling { until: at(24) });
        assert_eq!(sightings.judge(shown("b"), Some(digest("a")), Duration::MAX, at(0)), Meaning::Cooling { until: Timestamp::MAX });
    }

    #[test]
    fn what_is_remembered_is_bounded_and_survives_its_text() {
        let mut sightings = Sightings::default();
        for n in 0..200 {
            sightings.judge(shown(&n.to_string()), None, Duration::ZERO, at(n));
        }
        assert_eq!(sightings.seen.len(), SEEN_MAX);
        assert_eq!((sightings.first_seen(digest("199")), sightings.first_seen(digest("0"))), (Some(at(199)), None));
        let text = serde_json::to_string(&sightings).unwrap();
        assert_eq!(serde_json::from_str::<Sightings>(&text).unwrap(), sightings);
    }

    proptest! {
        /// Whatever is shown and whatever the clock does: what is built on is never said to have moved, and nobody waits longer than the cooldown.
        #[test]
        fn a_wait_is_never_longer_than_the_cooldown(story in prop::collection::vec((0u8..4, 0u8..4, -50i64..50), 1..100), hours in 0u64..30) {
            let mut sightings = Sightings::default();
            let cooldown = Duration::from_secs(hours * 3_600);
            for (index, manifest, hour) in story {
                let shown = shown(&format!("i{index}/{manifest}"));
                match sightings.judge(shown, Some(digest("0")), cooldown, at(hour)) {
                    Meaning::Same => prop_assert_eq!(manifest, 0),
                    Meaning::Moved => prop_assert_ne!(manifest, 0),
                    Meaning::Cooling { until } => prop_assert!(until > at(hour) && until <= at(hour + hours as i64)),
                }
            }
        }
    }
}
