//! Numbers as versions have them: of any length, with or without leading zeros.

/// A run of digits, by its value. However long it is, it is compared and never counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number<'a> {
    // Without leading zeros more digits is more, so the length goes first.
    length: usize,
    digits: &'a str,
}

impl<'a> Number<'a> {
    pub(super) const ZERO: Number<'static> = Number { length: 0, digits: "" };

    /// The number that these digits are; no digits are zero.
    pub(super) fn new(digits: &'a str) -> Self {
        let digits = digits.trim_start_matches('0');
        Self { length: digits.len(), digits }
    }

    pub(super) fn is_zero(self) -> bool {
        self.length == 0
    }
}

/// Cuts what is of one sort off the front: it and the rest.
pub(super) fn cut(text: &str, is_sort: impl Fn(u8) -> bool) -> (&str, &str) {
    // Only ASCII is ever of a sort, or the whole of another alphabet: a cut is never inside a character.
    let at = text.bytes().position(|byte| !is_sort(byte)).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Cuts the digits off the front.
pub(super) fn digits(text: &str) -> (&str, &str) {
    cut(text, |byte| byte.is_ascii_digit())
}

/// Cuts a number off the front, if there is one.
pub(super) fn number(text: &str) -> Option<(Number<'_>, &str)> {
    let (found, rest) = digits(text);
    (!found.is_empty()).then(|| (Number::new(found), rest))
}

/// One step of a text that follows no rules: numbers by value, the rest by its letters.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'a> {
    Text(&'a str),
    Number(Number<'a>),
}

/// The order in which a person would put texts with numbers in them: for versions that follow no rules.
pub(super) fn natural(mut text: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while !text.is_empty() {
        let (step, rest) = match number(text) {
            Some((number, rest)) => (Step::Number(number), rest),
            None => {
                let (words, rest) = cut(text, |byte| !byte.is_ascii_digit());
                (Step::Text(words), rest)
            }
        };
        steps.push(step);
        text = rest;
    }
    steps
}
