//! Maven's order: numbers after dots and hyphens, and qualifiers, of which some come before the version without them.
//!
//! Source: the version order specification of Maven's POM reference and the behaviour of `ComparableVersion`. Where that class is no order (`1.0.alpha.1`
//! is older than `1`, `1` older than `1.x`, and `1.x` older than `1.0.alpha.1`), the specification is followed: zeros before a qualifier do not count,
//! and it is the same after a dot and after a hyphen.

use std::cmp::Ordering;

use super::number::{Number, cut, number};

/// Qualifiers that everybody knows, in order; those that are not among them come after.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
/// Which of them is a release itself.
const RELEASE: usize = 5;

/// In Maven's order. An end stands between what comes before a release and what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    Before(usize),
    End,
    After(usize, &'a str),
    HyphenNumber(Number<'a>),
    DotNumber(Number<'a>),
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim().to_lowercase(), b.trim().to_lowercase());
    tokens(&a).cmp(&tokens(&b))
}

fn tokens(mut text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    // What goes before the first token is as good as a dot.
    let mut is_dot = true;
    while !text.is_empty() {
        let (token, rest) = token(text, is_dot);
        if !matches!(token, Token::DotNumber(_)) {
            trim(&mut tokens);
        }
        tokens.push(token);
        // From a word to a number, and back, is as good as a hyphen.
        is_dot = rest.starts_with('.');
        text = rest.strip_prefix(['.', '-']).unwrap_or(rest);
    }
    trim(&mut tokens);
    tokens.push(Token::End);
    tokens
}

/// Takes away what says nothing at the end: zeros, and names of a release.
fn trim(tokens: &mut Vec<Token<'_>>) {
    let says_something = |token: &Token<'_>| match token {
        Token::HyphenNumber(number) | Token::DotNumber(number) => !number.is_zero(),
        token => *token != Token::After(RELEASE, ""),
    };
    tokens.truncate(tokens.iter().rposition(says_something).map_or(0, |last| last + 1));
}

fn token(text: &str, is_dot: bool) -> (Token<'_>, &str) {
    let number_token = if is_dot { Token::DotNumber } else { Token::HyphenNumber };
    if let Some((number, rest)) = number(text) {
        return (number_token(number), rest);
    }
    let (word, rest) = cut(text, |byte| !matches!(byte, b'.' | b'-' | b'0'..=b'9'));
    let is_before_digit = rest.starts_with(|letter: char| letter.is_ascii_digit());
    (if word.is_empty() { number_token(Number::ZERO) } else { qualifier(word, is_before_digit) }, rest)
}

fn qualifier(word: &str, is_before_digit: bool) -> Token<'_> {
    let known = match word {
        "a" if is_before_digit => "alpha",
        "b" if is_before_digit => "beta",
        "m" if is_before_digit => "milestone",
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        other => other,
    };
    match QUALIFIERS.iter().position(|qualifier| *qualifier == known) {
        Some(at) if at < RELEASE => Token::Before(at),
        Some(at) => Token::After(at, ""),
        None => Token::After(QUALIFIERS.len(), known),
    }
}
