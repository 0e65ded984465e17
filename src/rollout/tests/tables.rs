//! Each rule once: a scene, and what is done in it.

use std::collections::BTreeMap;

use super::*;
use Order::{StartFirst, StopFirst};

/// Checks what a fresh look at a scene leads to; `progress` lets a test say what went before.
fn check_with(desired: &Desired, progress: Progress, text: &str, expected: &str) -> Progress {
    let (progress, actions) = decide(desired, &scene(text), progress, None, NOW);
    assert_eq!(print(&actions), expected, "{text}\n{progress:#?}");
    progress
}

fn check(order: Order, text: &str, expected: &str) -> Progress {
    let hosts = text.split('|').count();
    check_with(&desired(hosts, 1, order), Progress::begin(NOW), text, expected)
}

fn back() -> Progress {
    Progress { phase: Phase::Back(Back { why: "test".to_owned() }), ..Progress::begin(NOW) }
}

#[test]
fn a_start_first_slot_starts_the_new_one_proves_it_and_then_stops_the_old_one() {
    //                  seen                done
    check(StartFirst, "old+", "h0 start r2 over old0");
    check(StartFirst, "old+ new?", "h0 start r2 over old0");
    check(StartFirst, "old+ new~", "");
    check(StartFirst, "old+ new*9", "");
    check(StartFirst, "old+ new*10", "h0 stop old0");
    check(StartFirst, "old! new*10", "h0 stop old0");
    check(StartFirst, "old= new*10", "h0 stop old0");
    check(StartFirst, "", "h0 start r2");
    check(StartFirst, "old. odd+", "h0 start r2 over odd1");
}

#[test]
fn a_stop_first_slot_never_has_two_side_by_side() {
    check(StopFirst, "old+", "h0 stop old0");
    check(StopFirst, "old@", "h0 stop old0");
    check(StopFirst, "old.", "h0 start r2 over old0");
    check(StopFirst, "old+ new~", "h0 stop old0");
    check(StopFirst, "old+ new?", "h0 stop old0");
    check(StopFirst, "old. new?", "h0 start r2 over old0");
    check(StopFirst, "old. new.", "h0 again new1");
    check(StopFirst, "old. new~", "");
    check(StopFirst, "old. odd+", "h0 stop odd1");
}

#[test]
fn who_had_to_be_taken_down_in_several_attempts_leaves_its_successor_the_whole_time() {
    let late = || Progress { began: [(slot(0, 0), ago(100))].into(), ..Progress::begin(NOW) };
    check_with(&desired(1, 1, StopFirst), late(), "oldx", "h0 start r2 over old0");
    check_with(&desired(1, 1, StopFirst), late(), "oldx new~", "");
    let progress = check_with(&desired(1, 1, StopFirst), late(), "old. new~", "h0 stop new1");
    assert_eq!(progress.failed, [(slot(0, 0), SlotVerdict::NotHealthyInTime { deadline_ms: 60_000 })].into());
}

#[test]
fn a_container_to_go_back_to_had_ended_before_its_slot_was_begun_however_old_the_oldest_look_is() {
    // The new one is there still, or has gone; and nobody hears of the first attempt.
    for (text, expected) in [("old.", "h0 again old0"), ("old. new!", "h0 stop new1")] {
        let mut observed = scene(text);
        let Some(HostSeen::Answered(seen)) = observed.hosts.get_mut(&host(0)) else { panic!() };
        seen[0].state = ContainerState::Exited { code: 137, at: NOW + s(1) };
        let mut progress = back();
        for now in [NOW, NOW + s(2)] {
            let (next, actions) = decide(&desired(1, 1, StopFirst), &observed, progress, None, now);
            assert_eq!((print(&actions).as_str(), &next.failed_back), (expected, &BTreeMap::new()), "{text}");
            progress = next;
        }
    }
}

#[test]
fn a_slot_that_has_what_it_shall_have_is_done_without_a_hand_on_it() {
    for order in [StartFirst, StopFirst] {
        let progress = check(order, "new+", "");
        assert_eq!(progress.outcome(), Some(&Outcome::Done));
        let progress = check(order, "new+ | silent 5", "");
        assert!(progress.done.contains(&slot(0, 0)) && !progress.is_finished());
    }
}

#[test]
fn old_containers_are_removed_when_all_is_done_and_not_before() {
    check(StartFirst, "old. new+ | old+", "h1 start r2 over old0");
    let progress = check(StartFirst, "old. new+ | old. odd. new+", "h0 remove old0, h1 remove odd1");
    assert_eq!(progress.phase, Phase::Sweeping(Outcome::Done));
}

#[test]
fn of_two_new_containers_in_one_slot_one_stays() {
    check(StartFirst, "new+ new+", "h0 stop new0");
    check(StartFirst, "new+ new!", "h0 stop new1");
    check(StartFirst, "new+ new.", "h0 remove new1");
    check(StopFirst, "new~ new*3", "h0 stop new0");
}

#[test]
fn parallelism_bounds_the_slots_in_flight_over_all_hosts() {
    let three = "old+ | old+ | old+";
    for (parallelism, expected) in [
        (1, "h0 start r2 over old0"),
        (2, "h0 start r2 over old0, h1 start r2 over old0"),
        (0, "h0 start r2 over old0, h1 start r2 over old0, h2 start r2 over old0"),
    ] {
        let mut desired = desired(3, 1, StartFirst);
        desired.update.parallelism = parallelism;
        check_with(&desired, Progress::begin(NOW), three, expected);
    }
    check(StartFirst, "old+ new~ | old+", "");
    check(StartFirst, "old+ new*10 | old+", "h0 stop old0, h1 start r2 over old0");
    // A slot that was begun counts even while nothing can be seen of it.
    check_with(&desired(2, 1, StartFirst), begun(&[1]), "old+ | old+", "h1 start r2 over old0");
}

#[test]
fn a_host_with_nothing_in_flight_comes_before_one_that_has_a_slot_in_flight() {
    let mut desired = desired(2, 2, StopFirst);
    let observed = world_of_old(&desired).observe();
    for (parallelism, expected) in [(2, "h0/0 h1/0"), (3, "h0/0 h1/0 h1/1"), (4, "h0/0 h1/0 h1/1 h0/1")] {
        desired.update.parallelism = parallelism;
        let (_, actions) = decide(&desired, &observed, begun(&[0]), None, NOW);
        let slots: Vec<String> = actions.iter().map(|action| format!("{}/{}", action.slot().host, action.slot().index)).collect();
        assert_eq!(slots.join(" "), expected, "parallelism {parallelism}");
    }
}

#[test]
fn nothing_is_begun_on_a_host_that_takes_long_to_answer_and_what_served_there_counts_as_missing() {
    let mut observed = scene("old+ | old+");
    observed.overdue.insert(host(0));
    for (order, parallelism, expected) in [(StartFirst, 1, "h1 start r2 over old0"), (StopFirst, 1, ""), (StopFirst, 2, "h1 stop old0")] {
        let mut desired = desired(2, 1, order);
        desired.update.parallelism = parallelism;
        let (progress, actions) = decide(&desired, &observed, Progress::begin(NOW), None, NOW);
        assert_eq!(print(&actions), expected);
        assert!(progress.waiting_for.contains(&"1 slots: their hosts have been asked, and take long to answer".to_owned()), "{progress:#?}");
    }
    // What was begun there goes on, as far as it takes nothing away.
    let (_, actions) = decide(&desired(2, 1, StartFirst), &observed, begun(&[0]), None, NOW);
    assert_eq!(print(&actions), "h0 start r2 over old0");
}

#[test]
fn while_too_many_hosts_are_in_flight_none_of_them_begins_another_slot() {
    let mut desired = desired(2, 2, StopFirst);
    desired.update.parallelism = 4;
    let observed = world_of_old(&desired).observe();
    let mut begins = |hosts: &[usize], most: Option<u32>, zones: &str| {
        desired.max_parallel_hosts = most;
        desired.spread = zones.chars().enumerate().map(|(number, zone)| (host(number), zone.to_string())).collect();
        let (next, _) = decide(&desired, &observed, begun(hosts), None, NOW);
        next.began.into_keys().map(|slot| format!("{}/{}", slot.host, slot.index)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(begins(&[0], Some(1), ""), "h0/0 h0/1");
    // A host that answers again brings in what was begun there before.
    assert_eq!(begins(&[0, 1], Some(1), ""), "h0/0 h1/0");
    assert_eq!(begins(&[0, 1], None, "aa"), "h0/0 h1/0");
    assert_eq!(begins(&[0, 1], None, "ab"), "h0/0 h0/1 h1/0 h1/1");
}

#[test]
fn a_start_first_slot_whose_newcomer_is_well_hands_its_place_on() {
    check(StartFirst, "old+ new*3 | old+ | old+", "h1 start r2 over old0");
    check(StartFirst, "old+ new*3 | old+ new~ | old+", "");
    check(StartFirst, "old+ new*3 | old+ new*1 | old+", "");
    check_with(&desired(3, 1, StartFirst), begun(&[0, 1]), "old+ new*10 | old+ new*1 | old+", "h0 stop old0");
    check(StopFirst, "old. new*3 | old+ | old+", "");
    let with = |change: fn(&mut Policy), text: &str, expected: &str| {
        let mut desired = desired(5, 1, StartFirst);
        change(&mut desired.update);
        check_with(&desired, begun(&[0, 1]), text, expected);
    };
    let two = |policy: &mut Policy| policy.parallelism = 2;
    with(two, "old+ new*3 | old+ new~ | old+ | old+ | old+", "h2 start r2 over old0");
    with(two, "old+ new*3 | old+ new*3 | old+ | old+ | old+", "h2 start r2 over old0, h3 start r2 over old0");
    with(two, "old+ new*3 | old+ new*3 | old+ new*1 | old+ | old+", "h3 start r2 over old0");
    with(|policy| policy.delay = s(1), "old+ new*3 | old+ new*3 | old+ | old+ | old+", "");
}

#[test]
fn what_is_down_anyway_is_replaced_first_and_holds_what_serves() {
    check(StopFirst, "old+ | old!", "h1 stop old0");
    check(StopFirst, "old+ | old.", "h1 start r2 over old0");
    check(StopFirst, "old+ | old. new~", "");
    check(StopFirst, "old+ | silent 5", "");
    check(StartFirst, "old+ | silent 5", "h0 start r2 over old0");
    check(StopFirst, "old+ | unasked", "");
    let mut desired = desired(3, 1, StopFirst);
    desired.update.parallelism = 2;
    check_with(&desired, Progress::begin(NOW), "old+ | old+ | old!", "h2 stop old0, h0 stop old0");
}

#[test]
fn a_delay_holds_the_next_slots_back() {
    let mut desired = desired(2, 1, StartFirst);
    desired.update.delay = s(30);
    let after = |seconds| Progress { last_done_at: Some(ago(seconds)), ..Progress::begin(NOW) };
    let progress = check_with(&desired, after(10), "new+ | old+", "");
    assert_eq!(progress.look_again_at, NOW.checked_add(s(20)).ok());
    assert_eq!(progress.waiting_for, ["the next slots: 10s of 30s delay are over"]);
    check_with(&desired, after(30), "new+ | old+", "h1 start r2 over old0");
}

#[test]
fn a_slot_fails_when_its_container_is_no_good() {
    let check = |text: &str, expected: &str| {
        let mut desired = desired(2, 1, StartFirst);
        desired.update.failure_action = FailureAction::Continue;
        let (progress, _) = decide(&desired, &scene(&format!("{text} | old+")), begun(&[0]), None, NOW);
        let verdicts: Vec<_> = progress.failed.values().map(ToString::to_string).collect();
        assert_eq!(verdicts.join(", "), expected, "{text}");
    };
    check("old+ newx", "its container exited with code 1");
    check("old+ new!", "unhealthy: HTTP 500");
    check("old+ new@", "its container exited with code 7");
    check("old+ new%", "");
    check("old+ new=", "");
    check("old+ new~", "");
    check("old+ new.", "");
    check("old+ new*1", "");
}

#[test]
fn a_slot_that_was_proven_and_then_ended_has_failed_but_one_that_was_removed_is_made_again() {
    let proven = || Progress { done: [slot(0, 0)].into(), ..Progress::begin(NOW) };
    let progress = check_with(&desired(1, 1, StartFirst), proven(), "old. new.", "h0 again old0");
    assert!(matches!(progress.phase, Phase::Back(_)));
    check_with(&desired(1, 1, StartFirst), proven(), "old.", "h0 start r2 over old0");
}

#[test]
fn nothing_is_concluded_of_a_slot_in_which_an_action_is_under_way() {
    // Taken back while its old container is being stopped: it is neither back already nor has it failed when it ends.
    let stopping = Progress { under_way: [slot(0, 0)].into(), ..back() };
    let mut progress = check_with(&desired(1, 1, StopFirst), stopping, "old+", "");
    assert!(!progress.is_finished() && progress.done.is_empty(), "{progress:#?}");
    progress.under_way.clear();
    let progress = check_with(&desired(1, 1, StopFirst), progress, "oldx", "h0 again old0");
    assert!(progress.failed_back.is_empty(), "{progress:#?}");
}

#[test]
fn a_slot_that_is_not_healthy_in_time_fails_and_one_that_just_made_it_is_watched_on() {
    let began = |seconds| Progress { began: [(slot(0, 0), ago(seconds))].into(), ..Progress::begin(NOW) };
    let check = |progress, text: &str, is_failed: bool| {
        let mut desired = desired(1, 1, StartFirst);
        desired.update.failure_action = FailureAction::Pause;
        assert_eq!(decide(&desired, &scene(text), progress, None, NOW).0.is_paused(), is_failed, "{text}");
    };
    check(began(60), "old+ new~", false);
    check(began(61), "old+ new~", true);
    check(began(61), "old+", true);
    check(began(61), "old+ new%", true);
    check(began(65), "old+ new*6", false);
    check(began(65), "old+ new*4", true);
    check(began(600), "old+ new+", false);
}

#[test]
fn the_time_to_stop_the_old_one_is_not_taken_from_the_new_one() {
    let mut desired = desired(1, 1, StopFirst);
    desired.stop_grace_period = s(20);
    let progress = Progress { began: [(slot(0, 0), ago(79))].into(), ..Progress::begin(NOW) };
    check_with(&desired, progress, "old. new~", "");
}

#[test]
fn failures_are_held_against_the_ratio() {
    for (ratio, failures, slots, expected) in
        [(0.0, 0, 10, false), (0.0, 1, 10, true), (0.1, 1, 10, false), (0.1, 2, 10, true), (0.29, 29, 100, false), (1.0, 10, 10, false)]
    {
        assert_eq!(super::super::verdict::too_many(failures, slots, ratio), expected, "{failures} of {slots} at {ratio}");
    }
}

#[test]
fn on_the_way_back_the_old_ones_return_without_a_pull() {
    let check = |order, text: &str, expected: &str| check_with(&desired(text.split('|').count(), 1, order), back(), text, expected);
    check(StartFirst, "old+ new!", "h0 stop new1");
    check(StartFirst, "old. new+", "h0 again old0");
    check(StartFirst, "old*3 new+", "");
    check(StartFirst, "new+", "h0 start r1 over new0");
    check(StopFirst, "old. new+", "h0 stop new1");
    check(StopFirst, "old. newx", "h0 again old0");
    check(StopFirst, "newx", "h0 start r1 over new0");
    check(StopFirst, "old. new+ | old. new!", "h1 stop new1");
    check(StartFirst, "old+ newx | old+", "h0 remove new1");
    check(StopFirst, "old! | old. new+", "h1 stop new1");
}

#[test]
fn a_slot_that_was_sick_all_along_does_not_make_the_way_back_fail() {
    let progress = check_with(&desired(1, 1, StartFirst), back(), "old!", "");
    assert_eq!(progress.outcome(), Some(&Outcome::RolledBack { why: "test".to_owned() }));
}

#[test]
fn a_failure_on_the_way_back_waits_for_a_person() {
    let progress = Progress { began: [(slot(0, 0), ago(5))].into(), ..back() };
    let progress = check_with(&desired(1, 1, StopFirst), progress, "oldx newx", "");
    assert!(matches!(&progress.phase, Phase::Paused { back: Some(_), .. }), "{progress:?}");
    assert!(progress.waiting_for[0].contains("1 of 1 slots failed; web@h0/0: its container exited with code 1"), "{progress:?}");
}

#[test]
fn a_failed_first_rollout_takes_away_what_it_made() {
    let desired = Desired { back: None, ..desired(2, 1, StartFirst) };
    check_with(&desired, back(), "new! | new+", "h0 stop new0");
    check_with(&desired, back(), "newx | odd+", "h0 remove new0");
    assert_eq!(check_with(&desired, back(), " | odd+", "").outcome(), Some(&Outcome::RolledBack { why: "test".to_owned() }));
}

#[test]
fn there_is_no_way_back_to_what_failed() {
    let desired = Desired { back: Some(version("new")), ..desired(1, 1, StartFirst) };
    assert!(matches!(check_with(&desired, Progress::begin(NOW), "new!", "").outcome(), Some(Outcome::Stuck { .. })));
}

#[test]
fn a_silent_host_is_waited_for_and_then_left_behind() {
    let progress = check(StartFirst, "new+ | silent 59", "");
    assert_eq!(progress.look_again_at, NOW.checked_add(s(1)).ok());
    assert_eq!(progress.waiting_for, ["web@h1/0: host h1 is silent for 59s of 1m (no route)"]);
    let progress = check(StartFirst, "new+ | silent 60", "");
    assert_eq!((progress.outcome(), progress.left_behind.len()), (Some(&Outcome::DoneInPart), 1));
}

#[test]
fn a_host_that_falls_silent_after_it_was_done_holds_the_others_for_a_while_only() {
    let done = || Progress { done: [slot(1, 0)].into(), ..Progress::begin(NOW) };
    let progress = check_with(&desired(2, 1, StopFirst), done(), "old+ | silent 59", "");
    assert_eq!(progress.look_again_at, NOW.checked_add(s(1)).ok());
    check_with(&desired(2, 1, StopFirst), done(), "old+ | silent 60", "h0 stop old0");
}

#[test]
fn a_host_that_falls_silent_under_a_new_container_counts_as_its_failure() {
    let progress = check_with(&desired(2, 1, StartFirst), begun(&[1]), "new+ old. | silent 60", "h0 again old1");
    assert!(matches!(progress.failed[&slot(1, 0)], SlotVerdict::HostSilent { .. }));
    assert!(matches!(progress.phase, Phase::Back(_)));
}

#[test]
fn a_host_that_answers_again_takes_part_again() {
    let progress = Progress { left_behind: [(host(1), "no route".to_owned())].into(), ..Progress::begin(NOW) };
    let progress = check_with(&desired(2, 1, StartFirst), progress, "new+ | old+", "h1 start r2 over old0");
    assert!(progress.left_behind.is_empty());
}

#[test]
fn a_host_that_was_left_behind_is_not_swept() {
    let progress =
        Progress { phase: Phase::Sweeping(Outcome::DoneInPart), left_behind: [(host(1), "no route".to_owned())].into(), ..Progress::begin(NOW) };
    check_with(&desired(2, 1, StartFirst), progress, "old. new+ | old. old+", "h0 remove old0");
}

#[test]
fn a_person_is_heard_at_once() {
    let desired = desired(2, 1, StopFirst);
    let hear = |progress: &Progress, word, text: &str| decide(&desired, &scene(text), progress.clone(), Some(word), NOW);
    let (paused, actions) = hear(&Progress::begin(NOW), Person::Pause, "old+ | old+");
    assert_eq!((paused.stands_still(), actions.len()), (true, 0));
    check_with(&desired, paused.clone(), "old+ | old+", "");
    assert_eq!(print(&hear(&paused, Person::Resume, "old+ | old+").1), "h0 stop old0");
    assert_eq!(print(&hear(&paused, Person::Abort, "old. | old+").1), "h0 again old0");
    assert_eq!(print(&hear(&begun(&[0]), Person::Abort, "new~ old. | old+").1), "h0 stop new0");
    let over = Progress { phase: Phase::Finished(Outcome::Done), ..Progress::begin(NOW) };
    assert_eq!(hear(&over, Person::Abort, "old. | old+").0.phase, over.phase);
}

#[test]
fn a_pause_brings_to_its_end_what_is_in_flight_and_begins_nothing() {
    for (order, text, expected) in [
        (StopFirst, "old+ | old+ | old+", "h0 stop old0"),
        (StopFirst, "old. | old+ | old.", "h0 start r2 over old0"),
        (StopFirst, "old. new? | old+ | old+", "h0 start r2 over old0"),
        (StopFirst, "old. new~ | old. | old+", ""),
        (StartFirst, "old+ new*10 | old+ | old+", "h0 stop old0"),
        (StartFirst, "old+ new*9 | old+ | old+", ""),
    ] {
        let (progress, actions) = decide(&desired(3, 1, order), &scene(text), begun(&[0]), Some(Person::Pause), NOW);
        assert_eq!((print(&actions).as_str(), progress.is_paused(), progress.stands_still()), (expected, true, false), "{text}");
        assert_eq!(progress.waiting_for[0], "to stand still (a person said so), the slots in flight");
    }
    for (text, is_failed) in [("old. new+ | old+", false), ("old. newx | old+", true), ("old. new! | old+", true)] {
        let (progress, actions) = decide(&desired(2, 1, StopFirst), &scene(text), begun(&[0]), Some(Person::Pause), NOW);
        assert_eq!((actions.len(), progress.stands_still(), progress.failed.len()), (0, true, usize::from(is_failed)), "{text}");
        assert_eq!(progress.waiting_for, ["paused: a person said so; a person says whether it goes on (resume) or back (abort)"]);
    }
    let back = Progress { began: [(slot(0, 0), ago(5))].into(), ..back() };
    let (progress, actions) = decide(&desired(2, 1, StopFirst), &scene("old. | old. new+"), back, Some(Person::Pause), NOW);
    assert_eq!((print(&actions).as_str(), progress.stands_still()), ("h0 again old0", false));
}

#[test]
fn a_refusal_is_a_failure_of_the_slot() {
    let mut progress = begun(&[0]);
    report_refusal(&mut progress, &slot(0, 0), "port is already allocated");
    let progress = check_with(&desired(1, 1, StartFirst), progress, "old+ new?", "h0 remove new1");
    let why = "1 of 1 slots failed; web@h0/0: the engine refused: port is already allocated".to_owned();
    assert_eq!(progress.phase, Phase::Sweeping(Outcome::RolledBack { why }));
}

#[test]
fn slots_that_no_longer_exist_are_cleared_when_the_rollout_is_done_but_not_when_it_went_back() {
    let mut observed = scene("new+ old.");
    let Some(HostSeen::Answered(seen)) = observed.hosts.get_mut(&host(0)) else { panic!() };
    seen.push(container("old+", &slot(0, 1), 5));
    let sweep = |outcome| {
        let progress = Progress { phase: Phase::Sweeping(outcome), ..Progress::begin(NOW) };
        print(&decide(&desired(1, 1, StartFirst), &observed, progress, None, NOW).1)
    };
    assert_eq!(sweep(Outcome::Done), "h0 remove old1, h0 stop old5");
    assert_eq!(sweep(Outcome::RolledBack { why: String::new() }), "");
}

#[test]
fn the_sweep_leaves_what_somebody_started_in_place_of_a_container_that_does_not_serve() {
    let sweep = |outcome: &Outcome, text: &str, expected: &str| {
        let progress = Progress { phase: Phase::Sweeping(outcome.clone()), ..Progress::begin(NOW) };
        check_with(&desired(1, 1, StartFirst), progress, text, expected).is_finished()
    };
    let (done, back) = (Outcome::Done, Outcome::RolledBack { why: String::new() });
    for (outcome, text, expected, is_finished) in [
        //     seen               done              finished
        (&done, "old+ new+", "h0 stop old0", false),
        (&done, "old+ new!", "", true),
        (&done, "old~ new!", "", true),
        (&done, "old+ new~", "", true),
        (&done, "old+ new.", "", true),
        (&done, "old. new!", "h0 remove old0", false),
        (&done, "old. odd+ new!", "h0 remove old0", false),
        (&back, "old! new+", "", true),
        (&back, "old+ new+", "h0 stop new1", false),
    ] {
        assert_eq!(sweep(outcome, text, expected), is_finished, "{text}");
    }
}

#[test]
fn what_belongs_to_others_is_not_seen() {
    let mut observed = scene("new+");
    let Some(HostSeen::Answered(seen)) = observed.hosts.get_mut(&host(0)) else { panic!() };
    // One engine that stands for two hosts lists the containers of both.
    seen.push(container("old+", &slot(1, 0), 5));
    seen.push(container("old+", &SlotId { service: "db".parse().unwrap(), ..slot(0, 0) }, 6));
    let (progress, actions) = decide(&desired(1, 1, StartFirst), &observed, Progress::begin(NOW), None, NOW);
    assert_eq!((print(&actions).as_str(), progress.outcome()), ("", Some(&Outcome::Done)));
}

#[test]
fn everything_waited_for_has_a_line_up_to_a_bound() {
    let text = vec!["old+ new*3"; 30].join(" | ");
    let progress = check(StartFirst, &text, "");
    assert_eq!(progress.waiting_for[0], "web@h0/0: healthy for 3s of 10s");
    assert_eq!(progress.waiting_for.last().map(String::as_str), Some("and 10 more"));
    assert_eq!(progress.look_again_at, NOW.checked_add(s(7)).ok());
    assert_eq!(check(StartFirst, "old+ new~", "").waiting_for, ["web@h0/0: to become healthy, 0ms of 1m"]);
}
