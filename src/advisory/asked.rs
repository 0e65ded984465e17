//! What people ask about, or want gone: packages by a question, or a problem by its name.

use std::fmt;
use std::str::FromStr;

use super::{Advisory, Fixed, is_undetermined, verdict_of_all};
use crate::inventory::{Distro, Package};
use crate::inventory::{Question, QuestionError};

/// What people ask about, or want gone.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Packages: `openssl<3.0.15`.
    Packages(Question),
    /// A problem, by a name of one of its advisories: `CVE-2024-5535`.
    Problem(String),
}

impl Asked {
    /// A problem by its name; that of a CVE in any case.
    pub fn of_problem(name: &str) -> Self {
        let name = name.trim();
        Self::Problem(name_of_advisory(name).unwrap_or_else(|| name.to_owned()))
    }

    /// Whether a package of an image of this distribution is meant. If so, the version from which on it is not, where that is known.
    ///
    /// `advisories` are those by which the problem is known; a question about packages needs none.
    pub fn hit(&self, advisories: &[Advisory], package: &Package, distro: Option<&Distro>) -> Option<Option<Fixed>> {
        match self {
            Self::Packages(question) => {
                let is_there = question.distro().is_none_or(|id| distro.is_some_and(|distro| distro.id.eq_ignore_ascii_case(id)));
                (is_there && question.matches(package)).then_some(None)
            }
            Self::Problem(_) => verdict_of_all(advisories, package, distro),
        }
    }

    /// Whether nobody has looked yet if a package of an image of this distribution is meant, so that it is neither named nor cleared.
    pub fn is_open(&self, advisories: &[Advisory], package: &Package, distro: Option<&Distro>) -> bool {
        let is_problem = matches!(self, Self::Problem(_));
        is_problem && advisories.iter().any(|one| is_undetermined(one, package, distro)) && self.hit(advisories, package, distro).is_none()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(question) => question.fmt(f),
            Self::Problem(name) => f.write_str(name),
        }
    }
}

impl FromStr for Asked {
    type Err = QuestionError;

    /// A database's prefix, a dash and a number is the name of an advisory (`CVE-2024-5535`, `DSA-5417-1`, `GHSA-…`), CVEs in any case; all else is a question.
    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim();
        match name_of_advisory(text) {
            Some(name) => Ok(Self::Problem(name)),
            None => text.parse().map(Self::Packages),
        }
    }
}

/// Databases whose names are not all in capitals.
const MIXED: [&str; 2] = ["openSUSE-", "MGASA-"];

fn name_of_advisory(text: &str) -> Option<String> {
    let (database, rest) = text.split_once('-')?;
    let is_cve = database.eq_ignore_ascii_case("cve") && rest.starts_with(|c: char| c.is_ascii_digit());
    let is_database =
        is_cve || (database.len() >= 2 && database.bytes().all(|byte| byte.is_ascii_uppercase())) || MIXED.iter().any(|own| text.starts_with(own));
    let is_number =
        rest.bytes().any(|byte| byte.is_ascii_digit()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':'));
    (is_database && is_number).then(|| if is_cve { text.to_ascii_uppercase() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Kind;
    use crate::inventory::purl::purl;
    use crate::inventory::samples::package;

    #[test]
    fn a_package_url_finds_the_distribution_that_it_was_made_of() {
        let distro = Distro { id: "openEuler".into(), release: "22.03".into(), codename: None };
        let package = package(Kind::Rpm, "a", "1-1");
        let asked: Asked = purl(&package, Some(&distro)).parse().unwrap();
        assert_eq!(asked.hit(&[], &package, Some(&distro)), Some(None));
        assert_eq!(asked.hit(&[], &package, Some(&Distro { id: "rocky".into(), ..distro })), None);
    }

    #[test]
    fn a_name_in_capitals_with_a_number_is_a_problem_and_all_else_is_about_packages() {
        for problem in
            ["CVE-2024-5535", "DSA-5417-1", "GHSA-xjgw-4wvw-rgm4", "GO-2024-2687", "RHSA-2024:1234", " CVE-2024-5535 ", "openSUSE-SU-2024:0001-1"]
        {
            assert!(matches!(problem.parse(), Ok(Asked::Problem(name)) if name == problem.trim()), "{problem}");
        }
        assert!(matches!("cve-2024-5535".parse(), Ok(Asked::Problem(name)) if name == "CVE-2024-5535"));
        for packages in ["openssl<3.0.15", "openssl", "libssl3", "npm:@babel/core<7", "golang.org/x/net<0.23"] {
            assert!(matches!(packages.parse(), Ok(Asked::Packages(_))), "{packages}");
        }
    }
}
