//! What is wrong with a pipeline, and where: one [`Finding`] for each mistake, all of them together.

use std::ops::Range;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The estate cannot be used before it is mended.
    Error,
    /// The estate can be used, but not quite as written.
    Warning,
}

/// One mistake or doubt, with the place that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it stops refit.
    pub severity: Severity,
    /// The file, as the user would name it.
    pub file: String,
    /// The line, counted from 1; 0 if it is about a folder.
    pub line: u32,
    /// The column in characters, counted from 1; 0 if it is about a folder.
    pub column: u32,
    /// The path of keys to it: `services.web.ports[0]`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what was expected, in lower case and without a full stop.
    pub message: String,
    /// The next move.
    pub help: Option<String>,
    /// The bytes of the file that it is about; empty if no text can be shown.
    #[serde(skip)]
    pub span: Range<usize>,
}

impl Finding {
    /// Whether it stops refit.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A place in a text, in every unit that a reader may want.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Findings as they come. Bounded: nobody reads the thousandth, and a broken generator can make millions.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
}

/// More findings than these are not kept.
const FINDINGS_MAX: usize = 1_000;

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        }
    }

    /// An error at the value of a cursor.
    pub(super) fn error(&mut self, at: &super::at::At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(at.finding(Severity::Error, at.spot(), message.into(), help.into()));
    }

    /// An error at the key of a cursor.
    pub(super) fn error_at_key(&mut self, at: &super::at::At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(at.finding(Severity::Error, at.key_spot(), message.into(), help.into()));
    }

    /// A warning at the value of a cursor.
    pub(super) fn warning(&mut self, at: &super::at::At<'_>, message: impl Into<String>, help: impl Into<String>) {
        self.add(at.finding(Severity::Warning, at.spot(), message.into(), help.into()));
    }

    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(Finding::is_error)
    }

    /// All of them in the order in which a reader meets them, each once.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort_by(|a, b| (&a.file, a.line, a.column, &a.key, &a.message).cmp(&(&b.file, b.line, b.column, &b.key, &b.message)));
        // An anchor that is used in several places is wrong only once.
        self.list.dedup_by(|a, b| (&a.file, &a.span, &a.message) == (&b.file, &b.span, &b.message) && !a.span.is_empty());
        self.list
    }
}
