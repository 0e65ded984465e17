//! Slots in which nothing shall run for a while.

use super::*;
use Order::{StartFirst, StopFirst};

/// Three hosts of one slot each, on `old`; the first one is drained.
fn drain(order: Order) -> Desired {
    let mut desired = desired(3, 1, order);
    desired.to = version("old");
    desired.slots[0].is_absent = true;
    desired
}

fn look(desired: &Desired, progress: Progress, text: &str, word: Option<Person>, expected: &str) -> Progress {
    let (progress, actions) = decide(desired, &scene(text), progress, word, NOW);
    assert_eq!(print(&actions), expected, "{text}\n{progress:#?}");
    progress
}

fn check(text: &str, expected: &str) -> Progress {
    for order in [StartFirst, StopFirst] {
        look(&drain(order), Progress::begin(NOW), text, None, expected);
    }
    look(&drain(StopFirst), Progress::begin(NOW), text, None, expected)
}

#[test]
fn what_runs_in_it_is_stopped_and_kept() {
    check("old+ | old+ | old+", "h0 stop old0");
    check("old! | old+ | old+", "h0 stop old0");
    check("odd+ | old+ | old+", "h0 stop odd0");
    check("old@ | old+ | old+", "h0 stop old0");
    for empty in ["old. | old+ | old+", " | old+ | old+"] {
        assert_eq!(check(empty, "").phase, Phase::Finished(Outcome::Done), "{empty}");
    }
}

#[test]
fn nothing_that_serves_is_taken_while_too_many_are_missing_elsewhere() {
    // Elsewhere it is put right meanwhile.
    check("old+ | old. | old+", "h1 again old0");
    check("old+ | old+ | silent 5", "");
    // What does not serve is missed by nobody.
    check("old! | old. | old+", "h0 stop old0");
}

#[test]
fn a_drain_goes_back_when_it_fails_or_a_person_says_so() {
    let desired = drain(StopFirst);
    let progress = look(&desired, begun(&[0]), "old. | old+ | old+", Some(Person::Abort), "h0 again old0");
    assert!(matches!(progress.phase, Phase::Back(_)), "{progress:#?}");
    let progress = look(&desired, progress, "old+ | old+ | old+", None, "");
    assert!(matches!(progress.phase, Phase::Finished(Outcome::RolledBack { .. })), "{progress:#?}");
    // A host that went sick while another one was being emptied.
    let progress = Progress { done: [slot(0, 0), slot(1, 0)].into(), ..Progress::begin(NOW) };
    let progress = look(&desired, progress, "old. | oldx | old+", None, "h0 again old0");
    assert!(matches!(progress.phase, Phase::Back(_)), "{progress:#?}");
}

#[test]
fn a_silent_host_is_waited_for_and_then_left() {
    check("silent 5 | old+ | old+", "");
    let progress = check("silent 61 | old+ | old+", "");
    assert_eq!(progress.outcome(), Some(&Outcome::DoneInPart));
}
