//! The task that carries out runs: what was interrupted first, then what the triggers that wait ask for, one run at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::daemon::{Daemon, Standing};
use super::leave::{DAEMON, Left};
use super::wishes::{Foreseen, WishError};
use crate::driver::{self, CameTo, Driver, DriverError, Recorder};
use crate::fault;
use crate::journal::{Journal, JournalError};
use crate::model::{HostName, RunId, ServiceName};
use crate::pipeline::Priority;
use crate::plan::{self, Change, Plan};
use crate::report;
use crate::rollout::Person;
use crate::trigger::schedule::{self, Asked, Wait};
use crate::trigger::{self, Batch, Cause, Heard, Next, Trigger, Waiting, Wish, Work};

/// A person's word about a run that stands still may come from another process, so it is looked for so often.
const WORDS_LOOKED_FOR_EVERY: Duration = Duration::from_secs(1);
/// Without anything to do, the queue is looked at so often all the same.
const IDLE: Duration = Duration::from_secs(60);
/// A host that was silent for so long, whenever it was asked, is left behind by what begins by itself. Time counts and not tries, because every hook
/// that comes in meanwhile makes it try again at once.
const LEFT_BEHIND_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// After trouble with an engine or a registry, it tries again after so long, twice as long each time.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(600);

/// What is said of triggers that come to nothing because everything is as it is to be begins so.
pub const NOTHING_TO_DO: &str = "nothing to do";

/// What the task does next.
enum Step {
    /// Look again at once.
    Again,
    /// Wait so long, unless somebody wakes it.
    Wait(Duration),
}

/// What became of a batch before anything was begun.
enum Prepared {
    /// This is to be done.
    Plan(Box<Plan>),
    /// Nothing, and why.
    Nothing(String),
}

/// What the task remembers between two steps.
#[derive(Default)]
struct Memory {
    /// A run that stands still: it is taken up when somebody says a word about it.
    parked: Option<RunId>,
    /// Steps that failed one after another.
    failed: u32,
    /// Since when, in steady time, hosts were silent at every step; none if the last one did not fail because of that.
    silent_since: Option<Timestamp>,
}

impl Memory {
    /// Something else happened than trouble.
    fn is_well(&mut self) {
        (self.failed, self.silent_since) = (0, None);
    }

    /// A step failed at a moment of steady time. Says how long to wait before the next one.
    fn fails(&mut self, because_hosts_are_silent: bool, at: Timestamp) -> Duration {
        let wait = RETRY_MIN.saturating_mul(1 << self.failed.min(16)).min(RETRY_MAX);
        self.failed += 1;
        self.silent_since = because_hosts_are_silent.then(|| self.silent_since.unwrap_or(at));
        wait
    }

    /// Whether hosts that are silent still are to be waited for no longer.
    fn leaves_behind(&self, now: Timestamp) -> bool {
        self.silent_since.is_some_and(|since| now.duration_since(since) >= LEFT_BEHIND_AFTER)
    }
}

impl Daemon {
    /// Carries out runs until the daemon stops, and leaves the last one at a safe point.
    pub async fn work(self: Arc<Self>) {
        let mut memory = Memory::default();
        while !self.stop.is_cancelled() {
            let wait = match self.step(&mut memory).await {
                Ok(Step::Again) => {
                    memory.is_well();
                    continue;
                }
                Ok(Step::Wait(wait)) => {
                    memory.is_well();
                    wait
                }
                Err(error) => self.trouble(&mut memory, &error),
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Says what is wrong, and how long to wait before the next try.
    fn trouble(&self, memory: &mut Memory, error: &DriverError) -> Duration {
        let wait = memory.fails(matches!(error, DriverError::Preflight { .. }), self.clock.steady());
        let why = fault::with_help(error);
        tracing::error!(error = %why, "what waits could not be begun; tried again in {} s", wait.as_secs());
        let until = self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        self.stands(Standing::Waiting { until, why });
        wait
    }

    async fn step(&self, memory: &mut Memory) -> Result<Step, DriverError> {
        if let Some(run) = self.journal.unfinished()?.first().copied() {
            return self.take_up_again(run, memory).await;
        }
        memory.parked = None;
        let waiting = self.waiting()?;
        let now = self.clock.now();
        match trigger::next(&waiting, &self.how.rules, now, |asked| self.may_begin(now, asked)) {
            Next::Begin(batch) => self.answer(batch, memory).await,
            Next::Drop { triggers, why } => {
                tracing::warn!("{why}");
                self.journal.settle(now, &triggers, &why).await?;
                Ok(Step::Again)
            }
            Next::Wait { until, held } => {
                let why = held.unwrap_or_else(|| "what was heard is let settle".to_owned());
                self.stands(Standing::Waiting { until, why });
                // At least a little: a moment that has just passed must not be asked for again and again.
                Ok(Step::Wait(driver::until(now, until).clamp(Duration::from_millis(50), IDLE)))
            }
            Next::Idle => {
                self.stands(Standing::Idle);
                Ok(Step::Wait(IDLE))
            }
        }
    }

    fn waiting(&self) -> Result<Vec<Waiting>, DriverError> {
        let kept = self.journal.triggers_waiting()?;
        Ok(kept.into_iter().map(|kept| Waiting { id: kept.id, first_at: kept.first_at, last_at: kept.last_at, trigger: kept.trigger }).collect())
    }

    /// Whether what begins by itself may begin now.
    fn may_begin(&self, now: Timestamp, asked: Asked) -> Result<(), Wait> {
        let loaded = self.loaded();
        schedule::may_begin(now, asked, &loaded.estate.freezes, &loaded.estate.maintenance)
    }

    /// Goes on with a run that has not ended. One that stands still is left alone until somebody says a word, or the next window opens.
    async fn take_up_again(&self, run: RunId, memory: &mut Memory) -> Result<Step, DriverError> {
        let nothing_is_new = memory.parked == Some(run) && self.journal.words_waiting(run)?.is_empty();
        if nothing_is_new && !self.a_cycle_waits()? {
            return Ok(Step::Wait(WORDS_LOOKED_FOR_EVERY));
        }
        let window = self.window_of(run, self.clock.now())?;
        if window.opens {
            self.journal.say(run, self.clock.now(), Person::Resume, DAEMON)?;
        } else if nothing_is_new {
            return Ok(Step::Wait(WORDS_LOOKED_FOR_EVERY));
        }
        let driver = self.driver()?;
        tracing::info!(%run, "taken up again");
        let recorder = driver.take_up(run, "refit serve").await?;
        let left = self.carry_on(&driver, &recorder, window.until).await;
        self.after(run, left, memory)
    }

    /// Plans what a batch of triggers asks for, and carries it out. Whatever comes of it, each of them is settled.
    async fn answer(&self, batch: Batch, memory: &mut Memory) -> Result<Step, DriverError> {
        let mut driver = self.driver()?;
        if let Work::Wish(Wish { change: Change::Prune { keep }, .. }) = batch.work {
            let begun = driver.begin_prune_for(keep, &batch.by, &batch.words, &batch.triggers).await;
            return self.go_on(&driver, begun, &batch, memory).await;
        }
        let prepared = match self.prepare(&mut driver, &batch.work, batch.priority, memory.leaves_behind(self.clock.steady())).await {
            Ok(prepared) => prepared,
            // A person is told, and may ask again; what came by itself is tried again.
            Err(error) if matches!(batch.work, Work::Wish(_)) => Prepared::Nothing(fault::with_help(&error)),
            Err(error) => return Err(error),
        };
        let plan = match prepared {
            Prepared::Plan(plan) => plan,
            Prepared::Nothing(why) => {
                tracing::info!(by = batch.by, "{}: {why}", batch.words);
                self.journal.settle(self.clock.now(), &batch.triggers, &why).await?;
                self.news.journalled();
                return Ok(Step::Again);
            }
        };
        let begun = driver.begin_for(*plan, &batch.by, &batch.words, &batch.triggers).await;
        self.go_on(&driver, begun, &batch, memory).await
    }

    /// Carries out the run that a batch began.
    async fn go_on(
        &self,
        driver: &Driver,
        begun: Result<Arc<Recorder>, DriverError>,
        batch: &Batch,
        memory: &mut Memory,
    ) -> Result<Step, DriverError> {
        let recorder = match begun {
            // Planning takes a while, and a person may have thought better of it.
            Err(DriverError::Journal(JournalError::Withdrawn)) => return Ok(Step::Again),
            begun => begun?,
        };
        let run = recorder.run();
        tracing::info!(%run, by = batch.by, "begun: {}", batch.words);
        let left = self.carry_on(driver, &recorder, batch.until).await;
        self.after(run, left, memory)
    }

    fn after(&self, run: RunId, left: Result<Left, DriverError>, memory: &mut Memory) -> Result<Step, DriverError> {
        match left {
            Ok(Left::Came(CameTo::End(outcome))) => tracing::info!(%run, ?outcome, "over"),
            Ok(Left::Came(CameTo::Pause { what, why })) => {
                tracing::warn!(%run, "paused: {what}: {why}");
                self.stands(Standing::Paused { run, why: format!("{what}: {why}") });
                memory.parked = Some(run);
            }
            Ok(Left::Came(CameTo::Gate { service, stage })) => {
                self.stands(Standing::Paused { run, why: format!("{service}: {stage} is through, and waits for approval") });
                memory.parked = Some(run);
            }
            Ok(Left::OutOfWindow) => {
                tracing::warn!(%run, "its window is over; it goes on in the next one, or by `refit resume {run}`");
                self.stands(Standing::Paused { run, why: "its window is over; it goes on in the next one".to_owned() });
                memory.parked = Some(run);
            }
            Ok(Left::Stopped) => tracing::info!(%run, "left at a safe point; the next `refit serve` or `refit resume {run}` goes on"),
            // The run is over, and says why.
            Err(error @ (DriverError::Preflight { .. } | DriverError::WouldLoseData { .. })) => {
                tracing::error!(%run, "{}", fault::with_help(&error));
            }
            Err(error) => return Err(error),
        }
        self.news.journalled();
        Ok(Step::Again)
    }

    async fn prepare(&self, driver: &mut Driver, work: &Work, priority: Priority, leaves_behind: bool) -> Result<Prepared, DriverError> {
        match work {
            Work::Change(change) => {
                let mut plan = self.plan(driver, change, leaves_behind).await?;
                let frozen = self.leave_out_frozen(&mut plan, priority).await?;
                Ok(match something(plan, &[], None) {
                    Prepared::Nothing(_) if !frozen.is_empty() => Prepared::Nothing(frozen.join("; ")),
                    prepared => prepared,
                })
            }
            Work::Repair(hosts) => repair(driver, hosts).await,
            Work::CatchUp(services) => self.catch_up(driver, services, leaves_behind).await,
            Work::Wish(wish) => self.prepare_wish(driver, wish).await,
        }
    }

    /// Rolls what the newest release has of services that stood still when it was made.
    async fn catch_up(&self, driver: &Driver, services: &BTreeSet<ServiceName>, leaves_behind: bool) -> Result<Prepared, DriverError> {
        let Some(newest) = self.journal.releases(1)?.first().map(|kept| kept.number) else {
            return Ok(Prepared::Nothing("there is no release".to_owned()));
        };
        let services: Vec<ServiceName> = services.iter().filter(|name| driver.estate.services.contains_key(*name)).cloned().collect();
        let mut plan = self.plan(driver, &Change::Release(newest), leaves_behind).await?;
        plan.rolls.retain(|roll| services.contains(&roll.service));
        Ok(something(plan, &services, None))
    }

    /// Leaves out of a plan that nobody asked for the services that are frozen, and makes sure that somebody comes back to them. Says which, and why.
    async fn leave_out_frozen(&self, plan: &mut Plan, priority: Priority) -> Result<Vec<String>, DriverError> {
        let (now, loaded) = (self.clock.now(), self.loaded());
        let waits = |service: &ServiceName| schedule::may_roll(now, service, priority, &loaded.estate.freezes).err();
        let (mut behind, mut frozen) = (BTreeMap::<Timestamp, BTreeSet<ServiceName>>::new(), Vec::new());
        for roll in plan.rolls.extract_if(.., |roll| waits(&roll.service).is_some()) {
            if let Some(Wait { until, why }) = waits(&roll.service) {
                frozen.push(format!("{} is not rolled: {why}", roll.service));
                behind.entry(until).or_default().insert(roll.service);
            }
        }
        let heard = behind.into_iter().map(|(not_before, services)| {
            let cause = Cause::Behind { services, not_before };
            Heard { trigger: Trigger { by: "freeze".to_owned(), words: cause.to_string(), cause }, delivery: None }
        });
        self.hear(heard.collect()).await?;
        frozen.iter().for_each(|line| tracing::warn!("{line}"));
        Ok(frozen)
    }

    async fn prepare_wish(&self, driver: &mut Driver, wish: &Wish) -> Result<Prepared, DriverError> {
        let Foreseen { plan, warnings, silent, .. } = match self.foresee(driver, wish).await {
            Ok(foreseen) => foreseen,
            Err(WishError::Driver(error)) => return Err(error),
            Err(error) => return Ok(Prepared::Nothing(fault::with_help(&error))),
        };
        warnings.iter().for_each(|line| tracing::warn!("{line}"));
        if !silent.is_empty() {
            return Err(DriverError::silent(&silent, plan.hosts().len()));
        }
        Ok(something(plan, &wish.services, wish.plan.as_deref()))
    }

    /// Looks at everything and plans what nobody asked for. Every host that it rolls to must answer; one that stays silent is left behind, so that it does not keep a patch from all the others, and is repaired when it is back.
    async fn plan(&self, driver: &Driver, change: &Change, leaves_behind: bool) -> Result<Plan, DriverError> {
        let (mut plan, warnings) = look_and_plan(driver, change, &[], false).await?;
        warnings.iter().for_each(|line| tracing::warn!("{line}"));
        let hosts = plan.hosts();
        let silent = driver.silent_hosts(&hosts).await?;
        if !silent.is_empty() && leaves_behind {
            let away = driver.silent(&driver.see_hosts().await, &[], None);
            let there: BTreeSet<HostName> = hosts.iter().filter(|host| !away.contains_key(*host)).cloned().collect();
            if !there.is_empty() {
                let told: Vec<String> = silent.iter().map(|(host, why)| format!("{host}: {why}")).collect();
                tracing::warn!("left behind, and repaired when they are back: {}", told.join("; "));
                plan.narrow(&[], Some(&there), &driver.estate);
                return Ok(plan);
            }
        }
        if silent.is_empty() { Ok(plan) } else { Err(DriverError::silent(&silent, hosts.len())) }
    }
}

/// Looks at everything and plans, as `refit plan` does; with it what people should know of the looks.
pub(super) async fn look_and_plan(
    driver: &Driver,
    change: &Change,
    services: &[ServiceName],
    sick: bool,
) -> Result<(Plan, Vec<String>), DriverError> {
    let looked = driver.look(change).await?;
    let mut plan = plan::plan(&looked.request(driver, change))?;
    plan.rolls.iter_mut().for_each(|roll| roll.is_asked_for |= sick || services.contains(&roll.service));
    driver.look_at_hosts(&mut plan).await?;
    Ok((plan, looked.warnings.iter().chain(&looked.not_pulled).cloned().collect()))
}

/// What is to be done about a plan. `agreed` is the beginning of the hash of the plan that a person agreed to.
fn something(plan: Plan, services: &[ServiceName], agreed: Option<&str>) -> Prepared {
    if let Some(agreed) = agreed
        && !plan.hash().hex().starts_with(agreed.strip_prefix("sha256:").unwrap_or(agreed))
    {
        return Prepared::Nothing(format!("the plan is not {agreed} any more but {}; nothing was begun", plan.hash().short()));
    }
    // A host on which nothing runs is drained all the same.
    let is_of_host = matches!(plan.change, Change::Drain(_) | Change::Undrain(_));
    if is_of_host || !plan.does_nothing() {
        return Prepared::Plan(Box::new(plan));
    }
    let held = plan.held.iter().map(ToString::to_string).chain(plan.held_bases.iter().map(ToString::to_string));
    let held: Vec<String> = held.chain(plan.sick.iter().map(ToString::to_string)).collect();
    let about = if services.is_empty() { "everything".to_owned() } else { report::list(services) };
    Prepared::Nothing(if held.is_empty() { format!("{NOTHING_TO_DO}: {about} is up to date") } else { held.join("; ") })
}

async fn repair(driver: &Driver, hosts: &BTreeSet<HostName>) -> Result<Prepared, DriverError> {
    let seen = driver.see_hosts().await;
    let mut plan = driver.plan_repair(&seen)?;
    plan.narrow(&[], Some(hosts), &driver.estate);
    Ok(match plan.rolls.is_empty() {
        true => Prepared::Nothing(format!("{NOTHING_TO_DO}: what answers runs what was released")),
        false => Prepared::Plan(Box::new(plan)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_host_is_left_behind_by_time_and_not_by_tries() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut memory = Memory::default();
        for second in 0..20 {
            // A hook every second makes it try again every second.
            memory.fails(true, at(second));
            assert!(!memory.leaves_behind(at(second)), "{second}");
        }
        assert!(!memory.leaves_behind(at(29)) && memory.leaves_behind(at(30)));
        memory.fails(false, at(31));
        assert!(!memory.leaves_behind(at(90)), "what failed last was something else");
        memory.fails(true, at(100));
        assert!(!memory.leaves_behind(at(110)) && memory.leaves_behind(at(130)), "it counts anew");
        memory.is_well();
        assert!(!memory.leaves_behind(at(200)));
        assert_eq!([0, 1, 2].map(|_| memory.fails(true, at(200)).as_secs()), [5, 10, 20]);
    }
}
