//! Carries out one build of a plan: pin, build, test, compare, tag.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use super::build_log::BuildLog;
use super::platform::read_options;
use super::{Driver, DriverError, Recorder};
use crate::advisory::Asked;
use crate::build::{self, Content, ImageLabels};
use crate::dockerfile::{self, Dockerfile, EdgeClass, RefTarget};
use crate::edge::{BuildError, BuildProgress, BuildRequest, Engine, ImageSeen, SourceFound, TestRun, Turn, labels};
use crate::fault::causes;
use crate::model::{Digest, ImageName, ImageRef, Secret};
use crate::pipeline::{Context, Image, ImageTest, SecretSource};
use crate::plan::{BuildStep, Pin, Reason};
use crate::release::{self, ReleasedImage, TagParts};
use crate::run::{BuildOutcome, Event};

/// So many last lines of a failed build's log are kept with its failure.
const LAST_LINES: usize = 20;

/// What a step's references come down to, now that its parents are ready.
pub(super) struct Pinned {
    /// All that the build depends on.
    pub inputs: Digest,
    /// Normal form of the reference → what the builder knows exactly that content by.
    pub names: BTreeMap<ImageRef, PinnedTo>,
}

/// The content that a reference stands for in one build.
pub(super) struct PinnedTo {
    /// Its name on the builder.
    pub name: ImageRef,
    /// Its image id.
    pub id: Digest,
}

/// The name under which the builder keeps exactly this content of a base: the base's own repository, a tag that says which.
pub(super) fn base_name(base: &ImageRef, digest: Digest) -> Result<ImageRef, DriverError> {
    base.with_tag(&format!("refit-{}", digest.short())).map_err(|error| DriverError::Bug { what: error.to_string() })
}

/// The name that an image has until it has passed its tests. It goes whatever came of them; the image stays under its own tag, or as a leftover
/// that the engine's own prune takes.
pub(super) fn staging(image: &Image, inputs: Digest) -> Result<ImageRef, DriverError> {
    image.reference.with_tag(&format!("refit-building-{}", inputs.short())).map_err(|error| DriverError::Bug { what: error.to_string() })
}

/// Why a build gave no image, with the last lines of what it said.
struct Broken {
    why: String,
    last_lines: Vec<String>,
}

impl Broken {
    fn new(why: impl ToString) -> Self {
        Self { why: why.to_string(), last_lines: Vec::new() }
    }

    fn into_outcome(self) -> BuildOutcome {
        BuildOutcome::Failed { why: self.why, last_lines: self.last_lines }
    }
}

/// A build that has ended, durably.
pub(super) struct Ended {
    pub image: ImageName,
    pub outcome: BuildOutcome,
    /// The name that the image had until its tests were passed; it is to be taken off.
    pub staging: Option<ImageRef>,
}

/// One build of a plan, and all that it goes by.
pub(super) struct Build<'a> {
    pub driver: &'a Driver,
    pub recorder: &'a Arc<Recorder>,
    pub image: &'a Image,
    pub step: &'a BuildStep,
    pub pinned: Pinned,
    /// What is released of the image.
    pub before: Option<&'a ReleasedImage>,
    /// What must not be in it.
    pub gone: Option<&'a Asked>,
    /// Is told when its steps are done, or will not be: another may run its own. Perhaps more than once.
    pub free: UnboundedSender<ImageName>,
}

/// Why a build was not begun.
enum NotBegun {
    Broken(Broken),
    Driver(DriverError),
}

impl From<Broken> for NotBegun {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<DriverError> for NotBegun {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

impl Build<'_> {
    /// Builds the image, and makes what came of it durable. What fails in it is an outcome; only the journal can make it an error.
    ///
    /// Gets ready at once, and runs no step before `turn`. Storing the image, tests and tags go on beside the next build.
    #[tracing::instrument(name = "build", skip_all, fields(image = %self.step.image, error = tracing::field::Empty))]
    pub(super) async fn carry_out(&self, turn: &Turn) -> Result<Ended, DriverError> {
        let free = || self.free();
        let log = BuildLog::new(self.recorder.clone(), &self.driver.logs, self.image.name.clone(), Turn::default(), &free);
        let (outcome, elapsed_ms) = match self.build_in_turn(turn, &log).await {
            Ok((began, Ok(id))) => (self.test_and_keep(id).await.unwrap_or_else(Broken::into_outcome), self.since(began)),
            Ok((began, Err(broken))) => (broken.into_outcome(), self.since(began)),
            Err(NotBegun::Broken(broken)) => (broken.into_outcome(), 0),
            Err(NotBegun::Driver(error)) => return Err(error),
        };
        if let BuildOutcome::Failed { why, .. } = &outcome {
            tracing::Span::current().record("error", why.as_str());
        }
        let image = self.step.image.clone();
        self.recorder.record(Event::BuildEnded { image: image.clone(), outcome: outcome.clone(), elapsed_ms }).await?;
        Ok(Ended { image, outcome, staging: staging(self.image, self.pinned.inputs).ok() })
    }

    /// Gets ready, waits for its turn, and builds. Says when its turn came, too.
    async fn build_in_turn(&self, turn: &Turn, log: &BuildLog<'_>) -> Result<(Timestamp, Result<Digest, Broken>), NotBegun> {
        let begin = async {
            turn.wait().await;
            let began = self.driver.clock.steady();
            self.begin().await?;
            log.turn().come();
            Ok::<_, NotBegun>(began)
        };
        let build = async {
            let mut built = self.build(log).await;
            if built.is_err() && !log.turn().has_come() {
                // Nothing was begun; by the time of its turn an engine that was away may be back.
                log.turn().wait().await;
                built = self.build(log).await;
            }
            Ok::<_, NotBegun>(built)
        };
        tokio::try_join!(begin, build)
    }

    /// Records the intent. What waited for its turn may have waited for long, so its files are looked at again.
    async fn begin(&self) -> Result<(), NotBegun> {
        let dockerfile = pinned_text(self.image, &self.source().await?, &self.pinned)?;
        let bases = self.step.pins.values().filter_map(|pin| match pin {
            Pin::Base { base, digest } => Some((base.clone(), *digest)),
            Pin::Image(_) => None,
        });
        let began = Event::BuildBegan {
            image: self.step.image.clone(),
            inputs: self.pinned.inputs,
            dockerfile: String::from_utf8_lossy(&dockerfile).into_owned(),
            bases: bases.collect(),
        };
        Ok(self.recorder.record(began).await?)
    }

    async fn build(&self, log: &BuildLog<'_>) -> Result<Digest, Broken> {
        let built = self.builder().build(self.prepare().await?, log).await;
        self.free();
        built.map_err(|error| match error {
            BuildError::Failed { why } => Broken { why, last_lines: log.close(LAST_LINES) },
            other => Broken::new(other),
        })
    }

    /// Nobody listens any more only when the builds are given up.
    fn free(&self) {
        drop(self.free.send(self.step.image.clone()));
    }

    fn since(&self, began: Timestamp) -> u64 {
        u64::try_from(self.driver.clock.steady().duration_since(began).as_millis()).unwrap_or_default()
    }

    async fn prepare(&self) -> Result<BuildRequest, Broken> {
        let image = self.image;
        let found = self.source().await?;
        let dockerfile = pinned_text(image, &found, &self.pinned)?;
        let tag = self.tag()?;
        Ok(BuildRequest {
            context: found.files.clone(),
            dockerfile,
            args: image.build.args.clone(),
            target: image.build.target.clone(),
            labels: self.labels(&tag, self.base(&found)?),
            secrets: self.secrets().await?,
            platform: image.build.platform.clone(),
            // What comes from outside is fetched again, which a step that is cached would not.
            no_cache: image.build.no_cache || self.step.reasons.iter().any(|reason| matches!(reason, Reason::Refresh | Reason::Patch { .. })),
            network: image.build.network.clone(),
            extra_hosts: image.build.extra_hosts.clone(),
            tag: staging(image, self.pinned.inputs).map_err(Broken::new)?,
        })
    }

    /// The files that the plan was made of, and no others.
    async fn source(&self) -> Result<SourceFound, Broken> {
        let found = self.driver.sources.find(&self.image.build, self.commit()).await.map_err(Broken::new)?;
        if found.context.hash == self.step.context.hash {
            Ok(found)
        } else {
            Err(Broken::new("the files of its context changed after the plan was made; `refit rollout` again makes a new plan"))
        }
    }

    async fn secrets(&self) -> Result<BTreeMap<String, Secret>, Broken> {
        let (environment, mut secrets) = (&self.driver.settings.environment, BTreeMap::new());
        for secret in &self.image.build.secrets {
            let value = match &secret.source {
                SecretSource::File(path) => tokio::fs::read(path).await.map_err(|error| format!("file {}: {error}", path.display())),
                SecretSource::Environment(name) => {
                    environment.get(name).map(|value| value.reveal().to_vec()).ok_or_else(|| format!("variable {name} is not set"))
                }
            };
            let value = value.map_err(|why| Broken::new(format!("build secret `{}` cannot be read: {why}", secret.id)))?;
            secrets.insert(secret.id.clone(), Secret::new(value));
        }
        Ok(secrets)
    }

    async fn test_and_keep(&self, id: Digest) -> Result<BuildOutcome, Broken> {
        for test in &self.image.tests {
            self.test(id, test).await?;
        }
        self.prove_gone(id).await?;
        self.keep(id).await
    }

    async fn test(&self, id: Digest, test: &ImageTest) -> Result<(), Broken> {
        let run = TestRun { image: id, command: test.run.clone(), timeout: test.timeout, estate: self.driver.estate.name.clone() };
        let words = test.run.join(" ");
        let end = self.builder().run_test(&run).await.map_err(|error| Broken::new(format!("its test `{words}` could not run: {error}")))?;
        let why = match end.code {
            Some(0) => return Ok(()),
            Some(code) => format!("its test `{words}` ended with exit code {code} ({})", self.image.at),
            None => format!("its test `{words}` ran for more than {} s and was ended ({})", test.timeout.as_secs(), self.image.at),
        };
        Err(Broken { why, last_lines: end.last_lines })
    }

    /// What a patch is for must be gone from what came of it: a cached layer or a pinned version would bring it back unnoticed.
    async fn prove_gone(&self, id: Digest) -> Result<(), Broken> {
        let Some(gone) = self.gone else { return Ok(()) };
        let still = self.driver.still_there(&self.step.image, id, gone).await;
        match still.map_err(|error| Broken::new(format!("whether {gone} is gone from it cannot be told: {}", causes(&error))))? {
            still if still.is_empty() => Ok(()),
            still => Err(Broken::new(format!("{gone} is still in it: {}", still.join("; ")))),
        }
    }

    /// Gives the image its immutable tag, unless it came out with the content of the one that is released: then that one stays.
    async fn keep(&self, id: Digest) -> Result<BuildOutcome, Broken> {
        let (builder, inputs) = (self.builder(), self.pinned.inputs);
        if let Some(released) = self.before {
            let (new, old) = (id.to_string(), released.id.to_string());
            let (new, old) = tokio::try_join!(builder.image(&new), builder.image(&old)).map_err(Broken::new)?;
            if let (Some(old), Some(new)) = (old, new)
                && build::same_content(content(&old), content(&new))
            {
                return Ok(BuildOutcome::Unchanged { id: released.id, tag: released.tag.clone(), inputs });
            }
        }
        let tag = self.free_tag(id).await?;
        builder.tag(id, &tag).await.map_err(Broken::new)?;
        Ok(BuildOutcome::Built { id, tag, inputs })
    }

    /// The image's immutable tag. One that was given to another image is never moved: the run's number is added. An attempt of this run that was
    /// interrupted before it was recorded gave nothing to anybody.
    async fn free_tag(&self, id: Digest) -> Result<ImageRef, Broken> {
        let tag = self.tag()?;
        let run = self.recorder.run().0.to_string();
        match self.builder().image(&tag.to_string()).await.map_err(Broken::new)? {
            Some(other) if other.id != id && other.labels.get(labels::RUN) != Some(&run) => {
                let text = format!("{}-{}", tag.tag().unwrap_or_default(), self.recorder.run());
                tag.with_tag(&text).map_err(Broken::new)
            }
            _ => Ok(tag),
        }
    }

    fn tag(&self) -> Result<ImageRef, Broken> {
        let branch = match &self.image.build.context {
            Context::Git { reference, .. } => reference.as_deref(),
            Context::Folder { .. } => None,
        };
        let parts = TagParts {
            image: &self.image.reference,
            commit: self.commit(),
            branch,
            inputs: self.pinned.inputs,
            run: self.recorder.run(),
            now: self.driver.clock.now(),
        };
        release::tag(self.image.tag.as_deref(), &parts).map_err(Broken::new)
    }

    /// What the stage that is built stands on, through the stages of its file that it is based on: a base by its own name, an image of the estate by
    /// its tag; none for `scratch`.
    fn base(&self, found: &SourceFound) -> Result<Option<(&ImageRef, Digest)>, Broken> {
        let read = read_dockerfile(self.image, found)?;
        let reached = read.reached(self.image.build.target.as_deref()).map_err(Broken::new)?;
        let base = reached.iter().find(|reached| reached.class == EdgeClass::Runtime).map(|reached| reached.image);
        Ok(base.and_then(|base| match self.step.pins.get(base)? {
            Pin::Base { base, digest } => Some((base, *digest)),
            Pin::Image(_) => self.pinned.names.get(base).map(|to| (&to.name, to.id)),
        }))
    }

    fn labels(&self, tag: &ImageRef, base: Option<(&ImageRef, Digest)>) -> BTreeMap<String, String> {
        let source = match &self.image.build.context {
            Context::Git { url, .. } => Some(url.as_str()),
            Context::Folder { .. } => None,
        };
        build::labels(&ImageLabels {
            created: self.driver.clock.now(),
            revision: self.commit(),
            source,
            version: tag.tag().unwrap_or_default(),
            base,
            estate: &self.driver.estate.name,
            run: self.recorder.run(),
            inputs: self.pinned.inputs,
            own: &self.image.build.labels,
        })
    }

    fn builder(&self) -> &Arc<dyn Engine> {
        self.driver.engines.builder()
    }

    /// The commit that the image is made of; none if there are changes which no commit holds.
    fn commit(&self) -> Option<&str> {
        self.step.context.commit.as_deref().filter(|_| !self.step.context.dirty)
    }
}

fn read_dockerfile(image: &Image, found: &SourceFound) -> Result<Dockerfile, Broken> {
    dockerfile::read(&found.dockerfile, &read_options(&image.build)).map_err(|error| Broken::new(format!("{}: {error}", found.dockerfile_path)))
}

/// The Dockerfile with each reference replaced by exactly what the plan pinned it to.
fn pinned_text(image: &Image, found: &SourceFound, pinned: &Pinned) -> Result<Vec<u8>, Broken> {
    let read = read_dockerfile(image, found)?;
    let mut pins = BTreeMap::new();
    for reference in &read.references {
        if let RefTarget::Image(wanted) = &reference.target
            && let Some(to) = pinned.names.get(wanted)
        {
            pins.insert(reference.resolved.clone(), to.name.to_string());
        }
    }
    Ok(dockerfile::pin(&found.dockerfile, &read, &pins))
}

fn content(seen: &ImageSeen) -> Content<'_> {
    Content { layers: &seen.layers, config: seen.config }
}
