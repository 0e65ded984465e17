//! Puts what a host tells of its containers' moments into refit's own steady time, so that a host's clock neither shortens nor lengthens anything.
//!
//! In: state and health as a host tells them, and when it was asked and answered. Out: the same, with moments that refit itself can answer for:
//! something that was not so at one look and is so at the next is so since the next one. Only of what stood before this run a host's own word is
//! taken at the first look, as a span on its own clock, so that a rollout in which everything is right already need not wait. Asks nobody itself.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use super::{ContainerState, Health};

/// Since when each container of one host runs, is well, or has ended.
#[derive(Debug, Default)]
pub struct Sightings {
    has_looked: bool,
    /// By the hash of the container's id, in order: there are as many of these as containers in the whole estate.
    containers: Vec<(u64, Sighting)>,
}

/// One look at a host, in steady time.
#[derive(Debug, Clone, Copy)]
pub struct LookAt {
    /// When the host was asked.
    pub began: Timestamp,
    /// When it had answered.
    pub answered: Timestamp,
    /// By how much its own clock is ahead of steady time, at least; matters for the first look only. None if it does not tell: then nothing that
    /// it says of the past is believed.
    pub ahead: Option<SignedDuration>,
}

/// What a host tells of one container, every moment by its own clock until it is replaced.
#[derive(Debug)]
pub struct Told<'a> {
    /// The engine's id of it.
    pub id: &'a str,
    /// Its state.
    pub state: &'a mut ContainerState,
    /// Its health.
    pub health: &'a mut Health,
    /// Whether it stood before this run, or was proven in it: then the host's word for its age is taken at the first look. An own container that
    /// nobody has proven yet is watched from the first look on, since the host's clock may have been set while nobody looked.
    pub is_of_old: bool,
}

/// What was seen of one container last.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The host's own moment of its start or end: another one is another start or end.
    told: Timestamp,
    /// The same as far as refit can answer for it.
    since: Timestamp,
    /// Since when it is well without a break.
    healthy_since: Option<Timestamp>,
}

impl Sightings {
    /// Whether a look would take the host's word for anything, so that its clock must be known.
    pub fn need_its_clock(&self) -> bool {
        !self.has_looked
    }

    /// Takes in one look: replaces the moments in what a host tells of all its containers.
    pub fn take_in<'a>(&mut self, look: LookAt, containers: impl Iterator<Item = Told<'a>>) {
        let word = (!self.has_looked).then_some(look.ahead).flatten();
        // Those that are not listed any more are forgotten with it.
        let mut listed = Vec::with_capacity(containers.size_hint().0);
        for told in containers {
            let id = hash(told.id);
            let before = self.containers.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| self.containers[at].1);
            listed.extend(sight(before, look, word, told).map(|seen| (id, seen)));
        }
        listed.sort_unstable_by_key(|(id, _)| *id);
        self.containers = listed;
        self.has_looked = true;
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Replaces the moments of one container. What was seen `before` of the same start, or the same end, stands.
fn sight(before: Option<Sighting>, look: LookAt, word: Option<SignedDuration>, container: Told<'_>) -> Option<Sighting> {
    let Told { state, health, is_of_old, .. } = container;
    // A host's word for a past moment; what it says of the future is nothing.
    let by_its_word = |told: Timestamp| told.checked_sub(word?).ok().map(|moment| moment.min(look.began));
    let of_old = |told: Timestamp| by_its_word(told).filter(|_| is_of_old);
    match state {
        ContainerState::Running { since, .. } => {
            let (told, same) = (*since, before.filter(|seen| seen.told == *since));
            // It may have begun at the last moment before the answer.
            *since = same.map_or_else(|| of_old(told).unwrap_or(look.answered), |seen| seen.since);
            let healthy_since = match health {
                Health::Healthy { since: told } => {
                    let first = || of_old(*told).map_or(look.answered, |moment| moment.max(*since));
                    *told = same.and_then(|seen| seen.healthy_since).unwrap_or_else(first);
                    Some(*told)
                }
                Health::Starting | Health::Unhealthy { .. } => None,
            };
            Some(Sighting { told, since: *since, healthy_since })
        }
        ContainerState::Exited { at, .. } => {
            let (told, same) = (*at, before.filter(|seen| seen.told == *at));
            // It has ended after the look before this one, which had not seen it.
            *at = same.map_or_else(|| by_its_word(told).unwrap_or(look.began), |seen| seen.since);
            Some(Sighting { told, since: *at, healthy_since: None })
        }
        // The start stands, for a container that is frozen and goes on; that it was well does not.
        ContainerState::Paused => before.map(|seen| Sighting { healthy_since: None, ..seen }),
        ContainerState::Created | ContainerState::Restarting { .. } | ContainerState::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn at(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn look(began: i64, ahead: Option<i64>) -> LookAt {
        LookAt { began: at(began), answered: at(began + 1), ahead: ahead.map(SignedDuration::from_secs) }
    }

    /// One look at one container, `running 5 healthy 7` (seconds on the host's clock), `running 5`, `exited 5`, `paused`, `created` or nothing.
    fn seen(sightings: &mut Sightings, look: LookAt, told: &str) -> String {
        let words: Vec<&str> = told.split(' ').collect();
        let moment = |nth: usize| at(words[nth].parse().unwrap());
        let (mut state, mut health) = match words[..] {
            ["running", _, "healthy", _, ..] => (ContainerState::Running { since: moment(1), restarts: 0 }, Health::Healthy { since: moment(3) }),
            ["running", _] => (ContainerState::Running { since: moment(1), restarts: 0 }, Health::Starting),
            ["exited", _] => (ContainerState::Exited { code: 1, at: moment(1) }, Health::Starting),
            ["paused"] => (ContainerState::Paused, Health::Starting),
            _ => (ContainerState::Created, Health::Starting),
        };
        let is_of_old = words.last() != Some(&"new");
        let listed = (!told.is_empty()).then_some(Told { id: "a", state: &mut state, health: &mut health, is_of_old });
        sightings.take_in(look, listed.into_iter());
        let from_start = |moment: &Timestamp| moment.duration_since(START).as_secs();
        match (&state, &health) {
            (ContainerState::Running { since, .. }, Health::Healthy { since: healthy }) => {
                format!("running {} healthy {}", from_start(since), from_start(healthy))
            }
            (ContainerState::Running { since, .. }, _) => format!("running {}", from_start(since)),
            (ContainerState::Exited { at, .. }, _) => format!("exited {}", from_start(at)),
            _ => told.to_owned(),
        }
    }

    /// Looks that begin at 100, 110, 120 … and last a second, at a host that is ahead by so many seconds, if it tells.
    fn check(ahead: Option<i64>, looks: &[(&str, &str)]) {
        let mut sightings = Sightings::default();
        for (nth, (told, expected)) in (0..).zip(looks) {
            assert_eq!(seen(&mut sightings, look(100 + 10 * nth, ahead), told), *expected, "look {nth}: {told}");
        }
    }

    #[test]
    fn of_what_stood_before_the_first_look_the_hosts_own_clock_tells_the_age() {
        check(Some(0), &[("running 5 healthy 7", "running 5 healthy 7")]);
        check(Some(3600), &[("running 3605 healthy 3607", "running 5 healthy 7")]);
        check(Some(-3600), &[("running -3595 healthy -3593", "running 5 healthy 7")]);
        check(Some(0), &[("exited 42", "exited 42")]);
        // Nobody has been well since the future, or since before the start of the container.
        check(Some(0), &[("running 5000 healthy 7000", "running 100 healthy 100")]);
        check(Some(0), &[("running 50 healthy 7", "running 50 healthy 50")]);
        // What this run made may have been made after the clock was set on.
        check(Some(0), &[("running 5 healthy 7 new", "running 101 healthy 101")]);
        // Who does not tell what time it has is believed nothing.
        check(None, &[("running 5 healthy 7", "running 101 healthy 101"), ("running 5 healthy 7", "running 101 healthy 101")]);
        check(None, &[("exited 5", "exited 100")]);
    }

    #[test]
    fn what_came_after_the_first_look_is_so_since_it_was_seen() {
        for off in [-3600, 0, 3600] {
            let running = format!("running {}", off + 105);
            let healthy = format!("running {} healthy {}", off + 105, off + 107);
            check(Some(0), &[("", ""), ("created", "created"), (&running, "running 121"), (&healthy, "running 121 healthy 131")]);
            check(Some(0), &[("", ""), (&healthy, "running 111 healthy 111"), (&healthy, "running 111 healthy 111")]);
            let exited = format!("exited {}", off + 115);
            check(Some(0), &[("", ""), (&running, "running 111"), (&exited, "exited 120"), (&exited, "exited 120")]);
        }
    }

    #[test]
    fn a_break_begins_anew() {
        let well = "running 5 healthy 7";
        check(Some(0), &[(well, well), ("running 5", "running 5"), (well, "running 5 healthy 121")]);
        check(Some(0), &[(well, well), ("paused", "paused"), (well, "running 5 healthy 121")]);
        check(Some(0), &[(well, well), ("running 6 healthy 6", "running 111 healthy 111")]);
        check(Some(0), &[(well, well), ("exited 9", "exited 110"), (well, "running 121 healthy 121")]);
        check(Some(0), &[(well, well), ("", ""), (well, "running 121 healthy 121")]);
        check(Some(0), &[(well, well), ("created", "created"), (well, "running 121 healthy 121")]);
    }

    proptest! {
        /// However a host's clock is set in the middle, and whatever it says: after the first look nothing is so for longer than refit has seen it.
        #[test]
        fn a_hosts_clock_neither_shortens_nor_lengthens_anything(jumps in prop::collection::vec(-5000_i64..5000, 1..20), became_well in 1_usize..20) {
            let mut sightings = Sightings::default();
            seen(&mut sightings, look(100, Some(0)), "");
            let started = 105 + jumps[0];
            for (nth, jump) in (0..).zip(&jumps) {
                let is_well = nth >= became_well as i64;
                let told = if is_well { format!("running {started} healthy {}", 105 + jump) } else { format!("running {started}") };
                let expected = if is_well { format!("running 111 healthy {}", 111 + 10 * became_well) } else { "running 111".to_owned() };
                prop_assert_eq!(seen(&mut sightings, look(110 + 10 * nth, Some(*jump)), &told), expected);
            }
        }
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut sightings = Sightings::default();
        assert!(sightings.need_its_clock());
        seen(&mut sightings, look(100, Some(0)), "running 5");
        seen(&mut sightings, look(110, None), "");
        assert!(sightings.containers.is_empty() && !sightings.need_its_clock());
    }
}
