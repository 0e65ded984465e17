//! Gitea and Forgejo: `package` for their container registry, `push` for git. Both send GitHub's headers too.
//!
//! Source: docs.gitea.com, "Webhooks", and its `PackagePayload`. The package's page is on the registry's host; its version is the tag, or the digest
//! of one platform.

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;
use super::{name, push};

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let header = |names: [&str; 2]| names.into_iter().find_map(|name| letter.header(name));
    let by_body = || if letter.body.get("package").is_some() { Some("package") } else { letter.body.get("ref").map(|_| "push") };
    let heard = match header(["x-gitea-event", "x-forgejo-event"]).or_else(by_body) {
        Some("push") => push::gitea(letter),
        Some("package") => package(letter),
        _ => Ok(Heard::nothing("neither a push nor a package")),
    };
    heard.map(|heard| heard.delivered(header(["x-gitea-delivery", "x-forgejo-delivery"])))
}

fn package(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.need("/action")? != "created" {
        return Ok(Heard::nothing("a package was deleted"));
    }
    if letter.need("/package/type")? != "container" {
        return Ok(Heard::nothing("a package that is no image"));
    }
    let owner = letter.text("/package/owner/login").or(letter.text("/package/owner/username"));
    let owner = owner.ok_or_else(|| letter.malformed("no text at `/package/owner/login`"))?;
    let repository = format!("{owner}/{}", letter.need("/package/name")?).to_ascii_lowercase();
    let host = letter.text("/package/html_url").and_then(name::host);
    letter.hint(host, &repository, letter.text("/package/version"), None).map(Heard::from)
}
