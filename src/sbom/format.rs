//! Which documents there are, by name.

use std::fmt;
use std::io;
use std::str::FromStr;

use super::{Subject, cyclonedx, spdx};

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// CycloneDX 1.6 as JSON. Source: ECMA-424, and the project's `bom-1.6.schema.json`.
    CycloneDx,
    /// SPDX 2.3 as JSON. Source: the SPDX specification 2.3, and its `spdx-schema.json`.
    Spdx,
}

/// The text names no kind of document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of document: expected one of cyclonedx, spdx")]
pub struct FormatError(pub String);

impl Format {
    /// All of them, in order.
    pub const ALL: [Self; 2] = [Self::CycloneDx, Self::Spdx];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CycloneDx => "cyclonedx",
            Self::Spdx => "spdx",
        }
    }

    /// Its media type. Source: IANA's registrations `application/vnd.cyclonedx+json` and `application/spdx+json`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::CycloneDx => "application/vnd.cyclonedx+json; version=1.6",
            Self::Spdx => "application/spdx+json",
        }
    }

    /// Writes the document, indented, with a line end behind it. Errors only as `out` does.
    pub fn write(self, subject: &Subject, mut out: impl io::Write) -> io::Result<()> {
        match self {
            Self::CycloneDx => serde_json::to_writer_pretty(&mut out, &cyclonedx::document(subject))?,
            Self::Spdx => serde_json::to_writer_pretty(&mut out, &spdx::document(subject))?,
        }
        out.write_all(b"\n")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| FormatError(text.to_owned()))
    }
}
