//! What a person wishes of a daemon: it plans, the person agrees here, the daemon carries it out, and it is followed to its end.

use std::time::Duration;

use serde::Deserialize;

use super::converge::{self, ConvergeArgs};
use super::plan::{self, PlanArgs};
use super::rollout::{self, RolloutArgs};
use super::signals::Signals;
use super::{Exit, Face, follow, workshop};
use crate::api::{Asked, PlanMade};
use crate::client::{Client, ClientError};
use crate::journal::{HeardAs, Settled};
use crate::model::{RunId, TriggerId};
use crate::plan::Change;
use crate::serve::{NOTHING_TO_DO, Standing};
use crate::trigger::Wish;

/// Whether a wish is answered is asked for the first time after so long, then after twice as long each time.
const ASK_MIN: Duration = Duration::from_millis(50);
const ASK_MAX: Duration = Duration::from_secs(1);
/// Asked in vain so often, one after the other, the daemon is gone for longer than it takes to start again.
const FAILED_MAX: u32 = 180;

/// `refit plan`.
pub(super) async fn plan(daemon: &Client, args: &PlanArgs, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    args.build.refuse_for(daemon)?;
    let made = foresee(daemon, &wish(args.change.change(), args.sick), face).await?;
    plan::show_with(&made.plan, made.parallel, &made.packages, face);
    Ok(Exit::Done)
}

/// `refit rollout`.
pub(super) async fn rollout(daemon: &Client, args: &RolloutArgs, face: &mut Face) -> miette::Result<Exit> {
    args.estate.refuse_for(daemon)?;
    args.build.refuse_for(daemon)?;
    let change = args.release.map_or_else(|| args.change.change(), Change::Release);
    let wish = Wish { services: args.services.clone(), hosts: args.hosts.clone(), ..wish(change, args.sick) };
    if let Some(exit) = stands_still(daemon, face).await? {
        return Ok(exit);
    }
    let made = foresee(daemon, &wish, face).await?;
    if let Some(agreed) = &args.plan {
        agreed.check(&made.plan, made.parallel, face)?;
    }
    begin(daemon, wish, made, args.plan.is_some(), args.yes, face).await
}

/// A change that was found elsewhere. Nothing comes back if it was only shown.
pub(super) async fn change(
    daemon: &Client,
    change: Change,
    sick: bool,
    is_only_shown: bool,
    yes: bool,
    face: &mut Face,
) -> miette::Result<Option<Exit>> {
    let wish = wish(change, sick);
    if !is_only_shown && let Some(exit) = stands_still(daemon, face).await? {
        return Ok(Some(exit));
    }
    let made = foresee(daemon, &wish, face).await?;
    if is_only_shown || made.plan.does_nothing() {
        plan::show_with(&made.plan, made.parallel, &made.packages, face);
        return Ok(None);
    }
    begin(daemon, wish, made, false, yes, face).await.map(Some)
}

/// `refit converge`.
pub(super) async fn converge(daemon: &Client, args: &ConvergeArgs, face: &mut Face) -> miette::Result<Exit> {
    args.how.estate.refuse_for(daemon)?;
    let wish = Wish { services: args.services.clone(), hosts: args.hosts.clone(), ..wish(Change::Drift, false) };
    if !args.how.dry_run
        && let Some(exit) = stands_still(daemon, face).await?
    {
        return Ok(exit);
    }
    let made = foresee(daemon, &wish, face).await?;
    let some_are_silent = !made.left_out.is_empty();
    let exit = if made.plan.rolls.is_empty() || args.how.dry_run {
        converge::show(&made.plan, made.parallel, face);
        Exit::Done
    } else {
        begin(daemon, wish, made, false, args.how.yes, face).await?
    };
    Ok(if exit == Exit::Done && some_are_silent { Exit::Between } else { exit })
}

fn wish(change: Change, sick: bool) -> Wish {
    Wish { sick, ..Wish::of(change) }
}

fn asked(wish: &Wish) -> Asked {
    Asked { wish: wish.clone(), words: workshop::command_line() }
}

/// What the daemon would do, and what people should know of its looks.
pub(super) async fn foresee(daemon: &Client, wish: &Wish, face: &mut Face) -> miette::Result<PlanMade> {
    let made: PlanMade = daemon.post("/v1/plans", &asked(wish)).await?;
    made.left_out.iter().for_each(|(host, why)| face.printer.err(&format!("warning: {host} is left out, it does not answer: {why}")));
    made.warnings.iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    Ok(made)
}

/// A run that stands still comes before anything new, and only a person ends that.
pub(super) async fn stands_still(daemon: &Client, face: &mut Face) -> miette::Result<Option<Exit>> {
    match standing(daemon).await? {
        Standing::Paused { run, why } => {
            face.printer.err(&format!("{run} has not ended and comes first; nothing was begun"));
            Ok(Some(rollout::tell_pause(run, &why, face)))
        }
        _ => Ok(None),
    }
}

/// Shows a plan, asks, and has it carried out. Whoever agrees to a plan gets that one, or none.
pub(super) async fn begin(daemon: &Client, mut wish: Wish, made: PlanMade, is_agreed: bool, yes: bool, face: &mut Face) -> miette::Result<Exit> {
    if made.plan.does_nothing() {
        plan::show(&made.plan, made.parallel, face);
        return Ok(Exit::Done);
    }
    if !rollout::is_agreed(&made.plan, made.parallel, &made.packages, made.silent, yes || is_agreed, face)? {
        return Ok(Exit::Failed);
    }
    if is_agreed || !yes {
        wish.plan = Some(made.hash);
    }
    carry_out(daemon, &wish, face).await
}

/// How a wish was answered.
enum Answer {
    /// A run, or a word why there is none.
    Settled(Settled),
    /// A run that stands still keeps it waiting for as long as nobody says a word.
    Blocked,
}

/// What a wish that was handed in led to.
pub(super) enum Begun {
    /// A run, and what listens to signals meanwhile.
    Run(RunId, Signals),
    /// None, and that was told.
    None(Exit),
}

/// Hands a wish in and follows the run that answers it.
pub(super) async fn carry_out(daemon: &Client, wish: &Wish, face: &mut Face) -> miette::Result<Exit> {
    match hand_in(daemon, wish, face).await? {
        Begun::Run(run, signals) => follow::to_its_end(daemon.clone(), run, 0, None, signals, face).await,
        Begun::None(exit) => Ok(exit),
    }
}

/// Hands a wish in and waits for the run that answers it.
pub(super) async fn hand_in(daemon: &Client, wish: &Wish, face: &mut Face) -> miette::Result<Begun> {
    face.between_runs.abort_all();
    let mut signals = Signals::listen().map_err(|error| miette::miette!("signals cannot be listened to: {error}"))?;
    let heard: HeardAs = daemon.post("/v1/rollouts", &asked(wish)).await?;
    let trigger = heard.trigger();
    let answer = tokio::select! {
        answer = answered(daemon, trigger, face) => Some(answer?),
        _ = signals.next() => None,
    };
    let settled = match answer {
        Some(Answer::Settled(settled)) => settled,
        Some(Answer::Blocked) if withdrawn(daemon, trigger).await? => {
            return Ok(Begun::None(stands_still(daemon, face).await?.unwrap_or(Exit::Failed)));
        }
        None if withdrawn(daemon, trigger).await? => {
            face.printer.err("nothing was begun");
            return Ok(Begun::None(Exit::Interrupted));
        }
        Some(Answer::Blocked) | None => {
            settled(daemon, trigger).await?.ok_or_else(|| miette::miette!("{trigger} is neither answered nor withdrawn"))?
        }
    };
    match settled.run {
        Some(run) => Ok(Begun::Run(run, signals)),
        None => {
            face.between_runs = signals.end_the_process();
            let why = settled.why.unwrap_or_else(|| "nothing was begun".to_owned());
            face.printer.err(&why);
            Ok(Begun::None(if why.starts_with(NOTHING_TO_DO) { Exit::Done } else { Exit::Failed }))
        }
    }
}

/// Takes a wish back; not if a run answers it already.
async fn withdrawn(daemon: &Client, trigger: TriggerId) -> Result<bool, ClientError> {
    match daemon.delete(&format!("/v1/triggers/{trigger}")).await {
        Ok(()) => Ok(true),
        Err(error) if error.status() == Some(409) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until a wish is answered; says what it waits for.
async fn answered(daemon: &Client, trigger: TriggerId, face: &mut Face) -> Result<Answer, ClientError> {
    let (mut pause, mut failed, mut said) = (ASK_MIN, 0, String::new());
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK_MAX);
        match look(daemon, trigger).await {
            Ok((Some(settled), _)) => return Ok(Answer::Settled(settled)),
            Ok((None, Standing::Paused { .. })) => return Ok(Answer::Blocked),
            Ok((None, standing)) => {
                failed = 0;
                let line = waits_for(&standing);
                // What is so for a moment only is not worth a word.
                if pause == ASK_MAX && !line.is_empty() && line != said {
                    face.printer.err(&line);
                    said = line;
                }
            }
            // What it has taken in survives: it is started again, or the network is.
            Err(error) if error.may_pass() && failed < FAILED_MAX => {
                if failed == 0 {
                    face.printer.err(&format!("{} does not answer; what was asked for is kept there, and is asked after again", daemon.name()));
                }
                failed += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn look(daemon: &Client, trigger: TriggerId) -> Result<(Option<Settled>, Standing), ClientError> {
    let standing = standing(daemon).await?;
    Ok((settled(daemon, trigger).await?, standing))
}

fn waits_for(standing: &Standing) -> String {
    match standing {
        Standing::Running { run } => format!("waits until {run} is over: `refit show {run}`"),
        Standing::Waiting { why, .. } => format!("waits: {why}"),
        Standing::Idle | Standing::Paused { .. } => String::new(),
    }
}

async fn settled(daemon: &Client, trigger: TriggerId) -> Result<Option<Settled>, ClientError> {
    #[derive(Deserialize)]
    struct Kept {
        settled: Option<Settled>,
    }
    Ok(daemon.get::<Kept>(&format!("/v1/triggers/{trigger}")).await?.settled)
}

async fn standing(daemon: &Client) -> Result<Standing, ClientError> {
    #[derive(Deserialize)]
    struct Seen {
        standing: Standing,
    }
    Ok(daemon.get::<Seen>("/v1/standing").await?.standing)
}
