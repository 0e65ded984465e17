//! The schedule on clocks that change, with freezes and windows that overlap, and where nobody was there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::model::{Place, TriggerName, Zone};
use crate::pipeline::{CycleRefresh, Freeze, FreezeAllow, Priority, Trigger, Window};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn place() -> Place {
    Place { file: "pipelines/shop.yaml".into(), line: 7 }
}

fn trigger(cron: &str, zone: &str) -> Trigger {
    Trigger {
        name: "nightly".parse().unwrap(),
        estate: "shop".parse().unwrap(),
        at: place(),
        cron: cron.parse().unwrap(),
        timezone: zone.parse().unwrap(),
        window: None,
        jitter: Duration::ZERO,
        priority: Priority::Normal,
        refresh: CycleRefresh::Marked,
    }
}

fn with(window_s: u64, jitter_s: u64, trigger: Trigger) -> Trigger {
    Trigger { window: Some(Duration::from_secs(window_s)), jitter: Duration::from_secs(jitter_s), ..trigger }
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn local(zone: &str, moments: impl IntoIterator<Item = Timestamp>) -> Vec<String> {
    let zone: Zone = zone.parse().unwrap();
    moments.into_iter().map(|moment| zone.at(moment).strftime("%d %H:%M%:z").to_string()).collect()
}

/// Every change of the clock in two years: the zone and the moment.
const CHANGES: [(&str, &str); 8] = [
    ("Europe/Brussels", "2026-03-29T01:00:00Z"),
    ("Europe/Brussels", "2026-10-25T01:00:00Z"),
    ("Europe/Brussels", "2027-03-28T01:00:00Z"),
    ("Europe/Brussels", "2027-10-31T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("America/New_York", "2027-11-07T06:00:00Z"),
];

/// How often the simulated daemon asks.
const STEP_S: i64 = 11;

/// Lives through `from` to `until`, asking every few seconds, and being set back now and then. Gives every occurrence that began, with when.
fn live(trigger: &Trigger, from: Timestamp, until: Timestamp, setbacks: bool) -> Vec<(Timestamp, Timestamp)> {
    let (mut now, mut handled, mut began, mut turn) = (from, from, Vec::new(), 0);
    while now < until {
        if let Some(due) = due(trigger, handled, now) {
            assert!(due.occurrence().at > handled && due.occurrence().at <= now, "{due:?} at {now}");
            handled = due.occurrence().at;
            match due {
                Due::Begin { occurrence, missed } => {
                    assert_eq!(missed, 0, "nobody was away");
                    began.push((occurrence.at, now));
                }
                Due::Skip { .. } => panic!("nobody was away: {due:?}"),
            }
        }
        turn += 1;
        // Set back for less than it goes on in between, so that the simulation gets through.
        now += seconds(if setbacks && turn % 100 == 0 { -50 * STEP_S } else { STEP_S });
    }
    began
}

#[test]
fn an_hour_of_schedule_across_every_change_of_the_clock_begins_everything_once() {
    // Fixed times within and around the hour that is skipped or there twice, and patterns that follow the time that passes.
    for (cron, jitter, setbacks) in [
        ("30 2 * * *", 0, false),
        ("30 1 * * *", 180, false),
        ("0 3 * * *", 0, false),
        ("15,45 1-3 * * *", 180, true),
        ("*/10 * * * *", 180, true),
        ("59 */2 * * *", 0, false),
    ] {
        for (zone, change) in CHANGES {
            let trigger = with(600, jitter, trigger(cron, zone));
            let (from, until) = (at(change) - seconds(4_500), at(change) + seconds(4_500));
            let began = live(&trigger, from, until, setbacks);
            let triggers = BTreeMap::from([(trigger.name.clone(), trigger.clone())]);
            let expected = occurrences(&triggers, from, until);
            let expected: Vec<&Occurrence> = expected.iter().filter(|one| one.at > from && one.begins < until - seconds(STEP_S)).collect();
            let moments: Vec<Timestamp> = began.iter().map(|(at, _)| *at).collect();
            assert!(
                moments.starts_with(&expected.iter().map(|one| one.at).collect::<Vec<_>>()),
                "{cron} in {zone}: {began:?}, expected {expected:?}"
            );
            assert!(moments.len() <= expected.len() + 1 && moments.is_sorted_by(|a, b| a < b), "{cron} in {zone}: {began:?}");
            for (one, (_, began)) in expected.iter().zip(&began) {
                assert!(*began >= one.begins && (setbacks || *began < one.begins + seconds(STEP_S)), "{cron} in {zone}: {one:?} at {began}");
            }
        }
    }
}

#[test]
fn what_is_skipped_comes_at_the_skip_and_what_is_there_twice_once() {
    let days = |cron: &str, zone: &str, from: &str, hours: i64| {
        let trigger = trigger(cron, zone);
        let triggers = BTreeMap::from([(trigger.name.clone(), trigger)]);
        local(zone, occurrences(&triggers, at(from), at(from) + seconds(hours * 3_600)).into_iter().map(|one| one.at))
    };
    for (cron, zone, from, expected) in [
        ("30 2 * * *", "Europe/Brussels", "2026-03-27T23:00:00Z", ["28 02:30+01:00", "29 03:00+02:00", "30 02:30+02:00"]),
        ("30 2 * * *", "Europe/Brussels", "2026-10-23T22:00:00Z", ["24 02:30+02:00", "25 02:30+02:00", "26 02:30+01:00"]),
        ("30 2 * * *", "Europe/Brussels", "2027-03-26T23:00:00Z", ["27 02:30+01:00", "28 03:00+02:00", "29 02:30+02:00"]),
        ("30 2 * * *", "Europe/Brussels", "2027-10-29T22:00:00Z", ["30 02:30+02:00", "31 02:30+02:00", "01 02:30+01:00"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T05:00:00Z", ["07 02:30-05:00", "08 03:00-04:00", "09 02:30-04:00"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T04:00:00Z", ["31 01:30-04:00", "01 01:30-04:00", "02 01:30-05:00"]),
        ("30 2 * * *", "America/New_York", "2027-03-13T05:00:00Z", ["13 02:30-05:00", "14 03:00-04:00", "15 02:30-04:00"]),
        ("30 1 * * *", "America/New_York", "2027-11-06T04:00:00Z", ["06 01:30-04:00", "07 01:30-04:00", "08 01:30-05:00"]),
    ] {
        assert_eq!(days(cron, zone, from, 72), expected, "{cron} in {zone}");
    }
    let spring = days("30 * * * *", "Europe/Brussels", "2026-03-29T00:00:00Z", 3);
    assert_eq!(spring, ["29 01:30+01:00", "29 03:30+02:00", "29 04:30+02:00"]);
    let autumn = days("30 * * * *", "Europe/Brussels", "2026-10-24T23:00:00Z", 4);
    assert_eq!(autumn, ["25 01:30+02:00", "25 02:30+02:00", "25 02:30+01:00", "25 03:30+01:00"]);
}

#[test]
fn a_window_is_as_long_as_it_says_also_when_the_clock_changes() {
    for change in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
        let trigger = with(4 * 3_600, 600, trigger("0 1 * * *", "Europe/Brussels"));
        let one = next(&trigger, at(change) - seconds(7_200)).unwrap();
        assert_eq!(one.closes, Some(one.at + seconds(4 * 3_600)), "jitter takes from the window and adds nothing to it");
        assert_eq!(window_closes(one.begins, &trigger), one.closes);
        assert_eq!(window_closes(one.at + seconds(5 * 3_600), &trigger), one.closes, "in the past: the run must stop");
    }
    assert_eq!(window_closes(at("2026-03-29T00:00:00Z"), &trigger("0 1 * * *", "UTC")), None);
    // A day of 23 hours shortens a window of 24, so that two never overlap.
    let daily = with(86_400, 0, trigger("0 1 * * *", "Europe/Brussels"));
    let short = next(&daily, at("2026-03-28T12:00:00Z")).unwrap();
    assert_eq!((short.closes, short.begins), (Some(at("2026-03-29T23:00:00Z")), at("2026-03-29T00:00:00Z")));
}

#[test]
fn one_that_was_missed_begins_once_within_its_window_and_is_skipped_with_a_reason_after() {
    let trigger = with(4 * 3_600, 600, trigger("0 3 * * TUE", "Europe/Brussels"));
    let handled = at("2026-12-01T02:00:00Z");
    let tuesday = at("2026-12-08T02:00:00Z");
    let begins = next(&trigger, handled + seconds(3_600)).unwrap().begins;
    assert_eq!(due(&trigger, handled, tuesday - seconds(1)), None);
    assert!(begins > tuesday, "the example has a jitter");
    assert_eq!(due(&trigger, handled, begins - seconds(1)), None, "the jitter keeps it back");
    let on_time = due(&trigger, handled, begins).unwrap();
    assert!(matches!(&on_time, Due::Begin { occurrence, missed: 0 } if occurrence.at == tuesday), "{on_time:?}");
    let late = due(&trigger, handled, tuesday + seconds(4 * 3_600 - 1)).unwrap();
    assert_eq!(late, on_time, "late, and within its window");
    assert_eq!(due(&trigger, tuesday, tuesday + seconds(4 * 3_600 - 1)), None, "once");
    let too_late = due(&trigger, handled, tuesday + seconds(4 * 3_600)).unwrap();
    let Due::Skip { occurrence, missed: 0, why } = too_late else { panic!("{too_late:?}") };
    assert_eq!((occurrence.at, why.as_str()), (tuesday, "its window closed at Tue 2026-12-08 07:00 Europe/Brussels before it began"));
    let months = due(&trigger, handled, at("2027-02-02T02:30:00Z")).unwrap();
    assert!(matches!(&months, Due::Begin { occurrence, missed: 8 } if occurrence.at == at("2027-02-02T02:00:00Z")), "{months:?}");
}

#[test]
fn one_without_a_window_may_begin_until_the_next_one_comes() {
    let trigger = Trigger { jitter: Duration::from_secs(600), ..trigger("0 * * * *", "UTC") };
    let handled = at("2026-12-08T01:00:00Z");
    let late = due(&trigger, handled, at("2026-12-08T02:59:59Z")).unwrap();
    assert!(matches!(&late, Due::Begin { occurrence: Occurrence { closes: None, .. }, .. }), "{late:?}");
    let three = next(&trigger, at("2026-12-08T02:30:00Z")).unwrap();
    assert!(three.begins > three.at);
    let Some(Due::Skip { occurrence, why, .. }) = due(&trigger, handled, three.at) else { panic!() };
    assert_eq!((occurrence.at, why.as_str()), (at("2026-12-08T02:00:00Z"), "the next one came at Tue 2026-12-08 03:00 UTC before it began"));
    assert_eq!(due(&trigger, occurrence.at, three.at), None);
    assert!(matches!(due(&trigger, occurrence.at, three.begins), Some(Due::Begin { missed: 0, .. })));
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing_and_is_told() {
    let trigger = trigger("0 3 * * *", "Europe/Brussels");
    let handled = at("2026-12-08T02:00:00Z");
    assert_eq!(due(&trigger, handled, at("2026-12-07T02:00:01Z")), None);
    assert_eq!(due(&trigger, handled, at("1970-01-01T00:00:00Z")), None);
    assert_eq!(clock_is_behind(&trigger, handled, handled), None);
    let told = clock_is_behind(&trigger, handled, at("2026-12-07T02:00:00Z")).unwrap();
    assert_eq!(
        told,
        "the clock says Mon 2026-12-07 03:00 Europe/Brussels, but trigger nightly was handled up to Tue 2026-12-08 03:00 Europe/Brussels: it begins nothing before then"
    );
}

#[test]
fn the_ends_of_time_are_no_panic() {
    for trigger in [trigger("* * * * *", "America/New_York"), with(60, 59, trigger("0 0 29 2 *", "Asia/Tokyo"))] {
        for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let _ = (next(&trigger, now), due(&trigger, Timestamp::UNIX_EPOCH, now), window_closes(now, &trigger));
            let _ = may_begin(now, event(), &[], &[window("MON", 22, 4, "Asia/Tokyo")]);
        }
    }
    let minutely = trigger("* * * * *", "UTC");
    let triggers = BTreeMap::from([(minutely.name.clone(), minutely.clone())]);
    assert_eq!(occurrences(&triggers, Timestamp::UNIX_EPOCH, Timestamp::MAX).len(), 10_080);
    assert!(matches!(due(&minutely, Timestamp::UNIX_EPOCH, at("2026-12-08T00:00:00Z")), Some(Due::Begin { missed: 10_080, .. })));
}

#[test]
fn jitter_differs_by_trigger_estate_and_occurrence() {
    let base = with(4 * 3_600, 600, trigger("0 3 * * *", "UTC"));
    let delays = |trigger: &Trigger| {
        let triggers = BTreeMap::from([(trigger.name.clone(), trigger.clone())]);
        let all = occurrences(&triggers, at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        all.iter().map(|one| one.begins.duration_since(one.at).as_secs()).collect::<Vec<_>>()
    };
    let other_name = Trigger { name: "weekly".parse::<TriggerName>().unwrap(), ..base.clone() };
    let other_estate = Trigger { estate: "market".parse().unwrap(), ..base.clone() };
    let mut all = [delays(&base), delays(&other_name), delays(&other_estate)];
    assert_eq!(all[0], delays(&base), "the same again");
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    all[0].sort_unstable();
    all[0].dedup();
    assert!(all[0].len() > 40, "59 days hardly ever share a delay: {:?}", all[0]);
}

fn event() -> Asked {
    Asked { origin: Origin::Event, priority: Priority::Normal }
}

fn window(days: &str, from: i8, to: i8, zone: &str) -> Window {
    let time = |hour| Time::new(hour, 0, 0, 0).unwrap();
    Window { at: place(), days: days.parse().unwrap(), from: time(from), to: time(to), timezone: zone.parse().unwrap() }
}

fn freeze(from: &str, until: &str, allow: FreezeAllow) -> Freeze {
    let (from, until) = (at(from), at(until));
    Freeze { at: place(), from, until, timezone: "Europe/Brussels".parse().unwrap(), reason: Some("holidays".into()), services: [].into(), allow }
}

#[test]
fn a_wait_looks_through_everything_that_follows() {
    let freezes = [
        freeze("2026-12-19T23:00:00Z", "2026-12-27T23:00:00Z", FreezeAllow::Security),
        freeze("2026-12-25T23:00:00Z", "2027-01-03T23:00:00Z", FreezeAllow::Nothing),
    ];
    let nights = [window("MON-FRI", 22, 4, "Europe/Brussels")];
    let wait = may_begin(at("2026-12-20T12:00:00Z"), event(), &freezes, &nights).unwrap_err();
    assert_eq!(wait.until, at("2027-01-04T21:00:00Z"), "the last freeze ends on Monday at 0:00, which is Sunday's night and not in the window");
    assert_eq!(
        wait.why,
        "freeze until Mon 2026-12-28 00:00 Europe/Brussels: holidays (pipelines/shop.yaml:7), then freeze until Mon 2027-01-04 00:00 Europe/Brussels: holidays \
         (pipelines/shop.yaml:7), then maintenance opens at Mon 2027-01-04 22:00 Europe/Brussels (MON-FRI 22:00-04:00 Europe/Brussels)"
    );
    let security = |origin| Asked { origin, priority: Priority::Security };
    assert_eq!(may_begin(at("2026-12-20T12:00:00Z"), security(Origin::Event), &freezes, &nights), Ok(()));
    let until = may_begin(at("2026-12-26T12:00:00Z"), security(Origin::Cycle), &freezes, &nights).unwrap_err().until;
    assert_eq!(until, at("2027-01-03T23:00:00Z"), "the second freeze lets nobody pass");
    let cycle = Asked { origin: Origin::Cycle, priority: Priority::Normal };
    assert_eq!(may_begin(at("2026-12-08T12:00:00Z"), cycle, &freezes, &nights), Ok(()), "a cycle has its own time");
    assert_eq!(may_begin(at("2026-12-08T12:00:00Z"), event(), &freezes, &nights).unwrap_err().until, at("2026-12-08T21:00:00Z"));
}

#[test]
fn one_that_waits_is_asked_for_again_until_it_begins_or_is_over() {
    let trigger = with(4 * 3_600, 0, trigger("0 3 * * TUE", "Europe/Brussels"));
    let tuesday = at("2026-12-08T02:00:00Z");
    let lives = |freeze: Freeze| {
        let (mut handled, mut told) = (tuesday - seconds(1), Vec::new());
        for minute in 0..300 {
            let now = tuesday + seconds(minute * 60);
            let Some(due) = due(&trigger, handled, now) else { continue };
            let Due::Begin { occurrence, .. } = due else { panic!("{due:?}") };
            match fate(&trigger, &occurrence, now, std::slice::from_ref(&freeze)) {
                Fate::Waits(wait) => assert_eq!(wait.until, freeze.until),
                ended => {
                    handled = occurrence.at;
                    told.push((minute, ended));
                }
            }
        }
        told
    };
    assert_eq!(lives(freeze("2026-12-07T00:00:00Z", "2026-12-08T03:30:00Z", FreezeAllow::Nothing)), [(90, Fate::Begins)]);
    let too_long = lives(freeze("2026-12-07T00:00:00Z", "2026-12-08T06:00:00Z", FreezeAllow::Nothing));
    assert!(matches!(&too_long[..], [(0, Fate::Skipped(wait))] if wait.why.contains("holidays")), "{too_long:?}");
}

#[test]
fn a_freeze_of_some_services_holds_those_alone() {
    let web = "web".parse().unwrap();
    let some = Freeze { services: [web].into(), ..freeze("2026-12-19T23:00:00Z", "2026-12-27T23:00:00Z", FreezeAllow::Security) };
    let now = at("2026-12-20T12:00:00Z");
    let may = |service: &str, priority| may_roll(now, &service.parse().unwrap(), priority, std::slice::from_ref(&some));
    assert_eq!(may_begin(now, event(), std::slice::from_ref(&some), &[]), Ok(()));
    assert_eq!(may("web", Priority::Normal).unwrap_err().until, some.until);
    assert_eq!((may("shop", Priority::Normal), may("web", Priority::Security)), (Ok(()), Ok(())));
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens_and_a_swallowed_one_does_not_open() {
    let friday = [window("FRI", 22, 4, "Europe/Brussels")];
    let until = |now: &str| may_begin(at(now), event(), &[], &friday).map_err(|wait| wait.until);
    assert_eq!(until("2026-12-11T21:00:00Z"), Ok(()));
    assert_eq!(until("2026-12-12T02:59:59Z"), Ok(()), "Saturday before four");
    assert_eq!(until("2026-12-12T03:00:00Z"), Err(at("2026-12-18T21:00:00Z")));
    // From two to three in the night in which there is no such hour.
    let gone = [window("SUN", 2, 3, "Europe/Brussels")];
    assert_eq!(may_begin(at("2026-03-22T02:00:00Z"), event(), &[], &gone).unwrap_err().until, at("2026-04-05T00:00:00Z"));
    let whole = [window("SAT-SUN", 0, 0, "UTC")];
    assert_eq!(may_begin(at("2026-12-13T23:59:59Z"), event(), &[], &whole), Ok(()));
    assert_eq!(may_begin(at("2026-12-14T00:00:00Z"), event(), &[], &whole).unwrap_err().until, at("2026-12-19T00:00:00Z"));
}

/// The same question, asked of the wall clock minute by minute, without any thought of what comes next.
fn is_open(windows: &[Window], now: Timestamp) -> bool {
    let minutes = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
    windows.iter().any(|window| {
        let local = window.timezone.at(now);
        let (now, from, to) = (minutes(local.time()), minutes(window.from), minutes(window.to));
        let yesterday = local.date().yesterday().unwrap().weekday();
        if from < to {
            window.days.contains(local.weekday()) && (from..to).contains(&now)
        } else {
            window.days.contains(local.weekday()) && now >= from || window.days.contains(yesterday) && now < to
        }
    })
}

const MINUTES: i64 = 14 * 24 * 60;
const BEGIN: &str = "2026-12-07T00:00:00Z";

fn any_freeze() -> impl Strategy<Value = Freeze> {
    (0..MINUTES, 1..2_000i64, prop::bool::ANY).prop_map(|(from, length, security)| {
        let from = at(BEGIN) + seconds(from * 60);
        let allow = if security { FreezeAllow::Security } else { FreezeAllow::Nothing };
        Freeze { from, until: from + seconds(length * 60), ..freeze(BEGIN, "2027-01-01T00:00:00Z", allow) }
    })
}

fn any_window() -> impl Strategy<Value = Window> {
    let days = prop::sample::select(vec!["MON-FRI", "SAT", "SUN-MON", "WED", "MON-SUN"]);
    let zone = prop::sample::select(vec!["UTC", "Europe/Brussels", "America/New_York", "Asia/Kolkata"]);
    (days, 0..24i8, 0..24i8, zone).prop_map(|(days, from, to, zone)| window(days, from, to, zone))
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let origin = prop::sample::select(vec![Origin::Cycle, Origin::Event]);
    (origin, prop::sample::select(vec![Priority::Normal, Priority::Security])).prop_map(|(origin, priority)| Asked { origin, priority })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Nothing begins inside of what holds it, and a wait ends at the very first moment at which nothing does.
    #[test]
    fn a_wait_is_as_long_as_it_must_be_and_no_longer(freezes in prop::collection::vec(any_freeze(), 0..6), windows in prop::collection::vec(any_window(), 0..3),
        asked in any_asked(), minute in 0..MINUTES) {
        let now = at(BEGIN) + seconds(minute * 60);
        let is_free = |moment: Timestamp| {
            let frozen = freezes.iter().any(|freeze| freeze.from <= moment && moment < freeze.until && !(freeze.allow == FreezeAllow::Security && asked.priority == Priority::Security));
            let needs = asked.origin == Origin::Event && asked.priority == Priority::Normal && !windows.is_empty();
            !frozen && (!needs || is_open(&windows, moment))
        };
        match may_begin(now, asked, &freezes, &windows) {
            Ok(()) => prop_assert!(is_free(now)),
            Err(wait) => {
                prop_assert!(wait.until > now && !wait.why.is_empty());
                prop_assert_eq!(may_begin(wait.until, asked, &freezes, &windows), Ok(()));
                // All that holds begins and ends at whole minutes.
                let minutes = wait.until.duration_since(now).as_secs() / 60;
                prop_assert!((0..minutes).all(|minute| !is_free(now + seconds(minute * 60))), "{:?} is later than needed", wait);
                let before = may_begin(wait.until - SignedDuration::from_nanos(1), asked, &freezes, &windows);
                prop_assert_eq!(before.map_err(|wait| wait.until), Err(wait.until));
            }
        }
    }

    /// Jitter stays within its bounds, whatever the pattern and the clock do, and occurrences never overlap.
    #[test]
    fn occurrences_stay_within_their_bounds(cron in prop::sample::select(vec!["*/5 * * * *", "30 2 * * *", "0 3 * * TUE", "0 * * * *", "15 1,2 * * *"]), change in 0..CHANGES.len(),
        jitter_s in 0..100_000u64, window_s in prop::option::of(1..200_000u64)) {
        let (zone, moment) = CHANGES[change];
        let trigger = Trigger { jitter: Duration::from_secs(jitter_s), window: window_s.map(Duration::from_secs), ..trigger(cron, zone) };
        let from = at(moment) - seconds(86_400);
        let all = occurrences(&BTreeMap::from([(trigger.name.clone(), trigger.clone())]), from, at(moment) + seconds(86_400));
        for one in &all {
            let delay = one.begins.duration_since(one.at).as_secs();
            prop_assert!((0..=i64::try_from(jitter_s).unwrap()).contains(&delay), "{:?}", one);
            prop_assert!(one.closes.is_none_or(|closes| one.begins < closes), "{:?}", one);
            let again = next(&trigger, one.begins - SignedDuration::from_nanos(1));
            prop_assert_eq!(again.as_ref(), Some(one), "the same, whenever it is asked for");
        }
        for pair in all.windows(2) {
            prop_assert!(pair[0].begins < pair[1].at && pair[0].closes.is_none_or(|closes| closes <= pair[1].at), "{:?}", pair);
        }
    }
}

#[test]
fn weekdays_are_those_of_the_windows_own_zone() {
    // Monday in Kolkata begins while it is Sunday in Brussels.
    let monday = [window("MON", 0, 1, "Asia/Kolkata")];
    let now = at("2026-12-06T18:45:00Z");
    assert_eq!("Europe/Brussels".parse::<Zone>().unwrap().at(now).weekday(), Weekday::Sunday);
    assert_eq!(may_begin(now, event(), &[], &monday), Ok(()));
}
