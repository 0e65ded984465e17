//! How bad something is, by numbers and by words.

use std::fmt;
use std::str::FromStr;

use cvss::Cvss;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Severity {
    /// The word for it: the distribution's or database's own, else the one that goes with the score.
    pub label: Label,
    /// CVSS base score in tenths, 0 to 100: 98 is 9.8. None if the source has words only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_tenths: Option<u8>,
}

/// A word for it, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Of no consequence where it is: Debian's `unimportant`, Ubuntu's `negligible`.
    Unimportant,
    /// Low.
    Low,
    /// Medium, also called moderate.
    Medium,
    /// High, also called important.
    High,
    /// Critical.
    Critical,
}

/// The longest vector of CVSS 4.0 with every optional metric has about 250 characters.
const VECTOR_CHARS_MAX: usize = 512;

impl Severity {
    /// From a CVSS vector (`CVSS:3.1/AV:N/…`, 2.0 to 4.0); none if it is none.
    pub fn of_vector(vector: &str) -> Option<Self> {
        let vector = Some(vector.trim()).filter(|vector| vector.len() <= VECTOR_CHARS_MAX)?;
        let tenths = (vector.parse::<Cvss>().ok()?.score() * 10.0).round().clamp(0.0, 100.0) as u8;
        Some(Self { label: Label::of_score(tenths), score_tenths: Some(tenths) })
    }

    /// From a word alone.
    pub fn of_label(label: Label) -> Self {
        Self { label, score_tenths: None }
    }
}

impl Label {
    /// The word for a score. Source: CVSS 3.1, section 5; a score of 0 has no word there.
    fn of_score(tenths: u8) -> Self {
        match tenths {
            0 => Self::Unimportant,
            1..=39 => Self::Low,
            40..=69 => Self::Medium,
            70..=89 => Self::High,
            _ => Self::Critical,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unimportant => "unimportant",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no word for how bad something is (`not yet assigned`, `end-of-life`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say how bad it is")]
pub struct LabelError(pub String);

impl FromStr for Label {
    type Err = LabelError;

    /// Reads the words of GitHub, Red Hat, SUSE, Debian and Ubuntu, in whatever case.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "unimportant" | "negligible" | "none" => Ok(Self::Unimportant),
            "low" => Ok(Self::Low),
            "medium" | "moderate" => Ok(Self::Medium),
            "high" | "important" => Ok(Self::High),
            "critical" => Ok(Self::Critical),
            _ => Err(LabelError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vectors_have_the_scores_of_their_specifications() {
        //    vector, from the examples of the specifications and the National Vulnerability Database         tenths  word
        for (vector, tenths, label) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98, Label::Critical),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100, Label::Critical),
            ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H", 55, Label::Medium),
            ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 31, Label::Low),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, Label::Unimportant),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93, Label::Critical),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 75, Label::High),
        ] {
            assert_eq!(Severity::of_vector(vector), Some(Severity { label, score_tenths: Some(tenths) }), "{vector}");
        }
        for vector in ["", "medium", "CVSS:3.1", "CVSS:9.9/AV:N", &"A".repeat(600)] {
            assert_eq!(Severity::of_vector(vector), None, "{vector}");
        }
    }

    #[test]
    fn words_of_every_source_mean_the_same() {
        assert_eq!("MODERATE".parse(), Ok(Label::Medium));
        assert_eq!("Important".parse(), Ok(Label::High));
        assert_eq!("negligible".parse(), Ok(Label::Unimportant));
        assert!("not yet assigned".parse::<Label>().is_err());
    }

    proptest! {
        #[test]
        fn no_vector_breaks_anything(vector in "(CVSS:[234]\\.[01]/)?([A-Z]{1,3}:[A-Z]{1,2}/?){0,14}", any in ".{0,80}") {
            let _ = Severity::of_vector(&vector);
            let _ = Severity::of_vector(&any);
        }
    }
}
