//! What something that was heard outside means for this estate.

use std::collections::BTreeSet;

use crate::model::ImageName;
use crate::pipeline::{Context, Estate};

/// The images whose sources a push to a forge may have changed: those whose context is that repository, at that branch or tag, and one of whose paths
/// was touched. `paths` is `None` where they are not all known.
pub(super) fn pushed(estate: &Estate, urls: &BTreeSet<String>, reference: &str, paths: Option<&BTreeSet<String>>) -> Option<BTreeSet<ImageName>> {
    let urls: BTreeSet<String> = urls.iter().map(|url| plain(url)).collect();
    let name = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference);
    let is_meant = |context: &Context| match context {
        Context::Folder { .. } => false,
        Context::Git { url, reference: wanted, path } => {
            // The remote's HEAD may be any branch.
            let is_there = wanted.as_ref().is_none_or(|wanted| wanted == name || wanted == reference);
            is_there && urls.contains(&plain(url)) && touches(paths, path)
        }
    };
    let images: BTreeSet<ImageName> = estate.images.values().filter(|image| is_meant(&image.build.context)).map(|image| image.name.clone()).collect();
    (!images.is_empty()).then_some(images)
}

fn touches(paths: Option<&BTreeSet<String>>, folder: &str) -> bool {
    let folder = folder.trim_matches('/');
    let is_below = |path: &String| folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    paths.is_none_or(|paths| paths.iter().any(is_below))
}

/// A repository's address without what differs between its forms: scheme, user, port of ssh, `.git`, the case of the host.
fn plain(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.trim_end_matches('/').trim_end_matches(".git");
    // `host:path` of scp, and `host:port/path`.
    let (host, path) = match rest.split_once(['/', ':']) {
        Some((host, path)) => (host, path),
        None => (rest, ""),
    };
    let path = match path.split_once('/') {
        Some((port, path)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => path,
        _ => path,
    };
    format!("{}/{}", host.to_ascii_lowercase(), path.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_many_addresses() {
        let forms = [
            "https://git.example.com/shop/web.git",
            "https://user:token@Git.Example.com/shop/web",
            "ssh://git@git.example.com:2222/shop/web.git",
            "git@git.example.com:shop/web.git",
            "http://git.example.com:3000/shop/web/",
        ];
        assert_eq!(forms.map(plain), ["git.example.com/shop/web"; 5].map(String::from));
        assert_ne!(plain("https://git.example.com/shop/web2"), "git.example.com/shop/web");
    }

    #[test]
    fn a_push_elsewhere_in_the_repository_is_none_of_an_images() {
        let paths: BTreeSet<String> = ["web/Dockerfile".to_owned(), "README.md".to_owned()].into();
        assert!(touches(Some(&paths), "web") && touches(Some(&paths), "") && touches(None, "api"));
        assert!(!touches(Some(&paths), "api") && !touches(Some(&paths), "we"));
    }
}
