//! One instruction: what BuildKit demands of it, and what it reaches for.

use std::borrow::Cow;
use std::ops::Range;

use super::flags::{self, Given, Known};
use super::json::{self, Json};
use super::types::RefKind;
use super::words::{self, Command};
use super::{duration, heredoc, mount, text};

/// Why BuildKit refuses an instruction, as a phrase.
pub(super) type Why = Cow<'static, str>;

/// An instruction that BuildKit accepts, as far as inheritance is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// `FROM`: the reference, and the stage's name in lower case (empty if none).
    From(Reach, String),
    /// `ARG`: names, and values before expansion.
    Arg(Vec<(String, Option<Vec<u8>>)>),
    /// Any other, with what it reaches for.
    Other(Vec<Reach>),
    /// `ONBUILD`, with what its trigger reaches for.
    Onbuild(Vec<Reach>),
}

/// A reference as it stands in the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Which instruction it stands in.
    pub(super) kind: RefKind,
    /// Its text, before any expansion.
    pub(super) raw: Vec<u8>,
    /// Its bytes in the line.
    pub(super) place: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

const KINDS: [(&str, Kind); 18] = [
    ("run", Kind::Run),
    ("copy", Kind::Copy),
    ("from", Kind::From),
    ("env", Kind::Env),
    ("arg", Kind::Arg),
    ("workdir", Kind::Workdir),
    ("cmd", Kind::Cmd),
    ("entrypoint", Kind::Entrypoint),
    ("expose", Kind::Expose),
    ("label", Kind::Label),
    ("user", Kind::User),
    ("add", Kind::Add),
    ("volume", Kind::Volume),
    ("healthcheck", Kind::Healthcheck),
    ("shell", Kind::Shell),
    ("onbuild", Kind::Onbuild),
    ("stopsignal", Kind::Stopsignal),
    ("maintainer", Kind::Maintainer),
];

fn kind(name: &[u8]) -> Option<Kind> {
    KINDS.iter().find(|(word, _)| text::is_word(name, word)).map(|(_, kind)| *kind)
}

/// The arguments of an instruction, in the form in which it takes them.
#[derive(Debug)]
enum Args<'a> {
    /// The JSON form.
    Json(Vec<Vec<u8>>),
    /// All of the rest, or words cut from it where they are wanted.
    Rest(&'a [u8]),
    /// Names of an ENV or LABEL.
    Names(Vec<&'a [u8]>),
    /// HEALTHCHECK's type, and its command.
    Health(&'a [u8], Box<Args<'a>>),
}

impl Args<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Args::Json(words) => words.is_empty(),
            Args::Rest(rest) => rest.is_empty(),
            Args::Names(names) => names.is_empty(),
            Args::Health(..) => false,
        }
    }
}

/// An instruction whose words have been cut, not yet checked.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    line: &'a [u8],
    command: Command<'a>,
    kind: Option<Kind>,
    args: Args<'a>,
    trigger: Option<Box<Parsed<'a>>>,
    escape: u8,
}

/// Cuts an instruction's line into words.
pub(super) fn parse(line: &[u8], escape: u8) -> Result<Parsed<'_>, Why> {
    let command = words::split_command(line, escape);
    let kind = kind(command.name);
    let rest = command.rest;
    let mut trigger = None;
    let args = match kind {
        Some(Kind::Add | Kind::Copy | Kind::Volume | Kind::Cmd | Kind::Entrypoint | Kind::Run | Kind::Shell) => maybe_json(rest)?,
        Some(Kind::Env) => Args::Names(names(rest, "ENV", escape)?),
        Some(Kind::Label) => Args::Names(names(rest, "LABEL", escape)?),
        Some(Kind::Healthcheck) => health(rest)?,
        Some(Kind::Onbuild) if !rest.is_empty() => {
            // Refused later in any case; looking no deeper bounds the recursion.
            if self::kind(words::split_command(rest, escape).name) == Some(Kind::Onbuild) {
                return Err("an ONBUILD cannot trigger another ONBUILD".into());
            }
            trigger = Some(Box::new(parse(rest, escape)?));
            Args::Rest(rest)
        }
        _ => Args::Rest(rest),
    };
    Ok(Parsed { line, command, kind, args, trigger, escape })
}

fn maybe_json(rest: &[u8]) -> Result<Args<'_>, Why> {
    match json::read(rest) {
        Json::Strings(words) => Ok(Args::Json(words)),
        Json::Not => Ok(Args::Rest(rest)),
        Json::Others => Err("a JSON array here holds strings only".into()),
    }
}

/// The names that an ENV or LABEL sets.
fn names<'a>(rest: &'a [u8], instruction: &str, escape: u8) -> Result<Vec<&'a [u8]>, Why> {
    let words = words::words(rest, escape);
    let Some(first) = words.first() else { return Ok(words) };
    if !first.contains(&b'=') {
        // The old form: one name, and all the rest is its value.
        return match text::split_at_blank(rest) {
            (name, Some(_)) => Ok(vec![name]),
            (_, None) => Err(format!("{instruction} needs a name and a value").into()),
        };
    }
    words
        .into_iter()
        .map(|word| match memchr::memchr(b'=', word) {
            Some(equals) => Ok(&word[..equals]),
            None => {
                Err(format!("{instruction} has no `=` in {:?}; write name=value, with quotes around a value with blanks", text::to_string(word))
                    .into())
            }
        })
        .collect()
}

fn health(rest: &[u8]) -> Result<Args<'_>, Why> {
    let space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xA0);
    let end = rest.iter().position(space).unwrap_or(rest.len());
    if end == 0 {
        return Ok(Args::Rest(&[]));
    }
    let next = rest[end..].iter().position(|b| !space(b)).map_or(rest.len(), |n| end + n);
    let command = if next == rest.len() { Args::Rest(&[]) } else { maybe_json(&rest[next..])? };
    Ok(Args::Health(&rest[..end], Box::new(command)))
}

impl Parsed<'_> {
    /// Whether heredocs may begin in its line.
    pub(super) fn takes_heredocs(&self) -> bool {
        let inner = self.trigger.as_deref().unwrap_or(self);
        matches!(inner.kind, Some(Kind::Add | Kind::Copy | Kind::Run)) && !matches!(inner.args, Args::Json(_))
    }

    /// Whether a FROM may not come before it; only `ARG` and `FROM` itself may.
    pub(super) fn needs_stage(&self) -> bool {
        !matches!(self.kind, Some(Kind::From | Kind::Arg))
    }

    /// Checks all that BuildKit checks of this instruction alone.
    pub(super) fn check(&self) -> Result<Instruction, Why> {
        let Some(kind) = self.kind else {
            return Err(format!("unknown instruction {}", text::to_string(self.command.name)).into());
        };
        let mut reaches = Vec::new();
        match kind {
            Kind::From => return self.from(),
            Kind::Arg => return self.arg(),
            Kind::Onbuild => return self.onbuild(),
            Kind::Copy => reaches = self.copy("COPY", flags::COPY)?,
            Kind::Add => reaches = self.copy("ADD", flags::ADD)?,
            Kind::Run => reaches = self.run()?,
            Kind::Healthcheck => self.healthcheck()?,
            Kind::Env => self.pairs("ENV")?,
            Kind::Label => self.pairs("LABEL")?,
            Kind::Cmd | Kind::Entrypoint => self.no_flags()?,
            Kind::Maintainer => self.one("MAINTAINER")?,
            Kind::User => self.one("USER")?,
            Kind::Workdir => self.one("WORKDIR")?,
            // Its flags are not looked at.
            Kind::Stopsignal => self.some("STOPSIGNAL")?,
            Kind::Expose => {
                self.some("EXPOSE")?;
                self.no_flags()?;
            }
            Kind::Shell => self.shell()?,
            Kind::Volume => self.volume()?,
        }
        Ok(Instruction::Other(reaches))
    }

    fn flags(&self, known: Known) -> Result<Vec<Given<'_>>, Why> {
        known.check(&self.command.flags).map_err(Why::from)
    }

    fn no_flags(&self) -> Result<(), Why> {
        self.flags(flags::NONE).map(|_| ())
    }

    fn some(&self, name: &str) -> Result<(), Why> {
        if self.args.is_empty() { Err(format!("{name} needs an argument").into()) } else { Ok(()) }
    }

    fn one(&self, name: &str) -> Result<(), Why> {
        self.some(name)?;
        self.no_flags()
    }

    fn pairs(&self, name: &str) -> Result<(), Why> {
        self.one(name)?;
        match &self.args {
            Args::Names(names) if names.iter().any(|n| n.is_empty()) => Err(format!("{name} has a value without a name").into()),
            _ => Ok(()),
        }
    }

    fn from(&self) -> Result<Instruction, Why> {
        let mut args = words::blank_separated(self.command.rest);
        let (base, keyword, name, more) = (args.next(), args.next(), args.next(), args.next());
        let (Some(base), None) = (base, more) else {
            return Err("FROM is written `FROM image` or `FROM image AS name`".into());
        };
        let name = match (keyword, name) {
            (None, None) => String::new(),
            (Some(keyword), Some(name)) if is_as(keyword) => stage_name(name)?,
            _ => return Err("FROM is written `FROM image` or `FROM image AS name`".into()),
        };
        self.flags(flags::FROM)?;
        let at = text::offset(self.line, base);
        Ok(Instruction::From(Reach { kind: RefKind::From, raw: base.to_vec(), place: at..at + base.len() }, name))
    }

    fn arg(&self) -> Result<Instruction, Why> {
        let words = words::words(self.command.rest, self.escape);
        if words.is_empty() {
            return Err("ARG needs a name".into());
        }
        let pair = |word: &[u8]| match memchr::memchr(b'=', word) {
            Some(0) => Err(Why::from("ARG has a value without a name")),
            Some(equals) => Ok((text::to_string(&word[..equals]), Some(word[equals + 1..].to_vec()))),
            None => Ok((text::to_string(word), None)),
        };
        Ok(Instruction::Arg(words.into_iter().map(pair).collect::<Result<_, _>>()?))
    }

    fn onbuild(&self) -> Result<Instruction, Why> {
        let Some(trigger) = &self.trigger else { return Err("ONBUILD needs an instruction".into()) };
        self.no_flags()?;
        if let Some(kind @ (Kind::Maintainer | Kind::From)) = trigger.kind {
            return Err(format!("an ONBUILD cannot trigger a {}", if kind == Kind::From { "FROM" } else { "MAINTAINER" }).into());
        }
        // BuildKit looks no closer until the trigger is pulled, so whatever else is wrong with it is no error here.
        let mut reaches = match trigger.check() {
            Ok(Instruction::Other(reaches)) => reaches,
            _ => Vec::new(),
        };
        let at = text::offset(self.line, trigger.line);
        for reach in &mut reaches {
            reach.place = reach.place.start + at..reach.place.end + at;
        }
        Ok(Instruction::Onbuild(reaches))
    }

    fn copy(&self, name: &str, known: Known) -> Result<Vec<Reach>, Why> {
        let (count, last) = match &self.args {
            Args::Json(words) => (words.len(), words.last().map(Vec::as_slice)),
            _ => (words::blank_separated(self.command.rest).take(2).count(), words::blank_separated(self.command.rest).last()),
        };
        let Some(last) = last.filter(|_| count >= 2) else {
            return Err(format!("{name} needs a source and a destination").into());
        };
        let given = self.flags(known)?;
        if matches!(heredoc::in_word(&text::to_string(last)), Ok(Some(_))) {
            return Err(format!("{name} cannot have a heredoc as its destination").into());
        }
        let from = given.iter().filter(|flag| flag.name == "from" && !flag.value.is_empty());
        Ok(from
            .map(|flag| Reach { kind: RefKind::CopyFrom, raw: flag.value.to_vec(), place: flag.flag.place_of(flag.value_at()..flag.flag.text.len()) })
            .collect())
    }

    fn run(&self) -> Result<Vec<Reach>, Why> {
        let mut reaches = Vec::new();
        for flag in self.flags(flags::RUN)? {
            let shown = || text::to_string(flag.value);
            match flag.name {
                "network" if !matches!(flag.value, b"default" | b"none" | b"host") => {
                    return Err(format!("{:?} is no network mode; write default, none or host", shown()).into());
                }
                "security" if !matches!(flag.value, b"insecure" | b"sandbox") => {
                    return Err(format!("{:?} is no security mode; write sandbox or insecure", shown()).into());
                }
                "device" => mount::check_device(flag.value).map_err(|bad| format!("--device={} cannot be read: {}", shown(), bad.0))?,
                "mount" => {
                    let from = mount::from(flag.value).map_err(|bad| format!("--mount={} cannot be read: {}", shown(), bad.0))?;
                    if let Some((raw, place)) = from {
                        let at = flag.value_at();
                        let place = flag.flag.place_of(at + place.start..at + place.end);
                        reaches.push(Reach { kind: RefKind::MountFrom, raw, place });
                    }
                }
                _ => {}
            }
        }
        Ok(reaches)
    }

    fn healthcheck(&self) -> Result<(), Why> {
        let Args::Health(kind, command) = &self.args else { return Err("HEALTHCHECK needs CMD or NONE".into()) };
        let shell_form = |command: &Args<'_>| matches!(command, Args::Rest(_));
        if text::is_word(kind, "none") {
            return if command.is_empty() { Ok(()) } else { Err("HEALTHCHECK NONE takes no arguments".into()) };
        }
        let given = self.flags(flags::HEALTHCHECK)?;
        if !text::is_word(kind, "cmd") {
            return Err(format!("{:?} is no kind of HEALTHCHECK; write CMD or NONE", text::to_string(kind)).into());
        }
        if command.is_empty() {
            let form = if shell_form(command) { "a command" } else { "a word" };
            return Err(format!("HEALTHCHECK CMD needs {form}").into());
        }
        for flag in given.iter().filter(|flag| !flag.value.is_empty()) {
            let ok = match flag.name {
                "retries" => duration::int32(flag.value).is_some_and(|n| n >= 0),
                // Zero is the default; else at least a millisecond.
                _ => duration::nanoseconds(flag.value).is_some_and(|ns| ns == 0 || ns >= 1_000_000),
            };
            if !ok {
                let wanted = if flag.name == "retries" { "a whole number" } else { "a duration such as 30s" };
                return Err(format!("--{}={} is not {wanted}", flag.name, text::to_string(flag.value)).into());
            }
        }
        Ok(())
    }

    fn shell(&self) -> Result<(), Why> {
        self.no_flags()?;
        match &self.args {
            Args::Json(words) if !words.is_empty() => Ok(()),
            _ => Err("SHELL takes a JSON array: SHELL [\"executable\", \"parameter\"]".into()),
        }
    }

    fn volume(&self) -> Result<(), Why> {
        self.some("VOLUME")?;
        self.no_flags()?;
        match &self.args {
            Args::Json(words) if words.iter().any(|word| text::trim(word).is_empty()) => Err("a VOLUME cannot be empty".into()),
            Args::Rest(rest) if words::blank_separated(rest).any(|word| text::trim(word).is_empty()) => Err("a VOLUME cannot be empty".into()),
            _ => Ok(()),
        }
    }
}

fn is_as(word: &[u8]) -> bool {
    // The long s is an s to those who compare without case.
    word.eq_ignore_ascii_case(b"as") || matches!(word, [b'a' | b'A', 0xC5, 0xBF])
}

fn stage_name(written: &[u8]) -> Result<String, Why> {
    let name = text::lower(written);
    let rest = name.as_bytes();
    let ok = rest.first().is_some_and(u8::is_ascii_lowercase)
        && rest.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if ok {
        Ok(name)
    } else {
        let shown = text::to_string(written);
        Err(format!("{shown:?} is no name for a stage: it begins with a letter and has letters, digits, `-`, `_` and `.`").into())
    }
}
