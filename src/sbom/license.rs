//! What a package says of its licence: one of SPDX's list, an SPDX expression, or anything else.
//!
//! Source: SPDX 2.3, annex D. Operators are `AND`, `OR` and `WITH` (small ones are read too, for many write them so); identifiers are the same in any case.

use spdx::lexer::{Lexer, Token};
use spdx::{Expression, ParseMode};

use super::text;

/// What a package says of its licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum License {
    /// One licence of SPDX's list: `MIT`.
    Id(&'static str),
    /// An expression of several, in its normal form: `MIT OR Apache-2.0+`.
    Expression {
        /// The expression.
        text: String,
        /// The licences in it that are not on the list (`LicenseRef-Fedora-Public-Domain`), each once, in order.
        refs: Vec<String>,
    },
    /// Anything else, as it stands: `BSD-style, see LICENSE`, or a whole licence.
    Free {
        /// Its first line, or the beginning of that.
        name: String,
        /// All of it, or the beginning of that.
        text: String,
    },
}

/// Longer texts are licences and not expressions: the longest of Fedora's are below 2000 bytes.
const EXPRESSION_BYTES_MAX: usize = 4096;
/// Nobody nests deeper, and other readers may be recursive.
const PARENTHESES_MAX: usize = 32;
/// The longest licence that is in use, the GPL's third version, has 35 KB.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Names of licences end before; behind it is a text whose first line is a paragraph.
const NAME_BYTES_MAX: usize = 160;

/// What the reader of expressions has on its list and SPDX has not: names that stand for nothing or for one of two licences.
const NOT_LISTED: [&str; 7] = [
    "NOASSERTION",
    "GFDL-1.1-invariants",
    "GFDL-1.1-no-invariants",
    "GFDL-1.2-invariants",
    "GFDL-1.2-no-invariants",
    "GFDL-1.3-invariants",
    "GFDL-1.3-no-invariants",
];

/// Nothing is left out of the grammar but what may not be in a document: unknown names. Deprecated identifiers are old, not wrong.
const MODE: ParseMode = ParseMode { allow_deprecated: true, ..ParseMode::STRICT };

impl License {
    /// Reads what a package says; none if that is nothing. O(bytes).
    pub fn read(said: &str) -> Option<Self> {
        let said = said.trim();
        if matches!(said, "" | "NOASSERTION" | "NONE") {
            return None;
        }
        let expression = if said.len() <= EXPRESSION_BYTES_MAX { expression(said) } else { None };
        Some(expression.unwrap_or_else(|| free(said)))
    }
}

fn expression(said: &str) -> Option<License> {
    let mut words = Words::default();
    for token in Lexer::new_mode(said, ParseMode { allow_unknown: true, ..MODE }) {
        words.take(&token.ok()?.token)?;
    }
    Expression::parse_mode(&words.text, MODE).ok()?;
    // The list is looked up without a `+` behind the name.
    if let Some(id) = spdx::license_id(&words.text).filter(|id| id.name == words.text) {
        return Some(License::Id(id.name));
    }
    words.refs.sort_unstable();
    words.refs.dedup();
    Some(License::Expression { text: words.text, refs: words.refs })
}

/// An expression as it is put together again in its normal form. Whether the words are in a sensible order is for the parser to say.
#[derive(Default)]
struct Words {
    text: String,
    refs: Vec<String>,
    open: usize,
}

impl Words {
    /// Takes the next word; none if it can be in no expression.
    fn take(&mut self, token: &Token<'_>) -> Option<()> {
        match token {
            Token::Spdx(id) => self.listed(id.name)?,
            Token::Exception(id) => self.push(id.name),
            Token::Unknown(word) => self.listed(in_any_case(word)?)?,
            // Documents that nobody hands over, and texts behind `WITH` that SPDX 2.3 does not have, cannot be looked up by anybody.
            Token::LicenseRef { doc_ref: Some(_), .. } | Token::AdditionRef { .. } | Token::LicenseRef { lic_ref: "", .. } => return None,
            Token::LicenseRef { lic_ref, .. } => self.push_ref(lic_ref),
            Token::Plus => self.or_later()?,
            Token::And => self.push("AND"),
            Token::Or => self.push("OR"),
            Token::With => self.push("WITH"),
            Token::OpenParen => self.push("("),
            Token::CloseParen => self.text.push(')'),
        }
        self.open += usize::from(matches!(token, Token::OpenParen));
        (self.open <= PARENTHESES_MAX).then_some(())
    }

    fn listed(&mut self, id: &'static str) -> Option<()> {
        self.push(id);
        (!NOT_LISTED.contains(&id)).then_some(())
    }

    fn push(&mut self, word: &str) {
        if !self.text.is_empty() && !self.text.ends_with('(') {
            self.text.push(' ');
        }
        self.text.push_str(word);
    }

    fn push_ref(&mut self, name: &str) {
        let id = format!("LicenseRef-{name}");
        self.push(&id);
        self.refs.push(id);
    }

    /// Takes a `+`. GNU's licences have identifiers of their own instead: `GPL-2.0+` is `GPL-2.0-or-later`.
    fn or_later(&mut self) -> Option<()> {
        let start = self.text.rfind([' ', '(']).map_or(0, |at| at + 1);
        let id = spdx::license_id(&self.text[start..])?;
        if id.is_gnu() {
            let later = spdx::license_id(&format!("{}-or-later", id.name.strip_suffix("-only").unwrap_or(id.name)))?;
            self.text.replace_range(start.., later.name);
        } else {
            self.text.push('+');
        }
        Some(())
    }
}

/// The identifier on SPDX's list that a word is in another case: `mit`.
fn in_any_case(word: &str) -> Option<&'static str> {
    let licenses = spdx::identifiers::LICENSES.iter().map(|license| license.name);
    let exceptions = spdx::identifiers::EXCEPTIONS.iter().map(|exception| exception.name);
    licenses.chain(exceptions).find(|name| name.eq_ignore_ascii_case(word))
}

fn free(said: &str) -> License {
    let first = said.lines().next().unwrap_or_default().trim_end();
    let name = text::one_line(&text::at_most(first, NAME_BYTES_MAX)).into_owned();
    License::Free { name, text: text::lines(&text::at_most(said, TEXT_BYTES_MAX)).into_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> String {
        match License::read(text) {
            None => "nothing".into(),
            Some(License::Id(id)) => format!("id {id}"),
            Some(License::Expression { text, refs }) if refs.is_empty() => format!("expression {text}"),
            Some(License::Expression { text, refs }) => format!("expression {text} with {}", refs.join(", ")),
            Some(License::Free { name, .. }) => format!("free {name}"),
        }
    }

    #[test]
    fn what_packages_say_of_their_licences_is_told_apart() {
        for (text, wanted) in [
            ("", "nothing"),
            (" \n", "nothing"),
            ("NOASSERTION", "nothing"),
            ("MIT", "id MIT"),
            (" mit\n", "id MIT"),
            ("apache-2.0", "id Apache-2.0"),
            ("GPL-2.0", "id GPL-2.0"),
            ("GPL-2.0+", "id GPL-2.0-or-later"),
            ("GPL-2.0-only+", "id GPL-2.0-or-later"),
            ("GPL-2.0-or-later+", "free GPL-2.0-or-later+"),
            ("Apache-2.0+", "expression Apache-2.0+"),
            ("MIT OR Apache-2.0", "expression MIT OR Apache-2.0"),
            ("mit or apache-2.0", "expression MIT OR Apache-2.0"),
            ("( MIT  OR\tISC )AND Zlib", "expression (MIT OR ISC) AND Zlib"),
            ("(gpl-3.0+ with classpath-exception-2.0)", "expression (GPL-3.0-or-later WITH Classpath-exception-2.0)"),
            ("MIT AND LicenseRef-b AND LicenseRef-a", "expression MIT AND LicenseRef-b AND LicenseRef-a with LicenseRef-a, LicenseRef-b"),
            ("LicenseRef-Fedora-Public-Domain", "expression LicenseRef-Fedora-Public-Domain with LicenseRef-Fedora-Public-Domain"),
            // Alpine, Fedora and Debian as they wrote before they wrote expressions.
            ("GPLv2+ and BSD", "free GPLv2+ and BSD"),
            ("ASL 2.0", "free ASL 2.0"),
            ("GPL-2", "free GPL-2"),
            ("BSD-3-clause and GPL-2+", "free BSD-3-clause and GPL-2+"),
            ("MIT License\n\nPermission is hereby …", "free MIT License"),
            ("MIT/Apache-2.0", "free MIT/Apache-2.0"),
            ("MIT Apache-2.0", "free MIT Apache-2.0"),
            ("MIT AND", "free MIT AND"),
            ("MIT AND NOASSERTION", "free MIT AND NOASSERTION"),
            ("MIT WITH LicenseRef-x", "free MIT WITH LicenseRef-x"),
            ("LicenseRef-", "free LicenseRef-"),
            ("LicenseRef-x+", "free LicenseRef-x+"),
            ("DocumentRef-d:LicenseRef-x", "free DocumentRef-d:LicenseRef-x"),
            ("GFDL-1.3-invariants", "free GFDL-1.3-invariants"),
            ("MIT +", "free MIT +"),
            ("MIT++", "free MIT++"),
            ("+", "free +"),
            (")", "free )"),
            ("Лицензия", "free Лицензия"),
        ] {
            assert_eq!(said(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_no_expression() {
        let nested = |depth: usize| format!("{}MIT{}", "(".repeat(depth), ")".repeat(depth));
        assert!(said(&nested(PARENTHESES_MAX)).starts_with("expression"));
        assert!(said(&nested(PARENTHESES_MAX + 1)).starts_with("free"));
        assert!(said(&["MIT"; 1000].join(" OR ")).starts_with("free"));
        let Some(License::Free { name, text }) = License::read(&"long ".repeat(100_000)) else { panic!() };
        assert!(name.len() <= NAME_BYTES_MAX + '…'.len_utf8() && text.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
    }

    #[test]
    fn every_licence_of_the_list_is_read_in_any_case() {
        for license in spdx::identifiers::LICENSES.iter().filter(|license| !NOT_LISTED.contains(&license.name)) {
            let wanted = license.name.strip_suffix('+').map_or(license.name.to_owned(), |name| format!("{name}-or-later"));
            assert_eq!(said(&license.name.to_lowercase()), format!("id {wanted}"));
        }
    }

    /// Words that are in expressions, and some that are not.
    const WORDS: [&str; 16] = [
        "MIT",
        "gpl-2.0",
        "Apache-2.0",
        "LicenseRef-x",
        "AND",
        "or",
        "WITH",
        "Classpath-exception-2.0",
        "(",
        ")",
        "+",
        " + ",
        "LicenseRef-",
        "bsd",
        ":",
        "é",
    ];

    proptest! {
        #[test]
        fn an_expression_stays_what_it_is_when_it_is_read_again(words in proptest::collection::vec(proptest::sample::select(&WORDS), 0..12)) {
            if let Some(License::Expression { text, refs }) = License::read(&words.join(" ")) {
                prop_assert!(Expression::parse_mode(&text, MODE).is_ok());
                prop_assert_eq!(License::read(&text), Some(License::Expression { text, refs }));
            }
        }

        #[test]
        fn nothing_that_is_said_is_lost(said: String) {
            prop_assert_eq!(License::read(&said).is_none(), matches!(said.trim(), "" | "NONE" | "NOASSERTION"));
        }
    }
}
