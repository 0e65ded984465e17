//! GitHub: `package` and `registry_package` for its container registry, `push` for git.
//!
//! Source: docs.github.com, "Webhook events and payloads". Only packages that are linked to a repository have events. A push by digest, and each
//! platform of a larger image, has an empty tag, and a `package_url` that ends in a colon.

use super::error::HookError;
use super::heard::{Heard, Hint};
use super::letter::Letter;
use super::{name, push};

const REGISTRY: &str = "ghcr.io";

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let heard = match letter.header("x-github-event").or_else(|| event_by_body(letter)) {
        Some("push") => push::github(letter),
        Some(event @ ("package" | "registry_package")) => package(letter, event),
        Some("ping") => Ok(Heard::nothing("a ping")),
        _ => Ok(Heard::nothing("neither a push nor a package")),
    };
    heard.map(|heard| heard.delivered(letter.header("x-github-delivery")))
}

/// For a body that came through something that drops headers.
fn event_by_body(letter: &Letter<'_>) -> Option<&'static str> {
    let has = |key: &str| letter.body.get(key).is_some();
    if has("registry_package") {
        Some("registry_package")
    } else if has("package") {
        Some("package")
    } else if has("zen") {
        Some("ping")
    } else {
        has("ref").then_some("push")
    }
}

fn package(letter: &Letter<'_>, event: &str) -> Result<Heard, HookError> {
    if !matches!(letter.text("/action"), Some("published" | "updated")) {
        return Ok(Heard::nothing("a package was neither published nor updated"));
    }
    let Some(package) = letter.body.get(event) else {
        return Err(letter.malformed(format!("no `{event}`")));
    };
    let package = letter.of(package);
    let kind = package.need("/package_type")?;
    if !kind.eq_ignore_ascii_case("container") && !kind.eq_ignore_ascii_case("docker") {
        return Ok(Heard::nothing("a package that is no image"));
    }
    image(&package).map(Heard::from)
}

/// The image that was published: under its URL, or if that is none under its owner and name. GitHub keeps the owner's capitals, the registry does
/// not.
fn image(package: &Letter<'_>) -> Result<Hint, HookError> {
    let version = package.text("/package_version/version");
    let digest = package.text("/package_version/container_metadata/tag/digest").or(version);
    let url = package.text("/package_version/package_url").unwrap_or_default();
    let parts = name::split(url);
    let tag = package.text("/package_version/container_metadata/tag/name").or(parts.tag);
    let digest = digest.or(parts.digest);
    if let Ok(hint) = package.hint_of(&parts.name.to_ascii_lowercase(), tag, digest)
        && parts.name.contains('/')
    {
        return Ok(hint);
    }
    let owner =
        package.text("/namespace").or(package.text("/owner/login")).ok_or_else(|| package.malformed("neither `namespace` nor `owner.login`"))?;
    let repository = format!("{owner}/{}", package.need("/name")?).to_ascii_lowercase();
    package.hint(Some(REGISTRY), &repository, tag, digest)
}
