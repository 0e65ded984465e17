//! Who is told what happens: addresses, secrets and mail servers.

use std::collections::{BTreeMap, BTreeSet};

use super::at::At;
use super::estate::SecretSource;
use super::forms::{Entries, Short};
use super::lower::Lower;
use super::near::did_you_mean;
use super::notify::{GivenValue, MailLogin, MailTarget, MailTls, NoticeFormat, NoticeKind, Notify, NotifyTo, WebTarget};
use super::raw_notify as raw;
use crate::model::NotifyName;

const ONE_WAY: &str = "write one of `url: https://…`, `url_secret: name` and `mail: { … }`";
/// Headers that refit writes itself; a second one would contradict it.
const OWN_HEADERS: [&str; 5] = ["content-type", "content-length", "host", "user-agent", "transfer-encoding"];

impl Lower<'_> {
    /// An addressee of notices, if there is no mistake in it.
    pub(super) fn notify(&mut self, at: &At<'_>, key: &str, raw: &raw::Notify) -> Option<(NotifyName, Notify)> {
        let name: Option<NotifyName> = self.ok(at, key.parse());
        let on = self.notify_on(&at.key("on"), raw.on.as_deref());
        let to = match (&raw.url, &raw.url_secret, &raw.mail) {
            (Some(url), None, None) => {
                let url_at = at.key("url");
                self.plain_url(&url_at, url).and_then(|url| self.web(at, raw, url))
            }
            (None, Some(secret), None) => {
                let url = self.named_secret(&at.key("url_secret"), secret);
                url.and_then(|url| self.web(at, raw, GivenValue::Secret(url)))
            }
            (None, None, Some(mail)) => {
                self.nothing_of_web(at, raw);
                self.mail(&at.key("mail"), mail).map(NotifyTo::Mail)
            }
            (None, None, None) => return self.refuse(at, "it does not say where notices go"),
            _ => return self.refuse(at, "it says more than one place where notices go"),
        };
        Some((name?, Notify { at: at.place(), to: to?, on }))
    }

    fn refuse<T>(&mut self, at: &At<'_>, message: &str) -> Option<T> {
        self.findings.error_at_key(at, message, ONE_WAY);
        None
    }

    fn notify_on(&mut self, at: &At<'_>, on: Option<&[raw::NoticeKind]>) -> BTreeSet<NoticeKind> {
        match on {
            None => NoticeKind::ALL.into_iter().filter(|kind| kind.is_told_by_default()).collect(),
            Some([]) => {
                self.findings.warning(at, "nothing is ever told there", "name what is to be told, or remove `on`");
                BTreeSet::new()
            }
            Some(kinds) => kinds.iter().copied().map(kind).collect(),
        }
    }

    /// The secret of that name.
    fn named_secret(&mut self, at: &At<'_>, name: &str) -> Option<SecretSource> {
        match self.estate.secrets.get(name) {
            // If there is none, its definition has a finding of its own.
            Some(found) => found.clone(),
            None => {
                let define = format!("define it at the top level: `secrets: {{ {name}: {{ file: … }} }}`");
                let help = did_you_mean(name, self.estate.secrets.keys().map(String::as_str), "secrets", &define);
                self.findings.error(at, format!("the secret `{name}` is not defined"), help);
                None
            }
        }
    }

    fn web(&mut self, at: &At<'_>, raw: &raw::Notify, url: GivenValue) -> Option<NotifyTo> {
        let headers = self.headers(&at.key("headers"), &raw.headers);
        let sign = match &raw.sign {
            Some(name) => Some(self.named_secret(&at.key("sign"), name)?),
            None => None,
        };
        let format = match raw.format {
            None | Some(raw::NoticeFormat::Json) => NoticeFormat::Json,
            Some(raw::NoticeFormat::Slack) => NoticeFormat::Slack,
        };
        Some(NotifyTo::Web(WebTarget { url, format, headers, sign }))
    }

    /// A URL that stands in the pipeline. One that nobody may know does not belong there.
    fn plain_url(&mut self, at: &At<'_>, url: &str) -> Option<GivenValue> {
        let in_secret = "keep it in a secret, and name that: `url_secret: …`";
        let Some(host) = host_of_url(url) else {
            self.findings.error(at, "expected a URL such as `https://chat.example.com/hooks/ops`", "it begins with `https://` or `http://`");
            return None;
        };
        if host.contains('@') {
            self.findings.error(at, "the URL holds a user name or a password", in_secret);
            return None;
        }
        if host.eq_ignore_ascii_case("hooks.slack.com") {
            self.findings.warning(at, "whoever reads this URL of Slack's can write there", in_secret);
        }
        Some(GivenValue::Plain(url.to_owned()))
    }

    fn headers(&mut self, at: &At<'_>, headers: &Entries<Short<raw::HeaderValue>>) -> BTreeMap<String, GivenValue> {
        let mut all = BTreeMap::new();
        for (name, value) in &headers.0 {
            let at = at.key(name);
            let lower = name.to_ascii_lowercase();
            if !is_header_name(name) {
                self.findings.error_at_key(&at, format!("{name:?} is no name of a header"), "letters, digits and `-` are allowed");
            } else if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("x-refit-") {
                self.findings.error_at_key(&at, format!("the header `{name}` is written by refit itself"), "remove it");
            } else if let Some(value) = self.header_value(&at, &lower, value) {
                all.insert(name.clone(), value);
            }
        }
        all
    }

    fn header_value(&mut self, at: &At<'_>, name: &str, value: &Short<raw::HeaderValue>) -> Option<GivenValue> {
        match value {
            Short::Long(long) => self.named_secret(&at.key("secret"), &long.secret).map(GivenValue::Secret),
            Short::Short(text) if !text.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) => {
                self.findings.error(at, "a header's value is printable ASCII, on one line", "");
                None
            }
            Short::Short(text) => {
                if name == "authorization" {
                    self.findings.warning(at, "whoever reads this pipeline can write there", "keep it in a secret: `Authorization: { secret: … }`");
                }
                Some(GivenValue::Plain(text.clone()))
            }
        }
    }

    /// What only a web server can be given, beside a mail.
    fn nothing_of_web(&mut self, at: &At<'_>, raw: &raw::Notify) {
        let written = [("format", raw.format.is_some()), ("headers", !raw.headers.0.is_empty()), ("sign", raw.sign.is_some())];
        for (key, _) in written.into_iter().filter(|(_, is_written)| *is_written) {
            self.findings.error_at_key(&at.key(key), format!("a mail has no `{key}`"), "remove it");
        }
    }

    fn mail(&mut self, at: &At<'_>, raw: &raw::Mail) -> Option<MailTarget> {
        let to = raw.to.all();
        if to.is_empty() {
            self.findings.error(&at.key("to"), "nobody is named", "write an address, such as `ops@example.com`");
        }
        let mut is_right = !to.is_empty();
        for (index, address) in to.iter().enumerate() {
            is_right &= self.address(&at.key("to").index(index), address);
        }
        is_right &= self.address(&at.key("from"), &raw.from);
        let (host, port, tls) = self.mail_server(&at.key("server"), raw)?;
        let login = self.mail_login(at, raw, tls, &host)?;
        is_right.then(|| MailTarget { to, from: raw.from.clone(), host, port, tls, login })
    }

    fn address(&mut self, at: &At<'_>, text: &str) -> bool {
        let is_right = is_address(text);
        if !is_right {
            let message = format!("expected an address such as `ops@example.com` or `Ops <ops@example.com>`, found `{}`", text.escape_debug());
            self.findings.error(at, message, "");
        }
        is_right
    }

    fn mail_server(&mut self, at: &At<'_>, raw: &raw::Mail) -> Option<(String, u16, MailTls)> {
        let Some((is_smtps, host, port)) = server_of(&raw.server) else {
            self.findings.error(at, "expected a mail server such as `smtp://mail.example.com:587`", "a password goes into `password`, as a secret");
            return None;
        };
        let tls = match raw.tls {
            Some(raw::MailTls::Starttls) => MailTls::Starttls,
            Some(raw::MailTls::Implicit) => MailTls::Implicit,
            Some(raw::MailTls::None) => MailTls::None,
            None if is_smtps => MailTls::Implicit,
            None => MailTls::Starttls,
        };
        if is_smtps && tls != MailTls::Implicit {
            self.findings.error(at, "`smtps://` and `tls` contradict each other", "`smtps://` is `tls: implicit`: write `smtp://`, or remove `tls`");
            return None;
        }
        // Sources: RFC 6409 (587), RFC 8314 (465), RFC 5321 (25).
        let default = match tls {
            MailTls::Starttls => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        };
        Some((host.to_owned(), port.unwrap_or(default), tls))
    }

    /// The login, or none if there is none; `None` if there is a mistake in it.
    fn mail_login(&mut self, at: &At<'_>, raw: &raw::Mail, tls: MailTls, host: &str) -> Option<Option<MailLogin>> {
        let (user, password) = match (&raw.user, &raw.password) {
            (None, None) => return Some(None),
            (Some(user), Some(password)) => (user, password),
            _ => {
                self.findings.error_at_key(at, "a login needs `user` and `password`", "write both, or neither; `password` is the name of a secret");
                return None;
            }
        };
        if tls == MailTls::None && !is_this_machine(host) {
            self.findings.error(&at.key("tls"), "the password would go over the network in the clear", "write `tls: starttls` or `tls: implicit`");
            return None;
        }
        let password = self.named_secret(&at.key("password"), password)?;
        Some(Some(MailLogin { user: user.clone(), password }))
    }
}

/// What stands between `//` and the path of a web address; none if it is no such address.
fn host_of_url(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_clean = url.chars().all(|c| c.is_ascii_graphic());
    (is_clean && host.contains(|c: char| c.is_ascii_alphanumeric())).then_some(host)
}

/// The token of RFC 9110, without its rarer characters.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Whether a text can be an address. Not every such text is one; the server has the last word.
fn is_address(text: &str) -> bool {
    let bare = match text.strip_suffix('>') {
        Some(named) => named.rsplit_once('<').map_or("", |(_, bare)| bare),
        None => text,
    };
    let is_clean = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"<>(),;:\"[]\\@".contains(c));
    let is_on_one_line = !text.chars().any(char::is_control) && text.len() <= 320;
    is_on_one_line && bare.rsplit_once('@').is_some_and(|(user, domain)| is_clean(user) && is_clean(domain))
}

/// Whether it is `smtps`, the host and the port of a mail server.
fn server_of(text: &str) -> Option<(bool, &str, Option<u16>)> {
    let (is_smtps, rest) = match text.strip_prefix("smtps://") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("smtp://")?),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        _ => (rest, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    is_host.then_some((is_smtps, host, port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn kind(raw: raw::NoticeKind) -> NoticeKind {
    match raw {
        raw::NoticeKind::Began => NoticeKind::Began,
        raw::NoticeKind::Waits => NoticeKind::Waits,
        raw::NoticeKind::Paused => NoticeKind::Paused,
        raw::NoticeKind::Failed => NoticeKind::Failed,
        raw::NoticeKind::RolledBack => NoticeKind::RolledBack,
        raw::NoticeKind::Done => NoticeKind::Done,
        raw::NoticeKind::InPart => NoticeKind::InPart,
        raw::NoticeKind::Stuck => NoticeKind::Stuck,
        raw::NoticeKind::Aborted => NoticeKind::Aborted,
        raw::NoticeKind::Quarantined => NoticeKind::Quarantined,
        raw::NoticeKind::EstateBroken => NoticeKind::EstateBroken,
        raw::NoticeKind::Drift => NoticeKind::Drift,
    }
}

#[cfg(test)]
mod tests;
