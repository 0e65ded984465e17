//! Any bytes as the body of a hook, in every format, and as every proof of who sent it. Nothing panics, and what is heard makes sense.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use refit_fuzz::model::{ImageRef, Place, Secret};
use refit_fuzz::trigger::hook::{Auth, Fields, Format, Heard, Hook, Jwk, Keys, Request, hear, read, read_jwks, verify};

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

const PROOFS: [&str; 7] =
    ["authorization", "x-hub-signature-256", "x-jfrog-event-auth", "x-nexus-webhook-signature", "x-signature", "webhook-signature", "x-gitlab-token"];

static HOOK: LazyLock<Hook> = LazyLock::new(|| Hook {
    name: "fuzz".parse().expect("a name"),
    at: Place { file: "fuzz.yaml".into(), line: 1 },
    format: None,
    auth: Auth::BySender,
    secrets: Vec::new(),
    registry: None,
    fields: Some(Fields { repository: "/image/name".into(), tag: Some("/image/versions/0/tag".into()), digest: Some("/a~1b".into()) }),
});

fuzz_target!(|data: &[u8]| {
    read_in_every_format(data);
    prove_in_every_way(data);
    let _ = read_jwks(data);
});

fn read_in_every_format(body: &[u8]) {
    let request = Request { headers: &[], body, path: None };
    FORMATS.iter().filter_map(|format| read(*format, &request, &HOOK).ok()).for_each(|heard| check(&heard));
    hear(&HOOK, &request).iter().for_each(check);
}

fn check(heard: &Heard) {
    assert!(!heard.hints.is_empty() || !heard.pushes.is_empty() || heard.note.is_some(), "it means nothing, and nobody says why");
    for hint in &heard.hints {
        let image: ImageRef = format!("{}:{}", hint.repository, hint.tag.as_deref().unwrap_or("latest")).parse().expect("a reference");
        assert_eq!(image.name(), hint.repository);
    }
}

/// The first line of the data as the value of a header, the rest as the body. Nobody guesses the secret.
fn prove_in_every_way(data: &[u8]) {
    let (line, body) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let value = String::from_utf8_lossy(line).into_owned();
    let secrets = [Secret::new("what nobody will ever guess, least of all a fuzzer")];
    let jwks = [Jwk { kid: None, n: vec![0xc5; 256], e: vec![1, 0, 1] }];
    let keys = Keys { secrets: &secrets, jwks: &jwks, now: jiff::Timestamp::UNIX_EPOCH };
    let oidc = Auth::Oidc { audience: "https://refit.example.com".into(), email: "a@b.example".into() };
    for name in PROOFS {
        let also = [("webhook-id", "1"), ("webhook-timestamp", "0")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut headers = vec![(name.to_owned(), value.clone())];
        headers.extend(also);
        let request = Request { headers: &headers, body, path: None };
        assert!(verify(&Auth::BySender, &request, &keys).is_err());
        assert!(verify(&oidc, &request, &keys).is_err());
    }
    assert!(verify(&Auth::Path, &Request { headers: &[], body, path: Some(&value) }, &keys).is_err());
}
