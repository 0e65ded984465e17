//! One piece of news.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{EstateName, ImageName, ReleaseNumber, RunId, ServiceName};
use crate::pipeline::NoticeKind;
use crate::run::RunState;

/// Something that somebody may want to be told. Plain data, so that it can be kept until it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// In which estate.
    pub estate: EstateName,
    /// In which run; none if it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What kind of news it is.
    pub kind: NoticeKind,
    /// When it came to be.
    pub at: Timestamp,
    /// What happened, in a few words that go on behind the run's name: `rolled back`, `waits for approval behind the canary`.
    pub title: String,
    /// The services that it is about, each with what became of it; empty text if there is no more to say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceName, String>,
    /// The images that it is about.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub images: BTreeSet<ImageName>,
    /// The release that the run made, or that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseNumber>,
    /// Why it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked for the run, or said the word that this comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The words with which the run was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// A command that is the next move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Notice {
    /// News about which nothing else is known yet.
    pub fn new(estate: &EstateName, run: Option<RunId>, at: Timestamp, kind: NoticeKind, title: impl Into<String>) -> Self {
        Self {
            estate: estate.clone(),
            run,
            kind,
            at,
            title: title.into(),
            services: BTreeMap::new(),
            images: BTreeSet::new(),
            release: None,
            reason: None,
            by: None,
            words: None,
            next: None,
        }
    }

    /// The same with what the run's state tells beside the event: who asked for it and how, its release, and the services that it rolled.
    pub fn with(mut self, state: &RunState) -> Self {
        self.by.get_or_insert_with(|| state.by.clone());
        self.words.get_or_insert_with(|| state.words.clone());
        self.release = self.release.or_else(|| state.release.as_ref().map(|release| release.number));
        if matches!(self.kind, NoticeKind::Done | NoticeKind::InPart) {
            for rollout in &state.rollouts {
                let to = format!("on {}", rollout.desired.to.release);
                self.services.entry(rollout.desired.service.clone()).or_insert(to);
            }
        }
        self
    }

    /// What tells this notice from every other one: the same at every attempt, so that a receiver can leave out what it has seen.
    pub fn id(&self) -> String {
        let run = self.run.map_or_else(|| "estate".to_owned(), |run| run.to_string());
        let services: Vec<&str> = self.services.keys().map(ServiceName::as_str).collect();
        let of = if services.is_empty() { String::new() } else { format!("/{}", crate::model::Digest::of(services.join(",").as_bytes()).short()) };
        format!("{}/{run}/{}/{}{of}", self.estate, self.kind, self.at.as_microsecond())
    }

    /// The whole of it in one line: `shop run-7 rolled back`.
    pub fn headline(&self) -> String {
        match self.run {
            Some(run) => format!("{} {run} {}", self.estate, self.title),
            None => format!("{}: {}", self.estate, self.title),
        }
    }
}
