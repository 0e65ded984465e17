//! The order of semantic versions, as npm, Cargo and Go have it, and of what is nearly one.
//!
//! Source: Semantic Versioning 2.0.0, section 11, and for Go golang.org/x/mod/semver: a `v` may go before, builds after `+` do not count
//! (`+incompatible`), and pseudo-versions are pre-releases. More or fewer numbers than three are read too, as is Go's own `go1.22rc1`.

use super::number::{Number, Step, cut, natural, number};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    /// `(devel)`, a commit, a branch.
    Unknown(Vec<Step<'a>>),
    Known(Vec<Number<'a>>, Pre<'a>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pre<'a> {
    Of(Vec<Identifier<'a>>),
    No,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identifier<'a> {
    Number(Number<'a>),
    Text(&'a str),
}

pub(super) fn key(text: &str) -> Key<'_> {
    let text = text.trim();
    known(text).unwrap_or_else(|| Key::Unknown(natural(text)))
}

fn known(text: &str) -> Option<Key<'_>> {
    let text = text.strip_prefix("go").unwrap_or_else(|| text.trim_start_matches(['v', '=', ' ']));
    // Go adds experiments after a space: `go1.22.3 X:boringcrypto`.
    let text = text.split(['+', ' ']).next().unwrap_or(text);
    let (first, mut rest) = number(text)?;
    let mut numbers = vec![first];
    while let Some((next, left)) = rest.strip_prefix('.').and_then(number) {
        numbers.push(next);
        rest = left;
    }
    let last = numbers.iter().rposition(|number| !number.is_zero());
    numbers.truncate(last.map_or(0, |last| last + 1));
    Some(Key::Known(numbers, pre(rest)))
}

fn pre(text: &str) -> Pre<'_> {
    match text.strip_prefix('-') {
        Some(pre) => Pre::Of(pre.split('.').map(identifier).collect()),
        None if text.is_empty() => Pre::No,
        None => Pre::Of(glued(text)),
    }
}

fn identifier(text: &str) -> Identifier<'_> {
    number(text).filter(|(_, rest)| rest.is_empty()).map_or(Identifier::Text(text), |(number, _)| Identifier::Number(number))
}

/// A pre-release right after the numbers: `1.22rc10` is after `1.22rc9`, which only a word and a number apart can say.
fn glued(text: &str) -> Vec<Identifier<'_>> {
    let (word, rest) = cut(text, |byte| byte.is_ascii_alphabetic());
    let numbers = rest.split('.').filter(|part| !part.is_empty()).map(identifier);
    std::iter::once(Identifier::Text(word)).chain(numbers).collect()
}
