//! Reads a whole Dockerfile: first every instruction, then what the references mean.

use std::collections::BTreeMap;
use std::ops::Range;

use super::directive::{self, Directive, Directives};
use super::instruction::{self, Instruction, Reach, Why};
use super::lines::{self, Joined, Lines};
use super::resolve;
use super::types::{Dockerfile, RefKind, Stage};
use super::{heredoc, text};

/// What a Dockerfile is read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Build arguments; each counts where the file has an ARG of its name, or where BuildKit predefines one.
    pub build_args: BTreeMap<String, String>,
    /// The platform that is built, by its normal name: `linux/amd64` unless said otherwise.
    pub platform: String,
    /// The platform that is built on: `linux/amd64` unless said otherwise.
    pub build_platform: String,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { build_args: BTreeMap::new(), platform: "linux/amd64".to_owned(), build_platform: "linux/amd64".to_owned() }
    }
}

/// Why BuildKit refuses a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum DockerfileError {
    /// A line breaks a rule.
    #[error("line {line}: {why}")]
    #[diagnostic(help("BuildKit refuses this file too; see the reference of the Dockerfile's format for what may stand there"))]
    Refused {
        /// The line on which the instruction begins, counted from 1.
        line: u32,
        /// What is wrong with it.
        why: String,
    },
    /// There is no instruction in it.
    #[error("it has no instructions")]
    #[diagnostic(help("a Dockerfile begins with `FROM image`"))]
    Empty,
    /// There are ARGs and nothing else.
    #[error("it has no FROM, so there is nothing to build")]
    #[diagnostic(help("a Dockerfile begins with `FROM image`; only ARGs may stand before it"))]
    NoStages,
}

/// A reference before it is known what it means.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stage: usize,
    pub(super) kind: RefKind,
    pub(super) raw: Vec<u8>,
    pub(super) span: Range<usize>,
    pub(super) line: u32,
    pub(super) onbuild: bool,
}

/// An ARG in front of the first FROM.
#[derive(Debug)]
pub(super) struct GlobalArg {
    pub(super) line: u32,
    pub(super) name: String,
    pub(super) value: Option<Vec<u8>>,
}

/// All instructions, as far as they matter.
#[derive(Debug, Default)]
pub(super) struct Instructions {
    pub(super) escape: u8,
    pub(super) args: Vec<GlobalArg>,
    pub(super) stages: Vec<Stage>,
    pub(super) found: Vec<Found>,
    any: bool,
}

/// Reads a Dockerfile as BuildKit's own frontend does.
///
/// What that refuses is an error; a reference that cannot be told (an ARG without a default) is none, but
/// [`RefTarget::Unresolved`](super::RefTarget::Unresolved). Never panics, and takes time in proportion to the file.
pub fn read(text: &[u8], options: &ReadOptions) -> Result<Dockerfile, DockerfileError> {
    let instructions = instructions(text)?;
    if instructions.stages.is_empty() {
        return Err(DockerfileError::NoStages);
    }
    resolve::resolve(instructions, directive::syntax(text), options)
}

fn refused(line: u32, why: impl Into<String>) -> DockerfileError {
    DockerfileError::Refused { line, why: why.into() }
}

fn too_long(lines: &Lines<'_>) -> Result<(), DockerfileError> {
    if lines.too_long { Err(refused(lines.number + 1, format!("the line is longer than {} bytes", lines::LINE_BYTES_MAX - 1))) } else { Ok(()) }
}

fn instructions(file: &[u8]) -> Result<Instructions, DockerfileError> {
    let mut out = Instructions { escape: b'\\', ..Instructions::default() };
    let mut lines = Lines::new(file);
    let mut directives = Directives::default();
    let mut joined = Joined::default();
    while let Some((at, raw)) = lines.next() {
        let line = text::trim_newline(raw);
        let body = text::trim_start(line);
        if !directives.done() {
            out.escape = directive(&mut directives, body, lines.number, out.escape)?;
        }
        if body.is_empty() || body[0] == b'#' {
            continue;
        }
        joined.clear();
        let (piece, mut more) = lines::continued(body, out.escape);
        joined.push(piece, at + text::offset(raw, body), lines.number);
        let start = lines.number;
        while more && let Some((at, raw)) = lines.next() {
            let line = text::trim_newline(raw);
            if lines::is_comment(line) || text::trim_start(line).is_empty() {
                continue;
            }
            let (piece, goes_on) = lines::continued(line, out.escape);
            joined.push(piece, at, lines.number);
            more = goes_on;
        }
        instruction(&mut out, &joined, start, &mut lines)?;
    }
    too_long(&lines)?;
    if out.any { Ok(out) } else { Err(DockerfileError::Empty) }
}

fn directive(directives: &mut Directives, line: &[u8], number: u32, escape: u8) -> Result<u8, DockerfileError> {
    match directives.line(line, "#") {
        Ok(Some(Directive::Escape(b"\\"))) => Ok(b'\\'),
        Ok(Some(Directive::Escape(b"`"))) => Ok(b'`'),
        Ok(Some(Directive::Escape(other))) => {
            Err(refused(number, format!("`# escape` is a backslash or a backtick, and not {:?}", text::to_string(other))))
        }
        Ok(_) => Ok(escape),
        Err(repeated) => Err(refused(number, format!("`# {}` stands twice", repeated.0))),
    }
}

/// Takes in one instruction, and passes over the heredocs behind it.
fn instruction(out: &mut Instructions, joined: &Joined, line: u32, lines: &mut Lines<'_>) -> Result<(), DockerfileError> {
    let refuse = |why: Why| refused(line, why);
    out.any = true;
    let parsed = instruction::parse(&joined.text, out.escape).map_err(refuse)?;
    if parsed.takes_heredocs() {
        for heredoc in heredoc::in_line(&joined.text).map_err(|error| refused(line, error.to_string()))? {
            skip(&heredoc, lines, line)?;
        }
    }
    let instruction = parsed.check().map_err(refuse)?;
    if out.stages.is_empty() && parsed.needs_stage() {
        return Err(refused(line, "only ARG may stand before the first FROM"));
    }
    match instruction {
        Instruction::From(reach, name) => {
            out.stages.push(Stage { name, line });
            found(out, joined, reach, false);
        }
        Instruction::Arg(pairs) if out.stages.is_empty() => {
            out.args.extend(pairs.into_iter().map(|(name, value)| GlobalArg { line, name, value }));
        }
        Instruction::Arg(_) => {}
        Instruction::Other(reaches) => reaches.into_iter().for_each(|reach| found(out, joined, reach, false)),
        Instruction::Onbuild(reaches) => reaches.into_iter().for_each(|reach| found(out, joined, reach, true)),
    }
    Ok(())
}

fn skip(heredoc: &heredoc::Heredoc, lines: &mut Lines<'_>, line: u32) -> Result<(), DockerfileError> {
    while let Some((_, raw)) = lines.next() {
        if heredoc.ends_at(text::trim_newline(raw)) {
            return Ok(());
        }
    }
    too_long(lines)?;
    Err(refused(line, format!("the heredoc has no end: no line {:?} follows", heredoc.name)))
}

fn found(out: &mut Instructions, joined: &Joined, reach: Reach, onbuild: bool) {
    let line = joined.number(reach.place.start);
    let span = joined.in_file(reach.place);
    out.found.push(Found { stage: out.stages.len() - 1, kind: reach.kind, raw: reach.raw, span, line, onbuild });
}
