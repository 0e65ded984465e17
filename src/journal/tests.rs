//! The promises of the journal, held against both of its bodies.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::model::{HostName, ServiceName, SlotId};
use crate::plan::Change;
use crate::release::Release;
use crate::rollout::{Action, Back, Desired, Outcome, Phase, Policy, SlotVerdict, Version};
use crate::run::{BuildOutcome, RunOutcome};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn began(words: &str) -> Event {
    Event::RunBegan { change: Change::Everything, by: "ann@desk".into(), words: words.into() }
}

fn resumed(by: impl ToString) -> Event {
    Event::Resumed { by: by.to_string() }
}

fn built(image: &str, inputs: &str) -> Event {
    let outcome = BuildOutcome::Built {
        id: Digest::of(format!("{image} {inputs}").as_bytes()),
        tag: format!("{image}:{inputs}").parse().unwrap(),
        inputs: Digest::of(inputs.as_bytes()),
    };
    Event::BuildEnded { image: image.parse().unwrap(), outcome, elapsed_ms: 1200 }
}

fn released(run: u64, number: u64) -> Event {
    let release = Release {
        number: ReleaseNumber(number),
        run: RunId(run),
        made_at: at(number.cast_signed()),
        images: Default::default(),
        services: Default::default(),
    };
    Event::Released { release: Box::new(release) }
}

fn rollout_began(service: &str, to: u64, back: Option<u64>) -> Event {
    let version = |number| Version { release: ReleaseNumber(number), spec: Digest::of(b"spec") };
    let desired = Desired {
        service: service.parse().unwrap(),
        to: version(to),
        back: back.map(version),
        slots: Vec::new(),
        stages: Vec::new(),
        max_parallel_hosts: None,
        spread: Default::default(),
        update: Policy::default(),
        rollback: Policy::default(),
        stop_grace_period: Default::default(),
    };
    Event::RolloutBegan { desired: Box::new(desired), way: crate::run::Way::There, is_whole: true }
}

fn rollout_ended(service: &str, to: u64, outcome: Outcome) -> Event {
    Event::RolloutEnded { drained: None, service: service.parse().unwrap(), release: ReleaseNumber(to), outcome }
}

fn done() -> Event {
    Event::RunEnded { outcome: RunOutcome::Done }
}

fn to_write(dir: &Path) -> SqliteJournal {
    SqliteJournal::open_to_write(dir, Lock::take(dir, at(0), "refit rollout").unwrap()).unwrap()
}

/// Everything that can be asked for, for comparing.
fn answers(journal: &dyn Journal) -> String {
    let releases: Vec<_> = journal.releases(9).unwrap().into_iter().map(|kept| journal.release(kept.number).unwrap()).collect();
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{releases:#?}\n{:#?}\n{:#?}\n{:#?}\n{:?}",
        journal.runs(99).unwrap(),
        journal.unfinished().unwrap(),
        journal.releases(99).unwrap(),
        journal.builds().unwrap(),
        journal.rollouts().unwrap(),
        journal.standing().unwrap(),
        journal.next_release().unwrap(),
    )
}

#[tokio::test]
async fn what_is_appended_is_read_back_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = to_write(dir.path());
    let run = journal.begin_run(at(1), &began("refit rollout")).await.unwrap();
    let second = journal.append(run, at(2), &resumed("ann")).await.unwrap();
    assert_eq!((run, second.seq, second.position), (RunId(1), 2, 2));
    drop(journal);

    let journal = to_write(dir.path());
    let events: Vec<_> = journal.events(run).unwrap().into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(events, [began("refit rollout"), resumed("ann")]);
    assert_eq!(journal.unfinished().unwrap(), [run]);
    assert_eq!(journal.begin_run(at(3), &began("again")).await.unwrap(), RunId(2));
    assert_eq!(std::fs::read_to_string(dir.path().join(".gitignore")).unwrap(), "*\n");
}

#[tokio::test]
async fn the_release_records_follow_from_the_events() {
    let journal = MemoryJournal::new();
    let run = journal.begin_run(at(0), &began("one")).await.unwrap();
    let story = [released(1, 1), rollout_began("web", 1, None), rollout_ended("web", 1, Outcome::Done), rollout_began("api", 1, None), done()];
    for event in &story {
        journal.append(run, at(1), event).await.unwrap();
    }
    let bad = journal.begin_run(at(5), &began("two")).await.unwrap();
    for event in [released(2, 2), rollout_began("web", 2, Some(1)), rollout_ended("web", 2, Outcome::RolledBack { why: "web@a/0 exited".into() })] {
        journal.append(bad, at(6), &event).await.unwrap();
    }
    let web: ServiceName = "web".parse().unwrap();
    let states = journal.service_states().unwrap();
    assert_eq!(states[&web].current, Some(ReleaseNumber(1)));
    assert_eq!(states[&web].quarantined[&ReleaseNumber(2)].why, "web@a/0 exited");
    assert_eq!(states[&"api".parse::<ServiceName>().unwrap()].rolling, Some((run, ReleaseNumber(1))));
    assert_eq!(journal.latest_release().unwrap().unwrap().number, ReleaseNumber(2));
    assert_eq!(journal.next_release().unwrap(), ReleaseNumber(3));

    // A person says so: release 2 after all, and then back to 1 by hand.
    for (to, back) in [(2, Some(1)), (1, Some(2))] {
        let run = journal.begin_run(at(7), &began("by hand")).await.unwrap();
        journal.append(run, at(8), &rollout_began("web", to, back)).await.unwrap();
        journal.append(run, at(9), &rollout_ended("web", to, Outcome::Done)).await.unwrap();
        let state = &journal.service_states().unwrap()[&web];
        assert_eq!(state.current, Some(ReleaseNumber(to)));
        assert_eq!(state.quarantined.contains_key(&ReleaseNumber(2)), to == 1);
    }
}

#[tokio::test]
async fn words_wait_in_the_inbox_until_the_writer_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let journal = to_write(dir.path());
    let run = journal.begin_run(at(0), &began("one")).await.unwrap();
    let other = SqliteJournal::open(dir.path()).unwrap();
    other.say(run, at(1), Person::Pause, "bob@desk").unwrap();
    other.say(run, at(2), Person::Abort, "bob@desk").unwrap();
    assert!(matches!(other.say(RunId(9), at(2), Person::Abort, "bob"), Err(JournalError::NoSuchRun { .. })));

    let taken: Vec<_> = journal.take_words(run, at(3)).await.unwrap().into_iter().map(|recorded| recorded.event).collect();
    let said = |word| Event::PersonSaid { word, by: "bob@desk".into() };
    assert_eq!(taken, [said(Person::Pause), said(Person::Abort)]);
    assert_eq!(journal.take_words(run, at(4)).await.unwrap(), []);
    assert_eq!(other.events(run).unwrap().len(), 3);
}

#[tokio::test]
async fn only_the_holder_of_the_lock_writes() {
    let dir = tempfile::tempdir().unwrap();
    let first = to_write(dir.path());
    let run = first.begin_run(at(0), &began("one")).await.unwrap();
    let reader = SqliteJournal::open(dir.path()).unwrap();
    assert!(matches!(reader.append(run, at(0), &done()).await, Err(JournalError::ReadOnly)));

    // Somebody removes the lock's file by hand, and the next one gets in: the first one must notice.
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let second = to_write(dir.path());
    second.append(run, at(1), &resumed("second")).await.unwrap();
    let error = first.append(run, at(2), &resumed("first")).await.unwrap_err();
    assert!(matches!(error, JournalError::Fenced { ours: 1, now: 2, .. }), "{error}");
    assert_eq!(second.events(run).unwrap().len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_said_clearly_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::take(dir.path(), at(0), "refit").unwrap();
    let path = dir.path().join("journal.sqlite");
    let connection = format::open(&path).unwrap();
    // SQLite's own bound on the file gives the very error of a full disk.
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 3), [], |_| Ok(())).unwrap();
    let writer = writer::Writer::start(connection, path, lock).unwrap();

    let ask = |by: String| writer.ask(writer::Ask::Append(RunId(1), at(1), Box::new(resumed(by))));
    writer.ask(writer::Ask::Begin(at(0), Box::new(began("one")), Vec::new())).await.unwrap();
    let mut acknowledged = 1;
    let error = loop {
        match ask("x".repeat(1000)).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    let journal = SqliteJournal::open(dir.path()).unwrap();
    assert_eq!(journal.events(RunId(1)).unwrap().len(), acknowledged);
    assert_eq!(journal.verify().unwrap().broken, None);
}

#[test]
fn a_damaged_or_foreign_or_newer_file_is_refused_with_what_to_do() {
    let refused = |make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        make(&dir.path().join("journal.sqlite"));
        let error = SqliteJournal::open(dir.path()).err().unwrap();
        assert!(miette::Diagnostic::help(&error).is_some(), "{error:?}");
        error
    };
    let garbage = refused(&|path| std::fs::write(path, "this is not a database, whatever its name says".repeat(100)).unwrap());
    assert!(matches!(garbage, JournalError::Damaged { .. }), "{garbage}");
    let foreign = refused(&|path| Connection::open(path).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap());
    assert!(matches!(foreign, JournalError::Damaged { .. }), "{foreign}");
    let newer = refused(&|path| {
        drop(format::open(path).unwrap());
        Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    });
    assert!(newer.to_string().ends_with("has format 99, this refit knows formats up to 3"), "{newer}");
}

#[tokio::test]
async fn a_change_behind_refits_back_is_found() {
    let harms = [
        "UPDATE events SET body = replace(body, 'ann', 'bob') WHERE position = 2",
        "UPDATE events SET at = '2020-01-01T00:00:00Z' WHERE position = 3",
        "DELETE FROM events WHERE position = 2",
        "DELETE FROM events WHERE run = 2",
        "DELETE FROM events WHERE position = (SELECT max(position) FROM events)",
        "UPDATE events SET run = 2, seq = 9 WHERE position = 2",
    ];
    for harm in harms {
        let dir = tempfile::tempdir().unwrap();
        let journal = to_write(dir.path());
        for words in ["one", "two"] {
            let run = journal.begin_run(at(0), &began(words)).await.unwrap();
            journal.append(run, at(1), &resumed("ann")).await.unwrap();
        }
        assert_eq!(journal.verify().unwrap().broken, None);
        let connection = Connection::open(dir.path().join("journal.sqlite")).unwrap();
        assert!(connection.execute(harm, []).is_err(), "the tables themselves refuse: {harm}");
        connection.execute_batch("DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed").unwrap();
        assert!(connection.execute(harm, []).unwrap() > 0, "{harm}");
        assert!(journal.verify().unwrap().broken.is_some(), "{harm}");
    }
}

/// The child appends and says what was acknowledged until it is killed; nothing that it said may be missing.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    const CHILD: &str = "REFIT_JOURNAL_CHILD";
    if let Ok(dir) = std::env::var(CHILD) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(append_for_ever(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged_before = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::what_was_acknowledged_survives_kill_9", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter(|line| line.starts_with("acknowledged "));
        let mut last = lines.by_ref().nth(20 + round * 13).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe was acknowledged, too.
        last = lines.last().unwrap_or(last);
        let acknowledged: u64 = last["acknowledged ".len()..].parse().unwrap();

        // The dead child's lock is free at once, and names it.
        let lock = Lock::take(dir.path(), at(0), "refit resume").unwrap();
        assert_eq!(lock.taken_over_from().unwrap().pid, child.id());
        let journal = SqliteJournal::open_to_write(dir.path(), lock).unwrap();
        let verified = journal.verify().unwrap();
        assert_eq!(verified.broken, None);
        assert!(verified.events >= acknowledged && acknowledged > acknowledged_before, "{verified:?} after {acknowledged}");
        acknowledged_before = acknowledged;
    }
}

async fn append_for_ever(dir: &Path) {
    let journal = to_write(dir);
    let run = journal.begin_run(at(0), &began("child")).await.unwrap();
    loop {
        let recorded = journal.append(run, at(1), &resumed("child")).await.unwrap();
        println!("acknowledged {}", recorded.position);
    }
}

#[tokio::test]
async fn many_appends_at_once_keep_their_order_in_each_run() {
    let dir = tempfile::tempdir().unwrap();
    let journal = std::sync::Arc::new(to_write(dir.path()));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let journal = journal.clone();
        tasks.push(tokio::spawn(async move {
            let run = journal.begin_run(at(0), &began("many")).await.unwrap();
            for number in 0..50 {
                journal.append(run, at(number), &resumed(number)).await.unwrap();
            }
            run
        }));
    }
    for task in tasks {
        let events = journal.events(task.await.unwrap()).unwrap();
        let order: Vec<_> = events[1..].iter().map(|recorded| recorded.event.clone()).collect();
        assert_eq!(order, (0..50).map(resumed).collect::<Vec<_>>());
        assert!(events.iter().map(|recorded| recorded.seq).eq(1..=51));
    }
    assert_eq!(journal.verify().unwrap().events, 8 * 51);
}

fn any_event() -> impl Strategy<Value = Event> {
    let service = prop_oneof![Just("web"), Just("api")];
    let outcome = prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::DoneInPart),
        Just(Outcome::RolledBack { why: "unwell".into() }),
        Just(Outcome::Stuck { why: "both".into() })
    ];
    prop_oneof![
        Just(resumed("ann")),
        ("[ab]", "[xyz]").prop_map(|(image, inputs)| built(&image, &inputs)),
        (1u64..4, 1u64..6).prop_map(|(run, number)| released(run, number)),
        (service.clone(), 1u64..6, prop::option::of(1u64..6)).prop_map(|(service, to, back)| rollout_began(service, to, back)),
        (service, 1u64..6, outcome).prop_map(|(service, to, outcome)| rollout_ended(service, to, outcome)),
        (1u64..6).prop_map(|release| Event::Unquarantined { release: ReleaseNumber(release), by: "ann".into() }),
        (1u64..6).prop_map(|release| Event::Quarantined {
            release: ReleaseNumber(release),
            bases: [("debian".parse().unwrap(), Digest::of(b"bad"))].into(),
            why: "web failed".into()
        }),
        Just(done()),
        any_deed(),
    ]
}

/// Something that begins or ends a stay, in one of four slots.
fn any_deed() -> impl Strategy<Value = Event> {
    let slot = ("web|api", 0u32..2).prop_map(|(service, index)| SlotId { service: service.parse().unwrap(), host: "a".parse().unwrap(), index });
    let version = (1u64..6).prop_map(|number| Version { release: ReleaseNumber(number), spec: Digest::of(&number.to_be_bytes()) });
    let action = (slot.clone(), version, "[cde]", 0..4).prop_map(|(slot, version, container, kind)| match kind {
        0 => Action::StartNew { slot, version, takes_over: Some(container).filter(|container| container != "e") },
        1 => Action::StartAgain { slot, container },
        2 => Action::Stop { slot, container },
        _ => Action::Remove { slot, container },
    });
    let error = prop::option::weighted(0.2, Just("the engine said no".to_owned()));
    prop_oneof![
        4 => (action, error, prop::option::of("[fgh]")).prop_map(|(action, error, made)| {
            let made = made.filter(|_| error.is_none() && matches!(action, Action::StartNew { .. }));
            Event::ActionEnded { action, error, made }
        }),
        1 => (slot.clone(), any::<bool>()).prop_map(|(slot, is_empty)| Event::SlotDone { slot, is_empty }),
        1 => slot.clone().prop_map(|slot| Event::SlotFailed { slot, verdict: SlotVerdict::Exited { code: 1 }, last_lines: Vec::new() }),
        1 => slot.prop_map(|slot| Event::PhaseChanged { service: slot.service, phase: Phase::Back(Back { why: "unwell".into() }) }),
    ]
}

/// What ran where, as it is derived in the journal of this folder.
fn stays(dir: &Path) -> Vec<Stay> {
    Inventories::open(dir).unwrap().stays(When::Ever).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Both journals answer alike, whatever comes; and what is derived can be thrown away and made again.
    #[test]
    fn derived_records_are_no_second_truth(events in prop::collection::vec((1u64..4, any_event()), 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (disk, memory) = (to_write(dir.path()), MemoryJournal::new());
        runtime.block_on(async {
            for journal in [&disk as &dyn Journal, &memory] {
                for number in 0..3 {
                    journal.begin_run(at(number), &began("run")).await.unwrap();
                }
                for ((run, event), second) in events.iter().zip(10..) {
                    journal.append(RunId(*run), at(second), event).await.unwrap();
                }
            }
        });
        let (said, stayed) = (answers(&disk), stays(dir.path()));
        prop_assert_eq!(&said, &answers(&memory));
        prop_assert_eq!(disk.verify().unwrap(), memory.verify().unwrap());
        disk.derive_again().unwrap();
        prop_assert_eq!(&said, &answers(&disk));
        prop_assert_eq!(stayed, stays(dir.path()));
        prop_assert_eq!(&said, &answers(&MemoryJournal::with_events(&memory.all())));
    }
}

#[test]
fn what_another_version_derives_is_left_alone_while_it_holds_the_estate() {
    let dir = tempfile::tempdir().unwrap();
    drop(to_write(dir.path()));
    let file = Connection::open(dir.path().join("journal.sqlite")).unwrap();
    let tables = || file.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'stays'", [], |row| row.get::<_, i64>(0)).unwrap();
    file.execute_batch("UPDATE meta SET value = 0 WHERE key = 'fold'; DROP TABLE stays").unwrap();
    let daemon = Lock::take(dir.path(), at(0), "refit serve").unwrap();
    let error = Inventories::open(dir.path()).err().unwrap();
    assert!(matches!(&error, JournalError::OtherFold { holder: Some(holder), .. } if holder.command == "refit serve"), "{error:?}");
    assert_eq!(tables(), 0, "its tables are as they were");
    drop(daemon);
    assert_eq!((stays(dir.path()), tables()), (Vec::new(), 1));
    assert_eq!(Lock::take(dir.path(), at(1), "refit").unwrap().fence(), 3, "to make tables again is to hold nothing");
}

/// A journal of each format that was ever released lies under `tests/formats/`; all of them are read for ever.
///
/// `REFIT_WRITE_SAMPLE=1` writes the one of today's format, once, before its first release.
#[tokio::test]
async fn journals_of_every_format_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    if std::env::var_os("REFIT_WRITE_SAMPLE").is_some() {
        write_sample(&folder).await;
    }
    for version in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join(format!("journal-{version}.sqlite")), dir.path().join("journal.sqlite")).unwrap();
        let journal = to_write(dir.path());
        assert_eq!(journal.verify().unwrap().broken, None, "format {version}");
        let summary = journal.run(RunId(1)).unwrap().unwrap();
        assert_eq!((summary.words.as_str(), summary.outcome), ("refit rollout --yes", Some(RunOutcome::Done)));
        assert_eq!(journal.events(RunId(1)).unwrap().len(), 7);
        assert_eq!(journal.build_by_inputs(&"web".parse().unwrap(), Digest::of(b"x")).unwrap().unwrap().elapsed_ms, 1200);
        let web = &journal.service_states().unwrap()[&"web".parse::<ServiceName>().unwrap()];
        assert_eq!((web.current, web.quarantined.len()), (Some(ReleaseNumber(1)), 1));
        nothing_is_lost(dir.path(), &journal);
        let inventories = Inventories::open(dir.path()).unwrap();
        // Before the third format nothing was kept of images. One container is known by its failure alone; the third sample starts another.
        let (images, stays) = (inventories.images().unwrap().len(), inventories.stays(When::Ever).unwrap().len());
        assert_eq!((images, stays), if version < 3 { (0, 1) } else { (1, 2) }, "format {version}");
        if version >= 3 {
            let held = inventories.who_has(&Filter { names: Names::All, matches: &|package| package.version == "3.0" }, When::Now).unwrap();
            assert_eq!((held.holdings[0].brought_by.to_string().as_str(), held.read_in_part.len()), ("debian", 1));
            assert_eq!(inventories.advisories().unwrap()[0].advisory.affected[0].name, "openssl");
        }
    }
}

/// Every event, read and written again, says all that stands in the file; what later formats add may come on top.
fn nothing_is_lost(state: &Path, journal: &SqliteJournal) {
    let file = Connection::open(state.join("journal.sqlite")).unwrap();
    for run in [RunId(1), RunId(2)] {
        for recorded in journal.events(run).unwrap() {
            let body: String =
                file.query_row("SELECT body FROM events WHERE position = ?1", [recorded.position.cast_signed()], |row| row.get(0)).unwrap();
            let written: serde_json::Value = serde_json::from_str(&body).unwrap();
            let read = serde_json::to_value(&recorded.event).unwrap();
            assert!(holds(&read, &written), "{run}: {written:#} was read as {read:#}");
        }
    }
}

fn holds(read: &serde_json::Value, written: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (read, written) {
        (Object(read), Object(written)) => written.iter().all(|(key, value)| read.get(key).is_some_and(|read| holds(read, value))),
        (Array(read), Array(written)) => read.len() == written.len() && read.iter().zip(written).all(|(read, written)| holds(read, written)),
        (read, written) => read == written,
    }
}

/// A run in which much goes wrong, so that the sample has the fields that a good one leaves empty.
fn trouble() -> Vec<Event> {
    let mut sample = crate::plan::samples::Sample::built("base: debian, web: base");
    sample.serve("web", "web");
    sample.move_base("debian");
    let mut plan = sample.plan(Change::Everything).unwrap();
    let api: ServiceName = "api".parse().unwrap();
    plan.held =
        vec![crate::plan::HeldService { service: api.clone(), stays: Some(ReleaseNumber(1)), refused: ReleaseNumber(2), why: "exited".into() }];
    let (service, host): (ServiceName, HostName) = ("web".parse().unwrap(), "host-1".parse().unwrap());
    let slot = crate::model::SlotId { service: service.clone(), host: host.clone(), index: 0 };
    let (why, last_lines) = ("web@host-1/0 exited".to_owned(), vec!["panic: no such file".to_owned()]);
    let sent = crate::run::CarryOutcome::Sent { bytes: 20_480, layers: 1, kept: 3, elapsed_ms: 250 };
    vec![
        Event::Planned { plan: Box::new(plan) },
        Event::BuildEnded {
            image: "tools".parse().unwrap(),
            outcome: BuildOutcome::Failed { why: "exit code: 1".into(), last_lines: last_lines.clone() },
            elapsed_ms: 5,
        },
        Event::Interrupted { by: "ann@desk".into() },
        resumed("ann@desk"),
        released(2, 2),
        Event::Carried { image: Digest::of(b"web y"), name: Some("web:y".parse().unwrap()), host: host.clone(), outcome: sent },
        rollout_began("web", 2, Some(1)),
        Event::SlotFailed { slot, verdict: crate::rollout::SlotVerdict::Exited { code: 3 }, last_lines },
        Event::HostLeftBehind { service: service.clone(), host, why: "it did not answer".into() },
        Event::PhaseChanged { service: service.clone(), phase: crate::rollout::Phase::Back(crate::rollout::Back { why: why.clone() }) },
        Event::PersonSaid { word: Person::Abort, by: "bob@desk".into() },
        rollout_ended("web", 2, Outcome::RolledBack { why: why.clone() }),
        Event::RunEnded {
            outcome: RunOutcome::RolledBack { services: [(service, why)].into(), not_rolled: [(api, "the run stops there".into())].into() },
        },
    ]
}

async fn write_sample(folder: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let journal = to_write(dir.path());
    let run = journal.begin_run(at(0), &began("refit rollout --yes")).await.unwrap();
    let host: HostName = "host-1".parse().unwrap();
    let carried = Event::Carried { image: Digest::of(b"web x"), name: None, host, outcome: crate::run::CarryOutcome::AlreadyThere };
    for event in [built("web", "x"), released(1, 1), carried, rollout_began("web", 1, None), rollout_ended("web", 1, Outcome::Done), done()] {
        journal.append(run, at(1), &event).await.unwrap();
    }
    let run = journal.begin_run(at(2), &began("refit rollout web --yes")).await.unwrap();
    for event in trouble() {
        journal.append(run, at(3), &event).await.unwrap();
    }
    let slot = SlotId { service: "batch".parse().unwrap(), host: "host-1".parse().unwrap(), index: 0 };
    let (container, image) = (crate::model::ContainerSpec::default(), Digest::of(b"web x"));
    let service = crate::release::ServiceRelease { image: "debian".into(), id: image, container, probe: None };
    let version = Version { release: ReleaseNumber(3), spec: service.spec_hash() };
    let Event::Released { mut release } = released(3, 3) else { unreachable!() };
    release.services.insert("batch".parse().unwrap(), service);
    let run = journal.begin_run(at(4), &began("refit rollout batch --yes")).await.unwrap();
    let started = Event::ActionEnded { action: Action::StartNew { slot, version, takes_over: None }, error: None, made: None };
    for event in [Event::Released { release }, started, done()] {
        journal.append(run, at(5), &event).await.unwrap();
    }
    write_inventories(dir.path());
    std::fs::create_dir_all(folder).unwrap();
    let target = folder.join("journal-3.sqlite");
    let _ = std::fs::remove_file(&target);
    Connection::open(dir.path().join("journal.sqlite")).unwrap().execute("VACUUM INTO ?1", [target.to_str().unwrap()]).unwrap();
}

/// An image of one layer, of which a file could not be read, and an advisory about it.
fn write_inventories(state: &Path) {
    use crate::inventory::{FileFound, Kind, LayerFound, Unreadable, samples};
    let inventories = Inventories::open(state).unwrap();
    let package = samples::package(Kind::Deb, "openssl", "3.0");
    let unreadable = vec![Unreadable { path: "opt/app.jar".into(), why: "ends in the middle of a record".into() }];
    let files = [("var/lib/dpkg/status".into(), FileFound::Packages(vec![package]))].into();
    let found = LayerFound { files, unreadable, ..LayerFound::default() };
    let image = ImageRow { id: Digest::of(b"web x"), names: [KnownAs::Base("debian".parse().unwrap())].into() };
    let layer = Digest::of(b"layer");
    inventories.keep(&image, &[layer], &[(layer, found)].into(), at(6)).unwrap();
    let affected = serde_json::json!([{ "package": { "ecosystem": "Debian:12", "name": "openssl" } }]);
    let record = serde_json::json!({ "id": "CVE-2024-0727", "modified": "2024-01-26T00:00:00Z", "affected": affected });
    let advisory = crate::advisory::osv::read(record.to_string().as_bytes()).unwrap();
    inventories.keep_advisories("osv", &[AdvisoryRow::of(&advisory).unwrap()], at(6)).unwrap();
}

mod heard {
    use super::*;
    use crate::model::TriggerId;
    use crate::trigger::{Cause, Heard, Trigger};

    fn base(name: &str, delivery: Option<&str>) -> Heard {
        let cause = Cause::Base { base: name.parse().unwrap(), digest: None };
        Heard { trigger: Trigger { words: cause.to_string(), cause, by: "hook hub".into() }, delivery: delivery.map(str::to_owned) }
    }

    fn open(folder: &std::path::Path) -> SqliteJournal {
        let now = Timestamp::UNIX_EPOCH;
        SqliteJournal::open_to_write(folder, Lock::take(folder, now, "refit serve").unwrap()).unwrap()
    }

    #[tokio::test]
    async fn what_was_heard_waits_until_a_run_answers_it_and_survives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let journal = open(folder.path());
        let heard = vec![base("debian", Some("hub:1")), base("alpine", None), base("debian", Some("hub:2")), base("debian", Some("hub:1"))];
        let [debian, alpine] = [TriggerId(1), TriggerId(2)];
        let answers = journal.hear(at(1), heard).await.unwrap();
        assert_eq!(answers, [HeardAs::New(debian), HeardAs::New(alpine), HeardAs::Joined(debian), HeardAs::Repeated(debian)]);
        drop(journal);

        let journal = open(folder.path());
        let waiting = journal.triggers_waiting().unwrap();
        assert_eq!(waiting.iter().map(|kept| (kept.id, kept.times)).collect::<Vec<_>>(), [(debian, 2), (alpine, 1)]);
        let event = Event::RunBegan { change: Change::Everything, by: "hook hub".into(), words: "debian".into() };
        let run = journal.begin_run_for(at(2), &event, &[debian]).await.unwrap();
        journal.settle(at(3), &[debian, alpine], "nothing to do").await.unwrap();
        assert!(journal.triggers_waiting().unwrap().is_empty());
        let settled = |id| journal.trigger(id).unwrap().unwrap().settled.unwrap();
        assert_eq!(settled(debian), Settled { at: at(2), run: Some(run), why: None }, "its run answered it first");
        assert_eq!(settled(alpine), Settled { at: at(3), run: None, why: Some("nothing to do".into()) });
        // Heard again after that it is another trigger; but not the same delivery.
        let again = journal.hear(at(4), vec![base("debian", Some("hub:3")), base("debian", Some("hub:2"))]).await.unwrap();
        assert_eq!(again, [HeardAs::New(TriggerId(3)), HeardAs::Repeated(debian)]);
    }

    #[tokio::test]
    async fn a_delivery_is_known_again_long_after_its_run_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let at = |day: i64| Timestamp::from_second(day * 24 * 3600).unwrap();
        let journal = open(folder.path());
        let event = Event::RunBegan { change: Change::Everything, by: "hook hub".into(), words: "debian".into() };
        let hear = async |day: i64| journal.hear(at(day), vec![base("debian", Some("hub:1"))]).await.unwrap()[0];
        let first = hear(0).await;
        journal.begin_run_for(at(0), &event, &[first.trigger()]).await.unwrap();
        for day in [1, 15, 30] {
            // Others are settled meanwhile, and what is too old goes then.
            let other = journal.hear(at(day), vec![base("alpine", None)]).await.unwrap()[0];
            journal.settle(at(day), &[other.trigger()], "nothing to do").await.unwrap();
            assert_eq!(hear(day).await, HeardAs::Repeated(first.trigger()), "day {day}");
        }
        let other = journal.hear(at(31), vec![base("alpine", None)]).await.unwrap()[0];
        journal.settle(at(31), &[other.trigger()], "nothing to do").await.unwrap();
        assert!(matches!(hear(31).await, HeardAs::New(_)));
    }

    #[tokio::test]
    async fn the_audit_log_is_read_page_by_page() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        let at = Timestamp::UNIX_EPOCH;
        for what in ["one", "two", "three", "four", "five"] {
            journal.audit(AuditLine { at, who: "ann".into(), what: what.into(), outcome: "done".into() }).await.unwrap();
        }
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = journal.audit_lines(before, 2).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.push(page.into_iter().map(|kept| kept.line.what).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(seen, ["five four", "three two", "one"]);
    }

    #[tokio::test]
    async fn tokens_and_marks_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let journal = open(folder.path());
        let token = |text: &str| TokenKept {
            name: "ci".into(),
            role: Role::Operate,
            hash: Digest::of(text.as_bytes()),
            made_at: at(1),
            made_by: "ann".into(),
            revoked_at: None,
        };
        journal.add_token(token("a")).await.unwrap();
        assert!(journal.add_token(token("b")).await.is_err(), "a name is taken until its token is revoked");
        journal.revoke_token(at(2), "ci").await.unwrap();
        assert_eq!(journal.tokens().unwrap()[0].revoked_at, Some(at(2)));
        journal.add_token(token("b")).await.unwrap();
        assert_eq!(journal.tokens().unwrap(), [token("b")]);
        journal.set_mark(at(1), "notices", "7").await.unwrap();
        assert_eq!(journal.mark("notices").unwrap().as_deref(), Some("7"));
    }
}
