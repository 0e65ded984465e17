//! Which tags a base follows beside the one that its name says.

use std::fmt;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

/// Of all tags of a repository, the newest that a rule admits: what a base whose name says one tag stands for.
///
/// A base `python:3.12` that follows `^3.12` is, wherever a Dockerfile names it, the newest tag of `python` that is a 3.12 or later and below 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// Versions within a range.
    Semver {
        /// The range, in Cargo's words: `^3.12`, `~1.27.0`, `>=12, <14`. One that names no pre-release admits none.
        #[schemars(with = "String")]
        range: VersionReq,
        /// What stands before the version: `v`, `bookworm-`.
        prefix: String,
        /// What stands behind it: `-slim`.
        suffix: String,
    },
    /// Tags of a form.
    Regex {
        /// The form of the whole tag.
        pattern: TagPattern,
        /// Which of two is newer.
        order: TagOrder,
    },
}

/// Which of two tags is the newer one. What is compared is the first group of the pattern, or the whole tag if the pattern has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagOrder {
    /// Digits that stand together count as one number: `r9` before `r10`.
    #[default]
    Numeric,
    /// Character by character.
    Alpha,
    /// As versions; a tag that is none does not count.
    Semver,
}

/// A pattern that a whole tag must match.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TagPattern {
    text: String,
    regex: Regex,
}

/// The memory that a compiled pattern may take. Matching takes time in proportion to the tag, whatever the pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl TagPattern {
    /// Compiles a pattern. The error says what is wrong with it, on one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole = format!("^(?:{text})$");
        match RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build() {
            // One that is right only between the brackets, such as `a)|(b`, would not be what it looks like.
            Ok(regex) if Regex::new(text).is_ok() => Ok(Self { text: text.to_owned(), regex }),
            Ok(_) => Err("a bracket is closed that was not opened".to_owned()),
            Err(regex::Error::CompiledTooBig(_)) => Err("it is too large: repeat less often".to_owned()),
            Err(error) => Err(last_line(&error.to_string())),
        }
    }

    /// The part of a tag that tells its age: the first group, or all of it; none if the tag does not match.
    pub fn part_of<'t>(&self, tag: &'t str) -> Option<&'t str> {
        let found = self.regex.captures(tag)?;
        found.get(1).or_else(|| found.get(0)).map(|part| part.as_str())
    }
}

/// The parser draws the pattern on several lines with a mark below; its last line says the reason.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl TryFrom<String> for TagPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<TagPattern> for String {
    fn from(pattern: TagPattern) -> String {
        pattern.text
    }
}

impl PartialEq for TagPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TagPattern {}

impl fmt::Debug for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_held_against_the_whole_tag() {
        for (pattern, tag, part) in [
            (r"bookworm-\d{8}-slim", "bookworm-20260901-slim", Some("bookworm-20260901-slim")),
            (r"^bookworm-(\d{8})-slim$", "bookworm-20260901-slim", Some("20260901")),
            (r"\d{8}", "bookworm-20260901", None),
            ("3.12", "3.12-rc", None),
            ("a|b", "ab", None),
            ("(x)?y", "y", Some("y")),
        ] {
            assert_eq!(TagPattern::parse(pattern).unwrap().part_of(tag), part, "{pattern} {tag}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_reason() {
        for (pattern, reason) in [
            ("(", "unclosed group"),
            ("a)|(b", "a bracket is closed that was not opened"),
            (r"(?:\d{9999}){9999}", "it is too large: repeat less often"),
        ] {
            assert_eq!(TagPattern::parse(pattern).unwrap_err(), reason, "{pattern}");
        }
    }

    #[test]
    fn a_rule_survives_its_text() {
        let pattern = TagPattern::parse(r"v(\d+)").unwrap();
        for rule in [
            Follow::Semver { range: "^3.12".parse().unwrap(), prefix: "v".into(), suffix: "-slim".into() },
            Follow::Regex { pattern, order: TagOrder::Alpha },
        ] {
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Follow>(&text).unwrap(), rule, "{text}");
        }
        assert!(serde_json::from_str::<Follow>(r#"{ "regex": { "pattern": "(", "order": "alpha" } }"#).is_err());
    }
}
