//! The way from texts to the estate: trees → variables → raw types → parts → checks across all files → what the world says.
//!
//! Two steps, so that this room opens no file: [`draft`] reads the texts and says what must be looked at ([`Draft::wanted`]); [`Draft::finish`] takes what
//! was seen there ([`Facts`]) and gives the estate or the findings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::at::At;
use super::conflict;
use super::defaults;
use super::depends;
use super::env_file;
use super::estate::{Estate, Sources};
use super::finding::{Finding, Findings, Severity};
use super::join::{self, Joined};
use super::lower::{Lower, Want, WantKind};
use super::lower_host;
use super::lower_watch;
use super::node::{self, Node};
use super::parse;
use super::raw;
use super::schema;
use super::service::Service;
use super::shape::Fitter;
use super::vars::Vars;
use super::volumes_from;
use crate::model::{EstateName, ServiceName};

/// One pipeline file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineText {
    /// Its name, as the user would write it from where refit was called.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What is given besides the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The folder that holds `pipelines/`, absolute: relative paths begin here, and its name is the estate's by default.
    pub folder: PathBuf,
    /// Variables of the command line; they win over `vars:`.
    pub vars: BTreeMap<String, String>,
}

/// What was seen at a path that a draft wanted to know about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Nothing is there.
    Missing,
    /// A folder.
    Folder,
    /// A file, or anything else that is no folder.
    File,
    /// A file and its text.
    Text(String),
    /// Something that cannot be read, and why.
    Unreadable(String),
}

/// What was seen, by path.
pub type Facts = BTreeMap<PathBuf, Fact>;

/// A path that must be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The path, absolute.
    pub path: PathBuf,
    /// Whether its text is needed, not only whether it is there.
    pub text: bool,
}

/// What reading gave.
#[derive(Debug)]
pub struct Reading {
    /// The estate; none if any finding is an error.
    pub estate: Option<Estate>,
    /// Everything that was found, in the order of files and lines.
    pub findings: Vec<Finding>,
}

/// An estate as far as its texts alone tell.
#[derive(Debug)]
pub struct Draft {
    estate: Option<Estate>,
    findings: Findings,
    wants: Vec<Want>,
}

/// Reads the pipeline files of a folder as one estate.
pub fn draft(files: &[PipelineText], given: &Given) -> Draft {
    let mut findings = Findings::default();
    let mut wants = Vec::new();
    let trees = trees(files, &mut findings);
    let vars = variables(&trees, given, &mut findings);
    let schema = schema::schema();
    let raws: Vec<raw::Pipeline> = trees.iter().map(|tree| typed(tree, &schema, &vars, &mut findings)).collect();
    let written: Vec<(At<'_>, &raw::Pipeline)> = trees.iter().map(Tree::at).zip(&raws).collect();
    if files.is_empty() {
        let folder = given.folder.display().to_string();
        let none = whole_file(&folder, "there is no pipeline file (`*.yaml`, `*.yml`)", "write one, or let `refit init` write it");
        findings.add(Finding { line: 0, column: 0, ..none });
    }
    let name = estate_name(&written, given, &mut findings);
    let estate = name.map(|name| lowered(name, &written, given, &mut findings, &mut wants));
    Draft { estate, findings, wants }
}

impl Draft {
    /// What must be looked at, each path once.
    pub fn wanted(&self) -> BTreeSet<Wanted> {
        self.wants.iter().map(|want| Wanted { path: want.path.clone(), text: matches!(want.kind, WantKind::EnvFile { .. }) }).collect()
    }

    /// Completes the estate with what was seen. A path without a fact counts as missing.
    pub fn finish(mut self, facts: &Facts) -> Reading {
        let mut env: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut missing: BTreeSet<PathBuf> = BTreeSet::new();
        for want in std::mem::take(&mut self.wants) {
            let fact = facts.get(&want.path).unwrap_or(&Fact::Missing);
            match (&want.kind, fact) {
                (WantKind::Folder, Fact::Folder) | (WantKind::File, Fact::File | Fact::Text(_)) => {}
                (WantKind::EnvFile { required: false, .. }, Fact::Missing) => {}
                (WantKind::EnvFile { service, .. }, Fact::Text(text)) => match env_file::parse(text) {
                    Ok(variables) => env.entry(service.clone()).or_default().extend(variables),
                    Err((line, why)) => self.findings.add(in_env_file(&want, line, &why)),
                },
                // A Dockerfile in a folder that is not there needs no finding of its own.
                _ if want.path.ancestors().skip(1).any(|folder| missing.contains(folder)) => {}
                (_, fact) => {
                    missing.insert(want.path.clone());
                    self.findings.add(unfulfilled(&want, fact));
                }
            }
        }
        let whole = !self.findings.has_errors();
        let estate = self.estate.filter(|_| whole).map(|mut estate| {
            for (service, variables) in env {
                if let Some(service) = service.parse::<ServiceName>().ok().and_then(|name| estate.services.get_mut(&name)) {
                    // What stands in the pipeline wins over what stands in its files.
                    for (name, value) in variables {
                        service.container.environment.entry(name).or_insert(value);
                    }
                }
            }
            estate
        });
        Reading { estate, findings: self.findings.into_sorted() }
    }
}

fn unfulfilled(want: &Want, fact: &Fact) -> Finding {
    let mut finding = want.finding.clone();
    let why = match fact {
        Fact::Missing => None,
        Fact::Folder => Some("it is a folder".to_owned()),
        Fact::File | Fact::Text(_) => Some("it is a file".to_owned()),
        Fact::Unreadable(why) => Some(why.clone()),
    };
    if let Some(why) = why {
        finding.message = format!("{}: {why}", finding.message);
    }
    finding
}

fn in_env_file(want: &Want, line: u32, why: &str) -> Finding {
    let mut finding = want.finding.clone();
    finding.message = format!("line {line} of {} cannot be read: {why}", want.path.display());
    finding.help = None;
    finding
}

/// A file that is YAML at least.
struct Tree<'f> {
    file: &'f PipelineText,
    root: Rc<Node>,
}

impl Tree<'_> {
    fn at(&self) -> At<'_> {
        At::root(&self.file.file, &self.root)
    }
}

fn trees<'f>(files: &'f [PipelineText], findings: &mut Findings) -> Vec<Tree<'f>> {
    let mut trees = Vec::new();
    for file in files {
        let parsed = parse::parse(&file.file, &file.text);
        parsed.findings.into_iter().for_each(|finding| findings.add(finding));
        trees.extend(parsed.root.map(|root| Tree { file, root }));
    }
    trees
}

/// The `vars:` of all files, which hold no variables themselves, and what the command line says.
fn variables(trees: &[Tree<'_>], given: &Given, findings: &mut Findings) -> Vars {
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    for tree in trees {
        let Some(node::Kind::Map(map)) = tree.root.get("vars").map(|entry| &entry.value.kind) else { continue };
        let at = tree.at().key("vars");
        for entry in &map.entries {
            // Values of another kind are found when the tree is held against the schema.
            if let node::Kind::Scalar(text) = &entry.value.kind {
                if text.contains("{{") && !given.vars.contains_key(&entry.key) {
                    findings.error(&at.key(&entry.key), "a variable's value holds no other variables", "write the value out");
                }
                written.insert(entry.key.clone(), text.replace("$$", "$"));
            }
        }
    }
    Vars::new(written, &given.vars)
}

/// Holds a tree against the schema, and lets serde make the raw types of what fits.
fn typed(tree: &Tree<'_>, schema: &serde_json::Value, vars: &Vars, findings: &mut Findings) -> raw::Pipeline {
    let fitter = Fitter::new(schema, vars, &tree.file.text);
    let Some(value) = fitter.fit(schema, "Pipeline", &tree.at(), findings) else { return raw::Pipeline::default() };
    match serde_yaml::from_value(value) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            // The schema comes from the same types, so what fits it should deserialise; if ever not, it is said and not hidden.
            findings.add(whole_file(&tree.file.file, &format!("this cannot be read as a pipeline: {error}"), "compare it with `refit schema`"));
            raw::Pipeline::default()
        }
    }
}

fn whole_file(file: &str, message: &str, help: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        file: file.to_owned(),
        line: 1,
        column: 1,
        key: String::new(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
        span: 0..0,
    }
}

/// The name that a file gives, else the folder's.
fn estate_name(written: &[(At<'_>, &raw::Pipeline)], given: &Given, findings: &mut Findings) -> Option<EstateName> {
    let mut named: Option<(At<'_>, &str)> = None;
    for (at, pipeline) in written {
        let Some(name) = &pipeline.name else { continue };
        let at = at.key("name");
        match &named {
            Some((first, other)) if other != name => {
                let help = format!("{} says `{other}`: the files of one folder are one estate", first.place());
                findings.error(&at, format!("the estate has two names, here `{name}`"), help);
            }
            Some(_) => {}
            None => named = Some((at, name)),
        }
    }
    if let Some((at, name)) = named {
        return name.parse().map_err(|error: crate::model::NameError| findings.error(&at, error.to_string(), "")).ok();
    }
    let folder = given.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parsed = folder.parse::<EstateName>();
    if parsed.is_err() {
        let file = written.first().map_or("pipelines", |(at, _)| at.file);
        let message = format!("the folder's name `{folder}` cannot be the estate's");
        findings.add(whole_file(file, &message, "add `name:` at the top of a pipeline, of letters, digits, `-`, `_` and `.`"));
    }
    parsed.ok()
}

/// The sections of all files as one estate, with everything checked that the texts alone can tell.
fn lowered(name: EstateName, written: &[(At<'_>, &raw::Pipeline)], given: &Given, findings: &mut Findings, wants: &mut Vec<Want>) -> Estate {
    let joined = Joined::of(written, findings);
    let known = join::known(&joined, &name, &given.folder, findings, wants);
    let folder: &Path = &given.folder;
    let hosts = lower_host::hosts(&joined, folder, findings, wants);
    let builders = lower_host::builders(&joined, folder, findings, wants);
    let bases = join::bases(&joined, findings);
    let registries = lower_watch::registries(&joined, folder, findings, wants);
    let host_names = hosts.keys().cloned().collect();
    let mut lower = Lower { name: &name, folder, estate: &known, host_names, findings, wants };
    let images: BTreeMap<_, _> =
        joined.images.iter().filter_map(|(key, (at, raw))| lower.image(at, key, raw)).map(|image| (image.name.clone(), image)).collect();
    let hooks = joined.hooks.iter().filter_map(|(key, (at, raw))| lower.hook(at, key, raw)).map(|hook| (hook.name.clone(), hook)).collect();
    let mut services: Vec<(At<'_>, Service)> =
        joined.services.iter().filter_map(|(key, (at, raw))| Some((at.clone(), lower.service(at, key, raw)?))).collect();
    let triggers = lower.triggers(&joined);
    let (freezes, maintenance) = (lower.freezes(written), lower.maintenance(written));
    let notify = joined.notify.iter().filter_map(|(key, (at, raw))| lower.notify(at, key, raw)).collect();
    volumes_from::expand(&mut services, &joined.services, findings);
    services.iter().for_each(|(at, service)| conflict::check_service(at, service, &hosts, findings));
    conflict::check_shared_volumes(&services, &hosts, findings);
    conflict::check_copies(&services, &hosts, findings);
    conflict::check_ports(services.iter().map(|(at, service)| (service, at.clone())), findings);
    depends::check_rings(&services, findings);
    let sources = join::sources(written, findings).unwrap_or(Sources::Deployed);
    let services = services.into_iter().map(|(_, service)| (service.name.clone(), service)).collect();
    let run = join::run(written, findings);
    let keep = join::keep(written, findings).unwrap_or_else(defaults::keep);
    Estate { name, bases, images, builders, hosts, services, sources, run, keep, triggers, freezes, maintenance, notify, registries, hooks }
}
