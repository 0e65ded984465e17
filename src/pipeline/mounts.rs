//! A service's mounts: Compose's short and long forms, and `tmpfs`.

use super::at::At;
use super::forms::Short;
use super::lower::Lower;
use super::near::did_you_mean;
use super::raw_service::{Mount, MountKind};
use super::values;
use crate::model::{MountSource, MountSpec};

impl Lower<'_> {
    pub(super) fn mounts(&mut self, at: &At<'_>, volumes: &[Short<Mount>]) -> Vec<MountSpec> {
        let mut mounts = Vec::new();
        for (index, volume) in volumes.iter().enumerate() {
            let at = at.index(index);
            let mount = match volume {
                Short::Short(text) => self.short_mount(&at, text),
                Short::Long(long) => self.long_mount(&at, long),
            };
            mounts.extend(mount);
        }
        mounts
    }

    /// `target`, `source:target` or `source:target:options`.
    fn short_mount(&mut self, at: &At<'_>, text: &str) -> Option<MountSpec> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, options] => (Some(*source), *target, *options),
            _ => {
                self.findings.error(
                    at,
                    format!("expected `[source:]target[:ro]`, found `{text}`"),
                    "write the long form, with `type`, `source` and `target`",
                );
                return None;
            }
        };
        let mut read_only = false;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => {}
                _ => {
                    let help = "refit knows `ro` and `rw`; set up propagation and SELinux labels on the host";
                    self.findings.error(at, format!("the mount option `{option}` is not supported"), help);
                    return None;
                }
            }
        }
        let source = match source {
            None => MountSource::Anonymous,
            Some(source) if is_path(source) => self.bind(at, source)?,
            Some(source) => self.volume(at, source)?,
        };
        self.mount(at, source, target, read_only)
    }

    fn long_mount(&mut self, at: &At<'_>, long: &Mount) -> Option<MountSpec> {
        let source_at = at.key("source");
        let source = match (long.kind, &long.source) {
            (MountKind::Volume, None) => MountSource::Anonymous,
            (MountKind::Volume, Some(source)) => self.volume(&source_at, source)?,
            (MountKind::Bind, Some(source)) => self.bind(&source_at, source)?,
            (MountKind::Bind, None) => {
                self.findings.error(at, "a bind mount needs a `source`", "add the path on the host: `source: /srv/data`");
                return None;
            }
            (MountKind::Tmpfs, Some(_)) => {
                self.findings.error(&source_at, "a tmpfs has no `source`", "remove it");
                return None;
            }
            (MountKind::Tmpfs, None) => {
                let options = long.tmpfs.as_ref();
                let size_at = at.key("tmpfs").key("size");
                let size = options.and_then(|o| o.size.as_ref()).and_then(|text| self.ok(&size_at, values::size(&text.0)));
                let mode = options.and_then(|o| o.mode.as_ref()).and_then(|text| self.mode(&at.key("tmpfs").key("mode"), &text.0));
                MountSource::Tmpfs { size, mode }
            }
        };
        if long.kind != MountKind::Tmpfs && long.tmpfs.is_some() {
            self.findings.error(&at.key("tmpfs"), "`tmpfs` belongs to `type: tmpfs` only", "remove it, or change the type");
        }
        self.mount(&at.key("target"), source, &long.target, long.read_only.unwrap_or(false))
    }

    fn mount(&mut self, at: &At<'_>, source: MountSource, target: &str, read_only: bool) -> Option<MountSpec> {
        if !target.starts_with('/') {
            self.findings.error(at, format!("the path in the container must be absolute, found `{target}`"), "begin it with `/`");
            return None;
        }
        Some(MountSpec { source, target: target.to_owned(), read_only })
    }

    fn bind(&mut self, at: &At<'_>, source: &str) -> Option<MountSource> {
        if source.starts_with('/') {
            return Some(MountSource::Bind { path: source.to_owned() });
        }
        let help = "write an absolute path of the host: the host is another machine, without this folder; files that belong to the service go into its image";
        self.findings.error(at, format!("the path `{source}` is relative, but nothing on a host is beside this file"), help);
        None
    }

    fn volume(&mut self, at: &At<'_>, key: &str) -> Option<MountSource> {
        if let Some(defined) = self.estate.volumes.get(key) {
            let (name, create) = defined.clone()?;
            return Some(MountSource::Volume { name, create });
        }
        let help = did_you_mean(
            key,
            self.estate.volumes.keys().map(String::as_str),
            "volumes",
            &format!("define it at the top level: `volumes: {{ {key}: }}`"),
        );
        self.findings.error(at, format!("the volume `{key}` is not defined"), help);
        None
    }

    /// `path[:size=64m,mode=1777]`.
    pub(super) fn tmpfs(&mut self, at: &At<'_>, text: &str) -> Option<MountSpec> {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let (mut size, mut mode) = (None, None);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", value)) => size = Some(self.ok(at, values::size(value))?),
                Some(("mode", value)) => mode = Some(self.mode(at, value)?),
                _ => {
                    self.findings.error(at, format!("the tmpfs option `{option}` is not supported"), "refit knows `size=` and `mode=`");
                    return None;
                }
            }
        }
        self.mount(at, MountSource::Tmpfs { size, mode }, target, false)
    }

    fn mode(&mut self, at: &At<'_>, text: &str) -> Option<u32> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777);
        self.ok(at, mode.ok_or_else(|| format!("expected an octal mode such as `1777`, found `{text}`")))
    }
}

fn is_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~']) || source.contains('/')
}
