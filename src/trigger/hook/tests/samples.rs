//! Every sample in `tests/hooks/`: recognised by itself, and read.

use std::collections::BTreeSet;

use super::*;

/// The headers that come with a sample, as its sender sends them. (Signatures are in `proofs`.)
pub(super) fn headers_of(sample: &str) -> Vec<(String, String)> {
    let json = ("content-type", "application/json");
    let id = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    let github = |event| vec![json, ("user-agent", "GitHub-Hookshot/044aadd"), ("x-github-event", event), ("x-github-delivery", id)];
    let gitea = |event| vec![json, ("x-gitea-event", event), ("x-gitea-delivery", id), ("x-github-event", event), ("x-github-delivery", id)];
    let gitlab = |event| vec![json, ("x-gitlab-event", event), ("x-gitlab-event-uuid", "13792a34"), ("idempotency-key", id)];
    let (sender, name) = sample.split_once('/').unwrap();
    headers(&match (sender, name) {
        ("distribution", _) => vec![("content-type", "application/vnd.docker.distribution.events.v2+json")],
        ("github", "ping.json") => github("ping"),
        ("github", "registry-package.json") => github("registry_package"),
        ("github", name) if name.starts_with("push") => github("push"),
        ("github", _) => github("package"),
        ("gitea", name) if name.starts_with("push") => gitea("push"),
        ("gitea", _) => gitea("package"),
        ("gitlab", "pipeline.json") => gitlab("Pipeline Hook"),
        ("gitlab", "tag-push.json") => gitlab("Tag Push Hook"),
        ("gitlab", _) => gitlab("Push Hook"),
        ("acr", "event-grid.json") => vec![("content-type", "application/cloudevents+json; charset=utf-8")],
        ("acr", _) => vec![("content-type", "application/json; charset=utf-8"), ("user-agent", "AzureContainerRegistry/1.0")],
        ("nexus", _) => {
            vec![
                ("content-type", "application/json; charset=UTF-8"),
                ("x-nexus-webhook-id", "rm:repository:component"),
                ("x-nexus-webhook-delivery", id),
            ]
        }
        ("cloudevents", "binary.json") => {
            vec![
                json,
                ("ce-specversion", "1.0"),
                ("ce-type", "container.image.push"),
                ("ce-source", "https://registry.example.com/events"),
                ("ce-id", "test-9"),
            ]
        }
        ("cloudevents", "batch.json") => vec![("content-type", "application/cloudevents-batch+json")],
        ("harbor", name) if name.starts_with("cloudevent") => vec![("content-type", "application/cloudevents+json")],
        ("cdevents", "cloudevent.json") | ("cloudevents", _) => vec![("content-type", "application/cloudevents+json")],
        ("google", "unwrapped.json") => vec![json, ("x-goog-pubsub-message-id", "2070443601311541")],
        _ => vec![json],
    })
}

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const NEW: &str = "registry.example.com:5000/base/debian";
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/base/debian:12@";

/// Sample, format, delivery, hints, and a piece of the note.
fn table() -> Vec<(&'static str, Option<Format>, &'static str, String, &'static str)> {
    let text = str::to_owned;
    vec![
        ("docker-hub/push.json", Some(Format::DockerHub), "", text("docker.io/acme/shop:1.4"), ""),
        ("docker-hub/official.json", Some(Format::DockerHub), "", text("docker.io/library/debian:bookworm-slim"), ""),
        ("distribution/push.json", Some(Format::Distribution), "320678d8-ca14-430f-8bb6-4ca139cd83f7", format!("{NEW}:12@"), ""),
        ("distribution/blob.json", Some(Format::Distribution), "320678d8-ca14-430f-8bb6-4ca139cd83f8", text(""), "no manifest"),
        ("distribution/pull.json", Some(Format::Distribution), "320678d8-ca14-430f-8bb6-4ca139cd83f9", text(""), "no push"),
        ("distribution/several.json", Some(Format::Distribution), "sha256:", format!("{NEW}:-@ {NEW}:12@"), "no manifest"),
        ("distribution/one-broken.json", Some(Format::Distribution), "sha256:", format!("{NEW}:12@"), "/target/repository"),
        ("distribution/gitlab.json", Some(Format::Distribution), "c1", text("registry.gitlab.example.com/group/shop/web:main@"), ""),
        ("github/package.json", Some(Format::Github), ID, text("ghcr.io/acme/web:1.4@"), ""),
        ("github/registry-package.json", Some(Format::Github), ID, text("ghcr.io/acme/web:-@"), ""),
        ("github/without-url.json", Some(Format::Github), ID, text("ghcr.io/acme/web:1.4@"), ""),
        ("github/npm.json", Some(Format::Github), ID, text(""), "no image"),
        ("github/ping.json", Some(Format::Github), ID, text(""), "a ping"),
        ("github/push.json", Some(Format::Github), ID, text(""), ""),
        ("github/push-forced.json", Some(Format::Github), ID, text(""), ""),
        ("github/push-new-branch.json", Some(Format::Github), ID, text(""), ""),
        ("github/push-deleted.json", Some(Format::Github), ID, text(""), "was deleted"),
        ("harbor/push.json", Some(Format::Harbor), "", text("harbor.example.com/base/debian:12@"), ""),
        ("harbor/by-digest.json", Some(Format::Harbor), "", text("harbor.example.com/base/debian:-@"), ""),
        ("harbor/several.json", Some(Format::Harbor), "", text("harbor.example.com/base/debian:12@ harbor.example.com/base/debian:bookworm@"), ""),
        ("harbor/scanned.json", Some(Format::Harbor), "", text(""), "no push"),
        ("harbor/cloudevent.json", Some(Format::Harbor), "/projects/2/webhook/policies/15 66e18103", text("harbor.example.com/base/debian:12@"), ""),
        ("harbor/cloudevent-pulled.json", Some(Format::Harbor), "/projects/2/webhook/policies/15 66e18103", text(""), "no push"),
        ("quay/push.json", Some(Format::Quay), "", text("quay.io/acme/web:1.4 quay.io/acme/web:latest"), ""),
        ("quay/old-form.json", Some(Format::Quay), "", text("quay.io/acme/web:latest"), ""),
        ("quay/scanned.json", None, "", text(""), "no known sender"),
        ("gitlab/push.json", Some(Format::Gitlab), ID, text(""), ""),
        ("gitlab/push-of-many.json", Some(Format::Gitlab), ID, text(""), ""),
        ("gitlab/tag-push.json", Some(Format::Gitlab), ID, text(""), ""),
        ("gitlab/pipeline.json", Some(Format::Gitlab), ID, text(""), "no push"),
        ("acr/push.json", Some(Format::Acr), "cb8c3971-9adc-488b-bdd8-43cbb4974ff5", text("acme.azurecr.io/base/debian:12@"), ""),
        ("acr/by-digest.json", Some(Format::Acr), "cb8c3971-9adc-488b-bdd8-43cbb4974ff5", text("acme.azurecr.io/base/debian:-@"), ""),
        ("acr/delete.json", Some(Format::Acr), "cb8c3971-9adc-488b-bdd8-43cbb4974ff5", text(""), "no push"),
        ("acr/ping.json", Some(Format::Acr), "cb8c3971-9adc-488b-bdd8-43cbb4974ff6", text(""), "a ping"),
        ("acr/event-grid.json", Some(Format::CloudEvents), "/subscriptions/0/resourceGroups/r", text("acme.azurecr.io/base/debian:12@"), ""),
        ("ecr/push.json", Some(Format::Ecr), "13cde686-328b-6117-af20-0e5566167482", text(ECR), ""),
        ("ecr/failed.json", Some(Format::Ecr), "13cde686-328b-6117-af20-0e5566167482", text(""), "failed"),
        ("ecr/delete.json", Some(Format::Ecr), "13cde686-328b-6117-af20-0e5566167482", text(""), "no push"),
        ("ecr/scan.json", Some(Format::Ecr), "13cde686-328b-6117-af20-0e5566167482", text(""), "no push"),
        ("ecr/cloudevent.json", Some(Format::Ecr), "urn:aws:ecr:eu-west-1:123456789012:repository/base/debian 13cde686", text(ECR), ""),
        ("google/push.json", Some(Format::Google), "2070443601311540", text("europe-docker.pkg.dev/acme/base/debian:12@"), ""),
        ("google/by-digest.json", Some(Format::Google), "2070443601311540", text("europe-docker.pkg.dev/acme/base/debian:-@"), ""),
        ("google/delete.json", Some(Format::Google), "2070443601311540", text(""), "no push"),
        ("google/unwrapped.json", Some(Format::Google), "2070443601311541", text("europe-docker.pkg.dev/acme/base/debian:12@"), ""),
        ("artifactory/push.json", Some(Format::Artifactory), "", text("acme.jfrog.io/docker-local/base/debian:12@"), ""),
        ("artifactory/deleted.json", Some(Format::Artifactory), "", text(""), "no push"),
        ("artifactory/artifact.json", Some(Format::Artifactory), "", text(""), "no push"),
        ("nexus/deleted.json", Some(Format::Nexus), ID, text(""), "no push"),
        ("nexus/maven.json", Some(Format::Nexus), ID, text(""), "no image"),
        ("gitea/package.json", Some(Format::Gitea), ID, text("git.example.com/acme/base/debian:12"), ""),
        ("gitea/package-by-digest.json", Some(Format::Gitea), ID, text("git.example.com/acme/base/debian:-@"), ""),
        ("gitea/package-deleted.json", Some(Format::Gitea), ID, text(""), "deleted"),
        ("gitea/push.json", Some(Format::Gitea), ID, text(""), ""),
        ("gitea/push-of-many.json", Some(Format::Gitea), ID, text(""), ""),
        (
            "cloudevents/structured.json",
            Some(Format::CloudEvents),
            "https://registry.example.com/events test-1",
            text("registry.example.com/shop/backend:2.0@"),
            "",
        ),
        (
            "cloudevents/subject-only.json",
            Some(Format::CloudEvents),
            "https://registry.example.com/events test-1",
            text("registry.example.com/shop/backend:2.0"),
            "",
        ),
        (
            "cloudevents/binary.json",
            Some(Format::CloudEvents),
            "https://registry.example.com/events test-9",
            text("registry.example.com/shop/backend:2.0@"),
            "",
        ),
        (
            "cloudevents/batch.json",
            Some(Format::CloudEvents),
            "",
            text("registry.example.com/shop/backend:2.0@ registry.example.com/shop/web:3"),
            "a deletion",
        ),
        ("cdevents/published.json", Some(Format::CdEvents), "/event/source/ci 271069a8", text("registry.example.com/base/debian:12@"), ""),
        ("cdevents/packaged.json", Some(Format::CdEvents), "", text(""), "no artifact was published"),
        ("cdevents/library.json", Some(Format::CdEvents), "/event/source/ci 271069a8", text(""), "no image"),
        (
            "cdevents/cloudevent.json",
            Some(Format::CdEvents),
            "/projects/2/webhook/policies/15 66e18103",
            text("registry.example.com/base/debian:12@"),
            "",
        ),
        ("generic/push.json", None, "", text(""), "no known sender"),
        ("unknown/alert.json", None, "", text(""), "no known sender"),
    ]
}

/// Those that a hook without settings cannot read; `senders` reads them with some.
const NEED_SETTINGS: [&str; 3] = ["generic/whole-reference.json", "nexus/created.json", "nexus/updated.json"];

/// Every sample there is.
pub(super) fn all() -> BTreeSet<String> {
    let root = format!("{}/tests/hooks", env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let name = |path: std::path::PathBuf| {
        let parts: Vec<_> = path.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        format!("{}/{}", parts[1], parts[0])
    };
    folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| name(entry.unwrap().path())).collect()
}

#[test]
fn every_sample_is_recognised_by_itself_and_says_what_it_says() {
    for (sample, format, delivery, hints, note) in table() {
        let (headers, body) = (headers_of(sample), body(sample));
        let request = Request { headers: &headers, body: &body, path: None };
        let heard = hear(&hook(Auth::BySender), &request).unwrap_or_else(|error| panic!("{sample}: {error}"));
        assert_eq!(heard.format, format, "{sample}");
        assert_eq!(recognise(&request).unwrap(), format, "{sample}");
        assert_eq!(shown(&heard.hints), hints, "{sample}");
        let said = heard.delivery.clone().unwrap_or_default();
        assert!(said.starts_with(delivery) && said.is_empty() == delivery.is_empty(), "{sample}: {said:?}");
        let said = heard.note.clone().unwrap_or_default();
        assert!(said.contains(note) && said.is_empty() == note.is_empty(), "{sample}: {said:?}");
        assert!(!heard.hints.is_empty() || !heard.pushes.is_empty() || heard.note.is_some(), "{sample} means nothing, and nobody says why");
    }
}

#[test]
fn no_sample_is_forgotten() {
    let told: BTreeSet<String> = table().iter().map(|(sample, ..)| *sample).chain(NEED_SETTINGS).map(str::to_owned).collect();
    assert_eq!(told, all());
}

#[test]
fn a_format_that_is_set_is_read_without_the_headers_that_tell_it() {
    for (sample, format, _, hints, _) in table().into_iter().filter(|(sample, ..)| !sample.contains("binary")) {
        let Some(format) = format else { continue };
        let body = body(sample);
        let heard = read(format, &Request { headers: &[], body: &body, path: None }, &hook(Auth::BySender)).unwrap();
        assert_eq!(shown(&heard.hints), hints, "{sample}");
    }
}
