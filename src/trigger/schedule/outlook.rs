//! What will happen when: the cycles to come, what will hold them back, and what is asked how often.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::hold::{Asked, Origin, Wait, may_begin, may_roll};
use super::occurrence::{Occurrence, occurrences, over};
use crate::model::{ImageName, ImageRef, ServiceName, TriggerName, Zone, serde_duration};
use crate::pipeline::{CycleRefresh, Estate, Freeze, Priority, Refresh, Trigger, Window};

/// What will happen from one moment up to another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Outlook {
    /// Its beginning: now.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The patch cycles in order.
    pub cycles: Vec<Planned>,
    /// Which images each trigger rebuilds even where nothing below them moved; triggers that rebuild none are left out.
    pub refreshes: BTreeMap<TriggerName, Vec<ImageName>>,
    /// The freezes that fall into it, in the order in which they begin.
    pub freezes: Vec<Freeze>,
    /// When runs by webhook and poll may begin; always if there are none.
    pub maintenance: Vec<Window>,
    /// What holds back a run by webhook or poll now, if anything does.
    pub events_wait: Option<Wait>,
    /// Which bases are asked for, and how often.
    pub polls: Vec<Poll>,
}

/// A patch cycle to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Planned {
    /// When.
    #[serde(flatten)]
    pub occurrence: Occurrence,
    /// The time zone of its trigger.
    pub timezone: Zone,
    /// Whether it may pass where others wait.
    pub priority: Priority,
    /// What becomes of it, as far as is known now.
    pub fate: Fate,
    /// Services that will be frozen when it begins, and are not rolled.
    pub held: BTreeMap<ServiceName, Wait>,
}

/// What becomes of an occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It begins on time.
    Begins,
    /// It waits, and begins later in its window.
    Waits(Wait),
    /// What holds it does so until its window is closed, or the next one comes.
    Skipped(Wait),
}

/// A base that the registry is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Poll {
    /// Which one.
    pub base: ImageRef,
    /// How often.
    #[serde(rename = "every_ms", with = "serde_duration")]
    #[schemars(with = "u64")]
    pub every: Duration,
    /// So many times from the outlook's beginning to its end.
    pub times: u64,
}

/// What an estate's schedule comes to. `from` is now.
pub fn outlook(estate: &Estate, from: Timestamp, until: Timestamp) -> Outlook {
    let event = Asked { origin: Origin::Event, priority: Priority::Normal };
    let cycles = occurrences(&estate.triggers, from, until);
    Outlook {
        from,
        until,
        cycles: cycles.into_iter().filter_map(|one| Some(planned(estate, estate.triggers.get(&one.trigger)?, one))).collect(),
        refreshes: estate.triggers.values().map(|one| (one.name.clone(), refreshed(estate, one))).filter(|(_, images)| !images.is_empty()).collect(),
        freezes: estate.freezes.iter().filter(|freeze| freeze.from < until && from < freeze.until).cloned().collect(),
        maintenance: estate.maintenance.clone(),
        events_wait: may_begin(from, event, &estate.freezes, &estate.maintenance).err(),
        polls: polls(estate, until.duration_since(from).unsigned_abs()),
    }
}

/// What becomes of an occurrence whose time has come, by what holds it at a moment. A cycle has a time of its own and needs no maintenance window.
pub fn fate(trigger: &Trigger, occurrence: &Occurrence, now: Timestamp, freezes: &[Freeze]) -> Fate {
    let asked = Asked { origin: Origin::Cycle, priority: trigger.priority };
    match may_begin(now, asked, freezes, &[]) {
        Ok(()) => Fate::Begins,
        Err(wait) if wait.until < over(trigger, occurrence.at) => Fate::Waits(wait),
        Err(wait) => Fate::Skipped(wait),
    }
}

fn planned(estate: &Estate, trigger: &Trigger, occurrence: Occurrence) -> Planned {
    let fate = fate(trigger, &occurrence, occurrence.begins, &estate.freezes);
    let begins = match &fate {
        Fate::Begins => Some(occurrence.begins),
        Fate::Waits(wait) => Some(wait.until),
        Fate::Skipped(_) => None,
    };
    let held = |at: Timestamp| {
        let wait = |service: &ServiceName| Some((service.clone(), may_roll(at, service, trigger.priority, &estate.freezes).err()?));
        // A freeze of the whole estate was waited for already, so only those that are named can be held.
        estate.freezes.iter().flat_map(|freeze| &freeze.services).filter_map(wait).collect()
    };
    let held = begins.map(held).unwrap_or_default();
    Planned { occurrence, timezone: trigger.timezone.clone(), priority: trigger.priority, fate, held }
}

/// The images that a trigger's cycles rebuild even where nothing below them moved.
fn refreshed(estate: &Estate, trigger: &Trigger) -> Vec<ImageName> {
    let is_refreshed = |refresh: Refresh| match trigger.refresh {
        CycleRefresh::Marked => refresh == Refresh::Always,
        CycleRefresh::All => true,
        CycleRefresh::Never => false,
    };
    estate.images.values().filter(|image| is_refreshed(image.refresh)).map(|image| image.name.clone()).collect()
}

fn polls(estate: &Estate, span: Duration) -> Vec<Poll> {
    let poll = |(base, every): (&ImageRef, Duration)| Poll {
        base: base.clone(),
        every,
        times: u64::try_from(span.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX),
    };
    estate.bases.iter().filter_map(|(base, settings)| Some((base, settings.watch?))).map(poll).collect()
}
