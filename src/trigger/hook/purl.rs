//! Package URLs of images: `pkg:oci/name@sha256:…?repository_url=…&tag=…` and `pkg:docker/namespace/name@tag?repository_url=…`.
//!
//! Source: the package-url specification, types `oci` and `docker`. For `oci`, `repository_url` is the whole repository, the name included (some
//! leave the name away, Harbor adds tag and digest); for `docker` it is the registry.

use percent_encoding::percent_decode_str;

use super::name;

/// An image as a package URL names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Registry and repository; for Docker Hub perhaps only the repository.
    pub(super) name: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

/// Reads a package URL; none if it is well formed and no image's. Errors with the reason.
pub(super) fn read(text: &str) -> Result<Option<Image>, String> {
    let refuse = |reason: &str| Err(format!("`{}` is no package URL: {reason}", text.chars().take(200).collect::<String>().escape_debug()));
    let Some(rest) = text.strip_prefix("pkg:") else {
        return refuse("it does not begin with `pkg:`");
    };
    let rest = rest.trim_start_matches('/').split('#').next().unwrap_or_default();
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let Some((kind, path)) = path.split_once('/') else {
        return refuse("it has no type");
    };
    let (path, version) = path.rsplit_once('@').map_or((path, None), |(path, version)| (path, Some(decoded(version))));
    let qualifier =
        |name: &str| qualifiers.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| decoded(value));
    let (path, version) = (decoded(path), version.filter(|version| !version.is_empty()));
    if path.is_empty() {
        return refuse("it has no name");
    }
    let (tag, digest) = match version {
        Some(version) if version.contains(':') => (qualifier("tag"), Some(version)),
        Some(version) => (qualifier("tag").or(Some(version)), None),
        None => (qualifier("tag"), None),
    };
    let url = qualifier("repository_url").map(|url| url.split_once("://").map_or(url.clone(), |(_, rest)| rest.to_owned()));
    Ok(match kind.to_ascii_lowercase().as_str() {
        "oci" => Some(Image { name: oci_name(&path, url.as_deref()), tag, digest }),
        "docker" => Some(Image { name: url.map_or(path.clone(), |url| format!("{}/{path}", url.trim_end_matches('/'))), tag, digest }),
        _ => None,
    })
}

fn oci_name(name: &str, url: Option<&str>) -> String {
    let Some(url) = url else { return name.to_owned() };
    let repository = name::split(url.trim_end_matches('/')).name;
    let last = repository.rsplit('/').next().unwrap_or_default();
    if last == name && repository.contains('/') { repository.to_owned() } else { format!("{}/{name}", url.trim_end_matches('/')) }
}

/// Resolves `%XX`; what is none stays as it is, and what is no UTF-8 then becomes a character that no reference has.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_of_images_are_read_in_every_dialect() {
        //    written                                                                       name                     tag        digest
        for (written, name, tag, digest) in [
            ("pkg:oci/debian@sha256%3A24?repository_url=docker.io/library/debian&tag=12", "docker.io/library/debian", Some("12"), Some("sha256:24")),
            ("pkg:oci/static?repository_url=gcr.io/distroless/static&tag=latest", "gcr.io/distroless/static", Some("latest"), None),
            ("pkg:oci/web@sha256:1?repository_url=h.dev%2Fl%2Fweb:v1@sha256:1&tag=v1", "h.dev/l/web", Some("v1"), Some("sha256:1")),
            ("pkg:oci/web?repository_url=https%3A%2F%2Fghcr.io%2Facme", "ghcr.io/acme/web", None, None),
            ("pkg:oci/web?repository_url=localhost:5000", "localhost:5000/web", None, None),
            ("pkg:docker/acme/web@1.2?repository_url=gcr.io", "gcr.io/acme/web", Some("1.2"), None),
            ("pkg:docker/acme/web@sha256%3A24", "acme/web", None, Some("sha256:24")),
        ] {
            let image = Image { name: name.to_owned(), tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) };
            assert_eq!(read(written), Ok(Some(image)), "{written}");
        }
        assert_eq!(read("pkg:golang/mygit.com/myorg/myapp@234fd47e07d1004f0aed9c"), Ok(None));
        for bad in ["", "pkg:", "pkg:oci", "pkg:oci/", "oci/web", "pkg:oci/@1"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(decoded("%41%zz%"), "A%zz%");
    }
}
