//! The sections of all files as one: what is defined twice, and what every part may name.

use std::collections::BTreeMap;
use std::path::Path;

use super::at::At;
use super::endpoint::{self, DEFAULT_SOCKET};
use super::estate::{Base, Builder, Endpoint, Host, SecretSource, Sources};
use super::finding::Findings;
use super::forms::Entries;
use super::lower::{Known, Lower, Want, WantKind, texts};
use super::node::Kind;
use super::raw;
use super::raw_service::Service;
use crate::model::{BuilderName, EstateName, HostName, ImageRef, NetworkCreate, VolumeCreate};

/// A section: each key once, with its place.
type Section<'a, T> = BTreeMap<String, (At<'a>, &'a T)>;

/// The sections of all files.
pub(super) struct Joined<'a> {
    pub(super) bases: Section<'a, Option<raw::Base>>,
    pub(super) images: Section<'a, raw::Image>,
    pub(super) builders: Section<'a, raw::Builder>,
    pub(super) hosts: Section<'a, raw::Host>,
    pub(super) services: Section<'a, Service>,
    pub(super) networks: Section<'a, Option<raw::Network>>,
    pub(super) volumes: Section<'a, Option<raw::Volume>>,
    pub(super) secrets: Section<'a, raw::FileSecret>,
    /// Every key that was written in a section, those with mistakes in them included, so that one mistake does not make others.
    written: BTreeMap<&'static str, Vec<String>>,
}

impl<'a> Joined<'a> {
    pub(super) fn of(files: &[(At<'a>, &'a raw::Pipeline)], findings: &mut Findings) -> Self {
        let written = ["images", "hosts", "networks", "volumes", "secrets"].into_iter().map(|name| (name, written(files, name))).collect();
        twice(files, "vars", "variable", findings);
        Self {
            bases: section(files, "bases", "base", |file| &file.bases, findings),
            images: section(files, "images", "image", |file| &file.images, findings),
            builders: section(files, "builders", "builder", |file| &file.builders, findings),
            hosts: section(files, "hosts", "host", |file| &file.hosts, findings),
            services: section(files, "services", "service", |file| &file.services, findings),
            networks: section(files, "networks", "network", |file| &file.networks, findings),
            volumes: section(files, "volumes", "volume", |file| &file.volumes, findings),
            secrets: section(files, "secrets", "secret", |file| &file.secrets, findings),
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
    for key in &joined.written["networks"] {
        let defined = joined.networks.get(key).map(|(at, network)| named(at, key, name, network.as_ref(), findings));
        known.networks.insert(key.clone(), defined);
    }
    for key in &joined.written["volumes"] {
        let defined = joined.volumes.get(key).map(|(at, volume)| volume_named(at, key, name, volume.as_ref(), findings));
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

fn named(at: &At<'_>, key: &str, estate: &EstateName, network: Option<&raw::Network>, findings: &mut Findings) -> (String, Option<NetworkCreate>) {
    let none = raw::Network::default();
    let network = network.unwrap_or(&none);
    let external = network.external == Some(true);
    if external && (network.driver.is_some() || network.ipam.is_some() || network.internal == Some(true)) {
        findings.error_at_key(
            at,
            format!("the network `{key}` is external, so refit does not make it as described"),
            "keep only `external` and `name`",
        );
    }
    let pools = network.ipam.as_ref().map(|ipam| ipam.config.as_slice()).unwrap_or_default();
    let subnets_at = at.key("ipam").key("config");
    for (index, pool) in pools.iter().enumerate() {
        if !is_subnet(&pool.subnet) {
            let message = format!("expected a subnet such as `172.28.0.0/16`, found `{}`", pool.subnet);
            findings.error(&subnets_at.index(index).key("subnet"), message, "");
        }
    }
    let mut lower_labels = BTreeMap::new();
    if let Some(labels) = &network.labels {
        lower_labels.extend(plain_labels(labels));
    }
    let create = NetworkCreate {
        driver: network.driver.clone(),
        driver_opts: texts(&network.driver_opts),
        internal: network.internal.unwrap_or(false),
        subnets: pools.iter().map(|pool| (pool.subnet.clone(), pool.gateway.clone())).collect(),
        labels: lower_labels,
    };
    (engine_name(key, estate, network.name.as_deref(), external), (!external).then_some(create))
}

fn volume_named(
    at: &At<'_>,
    key: &str,
    estate: &EstateName,
    volume: Option<&raw::Volume>,
    findings: &mut Findings,
) -> (String, Option<VolumeCreate>) {
    let none = raw::Volume::default();
    let volume = volume.unwrap_or(&none);
    let external = volume.external == Some(true);
    if external && (volume.driver.is_some() || !volume.driver_opts.0.is_empty()) {
        findings.error_at_key(
            at,
            format!("the volume `{key}` is external, so refit does not make it as described"),
            "keep only `external` and `name`",
        );
    }
    let create = VolumeCreate {
        driver: volume.driver.clone(),
        driver_opts: texts(&volume.driver_opts),
        labels: volume.labels.as_ref().map(plain_labels).unwrap_or_default(),
    };
    (engine_name(key, estate, volume.name.as_deref(), external), (!external).then_some(create))
}

fn plain_labels(labels: &super::forms::Settings) -> BTreeMap<String, String> {
    use super::forms::ListOrMap;
    match labels {
        ListOrMap::Map(map) => {
            map.iter().map(|(name, value)| (name.clone(), value.as_ref().map(|text| text.0.clone()).unwrap_or_default())).collect()
        }
        ListOrMap::List(list) => list
            .iter()
            .map(|line| line.split_once('=').map_or_else(|| (line.clone(), String::new()), |(name, value)| (name.to_owned(), value.to_owned())))
            .collect(),
    }
}

/// The name on the engine, as Compose makes it.
fn engine_name(key: &str, estate: &EstateName, name: Option<&str>, external: bool) -> String {
    match name {
        Some(name) => name.to_owned(),
        None if external => key.to_owned(),
        None => format!("{estate}_{key}"),
    }
}

fn is_subnet(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| match (address.parse::<std::net::IpAddr>(), bits.parse::<u8>()) {
        (Ok(address), Ok(bits)) => bits <= if address.is_ipv4() { 32 } else { 128 },
        _ => false,
    })
}

/// The hosts that have no mistake in them.
pub(super) fn hosts(joined: &Joined<'_>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> BTreeMap<HostName, Host> {
    let mut hosts = BTreeMap::new();
    for (key, (at, raw)) in &joined.hosts {
        let endpoint = endpoint_of(at, &raw.endpoint, raw.tls.as_deref(), folder, findings, wants);
        if let Some((label_at, _)) = raw.labels.0.iter().find(|(label, _)| label == "name").map(|(label, value)| (at.key("labels").key(label), value))
        {
            findings.error_at_key(&label_at, "the label `name` is the host's own name already", "choose another label");
        }
        match key.parse::<HostName>() {
            Ok(name) => hosts.extend(endpoint.map(|endpoint| (name, Host { at: at.place(), endpoint, labels: texts(&raw.labels) }))),
            Err(error) => findings.error_at_key(at, error.to_string(), ""),
        }
    }
    hosts
}

/// The builders that have no mistake in them; the local engine if none was written.
pub(super) fn builders(joined: &Joined<'_>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> BTreeMap<BuilderName, Builder> {
    let mut builders = BTreeMap::new();
    for (key, (at, raw)) in &joined.builders {
        let endpoint = endpoint_of(at, &raw.endpoint, raw.tls.as_deref(), folder, findings, wants);
        let parallel = raw.parallel.map(std::num::NonZeroU32::get);
        match key.parse::<BuilderName>() {
            Ok(name) => builders.extend(endpoint.map(|endpoint| (name, Builder { at: Some(at.place()), endpoint, parallel }))),
            Err(error) => findings.error_at_key(at, error.to_string(), ""),
        }
    }
    if builders.is_empty()
        && let Ok(name) = "local".parse::<BuilderName>()
    {
        builders.insert(name, Builder { at: None, endpoint: Endpoint::Unix { path: DEFAULT_SOCKET.into() }, parallel: None });
    }
    builders
}

fn endpoint_of(at: &At<'_>, text: &str, tls: Option<&str>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> Option<Endpoint> {
    let tls = tls.map(|tls| super::lower::normal(&folder.join(tls)));
    let endpoint = endpoint::endpoint(text, tls.as_deref()).map_err(|message| findings.error(&at.key("endpoint"), message, "")).ok()?;
    if let Some(folder) = tls {
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let place = at.key("tls");
            let message = format!("the folder of certificates has no {file}: {}", folder.display());
            let help = "it holds ca.pem, cert.pem and key.pem; paths are relative to the folder that holds `pipelines/`";
            let finding = place.finding(super::finding::Severity::Error, place.spot(), message, help.to_owned());
            wants.push(Want { path: folder.join(file), kind: WantKind::File, finding });
        }
    }
    Some(endpoint)
}

/// The bases that have no mistake in them.
pub(super) fn bases(joined: &Joined<'_>, findings: &mut Findings) -> BTreeMap<ImageRef, Base> {
    let mut bases: BTreeMap<ImageRef, Base> = BTreeMap::new();
    for (key, (at, raw)) in &joined.bases {
        let watch = raw.as_ref().and_then(|base| base.watch.as_deref());
        let watch =
            watch.and_then(|text| crate::model::parse_duration(text).map_err(|error| findings.error(&at.key("watch"), error.to_string(), "")).ok());
        match key.parse::<ImageRef>() {
            Ok(reference) => match bases.get(&reference) {
                Some(other) => {
                    let help = format!("it stands first at {}: keep one of them", other.at);
                    findings.error_at_key(at, format!("`{key}` is the base {reference}, which is there already"), help);
                }
                None => {
                    bases.insert(reference, Base { at: at.place(), watch });
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

/// Says what is understood and not acted on yet, after checking its form.
pub(super) fn check_later(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) {
    for (at, pipeline) in files {
        let triggers = at.key("triggers");
        for (name, trigger) in &pipeline.triggers.0 {
            let at = triggers.key(name);
            if trigger.cron.split_whitespace().count() != 5 {
                findings.error(&at.key("cron"), format!("expected five cron fields such as `0 3 * * TUE`, found `{}`", trigger.cron), "");
            }
            if let Some(window) = &trigger.window
                && let Err(error) = crate::model::parse_duration(window)
            {
                findings.error(&at.key("window"), error.to_string(), "");
            }
        }
        if !pipeline.triggers.0.is_empty() {
            findings.warning(&triggers, "`triggers` is read, but not acted on yet", "start runs by `refit rollout`, from cron for instance");
        }
        check_freeze(&at.key("freeze"), &pipeline.freeze, findings);
    }
}

fn check_freeze(at: &At<'_>, freezes: &[raw::Freeze], findings: &mut Findings) {
    for (index, freeze) in freezes.iter().enumerate() {
        let at = at.index(index);
        let mut day = |key: &str, text: &str| match text.parse::<jiff::civil::Date>() {
            Ok(day) => Some(day),
            Err(_) => {
                findings.error(&at.key(key), format!("expected a day such as `2026-12-20`, found `{text}`"), "");
                None
            }
        };
        let (from, to) = (day("from", &freeze.from), day("to", &freeze.to));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            findings.error(&at.key("to"), format!("the freeze ends ({to}) before it begins ({from})"), "swap the two days");
        }
    }
    if !freezes.is_empty() {
        findings.warning(at, "`freeze` is read, but not acted on yet", "nothing rolls by itself yet; a person who runs `refit rollout` decides");
    }
}

/// Which sources a moved base is rebuilt from, as one file says for all.
pub(super) fn sources(files: &[(At<'_>, &raw::Pipeline)], findings: &mut Findings) -> Option<Sources> {
    let mut said: Option<(At<'_>, raw::Sources)> = None;
    for (at, pipeline) in files {
        let Some(sources) = pipeline.sources else { continue };
        let at = at.key("sources");
        match &said {
            Some((first, other)) if *other != sources => {
                findings.error(&at, "two pipelines say different `sources`", format!("{} says otherwise: keep one of them", first.place()));
            }
            Some(_) => {}
            None => said = Some((at, sources)),
        }
    }
    said.map(|(_, sources)| match sources {
        raw::Sources::Deployed => Sources::Deployed,
        raw::Sources::Latest => Sources::Latest,
    })
}
