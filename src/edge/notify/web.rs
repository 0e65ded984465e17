//! A notice by HTTP: one POST.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, StatusCode, Url};
use sha2::Sha256;

use super::{NotSent, Notifier, causes, secret};
use crate::model::Secret;
use crate::notice::{self, Answer, Notice};
use crate::pipeline::{GivenValue, NoticeFormat, WebTarget};

/// A server that moved within itself sends on once or twice.
const REDIRECTS_MAX: usize = 3;

/// The same at every attempt to send one notice.
const ID: HeaderName = HeaderName::from_static("x-refit-notice");
/// `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the body, as GitHub signs its hooks.
const SIGNATURE: HeaderName = HeaderName::from_static("x-refit-signature");

pub(super) fn client(wait: Duration) -> reqwest::Result<Client> {
    let agent = concat!("refit/", env!("CARGO_PKG_VERSION"));
    Client::builder().user_agent(agent).timeout(wait).redirect(Policy::custom(redirect)).build()
}

/// What is sent, and the secrets in its headers, go nowhere but to the server that was named; and only where they arrive as they are: the other
/// statuses make a GET of it, which would tell nobody anything.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let is_same = attempt.previous().last().is_some_and(|before| before.origin() == attempt.url().origin());
    let keeps_body = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if is_same && keeps_body && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}

impl Notifier {
    pub(super) async fn post(&self, target: &WebTarget, notice: &Notice) -> Result<(), NotSent> {
        let url = self.url(target).await?;
        let to = url.origin().ascii_serialization();
        let not_sent = |answer, why: String| NotSent { to: to.clone(), answer, why };
        let body = match target.format {
            NoticeFormat::Json => notice::json(notice),
            NoticeFormat::Slack => notice::slack(notice),
        }
        .to_string();
        let headers = self.headers(target, notice, body.as_bytes()).await.map_err(|why| not_sent(Answer::none(), why))?;
        let sent = self.client.post(url).headers(headers).body(body).send().await;
        let response = sent.map_err(|error| not_sent(Answer::none(), causes(&error.without_url())))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, Timestamp::now()));
        let help = if status.is_redirection() { " and sends elsewhere: write the new URL" } else { "" };
        Err(not_sent(Answer::of_http(status.as_u16(), wait), format!("answered {status}{help}")))
    }

    /// The URL. What is wrong with it is said without it.
    async fn url(&self, target: &WebTarget) -> Result<Url, NotSent> {
        let to = match &target.url {
            GivenValue::Plain(_) => "its URL".to_owned(),
            GivenValue::Secret(source) => format!("the URL in {}", secret::shown(source)),
        };
        let not_sent = |why: String| NotSent { to: to.clone(), answer: Answer::none(), why };
        let text = self.value(&target.url).await.map_err(not_sent)?;
        let url = std::str::from_utf8(text.reveal()).ok().and_then(|text| Url::parse(text.trim()).ok());
        url.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| not_sent("it is no `https://` or `http://` URL".to_owned()))
    }

    async fn headers(&self, target: &WebTarget, notice: &Notice, body: &[u8]) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &target.headers {
            let key: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
            let value = self.value(value).await.map_err(|why| format!("header {name}: {why}"))?;
            let mut value = HeaderValue::from_bytes(value.reveal()).map_err(|_| format!("header {name}: its value is no header's value"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, HeaderValue::from_str(&notice.id()).map_err(|_| "the notice's id is no header's value".to_owned())?);
        if let Some(source) = &target.sign {
            let key = self.secret(source).await.map_err(|why| format!("key of the signature: {why}"))?;
            let signature = HeaderValue::from_str(&signature(&key, body)?).map_err(|error| error.to_string())?;
            headers.insert(SIGNATURE, signature);
        }
        Ok(headers)
    }
}

/// `sha256=` and the lower-case hexadecimal HMAC-SHA256 of a body.
fn signature(key: &Secret, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal()).map_err(|error| format!("key of the signature: {error}"))?;
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256={hex}"))
}

/// The pause that a server asks for: seconds, or a moment. Source: RFC 9110, section 10.2.3.
fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Source: RFC 4231, test case 2.
        let signed = signature(&Secret::new("Jefe"), b"what do ya want for nothing?").unwrap();
        assert_eq!(signed, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_pause_is_seconds_or_a_moment() {
        let now: Timestamp = "2026-11-27T03:00:00Z".parse().unwrap();
        let asked = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap(), now).map(|pause| pause.as_secs());
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Fri, 27 Nov 2026 03:01:30 GMT"), Some(90));
        // A moment that is past asks for nothing; what cannot be read neither.
        assert_eq!(asked("Fri, 27 Nov 2026 02:00:00 GMT"), Some(0));
        for bad in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(asked(bad), None, "{bad}");
        }
    }
}
