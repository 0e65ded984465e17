//! Which problems are or were in containers, and the exposure clock of each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AskError;
use super::answer::{NotRead, not_read};
use crate::advisory::{Advisory, Exposure, Fixed, Key, Severity, Span, exposure, is_undetermined, keys, keys_of, verdict_of_all};
use crate::inventory::{Distro, Package};
use crate::journal::{AdvisoryKept, Filter, Inventories, JournalError, Names, Stay, When};
use crate::model::{Digest, ServiceName};

/// A problem that is or was in containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// For how long containers had it after it was known, all in all: without the times between, in which none had it.
    pub exposed_s: u64,
    /// The services that have or had it.
    pub services: BTreeSet<ServiceName>,
    /// So many containers have it now.
    pub containers: usize,
    /// The packages that it is in, with their versions.
    pub packages: BTreeSet<String>,
    /// The version that no longer has it; none if no such is known that everybody gets.
    pub fixed: Option<String>,
    /// The version that only subscribers of the distribution get, where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_for_subscribers: Option<String>,
}

/// A problem, and everything that was read of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemKept {
    /// Where it is or was; none if no container ever had it.
    pub seen: Option<OpenProblem>,
    /// What runs and nobody can say of what is in it.
    pub not_read: Vec<NotRead>,
    /// The packages that run and of which nobody has looked yet whether they have it, with their versions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub undetermined: BTreeSet<String>,
    /// What was read of it.
    pub advisories: Vec<Advisory>,
}

/// Problems, and how far one can rely on there being no more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problems {
    /// Every problem that is or was in a container, the longest open first, then those that are over.
    pub problems: Vec<OpenProblem>,
    /// What runs and nobody can say of what is in it.
    pub not_read: Vec<NotRead>,
    /// The problems of which nobody has looked yet whether packages that run have them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub undetermined: BTreeSet<String>,
    /// So many advisories are kept: without any, nobody knows of problems.
    pub advisories: usize,
}

/// Every problem that is or was in a container.
pub fn problems(inventories: &Inventories, now: Timestamp) -> Result<Problems, JournalError> {
    let all = inventories.advisories()?;
    let seen = Seen::look(inventories, &all, When::Ever)?;
    let by_problem = by_problem(&all);
    let mut problems: Vec<OpenProblem> = by_problem.iter().filter_map(|(id, kept)| seen.problem(id, kept, now)).collect();
    problems.sort_by(|a, b| (b.is_open, b.open_s, b.exposed_s).cmp(&(a.is_open, a.open_s, a.exposed_s)).then_with(|| a.id.cmp(&b.id)));
    let undetermined = by_problem.iter().filter(|(_, kept)| !seen.undetermined(kept).is_empty()).map(|(id, _)| (*id).to_owned()).collect();
    Ok(Problems { problems, not_read: not_read(inventories)?, undetermined, advisories: all.len() })
}

/// The problems that are in a container now, in no order.
///
/// What ran before is looked at only as far as it tells since when those have been there: a daemon counts them every few minutes.
pub fn open_problems(inventories: &Inventories, now: Timestamp) -> Result<Vec<OpenProblem>, JournalError> {
    let all = inventories.advisories()?;
    let runs = Seen::look(inventories, &all, When::Now)?;
    let open: BTreeMap<&str, Vec<&AdvisoryKept>> = by_problem(&all).into_iter().filter(|(_, kept)| !runs.hits(kept).is_empty()).collect();
    let seen = Seen::look(inventories, open.values().flatten().copied(), When::Ever)?;
    Ok(open.iter().filter_map(|(id, kept)| seen.problem(id, kept, now)).collect())
}

/// The advisories of each problem, by how people call it.
fn by_problem(all: &[AdvisoryKept]) -> BTreeMap<&str, Vec<&AdvisoryKept>> {
    let mut by_problem: BTreeMap<&str, Vec<&AdvisoryKept>> = BTreeMap::new();
    for kept in all {
        for problem in kept.advisory.problems() {
            by_problem.entry(problem).or_default().push(kept);
        }
    }
    by_problem
}

/// One problem, by any of its names.
pub fn problem(inventories: &Inventories, name: &str, now: Timestamp) -> Result<ProblemKept, AskError> {
    let kept = inventories.advisories_called(name)?;
    if kept.is_empty() {
        return Err(AskError::NoAdvisory(name.to_owned()));
    }
    let (seen, kept_refs) = (Seen::look(inventories, &kept, When::Ever)?, kept.iter().collect::<Vec<_>>());
    let (undetermined, seen) = (seen.undetermined(&kept_refs), seen.problem(name, &kept_refs, now));
    Ok(ProblemKept { seen, not_read: not_read(inventories)?, undetermined, advisories: kept.into_iter().map(|kept| kept.advisory).collect() })
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
    fn look<'a>(inventories: &Inventories, advisories: impl IntoIterator<Item = &'a AdvisoryKept>, when: When) -> Result<Self, JournalError> {
        let mut stays: BTreeMap<Digest, Vec<Stay>> = BTreeMap::new();
        for stay in inventories.stays(when)? {
            let Some(image) = stay.ran.image else { continue };
            stays.entry(image).or_default().push(stay);
        }
        let names: BTreeSet<String> = advisories.into_iter().flat_map(|kept| &kept.advisory.affected).map(|affected| affected.name.clone()).collect();
        let ran: BTreeSet<Digest> = stays.keys().copied().collect();
        let distros = inventories.distros(&ran)?;
        let mut images: BTreeMap<(Package, Option<&Distro>), BTreeSet<Digest>> = BTreeMap::new();
        for holding in inventories.which_have(&Filter { names: Names::Only(names), matches: &|_| true }, &ran)? {
            images.entry((Package::clone(&holding.package), distros.get(&holding.image))).or_default().insert(holding.image);
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
        let (mut packages, mut fixed, mut fixed_for_subscribers) = (BTreeSet::new(), None, None);
        for (one, fix) in self.hits(kept) {
            having.extend(&one.images);
            packages.insert(one.name());
            match fix {
                Some(Fixed::ForAll(version)) => fixed = fixed.or(Some(version)),
                Some(Fixed::ForSubscribers(version)) => fixed_for_subscribers = fixed_for_subscribers.or(Some(version)),
                None => {}
            }
        }
        let stays = || having.iter().filter_map(|image| self.stays.get(*image)).flatten();
        let known_since = kept.iter().map(|kept| kept.advisory.published.unwrap_or(kept.first_at)).min()?;
        let exposure = exposure(known_since, stays().map(|stay| Span { since: stay.since, until: stay.until }))?;
        let (newest, seconds) = (kept.first()?, |span: jiff::SignedDuration| u64::try_from(span.as_secs()).unwrap_or_default());
        Some(OpenProblem {
            id: id.to_owned(),
            aliases: newest.advisory.aliases.iter().filter(|alias| *alias != id).cloned().collect(),
            summary: kept.iter().map(|kept| &kept.advisory.summary).find(|summary| !summary.is_empty()).cloned().unwrap_or_default(),
            severity: kept.iter().find_map(|kept| kept.advisory.severity.as_ref()).map(in_words),
            is_open: exposure.is_open(),
            open_s: exposure.age(now).map(seconds),
            exposed_s: seconds(exposure.running(now)),
            exposure,
            services: stays().map(|stay| stay.slot.service.clone()).collect(),
            containers: stays().filter(|stay| stay.until.is_none()).count(),
            packages,
            fixed_for_subscribers: fixed_for_subscribers.filter(|_| fixed.is_none()),
            fixed,
        })
    }

    /// Every package that has the problem, and the version of it that has it no more. Each is judged once, however many images have it.
    fn hits(&self, kept: &[&AdvisoryKept]) -> Vec<(&InImages, Option<Fixed>)> {
        let judged = self.named_by(kept).filter_map(|one| Some((one, one.verdict(kept)?)));
        judged.collect()
    }

    /// The packages that run and of which nobody has looked yet whether they have the problem.
    fn undetermined(&self, kept: &[&AdvisoryKept]) -> BTreeSet<String> {
        let is_open = |one: &&InImages| {
            kept.iter().any(|kept| is_undetermined(&kept.advisory, &one.package, one.distro.as_ref()))
                && one.verdict(kept).is_none()
                && self.runs(one)
        };
        self.named_by(kept).filter(is_open).map(InImages::name).collect()
    }

    fn runs(&self, one: &InImages) -> bool {
        one.images.iter().filter_map(|image| self.stays.get(image)).flatten().any(|stay| stay.until.is_none())
    }

    /// The packages that these advisories name, whether they have it or not.
    fn named_by(&self, kept: &[&AdvisoryKept]) -> impl Iterator<Item = &InImages> {
        let keys: BTreeSet<Key> = kept.iter().flat_map(|kept| keys(&kept.advisory)).collect();
        let places: BTreeSet<usize> = keys.iter().filter_map(|key| self.by_key.get(key)).flatten().copied().collect();
        places.into_iter().map(|at| &self.packages[at])
    }
}

impl InImages {
    fn name(&self) -> String {
        format!("{} {}", self.package.name, self.package.version)
    }

    fn verdict(&self, kept: &[&AdvisoryKept]) -> Option<Option<Fixed>> {
        verdict_of_all(kept.iter().map(|kept| &kept.advisory), &self.package, self.distro.as_ref())
    }
}

/// `critical (9.8)`, or the word alone where there is no number.
fn in_words(severity: &Severity) -> String {
    let label = severity.label.to_string();
    severity.score_tenths.map_or_else(|| label.clone(), |tenths| format!("{label} ({}.{})", tenths / 10, tenths % 10))
}
