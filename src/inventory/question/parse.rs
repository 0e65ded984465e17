//! From what a person wrote to a question, or to what is wrong in it.

use std::str::FromStr;

use super::glob::Glob;
use super::license::License;
use super::{Bound, Name, Operator, Question, QuestionError};
use crate::inventory::Kind;
use crate::inventory::purl::{self, Purl};

/// A question is a line that a person writes; package URLs are the longest in it.
const LENGTH_MAX: usize = 1_024;
/// A range has two bounds, and a few versions may be taken out of it.
const BOUNDS_MAX: usize = 16;

/// How the operators are written; the longer goes first where one begins with another.
const OPERATORS: [(&str, Operator); 7] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::Not),
    ("<", Operator::Less),
    (">", Operator::More),
    ("=", Operator::Equal),
];

const HOW: &str = "write it as `name<version`, such as `openssl<3.0.15` or `npm:lodash>=4,<4.17.21`";

impl FromStr for Question {
    type Err = QuestionError;

    /// Reads `[kind:]name[bounds]`, such as `openssl<3.0.15`, `libssl*`, `npm:@babel/core>=7,<7.23.2`, and package URLs as
    /// [`of_purl`](Question::of_purl) does. Spaces around its parts do not count.
    fn from_str(text: &str) -> Result<Self, QuestionError> {
        check_length(text)?;
        if text.trim_start().get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("pkg:")) {
            return purl(text);
        }
        let end = text.find(['<', '>', '=', '!']).unwrap_or(text.len());
        let (kind, name_at) = kind(&text[..end]);
        let written = text[name_at..end].trim();
        check_name(text, name_at, written)?;
        let bounds = if end == text.len() { Vec::new() } else { bounds(text, end)? };
        Ok(Self { kind, name: name(written), bounds, ..asking(text) })
    }
}

/// Reads a package URL, with a range after it where it has no version.
pub(super) fn purl(text: &str) -> Result<Question, QuestionError> {
    check_length(text)?;
    let end = range_start(text);
    let fault = |error: purl::PurlError| {
        QuestionError::at(text, 0, error.to_string(), "write it as `pkg:type/namespace/name@version`, such as `pkg:deb/debian/openssl@3.0.15-1`")
    };
    let purl: Purl = text[..end].trim().parse().map_err(fault)?;
    let mut found = if end == text.len() { Vec::new() } else { bounds(text, end)? };
    if let Some(version) = purl.package_version() {
        if end < text.len() {
            let what = "a range follows a version";
            return Err(QuestionError::at(text, end, what, "leave one of both away: `pkg:npm/lodash@4.17.20` or `pkg:npm/lodash<4.17.21`"));
        }
        found.push(Bound { operator: Operator::Equal, version });
    }
    let name = Name::Exact(purl.package_name());
    let arch = purl.qualifiers.get("arch").filter(|arch| *arch != "source").cloned();
    let distro = purl.namespace.clone().filter(|_| purl.kind.is_of_distro());
    Ok(Question { kind: Some(purl.kind), name, bounds: found, arch, distro, ..asking(text) })
}

/// Reads a licence.
pub(super) fn license(text: &str) -> Result<Question, QuestionError> {
    check_length(text)?;
    if text.trim().is_empty() {
        return Err(QuestionError::at(text, 0, "no licence is said", "write an SPDX identifier or a part of a licence, such as `MIT` or `GPL-3.0*`"));
    }
    Ok(Question { license: Some(License::new(text.trim())), ..asking(text) })
}

/// A question for everything.
fn asking(text: &str) -> Question {
    Question { text: text.trim().to_owned(), kind: None, name: Name::Any, bounds: Vec::new(), license: None, arch: None, distro: None }
}

fn check_length(text: &str) -> Result<(), QuestionError> {
    if text.len() <= LENGTH_MAX {
        return Ok(());
    }
    Err(QuestionError::at(text, LENGTH_MAX, format!("a question has at most {LENGTH_MAX} bytes"), "ask for a pattern, such as `libssl*`"))
}

/// The kind before the first colon, if it is one, and where the name begins. Java's names have a colon of their own.
fn kind(text: &str) -> (Option<Kind>, usize) {
    let found = text.split_once(':').and_then(|(kind, _)| Some((kind.trim().parse().ok()?, kind.len() + 1)));
    found.map_or((None, 0), |(kind, at)| (Some(kind), at))
}

fn check_name(text: &str, at: usize, name: &str) -> Result<(), QuestionError> {
    let at = at + text[at..].len() - text[at..].trim_start().len();
    if name.is_empty() {
        return Err(QuestionError::at(text, at, "no package is named", HOW));
    }
    if let Some((odd, letter)) = name.char_indices().find(|(_, letter)| !is_of_name(*letter)) {
        return Err(QuestionError::at(text, at + odd, format!("no name of a package has {letter:?}"), HOW));
    }
    // Python and others have operators that begin with it; names have it within (`git.sr.ht/~user/x`).
    if name.ends_with('~') && text[at + name.len()..].starts_with(['=', '>']) {
        let odd = at + name.len() - 1;
        return Err(QuestionError::at(text, odd, format!("`{}` is no operator", &text[odd..odd + 2]), "write a range, such as `>=3.0,<4`"));
    }
    // npm's scopes begin with it; elsewhere people part a version with it.
    if let Some(odd) = name.char_indices().skip(1).find(|(_, letter)| *letter == '@').map(|(odd, _)| odd) {
        let help = format!("write it as `{}={}`", &name[..odd], &name[odd + 1..]);
        return Err(QuestionError::at(text, at + odd, "`@` parts no version from a name", help));
    }
    Ok(())
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | '+' | '@' | '/' | ':' | '~' | '*')
}

fn name(written: &str) -> Name {
    if written.chars().all(|letter| letter == '*') {
        return Name::Any;
    }
    if written.contains('*') {
        return Name::Glob(Glob::new(written));
    }
    Name::Exact(written.to_owned())
}

/// Bounds from a byte of the text to its end, parted by commas.
fn bounds(text: &str, from: usize) -> Result<Vec<Bound>, QuestionError> {
    let mut bounds = Vec::new();
    let mut at = from;
    for part in text[from..].split(',') {
        if bounds.len() == BOUNDS_MAX {
            return Err(QuestionError::at(text, at, format!("a question has at most {BOUNDS_MAX} bounds"), "ask in several questions"));
        }
        bounds.push(bound(text, at, part)?);
        at += part.len() + 1;
    }
    Ok(bounds)
}

fn bound(text: &str, at: usize, part: &str) -> Result<Bound, QuestionError> {
    let start = at + part.len() - part.trim_start().len();
    let part = part.trim();
    let Some((sign, operator)) = OPERATORS.into_iter().find(|(sign, _)| part.starts_with(sign)) else {
        return Err(QuestionError::at(text, start, "a bound begins with one of < <= = == != > >=", HOW));
    };
    let rest = &part[sign.len()..];
    let version = rest.trim();
    let at = start + sign.len() + rest.len() - rest.trim_start().len();
    if version.is_empty() {
        return Err(QuestionError::at(text, at, format!("no version follows `{sign}`"), HOW));
    }
    if let Some(odd) = version.find('*') {
        return Err(QuestionError::at(text, at + odd, "a version has no `*`", "write a range, such as `>=3.0,<3.1`"));
    }
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '<' | '>' | '=');
    if let Some(odd) = version.find(is_odd) {
        return Err(QuestionError::at(text, at + odd, "the version ends here, and more follows", "part bounds with commas: `openssl>=3,<3.0.15`"));
    }
    Ok(Bound { operator, version: version.to_owned() })
}

/// Where a range begins after a package URL; `=` is also in its qualifiers, and `!` may be in its version.
fn range_start(text: &str) -> usize {
    let qualifiers = text.find('?').unwrap_or(text.len());
    let range = text.find(['<', '>']).into_iter().chain(text.find("!="));
    range.chain(text.find('=').filter(|at| *at < qualifiers)).min().unwrap_or(text.len())
}
