//! Who has a package, or a problem: containers that run or ran, with who brought it in and whether a fix is known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fixes::Fixes;
use super::{AskError, Sought};
use crate::advisory::{Asked, Fixed};
use crate::inventory::purl::purl;
use crate::inventory::{Distro, Package};
use crate::journal::{Filter, Held, Holding, Inventories, JournalError, Names, Ran, When};
use crate::model::{Digest, HostName, ImageRef, ReleaseNumber, ServiceName};

/// What is asked, and of which time.
#[derive(Debug, Clone)]
pub struct Query {
    /// What is asked about.
    pub asked: Asked,
    /// Of which time.
    pub when: When,
}

/// Who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// What was asked.
    pub asked: String,
    /// Each package in each container, by service, host and slot.
    pub containers: Vec<Container>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// What ran at that time and nobody can say of what is in it.
    pub not_read: Vec<NotRead>,
    /// Where a licence is asked for: how many packages of what ran state none, so that nobody can say whether they are meant.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_license: usize,
}

impl Answer {
    /// Whether no container has it. What is left out of an answer is there all the same.
    pub fn is_nobody(&self) -> bool {
        self.containers.is_empty() && self.left_out == 0
    }
}

/// A package in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The service.
    pub service: ServiceName,
    /// The host.
    pub host: HostName,
    /// Which of the service's places there.
    pub slot: u32,
    /// The engine's id of the container; none while no event of the journal has named it.
    pub container: Option<String>,
    /// The image, as it is written in the pipeline.
    pub image: Option<String>,
    /// Its immutable tag, if it is built here.
    pub tag: Option<ImageRef>,
    /// Its id.
    pub image_id: Option<Digest>,
    /// The release that the container was started for.
    pub release: ReleaseNumber,
    /// The package.
    pub package: Package,
    /// The same as a package URL.
    pub purl: String,
    /// The file that says that it is there.
    pub path: String,
    /// The lowest image that has it from its own layers.
    pub brought_by: String,
    /// Since when the container runs.
    pub since: Timestamp,
    /// Until when it ran; none while it does.
    pub until: Option<Timestamp>,
    /// What is known of a fix.
    pub fix: Fix,
}

/// What is known of a fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// This version no longer has what was asked about, or what advisories say of the package.
    Known(String),
    /// The same, and only subscribers of the distribution get it: no rebuild brings it.
    Subscribers(String),
    /// There is an advisory, and no fix in it.
    None,
    /// No advisory that was read is about it.
    NoAdvisory,
}

impl From<Fixed> for Fix {
    fn from(fixed: Fixed) -> Self {
        match fixed {
            Fixed::ForAll(version) => Self::Known(version),
            Fixed::ForSubscribers(version) => Self::Subscribers(version),
        }
    }
}

/// An image that ran at that time, and of which nobody can say what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotRead {
    /// The image, as it is written in the pipeline.
    pub image: Option<String>,
    /// Its immutable tag.
    pub tag: Option<ImageRef>,
    /// Its id.
    pub id: Option<Digest>,
    /// Why.
    pub why: Unknown,
}

/// Why nobody can say what is in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It was not read.
    NotRead,
    /// Some of it could not be read: there may be more in it.
    ReadInPart,
    /// It does not say which distribution it is, so nobody knows which advisories hold for its packages.
    NoDistribution,
    /// Its distribution has not looked yet whether a package in it has the problem.
    Undetermined,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Says who has it.
pub fn who_has(inventories: &Inventories, query: &Query) -> Result<Answer, AskError> {
    let sought = Sought::of(inventories, &query.asked)?;
    let filter = Filter { names: sought.names(), matches: &|package| sought.may_be(package) };
    let mut judge = Judge::new(&sought);
    let held = inventories.who_has_what_is_meant(&filter, query.when, &mut |ran, package, distro| judge.is_meant(ran, package, distro))?;
    let (unclear, without_license) = (judge.unclear, judge.without_license.len());
    let images: BTreeSet<Digest> = held.holdings.iter().filter_map(|holding| holding.stay.ran.image).collect();
    let distros = inventories.distros(&images)?;
    let mut cures = Cures::new(inventories, &sought, &held.holdings)?;
    let containers = held.holdings.iter().filter_map(|holding| {
        let distro = holding.stay.ran.image.and_then(|image| distros.get(&image));
        Some(container(holding, distro, cures.fix(&holding.package, distro)?))
    });
    let containers: Vec<Container> = containers.collect();
    let not_read = told(&held).into_iter().chain(unclear.into_iter().map(|(why, ran)| of(&ran, why))).collect();
    Ok(Answer { asked: query.asked.to_string(), containers, left_out: held.left_out, not_read, without_license })
}

/// What runs now and nobody can say of what is in it.
pub(super) fn not_read(inventories: &Inventories) -> Result<Vec<NotRead>, JournalError> {
    let nothing = Filter { names: Names::Only(BTreeSet::new()), matches: &|_| false };
    Ok(told(&inventories.who_has(&nothing, When::Now)?))
}

fn told(held: &Held) -> Vec<NotRead> {
    let unread = held.unread.iter().map(|ran| of(ran, Unknown::NotRead));
    unread.chain(held.read_in_part.iter().map(|ran| of(ran, Unknown::ReadInPart))).collect()
}

fn of(ran: &Ran, why: Unknown) -> NotRead {
    NotRead { image: ran.name.clone(), tag: ran.tag.clone(), id: ran.image, why }
}

/// Judges each package once in each distribution, however many versions of services have it.
struct Judge<'a> {
    sought: &'a Sought,
    /// By where a package stands in memory: while a question is answered it stays there.
    judged: HashMap<(*const Package, Option<Distro>), Judged>,
    /// What ran and cannot be cleared, and why.
    unclear: BTreeSet<(Unknown, Arc<Ran>)>,
    /// The packages that would have to state a licence.
    without_license: BTreeSet<*const Package>,
}

/// What is known of a package.
#[derive(Debug, Clone, Copy)]
struct Judged {
    is_meant: bool,
    /// Whether nobody has looked yet if it is.
    is_open: bool,
}

impl<'a> Judge<'a> {
    fn new(sought: &'a Sought) -> Self {
        Self { sought, judged: HashMap::new(), unclear: BTreeSet::new(), without_license: BTreeSet::new() }
    }

    fn is_meant(&mut self, ran: &Arc<Ran>, package: &Arc<Package>, distro: Option<&Distro>) -> bool {
        let sought = self.sought;
        let judge = || Judged { is_meant: sought.hit(package, distro).is_some(), is_open: sought.is_open(package, distro) };
        let judged = *self.judged.entry((Arc::as_ptr(package), distro.cloned())).or_insert_with(judge);
        // Of a package whose distribution is not known, advisories say nothing.
        let has_no_distro = distro.is_none() && package.kind.is_of_distro() && ran.image.is_some();
        if has_no_distro && matches!(sought.asked(), Asked::Problem(_)) {
            self.unclear.insert((Unknown::NoDistribution, ran.clone()));
        }
        if judged.is_open {
            self.unclear.insert((Unknown::Undetermined, ran.clone()));
        }
        if sought.lacks_license(package) {
            self.without_license.insert(Arc::as_ptr(package));
        }
        judged.is_meant
    }
}

/// Looks up what is known of a fix, once for each package of an answer, however many containers have it.
struct Cures<'a> {
    sought: &'a Sought,
    fixes: Fixes,
    known: HashMap<(*const Package, Option<Distro>), Option<Fix>>,
}

impl<'a> Cures<'a> {
    fn new(inventories: &Inventories, sought: &'a Sought, holdings: &[Holding]) -> Result<Self, JournalError> {
        let distinct: BTreeMap<*const Package, &Package> =
            holdings.iter().map(|holding| (Arc::as_ptr(&holding.package), holding.package.as_ref())).collect();
        let fixes = Fixes::of(inventories, distinct.into_values())?;
        Ok(Self { sought, fixes, known: HashMap::new() })
    }

    /// What is known of a fix for a package that was found; none if it is not meant after all.
    fn fix(&mut self, package: &Arc<Package>, distro: Option<&Distro>) -> Option<Fix> {
        let Self { sought, fixes, known } = self;
        known.entry((Arc::as_ptr(package), distro.cloned())).or_insert_with(|| fix(sought, fixes, package, distro)).clone()
    }
}

fn fix(sought: &Sought, fixes: &Fixes, package: &Package, distro: Option<&Distro>) -> Option<Fix> {
    let hit = sought.hit(package, distro)?;
    if let Asked::Problem(_) = sought.asked() {
        return Some(hit.map_or(Fix::None, Fix::from));
    }
    let known = fixes.known(package, distro);
    Some(match known.fixed {
        Some(fixed) => fixed.into(),
        None if known.unfixable.is_empty() => Fix::NoAdvisory,
        None => Fix::None,
    })
}

fn container(holding: &Holding, distro: Option<&Distro>, fix: Fix) -> Container {
    let (stay, package) = (&holding.stay, &holding.package);
    Container {
        service: stay.slot.service.clone(),
        host: stay.slot.host.clone(),
        slot: stay.slot.index,
        container: stay.container.as_deref().map(str::to_owned),
        image: stay.ran.name.clone(),
        tag: stay.ran.tag.clone(),
        image_id: stay.ran.image,
        release: stay.release,
        purl: purl(package, distro),
        package: Package::clone(package),
        path: holding.path.to_string(),
        brought_by: holding.brought_by.to_string(),
        since: stay.since,
        until: stay.until,
        fix,
    }
}
