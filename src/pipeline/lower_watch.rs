//! What a base's settings and a registry's mean.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::at::At;
use super::estate::Base;
use super::finding::{Findings, Severity};
use super::follow::{Follow, TagOrder, TagPattern};
use super::forms::Words;
use super::join::Joined;
use super::lower::{Want, WantKind, normal};
use super::raw_watch as raw;
use super::registry::{self, Mirror, RegistryAccess};
use crate::model::{ImageRef, parse_duration};

/// The settings of a base.
pub(super) fn base(at: &At<'_>, reference: &ImageRef, raw: Option<&raw::Base>, findings: &mut Findings) -> Base {
    let mut base = Base { at: at.place(), watch: None, follow: None, cooldown: Duration::ZERO };
    let Some(raw) = raw else { return base };
    base.watch = duration(&at.key("watch"), raw.watch.as_deref(), findings);
    base.cooldown = duration(&at.key("cooldown"), raw.cooldown.as_deref(), findings).unwrap_or_default();
    if base.watch == Some(Duration::ZERO) {
        findings.error(&at.key("watch"), "the registry would be asked without a pause", "write how often, such as `15m`, or remove it");
    }
    if let Some(follow) = &raw.follow {
        base.follow = self::follow(&at.key("follow"), follow, findings);
    }
    if reference.digest().is_some() {
        never_moves(at, raw, findings);
    }
    base
}

/// What has a digest in its name is that for ever.
fn never_moves(at: &At<'_>, raw: &raw::Base, findings: &mut Findings) {
    let help = "remove it, or name the base by a tag";
    if raw.follow.is_some() {
        findings.error_at_key(&at.key("follow"), "a base with a digest in its name follows no tag", help);
    } else if raw.watch.is_some() {
        findings.warning(&at.key("watch"), "a base with a digest in its name never moves", help);
    }
}

fn duration(at: &At<'_>, text: Option<&str>, findings: &mut Findings) -> Option<Duration> {
    parse_duration(text?).map_err(|error| findings.error(at, error.to_string(), "")).ok()
}

fn follow(at: &At<'_>, raw: &raw::Follow, findings: &mut Findings) -> Option<Follow> {
    match (&raw.semver, &raw.regex) {
        (Some(range), None) => {
            needs(at, "regex", &[("order", raw.order.is_some())], findings);
            let example = "write a range such as `^3.12`, `~1.27.0` or `>=12, <14`";
            let range = range.0.parse().map_err(|error| {
                findings.error(&at.key("semver"), format!("`{}` is no range of versions: {error}", range.0.escape_debug()), example);
            });
            let text = |text: &Option<super::forms::Text>| text.as_ref().map(|text| text.0.clone()).unwrap_or_default();
            Some(Follow::Semver { range: range.ok()?, prefix: text(&raw.prefix), suffix: text(&raw.suffix) })
        }
        (None, Some(pattern)) => {
            needs(at, "semver", &[("prefix", raw.prefix.is_some()), ("suffix", raw.suffix.is_some())], findings);
            let parsed = TagPattern::parse(&pattern.0).map_err(|reason| {
                let help = r"it must match the whole tag, such as `bookworm-\d{8}-slim`; look-around and back-references are not there";
                findings.error(&at.key("regex"), format!("this is no pattern: {reason}"), help);
            });
            let order = raw.order.map_or_else(TagOrder::default, |order| match order {
                raw::TagOrder::Numeric => TagOrder::Numeric,
                raw::TagOrder::Alpha => TagOrder::Alpha,
                raw::TagOrder::Semver => TagOrder::Semver,
            });
            Some(Follow::Regex { pattern: parsed.ok()?, order })
        }
        _ => {
            let help = r"write `{ semver: '^3.12' }` or `{ regex: 'bookworm-\d{8}-slim' }`";
            findings.error_at_key(at, "`follow` needs `semver` or `regex`, one of the two", help);
            None
        }
    }
}

/// Keys that mean something only beside another one.
fn needs(at: &At<'_>, other: &str, keys: &[(&str, bool)], findings: &mut Findings) {
    for (key, _) in keys.iter().filter(|(_, is_written)| *is_written) {
        findings.error_at_key(&at.key(key), format!("`{key}` means nothing without `{other}`"), "remove it");
    }
}

/// The registries that have no mistake in them.
pub(super) fn registries(joined: &Joined<'_>, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> BTreeMap<String, RegistryAccess> {
    let mut registries = BTreeMap::new();
    for (key, (at, raw)) in &joined.registries {
        let access = access(at, raw, folder, findings, wants);
        match registry::name(key) {
            Ok(name) if registries.contains_key(&name) => {
                findings.error_at_key(at, format!("`{key}` is the registry {name}, which is there already"), "keep one of them");
            }
            Ok(name) => {
                registries.insert(name, access);
            }
            Err(message) => findings.error_at_key(at, message, ""),
        }
    }
    registries
}

fn access(at: &At<'_>, raw: &raw::Registry, folder: &Path, findings: &mut Findings, wants: &mut Vec<Want>) -> RegistryAccess {
    let insecure = raw.insecure.unwrap_or(false);
    let ca = raw.ca.as_ref().map(|file| {
        let at = at.key("ca");
        let path = normal(&folder.join(file));
        let help = "paths are relative to the folder that holds `pipelines/`";
        let finding = at.finding(Severity::Error, at.spot(), format!("the file of authorities `{file}` is not there"), help.to_owned());
        wants.push(Want { path: path.clone(), kind: WantKind::File, finding });
        path
    });
    if insecure && ca.is_some() {
        findings.error(&at.key("insecure"), "plain HTTP knows no authorities", "keep `ca` or `insecure`, one of the two");
    }
    RegistryAccess { mirrors: mirrors(&at.key("mirror"), raw.mirror.as_ref(), findings), insecure, ca }
}

fn mirrors(at: &At<'_>, raw: Option<&Words>, findings: &mut Findings) -> Vec<Mirror> {
    let written = raw.map(Words::all).unwrap_or_default();
    let mut mirrors: Vec<Mirror> = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let at = at.index(index);
        match Mirror::parse(text) {
            Ok(mirror) if mirrors.contains(&mirror) => findings.error(&at, format!("`{mirror}` stands here twice"), "remove one of them"),
            Ok(mirror) => mirrors.push(mirror),
            Err(message) => {
                let help = if text.starts_with("http://") { "for plain HTTP give it an entry of its own with `insecure: true`" } else { "" };
                findings.error(&at, message, help);
            }
        }
    }
    mirrors
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::super::{Estate, Follow, TagOrder};
    use std::time::Duration;

    fn estate(text: &str) -> Estate {
        let reading = read(&[text]);
        reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
    }

    #[test]
    fn a_base_says_when_it_is_asked_for_and_what_it_stands_for() {
        let text = "bases:\n  debian:bookworm-slim: { watch: 15m, cooldown: 24h, follow: { regex: 'bookworm-(\\d{8})-slim' } }\n  \
                    python:3.12: { follow: { semver: '^3.12', suffix: -slim } }\n  alpine: \n";
        let bases = estate(text).bases;
        let debian = &bases[&"debian:bookworm-slim".parse().unwrap()];
        assert_eq!((debian.watch, debian.cooldown), (Some(Duration::from_secs(900)), Duration::from_secs(86_400)));
        assert!(matches!(&debian.follow, Some(Follow::Regex { order: TagOrder::Numeric, .. })), "{debian:?}");
        let python = &bases[&"python:3.12".parse().unwrap()];
        assert_eq!(python.follow, Some(Follow::Semver { range: "^3.12".parse().unwrap(), prefix: String::new(), suffix: "-slim".into() }));
        let alpine = &bases[&"alpine".parse().unwrap()];
        assert_eq!((alpine.watch, alpine.cooldown, &alpine.follow), (None, Duration::ZERO, &None));
    }

    #[test]
    fn a_range_that_yaml_takes_for_a_number_is_read_as_it_is_written() {
        let bases = estate("bases: { 'python:3': { follow: { semver: 3.10 } } }").bases;
        assert!(matches!(&bases.values().next().unwrap().follow, Some(Follow::Semver { range, .. }) if range.to_string() == "^3.10"));
    }

    #[test]
    fn registries_say_how_they_are_reached() {
        let text = "registries:\n  docker.io: { mirror: mirror.example.com }\n  'r.example.com:5000': { insecure: true, mirror: [a.example.com/hub, 'b.example.com:1'] }\n  \
                    t.example.com: { ca: certs/ca.pem }\n";
        let registries = estate(text).registries;
        assert_eq!(registries["docker.io"].mirrors[0].host, "mirror.example.com");
        let plain = &registries["r.example.com:5000"];
        assert_eq!(
            (plain.insecure, plain.mirrors.iter().map(ToString::to_string).collect()),
            (true, vec!["a.example.com/hub".to_owned(), "b.example.com:1".to_owned()])
        );
        assert_eq!(registries["t.example.com"].ca.as_deref(), Some(std::path::Path::new("/srv/shop/certs/ca.pem")));
    }

    #[test]
    fn each_mistake_is_found_at_its_place() {
        let digest = format!("debian@sha256:{}", "0".repeat(64));
        let of_base = |lines: &str| format!("bases:\n  debian:12:\n    {lines}\n");
        for (text, key, message) in [
            (of_base("watch: soon"), "watch", "no duration"),
            (of_base("watch: 0"), "watch", "without a pause"),
            (of_base("cooldown: 1"), "cooldown", "no duration"),
            (of_base("follow: { }"), "follow", "one of the two"),
            (of_base("follow: { semver: '^1', regex: x }"), "follow", "one of the two"),
            (of_base("follow: { semver: newest }"), "follow.semver", "`newest` is no range of versions"),
            (of_base("follow: { semver: '^1', order: alpha }"), "follow.order", "means nothing without `regex`"),
            (of_base("follow: { regex: '(' }"), "follow.regex", "this is no pattern: unclosed group"),
            (of_base("follow: { regex: x, suffix: -slim }"), "follow.suffix", "means nothing without `semver`"),
            (of_base("follow: { semver: '^1', sufix: x }"), "follow.sufix", "unknown key `sufix`"),
            (of_base("follow: { regex: x, order: newest }"), "follow.order", "newest"),
            (format!("bases: {{ '{digest}': {{ follow: {{ regex: x }} }} }}"), "follow", "follows no tag"),
            (format!("bases: {{ '{digest}': {{ watch: 5m }} }}"), "watch", "never moves"),
            ("registries: { 'https://r.example.com': { insecure: true } }".into(), "https://r.example.com", "neither a scheme nor a path"),
            ("registries: { r.example.com: { ca: x.pem, insecure: true } }".into(), "insecure", "knows no authorities"),
            ("registries: { r.example.com: { mirror: ['http://m.example.com'] } }".into(), "mirror[0]", "expected a registry"),
            ("registries: { r.example.com: { mirror: [m.example.com, m.example.com] } }".into(), "mirror[1]", "twice"),
            ("registries: { docker.io: { insecure: true }, index.docker.io: { insecure: true } }".into(), "index.docker.io", "there already"),
        ] {
            let findings = read(&[&text]).findings;
            let found = findings.iter().any(|finding| finding.key.ends_with(key) && finding.message.contains(message));
            assert!(found && findings.len() == 1, "{text}: {findings:#?}");
        }
    }
}
