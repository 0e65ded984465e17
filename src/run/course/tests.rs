//! What a run does next, table by table, and what must be so at its end whatever happens.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{Digest, ReleaseNumber};
use crate::pipeline::{Condition, Estate, RunPolicy};
use crate::plan::samples::Sample;
use crate::plan::{Change, RollStep};
use crate::rollout::{Desired, Version};
use crate::run::Event;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

/// A plan that rolls services such as `a b:a c:+a`: `b` depends on `a`, and `c` wants it healthy.
fn plan(services: &str, run: RunPolicy) -> Plan {
    let mut estate: Estate = Sample::fresh("image: debian").estate;
    for word in services.split_whitespace() {
        let (service, after) = word.split_once(':').unwrap_or((word, ""));
        let mut one = crate::plan::samples::service(service, crate::pipeline::ServiceImage::Estate("image".parse().unwrap()));
        let condition = |on: &str| if on.starts_with('+') { Condition::ServiceHealthy } else { Condition::ServiceStarted };
        one.depends_on = after.split(',').filter(|on| !on.is_empty()).map(|on| (name(on.trim_start_matches('+')), condition(on))).collect();
        estate.services.insert(one.name.clone(), one);
    }
    let rolls = estate.services.values().map(|service| RollStep::of(service, Some(ReleaseNumber(1)))).collect();
    Plan { run, ..Plan::to_roll(Change::Everything, rolls, &estate) }
}

fn desired(service: &ServiceName, is_repair: bool) -> Desired {
    let version = |release: u64| Version { release: ReleaseNumber(release), spec: Digest::of(&[release as u8]) };
    let policy = crate::rollout::Policy::default();
    let to = if is_repair { version(1) } else { version(2) };
    let (update, rollback) = (policy.clone(), policy);
    Desired {
        service: service.clone(),
        to,
        back: Some(version(1)),
        slots: Vec::new(),
        stages: Vec::new(),
        max_parallel_hosts: None,
        spread: BTreeMap::new(),
        update,
        rollback,
        stop_grace_period: Default::default(),
    }
}

/// A run in which rollouts come to what a test says.
struct Run {
    state: RunState,
    /// By service, in small letters on the way there and in capitals on the way back: `b` goes back or `B` gets stuck.
    fates: String,
    told: Vec<String>,
}

impl Run {
    fn new(services: &str, run: RunPolicy, fates: &str) -> Self {
        let first = Event::RunBegan { change: Change::Everything, by: "ann".into(), words: "refit rollout".into() };
        let mut state = RunState::begin(NOW, &first).unwrap();
        state.apply(NOW, &Event::Planned { plan: Box::new(plan(services, run)) }).unwrap();
        Self { state, fates: fates.to_owned(), told: Vec::new() }
    }

    fn apply(&mut self, event: Event) {
        self.state.apply(NOW, &event).unwrap();
    }

    /// How the rollout of a service ends: `c-` goes back, `c!` needs a person, on the way back `C!`; else well.
    fn outcome(&self, service: &ServiceName, way: &Way) -> Outcome {
        let is_back = matches!(way, Way::Back { .. });
        let key = if is_back { service.as_str().to_uppercase() } else { service.to_string() };
        match self.fates.split_whitespace().find_map(|fate| fate.strip_prefix(key.as_str())) {
            Some("!") => Outcome::Stuck { why: "it would not".into() },
            Some("/") => Outcome::DoneInPart,
            Some("-") if !is_back => Outcome::RolledBack { why: "it died".into() },
            _ if is_back => Outcome::RolledBack { why: "the run".into() },
            _ => Outcome::Done,
        }
    }

    fn roll(&mut self, service: ServiceName, way: Way) {
        let outcome = self.outcome(&service, &way);
        if self.state.rollout(&service).is_none_or(|rollout| rollout.ended.is_some()) {
            let is_repair = self.fates.split_whitespace().any(|fate| fate.strip_prefix(service.as_str()) == Some("="));
            self.apply(Event::RolloutBegan { desired: Box::new(desired(&service, is_repair)), way, is_whole: true });
        }
        self.apply(Event::RolloutEnded { drained: None, service, release: ReleaseNumber(2), outcome });
    }

    /// Carries out steps until the run ends or stands still; says what was done: `a b -c <b` and the end.
    fn go(&mut self) -> RunOutcome {
        for _ in 0..200 {
            match next(&self.state) {
                Next::Roll { service } => {
                    self.told.push(service.to_string());
                    self.roll(service, Way::There);
                }
                Next::TakeBack { service, why } => {
                    self.told.push(format!("<{service}"));
                    self.roll(service, Way::Back { why });
                }
                Next::Quarantine { release, before, why } => {
                    assert_eq!((release, before), (ReleaseNumber(2), Some(ReleaseNumber(1))));
                    self.apply(Event::Quarantined { release, bases: BTreeMap::new(), why });
                }
                Next::LeaveOut { service, why } => {
                    self.told.push(format!("-{service}"));
                    self.apply(Event::NotRolled { service, why: NotRolled::Because(why) });
                }
                Next::Pause { .. } => {
                    self.told.push("pause".into());
                    self.apply(Event::PersonSaid { word: Person::Resume, by: "ann".into() });
                }
                Next::End(outcome) => return outcome,
            }
        }
        panic!("no end: {:?}", self.told);
    }
}

fn budget(max_failed_services: u32, on_exceeded: OnExceeded) -> RunPolicy {
    RunPolicy { max_failed_services, on_exceeded }
}

/// What a run of these services does, with these fates and this budget.
fn check(services: &str, fates: &str, run: RunPolicy, expected: &str) {
    let mut run = Run::new(services, run, fates);
    run.go();
    assert_eq!(run.told.join(" "), expected, "{services}, {fates}");
}

#[test]
fn what_a_run_does_about_its_services() {
    use OnExceeded::{Rollback, Stop};
    //    services      fates     budget                 what is done
    check("a b c", "", budget(0, Rollback), "a b c");
    check("a b c", "c-", budget(0, Rollback), "a b c <b <a");
    check("a b c", "b-", budget(0, Rollback), "a b -c <a");
    check("a b c", "b-", budget(0, Stop), "a b -c");
    check("a b c", "b-", budget(1, Rollback), "a b c");
    check("a b c d", "b- d-", budget(1, Rollback), "a b c d <c <a");
    check("a b c d", "a- c-", budget(1, Stop), "a b c -d");
    // One that needs a person failed too, and is not taken back again.
    check("a b c", "b!", budget(0, Rollback), "a b -c <a");
    check("a b c", "c- A!", budget(0, Rollback), "a b c <b <a");
    // What a repair put in place was there before.
    check("a b c", "a= c-", budget(0, Rollback), "a b c <b");
    // What depends on one that failed does not roll, whatever may fail; nor what depends on that.
    check("a b:a c:b d", "a-", budget(1, Rollback), "a -b -c d");
    check("a:c b c:b", "", budget(0, Rollback), "b c a");
    // One that is there in part is enough for who only wants it first.
    check("a b:a c:+a", "a/", budget(0, Rollback), "a b -c");
    check("a b c", "a/ c-", budget(0, Rollback), "a b c <b <a");
}

#[test]
fn who_was_sick_before_is_not_blamed() {
    let mut run = Run::new("a b c d:b", budget(0, OnExceeded::Rollback), "b- c-");
    run.apply(Event::SickBefore { services: [(name("b"), "1 of 2 slots".to_owned())].into() });
    let RunOutcome::RolledBack { services, not_rolled } = run.go() else { panic!("{:?}", run.told) };
    assert_eq!((run.told.join(" ").as_str(), services.len()), ("a b c -d <a", 3));
    assert_eq!(not_rolled[&name("d")], "c failed, and the run stops there");
    assert_eq!(run.state.quarantined, Some(ReleaseNumber(2)));
}

#[test]
fn who_wants_another_one_healthy_waits_for_one_that_does_not_roll() {
    for (service, expected) in [("web:+db", "-web"), ("web:db", "web")] {
        let mut run = Run::new(service, budget(0, OnExceeded::Rollback), "");
        run.apply(Event::SickBefore { services: [(name("db"), "1 of 1 slots".to_owned())].into() });
        run.state.plan.as_mut().unwrap().rolls[0].after =
            [(name("db"), if service.contains('+') { Condition::ServiceHealthy } else { Condition::ServiceStarted })].into();
        run.go();
        assert_eq!(run.told.join(" "), expected);
    }
}

#[test]
fn who_says_abort_has_everything_taken_back() {
    for (rolled, expected) in [(0, "-a -b -c"), (1, "a -b -c <a"), (2, "a b -c <b <a")] {
        let mut run = Run::new("a b c", budget(3, OnExceeded::Stop), "");
        for service in ["a", "b", "c"].iter().take(rolled) {
            run.told.push((*service).to_owned());
            run.roll(name(service), Way::There);
        }
        run.apply(Event::PersonSaid { word: Person::Abort, by: "ann".into() });
        let RunOutcome::Aborted { services, not_rolled } = run.go() else { panic!("{:?}", run.told) };
        assert_eq!((run.told.join(" ").as_str(), services.len(), not_rolled.len()), (expected, rolled, 3 - rolled));
    }
}

#[test]
fn a_pause_holds_what_touches_hosts() {
    let mut run = Run::new("a b c", budget(0, OnExceeded::Rollback), "b-");
    run.roll(name("a"), Way::There);
    run.apply(Event::PersonSaid { word: Person::Pause, by: "ann".into() });
    assert_eq!(next(&run.state), Next::Pause { before: name("b") });
    run.apply(Event::PersonSaid { word: Person::Resume, by: "ann".into() });
    run.roll(name("b"), Way::There);
    run.apply(Event::PersonSaid { word: Person::Pause, by: "ann".into() });
    run.go();
    assert_eq!(run.told.join(" "), "-c pause <a");
}

#[test]
fn why_is_said() {
    let mut run = Run::new("a b c:b", budget(0, OnExceeded::Rollback), "b-");
    let RunOutcome::RolledBack { services, not_rolled } = run.go() else { panic!("{:?}", run.told) };
    assert_eq!(services.into_iter().map(|(service, why)| format!("{service}: {why}")).collect::<Vec<_>>(), ["a: the run", "b: it died"]);
    assert_eq!(not_rolled[&name("c")], "b failed, and the run stops there");
    assert_eq!(run.state.rollout(&name("a")).unwrap().way, Way::Back { why: "b failed".into() });
    let mut run = Run::new("a b:a c", budget(1, OnExceeded::Rollback), "a- c-");
    let RunOutcome::RolledBack { not_rolled, .. } = run.go() else { panic!("{:?}", run.told) };
    assert_eq!(not_rolled[&name("b")], "it depends on a, which failed");
    let mut run = Run::new("a b", budget(0, OnExceeded::Rollback), "b- A!");
    let RunOutcome::Stuck { why, services, .. } = run.go() else { panic!("{:?}", run.told) };
    assert_eq!((why.as_str(), services.len()), ("a: it would not", 1));
}

proptest! {
    /// Invariant 3, for a run as a whole: when it has turned, every service that it touched is on its old release or is named as stuck; and a run
    /// that is taken up again after any event comes to the same end.
    #[test]
    fn who_turns_leaves_nothing_in_between(
        edges in prop::collection::vec((0_usize..7, 0_usize..7), 0..8),
        fates in prop::collection::vec(prop::sample::select(vec!["", "-", "!", "="]), 7),
        stuck_back in prop::collection::vec(prop::bool::weighted(0.1), 7),
        max in 0_u32..4,
        stops in any::<bool>(),
        abort_after in prop::option::of(0_usize..10),
    ) {
        let letters = ["a", "b", "c", "d", "e", "f", "g"];
        let service = |at: usize| {
            let below: Vec<&str> = edges.iter().filter(|(from, to)| *from == at && to < from).map(|(_, to)| letters[*to]).collect();
            format!("{}:{}", letters[at], below.join(","))
        };
        let services: Vec<String> = (0..7).map(service).collect();
        let there = fates.iter().zip(letters).filter(|(fate, _)| !fate.is_empty()).map(|(fate, letter)| format!("{letter}{fate}"));
        let back = stuck_back.iter().zip(letters).filter(|(stuck, _)| **stuck).map(|(_, letter)| format!("{}!", letter.to_uppercase()));
        let fates: Vec<String> = there.chain(back).collect();
        let policy = budget(max, if stops { OnExceeded::Stop } else { OnExceeded::Rollback });
        let mut run = Run::new(&services.join(" "), policy, &fates.join(" "));
        let mut steps = 0;
        let end = loop {
            if abort_after == Some(steps) {
                run.apply(Event::PersonSaid { word: Person::Abort, by: "ann".into() });
            }
            steps += 1;
            match next(&run.state) {
                Next::Roll { service } => run.roll(service, Way::There),
                Next::TakeBack { service, why } => run.roll(service, Way::Back { why }),
                Next::Quarantine { release, why, .. } => run.apply(Event::Quarantined { release, bases: BTreeMap::new(), why }),
                Next::LeaveOut { service, why } => run.apply(Event::NotRolled { service, why: NotRolled::Because(why) }),
                Next::Pause { .. } => prop_assert!(false, "nobody said so"),
                Next::End(outcome) => break outcome,
            }
            prop_assert!(steps < 40, "no end");
        };
        let is_aborted = run.state.person == Some(Person::Abort);
        let has_turned = is_aborted || !stops && run.state.failed().count() > max as usize;
        for step in &run.state.plan.as_ref().unwrap().rolls {
            let service = &step.service;
            let Some(last) = run.state.rollout(service) else {
                prop_assert!(run.state.not_rolled.contains_key(service), "{service} was forgotten");
                continue;
            };
            let is_repair = last.desired.to == last.desired.back.clone().unwrap();
            match &last.ended.as_ref().unwrap().1 {
                Outcome::Stuck { .. } => prop_assert!(matches!(&end, RunOutcome::Stuck { why, .. } if why.contains(service.as_str())), "{end:?}"),
                Outcome::RolledBack { .. } => {}
                Outcome::Done | Outcome::DoneInPart => prop_assert!(!has_turned || is_repair, "{service} stays though the run has turned"),
            }
            // What a service depends on was through before it, if it was to roll at all.
            let on_failed = step.after.keys().find(|on| run.state.failed().any(|failed| failed == *on));
            prop_assert!(on_failed.is_none(), "{service} was rolled though {on_failed:?} failed");
        }
    }
}
