//! What a person's wish would lead to: the plan, and what they should know of it before they agree.

use std::collections::{BTreeMap, BTreeSet};

use super::daemon::Daemon;
use super::work::look_and_plan;
use crate::driver::{Driver, DriverError};
use crate::model::{HostName, ServiceName};
use crate::pipeline::select_hosts;
use crate::plan::{Change, Plan};
use crate::trigger::{Wish, WrongWish};
use crate::workshop::{drained_warnings, unknown_host, unknown_service};

/// What a wish would lead to, as things are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    /// The plan.
    pub plan: Plan,
    /// What people should know of the looks at sources, bases and hosts.
    pub warnings: Vec<String>,
    /// Hosts that the plan rolls to and that do not answer, and why: it cannot be carried out.
    pub silent: BTreeMap<HostName, String>,
    /// Hosts that were asked for and do not answer, so that the plan leaves them out, and why.
    pub left_out: BTreeMap<HostName, String>,
}

/// Why a wish leads to nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WishError {
    /// A service that the estate does not have.
    #[error("there is no service {service}")]
    #[diagnostic(help("{help}"))]
    NoService {
        /// Which.
        service: ServiceName,
        /// The next move.
        help: String,
    },
    /// Hosts that nobody can tell.
    #[error("`--hosts`: {why}")]
    #[diagnostic(help("`refit hosts` lists the hosts and their labels"))]
    Hosts {
        /// What is wrong with them.
        why: String,
    },
    /// A host that the estate does not have.
    #[error("the estate has no host `{host}`")]
    #[diagnostic(help("{help}"))]
    NoHost {
        /// Which.
        host: HostName,
        /// The next move.
        help: String,
    },
    /// Parts that do not go together.
    #[error(transparent)]
    #[diagnostic(help("`/openapi.json` says what a wish is made of"))]
    Wrong(#[from] WrongWish),
    /// Something that is carried out without a plan.
    #[error("a prune has no plan")]
    #[diagnostic(help("`refit prune --dry-run`, `GET /v1/prune`, says what would go"))]
    NoPlan,
    /// No plan can be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Driver(#[from] DriverError),
}

impl Daemon {
    /// Plans what a wish asks for. Changes nothing.
    pub async fn foresee(&self, driver: &mut Driver, wish: &Wish) -> Result<Foreseen, WishError> {
        wish.check()?;
        if let Some((service, help)) = unknown_service(&wish.services, &driver.estate) {
            return Err(WishError::NoService { service: service.clone(), help });
        }
        let hosts = wish.hosts.as_deref().map(|hosts| select_hosts(hosts, &driver.estate.hosts)).transpose();
        let hosts = hosts.map_err(|why| WishError::Hosts { why })?;
        if let Change::Drain(host) | Change::Undrain(host) = &wish.change
            && let Some(help) = unknown_host(host, &driver.estate)
        {
            return Err(WishError::NoHost { host: host.clone(), help });
        }
        let mut foreseen = match &wish.change {
            Change::Drift => drifted(driver, wish, hosts.as_ref()).await?,
            Change::Drain(host) => Foreseen::of(driver.plan_drain(host)?),
            Change::Undrain(host) => Foreseen::of(driver.plan_undrain(host)?),
            Change::Prune { .. } => return Err(WishError::NoPlan),
            change => {
                let (plan, warnings) = look_and_plan(driver, change, &wish.services, wish.sick).await?;
                Foreseen { warnings, ..Foreseen::of(plan) }
            }
        };
        foreseen.warnings.extend(drained_warnings(hosts.as_ref(), &driver.estate));
        foreseen.plan.narrow(&wish.services, hosts.as_ref(), &driver.estate);
        if wish.data {
            driver.restore_data(&mut foreseen.plan).await?;
        }
        foreseen.silent = driver.silent_hosts(&must_answer(&wish.change, &foreseen.plan)).await?;
        Ok(foreseen)
    }
}

/// The hosts that must answer before a plan is begun.
fn must_answer(change: &Change, plan: &Plan) -> BTreeSet<HostName> {
    match change {
        // A host that is drained is silent often enough; it is drained all the same.
        Change::Drain(_) => BTreeSet::new(),
        // What is to run there again must find it, even where nothing is to be rolled yet.
        Change::Undrain(host) => plan.hosts().into_iter().chain([host.clone()]).collect(),
        _ => plan.hosts(),
    }
}

impl Foreseen {
    fn of(plan: Plan) -> Self {
        Self { plan, warnings: Vec::new(), silent: BTreeMap::new(), left_out: BTreeMap::new() }
    }
}

async fn drifted(driver: &Driver, wish: &Wish, hosts: Option<&BTreeSet<HostName>>) -> Result<Foreseen, DriverError> {
    let seen = driver.see_hosts().await;
    Ok(Foreseen { left_out: driver.silent(&seen, &wish.services, hosts), ..Foreseen::of(driver.plan_repair(&seen)?) })
}
