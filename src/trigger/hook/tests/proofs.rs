//! Authentication: right, tampered with, wrong, and while a secret is being replaced.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::samples::{all, headers_of};
use super::*;

const NEW: &str = "the new secret, long enough";
const OLD: &str = "the old secret, long enough";
const WRONG: &str = "a wrong secret, long enough";

fn now() -> Timestamp {
    "2026-01-09T12:00:00Z".parse().unwrap()
}

fn mac<M: Mac + KeyInit>(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of a secret and a body: the headers that prove the one to know the other.
type Prove = fn(&str, &[u8]) -> Vec<(String, String)>;

/// How a sender proves itself: the headers that it adds, or the end of the path; and whether that covers the body.
struct Kind {
    auth: Auth,
    signs_body: bool,
    headers: Prove,
}

fn kinds() -> Vec<Kind> {
    let kind = |auth, signs_body, headers: Prove| Kind { auth, signs_body, headers };
    vec![
        kind(Auth::HubSignature256, true, |key, body| {
            headers(&[("x-hub-signature-256", &format!("sha256={}", hex(&mac::<Hmac<Sha256>>(key, &[body]))))])
        }),
        kind(Auth::JfrogEventAuth, true, |key, body| headers(&[("x-jfrog-event-auth", &hex(&mac::<Hmac<Sha256>>(key, &[body])))])),
        kind(Auth::JfrogEventAuth, false, |key, _| headers(&[("x-jfrog-event-auth", key)])),
        kind(Auth::NexusSignature, true, |key, body| headers(&[("x-nexus-webhook-signature", &hex(&mac::<Hmac<Sha1>>(key, &[body])))])),
        kind(Auth::Signature, true, |key, body| headers(&[("x-signature", &format!("sha256={}", hex(&mac::<Hmac<Sha256>>(key, &[body]))))])),
        kind(Auth::Signature, true, |key, body| {
            headers(&[("x-signature", &format!("SHA512={}", hex(&mac::<Hmac<Sha512>>(key, &[body])).to_uppercase()))])
        }),
        kind(Auth::StandardWebhooks, true, |key, body| {
            let time = now().as_second().to_string();
            let signature = STANDARD.encode(mac::<Hmac<Sha256>>(key, &[b"id-1", b".", time.as_bytes(), b".", body]));
            headers(&[("webhook-id", "id-1"), ("webhook-timestamp", &time), ("webhook-signature", &format!("v1a,AAAA v1,{signature}"))])
        }),
        kind(Auth::Authorization, false, |key, _| headers(&[("authorization", key)])),
        kind(Auth::Authorization, false, |key, _| headers(&[("authorization", &format!("bearer {key}"))])),
        kind(Auth::GitlabToken, false, |key, _| headers(&[("x-gitlab-token", key)])),
        kind(Auth::Header { name: "x-my-secret".into() }, false, |key, _| headers(&[("x-my-secret", key)])),
        kind(Auth::Path, false, |_, _| Vec::new()),
    ]
}

/// Holds a body, proven with one secret, against a hook with others.
fn check(kind: &Kind, auth: &Auth, proven_with: &str, signed: &[u8], sent: &[u8], valid: &[&str], also: &[(String, String)]) -> Result<(), Refused> {
    let mut headers = (kind.headers)(proven_with, signed);
    headers.extend_from_slice(also);
    let path = (kind.auth == Auth::Path).then_some(proven_with);
    let secrets: Vec<Secret> = valid.iter().map(|secret| Secret::new(*secret)).collect();
    verify(auth, &Request { headers: &headers, body: sent, path }, &Keys { secrets: &secrets, jwks: &[], now: now() })
}

#[test]
fn every_sample_is_believed_when_proven_and_not_when_tampered_with() {
    for sample in all() {
        let (also, body) = (headers_of(&sample), body(&sample));
        let mut tampered = body.clone();
        let middle = tampered.len() / 2;
        tampered[middle] ^= 1;
        for kind in kinds() {
            // A header of one's own is not looked for by a hook that takes what comes.
            let own = matches!(kind.auth, Auth::Header { .. });
            for auth in [Some(&kind.auth), Some(&Auth::BySender).filter(|_| !own)].into_iter().flatten() {
                let what = format!("{sample}, {:?} as {auth:?}", kind.auth);
                assert_eq!(check(&kind, auth, NEW, &body, &body, &[NEW], &also), Ok(()), "{what}");
                assert_eq!(check(&kind, auth, OLD, &body, &body, &[NEW, OLD], &also), Ok(()), "{what}: an old secret beside a new one");
                assert_eq!(check(&kind, auth, NEW, &body, &body, &[NEW, OLD], &also), Ok(()), "{what}: a new secret beside an old one");
                assert_eq!(check(&kind, auth, NEW, &body, &tampered, &[NEW], &also).is_err(), kind.signs_body, "{what}: tampered with");
                assert!(check(&kind, auth, WRONG, &body, &body, &[NEW, OLD], &also).is_err(), "{what}: wrong secret");
                assert!(check(&kind, auth, OLD, &body, &body, &[NEW], &also).is_err(), "{what}: a secret that is no longer valid");
                assert!(check(&kind, auth, NEW, &body, &body, &[], &also).is_err(), "{what}: no secret");
            }
        }
    }
}

#[test]
fn nothing_is_believed_without_a_proof_of_the_hooks_own_kind() {
    for kind in kinds() {
        let secrets = [Secret::new(NEW)];
        let keys = Keys { secrets: &secrets, jwks: &[], now: now() };
        let bare = verify(&kind.auth, &Request { headers: &[], body: b"{}", path: None }, &keys);
        assert!(matches!(bare, Err(Refused::Missing { .. })), "{bare:?}");
        for other in kinds().iter().filter(|other| other.auth != kind.auth) {
            assert!(check(other, &kind.auth, NEW, b"{}", b"{}", &[NEW], &[]).is_err(), "{:?} as {:?}", other.auth, kind.auth);
        }
    }
}

#[test]
fn a_short_secret_lets_nobody_in() {
    for kind in kinds() {
        for short in ["", "short", "fifteen bytes.."] {
            assert!(check(&kind, &kind.auth, short, b"{}", b"{}", &[short], &[]).is_err(), "{:?} {short:?}", kind.auth);
        }
    }
}

#[test]
fn whoever_shows_a_signature_is_held_to_it_even_with_the_secret_in_the_path() {
    let headers = headers(&[("x-hub-signature-256", "sha256=00")]);
    let secrets = [Secret::new(NEW)];
    let request = Request { headers: &headers, body: b"{}", path: Some(NEW) };
    assert!(verify(&Auth::BySender, &request, &Keys { secrets: &secrets, jwks: &[], now: now() }).is_err());
}

#[test]
fn a_header_that_comes_twice_counts_as_none() {
    let kind = &kinds()[7];
    assert_eq!(kind.auth, Auth::Authorization);
    let twice = headers(&[("authorization", "Basic something")]);
    assert!(matches!(check(kind, &kind.auth, NEW, b"{}", b"{}", &[NEW], &twice), Err(Refused::Missing { .. })));
}

#[test]
fn what_is_no_signature_is_told_apart_from_a_wrong_one_and_never_shown() {
    for (name, value) in [
        ("x-hub-signature-256", "sha1=00"),
        ("x-hub-signature-256", "sha256=xyz"),
        ("x-signature", "md5=00"),
        ("x-signature", "00"),
        ("x-nexus-webhook-signature", "not hex"),
    ] {
        let headers = headers(&[(name, value)]);
        let secrets = [Secret::new(NEW)];
        let refused =
            verify(&Auth::BySender, &Request { headers: &headers, body: b"{}", path: None }, &Keys { secrets: &secrets, jwks: &[], now: now() });
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Refused::Unreadable { .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains(value));
    }
}

#[test]
fn a_signed_time_long_past_is_refused() {
    let kind = kinds().into_iter().find(|kind| kind.auth == Auth::StandardWebhooks).unwrap();
    let headers = (kind.headers)(NEW, b"{}");
    let secrets = [Secret::new(NEW)];
    let at =
        |now: Timestamp| verify(&kind.auth, &Request { headers: &headers, body: b"{}", path: None }, &Keys { secrets: &secrets, jwks: &[], now });
    assert_eq!(at("2026-01-09T12:04:59Z".parse().unwrap()), Ok(()));
    assert!(matches!(at("2026-01-09T12:05:01Z".parse().unwrap()), Err(Refused::Stale { .. })));
    assert!(matches!(at("2026-01-09T11:54:00Z".parse().unwrap()), Err(Refused::Stale { .. })));
    assert!(at(Timestamp::MIN).is_err() && at(Timestamp::MAX).is_err());
}

/// A sample of the specification's own library: a secret with its prefix, one message, one signature.
#[test]
fn a_standard_webhooks_secret_is_base64_behind_its_prefix() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    let headers = headers(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let secrets = [Secret::new(secret)];
    let keys = Keys { secrets: &secrets, jwks: &[], now: Timestamp::from_second(1_614_265_330).unwrap() };
    assert_eq!(verify(&Auth::StandardWebhooks, &Request { headers: &headers, body, path: None }, &keys), Ok(()));
}

#[test]
fn googles_tokens_are_believed_only_whole_in_time_for_us_and_of_the_account() {
    let text = std::fs::read(format!("{}/tests/hooks/tokens.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let samples: Value = serde_json::from_slice(&text).unwrap();
    let said = |key: &str| samples[key].as_str().unwrap().to_owned();
    let jwks = read_jwks(samples["jwks"].to_string().as_bytes()).unwrap();
    assert_eq!(jwks.len(), 2, "a key of another kind is left out");
    let auth = Auth::Oidc { audience: said("audience"), email: said("email") };
    let now: Timestamp = said("now").parse().unwrap();
    let check = |token: &str, jwks: &[Jwk], now: Timestamp| {
        let headers = headers(&[("authorization", &format!("Bearer {token}"))]);
        verify(&auth, &Request { headers: &headers, body: b"{}", path: None }, &Keys { secrets: &[], jwks, now })
    };
    let tokens = |group: &str| {
        samples[group].as_object().unwrap().iter().map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    for (name, token) in tokens("good") {
        assert_eq!(check(&token, &jwks, now), Ok(()), "{name}");
        assert!(check(&token, &[], now).is_err(), "{name}: without keys");
        assert!(check(&token, &jwks, now + jiff::SignedDuration::from_hours(2)).is_err(), "{name}: later");
        assert!(check(&token[..token.len() - 8], &jwks, now).is_err(), "{name}: cut off");
    }
    for (reason, token) in tokens("bad") {
        let refused = check(&token, &jwks, now).unwrap_err();
        assert_eq!(refused.to_string(), reason);
    }
    for (name, token) in tokens("also bad") {
        let refused = check(&token, &jwks, now).unwrap_err().to_string();
        assert_eq!(refused == "the token is not signed with RS256", name.contains("HMAC"), "{name}: {refused}");
    }
    assert_eq!(check(&"x.".repeat(10_000), &jwks, now).unwrap_err().to_string(), "the token is too long");
}

#[test]
fn a_set_of_keys_that_is_none_is_refused() {
    for bad in ["", "{}", r#"{"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}"#, r#"{"keys": [{"kty": "RSA", "kid": "a"}]}"#] {
        assert!(read_jwks(bad.as_bytes()).is_err(), "{bad}");
    }
}
