//! By mail.

use std::time::Duration;

use base64::Engine;

use super::servers::mail_server;
use super::*;
use crate::notice::samples::rolled_back;
use crate::pipeline::{MailLogin, MailTarget, MailTls};

fn people(port: u16, tls: MailTls, has_login: bool) -> Notify {
    let login = has_login.then(|| MailLogin { user: "refit".into(), password: environment("MAIL") });
    let to = vec!["ops@example.com".to_owned(), "Ann Ö <ann@example.com>".to_owned()];
    notify(NotifyTo::Mail(MailTarget { to, from: "refit <refit@example.com>".into(), host: "127.0.0.1".into(), port, tls, login }))
}

async fn sent(says: &'static [(&'static str, &'static str)], tls: MailTls, has_login: bool) -> (Result<(), NotSent>, Vec<String>) {
    let (address, heard) = mail_server(says).await;
    let sent = notifier(&[("MAIL", PASSWORD)]).send(&people(address.port(), tls, has_login), &rolled_back()).await;
    (sent, heard.await.unwrap())
}

#[tokio::test]
async fn one_mail_goes_to_all_that_are_named() {
    let (sent, heard) = sent(&[], MailTls::None, true).await;
    assert_eq!(sent, Ok(()));
    let has = |line: &str| assert!(heard.iter().any(|heard| heard == line), "{line:?} is not in {heard:#?}");
    let begins = |start: &str| heard.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start:?} is not in {heard:#?}"));
    has("EHLO example.com");
    has(&format!("AUTH PLAIN {}", base64::prelude::BASE64_STANDARD.encode(format!("\0refit\0{PASSWORD}"))));
    begins("MAIL FROM:<refit@example.com>");
    has("RCPT TO:<ops@example.com>");
    has("RCPT TO:<ann@example.com>");
    has("From: refit <refit@example.com>");
    has("Subject: [refit] shop run-7 rolled back");
    has("Date: Fri, 27 Nov 2026 03:04:05 +0000");
    has("Auto-Submitted: auto-generated");
    has("Content-Type: text/plain; charset=utf-8");
    begins("Message-ID: <");
    has("  worker: not rolled: web failed");
    has("Next: refit show run-7");
    has(".");
}

#[tokio::test]
async fn the_same_notice_is_the_same_mail_at_every_attempt() {
    let (first, second) = (sent(&[], MailTls::None, false).await.1, sent(&[("DATA", "451 later")], MailTls::None, false).await);
    assert!(!second.0.unwrap_err().answer.is_final);
    let third = sent(&[], MailTls::None, false).await.1;
    let id = |lines: &[String]| lines.iter().find(|line| line.starts_with("Message-ID:")).unwrap().clone();
    assert_eq!(id(&first), id(&third));
    assert!(!first.iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test]
async fn a_refusal_is_final_if_the_server_says_so() {
    for (says, is_final, words) in [
        (&[("RCPT", "550 5.1.1 no such user")] as &[(&str, &str)], true, "no such user"),
        (&[("RCPT", "450 4.2.0 greylisted")], false, "greylisted"),
        (&[("", "421 too busy")], false, "too busy"),
        (&[("AUTH", "535 5.7.8 wrong")], true, "wrong"),
        (&[("EHLO", "not SMTP at all")], false, ""),
    ] {
        let (sent, _) = sent(says, MailTls::None, true).await;
        let error = sent.unwrap_err();
        assert_eq!(error.answer.is_final, is_final, "{error}");
        assert!(error.to_string().starts_with("mail server 127.0.0.1:") && error.why.contains(words), "{error}");
        assert_discreet(&error, &[PASSWORD]);
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_password_does_not_get_it_into_an_error() {
    let (sent, heard) = sent(&[("AUTH", "echo")], MailTls::None, true).await;
    let error = sent.unwrap_err();
    assert!(heard.iter().any(|line| line.starts_with("AUTH PLAIN ")));
    assert!(error.why.contains("AUTH PLAIN ***"), "{error}");
    let encoded = base64::prelude::BASE64_STANDARD.encode(format!("\0refit\0{PASSWORD}"));
    assert_discreet(&error, &[PASSWORD, &encoded]);
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_offers_no_tls() {
    let (refused, heard) = sent(&[], MailTls::Starttls, true).await;
    assert_eq!(refused.unwrap_err().answer, Answer::none());
    assert!(heard.iter().any(|line| line.starts_with("EHLO")) && !heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
    let (refused, heard) = sent(&[], MailTls::Implicit, true).await;
    assert_eq!(refused.unwrap_err().answer, Answer::none());
    assert!(!heard.iter().any(|line| line.starts_with("EHLO")), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_says_nothing_is_left_after_a_while() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = tokio::time::Instant::now();
    let target = people(silent.local_addr().unwrap().port(), MailTls::None, false);
    let error = notifier(&[]).send(&target, &rolled_back()).await.unwrap_err();
    assert_eq!(error.answer, Answer::none());
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_password_that_is_not_there_is_asked_for_again() {
    let error = notifier(&[]).send(&people(9, MailTls::None, true), &rolled_back()).await.unwrap_err();
    assert_eq!((error.answer, error.to_string().as_str()), (Answer::none(), "mail server 127.0.0.1:9: its password: variable MAIL is not set"));
}
