//! What a rollout promises, by name, and what is said when it was not kept.

use std::fmt;

/// Something that a rollout promises, whatever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// Invariant 1: refit itself takes nothing that serves away, beyond what the policy allows.
    KeepsWhatServes,
    /// No slot is begun while twice `parallelism` are in flight, so containers do not pile up.
    BoundsWhatIsInFlight,
    /// Invariant 2: of a slot that goes stop-first never two run, so a volume has one writer.
    NeverTwoSideBySide,
    /// Invariant 3: at its end every slot is where the outcome says, or known not to be.
    EndsWhereItSays,
    /// Invariant 4: nothing that runs is removed, and whoever takes a place over takes its volumes over.
    LosesNoVolume,
    /// Invariant 5: only the target and the version before it are started.
    RunsWhatWasReleased,
    /// A slot counts only when its container has been healthy for `monitor`.
    ProvesBeforeItCounts,
    /// On the way back an old container that serves is let be.
    LeavesHealthyOldOnesAlone,
    /// A rollback is never rolled back.
    NeverTurnsTwice,
    /// Invariants 7 and 8: when nothing more befalls it, it comes to an end, or waits for a person.
    ComesToAnEnd,
    /// Invariant 8: no container is left over at the end.
    LeavesNothingBehind,
    /// Invariant 10: refit touches its own containers only.
    TouchesOnlyItsOwn,
    /// One action for each slot at a time, and none while it stands still.
    ActsOneStepAtATime,
    /// A pause begins nothing, and leaves no slot in the middle.
    PausesBetweenSlots,
    /// Nothing of a later stage is touched before the gate is through: all proven, baked, approved.
    HoldsAtTheGate,
    /// Where all are switched together, no old container is stopped before every newcomer is proven.
    SwitchesTogether,
    /// Never slots in flight on two hosts of one `spread` label, nor on more hosts than may be.
    SpreadsOverHosts,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepsWhatServes => "keeps what serves",
            Self::BoundsWhatIsInFlight => "bounds what is in flight",
            Self::NeverTwoSideBySide => "never two side by side",
            Self::EndsWhereItSays => "ends where it says",
            Self::LosesNoVolume => "loses no volume",
            Self::RunsWhatWasReleased => "runs what was released",
            Self::ProvesBeforeItCounts => "proves before it counts",
            Self::LeavesHealthyOldOnesAlone => "leaves healthy old ones alone",
            Self::NeverTurnsTwice => "never turns twice",
            Self::ComesToAnEnd => "comes to an end",
            Self::LeavesNothingBehind => "leaves nothing behind",
            Self::TouchesOnlyItsOwn => "touches only its own",
            Self::ActsOneStepAtATime => "acts one step at a time",
            Self::PausesBetweenSlots => "pauses between slots",
            Self::HoldsAtTheGate => "holds at the gate",
            Self::SwitchesTogether => "switches together",
            Self::SpreadsOverHosts => "spreads over hosts",
        })
    }
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {why}")]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What was done instead.
    pub why: String,
}
