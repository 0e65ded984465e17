use proptest::prelude::*;

use super::*;

fn began() -> Event {
    Event::RunBegan { change: Change::Everything, by: "root@vm".into(), words: "refit rollout".into() }
}

#[test]
fn a_run_begins_once_and_ends_once() {
    let mut state = RunState::begin(Timestamp::UNIX_EPOCH, &began()).unwrap();
    assert!(state.apply(Timestamp::UNIX_EPOCH, &began()).is_err());
    state.apply(Timestamp::UNIX_EPOCH, &Event::RunEnded { outcome: RunOutcome::NothingToDo }).unwrap();
    assert!(state.apply(Timestamp::UNIX_EPOCH, &Event::Resumed { by: "root@vm".into() }).is_err());
    assert!(RunState::begin(Timestamp::UNIX_EPOCH, &Event::Resumed { by: "x".into() }).is_err());
}

#[test]
fn what_happens_to_a_slot_needs_a_rollout() {
    let mut state = RunState::begin(Timestamp::UNIX_EPOCH, &began()).unwrap();
    let slot = SlotId { service: "web".parse().unwrap(), host: "a".parse().unwrap(), index: 0 };
    let refused = state.apply(Timestamp::UNIX_EPOCH, &Event::SlotDone { slot, is_empty: false }).unwrap_err();
    assert_eq!(refused.to_string(), "event slot_done cannot follow: web is not being rolled");
}

fn desired(service: &ServiceName) -> Desired {
    let version = |release| crate::rollout::Version { release: crate::model::ReleaseNumber(release), spec: Digest::of(&[release as u8]) };
    let policy = crate::rollout::Policy::default();
    Desired {
        service: service.clone(),
        to: version(2),
        back: Some(version(1)),
        slots: Vec::new(),
        stages: Vec::new(),
        max_parallel_hosts: None,
        spread: BTreeMap::new(),
        update: policy.clone(),
        rollback: policy,
        stop_grace_period: Default::default(),
    }
}

/// Events of one small run, some of which cannot follow the others.
fn any_event() -> impl Strategy<Value = Event> {
    let image: ImageName = "web".parse().unwrap();
    let service: ServiceName = "web".parse().unwrap();
    let slot = SlotId { service: service.clone(), host: "a".parse().unwrap(), index: 0 };
    let verdict = SlotVerdict::Exited { code: 1 };
    let back = Phase::Back(crate::rollout::Back { why: "it died".into() });
    let phase = |phase| Event::PhaseChanged { service: service.clone(), phase };
    prop::sample::select(vec![
        Event::BuildBegan { image: image.clone(), inputs: Digest::of(b"x"), dockerfile: String::new(), bases: BTreeMap::new() },
        Event::BuildEnded { image: image.clone(), outcome: BuildOutcome::Skipped { because: image }, elapsed_ms: 0 },
        Event::RolloutBegan { desired: Box::new(desired(&service)), way: Way::There, is_whole: true },
        Event::RolloutBegan { desired: Box::new(desired(&service)), way: Way::Back { why: "the run was aborted".into() }, is_whole: true },
        Event::Unquarantined { release: ReleaseNumber(1), by: "ann".into() },
        Event::Quarantined { release: ReleaseNumber(2), bases: BTreeMap::new(), why: "web failed".into() },
        Event::SickBefore { services: BTreeMap::from([(service.clone(), "1 of 1 slots".into())]) },
        Event::NotRolled { service: service.clone(), why: NotRolled::AsItIs },
        Event::SlotDone { slot: slot.clone(), is_empty: false },
        Event::SlotFailed { slot, verdict, last_lines: Vec::new() },
        Event::HostLeftBehind { service: service.clone(), host: "a".parse().unwrap(), why: "silent".into() },
        Event::GateReached { service: service.clone(), stage: "canary".into(), gate: Default::default() },
        Event::StageBegan { service: service.clone(), number: 1, stage: "all".into() },
        Event::PersonSaid { word: Person::Approve, by: "ann".into() },
        phase(Phase::Forward),
        phase(back),
        Event::PersonSaid { word: Person::Abort, by: "ann".into() },
        Event::Interrupted { by: "bob".into() },
        Event::Resumed { by: "bob".into() },
        Event::RolloutEnded { drained: None, service: service.clone(), release: crate::model::ReleaseNumber(1), outcome: Outcome::Done },
    ])
}

proptest! {
    /// Life and recovery are one fold: whoever goes on from any moment comes to the same state, and refuses the same events.
    #[test]
    fn a_prefix_and_the_rest_make_the_whole(events in prop::collection::vec(any_event(), 0..40), cut in 0..40_usize) {
        let at = Timestamp::UNIX_EPOCH;
        let mut state = RunState::begin(at, &began()).unwrap();
        let mut taken = vec![began()];
        for event in &events {
            let before = state.clone();
            match state.apply(at, event) {
                Ok(()) => taken.push(event.clone()),
                Err(_) => prop_assert_eq!(&before, &state, "a refused event changes nothing"),
            }
        }
        let cut = cut.min(taken.len() - 1) + 1;
        let mut resumed = RunState::of(taken[..cut].iter().map(|event| (at, event))).unwrap();
        taken[cut..].iter().for_each(|event| resumed.apply(at, event).unwrap());
        prop_assert_eq!(&resumed, &state);
        let json = serde_json::to_string(&taken).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<Event>>(&json).unwrap(), taken);
    }
}

#[test]
fn a_build_ends_once() {
    let mut state = RunState::begin(Timestamp::UNIX_EPOCH, &began()).unwrap();
    let image: ImageName = "web".parse().unwrap();
    let ended = Event::BuildEnded { image: image.clone(), outcome: BuildOutcome::Skipped { because: image.clone() }, elapsed_ms: 0 };
    state.apply(Timestamp::UNIX_EPOCH, &ended).unwrap();
    assert!(state.apply(Timestamp::UNIX_EPOCH, &ended).is_err());
    let again = Event::BuildBegan { image: image.clone(), inputs: Digest::of(b"x"), dockerfile: String::new(), bases: BTreeMap::new() };
    assert!(state.apply(Timestamp::UNIX_EPOCH, &again).is_err());
    assert!(matches!(state.build_outcome(&image), Some(BuildOutcome::Skipped { .. })));
}
