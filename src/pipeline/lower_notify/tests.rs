//! Addressees of notices, right and wrong.

use proptest::prelude::*;

use super::*;
use crate::pipeline::Severity;
use crate::pipeline::tests::read;

const SECRETS: &str = "secrets: { hook: { environment: OPS_HOOK }, mail: { file: secrets/mail.txt } }\n";

#[track_caller]
fn notify(lines: &str) -> Notify {
    let reading = read(&[&format!("{SECRETS}notify: {{ ops: {lines} }}")]);
    assert_eq!(reading.findings, [], "{lines}");
    reading.estate.unwrap().notify.remove(&"ops".parse().unwrap()).unwrap()
}

#[track_caller]
fn refused(lines: &str, key: &str, words: &str) {
    let reading = read(&[&format!("{SECRETS}notify: {{ ops: {lines} }}")]);
    let found = reading.findings.iter().find(|finding| finding.severity == Severity::Error).unwrap_or_else(|| panic!("{lines}: nothing"));
    assert!(found.message.contains(words) && found.key == key && found.line == 2, "{lines}: {found:#?}");
    assert!(reading.estate.is_none());
}

#[test]
fn a_web_server_is_told_all_but_the_good_news() {
    let ops = notify("{ url: 'https://chat.example.com/hooks/ops' }");
    let NotifyTo::Web(web) = &ops.to else { panic!("{ops:?}") };
    assert_eq!(web.url, GivenValue::Plain("https://chat.example.com/hooks/ops".into()));
    assert_eq!((web.format, web.sign.clone(), web.headers.len()), (NoticeFormat::Json, None, 0));
    assert!(!ops.on.contains(&NoticeKind::Done) && !ops.on.contains(&NoticeKind::Began));
    assert_eq!(ops.on.len(), NoticeKind::ALL.len() - 2);
    assert_eq!(ops.secrets().count(), 0);
}

#[test]
fn secrets_are_named_and_never_written() {
    let ops =
        notify("{ url_secret: hook, format: slack, sign: mail, headers: { X-Team: ops, Authorization: { secret: hook } }, on: [done, rolled-back] }");
    let NotifyTo::Web(web) = &ops.to else { panic!("{ops:?}") };
    let hook = SecretSource::Environment("OPS_HOOK".into());
    assert_eq!((&web.url, web.format), (&GivenValue::Secret(hook.clone()), NoticeFormat::Slack));
    assert_eq!(web.headers["Authorization"], GivenValue::Secret(hook.clone()));
    assert_eq!(web.headers["X-Team"], GivenValue::Plain("ops".into()));
    assert_eq!(ops.on, BTreeSet::from([NoticeKind::Done, NoticeKind::RolledBack]));
    let mail = SecretSource::File("/srv/shop/secrets/mail.txt".into());
    assert_eq!(ops.secrets().cloned().collect::<Vec<_>>(), [hook.clone(), hook, mail]);
}

#[test]
fn a_mail_server_has_the_port_of_its_protection() {
    let port = |lines: &str| match notify(&format!("{{ mail: {{ to: ops@example.com, from: 'refit <refit@example.com>', {lines} }} }}")).to {
        NotifyTo::Mail(mail) => (mail.host, mail.port, mail.tls),
        web => panic!("{web:?}"),
    };
    assert_eq!(port("server: 'smtp://mail.example.com'"), ("mail.example.com".into(), 587, MailTls::Starttls));
    assert_eq!(port("server: 'smtp://mail.example.com:2525'"), ("mail.example.com".into(), 2525, MailTls::Starttls));
    assert_eq!(port("server: 'smtps://mail.example.com'"), ("mail.example.com".into(), 465, MailTls::Implicit));
    assert_eq!(port("server: 'smtp://[::1]:25', tls: none"), ("::1".into(), 25, MailTls::None));
    assert_eq!(port("server: 'smtp://localhost', tls: none, user: me, password: mail"), ("localhost".into(), 25, MailTls::None));
}

#[test]
fn what_cannot_be_told_is_found() {
    let mail = |lines: &str| format!("{{ mail: {{ to: [a@b.c], from: r@b.c, server: 'smtp://m.b.c', {lines} }} }}");
    for (lines, key, words) in [
        ("{ on: [done] }", "notify.ops", "does not say where"),
        ("{ url: 'https://a.b', url_secret: hook }", "notify.ops", "more than one place"),
        ("{ url: 'ftp://a.b' }", "notify.ops.url", "expected a URL"),
        ("{ url: 'https://' }", "notify.ops.url", "expected a URL"),
        ("{ url: 'https://me:secret@a.b/' }", "notify.ops.url", "user name or a password"),
        ("{ url: 'https://a.b', on: [rolledback] }", "notify.ops.on[0]", "rolledback"),
        ("{ url: 'https://a.b', headers: { 'a b': c } }", "notify.ops.headers.a b", "no name of a header"),
        ("{ url: 'https://a.b', headers: { Host: c } }", "notify.ops.headers.Host", "by refit itself"),
        ("{ url: 'https://a.b', headers: { X-Refit-Signature: c } }", "notify.ops.headers.X-Refit-Signature", "by refit itself"),
        ("{ url: 'https://a.b', headers: { X: \"a\\nb\" } }", "notify.ops.headers.X", "on one line"),
        ("{ url: 'https://a.b', headers: { X: { secret: nope } } }", "notify.ops.headers.X.secret", "`nope` is not defined"),
        ("{ url: 'https://a.b', sign: hoock }", "notify.ops.sign", "`hoock` is not defined"),
        ("{ url_secret: nope }", "notify.ops.url_secret", "`nope` is not defined"),
        (&mail("tls: none, user: me, password: mail"), "notify.ops.mail.tls", "in the clear"),
        (&mail("user: me"), "notify.ops.mail", "needs `user` and `password`"),
        ("{ mail: { to: [], from: r@b.c, server: 'smtp://m' } }", "notify.ops.mail.to", "nobody is named"),
        ("{ mail: { to: nobody, from: r@b.c, server: 'smtp://m' } }", "notify.ops.mail.to", "expected an address"),
        ("{ mail: { to: [a@b.c], from: \"r@b.c\\nBcc: x@y\", server: 'smtp://m' } }", "notify.ops.mail.from", "expected an address"),
        ("{ mail: { to: [a@b.c], from: r@b.c, server: 'smtp://me:pw@m' } }", "notify.ops.mail.server", "expected a mail server"),
        ("{ mail: { to: [a@b.c], from: r@b.c, server: 'smtp://m:0' } }", "notify.ops.mail.server", "expected a mail server"),
        ("{ mail: { to: [a@b.c], from: r@b.c, server: 'smtps://m', tls: none } }", "notify.ops.mail.server", "contradict"),
        ("{ format: slack, mail: { to: [a@b.c], from: r@b.c, server: 'smtp://m' } }", "notify.ops.format", "a mail has no `format`"),
    ] {
        refused(lines, key, words);
    }
}

#[test]
fn an_address_that_is_a_secret_is_warned_of_where_it_stands_in_the_clear() {
    for lines in [
        "{ url: 'https://hooks.slack.com/services/T/B/x' }",
        "{ url: 'https://a.b', headers: { authorization: 'Bearer x' } }",
        "{ url: 'https://a.b', on: [] }",
    ] {
        let reading = read(&[&format!("{SECRETS}notify: {{ ops: {lines} }}")]);
        assert_eq!(reading.findings.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Warning], "{lines}");
        assert!(reading.estate.is_some());
    }
}

#[test]
fn two_files_do_not_define_one_addressee() {
    let text = "notify: { ops: { url: 'https://a.b' } }";
    let reading = read(&[text, text]);
    assert!(reading.findings.iter().any(|one| one.message.contains("two pipelines define the addressee `ops`")), "{:#?}", reading.findings);
}

#[test]
fn every_kind_is_written_as_it_is_shown() {
    for kind in NoticeKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(notify(&format!("{{ url: 'https://a.b', on: [{kind}] }}")).on, BTreeSet::from([kind]));
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        let _ = (host_of_url(&text), is_address(&text), server_of(&text), is_header_name(&text));
        let _ = (host_of_url(&format!("https://{text}")), server_of(&format!("smtp://{text}")), is_address(&format!("{text}>")));
    }
}
