//! Which problems are or were in containers, and the exposure clock of each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AskError;
use super::answer::{NotRead, not_read};
use crate::advisory::{Advisory, Exposure, Key, Severity, Stay, exposure, keys, keys_of, verdict_of_all};
use crate::inventory::{Distro, Package};
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
    /// What runs and nobody can say of what is in it.
    pub not_read: Vec<NotRead>,
    /// What was read of it.
    pub advisories: Vec<Advisory>,
}

/// Problems, and how far one can rely on there being no more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Problems {
    /// Every problem that is or was in a container, the longest open first, then those that are over.
    pub problems: Vec<OpenProblem>,
    /// What runs and nobody can say of what is in it.
    pub not_read: Vec<NotRead>,
    /// So many advisories are kept: without any, nobody knows of problems.
    pub advisories: usize,
}

/// Every problem that is or was in a container.
pub fn problems(inventories: &Inventories, now: Timestamp) -> Result<Problems, JournalError> {
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
    Ok(Problems { problems, not_read: not_read(inventories)?, advisories: all.len() })
}

/// One problem, by any of its names.
pub fn problem(inventories: &Inventories, name: &str, now: Timestamp) -> Result<ProblemKept, AskError> {
    let kept: Vec<AdvisoryKept> = inventories.advisories()?.into_iter().filter(|kept| kept.advisory.is_called(name)).collect();
    if kept.is_empty() {
        return Err(AskError::NoAdvisory(name.to_owned()));
    }
    let seen = Seen::look(inventories, &kept)?.problem(name, &kept.iter().collect::<Vec<_>>(), now);
    Ok(ProblemKept { seen, not_read: not_read(inventories)?, advisories: kept.into_iter().map(|kept| kept.advisory).collect() })
}

/// A package in a distribution, and the images that have it.
struct InImages {
    package: Package,
    distro: Option<Distro>,
    images: BTreeSet<Digest>,
}

/// What is in which image that ran, and which containers were made of it.
struct Seen {
    packages: Vec<InImages>,
    /// Where in that list stands what an advisory finds by this.
    by_key: BTreeMap<Key, Vec<usize>>,
    stays: BTreeMap<Digest, Vec<Stay>>,
}

impl Seen {
    fn look(inventories: &Inventories, advisories: &[AdvisoryKept]) -> Result<Self, JournalError> {
        let mut stays: BTreeMap<Digest, Vec<Stay>> = BTreeMap::new();
        for stay in inventories.stays(When::Ever)? {
            let Some(image) = stay.ran.image else { continue };
            let crate::model::SlotId { service, host, index } = stay.slot;
            stays.entry(image).or_default().push(Stay { service, host, slot: index, image, since: stay.since, until: stay.until });
        }
        let names: BTreeSet<String> = advisories.iter().flat_map(|kept| &kept.advisory.affected).map(|affected| affected.name.clone()).collect();
        let distros = inventories.distros(&stays.keys().copied().collect())?;
        let mut images: BTreeMap<(Package, Option<&Distro>), BTreeSet<Digest>> = BTreeMap::new();
        for holding in inventories.which_have(&Filter { names: Names::Only(names), matches: &|_| true })? {
            let image = holding.image.id;
            if stays.contains_key(&image) {
                images.entry((Package::clone(&holding.package), distros.get(&image))).or_default().insert(image);
            }
        }
        let packages: Vec<_> = images.into_iter().map(|((package, distro), images)| InImages { package, distro: distro.cloned(), images }).collect();
        let mut by_key: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, one) in packages.iter().enumerate() {
            keys_of(&one.package).into_iter().for_each(|key| by_key.entry(key).or_default().push(at));
        }
        Ok(Self { packages, by_key, stays })
    }

    fn problem(&self, id: &str, kept: &[&AdvisoryKept], now: Timestamp) -> Option<OpenProblem> {
        let mut having = BTreeSet::new();
        let (mut packages, mut fixed) = (BTreeSet::new(), None);
        for (one, fix) in self.hits(kept) {
            having.extend(&one.images);
            packages.insert(format!("{} {}", one.package.name, one.package.version));
            fixed = fixed.or(fix);
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

    /// Every package that has the problem, and the version of it that has it no more. Each is judged once, however many images have it.
    fn hits(&self, kept: &[&AdvisoryKept]) -> Vec<(&InImages, Option<String>)> {
        let keys: BTreeSet<Key> = kept.iter().flat_map(|kept| keys(&kept.advisory)).collect();
        let places: BTreeSet<usize> = keys.iter().filter_map(|key| self.by_key.get(key)).flatten().copied().collect();
        let judged = places.into_iter().filter_map(|at| {
            let one = &self.packages[at];
            let hit = verdict_of_all(kept.iter().map(|kept| &kept.advisory), &one.package, one.distro.as_ref())?;
            Some((one, hit))
        });
        judged.collect()
    }
}

/// `critical (9.8)`, or the word alone where there is no number.
fn in_words(severity: &Severity) -> String {
    let label = severity.label.to_string();
    severity.score_tenths.map_or_else(|| label.clone(), |tenths| format!("{label} ({}.{})", tenths / 10, tenths % 10))
}
