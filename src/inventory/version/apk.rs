//! Alpine's order: numbers, a letter, suffixes with numbers, a commit, `-r` and a build.
//!
//! Source: apk-package(5) and the behaviour of apk-tools 3. Where apk stops at what it does not know and calls two versions equal, they go on by their
//! text here: two different oddities are not the same version.

use super::number::{Number, cut, digits, number};

/// Suffixes that come before the version without them, in order.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// Suffixes that come after it, in order.
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// In apk's order: what goes on is newer than what ends, the earlier in the grammar the newer, unless it is a suffix of what is not yet released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    Before(usize),
    Unknown(&'a str),
    End,
    Revision(Number<'a>),
    Commit(&'a str),
    SuffixNumber(Number<'a>),
    After(usize),
    Letter(u8),
    // A part with a leading zero is a fraction: `1.05` is before `1.1`.
    Fraction(&'a str),
    Number(Number<'a>),
    First(Number<'a>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a>(Vec<Token<'a>>);

pub(super) fn key(text: &str) -> Key<'_> {
    let mut tokens = Vec::new();
    let (mut last, mut rest) = number(text).map_or((Token::Unknown(text), ""), |(number, rest)| (Token::First(number), rest));
    tokens.push(last);
    while !matches!(last, Token::End | Token::Unknown(_)) {
        (last, rest) = next(last, rest).unwrap_or((Token::Unknown(rest), ""));
        tokens.push(last);
    }
    Key(tokens)
}

/// The next token, if the one before allows it.
fn next<'a>(last: Token<'a>, text: &'a str) -> Option<(Token<'a>, &'a str)> {
    let place = place(last);
    let Some(first) = text.bytes().next() else {
        return Some((Token::End, ""));
    };
    match first {
        b'a'..=b'z' if place == 0 => Some((Token::Letter(first), &text[1..])),
        b'.' if place == 0 => part(&text[1..]),
        b'0'..=b'9' if place == 2 => number(text).map(|(number, rest)| (Token::SuffixNumber(number), rest)),
        b'_' if place <= 3 => suffix(&text[1..]),
        b'~' if place <= 3 => {
            let (commit, rest) = cut(&text[1..], |byte| byte.is_ascii_hexdigit());
            (!commit.is_empty()).then_some((Token::Commit(commit), rest))
        }
        b'-' if place <= 4 => number(text.strip_prefix("-r")?).map(|(number, rest)| (Token::Revision(number), rest)),
        _ => None,
    }
}

/// How far in the grammar a token is.
fn place(token: Token<'_>) -> u8 {
    match token {
        Token::First(_) | Token::Number(_) | Token::Fraction(_) => 0,
        Token::Letter(_) => 1,
        Token::Before(_) | Token::After(_) => 2,
        Token::SuffixNumber(_) => 3,
        Token::Commit(_) => 4,
        Token::Revision(_) | Token::End | Token::Unknown(_) => 5,
    }
}

fn part(text: &str) -> Option<(Token<'_>, &str)> {
    let (part, rest) = digits(text);
    match part.bytes().next()? {
        b'0' => Some((Token::Fraction(part), rest)),
        _ => Some((Token::Number(Number::new(part)), rest)),
    }
}

fn suffix(text: &str) -> Option<(Token<'_>, &str)> {
    let (suffix, rest) = cut(text, |byte| byte.is_ascii_lowercase());
    let at = |list: &[&str]| list.iter().position(|known| *known == suffix);
    let token = at(&BEFORE).map(Token::Before).or_else(|| at(&AFTER).map(Token::After))?;
    Some((token, rest))
}
