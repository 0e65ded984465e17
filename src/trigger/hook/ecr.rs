//! AWS ECR: EventBridge's `ECR Image Action` as it is, or transformed to a CloudEvent as several receivers ask for it.
//!
//! Source: docs.aws.amazon.com, "Amazon ECR events and EventBridge". The registry's host is made of account and region. EventBridge delivers at least
//! once, with the same `id`.

use super::cloud_events;
use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.body.get("detail").is_none() {
        return cloud_events::read(letter);
    }
    let id = letter.text("/id");
    let is_push = letter.text("/detail-type") == Some("ECR Image Action") && letter.text("/detail/action-type") == Some("PUSH");
    if !is_push {
        return Ok(Heard::nothing("no push").delivered(id));
    }
    if letter.text("/detail/result") != Some("SUCCESS") {
        return Ok(Heard::nothing("a push that failed").delivered(id));
    }
    let host = host(letter.text("/account"), letter.text("/region"));
    let (tag, digest) = (letter.text("/detail/image-tag"), letter.text("/detail/image-digest"));
    let repository = letter.need("/detail/repository-name")?;
    letter.hint(host.as_deref(), repository, tag, digest).map(|hint| Heard::from(hint).delivered(id))
}

/// The transformed form: `data` has the fields in camel case, `source` is `urn:aws:ecr:<region>:<account>:repository/<name>`, or an ARN.
pub(super) fn transformed(data: &Letter<'_>, source: &str) -> Result<Heard, HookError> {
    let mut parts = source.split(':').skip(3);
    let (region, account) = (parts.next(), parts.next());
    let host = host(account.or(data.text("/registryId")), region);
    let (tag, digest) = (data.text("/imageTag"), data.text("/imageDigest"));
    data.hint(host.as_deref(), data.need("/repositoryName")?, tag, digest).map(Heard::from)
}

/// `<account>.dkr.ecr.<region>.amazonaws.com`, in China with `.cn`.
fn host(account: Option<&str>, region: Option<&str>) -> Option<String> {
    let is_word = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let (account, region) = (account.filter(is_word)?, region.filter(is_word)?);
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("{account}.dkr.ecr.{region}.{end}"))
}
