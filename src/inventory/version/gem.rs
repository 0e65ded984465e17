//! Ruby's order: numbers and words between dots; a word is before a number, and a version that ends goes on with zeros.
//!
//! Source: the documentation of `Gem::Version`. `-` begins a pre-release: `1.0-x` is `1.0.pre.x`.

use std::cmp::Ordering;

use super::number::{Number, cut, number};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Word(&'a str),
    Number(Number<'a>),
}

/// What a version goes on with where it has ended.
const END: Segment<'static> = Segment::Number(Number::ZERO);

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (canonical(a), canonical(b));
    let order = |at: usize| a.get(at).unwrap_or(&END).cmp(b.get(at).unwrap_or(&END));
    (0..a.len().max(b.len())).map(order).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Segments without the zeros that say nothing: those before the first word, and those at the end.
fn canonical(text: &str) -> Vec<Segment<'_>> {
    let segments = segments(text.trim());
    let words = segments.iter().position(|segment| matches!(segment, Segment::Word(_))).unwrap_or(segments.len());
    let (numbers, words) = segments.split_at(words);
    without_zeros(numbers).iter().chain(without_zeros(words)).copied().collect()
}

fn segments(mut text: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    while let Some(first) = text.bytes().next() {
        if let Some((number, rest)) = number(text) {
            segments.push(Segment::Number(number));
            text = rest;
            continue;
        }
        if first == b'-' {
            segments.push(Segment::Word("pre"));
        }
        let is_separator = matches!(first, b'.' | b'-');
        let (word, rest) = if is_separator { ("", &text[1..]) } else { cut(text, |byte| !byte.is_ascii_digit() && byte != b'.' && byte != b'-') };
        segments.extend((!word.is_empty()).then_some(Segment::Word(word)));
        text = rest;
    }
    segments
}

fn without_zeros<'a, 'b>(segments: &'b [Segment<'a>]) -> &'b [Segment<'a>] {
    let last = segments.iter().rposition(|segment| !matches!(segment, Segment::Number(number) if number.is_zero()));
    &segments[..last.map_or(0, |last| last + 1)]
}
