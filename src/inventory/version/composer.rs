//! Composer's order: up to four numbers, a stability with a number, and branches, which have no order of their own.
//!
//! Source: Composer's documentation of versions and PHP's `version_compare`. Branches (`dev-main`) are older than every release, among them by name.

use std::cmp::Ordering;

use super::number::{Number, cut, number};

/// How many numbers a version has at least; those that are not said are zero.
const NUMBERS: usize = 4;
/// What `x` stands for in `1.x-dev`: more than any number of a release.
const ANY: &str = "9999999";

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Branch(&'a str),
    Version(Vec<Token<'a>>),
}

/// In the order of `version_compare`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    Unknown(&'a str),
    Dev,
    Alpha,
    Beta,
    Rc,
    End,
    Number(Number<'a>),
    Patch,
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    key(&a).cmp(&key(&b))
}

fn key(text: &str) -> Key<'_> {
    // A stability (`1.0@beta`) is what somebody accepts, and what follows `+` names a build.
    let text = text.split(['@', '+', ' ']).next().unwrap_or(text);
    match number(text.strip_prefix('v').unwrap_or(text)) {
        Some((first, rest)) => Key::Version(tokens(first, rest)),
        None => Key::Branch(text.strip_prefix("dev-").unwrap_or(text)),
    }
}

fn tokens<'a>(first: Number<'a>, rest: &'a str) -> Vec<Token<'a>> {
    let mut tokens = vec![Token::Number(first)];
    let mut rest = rest;
    while let Some((next, left)) = part(rest) {
        tokens.push(Token::Number(next));
        rest = left;
    }
    while tokens.len() < NUMBERS {
        tokens.push(tokens.last().copied().filter(|_| is_any(&tokens)).unwrap_or(Token::Number(Number::ZERO)));
    }
    tokens.extend(stabilities(rest));
    tokens.push(Token::End);
    tokens
}

fn is_any(tokens: &[Token<'_>]) -> bool {
    tokens.last() == Some(&Token::Number(Number::new(ANY)))
}

/// A further number, or `x` for any. Dates have hyphens and colons between theirs.
fn part(text: &str) -> Option<(Number<'_>, &str)> {
    let rest = text.strip_prefix(['.', '-', ':'])?;
    let any = || rest.strip_prefix(['x', '*']).map(|rest| (Number::new(ANY), rest));
    number(rest).or_else(any)
}

/// Words and numbers after the version.
fn stabilities(mut text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    loop {
        text = text.trim_start_matches(['.', '-', '_']);
        if text.is_empty() {
            return tokens;
        }
        let (token, rest) = match number(text) {
            Some((number, rest)) => (Some(Token::Number(number)), rest),
            None => {
                let (word, rest) = cut(text, |byte| !matches!(byte, b'.' | b'-' | b'_' | b'0'..=b'9'));
                (stability(word), rest)
            }
        };
        tokens.extend(token);
        text = rest;
    }
}

/// None for `stable`, which says what is so without it.
fn stability(word: &str) -> Option<Token<'_>> {
    match word {
        "stable" => None,
        "dev" => Some(Token::Dev),
        "alpha" | "a" => Some(Token::Alpha),
        "beta" | "b" => Some(Token::Beta),
        "rc" => Some(Token::Rc),
        "patch" | "pl" | "p" => Some(Token::Patch),
        other => Some(Token::Unknown(other)),
    }
}
