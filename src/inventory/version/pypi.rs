//! Python's order: `epoch!release`, then pre-, post- and development releases and what a builder adds.
//!
//! Source: PEP 440, the version specifiers of the Python Packaging User Guide. What it does not know is older than all that it does.

use std::cmp::Ordering;

use super::number::{Number, Step, cut, natural, number};

/// Names of pre-releases, each with what it counts as. The longer goes first where one begins with another.
const PRE: [(&str, u8); 8] = [("alpha", 0), ("a", 0), ("beta", 1), ("b", 1), ("rc", 2), ("c", 2), ("preview", 2), ("pre", 2)];
/// Names of post-releases.
const POST: [(&str, u8); 3] = [("post", 0), ("rev", 0), ("r", 0)];
/// The name of development releases.
const DEV: [(&str, u8); 1] = [("dev", 0)];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Unknown(Vec<Step<'a>>),
    Known(Version<'a>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    epoch: Number<'a>,
    release: Vec<Number<'a>>,
    pre: Pre<'a>,
    post: Option<Number<'a>>,
    dev: Dev<'a>,
    local: Option<Vec<Step<'a>>>,
}

/// A development release of a version is before its pre-releases.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre<'a> {
    OnlyDev,
    Named(u8, Number<'a>),
    No,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dev<'a> {
    At(Number<'a>),
    No,
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    key(&a).cmp(&key(&b))
}

fn key(text: &str) -> Key<'_> {
    version(text).map_or_else(|| Key::Unknown(natural(text)), Key::Known)
}

fn version(text: &str) -> Option<Version<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, local) = text.split_once('+').map_or((text, None), |(text, local)| (text, Some(local)));
    let (epoch, text) = epoch(text)?;
    let (release, text) = release(text)?;
    let (pre, text) = named(text, &PRE).map_or((None, text), |(pre, rest)| (Some(pre), rest));
    let (post, text) = post(text);
    let (dev, text) = named(text, &DEV).map_or((None, text), |((_, number), rest)| (Some(number), rest));
    let local = local.map_or(Some(None), |local| locals(local).map(Some))?;
    let pre = match pre {
        Some((name, number)) => Pre::Named(name, number),
        None if post.is_none() && dev.is_some() => Pre::OnlyDev,
        None => Pre::No,
    };
    text.is_empty().then_some(Version { epoch, release, pre, post, dev: dev.map_or(Dev::No, Dev::At), local })
}

fn epoch(text: &str) -> Option<(Number<'_>, &str)> {
    text.split_once('!').map_or(Some((Number::ZERO, text)), |(epoch, rest)| {
        let (epoch, left) = number(epoch)?;
        left.is_empty().then_some((epoch, rest))
    })
}

/// Numbers between dots, without the zeros at the end.
fn release(text: &str) -> Option<(Vec<Number<'_>>, &str)> {
    let (first, mut rest) = number(text)?;
    let mut release = vec![first];
    while let Some((next, left)) = rest.strip_prefix('.').and_then(number) {
        release.push(next);
        rest = left;
    }
    let last = release.iter().rposition(|number| !number.is_zero());
    release.truncate(last.map_or(0, |last| last + 1));
    Some((release, rest))
}

/// A name with a number, which may be absent, and separators that say nothing.
fn named<'a>(text: &'a str, names: &[(&str, u8)]) -> Option<((u8, Number<'a>), &'a str)> {
    let rest = separator(text);
    let (name, rest) = names.iter().find_map(|(name, counts_as)| rest.strip_prefix(name).map(|rest| (*counts_as, rest)))?;
    Some(match number(separator(rest)) {
        Some((number, rest)) => ((name, number), rest),
        None => ((name, Number::ZERO), rest),
    })
}

/// A post-release: by its name, or `-1`.
fn post(text: &str) -> (Option<Number<'_>>, &str) {
    let by_name = named(text, &POST).map(|((_, number), rest)| (number, rest));
    let found = by_name.or_else(|| text.strip_prefix('-').and_then(number));
    found.map_or((None, text), |(number, rest)| (Some(number), rest))
}

fn separator(text: &str) -> &str {
    text.strip_prefix(['.', '-', '_']).unwrap_or(text)
}

/// What a builder adds: words and numbers, a word before a number.
fn locals(text: &str) -> Option<Vec<Step<'_>>> {
    text.split(['.', '-', '_']).map(local).collect()
}

fn local(text: &str) -> Option<Step<'_>> {
    let (word, rest) = cut(text, |byte| byte.is_ascii_alphanumeric());
    let only_digits = number(word).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| Step::Number(number));
    (!word.is_empty() && rest.is_empty()).then(|| only_digits.unwrap_or(Step::Text(word)))
}
