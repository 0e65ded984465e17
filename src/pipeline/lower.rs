//! From what was written to what is meant: the parts that images, hosts and services share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::at::At;
use super::finding::{Finding, Findings, Severity};
use super::forms::{Entries, Settings, Text, Words};
use super::values;
use crate::model::{EstateName, HostName, ImageRef, NetworkCreate, VolumeCreate, parse_duration};

/// What all files together say about names, so that every part can be checked against it.
#[derive(Default)]
pub(super) struct Known {
    /// Images by key, those with mistakes in them included.
    pub(super) images: BTreeSet<String>,
    /// The keys of images by their normal form.
    pub(super) references: BTreeMap<ImageRef, String>,
    /// The keys of images by registry and repository, whatever their tag.
    pub(super) repositories: BTreeMap<String, String>,
    /// Hosts by key with their labels, those with mistakes in them included.
    pub(super) hosts: BTreeMap<String, BTreeMap<String, String>>,
    /// Services by key, those with mistakes in them included.
    pub(super) services: BTreeSet<String>,
    /// Networks by key: name on the engine, and how it is made; `None` where the definition has a mistake.
    pub(super) networks: BTreeMap<String, Option<(String, Option<NetworkCreate>)>>,
    /// Volumes by key, likewise.
    pub(super) volumes: BTreeMap<String, Option<(String, Option<VolumeCreate>)>>,
    /// Build secrets by key.
    pub(super) secrets: BTreeMap<String, Option<super::estate::SecretSource>>,
}

/// Something outside of the files that must be looked at before the estate is known to be right.
#[derive(Debug, Clone)]
pub(super) struct Want {
    pub(super) path: PathBuf,
    pub(super) kind: WantKind,
    /// What to say if it is not so; its message is completed then.
    pub(super) finding: Finding,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantKind {
    /// A folder that must be there.
    Folder,
    /// A file that must be there.
    File,
    /// A file of variables for a service.
    EnvFile { service: String, required: bool },
}

/// Makes the estate's parts of raw ones, and collects findings and wants on the way.
pub(super) struct Lower<'a> {
    pub(super) name: &'a EstateName,
    /// The folder that holds `pipelines/`.
    pub(super) folder: &'a Path,
    pub(super) estate: &'a Known,
    pub(super) host_names: Vec<HostName>,
    pub(super) findings: &'a mut Findings,
    pub(super) wants: &'a mut Vec<Want>,
}

impl Lower<'_> {
    /// The value, or a finding with the reason there is none.
    pub(super) fn ok<T>(&mut self, at: &At<'_>, result: Result<T, impl std::fmt::Display>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.findings.error(at, error.to_string(), "");
                None
            }
        }
    }

    pub(super) fn duration(&mut self, at: &At<'_>, text: Option<&str>, default: Duration) -> Duration {
        self.opt_duration(at, text).unwrap_or(default)
    }

    pub(super) fn opt_duration(&mut self, at: &At<'_>, text: Option<&str>) -> Option<Duration> {
        let text = text?;
        let parsed =
            parse_duration(text).map_err(|_| format!("expected a duration such as `10s`, `500ms` or `1m30s`, found `{}`", text.escape_debug()));
        self.ok(at, parsed)
    }

    pub(super) fn size(&mut self, at: &At<'_>, text: Option<&Text>) -> Option<u64> {
        text.and_then(|text| self.ok(at, values::size(&text.0)))
    }

    /// A command: a list as it is, a text split as a shell splits it.
    pub(super) fn command(&mut self, at: &At<'_>, words: &Words) -> Option<Vec<String>> {
        match words {
            Words::Many(words) => Some(words.clone()),
            Words::One(line) => self.ok(at, values::shell_words(line)),
        }
    }

    /// Settings that need a value: environment and build arguments.
    pub(super) fn settings(&mut self, at: &At<'_>, settings: Option<&Settings>) -> BTreeMap<String, String> {
        self.pairs(at, settings, true, '=').into_iter().collect()
    }

    /// Settings whose value may be left out: labels.
    pub(super) fn labels(&mut self, at: &At<'_>, settings: Option<&Settings>) -> BTreeMap<String, String> {
        let labels: BTreeMap<String, String> = self.pairs(at, settings, false, '=').into_iter().collect();
        if let Some(own) = labels.keys().find(|name| name.starts_with("io.refit.")) {
            self.findings.error(&at.key(own), format!("the label `{own}` is refit's own"), "choose a name that does not begin with `io.refit.`");
        }
        labels
    }

    /// `name:address` lines of maps and of lists with `=` or `:`.
    pub(super) fn extra_hosts(&mut self, at: &At<'_>, settings: Option<&Settings>) -> Vec<String> {
        self.pairs(at, settings, true, ':').into_iter().map(|(name, address)| format!("{name}:{address}")).collect()
    }

    fn pairs(&mut self, at: &At<'_>, settings: Option<&Settings>, need_value: bool, separator: char) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut add = |this: &mut Self, at: &At<'_>, name: &str, value: Option<&str>| match value {
            None if need_value => {
                let message = format!("`{name}` has no value: Compose would take it from the environment, which refit does not read");
                this.findings.error(at, message, format!("write `{name}: \"{{{{ {name} }}}}\"` and set it under `vars:` or by `--var {name}=…`"));
            }
            _ if name.is_empty() => this.findings.error(at, "a name is missing before the `=`", "write `NAME=value`"),
            value => pairs.push((name.to_owned(), value.unwrap_or_default().to_owned())),
        };
        match settings {
            None => {}
            Some(Settings::Map(map)) => {
                map.iter().for_each(|(name, value)| add(self, &at.key(name), name, value.as_ref().map(|text| text.0.as_str())))
            }
            Some(Settings::List(list)) => {
                for (index, line) in list.iter().enumerate() {
                    let (name, value) = match line.split_once('=').or_else(|| line.split_once(separator)) {
                        Some((name, value)) => (name, Some(value)),
                        None => (line.as_str(), None),
                    };
                    add(self, &at.index(index), name, value);
                }
            }
        }
        pairs
    }

    /// A path of this machine, absolute and without `.` and `..`.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        normal(&self.folder.join(text))
    }

    /// Asks for something to be looked at; `message` is what is said if it is not there.
    pub(super) fn want(&mut self, at: &At<'_>, path: PathBuf, kind: WantKind, message: String, help: &str) {
        let finding = at.finding(Severity::Error, at.spot(), message, help.to_owned());
        self.wants.push(Want { path, kind, finding });
    }
}

/// A map of texts.
pub(super) fn texts(entries: &Entries<Text>) -> BTreeMap<String, String> {
    entries.0.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()
}

/// Removes `.` and `..` by text alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
