//! Hooks as they are written: who authenticates how, and what is refused.

use super::super::tests::read;
use super::*;

const SECRETS: &str = "name: shop\nsecrets: { one: { environment: ONE }, two: { file: secrets/two.txt } }\n";

/// The hook that is written so.
#[track_caller]
fn hook(written: &str) -> Hook {
    let reading = read(&[&format!("{SECRETS}hooks: {{ sender: {{ {written} }} }}")]);
    let mut estate = reading.estate.unwrap_or_else(|| panic!("{written}: {:#?}", reading.findings));
    estate.hooks.remove(&"sender".parse().unwrap()).unwrap()
}

#[test]
fn a_hook_is_authenticated_as_its_sender_does_it() {
    let oidc = || HookAuth::Oidc { audience: "https://x".into(), email: "a@b".into() };
    for (written, auth) in [
        ("secrets: [one]", HookAuth::BySender),
        ("format: auto, secrets: [one]", HookAuth::BySender),
        ("format: docker-hub, secrets: [one]", HookAuth::Path),
        ("format: distribution, secrets: [one]", HookAuth::Authorization),
        ("format: github, secrets: [one]", HookAuth::HubSignature256),
        ("format: harbor, secrets: [one]", HookAuth::Authorization),
        ("format: quay, secrets: [one]", HookAuth::Path),
        ("format: gitlab, secrets: [one]", HookAuth::GitlabToken),
        ("format: gitlab, auth: standard-webhooks, secrets: [one]", HookAuth::StandardWebhooks),
        ("format: acr, secrets: [one]", HookAuth::Authorization),
        ("format: ecr, header: X-Key, secrets: [one]", HookAuth::Header { name: "x-key".into() }),
        ("format: google, audience: 'https://x', email: a@b", oidc()),
        ("audience: 'https://x', email: a@b", oidc()),
        ("format: google, auth: path, secrets: [one]", HookAuth::Path),
        ("format: artifactory, secrets: [one]", HookAuth::JfrogEventAuth),
        ("format: nexus, registry: 'n.example:8082', secrets: [one]", HookAuth::NexusSignature),
        ("format: gitea, secrets: [one]", HookAuth::HubSignature256),
        ("format: cloudevents, secrets: [one]", HookAuth::BySender),
        ("format: cdevents, secrets: [one]", HookAuth::BySender),
        ("format: generic, fields: { repository: /a }, secrets: [one]", HookAuth::Signature),
    ] {
        assert_eq!(hook(written).auth, auth, "{written}");
    }
}

#[test]
fn a_hook_is_what_was_written() {
    let hook = hook("format: generic, secrets: [one, two], registry: 'h.example:5000/x/', fields: { repository: /a, tag: /b/0, digest: /c }");
    assert_eq!(hook.secrets, [SecretSource::Environment("ONE".into()), SecretSource::File("/srv/shop/secrets/two.txt".into())]);
    assert_eq!((hook.format, hook.registry.as_deref()), (Some(HookFormat::Generic), Some("h.example:5000/x")));
    assert_eq!(hook.fields, Some(HookFields { repository: "/a".into(), tag: Some("/b/0".into()), digest: Some("/c".into()) }));
    assert_eq!((&*hook.at.file, hook.at.line), ("pipelines/0.yaml", 3));
    for registry in ["docker.io", "localhost", "localhost:5000", "n.example/docker"] {
        assert_eq!(super::tests::hook(&format!("secrets: [one], registry: '{registry}'")).registry.as_deref(), Some(registry));
    }
}

/// What is written, where it is told (`line:column` in what is written), what is told, and the next move.
#[test]
fn a_hook_that_anybody_could_call_and_one_that_cannot_work_are_refused() {
    for (written, message, help) in [
        ("format: github", "without authentication is refused", "secrets: [name]"),
        ("secrets: []", "without authentication is refused", "last part of the path"),
        ("auth: path", "without authentication is refused", ""),
        ("format: google", "`oidc` needs `audience`", "anybody with an account"),
        ("audience: x", "`oidc` needs `email`", ""),
        ("audience: '', email: ' '", "`oidc` needs `audience`", ""),
        ("secrets: [onne]", "`onne` is not defined", "did you mean `one`?"),
        ("secrets: [one, two, one, two, one]", "5 secrets", "remove the oldest"),
        ("format: githup, secrets: [one]", "expected one of", "did you mean `github`?"),
        ("auth: hub-signature, secrets: [one]", "expected one of", "did you mean `hub-signature-256`?"),
        ("auth: header, secrets: [one]", "needs the header's name", "header: X-My-Secret"),
        ("header: 'X My', secrets: [one]", "no name of a header", ""),
        ("auth: path, header: X-My, secrets: [one]", "`header` belongs to `auth: header`", ""),
        ("auth: path, email: a@b, secrets: [one]", "`email` belongs to `auth: oidc`", ""),
        ("audience: a, email: b, secrets: [one]", "`oidc` uses no secrets", ""),
        ("registry: 'https://h.example', secrets: [one]", "expected a registry", "without `https://`"),
        ("registry: registry, secrets: [one]", "expected a registry", ""),
        ("format: nexus, secrets: [one]", "`format: nexus` needs `registry`", ""),
        ("format: generic, secrets: [one]", "`format: generic` needs `fields`", ""),
        ("format: generic, fields: { repository: a.b }, secrets: [one]", "expected a JSON pointer", ""),
        ("format: generic, fields: { tag: /a }, secrets: [one]", "`repository` is missing", ""),
        ("format: github, fields: { repository: /a }, secrets: [one]", "`fields` belong to", ""),
        ("secret: one", "unknown key `secret`", "did you mean `secrets`?"),
    ] {
        let reading = read(&[&format!("{SECRETS}hooks: {{ sender: {{ {written} }} }}")]);
        assert!(reading.estate.is_none(), "{written}");
        let told = reading.findings.iter().find(|finding| finding.message.contains(message));
        let told = told.unwrap_or_else(|| panic!("{written}: {:#?}", reading.findings));
        assert!(told.help.as_deref().unwrap_or_default().contains(help), "{written}: {told:?}");
        assert_eq!((told.file.as_str(), told.line), ("pipelines/0.yaml", 3), "{written}");
        assert!(told.key.starts_with("hooks.sender"), "{written}: {}", told.key);
    }
    let reading = read(&[&format!("{SECRETS}hooks: {{ 'a/b': {{ secrets: [one] }} }}")]);
    assert!(reading.findings.iter().any(|finding| finding.message.contains("no hook name")), "{:#?}", reading.findings);
}

#[test]
fn two_files_cannot_define_one_hook() {
    let reading = read(&[&format!("{SECRETS}hooks: {{ a: {{ secrets: [one] }} }}"), "hooks: { a: { secrets: [two] } }"]);
    assert!(reading.findings.iter().any(|finding| finding.message.contains("two pipelines define the hook `a`")), "{:#?}", reading.findings);
}

#[test]
fn an_estate_written_before_there_were_hooks_is_still_read() {
    let mut estate = serde_json::to_value(read(&["name: shop"]).estate.unwrap()).unwrap();
    assert!(estate.as_object_mut().unwrap().remove("hooks").is_none(), "an estate without hooks is written as it was");
    assert!(serde_json::from_value::<super::super::Estate>(estate).unwrap().hooks.is_empty());
    let with = read(&[&format!("{SECRETS}hooks: {{ a: {{ secrets: [one] }} }}")]).estate.unwrap();
    let text = serde_json::to_string(&with).unwrap();
    assert_eq!(serde_json::from_str::<super::super::Estate>(&text).unwrap(), with);
}
