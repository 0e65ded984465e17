//! rpm's order: `[epoch:]version[-release]`, runs of digits and of letters, `~` before the end and `^` right after it.
//!
//! Source: rpm-version(7) and the manual's page on versions. What is neither letter nor digit only parts runs, so `1.0` and `1_0` are equal.

use super::number::{Number, cut, digits, number};

/// In rpm's order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    Tilde,
    End,
    Caret,
    Letters(&'a str),
    Number(Number<'a>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    epoch: Number<'a>,
    version: Vec<Run<'a>>,
    // Only what people write has no release; rpm then holds it for equal to any, which no order can do.
    release: Option<Vec<Run<'a>>>,
}

pub(super) fn key(text: &str) -> Key<'_> {
    let (epoch, rest) = epoch(text);
    let (version, release) = rest.rsplit_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
    Key { epoch, version: runs(version), release: release.map(runs) }
}

fn epoch(text: &str) -> (Number<'_>, &str) {
    let (epoch, rest) = digits(text);
    rest.strip_prefix(':').map_or((Number::ZERO, text), |rest| (Number::new(epoch), rest))
}

fn runs(mut text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    loop {
        text = text.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '~' && letter != '^');
        let (run, rest) = run(text);
        let is_end = run == Run::End;
        runs.push(run);
        if is_end {
            return runs;
        }
        text = rest;
    }
}

fn run(text: &str) -> (Run<'_>, &str) {
    if let Some((number, rest)) = number(text) {
        return (Run::Number(number), rest);
    }
    match text.as_bytes().first() {
        None => (Run::End, ""),
        Some(b'~') => (Run::Tilde, &text[1..]),
        Some(b'^') => (Run::Caret, &text[1..]),
        Some(_) => {
            let (letters, rest) = cut(text, |byte| byte.is_ascii_alphabetic());
            (Run::Letters(letters), rest)
        }
    }
}
