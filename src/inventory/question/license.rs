//! Whether a licence is the one that is asked for, however a package writes its licence.

use super::glob::Glob;

/// A licence that is asked for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum License {
    /// Found in a licence where a word of it begins.
    Words(String),
    /// Matches an identifier in it, or all of it.
    Glob(Glob),
}

impl License {
    pub(super) fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        if text.contains('*') { Self::Glob(Glob::new(text)) } else { Self::Words(text) }
    }

    pub(super) fn matches(&self, license: &str) -> bool {
        let license = license.to_lowercase();
        match self {
            Self::Words(words) => license.match_indices(words.as_str()).any(|(at, _)| !license[..at].ends_with(char::is_alphanumeric)),
            Self::Glob(glob) => glob.matches(&license) || identifiers(&license).any(|identifier| glob.matches(identifier)),
        }
    }
}

/// The identifiers of an expression, and of what others write for one: `(MIT OR Apache-2.0)`, `MIT/X11`, `GPL-2+ and BSD`.
fn identifiers(license: &str) -> impl Iterator<Item = &str> {
    let parts = license.split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | ',' | ';' | '/' | '|' | '&'));
    parts.filter(|part| !matches!(*part, "" | "and" | "or" | "with"))
}
