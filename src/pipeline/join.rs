//! The sections of all files as one: what is defined twice, and what every part may name.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use super::at::At;
use super::estate::{Base, OnExceeded, RunPolicy, SecretSource, Sources};
use super::finding::Findings;
use super::forms::Entries;
use super::lower::{Known, Lower, Want, WantKind, texts};
use super::lower_network;
use super::lower_watch;
use super::node::Kind;
use super::raw;
use super::raw_hook::Hook;
use super::raw_notify::Notify;
use super::raw_schedule::Trigger;
use super::raw_service::Service;
use super::raw_watch;
use crate::model::{EstateName, ImageRef};

/// A section: each key once, with its place.
type Section<'a, T> = BTreeMap<String, (At<'a>, &'a T)>;

/// The sections of all files.
pub(super) struct Joined<'a> {
    pub(super) bases: Section<'a, Option<raw_watch::Base>>,
    pub(super) registries: Section<'a, raw_watch::Registry>,
    pub(super) images: Section<'a, raw::Image>,
    pub(super) builders: Section<'a, raw::Builder>,
    pub(super) hosts: Section<'a, raw::Host>,
    pub(super) services: Section<'a, Service>,
    pub(super) networks: Section<'a, Option<raw::Network>>,
    pub(super) volumes: Section<'a, Option<raw::Volume>>,
    pub(super) secrets: Section<'a, raw::FileSecret>,
    pub(super) triggers: Section<'a, Trigger>,
    pub(super) notify: Section<'a, Notify>,
    pub(super) hooks: Section<'a, Hook>,
    /// Every key that was written in a section, those with mistakes in them included, so that one mistake does not make others.
    written: BTreeMap<&'static str, Vec<String>>,
}

impl<'a> Joined<'a> {
    pub(super) fn of(files: &[(At<'a>, &'a raw::Pipeline)], findings: &mut Findings) -> Self {
        let written =
            ["images", "hosts", "services", "networks", "volumes", "secrets"].into_iter().map(|name| (name, written(files, name))).collect();
        twice(files, "vars", "variable", findings);
        Self {
            bases: section(files, "bases", "base", |file| &file.bases, findings),
            registries: section(files, "registries", "registry", |file| &file.registries, findings),
            images: section(files, "images", "image", |file| &file.images, findings),
            builders: section(files, "builders", "builder", |file| &file.builders, findings),
            hosts: section(files, "hosts", "host", |file| &file.hosts, findings),
            services: section(files, "services", "service", |file| &file.services, findings),
            networks: section(files, "networks", "network", |file| &file.networks, findings),
            volumes: section(files, "volumes", "volume", |file| &file.volumes, findings),
            secrets: section(files, "secrets", "secret", |file| &file.secrets, findings),
            triggers: section(files, "triggers", "trigger", |file| &file.triggers, findings),
            notify: section(files, "notify", "addressee", |file| &file.notify, findings),
            hooks: section(files, "hooks", "hook", |file| &file.hooks, findings),
            written,
        }
    }
}

fn written(files: &[(At<'_>, &raw::Pipeline)], name: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for (at, _) in files {
        if let Some(Kind::Map(map)) = at.key(name).node.map(|node| &node.kind) {
            keys.extend(map.entries.iter().map(|entry| entry.key.clone()));
        }
    }
    keys
}

/// Finds keys of a section that two files have. One file's own are found where it is parsed.
fn twice(files: &[(At<'_>, &raw::Pipeline)], name: &str, what: &str, findings: &mut Findings) {
    let mut first: BTreeMap<String, At<'_>> = BTreeMap::new();
    for (at, _) in files {
        let section = at.key(name);
        let Some(Kind::Map(map)) = section.node.map(|node| &node.kind) else { continue };
        for entry in map.entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            let here = section.key(&entry.key);
            match first.get(&entry.key) {
                Some(other) => {
                    let help = format!("it stands first at {}: keep one of them; all of a folder's files are one estate", other.place());
                    findings.error_at_key(&here, format!("two pipelines define the {what} `{}`", entry.key), help);
                }
                None => {
                    first.insert(entry.key.clone(), here);
                }
            }
        }
    }
}

fn section<'a, T>(
    files: &[(At<'a>, &'a raw::Pipeline)],
    name: &str,
    what: &str,
    get: impl Fn(&'a raw::Pipeline) -> &'a Entries<T>,
    findings: &mut Findings,
) -> Section<'a, T> {
    twice(files, name, what, findings);
    let mut section = Section::new();
    for (at, pipeline) in files {
        let at = at.key(name);
        for (key, value) in &get(pipeline).0 {
            section.entry(key.clone()).or_insert_with(|| (at.key(key), value));
        }
    }
    section
}

/// What every part may name.
pub(super) fn known(joined: &Joined<'_>, name: &EstateName, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> Known {
    let mut known = Known::default();
    for key in &joined.written["images"] {
        known.images.insert(key.clone());
        if let Ok(reference) = key.parse::<ImageRef>() {
            known.repositories.insert(reference.name().to_owned(), key.clone());
            known.references.insert(reference, key.clone());
        }
    }
    same_reference(joined, findings);
    for key in &joined.written["hosts"] {
        let labels = joined.hosts.get(key).map(|(_, host)| texts(&host.labels)).unwrap_or_default();
        known.hosts.insert(key.clone(), labels);
    }
    known.services.extend(joined.written["services"].iter().cloned());
    for key in &joined.written["networks"] {
        let defined = joined.networks.get(key).map(|(at, network)| lower_network::network(at, key, name, network.as_ref(), findings));
        known.networks.insert(key.clone(), defined);
    }
    for key in &joined.written["volumes"] {
        let defined = joined.volumes.get(key).map(|(at, volume)| lower_network::volume(at, key, name, volume.as_ref(), findings));
        known.volumes.insert(key.clone(), defined);
    }
    let empty = Known::default();
    let mut lower = Lower { name, folder, estate: &empty, host_names: Vec::new(), findings, wants };
    for key in &joined.written["secrets"] {
        known.secrets.insert(key.clone(), joined.secrets.get(key).and_then(|(at, secret)| lower.secret(at, secret)));
    }
    known
}

/// Two keys that are the same image: `web` and `docker.io/library/web:latest`.
fn same_reference(joined: &Joined<'_>, findings: &mut Findings) {
    let mut first: BTreeMap<ImageRef, (&String, &At<'_>)> = BTreeMap::new();
    for (key, (at, _)) in &joined.images {
        let Ok(reference) = key.parse::<ImageRef>() else { continue };
        if let Some((other, place)) = first.get(&reference) {
            let help = format!("`{other}` at {} is the same name written otherwise: keep one of them", place.place());
            findings.error_at_key(at, format!("`{key}` and `{other}` are one image, {reference}"), help);
        } else {
            if let Some((base, _)) = joined.bases.iter().find(|(base, _)| base.parse().as_ref() == Ok(&reference)) {
                let help = "a base is what the estate does not build: remove it from `bases`";
                findings.error_at_key(&joined.bases[base].0, format!("`{base}` is also an image of the estate (`images.{key}`)"), help);
            }
            first.insert(reference, (key, at));
        }
    }
}

/// The bases that have no mistake in them.
pub(super) fn bases(joined: &Joined<'_>, findings: &mut Findings) -> BTreeMap<ImageRef, Base> {
    let mut bases: BTreeMap<ImageRef, Base> = BTreeMap::new();
    for (key, (at, raw)) in &joined.bases {
        match key.parse::<ImageRef>() {
            Ok(reference) => match bases.get(&reference) {
                Some(other) => {
                    let help = format!("it stands first at {}: keep one of them", other.at);
                    findings.error_at_key(at, format!("`{key}` is the base {reference}, which is there already"), help);
                }
                None => {
                    let base = lower_watch::base(at, &reference, raw.as_ref(), findings);
                    bases.insert(reference, base);
                }
            },
            Err(error) => findings.error_at_key(at, error.to_string(), ""),
        }
    }
    bases
}

impl Lower<'_> {
    fn secret(&mut self, at: &At<'_>, raw: &raw::FileSecret) -> Option<SecretSource> {
        match (&raw.file, &raw.environment) {
            (Some(file), None) => {
                let path = self.path(file);
                let file_at = at.key("file");
                let help = "paths are relative to the folder that holds `pipelines/`";
                self.want(&file_at, path.clone(), WantKind::File, format!("the secret's file `{file}` is not there"), help);
                Some(SecretSource::File(path))
            }
            (None, Some(name)) => Some(SecretSource::Environment(name.clone())),
            _ => {
                self.findings.error_at_key(
                    at,
                    "a secret needs `file` or `environment`, one of the two",
                    "write `{ environment: NPM_TOKEN }` or `{ file: secrets/npm }`",
                );
                None
            }
        }
    }
}

/// What one file says for all; two that differ are a mistake.
fn said_for_all<T: PartialEq>(
    files: &[(At<'_>, &raw::Pipeline)],
    key: &str,
    get: impl Fn(&raw::Pipeline) -> Option<T>,
    findings: &mut Findings,
) -> Option<T> {
    let mut said: Option<(At<'_>, T)> = None;
    for (at, pipeline) in files {
        let Some(value) = get(pipeline) else { continue };
        let at = at.key(key);
        match &said {
            Some((first, other)) if *other != value => {
                findings.error(&at, format!("two pipelines say different `{key}`"), format!("{} says otherwise: keep one of them", first.place()));
            }
            Some(_) => {}
            None => said = Some((at, value)),
        }
    }
    said.map(|(_, value)| value)
}

/// Which sources a moved base is rebuilt from.
pub(super) fn sources(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) -> Option<Sources> {
    said_for_all(files, "sources", |pipeline| pipeline.sources, findings).map(|sources| match sources {
        raw::Sources::Deployed => Sources::Deployed,
        raw::Sources::Latest => Sources::Latest,
    })
}

/// How much of a run may fail: one file says it for all.
pub(super) fn run(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) -> RunPolicy {
    let mut policy = RunPolicy::default();
    let mut said: Option<At<'_>> = None;
    for (at, pipeline) in files {
        let Some(run) = &pipeline.run else { continue };
        let at = at.key("run");
        if let Some(first) = &said {
            findings.error_at_key(&at, "two pipelines define `run`", format!("it stands first at {}: keep one of them", first.place()));
            continue;
        }
        policy.max_failed_services = run.max_failed_services.unwrap_or(policy.max_failed_services);
        policy.on_exceeded = run.on_exceeded.map_or(policy.on_exceeded, |action| match action {
            raw::OnExceeded::Rollback => OnExceeded::Rollback,
            raw::OnExceeded::Stop => OnExceeded::Stop,
        });
        said = Some(at);
    }
    policy
}

/// How many releases a prune keeps.
pub(super) fn keep(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) -> Option<NonZeroU32> {
    said_for_all(files, "prune", |pipeline| pipeline.prune.clone(), findings)?.keep
}
