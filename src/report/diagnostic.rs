//! Findings as people read them: the text that each one is about, an arrow, and the next move.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::Printer;
use crate::pipeline::{Finding, PipelineText, Severity};

/// Writes findings to stderr, each with its piece of text, and a line that counts them.
pub fn print(findings: &[Finding], files: &[PipelineText], printer: &mut Printer) {
    if findings.is_empty() {
        return;
    }
    let text = render(findings, files, printer.colour && printer.live);
    printer.err(text.trim_end());
}

/// Findings as [`print`] writes them.
pub fn as_lines(findings: &[Finding], files: &[PipelineText]) -> String {
    render(findings, files, false)
}

/// The findings as `refit check` prints them.
pub fn render(findings: &[Finding], files: &[PipelineText], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_context_lines(0).with_wrap_lines(false).with_links(false);
    let sources: BTreeMap<&str, Lines<'_>> = files.iter().map(|file| (file.file.as_str(), Lines::of(file))).collect();
    let mut text = String::new();
    for finding in findings {
        let shown = Shown { finding, source: sources.get(finding.file.as_str()) };
        if handler.render_report(&mut text, &shown).is_err() {
            let _ = write!(text, "{}:{}:{}: {}", finding.file, finding.line, finding.column, finding.message);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", count(findings));
    text
}

/// `2 errors, 1 warning`.
fn count(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    let words = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (_, 0) => words(errors, "error"),
        (0, _) => words(warnings, "warning"),
        _ => format!("{}, {}", words(errors, "error"), words(warnings, "warning")),
    }
}

/// A file of which whole lines are shown, and only those that a finding is about.
#[derive(Debug)]
struct Lines<'a> {
    file: &'a PipelineText,
    /// Where each line begins: counted once, since a file can have many findings.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(file: &'a PipelineText) -> Self {
        let behind = file.text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { file, starts: std::iter::once(0).chain(behind).collect() }
    }
}

impl SourceCode for Lines<'_> {
    fn read_span<'a>(&'a self, span: &SourceSpan, _before: usize, _after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.file.text.as_str();
        let (from, to) = (span.offset(), span.offset() + span.len());
        let (Some(_), Some(behind)) = (text.get(..from), text.get(to..)) else { return Err(MietteError::OutOfBounds) };
        let line = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let end = behind.find(['\r', '\n']).map_or(text.len(), |newline| to + newline);
        let (start, end) = clipped(text, start, end, from, to);
        let column = text[start..from].chars().count();
        let data = &text.as_bytes()[start..end];
        let shown = SourceSpan::from((start, end - start));
        Ok(Box::new(MietteSpanContents::new_named(self.file.file.clone(), data, shown, line, column, 1)))
    }
}

/// A line can be megabytes long; this much of it on either side of what a finding is about is enough to know it again.
const CLIP_BYTES: usize = 200;

fn clipped(text: &str, start: usize, end: usize, from: usize, to: usize) -> (usize, usize) {
    let (mut first, mut last) = (start.max(from.saturating_sub(CLIP_BYTES)), end.min(to.saturating_add(CLIP_BYTES)));
    while !text.is_char_boundary(first) {
        first -= 1;
    }
    while !text.is_char_boundary(last) {
        last += 1;
    }
    (first, last)
}

/// A finding in miette's words.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    source: Option<&'a Lines<'a>>,
}

impl Shown<'_> {
    /// A short question stands at the arrow itself; anything longer gets its own line.
    fn label(&self) -> Option<String> {
        self.finding.help.clone().filter(|help| self.shows_text() && help.starts_with("did you mean") && help.ends_with('?'))
    }

    fn shows_text(&self) -> bool {
        self.source.is_some() && !self.finding.span.is_empty()
    }
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.finding.message)?;
        // Without an excerpt the place must be said in words.
        let place = format!("{}:{}", self.finding.file, self.finding.line);
        if !self.shows_text() && !self.finding.message.contains(&place) {
            match self.source {
                Some(_) => write!(f, " ({}:{}:{})", self.finding.file, self.finding.line, self.finding.column)?,
                None if self.finding.line > 0 => write!(f, " ({place})")?,
                None => write!(f, " ({})", self.finding.file)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'h>(&'h self) -> Option<Box<dyn std::fmt::Display + 'h>> {
        if self.label().is_some() { None } else { self.finding.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>) }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        if self.shows_text() { self.source.map(|source| source as &dyn SourceCode) } else { None }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if !self.shows_text() {
            return None;
        }
        let key = Some(self.finding.key.clone()).filter(|key| !key.is_empty()).map(|key| format!("`{key}`"));
        let label = LabeledSpan::new_with_span(self.label().or(key), self.finding.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
#[path = "diagnostic_tests.rs"]
mod tests;
