//! The package URL of an image; those of packages are the inventory's. Source: the package-url specification (ECMA-427), and its type `oci`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::ImageRef;

/// How others name the image: `pkg:oci/web@sha256:…?repository_url=ghcr.io/acme/web&tag=1`.
///
/// The name is the last part of the repository, the version is the manifest's digest (left out while none is known, for the image's id is none).
pub(super) fn of_image(image: &ImageRef) -> String {
    let name = image.repository().rsplit('/').next().unwrap_or_default();
    let version = image.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
    let tag = image.tag().map(|tag| format!("&tag={}", encoded(tag))).unwrap_or_default();
    format!("pkg:oci/{}{version}?repository_url={}{tag}", encoded(name), encoded(image.name()))
}

/// What may stand as it is; of references only an address in brackets has anything else.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'/');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_the_url_that_others_give_it() {
        let digest = format!("sha256:{}", "2".repeat(64));
        for (reference, wanted) in [
            ("debian:12", "pkg:oci/debian?repository_url=docker.io/library/debian&tag=12".to_owned()),
            ("ghcr.io/acme/web", "pkg:oci/web?repository_url=ghcr.io/acme/web&tag=latest".to_owned()),
            (&format!("localhost:5000/web@{digest}"), format!("pkg:oci/web@{digest}?repository_url=localhost:5000/web")),
        ] {
            assert_eq!(of_image(&reference.parse().unwrap()), wanted, "{reference}");
        }
        assert_eq!(encoded("[::1]:5000"), "%5B::1%5D:5000");
    }
}
