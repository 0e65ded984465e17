//! `refit release`: which releases there are, what one holds, who is on it, and what is in quarantine.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::{ReleaseKept, Standing};
use crate::model::{ImageName, ReleaseNumber, ServiceName};
use crate::release::{Release, ReleasedImage, ServiceRelease};

/// One release in a list.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    #[serde(flatten)]
    kept: &'a ReleaseKept,
    services: Vec<&'a ServiceName>,
    quarantine: Option<String>,
}

/// One release with all that it holds.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    release: &'a Release,
    services: Vec<&'a ServiceName>,
    quarantine: Vec<String>,
}

/// Releases, newest first, each with the services that are on it.
pub fn list<'a>(releases: &'a [ReleaseKept], standing: &'a Standing) -> Vec<Line<'a>> {
    let line =
        |kept: &'a ReleaseKept| Line { kept, services: on(standing, kept.number), quarantine: quarantine(standing, kept.number).into_iter().next() };
    releases.iter().map(line).collect()
}

/// One release.
pub fn whole<'a>(release: &'a Release, standing: &'a Standing) -> Whole<'a> {
    Whole { release, services: on(standing, release.number), quarantine: quarantine(standing, release.number) }
}

/// A list as people read it.
pub fn list_as_text(lines: &[Line<'_>]) -> Vec<String> {
    if lines.is_empty() {
        return vec!["no release yet; `refit rollout` makes the first one".into()];
    }
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let row = |line: &Line<'_>| {
        let services: Vec<_> = line.services.iter().map(ToString::to_string).collect();
        [
            line.kept.number.to_string(),
            super::moment(line.kept.made_at),
            line.kept.run.to_string(),
            or_none(services.join(", ")),
            line.quarantine.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    super::table(["RELEASE", "MADE", "BY", "NOW ON IT", "QUARANTINE"], lines.iter().map(row))
}

/// A release as people read it: its images and services, and whether it is in quarantine.
pub fn whole_as_text(whole: &Whole<'_>) -> Vec<String> {
    let Whole { release, services, quarantine } = whole;
    let mut lines = vec![format!("{}, made by {} at {}", release.number, release.run, super::moment(release.made_at))];
    lines.extend(quarantine.iter().map(|why| format!("in quarantine: {why}")));
    if !quarantine.is_empty() {
        lines.push(format!("`refit release {} --unquarantine` lifts that", release.number));
    }
    lines.push(String::new());
    lines.extend(images(&release.images));
    if !release.services.is_empty() {
        lines.push(String::new());
        lines.extend(rows(&release.services, services));
    }
    lines
}

fn images(images: &BTreeMap<ImageName, ReleasedImage>) -> Vec<String> {
    let own = |reference: &str| images.keys().any(|name| name.as_str() == reference);
    let row = |(name, image): (&ImageName, &ReleasedImage)| {
        let bases = image.bases.iter().map(|(base, digest)| (base.familiar(), digest.short()));
        let bases: Vec<_> = bases.map(|(base, id)| if own(&base) { base } else { format!("{base} (sha256:{id})") }).collect();
        [name.to_string(), image.tag.familiar(), image.id.short(), bases.join(", ")]
    };
    super::table(["IMAGE", "TAG", "ID", "BUILT ON"], images.iter().map(row))
}

fn rows(all: &BTreeMap<ServiceName, ServiceRelease>, on_it: &[&ServiceName]) -> Vec<String> {
    let row = |(name, service): (&ServiceName, &ServiceRelease)| {
        let now = if on_it.contains(&name) { "yes" } else { "-" };
        [name.to_string(), service.image.clone(), service.id.short(), now.to_owned()]
    };
    super::table(["SERVICE", "IMAGE", "ID", "NOW ON IT"], all.iter().map(row))
}

fn on(standing: &Standing, release: ReleaseNumber) -> Vec<&ServiceName> {
    standing.services.iter().filter(|(_, state)| state.current == Some(release)).map(|(name, _)| name).collect()
}

/// Why a release is in quarantine: as a whole first, then for single services.
fn quarantine(standing: &Standing, release: ReleaseNumber) -> Vec<String> {
    let whole = standing.quarantined.get(&release).map(|whole| {
        let bases: Vec<_> = whole.bases.iter().map(|(base, digest)| format!("{} at sha256:{}", base.familiar(), digest.short())).collect();
        let bases = if bases.is_empty() { String::new() } else { format!("; with it {}", bases.join(", ")) };
        format!("{} ({}){bases}", whole.why, whole.run)
    });
    let of_services = standing.services.iter().filter_map(|(service, state)| Some((service, state.quarantined.get(&release)?)));
    let of_services = of_services.map(|(service, one)| format!("{service}: {} ({})", one.why, one.run));
    whole.into_iter().chain(of_services).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::{Quarantine, ReleaseQuarantine, ServiceState};
    use crate::model::{Digest, RunId};

    fn standing() -> Standing {
        let (run, at) = (RunId(2), Timestamp::UNIX_EPOCH);
        let why = "1 of 2 slots failed; web@h2/0: its container exited with code 3".to_owned();
        let web = ServiceState {
            current: Some(ReleaseNumber(1)),
            quarantined: [(ReleaseNumber(2), Quarantine { why, run, at })].into(),
            ..ServiceState::default()
        };
        let bases = [("debian:12".parse().unwrap(), Digest::of(b"bad"))].into();
        let whole = ReleaseQuarantine { why: "web failed".into(), run, at, bases, well_since: Default::default() };
        Standing { services: [("web".parse().unwrap(), web)].into(), quarantined: [(ReleaseNumber(2), whole)].into() }
    }

    #[test]
    fn releases_are_listed_with_who_is_on_them() {
        let kept = |number| ReleaseKept { number: ReleaseNumber(number), run: RunId(number), made_at: Timestamp::UNIX_EPOCH };
        let (releases, standing) = ([kept(2), kept(1)], standing());
        let lines = list_as_text(&list(&releases, &standing));
        let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect()).collect();
        let (moment, bad) = (super::super::moment(Timestamp::UNIX_EPOCH), Digest::of(b"bad").short());
        let why = format!("web failed (run-2); with it debian:12 at sha256:{bad}");
        assert_eq!(words[0], ["RELEASE", "MADE", "BY", "NOW ON IT", "QUARANTINE"]);
        assert_eq!(words[1], ["r2", &moment, "run-2", "-", &why]);
        assert_eq!(words[2], ["r1", &moment, "run-1", "web", "-"]);
        assert_eq!(list_as_text(&[]), ["no release yet; `refit rollout` makes the first one"]);
    }

    #[test]
    fn why_a_release_is_in_quarantine_is_told_as_a_whole_first() {
        let told = quarantine(&standing(), ReleaseNumber(2));
        assert!(told[0].starts_with("web failed (run-2)") && told[1].starts_with("web: 1 of 2 slots failed"), "{told:?}");
    }
}
