//! Which problems are or were in containers, and the exposure clock of each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::advisory::{Advisory, Exposure, Severity, Stay, exposure, verdict};
use crate::inventory::Package;
use crate::journal::{AdvisoryKept, Filter, Inventories, JournalError, Names, When};
use crate::model::{Digest, ServiceName};

/// A problem that is or was in containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenProblem {
    /// How people call it.
    pub id: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// One line.
    pub summary: String,
    /// How bad it is, in the words of its source.
    pub severity: Option<String>,
    /// Whether a container has it now.
    pub is_open: bool,
    /// Since when it is known, when the first container had it and when the last one lost it.
    pub exposure: Exposure,
    /// For how long it is open; none if it is not.
    pub open_s: Option<u64>,
    /// For how long containers had it after it was known, all in all.
    pub exposed_s: u64,
    /// The services that have or had it.
    pub services: BTreeSet<ServiceName>,
    /// So many containers have it now.
    pub containers: usize,
    /// The packages that it is in, with their versions.
    pub packages: BTreeSet<String>,
    /// The version that no longer has it; none if no such is known.
    pub fixed: Option<String>,
}

/// A problem, and everything that was read of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProblemKept {
    /// Where it is or was; none if no container ever had it.
    pub seen: Option<OpenProblem>,
    /// What was read of it.
    pub advisories: Vec<Advisory>,
}

/// Every problem that is or was in a container, the longest open first, then those that are over.
pub fn problems(inventories: &Inventories, now: Timestamp) -> Result<Vec<OpenProblem>, JournalError> {
    let all = inventories.advisories()?;
    let seen = Seen::look(inventories, &all)?;
    let mut by_problem: BTreeMap<String, Vec<&AdvisoryKept>> = BTreeMap::new();
    for kept in &all {
        for problem in kept.advisory.problems() {
            by_problem.entry(problem.to_owned()).or_default().push(kept);
        }
    }
    let mut problems: Vec<OpenProblem> = by_problem.iter().filter_map(|(id, kept)| seen.problem(id, kept, now)).collect();
    problems.sort_by(|a, b| (b.is_open, b.open_s, b.exposed_s).cmp(&(a.is_open, a.open_s, a.exposed_s)).then_with(|| a.id.cmp(&b.id)));
    Ok(problems)
}

/// One problem, by any of its names; nothing at all if no advisory of it is kept.
pub fn problem(inventories: &Inventories, name: &str, now: Timestamp) -> Result<Option<ProblemKept>, JournalError> {
    let kept: Vec<AdvisoryKept> = inventories.advisories()?.into_iter().filter(|kept| kept.advisory.is_called(name)).collect();
    if kept.is_empty() {
        return Ok(None);
    }
    let seen = Seen::look(inventories, &kept)?.problem(name, &kept.iter().collect::<Vec<_>>(), now);
    Ok(Some(ProblemKept { seen, advisories: kept.into_iter().map(|kept| kept.advisory).collect() }))
}

/// What is in which image, and which containers were made of it.
struct Seen {
    /// image → the packages in it that advisories speak of by name, each with the distribution's word.
    images: BTreeMap<Digest, Vec<Package>>,
    distros: BTreeMap<Digest, crate::inventory::Distro>,
    stays: BTreeMap<Digest, Vec<Stay>>,
}

impl Seen {
    fn look(inventories: &Inventories, advisories: &[AdvisoryKept]) -> Result<Self, JournalError> {
        let names: BTreeSet<String> = advisories.iter().flat_map(|kept| &kept.advisory.affected).map(|affected| affected.name.clone()).collect();
        let held = inventories.which_have(&Filter { names: Names::Only(names), matches: &|_| true })?;
        let mut images: BTreeMap<Digest, Vec<Package>> = BTreeMap::new();
        for holding in held {
            images.entry(holding.image.id).or_default().push(Package::clone(&holding.package));
        }
        let mut stays: BTreeMap<Digest, Vec<Stay>> = BTreeMap::new();
        for stay in inventories.stays(When::Ever)? {
            let Some(image) = stay.ran.image.filter(|image| images.contains_key(image)) else { continue };
            let crate::model::SlotId { service, host, index } = stay.slot;
            stays.entry(image).or_default().push(Stay { service, host, slot: index, image, since: stay.since, until: stay.until });
        }
        let distros = inventories.distros(&images.keys().copied().collect())?;
        Ok(Self { images, distros, stays })
    }

    fn problem(&self, id: &str, kept: &[&AdvisoryKept], now: Timestamp) -> Option<OpenProblem> {
        let mut having = BTreeSet::new();
        let (mut packages, mut fixed) = (BTreeSet::new(), None);
        for (image, package, hit) in self.hits(kept) {
            having.insert(image);
            packages.insert(format!("{} {}", package.name, package.version));
            fixed = fixed.or(hit);
        }
        let stays = || having.iter().filter_map(|image| self.stays.get(*image)).flatten();
        let known_since = kept.iter().map(|kept| kept.advisory.published.unwrap_or(kept.first_at)).min()?;
        let exposure = exposure(known_since, stays(), |image| having.contains(image))?;
        let (newest, seconds) = (kept.first()?, |span: jiff::SignedDuration| u64::try_from(span.as_secs()).unwrap_or_default());
        Some(OpenProblem {
            id: id.to_owned(),
            aliases: newest.advisory.aliases.iter().filter(|alias| *alias != id).cloned().collect(),
            summary: kept.iter().map(|kept| &kept.advisory.summary).find(|summary| !summary.is_empty()).cloned().unwrap_or_default(),
            severity: kept.iter().find_map(|kept| kept.advisory.severity.as_ref()).map(in_words),
            is_open: exposure.is_open(),
            open_s: exposure.age(now).map(seconds),
            exposed_s: seconds(exposure.total(now)),
            exposure,
            services: stays().map(|stay| stay.service.clone()).collect(),
            containers: stays().filter(|stay| stay.until.is_none()).count(),
            packages,
            fixed,
        })
    }

    /// Every image that has the problem by some package, and the version of that package that has it no more.
    fn hits<'s>(&'s self, kept: &'s [&AdvisoryKept]) -> impl Iterator<Item = (&'s Digest, &'s Package, Option<String>)> {
        self.images.iter().flat_map(move |(image, packages)| {
            let distro = self.distros.get(image);
            packages.iter().filter_map(move |package| {
                let hits: Vec<_> = kept.iter().filter_map(|kept| verdict(&kept.advisory, package, distro)).collect();
                (!hits.is_empty()).then(|| (image, package, hits.into_iter().find_map(|hit| hit.fixed)))
            })
        })
    }
}

/// `critical (9.8)`, or the word alone where there is no number.
fn in_words(severity: &Severity) -> String {
    let label = severity.label.to_string();
    severity.score_tenths.map_or_else(|| label.clone(), |tenths| format!("{label} ({}.{})", tenths / 10, tenths % 10))
}
