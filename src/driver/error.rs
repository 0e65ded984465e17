//! Why a run cannot go on.

use std::collections::BTreeMap;

use crate::edge::EngineError;
use crate::journal::JournalError;
use crate::model::{HostName, ImageRef, ReleaseNumber, RunId, ServiceName, SlotId};
use crate::pipeline::Finding;
use crate::plan::PlanError;
use crate::run::CannotFollow;

/// Why a run could not begin or go on. What fails *within* a run (a build, a slot) is no error but an outcome.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DriverError {
    /// The journal could not be written or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
    /// No plan can be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    /// An event does not fit those before it.
    #[error(transparent)]
    #[diagnostic(help("the journal is damaged, or refit has a fault: `refit history --verify` tells which"))]
    CannotFollow(#[from] CannotFollow),
    /// An engine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
    /// Several hosts do not answer, or lack what is needed, before anything was changed.
    #[error("{} of {} hosts cannot be rolled to; nothing was changed on any host", problems.len(), hosts)]
    #[diagnostic(help("bring them back or leave them out with `--hosts`:\n{}", problems.join("\n")))]
    Preflight {
        /// One line for each.
        problems: Vec<String>,
        /// How many were asked.
        hosts: usize,
    },
    /// Containers hold what their replacement would lose.
    #[error("data would be lost; nothing was changed on any host:\n{}", problems.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
    #[diagnostic(help(
        "mount a volume where the files are to stay (`volumes: [\"name:/path\"]`) and bring them there (`docker cp`), let them move on into the new \
         container (`data: adopt`), name what may go (`data: {{ ignore: [\"/path\"] }}`), or say that all of it may: `data: discard`. \
         Where a slot is no more, nothing can move on: fetch what it holds (`docker cp`), then stop and remove its container by hand"
    ))]
    WouldLoseData {
        /// One line for each container.
        problems: Vec<String>,
    },
    /// A base that no engine and no registry has.
    #[error("base {} is not on builder {builder}, and {}", base.familiar(), not_pulled(why.as_ref()))]
    #[diagnostic(help("{}", how_to_have(base, why.as_ref(), endpoint, place)))]
    BaseUnknown {
        /// The base.
        base: ImageRef,
        /// The builder.
        builder: String,
        /// How it is reached.
        endpoint: String,
        /// Why it could not be pulled; none if nothing was to be pulled.
        why: Option<NotPulled>,
        /// Where it is reached for.
        place: String,
    },
    /// Sources or Dockerfiles that are wrong, or images in a ring: nothing can be planned.
    #[error("the images of the estate cannot be planned:\n{}", told(findings))]
    #[diagnostic(help("mend them, then `refit check`"))]
    Wrong {
        /// Every one of them; warnings, if there are any, too.
        findings: Vec<Finding>,
    },
    /// A release that was never made.
    #[error("there is no release {0}")]
    #[diagnostic(help("`refit release` lists the releases"))]
    UnknownRelease(ReleaseNumber),
    /// A run that never was.
    #[error("there is no {0}")]
    #[diagnostic(help("`refit history` lists the runs"))]
    UnknownRun(RunId),
    /// A service that no release has.
    #[error("service {service} is not in release {release}")]
    #[diagnostic(help("`refit release {release}` lists what it holds"))]
    NotInRelease {
        /// The service.
        service: ServiceName,
        /// The release.
        release: ReleaseNumber,
    },
    /// A release that holds no service that runs.
    #[error("release {0} holds nothing of what runs now")]
    #[diagnostic(help("`refit rollback --list` lists the ways back"))]
    NothingInRelease(ReleaseNumber),
    /// A host that the estate no longer has.
    #[error("host {host} is not in the estate any more")]
    #[diagnostic(help("put it back into the pipeline until this run has ended, or abort the run"))]
    UnknownHost {
        /// The host.
        host: HostName,
    },
    /// A version whose spec nobody knows.
    #[error("slot {slot}: the journal does not say what release {release} of it was")]
    UnknownVersion {
        /// The slot.
        slot: SlotId,
        /// The release.
        release: ReleaseNumber,
    },
    /// Several things at once, each on its own line.
    #[error("{what}:\n{}", lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
    #[diagnostic(help("{next}"))]
    Several {
        /// What they have in common.
        what: String,
        /// One line for each.
        lines: Vec<String>,
        /// What to do.
        next: String,
    },
    /// A fault of refit's own.
    #[error("refit has a fault: {what}")]
    #[diagnostic(help("the journal is safe; `refit resume` goes on. Please report this with the output of `refit show`"))]
    Bug {
        /// What happened that cannot.
        what: String,
    },
}

/// Why an image could not be pulled, and the next move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPulled {
    /// What the registry, or the engine on the way to it, said.
    pub why: String,
    /// What helps.
    pub next: String,
}

impl NotPulled {
    /// What a pull failed with. That it was a pull, and of what, is said by whoever tells it.
    pub(super) fn of(error: &EngineError) -> Self {
        let next = miette::Diagnostic::help(error).map(|help| help.to_string()).unwrap_or_default();
        let why = match error {
            EngineError::Refused { why, .. } => why.clone(),
            other => other.to_string(),
        };
        Self { why, next }
    }
}

fn not_pulled(why: Option<&NotPulled>) -> String {
    why.map_or_else(|| "`--offline` forbids to pull it".to_owned(), |no| format!("cannot be pulled: {}", no.why))
}

/// What brings a base to the builder. Where no registry may be asked, a login is of no use.
fn how_to_have(base: &ImageRef, why: Option<&NotPulled>, endpoint: &str, place: &str) -> String {
    let name = base.familiar();
    let load = format!("`docker save {name} | docker -H {endpoint} load`");
    match why {
        None => {
            format!("check the name at {place}; leave out `--offline`, or bring the image there: `docker -H {endpoint} pull {name}`, or {load}")
        }
        Some(no) => format!("{} (it is reached for at {place}); or bring the image there: {load}", no.next),
    }
}

/// Findings without the texts that they are about: a line each, and the next move below it.
fn told(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings.iter().filter(|finding| finding.is_error()) {
        lines.push(format!("  {}:{}: {}", finding.file, finding.line, finding.message));
        lines.extend(finding.help.iter().map(|help| format!("      {help}")));
    }
    lines.join("\n")
}

impl DriverError {
    /// That hosts do not answer, of so many that must.
    pub fn silent(silent: &BTreeMap<HostName, String>, hosts: usize) -> Self {
        Self::Preflight { problems: silent.iter().map(|(host, why)| format!("{host}: {why}")).collect(), hosts }
    }

    /// Whether the world is the reason (an engine, a disk), and not what somebody wrote or asked for.
    pub fn is_world(&self) -> bool {
        if let Self::Journal(error) = self {
            return !error.is_usage();
        }
        !matches!(
            self,
            Self::UnknownRelease(_)
                | Self::UnknownRun(_)
                | Self::NotInRelease { .. }
                | Self::NothingInRelease(_)
                | Self::Plan(_)
                | Self::Wrong { .. }
                | Self::UnknownHost { .. }
        )
    }
}
