//! What people ask about, or want gone: packages by a question, or a problem by its name.

use std::fmt;
use std::str::FromStr;

use super::{Advisory, verdict};
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
    /// Whether a package of an image of this distribution is meant. If so, the version from which on it is not, where that is known.
    ///
    /// `advisories` are those by which the problem is known; a question about packages needs none.
    pub fn hit(&self, advisories: &[Advisory], package: &Package, distro: Option<&Distro>) -> Option<Option<String>> {
        match self {
            Self::Packages(question) => question.matches(package).then_some(None),
            Self::Problem(_) => {
                let hits: Vec<_> = advisories.iter().filter_map(|advisory| verdict(advisory, package, distro)).collect();
                (!hits.is_empty()).then(|| hits.into_iter().find_map(|hit| hit.fixed))
            }
        }
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

    /// A name in capitals with a dash and a number in it is that of an advisory (`CVE-2024-5535`, `DSA-5417-1`, `GHSA-…`); all else is a question.
    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim();
        if is_name_of_advisory(text) { Ok(Self::Problem(text.to_owned())) } else { text.parse().map(Self::Packages) }
    }
}

fn is_name_of_advisory(text: &str) -> bool {
    let Some((database, rest)) = text.split_once('-') else { return false };
    let is_database = database.len() >= 2 && database.bytes().all(|byte| byte.is_ascii_uppercase());
    is_database
        && rest.bytes().any(|byte| byte.is_ascii_digit())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_capitals_with_a_number_is_a_problem_and_all_else_is_about_packages() {
        for problem in ["CVE-2024-5535", "DSA-5417-1", "GHSA-xjgw-4wvw-rgm4", "GO-2024-2687", "RHSA-2024:1234", " CVE-2024-5535 "] {
            assert!(matches!(problem.parse(), Ok(Asked::Problem(name)) if name == problem.trim()), "{problem}");
        }
        for packages in ["openssl<3.0.15", "openssl", "libssl3", "npm:@babel/core<7", "golang.org/x/net<0.23"] {
            assert!(matches!(packages.parse(), Ok(Asked::Packages(_))), "{packages}");
        }
    }
}
