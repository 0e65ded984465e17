//! `refit plan`.

use super::estate::EstateArgs;
use super::server::At;
use super::workshop::{self, Access, BuildArgs, Workshop};
use super::{Exit, Face, wish};
use crate::driver::DriverError;
use crate::model::{ImageName, ImageRef, ReleaseNumber, ServiceName};
use crate::plan::{self, Change, Plan};
use crate::report;
use crate::workshop::{PackagesOfBases, packages_of_bases};

/// Show what a rollout would build and roll, and why; changes nothing.
///
/// Every image that would be built comes with its reasons, down to the line of the Dockerfile. Bases are pulled on the builder, so that their
/// newest digests are known; `--offline` takes those that it has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit plan --base debian:bookworm-slim")]
pub struct PlanArgs {
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Roll services that are sick already, too.
    #[arg(long)]
    pub sick: bool,
    #[command(flatten)]
    pub estate: EstateArgs,
    #[command(flatten)]
    pub build: BuildArgs,
}

/// What moved, or who says so.
#[derive(Debug, Clone, clap::Args)]
#[group(multiple = false)]
pub struct ChangeArgs {
    /// Look at this base only, and at all that stands on it.
    #[arg(long, value_name = "REF")]
    pub base: Option<ImageRef>,
    /// Build this image and all that stands on it, changed or not.
    #[arg(long, value_name = "NAME")]
    pub image: Option<ImageName>,
    /// Look at everything (the default).
    #[arg(long)]
    pub all: bool,
    /// Build every image again, whatever it was built from.
    #[arg(long)]
    pub rebuild: bool,
}

impl ChangeArgs {
    /// The change that these arguments stand for.
    pub fn change(&self) -> Change {
        match (&self.base, &self.image) {
            (Some(base), _) => Change::Base(base.clone()),
            (None, Some(image)) => Change::Image(image.clone()),
            (None, None) if self.rebuild => Change::Rebuild,
            (None, None) => Change::Everything,
        }
    }
}

/// Runs `refit plan`.
pub(super) async fn run(args: &PlanArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    if let Some(daemon) = &at.server {
        return wish::plan(daemon, args, face).await;
    }
    let workshop = match workshop::open(&args.estate, &args.build, at.state, Access::Look, face)? {
        Ok(workshop) => workshop,
        Err(exit) => return Ok(exit),
    };
    let plan = make(&workshop, &args.change.change(), |_| args.sick, face).await?;
    let packages = packages_of_bases(&workshop.driver, &plan).await;
    show_with(&plan, workshop.parallel(), &packages, face);
    Ok(Exit::Done)
}

/// Prints a plan, and what its bases change.
pub(super) fn show_with(plan: &Plan, parallel: usize, packages: &PackagesOfBases, face: &mut Face) {
    if face.json {
        face.printer.json(&report::plan_json(plan, parallel).with_packages(packages));
    } else {
        show(plan, parallel, face);
        report::packages::of_bases(packages).iter().for_each(|line| face.printer.out(line));
    }
}

/// Looks at everything and plans; what people should know of the looks goes to stderr. Services that a person asked for are rolled even if they are
/// sick.
pub(super) async fn make(workshop: &Workshop, change: &Change, is_asked_for: impl Fn(&ServiceName) -> bool, face: &mut Face) -> miette::Result<Plan> {
    let looked = workshop.driver.look(change).await?;
    for line in looked.warnings.iter().chain(&looked.not_pulled) {
        face.printer.err(&format!("warning: {line}"));
    }
    let mut plan = plan::plan(&looked.request(&workshop.driver, change))?;
    plan.rolls.iter_mut().for_each(|roll| roll.is_asked_for |= is_asked_for(&roll.service));
    workshop.driver.look_at_hosts(&mut plan).await?;
    Ok(plan)
}

/// Prints a plan.
pub(super) fn show(plan: &Plan, parallel: usize, face: &mut Face) {
    if face.json {
        face.printer.json(&report::plan_json(plan, parallel));
    } else {
        report::plan(plan, parallel).lines().for_each(|line| face.printer.out(line));
        let is_rollout = !matches!(plan.change, Change::Drift | Change::Drain(_) | Change::Undrain(_) | Change::Patch(_));
        if is_rollout && (!plan.steps.is_empty() || !plan.rolls.is_empty()) {
            face.printer.out(&format!("Its hash is {}; `refit rollout --plan HASH` does exactly this, or refuses.", plan.hash().short()));
        }
    }
}

/// The release that a change rolls again.
pub(super) fn release(number: ReleaseNumber, workshop: &Workshop) -> Result<Change, DriverError> {
    workshop.driver.release(number).map(|release| Change::Release(release.number))
}
