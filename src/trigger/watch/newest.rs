//! Of all tags of a repository, the newest that a base's rule admits.

use std::cmp::Ordering;

use semver::{Prerelease, Version};

use crate::pipeline::{Follow, TagOrder};

/// The newest of these tags that `rule` admits; none if it admits none of them.
///
/// * Versions have one to three numbers, missing ones being 0 and leading zeros allowed (`24.04`), and maybe a pre-release behind a `-`. A tag that says
///   more wins over one that says the same in fewer numbers (`3.12.0` over `3.12`), since the short ones move.
/// * `sha256-…` names what belongs to another image (signatures, attestations), so no rule admits it.
/// * Ties go to the tag that is last in the order of characters, so that the answer does not depend on the order of the list.
pub fn newest<'t>(rule: &Follow, tags: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    let admitted = tags.into_iter().filter(|tag| !tag.starts_with("sha256-"));
    admitted.filter_map(|tag| Some((age(rule, tag)?, tag))).max().map(|(_, tag)| tag)
}

/// What tells the age of a tag; later is greater.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age<'t> {
    /// A version, and how many numbers were written.
    Version(Version, usize),
    Numbers(Numeric<'t>),
    Text(&'t str),
}

fn age<'t>(rule: &Follow, tag: &'t str) -> Option<Age<'t>> {
    match rule {
        Follow::Semver { range, prefix, suffix } => {
            let (version, numbers) = version(tag.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?)?;
            range.matches(&version).then_some(Age::Version(version, numbers))
        }
        Follow::Regex { pattern, order } => {
            let part = pattern.part_of(tag)?;
            match order {
                TagOrder::Numeric => Some(Age::Numbers(Numeric(part))),
                TagOrder::Alpha => Some(Age::Text(part)),
                TagOrder::Semver => version(part).map(|(version, numbers)| Age::Version(version, numbers)),
            }
        }
    }
}

/// Reads `3`, `3.12`, `3.12.1`, `3.12.1-rc2`, and says how many numbers there were.
fn version(text: &str) -> Option<(Version, usize)> {
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    let mut parts = [0_u64; 3];
    let mut count = 0;
    for part in core.split('.') {
        // `parse` alone would take a sign.
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *parts.get_mut(count)? = part.parse().ok().filter(|_| is_number)?;
        count += 1;
    }
    if text.ends_with('-') {
        return None;
    }
    let [major, minor, patch] = parts;
    Some((Version { pre: Prerelease::new(pre).ok()?, ..Version::new(major, minor, patch) }, count))
}

/// A text in which digits that stand together count as one number, however long.
#[derive(Debug, PartialEq, Eq)]
struct Numeric<'t>(&'t str);

impl Ord for Numeric<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let pieces = self.pieces().zip(other.pieces()).map(|(a, b)| compare(a, b));
        let first = pieces.into_iter().find(|order| order.is_ne());
        // Equal as far as both go: the longer one says more. `01` and `1` are the same number, and told apart by their text.
        first.unwrap_or_else(|| self.pieces().count().cmp(&other.pieces().count()).then_with(|| self.0.cmp(other.0)))
    }
}

impl PartialOrd for Numeric<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'t> Numeric<'t> {
    /// Runs of digits and what stands between them.
    fn pieces(&self) -> impl Iterator<Item = &'t [u8]> {
        self.0.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
    }
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let is_number = |piece: &[u8]| piece.first().is_some_and(u8::is_ascii_digit);
    if is_number(a) && is_number(b) {
        let (a, b) = (significant(a), significant(b));
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    a.cmp(b)
}

/// A number without its leading zeros.
fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::TagPattern;

    fn semver(range: &str, prefix: &str, suffix: &str) -> Follow {
        Follow::Semver { range: range.parse().unwrap(), prefix: prefix.into(), suffix: suffix.into() }
    }

    fn regex(pattern: &str, order: TagOrder) -> Follow {
        Follow::Regex { pattern: TagPattern::parse(pattern).unwrap(), order }
    }

    #[track_caller]
    fn check(rule: &Follow, tags: &str, expected: &str) {
        let expected = Some(expected).filter(|tag| !tag.is_empty());
        assert_eq!(newest(rule, tags.split(' ')), expected, "{rule:?} of {tags}");
        assert_eq!(newest(rule, tags.split(' ').rev()), expected, "{rule:?} of {tags}, backwards");
    }

    #[test]
    fn the_newest_version_within_the_range_counts() {
        let python = semver("^3.12", "", "-slim");
        check(&python, "3.12.1-slim 3.9.20-slim 3.12.10-slim 3.12.10 3.12.9-slim 4.0.0-slim latest slim", "3.12.10-slim");
        check(&python, "3-slim 3.12-slim 3.12.0-slim 3.11.9-slim", "3.12.0-slim");
        check(&python, "3.13-slim 3.12.7-slim", "3.13-slim");
        check(&python, "3.12.1 3.12.1-slim-bookworm latest", "");
        check(&python, "", "");
        check(&semver("~1.27", "v", ""), "v1.27.1 v1.27.10 1.27.11 v1.28.0 v1.27.12-rc1", "v1.27.10");
        check(&semver(">=12, <14", "", ""), "11.9 12.5 13.1 14.0", "13.1");
        check(&semver("^24", "", ""), "22.04 24.04 24.10 24.010.1", "24.010.1");
        check(&semver("^1", "", ""), "1.2.3.4 +1.0.0 1..2 1.2- -1 1. .1 99999999999999999999 1.x sha256-1", "");
    }

    #[test]
    fn a_pre_release_counts_only_where_the_range_names_one() {
        check(&semver("^3.13", "", ""), "3.12.1 3.13.0-rc1", "");
        check(&semver(">=3.13.0-rc1", "", ""), "3.12.1 3.13.0-rc1 3.13.0-rc2", "3.13.0-rc2");
        check(&semver(">=3.13.0-rc1", "", ""), "3.13.0-rc1 3.13.0", "3.13.0");
    }

    #[test]
    fn a_pattern_admits_and_an_order_decides() {
        let debian = regex(r"bookworm-\d{8}-slim", TagOrder::Numeric);
        check(
            &debian,
            "bookworm-20250901-slim bookworm-20260113-slim bookworm-20260901 trixie-20270101-slim bookworm-slim",
            "bookworm-20260113-slim",
        );
        check(&regex(r"r(\d+)", TagOrder::Numeric), "r9 r10 r010 r2", "r10");
        check(&regex(r"r\d+", TagOrder::Alpha), "r9 r10 r2", "r9");
        check(&regex(r"(\d{4}-\d\d)-.*", TagOrder::Numeric), "2026-01-zulu 2026-02-alpha", "2026-02-alpha");
        check(&regex(r"release-(.*)", TagOrder::Semver), "release-1.9.0 release-1.10.0-rc1 release-next release-1.10.0-rc2", "release-1.10.0-rc2");
        check(&regex(".*", TagOrder::Numeric), "a sha256-ff.sig", "a");
        check(&regex(r"\d+", TagOrder::Numeric), "99999999999999999999999 100000000000000000000000", "100000000000000000000000");
    }

    proptest! {
        /// Whatever the tags, the answer is one of them and does not depend on their order.
        #[test]
        fn the_answer_is_one_of_the_tags_in_any_order(mut tags in prop::collection::vec("[a-z0-9._-]{0,12}", 0..20), pick in 0usize..4) {
            let rules = [semver(">=0", "", ""), regex(".*", TagOrder::Numeric), regex("[a-z]*(.*)", TagOrder::Alpha), regex(".*", TagOrder::Semver)];
            let first = newest(&rules[pick], tags.iter().map(String::as_str)).map(str::to_owned);
            tags.sort();
            let again = newest(&rules[pick], tags.iter().map(String::as_str)).map(str::to_owned);
            prop_assert_eq!(&first, &again);
            prop_assert!(first.is_none_or(|tag| tags.contains(&tag)));
        }

        /// Ordering by numbers is an ordering: no three tags go round in a ring.
        #[test]
        fn by_numbers_is_an_order(a in "[a-c0-2.]{0,5}", b in "[a-c0-2.]{0,5}", c in "[a-c0-2.]{0,5}") {
            let (x, y, z) = (Numeric(&a), Numeric(&b), Numeric(&c));
            prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
            prop_assert!(!(x <= y && y <= z) || x <= z, "{} {} {}", a, b, c);
            prop_assert_eq!(x.cmp(&y).is_eq(), a == b);
        }
    }
}
