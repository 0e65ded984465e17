//! What the references of a Dockerfile mean: ARGs expanded, stages told from images.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::read::{DockerfileError, Found, GlobalArg, Instructions, ReadOptions};
use super::rings::leads_to_a_ring;
use super::shell::{Env, Lexer, ShellError};
use super::text;
use super::types::{Dockerfile, RefKind, RefTarget, Reference, Stage};
use crate::model::ImageRef;

/// The arguments that a FROM can use: those predefined, and the ARGs before the first FROM.
struct Args<'a> {
    set: HashMap<String, String>,
    options: &'a ReadOptions,
    target_stage: String,
}

impl Args<'_> {
    fn predefined(&self, name: &str) -> Option<&str> {
        let target = name.strip_prefix("TARGET").map(|known| (known, &self.options.platform));
        let (known, platform) = target.or_else(|| Some((name.strip_prefix("BUILD")?, &self.options.build_platform)))?;
        let mut parts = platform.splitn(3, '/');
        let value = match known {
            "PLATFORM" => platform.as_str(),
            "OS" => parts.next().unwrap_or_default(),
            "ARCH" => parts.nth(1).unwrap_or_default(),
            "VARIANT" => parts.nth(2).unwrap_or_default(),
            "OSVERSION" => "",
            "STAGE" if name == "TARGETSTAGE" => &self.target_stage,
            _ => return None,
        };
        Some(self.options.build_args.get(name).map_or(value, String::as_str))
    }
}

impl Env for Args<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str).or_else(|| self.predefined(name))
    }
}

/// The names of the stages so far.
#[derive(Default)]
struct Names {
    by_name: BTreeMap<String, usize>,
    count: usize,
}

/// Makes the Dockerfile of its instructions.
pub(super) fn resolve(from: Instructions, syntax: Option<String>, options: &ReadOptions) -> Result<Dockerfile, DockerfileError> {
    let Instructions { escape, args, stages, found, .. } = from;
    let lexer = Lexer::new(char::from(escape));
    let args = expand_args(args, &stages, lexer, options)?;
    let all = names_of(&stages);
    let mut earlier = Names::default();
    let mut references = Vec::with_capacity(found.len());
    for found in found {
        let (resolved, target) = match found.kind {
            RefKind::From => {
                let resolved = base(&found, lexer, &args)?;
                // Another case of a stage's name is no stage here; with `--from` it is one.
                let target = match resolved {
                    Ok(ref name) if let Some(stage) = earlier.by_name.get(name) => RefTarget::Stage(*stage),
                    Ok(ref name) => image(name),
                    Err(ref why) => RefTarget::Unresolved(why.clone()),
                };
                earlier.add(&stages[found.stage].name);
                (resolved.unwrap_or_default(), target)
            }
            RefKind::CopyFrom | RefKind::MountFrom => {
                let raw = text::to_string(&found.raw);
                let target = if found.onbuild { of_trigger(&raw) } else { source(&raw, found.kind, &all) };
                (raw, target)
            }
        };
        let Found { stage, kind, raw, span, line, onbuild } = found;
        references.push(Reference { stage, kind, raw: text::to_string(&raw), resolved, target, line, span, onbuild, own: !onbuild });
    }
    pull_triggers(&mut references, &all);
    check_stages(&stages, &references, &all)?;
    Ok(Dockerfile { syntax, stages, references })
}

/// A trigger is pulled in this file too where a later stage is based on its stage; there it means what it says here.
fn pull_triggers(references: &mut [Reference], all: &Names) {
    let bases: BTreeSet<usize> = references.iter().filter_map(Reference::base_stage).collect();
    for trigger in references.iter_mut().filter(|reference| reference.onbuild && bases.contains(&reference.stage)) {
        trigger.target = source(&trigger.raw, trigger.kind, all);
        trigger.own = true;
    }
}

/// What BuildKit's frontend refuses of references to stages, in its own words; neither depends on the stage that is built.
fn check_stages(stages: &[Stage], references: &[Reference], all: &Names) -> Result<(), DockerfileError> {
    for reference in references.iter().filter(|reference| reference.own && reference.kind == RefKind::CopyFrom) {
        if number(&reference.raw).is_some_and(|number| all.of_number(number).is_none()) {
            let why = format!("invalid stage index {}", reference.raw);
            return Err(DockerfileError::Refused { line: reference.line, why });
        }
    }
    match leads_to_a_ring(stages.len(), references) {
        None => Ok(()),
        Some(at) => {
            let name = if stages[at].name.is_empty() { format!("stage-{at}") } else { stages[at].name.clone() };
            Err(DockerfileError::Refused { line: stages[at].line, why: format!("circular dependency detected on stage: {name}") })
        }
    }
}

impl Names {
    fn of_number(&self, number: i64) -> Option<usize> {
        usize::try_from(number).ok().filter(|number| *number < self.count)
    }

    fn add(&mut self, name: &str) {
        if !name.is_empty() {
            self.by_name.insert(name.to_owned(), self.count);
        }
        self.count += 1;
    }
}

fn names_of(stages: &[Stage]) -> Names {
    let mut names = Names::default();
    stages.iter().for_each(|stage| names.add(&stage.name));
    names
}

fn expand_args<'a>(args: Vec<GlobalArg>, stages: &[Stage], lexer: Lexer, options: &'a ReadOptions) -> Result<Args<'a>, DockerfileError> {
    let last = stages.last().map_or("", |stage| &stage.name);
    let target_stage = if last.is_empty() { "default" } else { last }.to_owned();
    let mut expanded = Args { set: HashMap::new(), options, target_stage };
    for GlobalArg { line, name, value } in args {
        let value = match (options.build_args.get(&name), value) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) => lexer.word(&default, &expanded).map_err(|error| refused(line, error))?,
            // Without a default it is not set, and keeps what it had.
            (None, None) => continue,
        };
        expanded.set.insert(name, value);
    }
    Ok(expanded)
}

fn refused(line: u32, error: ShellError) -> DockerfileError {
    DockerfileError::Refused { line, why: error.to_string() }
}

/// A FROM's text after expansion, or why it cannot be told.
fn base(found: &Found, lexer: Lexer, args: &Args<'_>) -> Result<Result<String, String>, DockerfileError> {
    match lexer.word(&found.raw, args) {
        Ok(name) if name.is_empty() => {
            Ok(Err(format!("{} is empty: an ARG before the first FROM has no default, and no build argument was given", text::to_string(&found.raw))))
        }
        Ok(name) => Ok(Ok(name)),
        Err(error @ ShellError::Demanded(..)) => Ok(Err(error.to_string())),
        Err(error) => Err(refused(found.line, error)),
    }
}

fn image(name: &str) -> RefTarget {
    if name == "scratch" {
        return RefTarget::Scratch;
    }
    match name.parse::<ImageRef>() {
        Ok(image) => RefTarget::Image(image),
        Err(error) => RefTarget::Unresolved(error.to_string()),
    }
}

/// What `--from` means: a stage by its name in any case, for COPY by its number too, else an image.
fn source(raw: &str, kind: RefKind, names: &Names) -> RefTarget {
    if kind == RefKind::CopyFrom
        && let Some(number) = number(raw)
    {
        return match names.of_number(number) {
            Some(stage) => RefTarget::Stage(stage),
            None => RefTarget::Unresolved(format!("invalid stage index {raw}")),
        };
    }
    match names.by_name.get(&text::lower(raw.as_bytes())) {
        Some(stage) => RefTarget::Stage(*stage),
        None if raw.contains('$') => RefTarget::Unresolved(format!("{raw:?} is taken as it stands: --from expands no variables")),
        None => image(raw),
    }
}

/// In a trigger a name may be a stage of a Dockerfile that is not known here; only what can be nothing else is an image.
fn of_trigger(raw: &str) -> RefTarget {
    match image(raw) {
        RefTarget::Image(_) if !raw.contains(['/', ':', '@', '.']) => {
            RefTarget::Unresolved(format!("{raw} may be a stage of the Dockerfile in which the trigger is pulled"))
        }
        other => other,
    }
}

/// A whole number as BuildKit's language reads one.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl Reference {
    /// The stage that a FROM takes as its base, if it takes one.
    pub(super) fn base_stage(&self) -> Option<usize> {
        match self.target {
            RefTarget::Stage(base) if self.kind == RefKind::From => Some(base),
            _ => None,
        }
    }
}

impl Dockerfile {
    /// Every image that building all of its stages needs, without triggers for others and without the `# syntax` image.
    pub fn images(&self) -> BTreeSet<&ImageRef> {
        self.own_references()
            .filter_map(|reference| match &reference.target {
                RefTarget::Image(image) => Some(image),
                _ => None,
            })
            .collect()
    }

    /// The raw references of `COPY --from` and `RUN --mount=from` that are no stages: each once, in the order of the text.
    pub fn external(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let reaches_out = |r: &&Reference| r.kind != RefKind::From && !matches!(r.target, RefTarget::Stage(_));
        self.own_references().filter(reaches_out).map(|r| r.raw.as_str()).filter(|raw| seen.insert(*raw)).collect()
    }

    /// The references that its own build follows: all but those in triggers that are for others.
    pub fn own_references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(|reference| reference.own)
    }
}
