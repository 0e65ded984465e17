//! What goes wrong between refit and an engine, decided by a seed alone.

use std::time::Duration;

use jiff::Timestamp;

use super::Jumps;

/// The faults of one engine. The default has none but the time that a call takes.
#[derive(Debug, Clone)]
pub struct Faults {
    /// How long each call takes. Never nothing, so that time goes on.
    pub latency: Duration,
    /// How long it takes until a call to a silent engine is given up.
    pub call_timeout: Duration,
    /// When the engine is silent: from, to.
    pub silent: Vec<(Timestamp, Timestamp)>,
    /// Of a hundred calls, how many get lost on the way there: no effect.
    pub calls_lost_percent: u64,
    /// Of a hundred calls, how many replies get lost: the effect is there, and nobody knows.
    pub replies_lost_percent: u64,
    /// Of a hundred calls that refit had under way when it died, how many get there all the same.
    pub orphans_percent: u64,
    /// How long a container takes to stop, if it is given that long; it serves meanwhile.
    pub stop_takes: Duration,
    /// What the engine says to every start, if it refuses them: `port is already allocated`.
    pub starts_refused: Option<String>,
    /// Whether its disk is full: nothing can be built, loaded or created.
    pub disk_full: bool,
    /// How its own clock is off: every moment that it tells is by that clock.
    pub clock: Jumps,
    /// The seed of all chance. The same seed and the same calls give the same story.
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            call_timeout: Duration::from_secs(5),
            silent: Vec::new(),
            calls_lost_percent: 0,
            replies_lost_percent: 0,
            orphans_percent: 0,
            stop_takes: Duration::ZERO,
            starts_refused: None,
            disk_full: false,
            clock: Jumps::default(),
            seed: 1,
        }
    }
}

impl Faults {
    /// Whether the engine is silent at a moment.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.silent.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    /// Throws a die: true `percent` times of a hundred. Source of the generator: Marsaglia, "Xorshift RNGs", 2003.
    pub fn chance(&mut self, percent: u64) -> bool {
        let mut state = self.seed.max(1);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.seed = state;
        // The lowest bits of small seeds are poor; the upper ones are mixed well.
        (state >> 32) % 100 < percent
    }
}
