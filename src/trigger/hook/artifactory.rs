//! JFrog Artifactory: `domain: docker`, `event_type: pushed`; the repository's key stands before the image's name in a reference.
//!
//! Source: jfrog.com, "Webhooks", domain docker. Images that are pulled through a virtual repository, or under a host of their own, have another name
//! than the payload knows: the hook's `registry` then stands in place of host and key.

use super::error::HookError;
use super::heard::Heard;
use super::letter::Letter;
use super::name;

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.need("/domain")? != "docker" || !matches!(letter.need("/event_type")?, "pushed" | "promoted") {
        return Ok(Heard::nothing("no push of an image"));
    }
    let image = letter.need("/data/image_name")?;
    let digest = letter.text("/data/path").filter(|path| path.ends_with("manifest.json")).and(letter.text("/data/sha256"));
    let digest = digest.map(|hex| format!("sha256:{hex}"));
    let tag = letter.text("/data/tag");
    let hint = match &letter.hook.registry {
        Some(registry) => letter.hint(Some(registry), image, tag, digest.as_deref()),
        None => {
            let host = letter.text("/jpd_origin").and_then(name::host);
            letter.hint(host, &format!("{}/{image}", letter.need("/data/repo_key")?), tag, digest.as_deref())
        }
    };
    hint.map(Heard::from)
}
