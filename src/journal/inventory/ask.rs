//! Who has a package: what can be asked, and the answer. This is the table of contents; each step has its own file.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::inventory::{Distro, Package};
use crate::journal::JournalError;
use crate::model::{Digest, ImageRef, ReleaseNumber, SlotId};

use super::holders::Holders;
use super::packages::Found;
use super::{BroughtBy, Inventories, images, running};

/// So many holdings are given in one answer: ten packages in each of a hundred thousand containers, some 200 MB. What is left out is counted.
pub(super) const HOLDINGS_MAX: usize = 1_000_000;

/// Which packages are asked for.
pub struct Filter<'a> {
    /// The names to look up.
    pub names: Names,
    /// Whether a package of such a name is meant: its version decides, mostly.
    pub matches: &'a dyn Fn(&Package) -> bool,
}

/// Whether a package of what ran is meant after all, in an image of this distribution (none if it does not say which).
///
/// It is asked while the database is read, so it must not ask the inventories itself.
pub type IsMeant<'a> = &'a mut dyn FnMut(&Arc<Ran>, &Arc<Package>, Option<&Distro>) -> bool;

/// The names that packages, or the source packages that they were built from, may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Any.
    All,
    /// One of these, exactly.
    Only(BTreeSet<String>),
}

/// Of which time is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// What runs now.
    Now,
    /// What ran at that moment.
    At(Timestamp),
    /// What ran at any time.
    Ever,
}

/// What containers are made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ran {
    /// The image as it is written in the pipeline; none if no release in the journal tells.
    pub name: Option<String>,
    /// The immutable tag that it was given, if it is built here.
    pub tag: Option<ImageRef>,
    /// The image id; none if no release in the journal tells.
    pub image: Option<Digest>,
}

/// One container in one slot, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The service, the host and which of its places there.
    pub slot: SlotId,
    /// The engine's id of the container; none while no event of the journal has named it.
    pub container: Option<Arc<str>>,
    /// What it was made from.
    pub ran: Arc<Ran>,
    /// The release that it was started for.
    pub release: ReleaseNumber,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none while it runs.
    pub until: Option<Timestamp>,
}

/// A package in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The container.
    pub stay: Arc<Stay>,
    /// The package.
    pub package: Arc<Package>,
    /// The file that says that it is there.
    pub path: Arc<str>,
    /// The image that brought it.
    pub brought_by: Arc<BroughtBy>,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageHolding {
    /// The image.
    pub image: Digest,
    /// The package.
    pub package: Arc<Package>,
    /// The file that says that it is there.
    pub path: Arc<str>,
    /// The image that brought it.
    pub brought_by: Arc<BroughtBy>,
}

/// Who has a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Each package in each container, by slot and then by time.
    pub holdings: Vec<Holding>,
    /// How many more there are: an answer holds a million.
    pub left_out: usize,
    /// What ran at that time and was never read, so that nobody can say what is in it.
    pub unread: Vec<Arc<Ran>>,
    /// What ran at that time and was read only in part: there may be more in it.
    pub read_in_part: Vec<Arc<Ran>>,
}

impl Inventories {
    /// Says in which containers packages run or ran.
    ///
    /// Errors only with what the database says. O(sets of layers + containers of that time); a package that nothing has costs the sets alone.
    pub fn who_has(&self, filter: &Filter<'_>, when: When) -> Result<Held, JournalError> {
        self.who_has_what_is_meant(filter, when, &mut |_, _, _| true)
    }

    /// The same of those packages alone that are meant. A package is judged once for each version of what ran, not for each of its containers, and before
    /// anything is left out: what is not meant takes no place in the answer.
    pub fn who_has_what_is_meant(&self, filter: &Filter<'_>, when: When, is_meant: IsMeant<'_>) -> Result<Held, JournalError> {
        self.read(|connection| {
            let found = Found::look(connection, filter)?;
            let mut holders = Holders::load(connection, found)?;
            running::held(connection, &mut holders, when, is_meant, self.holdings_max)
        })
    }

    /// Says in which of these images packages are, whether they run or not; by image. One that is not kept has none.
    ///
    /// O(sets of layers + images): who asks says which images matter to him, because those that were ever read are many more.
    pub fn which_have(&self, filter: &Filter<'_>, images: &BTreeSet<Digest>) -> Result<Vec<ImageHolding>, JournalError> {
        self.read(|connection| {
            let mut holders = Holders::load(connection, Found::look(connection, filter)?)?;
            let mut holding = Vec::new();
            for image in images {
                let top = images::top_of(connection, *image)?.flatten();
                holding.push((*image, holders.of(top)));
            }
            holders.tell(connection, holding.iter().map(|(_, held)| held))?;
            let each = holding.iter().flat_map(|(image, held)| held.iter().map(move |held| (*image, held)));
            let told = each.map(|(image, held)| {
                let (package, path, brought_by) = holders.told(held);
                ImageHolding { image, package, path, brought_by }
            });
            Ok(told.collect())
        })
    }

    /// Every stay of that time, by slot and then by time.
    pub fn stays(&self, when: When) -> Result<Vec<Stay>, JournalError> {
        self.read(|connection| running::stays(connection, when))
    }
}
