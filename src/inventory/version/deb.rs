//! Debian's order: `[epoch:]upstream[-revision]`, letters and numbers in turn, `~` before everything, even before the end.
//!
//! Source: deb-version(7) and Debian policy 5.6.12.

use std::cmp::Ordering;

use super::number::{Number, cut, digits};

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, rest_a), (epoch_b, rest_b)) = (epoch(a), epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (revision(rest_a), revision(rest_b));
    epoch_a.cmp(&epoch_b).then_with(|| part(upstream_a, upstream_b)).then_with(|| part(revision_a, revision_b))
}

/// What is no number before a colon is no epoch, and then a part of the version.
fn epoch(text: &str) -> (Number<'_>, &str) {
    let (epoch, rest) = digits(text);
    rest.strip_prefix(':').filter(|_| !epoch.is_empty()).map_or((Number::ZERO, text), |rest| (Number::new(epoch), rest))
}

fn revision(text: &str) -> (&str, &str) {
    text.rsplit_once('-').unwrap_or((text, ""))
}

/// Words and numbers in turn; a part that has ended goes on with no word and zero.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let ((word_a, rest_a), (word_b, rest_b)) = (word(a), word(b));
        let ((number_a, next_a), (number_b, next_b)) = (digits(rest_a), digits(rest_b));
        let order = words(word_a, word_b).then_with(|| Number::new(number_a).cmp(&Number::new(number_b)));
        if order.is_ne() {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

fn word(text: &str) -> (&str, &str) {
    cut(text, |byte| !byte.is_ascii_digit())
}

fn words(a: &str, b: &str) -> Ordering {
    let weights = |text: &str, at: usize| text.as_bytes().get(at).map_or(0, |byte| weight(*byte));
    (0..a.len().max(b.len())).map(|at| weights(a, at).cmp(&weights(b, at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// `~`, the end (zero), letters, and everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        letter if letter.is_ascii_alphabetic() => i32::from(letter),
        other => i32::from(other) + 256,
    }
}
