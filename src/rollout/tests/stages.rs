//! Stages and the gates between them: canaries, waves, blue-green, and how many hosts at once.

use super::*;
use crate::pipeline::{Amount, UpdateStrategy, Wave};
use Order::{StartFirst, StopFirst};

/// A rollout over `hosts` hosts of one slot each, whose hosts all belong to one wave.
fn staged(hosts: usize, order: Order, wave: Wave, change: impl FnOnce(&mut UpdateStrategy)) -> Desired {
    let names: Vec<HostName> = (0..hosts).map(host).collect();
    let mut strategy = UpdateStrategy { waves: vec![Wave { hosts: names.clone(), ..wave }], ..UpdateStrategy::default() };
    change(&mut strategy);
    let mut desired = desired(hosts, 1, order);
    let stages = Stages::of(&desired.service, &strategy, 1, &names.iter().collect::<Vec<_>>(), order);
    (desired.slots, desired.stages) = (stages.slots, stages.stages);
    (desired.max_parallel_hosts, desired.spread) = (strategy.max_parallel_hosts, strategy.spread);
    desired.update.parallelism = 0;
    desired
}

fn wave(canary: u32, bake: u64, approve: bool) -> Wave {
    let canary = (canary > 0).then_some(Amount::Count(canary));
    Wave { hosts: Vec::new(), canary, bake: s(bake), approve }
}

/// A rollout that has moved something in its first stage, and waits at the gate behind it since so many seconds.
fn at_gate(seconds: u64) -> Progress {
    Progress { stage: StageProgress { has_moved: true, at_gate: Some(ago(seconds)), ..StageProgress::default() }, ..Progress::begin(NOW) }
}

fn look(desired: &Desired, progress: Progress, text: &str, word: Option<Person>, expected: &str) -> Progress {
    let (progress, actions) = decide(desired, &scene(text), progress, word, NOW);
    assert_eq!(print(&actions), expected, "{text}\n{progress:#?}");
    progress
}

#[test]
fn a_canary_goes_alone_and_is_baked_before_the_others() {
    let desired = staged(3, StartFirst, wave(1, 30, false), |_| ());
    let moved = || Progress { stage: StageProgress { has_moved: true, ..StageProgress::default() }, ..Progress::begin(NOW) };
    look(&desired, Progress::begin(NOW), "old+ | old+ | old+", None, "h0 start r2 over old0");
    look(&desired, moved(), "old+ new*9 | old+ | old!", None, "");
    let progress = look(&desired, moved(), "new*10 | old+ | old+", None, "");
    assert_eq!((progress.stage.at_gate, progress.look_again_at), (Some(NOW), NOW.checked_add(s(30)).ok()));
    assert_eq!(progress.waiting_for, ["the gate behind canary: healthy for 0ms of 30s"]);
    look(&desired, at_gate(29), "new+ | old+ | old+", None, "");
    let progress = look(&desired, at_gate(30), "new+ | old+ | old+", None, "h1 start r2 over old0, h2 start r2 over old0");
    assert_eq!(progress.stage, StageProgress { number: 1, has_moved: true, ..StageProgress::default() });
    // A container that was restarted meanwhile begins to bake anew.
    look(&desired, at_gate(30), "new*20 | old+ | old+", None, "");
    // A host that cannot be seen bakes nothing; one that stays away holds nobody for ever.
    let done = |seconds| Progress { done: [slot(0, 0)].into(), ..at_gate(seconds) };
    look(&desired, done(30), "silent 59 | old+ | old+", None, "");
    look(&desired, done(30), "silent 60 | old+ | old+", None, "h1 start r2 over old0, h2 start r2 over old0");
}

#[test]
fn a_failure_in_the_bake_goes_the_policys_way() {
    for (text, expected) in [("old. new!", "h0 again old0"), ("old. newx", "h0 again old0")] {
        let desired = staged(2, StartFirst, wave(1, 30, false), |_| ());
        let progress = Progress { done: [slot(0, 0)].into(), ..at_gate(5) };
        let progress = look(&desired, progress, &format!("{text} | old+"), None, expected);
        assert!(matches!(progress.phase, Phase::Back(_)) && progress.stage.at_gate.is_none(), "{progress:#?}");
    }
}

#[test]
fn a_gate_that_asks_for_a_person_waits_for_one() {
    let desired = staged(2, StopFirst, wave(1, 30, true), |_| ());
    let progress = look(&desired, at_gate(29), "new+ | old+", None, "");
    assert!(!progress.stage.needs_person);
    let progress = look(&desired, at_gate(30), "new+ | old+", None, "");
    assert!(progress.stage.needs_person && progress.look_again_at.is_none());
    assert_eq!(progress.waiting_for, ["the gate behind canary: a person's word (approve)"]);
    look(&desired, progress, "new+ | old+", Some(Person::Approve), "h1 stop old0");
    // In the middle of a bake it ends the bake.
    look(&desired, at_gate(1), "new+ | old+", Some(Person::Approve), "h1 stop old0");
    // Before there is a gate, and while it is paused, it is not heard.
    for progress in [Progress::begin(NOW), Progress { phase: Phase::Paused { why: "x".to_owned(), back: None }, ..at_gate(40) }] {
        assert!(!decide(&desired, &scene("old+ | old+"), progress, Some(Person::Approve), NOW).0.stage.is_approved);
    }
}

#[test]
fn a_stage_in_which_nothing_was_moved_has_nothing_to_bake_or_approve() {
    let desired = staged(2, StartFirst, wave(1, 30, true), |_| ());
    look(&desired, Progress::begin(NOW), "new+ | old+", None, "h1 start r2 over old0");
    assert_eq!(look(&desired, Progress::begin(NOW), "new+ | new+", None, "").outcome(), Some(&Outcome::Done));
}

#[test]
fn blue_green_stops_all_old_ones_together() {
    let desired = staged(3, StartFirst, wave(0, 0, false), |strategy| (strategy.is_blue_green, strategy.keep) = (true, s(60)));
    look(&desired, Progress::begin(NOW), "old+ | old+ | old+", None, "h0 start r2 over old0, h1 start r2 over old0, h2 start r2 over old0");
    let progress = look(&desired, begun(&[0, 1, 2]), "old+ new+ | old+ new+ | old+ new*9", None, "");
    assert_eq!((progress.ready.len(), progress.done.len(), progress.began.len()), (2, 0, 1));
    let all = "old+ new+ | old+ new+ | old+ new*10";
    let progress = look(&desired, progress, all, None, "h0 stop old0, h1 stop old0, h2 stop old0");
    assert_eq!((progress.stage.number, progress.stage.has_moved), (1, true));
    // Kept for a while: whoever aborts, or a newcomer that fails, leads back at once.
    let switched = "old. new+ | old. new+ | old. new+";
    let progress = look(&desired, progress, switched, None, "");
    assert_eq!(progress.look_again_at, NOW.checked_add(s(60)).ok());
    look(&desired, progress.clone(), switched, Some(Person::Abort), "h0 again old0");
    look(&desired, progress, "old. new+ | old. new! | old. new+", None, "h1 again old0");
    // One that does not get well takes the others with it; nothing had been stopped.
    let failed = look(&desired, begun(&[0, 1, 2]), "old+ new+ | old+ new! | old+ new+", None, "h0 stop new1, h1 stop new1, h2 stop new1");
    assert!(matches!(failed.phase, Phase::Back(_)));
}

#[test]
fn on_the_way_back_there_are_no_stages() {
    let desired = staged(3, StartFirst, wave(1, 30, true), |_| ());
    let back = Progress { phase: Phase::Back(Back { why: "test".to_owned() }), ..at_gate(1) };
    look(&desired, back, "old. new+ | old+ new~ | old+", None, "h1 stop new1, h0 again old0");
}

#[test]
fn hosts_of_one_label_are_never_in_flight_at_once() {
    let zones = |zones: &str| zones.chars().enumerate().map(|(number, zone)| (host(number), zone.to_string())).collect();
    for (label, most, began, expected) in [
        ("aab", None, &[][..], "h0 stop old0, h2 stop old0"),
        ("aab", None, &[0][..], "h0 stop old0, h2 stop old0"),
        ("aaa", None, &[2][..], "h2 stop old0"),
        ("", Some(1), &[][..], "h0 stop old0"),
        ("", Some(2), &[1][..], "h1 stop old0, h0 stop old0"),
        ("abc", Some(2), &[][..], "h0 stop old0, h1 stop old0"),
    ] {
        let mut desired = staged(3, StopFirst, wave(0, 0, false), |_| ());
        (desired.spread, desired.max_parallel_hosts) = (zones(label), most);
        look(&desired, begun(began), "old+ | old+ | old+", None, expected);
    }
}

#[test]
fn a_rollout_without_progress_goes_the_policys_way() {
    for (action, is_back) in [(FailureAction::Rollback, true), (FailureAction::Pause, false), (FailureAction::Continue, false)] {
        let mut desired = desired(2, 1, StopFirst);
        (desired.update.progress_deadline, desired.update.failure_action, desired.update.host_timeout) = (s(90), action, s(1000));
        desired.rollback.host_timeout = s(1000);
        let since = |seconds| Progress { progressed_at: Some(ago(seconds)), ..begun(&[1]) };
        let progress = look(&desired, since(90), "old+ | silent 200", None, "");
        assert_eq!(progress.phase, Phase::Forward);
        let (progress, _) = decide(&desired, &scene("old+ | silent 200"), since(91), None, NOW);
        assert_eq!((matches!(progress.phase, Phase::Back(_)), progress.is_paused()), (is_back, !is_back), "{progress:#?}");
        // Whoever became healthy starts it again.
        let progress = look(&desired, Progress { progressed_at: Some(ago(91)), ..begun(&[0]) }, "old. new*5 | silent 200", None, "");
        assert_eq!((&progress.phase, progress.progressed_at), (&Phase::Forward, Some(ago(5))));
    }
}

#[test]
fn a_slot_of_a_later_stage_that_is_down_holds_nobody_but_the_last_one_that_serves() {
    let mut three = staged(3, StopFirst, wave(1, 0, false), |_| ());
    three.update.parallelism = 1;
    look(&three, Progress::begin(NOW), "old+ | old. | old+", None, "h0 stop old0");
    look(&three, Progress::begin(NOW), "old+ | old. | old.", None, "");
    for delay in [0, 60] {
        let mut desired = staged(2, StopFirst, wave(1, 0, false), |_| ());
        (desired.update.parallelism, desired.update.delay, desired.update.progress_deadline) = (1, s(delay), s(90));
        let progress = look(&desired, Progress::begin(NOW), "old+ | old.", None, "");
        assert_eq!(progress.progressed_at, Some(NOW), "the delay is between batches, and there was none yet");
        let (progress, _) = decide(&desired, &scene("old+ | old."), Progress { progressed_at: Some(ago(91)), ..progress }, None, NOW);
        let Phase::Back(Back { why }) = &progress.phase else { panic!("{progress:#?}") };
        assert!(why.contains("no slot became healthy within 1m 30s (1 slots: 1 do not serve, and parallelism allows no more than 1)"), "{why}");
    }
}

#[test]
fn neither_gates_nor_pauses_nor_delays_cost_progress() {
    let mut desired = staged(2, StartFirst, wave(1, 30, true), |_| ());
    desired.update.progress_deadline = s(5);
    let gate = look(&desired, Progress { progressed_at: Some(ago(1)), ..at_gate(1000) }, "new+ | old+", None, "");
    assert_eq!((&gate.phase, gate.progressed_at), (&Phase::Forward, None));
    desired.update.delay = s(60);
    let pausing = Progress {
        last_done_at: Some(ago(30)),
        progressed_at: Some(NOW),
        stage: StageProgress { number: 1, ..StageProgress::default() },
        ..Progress::begin(NOW)
    };
    assert_eq!(look(&desired, pausing, "new+ | old+", None, "").progressed_at, None);
    let paused = look(&desired, Progress { progressed_at: Some(ago(4)), ..begun(&[0]) }, "old+ new~ | old+", Some(Person::Pause), "");
    assert_eq!((paused.is_paused(), paused.progressed_at), (true, None));
}

/// A whole story in each order and strategy: good releases end everywhere, bad ones are back everywhere, and the canary is all that was risked.
#[test]
fn staged_rollouts_come_to_their_end() {
    use crate::sim::{Fate, FateRule};
    for order in [StartFirst, StopFirst] {
        for is_blue_green in [false, true] {
            for (fate, expected, most_new) in [(Fate::Healthy(s(3)), "new new new", 3), (Fate::NeverHealthy, "old old old", 1)] {
                let desired = staged(3, order, wave(1, 20, false), |strategy| strategy.is_blue_green = is_blue_green);
                let mut world = world_of_old(&desired);
                world.fates.push(FateRule { host: None, index: None, release: Some(ReleaseNumber(2)), fate });
                let (progress, story) = drive(&desired, &mut world, Progress::begin(NOW));
                assert!(progress.is_finished());
                assert_eq!(running(&desired, &world), expected);
                let new = story.iter().filter(|action| matches!(action, Action::StartNew { .. })).count();
                assert_eq!((new, world.containers().count()), (most_new, 3), "{order:?} {is_blue_green}: {story:#?}");
            }
        }
    }
}
