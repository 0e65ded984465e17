//! Whatever comes, it is answered: no panic, no hint that is no reference.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::samples::{all, headers_of};
use super::*;

const FORMATS: [Format; 15] = [
    Format::DockerHub,
    Format::Distribution,
    Format::Github,
    Format::Harbor,
    Format::Quay,
    Format::Gitlab,
    Format::Acr,
    Format::Ecr,
    Format::Google,
    Format::Artifactory,
    Format::Nexus,
    Format::Gitea,
    Format::CloudEvents,
    Format::CdEvents,
    Format::Generic,
];

/// Every header that a proof may look at, and two that it must not.
const PROOFS: [&str; 12] = [
    "authorization",
    "x-hub-signature-256",
    "x-jfrog-event-auth",
    "x-nexus-webhook-signature",
    "x-signature",
    "webhook-signature",
    "webhook-id",
    "webhook-timestamp",
    "x-gitlab-token",
    "x-my-secret",
    "content-type",
    "ce-type",
];

/// Reads a request in every format; what is heard must make sense.
fn check_all(headers: &[(String, String)], body: &[u8]) -> Result<(), TestCaseError> {
    let request = Request { headers, body, path: None };
    let fields = Fields { repository: "/repository".into(), tag: Some("/tag".into()), digest: Some("/a/0/b~1c".into()) };
    let hook = Hook { fields: Some(fields), ..hook(Auth::BySender) };
    let answers = FORMATS.iter().map(|format| read(*format, &request, &hook)).chain([hear(&hook, &request)]);
    for heard in answers.flatten() {
        prop_assert!(!heard.hints.is_empty() || !heard.pushes.is_empty() || heard.note.is_some());
        for hint in &heard.hints {
            let image = format!("{}:{}", hint.repository, hint.tag.as_deref().unwrap_or("latest")).parse::<crate::model::ImageRef>();
            prop_assert_eq!(image.as_ref().map(|image| image.name()), Ok(hint.repository.as_str()));
        }
        prop_assert!(heard.delivery.is_none_or(|id| !id.is_empty() && id.len() <= 200));
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(
        "|push|PUSH|INSERT|SUCCESS|CREATED|created|published|docker|container|1.0|a/b|h.example/a:1|sha256:|é|\
         pkg:oci/a@1?tag=2&repository_url=h.example/a|harbor.artifact.pushed|com.amazon.ecr.image.push|\
         dev.cdevents.artifact.published.0.1.0|PUSH_ARTIFACT|ECR Image Action|aws.ecr|eyJhY3Rpb24iOiJJTlNFUlQifQ==|\
         0000000000000000000000000000000000000000"
            .split('|')
            .collect::<Vec<_>>(),
    );
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), words.prop_map(Value::from)];
    let keys = prop::sample::select(
        "action|type|events|target|repository|tag|digest|data|detail|message|package|package_version|container_metadata|\
         resources|event_data|context|subject|id|source|specversion|name|host|request|component|updated_tags|ref|before|after|\
         commits|added|project|git_http_url|domain|event_type|image_name|a"
            .split('|')
            .collect::<Vec<_>>(),
    );
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())),
        ]
    })
}

/// Puts something else at one place of a sample.
fn spoil(value: &mut Value, mut place: usize, with: &Value) -> usize {
    if place == 0 {
        *value = with.clone();
        return usize::MAX;
    }
    place -= 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(object) => Box::new(object.values_mut()),
        _ => return place,
    };
    for child in children {
        place = spoil(child, place, with);
        if place == usize::MAX {
            break;
        }
    }
    place
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..300)) {
        check_all(&[], &body)?;
    }

    #[test]
    fn any_json_is_answered(value in any_json()) {
        check_all(&[], value.to_string().as_bytes())?;
    }

    /// A sample of which one value is another, or that is cut off anywhere.
    #[test]
    fn any_spoilt_sample_is_answered(which in 0usize..80, place in 0usize..60, with in any_json(), cut in 0usize..4000) {
        let names: Vec<String> = all().into_iter().collect();
        let sample = &names[which % names.len()];
        let (headers, body) = (headers_of(sample), body(sample));
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        spoil(&mut value, place, &with);
        check_all(&headers, value.to_string().as_bytes())?;
        check_all(&headers, &body[..cut.min(body.len())])?;
    }

    #[test]
    fn any_proof_is_answered(name in 0..PROOFS.len(), value in ".{0,80}", path in prop::option::of(".{0,40}"), secret in ".{0,40}", body in ".{0,40}") {
        let name = PROOFS[name];
        let headers = headers(&[(name, &value), ("webhook-id", "1"), ("webhook-timestamp", "1767960000")]);
        let secrets = [Secret::new(secret.clone())];
        let jwks = [Jwk { kid: None, n: vec![1; 256], e: vec![1, 0, 1] }];
        let keys = Keys { secrets: &secrets, jwks: &jwks, now: jiff::Timestamp::from_second(1_767_960_000).unwrap() };
        let request = Request { headers: &headers, body: body.as_bytes(), path: path.as_deref() };
        let oidc = Auth::Oidc { audience: "a".into(), email: "e".into() };
        let signed = [Auth::HubSignature256, Auth::JfrogEventAuth, Auth::NexusSignature, Auth::Signature, Auth::StandardWebhooks];
        for auth in signed.into_iter().chain([Auth::BySender, Auth::Authorization, Auth::GitlabToken, Auth::Path, oidc]) {
            let plain = [value.trim(), path.as_deref().unwrap_or_default()].iter().any(|shown| shown.contains(secret.as_str()));
            prop_assert!(verify(&auth, &request, &keys).is_err() || plain, "{:?}", auth);
        }
    }
}

#[test]
fn json_nested_a_hundred_deep_is_refused_and_not_followed() {
    let mut value = json!("x");
    for _ in 0..100 {
        value = json!({ "events": [value] });
    }
    let body = value.to_string();
    for format in FORMATS {
        assert!(matches!(
            read(format, &Request { headers: &[], body: body.as_bytes(), path: None }, &hook(Auth::Path)),
            Err(HookError::NoJson { .. })
        ));
    }
}
