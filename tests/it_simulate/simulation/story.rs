//! One story from its first rollout to its end: the real driver, journal and `decide`, and all that goes wrong.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use refit::driver::{CameTo, DriverError};
use refit::journal::{Journal, Logs};
use refit::model::RunId;
use refit::rollout::Person;
use refit::run::{Event, RunOutcome};
use refit::sim::Jumps;

use super::check;
use super::draw::{Happening, Story};
use super::history::History;
use super::stage::Stage;
use super::stays;
use super::tape::Death;

/// So many times people say `go on` before they let it be.
const LIVES_MAX: usize = 12;
/// Whoever has not come to an end after this long stands still.
const LIFE_MAX: Duration = Duration::from_secs(7_200);

/// How often each thing happened.
pub type Tally = BTreeMap<String, u64>;

/// What came of a story.
pub struct Told {
    /// Every event and every deed, in order.
    pub log: String,
    /// Outcomes and faults that were felt.
    pub tally: Tally,
    /// What must not be and is: none if all is well.
    pub wrong: Option<String>,
}

/// Tells a story in a runtime of its own, whose clock runs when everybody waits.
pub fn tell(story: &Story, logs: &Logs) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut stage = Stage::new(story, logs.clone()).await;
        let mut tally = Tally::new();
        let mut wrong = play(story, &mut stage, &mut tally).await.err();
        if let Some(known) = wrong.take_if(|wrong| wrong.starts_with(check::KNOWN)) {
            *tally.entry(known.split(": ").take(2).collect::<Vec<_>>().join(": ")).or_default() += 1;
        }
        Told { log: log_of(&stage), tally, wrong }
    })
}

async fn play(story: &Story, stage: &mut Stage, tally: &mut Tally) -> Result<(), String> {
    let release = if story.is_first { 1 } else { 2 };
    if !story.is_first {
        let (_, driver) = stage.life(Death::Never);
        let recorder = stage.begin(&driver).await.map_err(|error| error.to_string())?;
        let came = driver.carry_on(&recorder).await.map_err(|error| error.to_string())?;
        if came != CameTo::End(RunOutcome::Done) {
            return Err(format!("the first rollout, in peace, came to {came:?}"));
        }
        stage.patch("patched");
    }
    let began = stage.clock_now();
    stage.jumps = Jumps(story.jumps.iter().map(|(at, by)| (began + Duration::from_millis(*at), *by)).collect());
    stage.doom(story, release);
    let came = tokio::select! {
        biased;
        () = happenings(story, stage) => unreachable!(),
        came = lives(story, stage, tally) => came?,
    };
    *tally.entry(format!("came to: {came}")).or_default() += 1;
    count_faults(story, stage, tally);
    check::trouble(story, stage, &History::of(&stage.hosts), began)?;
    stage.heal();
    recover(stage, tally).await?;
    roll_once_more(stage).await?;
    check::peace(stage)?;
    stays::are_true(stage, &History::of(&stage.hosts))
}

async fn happenings(story: &Story, stage: &Stage) {
    if !story.is_early {
        stage.rolls(if story.is_first { 1 } else { 2 }).await;
    }
    stage.strike(story);
    let mut passed = 0;
    for (at, happening) in &story.happenings {
        tokio::time::sleep(Duration::from_millis(at - passed)).await;
        passed = *at;
        stage.happen(happening);
    }
    std::future::pending().await
}

/// One life of refit after the other, until the run has ended or people give up on it.
async fn lives(story: &Story, stage: &Stage, tally: &mut Tally) -> Result<String, String> {
    let first = stage.journal.runs(1).unwrap().first().map_or(1, |run| run.run.0 + 1);
    let mut deaths = story.deaths.iter();
    for life in 0..LIVES_MAX {
        let (death, gap_ms) = deaths.next().copied().unwrap_or((Death::Never, 10_000));
        let (tape, driver) = stage.life(death);
        let work = async {
            let recorder = match stage.journal.unfinished().unwrap().first() {
                Some(run) => driver.take_up(*run, "bob@desk").await?,
                None => stage.begin(&driver).await?,
            };
            driver.carry_on(&recorder).await
        };
        let ended = tokio::time::timeout(LIFE_MAX, tape.until_death(work)).await;
        let mut count = |what: &str| *tally.entry(what.to_owned()).or_default() += 1;
        match ended {
            Err(_) => return Err(format!("no end within two hours; it waits for {:?}", stage.waiting.lock().unwrap())),
            Ok(None) => count("felt: refit died"),
            Ok(Some(Ok(CameTo::End(outcome)))) => return Ok(word_for(&outcome).to_owned()),
            Ok(Some(Ok(CameTo::Gate { service, stage }))) => return Err(format!("{service} waits at a gate behind {stage}, and nobody wrote one")),
            Ok(Some(Ok(CameTo::Pause { what, why }))) => {
                if what.is_empty() || why.is_empty() {
                    return Err("it paused, and does not say whom it waits for".into());
                }
                count("felt: paused, and called for a person");
                let word = if life % 3 == 2 { Person::Abort } else { Person::Resume };
                stage.happen(&Happening::Says(word));
            }
            Ok(Some(Err(error @ (DriverError::Bug { .. } | DriverError::CannotFollow(_) | DriverError::UnknownVersion { .. })))) => {
                return Err(format!("{error}"));
            }
            Ok(Some(Err(error))) => {
                count(&format!("felt: could not go on: {}", first_words(&error)));
                // Its number is taken and nothing is left to do: it was refused before anything changed.
                let run = stage.journal.run(RunId(first)).unwrap();
                if let Some(outcome) = run.and_then(|run| run.outcome) {
                    return Ok(word_for(&outcome).to_owned());
                }
            }
        }
        // What was finished while nobody looked is not begun again.
        if let Some(outcome) = stage.journal.run(RunId(first)).unwrap().and_then(|run| run.outcome) {
            return Ok(word_for(&outcome).to_owned());
        }
        tokio::time::sleep(Duration::from_millis(gap_ms)).await;
    }
    Ok("given up by people".to_owned())
}

/// Once the world is well again so is the estate.
async fn recover(stage: &Stage, tally: &mut Tally) -> Result<(), String> {
    for round in 0..8 {
        let (_, driver) = stage.life(Death::Never);
        let recorder = match stage.journal.unfinished().unwrap().first() {
            Some(run) => {
                stage.journal.say(*run, stage.clock_now(), Person::Resume, "bob@desk").unwrap();
                driver.take_up(*run, "bob@desk").await
            }
            None => {
                let plan = stage.plan(&driver).await.map_err(|error| format!("no plan can be made in peace: {error}"))?;
                if plan.rolls.is_empty() {
                    *tally.entry(format!("well again after {round} further rollouts")).or_default() += 1;
                    return Ok(());
                }
                driver.begin(plan, "ann@desk", "refit rollout").await
            }
        };
        let recorder = recorder.map_err(|error| error.to_string())?;
        let came = tokio::time::timeout(LIFE_MAX, driver.carry_on(&recorder)).await;
        came.map_err(|_| format!("no end in peace; it waits for {:?}", stage.waiting.lock().unwrap()))?.map_err(|error| error.to_string())?;
    }
    Err("eight rollouts in peace did not make the estate well".into())
}

/// What the trouble left lying where a person was to look at it, a further rollout takes away.
async fn roll_once_more(stage: &Stage) -> Result<(), String> {
    stage.patch("later");
    let (_, driver) = stage.life(Death::Never);
    let recorder = stage.begin(&driver).await.map_err(|error| error.to_string())?;
    let came = tokio::time::timeout(LIFE_MAX, driver.carry_on(&recorder)).await;
    match came.map_err(|_| "no end of a rollout in peace")?.map_err(|error| error.to_string())? {
        CameTo::End(RunOutcome::Done) => Ok(()),
        other => Err(format!("a rollout in peace came to {other:?}")),
    }
}

fn word_for(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::NothingToDo => "nothing to do",
        RunOutcome::BuildsFailed { .. } => "builds failed",
        RunOutcome::RolledBack { .. } => "rolled back",
        RunOutcome::InPart { .. } => "done in part",
        RunOutcome::Refused { .. } => "refused beforehand",
        RunOutcome::Stuck { .. } => "stuck, called for a person",
        RunOutcome::Aborted { .. } => "aborted by a person",
    }
}

fn first_words(error: &DriverError) -> String {
    match error {
        DriverError::Preflight { .. } => "hosts cannot be rolled to".into(),
        DriverError::Engine(_) => "an engine is silent or refuses".into(),
        DriverError::BaseUnknown { .. } | DriverError::Several { .. } => "the base cannot be had".into(),
        other => other.to_string(),
    }
}

fn count_faults(story: &Story, stage: &Stage, tally: &mut Tally) {
    let mut add = |what: &str, count: u64| {
        if count > 0 {
            *tally.entry(format!("felt: {what}")).or_default() += count;
        }
    };
    for host in stage.hosts.values().chain([&stage.builder]) {
        let hits = host.state().hits;
        add("calls to a silent engine", hits.silent);
        add("calls lost", hits.calls_lost);
        add("replies lost", hits.replies_lost);
        add("calls that arrived after refit had died", hits.orphans);
        add("refused, the disk is full", hits.disk_full);
        add("starts refused", hits.refused);
        add("images missing", hits.image_missing);
    }
    add("jumps of refit's time of day", story.jumps.len() as u64);
    add("hosts whose clock is wrong", story.host_troubles.iter().filter(|host| !host.ahead.is_zero()).count() as u64);
    add("jumps of a host's clock", story.host_troubles.iter().map(|host| host.jumps.len() as u64).sum());
    add("builds of a cascade", stage.builder.state().built.len() as u64);
    for (_, recorded) in stage.taped.lock().unwrap().iter() {
        match &recorded.event {
            Event::SlotFailed { .. } => add("slots failed", 1),
            Event::HostLeftBehind { .. } => add("hosts left behind", 1),
            Event::PersonSaid { .. } => add("words of people", 1),
            Event::Resumed { .. } => add("taken up again", 1),
            _ => {}
        }
    }
}

/// Every event and every deed of a stage.
fn log_of(stage: &Stage) -> String {
    let mut log = String::new();
    for (at, recorded) in stage.taped.lock().unwrap().iter() {
        writeln!(log, "{at} {} {}", recorded.run, serde_json::to_string(&recorded.event).unwrap()).unwrap();
    }
    for (host, deed) in History::of(&stage.hosts).deeds {
        writeln!(log, "{} {host} {} {:?}", deed.at, deed.container, deed.what).unwrap();
    }
    log
}
