//! What is asked about, together with everything that was read of it.

use std::borrow::Cow;

use super::AskError;
use crate::advisory::{Advisory, Asked, Fixed};
use crate::inventory::{Distro, Names as Written, Package};
use crate::journal::{ImageContents, Inventories, Names};

/// What is asked about, and the advisories by which it is known.
#[derive(Debug, Clone)]
pub struct Sought {
    asked: Asked,
    advisories: Vec<Advisory>,
}

impl Sought {
    /// Looks up what is known of it. Errors with [`AskError::NoAdvisory`] for a problem that nothing that was read is about.
    pub fn of(inventories: &Inventories, asked: &Asked) -> Result<Self, AskError> {
        let advisories = match asked {
            Asked::Packages(_) => Vec::new(),
            Asked::Problem(name) => match inventories.advisories_called(name)? {
                none if none.is_empty() => return Err(AskError::NoAdvisory(name.clone())),
                some => some.into_iter().map(|kept| kept.advisory).collect(),
            },
        };
        Ok(Self { asked: asked.clone(), advisories })
    }

    /// What was asked.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The names that packages, or their source packages, can have that are meant.
    pub(super) fn names(&self) -> Names {
        match &self.asked {
            Asked::Packages(question) => match question.names() {
                Written::Exact(names) => Names::Only(names.into_iter().map(Cow::into_owned).collect()),
                Written::Any => Names::All,
            },
            Asked::Problem(_) => Names::Only(self.advisories.iter().flat_map(|advisory| &advisory.affected).map(|one| one.name.clone()).collect()),
        }
    }

    /// Whether a package may be meant, as far as that can be told without its distribution. What states no licence may be under any.
    pub(super) fn may_be(&self, package: &Package) -> bool {
        match &self.asked {
            Asked::Packages(question) => question.matches(package) || question.lacks_license(package),
            Asked::Problem(_) => true,
        }
    }

    /// Whether a package of an image of this distribution is meant; if so, the version from which on it is not, where that is known.
    pub(super) fn hit(&self, package: &Package, distro: Option<&Distro>) -> Option<Option<Fixed>> {
        self.asked.hit(&self.advisories, package, distro)
    }

    /// Whether a licence is asked for and this package states none.
    pub(super) fn lacks_license(&self, package: &Package) -> bool {
        matches!(&self.asked, Asked::Packages(question) if question.lacks_license(package))
    }

    /// Whether nobody has looked yet if a package of an image of this distribution has it.
    pub(super) fn is_open(&self, package: &Package, distro: Option<&Distro>) -> bool {
        self.asked.is_open(&self.advisories, package, distro)
    }

    /// What of it is in an image: a line for each package, and who brought it.
    pub fn in_image(&self, contents: &ImageContents) -> Vec<String> {
        let found = contents.packages.iter().filter_map(|found| {
            let fixed = self.hit(&found.package, contents.distro.as_ref())?;
            let fixed = fixed.map(|fixed| format!(", fixed in {fixed}")).unwrap_or_default();
            Some(format!("{} {} (brought in by {}{fixed})", found.package.name, found.package.version, found.brought_by))
        });
        let mut lines: Vec<String> = found.collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}
