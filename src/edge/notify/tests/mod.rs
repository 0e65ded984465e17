//! Notices that are really sent, to servers of these tests on the loopback.

mod http;
mod mail;
mod servers;

use std::collections::{BTreeMap, BTreeSet};

use super::{NotSent, Notifier};
use crate::model::{Place, Secret};
use crate::notice::Answer;
use crate::pipeline::{GivenValue, NoticeFormat, NoticeKind, Notify, NotifyTo, SecretSource, WebTarget};

const PASSWORD: &str = "pass-w0rd!";

fn notifier(secrets: &[(&str, &str)]) -> Notifier {
    Notifier::new(secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()).unwrap()
}

fn environment(name: &str) -> SecretSource {
    SecretSource::Environment(name.to_owned())
}

fn web(url: GivenValue) -> WebTarget {
    WebTarget { url, format: NoticeFormat::Json, headers: BTreeMap::new(), sign: None }
}

fn plain(url: String) -> WebTarget {
    web(GivenValue::Plain(url))
}

fn notify(to: NotifyTo) -> Notify {
    Notify { at: Place { file: "pipelines/shop.yaml".into(), line: 1 }, to, on: BTreeSet::from([NoticeKind::RolledBack]) }
}

/// Nothing that was sent, and nobody may know, is in an error, however it is printed.
#[track_caller]
fn assert_discreet(error: &NotSent, secrets: &[&str]) {
    for text in [error.to_string(), format!("{error:?}")] {
        for secret in secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_and_asked_for_again() {
    let sender = notifier(&[("EMPTY", "\r\n"), ("NO_URL", "not a url with t0ken")]);
    let file = SecretSource::File("/nowhere/at/all".into());
    for (source, words) in [
        (environment("UNSET"), "the URL in variable UNSET: variable UNSET is not set"),
        (environment("EMPTY"), "the URL in variable EMPTY: variable EMPTY is empty"),
        (environment("NO_URL"), "the URL in variable NO_URL: it is no `https://` or `http://` URL"),
        (file, "the URL in file /nowhere/at/all: file /nowhere/at/all cannot be read: No such file or directory (os error 2)"),
    ] {
        let target = notify(NotifyTo::Web(web(GivenValue::Secret(source))));
        let error = sender.send(&target, &crate::notice::samples::rolled_back()).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.answer), (words, Answer::none()));
        assert_discreet(&error, &["t0ken"]);
    }
}

#[tokio::test]
async fn a_secret_that_never_ends_is_not_read_to_its_end() {
    let target = notify(NotifyTo::Web(web(GivenValue::Secret(SecretSource::File("/dev/zero".into())))));
    let error = notifier(&[]).send(&target, &crate::notice::samples::rolled_back()).await.unwrap_err();
    assert!(error.why.contains("larger than 64 KiB"), "{error}");
}
