//! Before the first container is touched: every host answers, has the image, and the way back is possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Driver, DriverError, Recorder};
use crate::edge::{Engine, EngineError, carry};
use crate::model::{Digest, HostName, ImageRef};
use crate::run::{CarryOutcome, Event};

/// Which images a host must have, each with the name it gets there.
pub(super) type Cargo = BTreeMap<HostName, BTreeMap<Digest, Option<ImageRef>>>;

impl Driver {
    /// Brings to each host the images that it must have, all hosts side by side. Errors name every host that fails, not just the first.
    pub(super) async fn bring(&self, recorder: &Arc<Recorder>, cargo: &Cargo) -> Result<(), DriverError> {
        let brought = join_all(cargo.iter().map(|(host, images)| self.bring_to(recorder, host, images))).await;
        let mut problems = Vec::new();
        for (host, result) in cargo.keys().zip(brought) {
            problems.extend(result?.into_iter().map(|why| format!("{host}: {why}")));
        }
        if problems.is_empty() { Ok(()) } else { Err(DriverError::Preflight { problems, hosts: cargo.len() }) }
    }

    /// Which of these hosts do not answer, and why.
    pub async fn silent_hosts(&self, hosts: &BTreeSet<HostName>) -> Result<BTreeMap<HostName, String>, DriverError> {
        let asked = hosts.iter().map(|host| async move { Ok(self.host(host)?.info().await.err().map(|error| (host.clone(), error.to_string()))) });
        Ok(join_all(asked).await.into_iter().collect::<Result<Vec<_>, DriverError>>()?.into_iter().flatten().collect())
    }

    pub(super) fn host(&self, host: &HostName) -> Result<&Arc<dyn Engine>, DriverError> {
        self.engines.hosts.get(host).ok_or_else(|| DriverError::UnknownHost { host: host.clone() })
    }

    /// Brings the images one after another, since they share layers, until one cannot be brought; returns what went wrong.
    async fn bring_to(
        &self,
        recorder: &Arc<Recorder>,
        host: &HostName,
        images: &BTreeMap<Digest, Option<ImageRef>>,
    ) -> Result<Option<String>, DriverError> {
        let engine = self.host(host)?;
        let mut problem = None;
        for (image, name) in images {
            let began = self.clock.steady();
            let outcome = match self.bring_one(engine, *image, name.as_ref()).await {
                Ok(carried) if carried.already_there => CarryOutcome::AlreadyThere,
                Ok(carried) => CarryOutcome::Sent {
                    bytes: carried.bytes,
                    layers: carried.layers_sent,
                    kept: carried.layers_kept,
                    elapsed_ms: u64::try_from(self.clock.steady().duration_since(began).as_millis()).unwrap_or_default(),
                },
                Err(why) => CarryOutcome::Failed { why },
            };
            if let CarryOutcome::Failed { why } = &outcome {
                problem = Some(format!("image {} cannot be brought there: {why}", image.short()));
            }
            recorder.record(Event::Carried { image: *image, name: name.clone(), host: host.clone(), outcome }).await?;
            if problem.is_some() {
                break;
            }
        }
        Ok(problem)
    }

    /// From the builder, or from a host that has the image when the builder has it no more.
    async fn bring_one(&self, to: &Arc<dyn Engine>, image: Digest, name: Option<&ImageRef>) -> Result<carry::Carried, String> {
        let id = image.to_string();
        let mut why = match carry::carry(self.engines.builder().as_ref(), to.as_ref(), image, name).await {
            Ok(carried) => return Ok(carried),
            Err(error) => words_of(&error),
        };
        if matches!(self.engines.builder().image(&id).await, Ok(Some(_))) {
            return Err(why);
        }
        for other in self.engines.hosts.values() {
            if matches!(other.image(&id).await, Ok(Some(_))) {
                match carry::carry(other.as_ref(), to.as_ref(), image, name).await {
                    Ok(carried) => return Ok(carried),
                    Err(error) => why = words_of(&error),
                }
            }
        }
        Err(why)
    }
}

/// What went wrong and, where the engine's own words do not say it, what to do: the line is one of several under one help.
fn words_of(error: &EngineError) -> String {
    match error {
        EngineError::DiskFull { endpoint, .. } => format!("{error}; free some (`docker -H {endpoint} system df`) and roll again"),
        other => other.to_string(),
    }
}
