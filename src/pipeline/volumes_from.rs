//! Compose's `volumes_from`: the volumes of one service mounted in another, written out as what they are.
//!
//! It is read so that what people have pastes in, and warned about: whoever reads the service does not see what it writes. What it came to, the
//! estate has as ordinary mounts, so that everything that is checked and promised of volumes holds for these too.

use std::collections::{BTreeMap, BTreeSet};

use super::at::At;
use super::finding::Findings;
use super::near::did_you_mean;
use super::raw_service as raw;
use super::service::Service;
use crate::model::{MountSource, MountSpec};

/// A service as it was read: its place, its mounts, and which others' it wants.
struct Giver<'a> {
    at: At<'a>,
    own: Vec<MountSpec>,
    wants: &'a [String],
}

/// Adds to each service the mounts that its `volumes_from` stands for: in the written order, the later before the earlier where two have one target,
/// as the engine does it, and the service's own before all.
pub(super) fn expand<'a>(services: &mut [(At<'a>, Service)], raw: &BTreeMap<String, (At<'a>, &'a raw::Service)>, findings: &mut Findings) {
    let givers: BTreeMap<String, Giver<'_>> = services
        .iter()
        .filter_map(|(at, service)| {
            let key = service.name.to_string();
            let wants = raw.get(&key)?.1.volumes_from.as_slice();
            Some((key, Giver { at: at.clone(), own: service.container.mounts.clone(), wants }))
        })
        .collect();
    for at in 0..services.len() {
        let key = services[at].1.name.to_string();
        if givers.get(&key).is_none_or(|giver| giver.wants.is_empty()) {
            continue;
        }
        let mounts = all_of(&givers, &key, &mut Vec::new(), findings, true);
        let givers_of_it = reached(&givers, &key);
        for (_, one) in services.iter_mut().filter(|(_, one)| givers_of_it.contains(one.name.as_str())) {
            // Written there, in so many words: these share it.
            let named =
                mounts.iter().filter_map(|mount| if let MountSource::Volume { name, .. } = &mount.source { Some(name.clone()) } else { None });
            one.shares.extend(named);
        }
        services[at].1.container.mounts = mounts;
    }
}

/// A service, and those whose volumes it has, however far away.
fn reached<'g>(givers: &'g BTreeMap<String, Giver<'_>>, key: &'g str) -> BTreeSet<&'g str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![key]);
    while let Some(key) = next.pop() {
        if reached.insert(key) {
            let wants = givers.get(key).into_iter().flat_map(|giver| giver.wants);
            next.extend(wants.filter_map(|text| text.split(':').next()));
        }
    }
    reached
}

/// All mounts of a service. What is wrong is told where it is written, once: by the service itself and not by those that stand on it.
fn all_of(givers: &BTreeMap<String, Giver<'_>>, key: &str, way: &mut Vec<String>, findings: &mut Findings, tells: bool) -> Vec<MountSpec> {
    let Some(giver) = givers.get(key) else { return Vec::new() };
    way.push(key.to_owned());
    let mut mounts: Vec<MountSpec> = Vec::new();
    for (index, text) in giver.wants.iter().enumerate() {
        let at = giver.at.key("volumes_from").index(index);
        match taken(givers, &at, text, way, findings, tells) {
            Ok(taken) => taken.into_iter().for_each(|mount| put(&mut mounts, mount)),
            Err((message, help)) if tells => findings.error(&at, message, help),
            Err(_) => {}
        }
    }
    way.pop();
    giver.own.iter().cloned().for_each(|mount| put(&mut mounts, mount));
    mounts
}

/// What one line of `volumes_from` stands for.
fn taken(
    givers: &BTreeMap<String, Giver<'_>>,
    at: &At<'_>,
    text: &str,
    way: &mut Vec<String>,
    findings: &mut Findings,
    tells: bool,
) -> Result<Vec<MountSpec>, (String, String)> {
    let (name, read_only) = match text.split(':').collect::<Vec<_>>()[..] {
        ["container", ..] => {
            let help =
                "give its volume a name, then mount that: `volumes: [\"data:/data\"]`, and at the top level `volumes: { data: { external: true } }`";
            return Err((format!("`{text}` is a container that refit does not know"), help.to_owned()));
        }
        [name] | [name, "rw"] => (name, false),
        [name, "ro"] => (name, true),
        _ => return Err((format!("expected `service` or `service:ro`, found `{text}`"), String::new())),
    };
    if !givers.contains_key(name) {
        let help = did_you_mean(name, givers.keys().map(String::as_str), "services", "name a service of the estate");
        return Err((format!("there is no service `{name}`"), help));
    }
    let first = way.first().cloned().unwrap_or_default();
    if tells && reached(givers, name).contains(first.as_str()) {
        return Err((format!("`{first}` and `{name}` take their volumes from each other, in a ring"), "write `volumes` in one of them".to_owned()));
    }
    // A ring that others are in is told where they are written.
    if way.iter().any(|one| one == name) {
        return Ok(Vec::new());
    }
    let all = all_of(givers, name, way, findings, false);
    if let Some(nameless) = all.iter().find(|mount| mount.source == MountSource::Anonymous) {
        let help = format!("give it one, in `{name}` and at the top level: `volumes: [\"data:{}\"]`, `volumes: {{ data: }}`", nameless.target);
        return Err((format!("the volume of `{name}` at {} has no name, so nobody else can mount it", nameless.target), help));
    }
    let given: Vec<MountSpec> = all.into_iter().filter(|mount| !matches!(mount.source, MountSource::Tmpfs { .. })).collect();
    let given: Vec<MountSpec> = given.into_iter().map(|mount| MountSpec { read_only: mount.read_only || read_only, ..mount }).collect();
    if tells {
        let lines: Vec<String> = given.iter().map(|mount| format!("`{}`", shown(mount))).collect();
        let what = if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") };
        let message = format!("`volumes_from` hides who writes what; from `{name}` it mounts {what}");
        let help = "write that under `volumes` instead; volumes that only the image of the other service declares are not mounted";
        findings.warning(at, message, help);
    }
    Ok(given)
}

/// A mount in the place of another one at the same target.
fn put(mounts: &mut Vec<MountSpec>, mount: MountSpec) {
    mounts.retain(|other| other.target.trim_end_matches('/') != mount.target.trim_end_matches('/'));
    mounts.push(mount);
}

fn shown(mount: &MountSpec) -> String {
    let source = match &mount.source {
        MountSource::Volume { name, .. } => name.as_str(),
        MountSource::Bind { path } => path.as_str(),
        MountSource::Anonymous | MountSource::Tmpfs { .. } => "",
    };
    format!("{source}:{}{}", mount.target, if mount.read_only { ":ro" } else { "" })
}

#[cfg(test)]
mod tests {
    use crate::pipeline::tests::read;

    /// Three services, and what they say of volumes.
    fn shop(data: &str, app: &str, more: &str) -> String {
        let service = |name: &str, text: &str| format!("  {name}: {{ image: \"nginx:1\", {text} }}\n");
        "hosts: { a: { endpoint: \"tcp://a:2375\" } }\nvolumes: { one: , two: , external: { external: true } }\nservices:\n".to_owned()
            + &service("data", data)
            + &service("app", app)
            + more
    }

    /// The mounts of `app`, and what was found.
    fn check(data: &str, app: &str, mounts: &str, found: &[&str]) {
        let reading = read(&[&shop(data, app, "")]);
        let findings: Vec<_> = reading.findings.iter().map(|finding| finding.message.clone()).collect();
        assert_eq!(findings.len(), found.len(), "{findings:?}");
        findings.iter().zip(found).for_each(|(said, expected)| assert!(said.contains(expected), "{said}"));
        let shown = reading.estate.map(|estate| {
            let mounts = &estate.services[&"app".parse().unwrap()].container.mounts;
            mounts.iter().map(super::shown).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(shown.unwrap_or_default(), mounts);
    }

    #[test]
    fn volumes_of_another_service_are_written_out_and_warned_about() {
        let data = "volumes: [\"one:/one\", \"/srv/x:/x\"], tmpfs: [/t]";
        let hides = "`volumes_from` hides who writes what; from `data` it mounts `shop_one:/one`, `/srv/x:/x`";
        check(data, "volumes_from: [data]", "shop_one:/one /srv/x:/x", &[hides]);
        check(data, "volumes_from: [\"data:rw\"], volumes: [\"two:/one\"]", "/srv/x:/x shop_two:/one", &[hides]);
        check(data, "volumes_from: [\"data:ro\"]", "shop_one:/one:ro /srv/x:/x:ro", &["`shop_one:/one:ro`"]);
        check("init: true", "volumes_from: [data]", "", &["it mounts nothing"]);
    }

    #[test]
    fn what_cannot_be_mounted_says_what_to_write() {
        check("volumes: [/one]", "volumes_from: [data]", "", &["the volume of `data` at /one has no name"]);
        check("init: true", "volumes_from: [\"container:old\"]", "", &["is a container that refit does not know"]);
        check("init: true", "volumes_from: [dat]", "", &["there is no service `dat`"]);
        check("init: true", "volumes_from: [\"data:z\"]", "", &["expected `service` or `service:ro`"]);
        check("volumes_from: [app]", "volumes_from: [data]", "", &["in a ring", "in a ring"]);
    }

    #[test]
    fn those_that_share_by_volumes_from_may_and_others_may_not() {
        let third = |volumes: &str| format!("  third: {{ image: \"nginx:1\", {volumes} }}\n");
        let found = |more: &str| {
            let reading = read(&[&shop("volumes: [\"one:/one\"]", "volumes_from: [data]", more)]);
            reading.findings.iter().filter(|finding| finding.is_error()).count()
        };
        assert_eq!(found(""), 0, "said in so many words");
        assert_eq!(found(&third("volumes: [\"one:/x\"]")), 3, "each of the three is told of the stranger, or the stranger of them");
        assert_eq!(found(&third("volumes: [\"one:/x:ro\"]")), 0);
        assert_eq!(found(&third("volumes_from: [app]")), 0);
    }

    #[test]
    fn what_others_go_on_writing_cannot_be_copied() {
        let found = |app: &str| {
            let data = "volumes: [\"one:/one\"], data: { snapshot: before }";
            let errors = read(&[&shop(data, app, "")]).findings.into_iter().filter(|finding| finding.is_error());
            errors.map(|finding| finding.message).collect::<Vec<_>>()
        };
        let written = "the volume shop_one cannot be copied: service `app` goes on writing it meanwhile, on the same host";
        assert_eq!(found("volumes_from: [data]"), [written]);
        assert!(found("volumes_from: [\"data:ro\"]").is_empty(), "who only reads does no harm");
    }
}
