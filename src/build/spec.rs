//! What is written on an image: OCI's labels and refit's own.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Digest, EstateName, ImageRef, RunId};

/// What the labels of one image say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLabels<'a> {
    /// When the build began.
    pub created: Timestamp,
    /// The commit that it is made of; none if files differed from it.
    pub revision: Option<&'a str>,
    /// Where its sources are, as a person would open them.
    pub source: Option<&'a str>,
    /// Its immutable tag.
    pub version: &'a str,
    /// What its built stage stands on, and at which digest; none for `scratch`.
    pub base: Option<(&'a ImageRef, Digest)>,
    /// The estate whose image it is.
    pub estate: &'a EstateName,
    /// The run that builds it.
    pub run: RunId,
    /// All that it depends on.
    pub inputs: Digest,
    /// The user's own, which win: they are what somebody wrote.
    pub own: &'a BTreeMap<String, String>,
}

/// The label that carries the estate.
pub const ESTATE: &str = "io.refit.estate";
/// The label that carries the run.
pub const RUN: &str = "io.refit.run";
/// The label that carries the hash of inputs.
pub const INPUTS: &str = "io.refit.inputs";

/// The labels that an image is built with.
///
/// The user's own win over OCI's, never over refit's. Source: the annotations of the OCI image specification.
pub fn labels(image: &ImageLabels<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut oci = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            labels.insert(format!("org.opencontainers.image.{name}"), value);
        }
    };
    oci("created", Some(image.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    oci("revision", image.revision.map(str::to_owned));
    oci("source", image.source.map(without_credentials));
    oci("version", Some(image.version.to_owned()));
    oci("base.name", image.base.map(|(base, _)| base.to_string()));
    oci("base.digest", image.base.map(|(_, digest)| digest.to_string()));
    labels.extend(image.own.clone());
    labels.insert(ESTATE.to_owned(), image.estate.to_string());
    labels.insert(RUN.to_owned(), image.run.to_string());
    labels.insert(INPUTS.to_owned(), image.inputs.to_string());
    labels
}

/// A url without `user:password@`: labels are for everybody to read.
fn without_credentials(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else { return source.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_where_it_comes_from() {
        let own = BTreeMap::from([("team".to_owned(), "shop".to_owned()), (RUN.to_owned(), "mine".to_owned())]);
        let base = "debian:12".parse().unwrap();
        let image = ImageLabels {
            created: "2026-05-04T03:02:01.5Z".parse().unwrap(),
            revision: Some("abc"),
            source: Some("https://bot:s3cret@git.example.com/shop.git"),
            version: "abc-123",
            base: Some((&base, Digest::of(b"debian"))),
            estate: &"shop".parse().unwrap(),
            run: RunId(7),
            inputs: Digest::of(b"inputs"),
            own: &own,
        };
        let text: Vec<_> = labels(&image).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn a_label_never_holds_a_password() {
        for (source, shown) in [
            ("https://u:p@git.example.com/a@b.git", "https://git.example.com/a@b.git"),
            ("https://git.example.com", "https://git.example.com"),
            ("git@git.example.com:shop.git", "git@git.example.com:shop.git"),
            ("/srv/shop", "/srv/shop"),
        ] {
            assert_eq!(without_credentials(source), shown);
        }
    }
}
