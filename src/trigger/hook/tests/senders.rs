//! What single senders do that a table of samples cannot show: settings of the hook, pushes to git, fields that are missing.

use super::samples::headers_of;
use super::*;

fn heard(sample: &str, hook: &Hook) -> Result<Heard, HookError> {
    let (headers, body) = (headers_of(sample), body(sample));
    hear(hook, &Request { headers: &headers, body: &body, path: None })
}

fn on(registry: &str) -> Hook {
    Hook { registry: Some(registry.to_owned()), ..hook(Auth::BySender) }
}

fn fields(repository: &str, tag: Option<&str>, digest: Option<&str>) -> Fields {
    Fields { repository: repository.to_owned(), tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) }
}

#[test]
fn the_hooks_registry_stands_before_the_payloads_own_name() {
    //    sample                          registry                    heard
    for (sample, registry, expected) in [
        ("nexus/created.json", "nexus.example.com:8082", "nexus.example.com:8082/base/debian:12"),
        ("nexus/updated.json", "nexus.example.com/docker", "nexus.example.com/docker/base/debian:12"),
        ("artifactory/push.json", "docker.acme.example/virtual", "docker.acme.example/virtual/base/debian:12@"),
        ("distribution/push.json", "mirror.example.com", "mirror.example.com/base/debian:12@"),
        ("harbor/push.json", "mirror.example.com", "mirror.example.com/base/debian:12@"),
        ("github/package.json", "mirror.example.com", "mirror.example.com/acme/web:1.4@"),
        ("docker-hub/official.json", "mirror.example.com", "mirror.example.com/library/debian:bookworm-slim"),
        ("google/push.json", "mirror.example.com", "mirror.example.com/acme/base/debian:12@"),
        ("cdevents/published.json", "mirror.example.com", "mirror.example.com/base/debian:12@"),
        ("cloudevents/structured.json", "mirror.example.com", "mirror.example.com/shop/backend:2.0@"),
    ] {
        assert_eq!(shown(&heard(sample, &on(registry)).unwrap().hints), expected, "{sample}");
    }
    let error = heard("nexus/created.json", &hook(Auth::NexusSignature)).unwrap_err().to_string();
    assert!(error.contains("nexus") && error.contains("set `registry`"), "{error}");
}

#[test]
fn pointers_find_the_fields_of_a_body_that_nobody_knows() {
    let mut hook = hook(Auth::Signature);
    hook.fields = Some(fields("/image/name", Some("/image/versions/0/tag"), Some("/image/versions/0/digest")));
    assert_eq!(shown(&heard("generic/push.json", &hook).unwrap().hints), "docker.io/shop/web:7@");
    assert_eq!(shown(&heard("generic/whole-reference.json", &hook).unwrap().hints), "ghcr.io/acme/web:1.4@");
    hook.registry = Some("h.example".to_owned());
    assert_eq!(shown(&heard("generic/push.json", &hook).unwrap().hints), "h.example/shop/web:7@");
    assert_eq!(shown(&heard("generic/whole-reference.json", &hook).unwrap().hints), "ghcr.io/acme/web:1.4@", "what names its registry keeps it");
    hook.fields = Some(fields("/data/where", None, None));
    assert!(heard("generic/push.json", &hook).unwrap_err().to_string().contains("/data/where"));
}

#[test]
fn pushes_to_git_say_what_changed_where_all_of_it_is_listed() {
    //    sample                           reference            new     forced        paths
    for (sample, reference, is_new, forced, paths) in [
        ("github/push.json", "refs/heads/main", false, Some(false), Some("docs/old.md web/Dockerfile web/new.css")),
        ("github/push-forced.json", "refs/heads/main", false, Some(true), None),
        ("github/push-new-branch.json", "refs/heads/next", true, Some(false), None),
        ("gitlab/push.json", "refs/heads/main", false, None, Some("web/a web/b web/c")),
        ("gitlab/push-of-many.json", "refs/heads/main", false, None, None),
        ("gitlab/tag-push.json", "refs/tags/v1.4", true, None, None),
        ("gitea/push.json", "refs/heads/main", false, None, Some("web/Dockerfile")),
        ("gitea/push-of-many.json", "refs/heads/main", false, None, None),
    ] {
        let heard = heard(sample, &hook(Auth::BySender)).unwrap();
        let [push] = heard.pushes.as_slice() else { panic!("{sample}: {heard:?}") };
        assert_eq!(push.reference, reference, "{sample}");
        assert_eq!((push.before.is_none(), push.forced), (is_new, forced), "{sample}");
        assert_eq!(push.after, "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "{sample}");
        let listed = push.paths.as_ref().map(|paths| paths.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        assert_eq!(listed.as_deref(), paths, "{sample}");
        assert!(push.urls.iter().any(|url| url.starts_with("https://") && url.ends_with("/shop.git")), "{sample}: {:?}", push.urls);
        assert!(push.urls.iter().any(|url| url.starts_with("git@")), "{sample}: {:?}", push.urls);
    }
}

#[test]
fn forges_list_all_paths_of_a_push_or_all_that_is_there_counts() {
    let good = serde_json::json!({ "added": ["web/new"], "modified": [], "removed": null });
    let unknown = serde_json::json!({ "added": null, "modified": null, "removed": null });
    let bare = serde_json::json!({ "id": "0d1a" });
    //    commits, how many there were, listed
    for (commits, total, is_listed) in [
        (vec![good.clone()], Some(1), true),
        (vec![good.clone(); 20], Some(20), true),
        // GitLab leaves out what is beyond its 20, Gitea what is beyond its 5.
        (vec![good.clone(); 20], Some(21), false),
        (vec![good.clone(); 5], Some(6), false),
        (vec![good.clone()], None, false),
        (vec![good.clone(), unknown], Some(2), false),
        (vec![good, bare], Some(2), false),
        (vec![], Some(0), false),
    ] {
        for (sample, key) in [("gitlab/push.json", "total_commits_count"), ("gitea/push.json", "total_commits")] {
            let mut push: serde_json::Value = serde_json::from_slice(&body(sample)).unwrap();
            push["commits"] = commits.clone().into();
            push[key] = total.into();
            let text = push.to_string();
            let headers = super::samples::headers_of(sample);
            let heard = hear(&hook(Auth::BySender), &Request { headers: &headers, body: text.as_bytes(), path: None }).unwrap();
            let listed = heard.pushes[0].paths.as_ref().map(|paths| paths.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(listed, is_listed.then(|| vec!["web/new"]), "{sample}: {total:?} {commits:?}");
        }
    }
}

/// The data alone as the body, the event's attributes in headers.
#[test]
fn an_event_in_headers_is_as_good_as_one_in_the_body() {
    for (kind, sample, part, expected) in [
        ("dev.cdevents.artifact.published.0.2.0", "cdevents/published.json", "", "registry.example.com/base/debian:12@"),
        ("harbor.artifact.pushed", "harbor/cloudevent.json", "/data", "harbor.example.com/base/debian:12@"),
        ("Microsoft.ContainerRegistry.ImagePushed", "acr/push.json", "", "acme.azurecr.io/base/debian:12@"),
        ("google.cloud.pubsub.topic.v1.messagePublished", "google/push.json", "", "europe-docker.pkg.dev/acme/base/debian:12@"),
    ] {
        let whole: serde_json::Value = serde_json::from_slice(&body(sample)).unwrap();
        let data = whole.pointer(part).unwrap().to_string();
        let headers = headers(&[("ce-type", kind), ("ce-source", "/somewhere"), ("ce-id", "1"), ("ce-specversion", "1.0")]);
        let heard = hear(&hook(Auth::BySender), &Request { headers: &headers, body: data.as_bytes(), path: None }).unwrap();
        assert_eq!(shown(&heard.hints), expected, "{kind}");
        assert!(heard.delivery.is_some(), "{kind}");
    }
    let grid = body("acr/event-grid.json");
    let heard = read(Format::Acr, &Request { headers: &[], body: &grid, path: None }, &hook(Auth::BySender)).unwrap();
    assert_eq!(shown(&heard.hints), "acme.azurecr.io/base/debian:12@");
}

#[test]
fn an_event_within_an_event_comes_to_an_end() {
    let mut nested = serde_json::json!({ "specversion": "1.0" });
    for _ in 0..60 {
        nested =
            serde_json::json!({ "specversion": "1.0", "type": "Microsoft.ContainerRegistry.ImagePushed", "source": "s", "id": "1", "data": nested });
    }
    let text = nested.to_string();
    for kind in [None, Some("Microsoft.ContainerRegistry.ImagePushed")] {
        let headers = kind.map(|kind| headers(&[("ce-type", kind), ("ce-source", "s"), ("ce-id", "1")])).unwrap_or_default();
        for format in [Format::Acr, Format::CloudEvents] {
            assert!(read(format, &Request { headers: &headers, body: text.as_bytes(), path: None }, &hook(Auth::BySender)).is_err());
        }
    }
}

#[test]
fn a_request_is_never_shown() {
    let headers = headers(&[("authorization", "hidden")]);
    let shown = format!("{:?}", Request { headers: &headers, body: b"hidden", path: Some("hidden") });
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_list_that_may_have_been_cut_off_counts_as_none() {
    //    before, commits, paths of each, listed
    for (before, commits, paths, is_listed) in [
        ("1", 1, 1, true),
        ("1", 19, 1, true),
        ("1", 20, 1, false),
        ("1", 21, 1, true),
        ("1", 2048, 1, false),
        ("1", 1, 2999, true),
        ("1", 1, 3000, false),
        // Back to an older commit, and a new branch with commits of its own.
        ("1", 0, 1, false),
        ("0", 1, 1, false),
    ] {
        let commit = serde_json::json!({ "added": (0..paths).map(|n| format!("{n}")).collect::<Vec<_>>() });
        let (before, after) = (before.repeat(40), "2".repeat(40));
        let push = serde_json::json!({
            "ref": "refs/heads/main", "before": before, "after": after, "forced": false, "commits": vec![commit; commits],
            "repository": { "clone_url": "https://github.com/acme/shop.git" },
        });
        let headers = headers(&[("x-github-event", "push")]);
        let heard = hear(&hook(Auth::BySender), &Request { headers: &headers, body: push.to_string().as_bytes(), path: None }).unwrap();
        assert_eq!(heard.pushes[0].paths.is_some(), is_listed, "{commits} commits of {paths} paths");
    }
}

#[test]
fn a_hint_concerns_its_tag_and_without_one_every_tag_of_its_repository() {
    let hint = |tag: Option<&str>| Hint { repository: "docker.io/library/debian".into(), tag: tag.map(str::to_owned), digest: None };
    let image = |text: &str| text.parse::<crate::model::ImageRef>().unwrap();
    assert!(hint(Some("12")).concerns(&image("debian:12")));
    assert!(!hint(Some("12")).concerns(&image("debian:11")));
    assert!(!hint(Some("12")).concerns(&image("acme/debian:12")));
    assert!(hint(None).concerns(&image("debian:11")));
    assert_eq!(hint(Some("12")).image(), Some(image("debian:12")));
    assert_eq!(hint(None).image(), None);
}

#[test]
fn a_body_that_lacks_what_its_format_has_is_malformed() {
    for (format, text) in [
        (Format::DockerHub, r#"{"push_data": {"tag": "1"}, "repository": {}}"#),
        (Format::Distribution, r#"{"events": {}}"#),
        (Format::Distribution, r#"{"events": [{"action": "push", "target": {"repository": "a"}, "request": {"host": "registry"}}]}"#),
        (Format::Github, r#"{"action": "published", "package": {"package_type": "container", "package_version": {}}}"#),
        (Format::Github, r#"{"ref": "refs/heads/main", "before": "1", "after": "2"}"#),
        (Format::Harbor, r#"{"type": "PUSH_ARTIFACT", "event_data": {"resources": [{}]}}"#),
        (Format::Quay, r#"{"updated_tags": ["1"], "repository": ""}"#),
        (Format::Gitlab, r#"{"ref": "refs/heads/main"}"#),
        (Format::Acr, r#"{"action": "push", "target": {"repository": "UPPER"}, "request": {"host": "a.azurecr.io"}}"#),
        (Format::Ecr, r#"{"detail-type": "ECR Image Action", "detail": {"action-type": "PUSH", "result": "SUCCESS", "repository-name": "a"}}"#),
        (Format::Google, r#"{"message": {"data": "%%%"}, "subscription": "s"}"#),
        (Format::Google, r#"{"message": {"data": "e30="}, "subscription": "s"}"#),
        (Format::Artifactory, r#"{"domain": "docker", "event_type": "pushed", "data": {}}"#),
        (Format::Nexus, r#"{"action": "CREATED", "component": {}}"#),
        (Format::Gitea, r#"{"action": "created", "package": {"type": "container", "name": "a"}}"#),
        (Format::CloudEvents, r#"{"specversion": "1.0", "type": "t", "source": "s", "id": "1"}"#),
        (Format::CloudEvents, r#"{"type": "t"}"#),
        (
            Format::CdEvents,
            r#"{"context": {"type": "dev.cdevents.artifact.published.latest", "version": "0.4", "source": "s", "id": "1"}, "subject": {"id": "pkg:oci/a"}}"#,
        ),
        (
            Format::CdEvents,
            r#"{"context": {"type": "dev.cdevents.artifact.published.0.2.0", "source": "s", "id": "1"}, "subject": {"id": "pkg:oci/a?tag=1"}}"#,
        ),
        (
            Format::CdEvents,
            r#"{"context": {"type": "dev.cdevents.artifact.published.0.2.0", "version": "0.4", "source": "s", "id": "1"}, "subject": {"id": "a"}}"#,
        ),
    ] {
        let request = Request { headers: &[], body: text.as_bytes(), path: None };
        let error = read(format, &request, &hook(Auth::BySender)).expect_err(text);
        assert!(matches!(&error, HookError::Malformed { format: said, .. } if *said == format), "{text}: {error}");
        assert!(error.to_string().contains(format.as_str()), "{error}");
    }
}

/// GitHub's own URL of a package is taken only if it is one; owner and name always are.
#[test]
fn a_package_whose_url_says_nothing_is_known_by_its_owner_and_name() {
    for url in ["", ":", "web:1.4", "ghcr.io//web:1.4", "ghcr.io/acme/web:", "GHCR.IO?"] {
        let body = serde_json::json!({ "action": "published", "package": {
            "name": "web", "namespace": "Acme", "package_type": "container",
            "package_version": { "package_url": url, "container_metadata": { "tag": { "name": "1.4" } } },
        } })
        .to_string();
        let request = Request { headers: &[], body: body.as_bytes(), path: None };
        assert_eq!(shown(&read(Format::Github, &request, &hook(Auth::BySender)).unwrap().hints), "ghcr.io/acme/web:1.4", "{url:?}");
    }
}

#[test]
fn a_delivery_id_without_end_is_kept_as_its_hash() {
    let long = "x".repeat(100_000);
    let headers = headers(&[("x-github-event", "ping"), ("x-github-delivery", &long)]);
    let heard = hear(&hook(Auth::BySender), &Request { headers: &headers, body: b"{}", path: None }).unwrap();
    assert!(heard.delivery.unwrap().starts_with("sha256:"));
}

#[test]
fn a_body_of_countless_events_gives_a_bounded_number_of_hints() {
    let event = |n: usize| format!(r#"{{"id":"{n}","action":"push","target":{{"repository":"a","tag":"{n}"}},"request":{{"host":"h.example"}}}}"#);
    let body = format!(r#"{{"events":[{}]}}"#, (0..2_000).map(event).collect::<Vec<_>>().join(","));
    let heard = read(Format::Distribution, &Request { headers: &[], body: body.as_bytes(), path: None }, &hook(Auth::BySender)).unwrap();
    assert_eq!(heard.hints.len(), 500);
    assert!(heard.note.unwrap().contains("more than 500"));
}
