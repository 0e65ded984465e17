//! `refit schedule`.

use jiff::{SignedDuration, Timestamp};

use super::estate::{self, EstateArgs};
use super::server::At;
use super::{Exit, Face};
use crate::edge::{Clock, SystemClock};
use crate::report::schedule;
use crate::trigger::schedule::outlook;

/// Show what will begin by itself and when, and what holds it back.
///
/// Every patch cycle comes with its moment in its own time zone and in UTC, and with the end of its window; where a freeze holds it, with the moment
/// until which it waits. Of bases that are watched it is said how often they are asked for. What webhooks and people will bring is not known.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit schedule --days 30")]
pub struct ScheduleArgs {
    /// How many days are looked ahead.
    #[arg(long, default_value_t = 14, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=DAYS_MAX))]
    days: u16,
    #[command(flatten)]
    estate: EstateArgs,
}

/// A year and a day: whatever comes yearly is seen.
const DAYS_MAX: i64 = 366;

/// Runs `refit schedule`.
pub(super) async fn run(args: &ScheduleArgs, at: &At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(client) = &at.server {
        args.estate.refuse_for(client)?;
        let path = format!("/v1/schedule?days={}", args.days);
        match face.json {
            true => face.printer.json(&client.get::<serde_json::Value>(&path).await?),
            false => face.printer.out(client.text(&path).await?.trim_end_matches('\n')),
        }
        return Ok(Exit::Done);
    }
    let estate = match estate::load(&args.estate, face) {
        Ok(estate) => estate,
        Err(exit) => return Ok(exit),
    };
    let now = SystemClock.now();
    let until = now.checked_add(SignedDuration::from_hours(24 * i64::from(args.days))).unwrap_or(Timestamp::MAX);
    let outlook = outlook(&estate, now, until);
    if face.json {
        face.printer.json(&schedule::as_json(&outlook));
    } else {
        schedule::as_text(&outlook).iter().for_each(|line| face.printer.out(line));
    }
    Ok(Exit::Done)
}
