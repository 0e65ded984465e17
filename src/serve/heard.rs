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
    use std::collections::BTreeMap;

    use super::*;
    use crate::pipeline::{Given, Hook, HookAuth, HookFormat, PipelineText, draft};
    use crate::trigger::hook::{self, Request};

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

    /// Three images of the repositories that the forges' samples are about, each in a folder of its own but for one that has all of it.
    fn estate() -> Estate {
        let image =
            |name: &str, owner: &str, folder: &str| format!("  {name}: {{ build: {{ context: 'https://{owner}/shop.git#main{folder}' }} }}\n");
        let images: String = ["gitlab.example.com/acme", "git.example.com/Acme", "github.com/Acme"]
            .iter()
            .zip(["gitlab", "gitea", "github"])
            .map(|(owner, forge)| {
                image(&format!("{forge}-web"), owner, ":web")
                    + &image(&format!("{forge}-api"), owner, ":api")
                    + &image(&format!("{forge}-all"), owner, "")
            })
            .collect();
        let text = format!("name: shop\nbuilders: {{ b: {{ endpoint: \"unix:///d\" }} }}\nimages:\n{images}");
        let file = PipelineText { file: "pipelines/shop.yaml".into(), text };
        let reading = draft(&[file], &Given { folder: "/srv/shop".into(), vars: BTreeMap::new() }).finish(&BTreeMap::new());
        reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
    }

    #[test]
    fn the_paths_of_a_push_tell_which_images_are_meant_whatever_forge_it_is() {
        let estate = estate();
        for (sample, expected) in [
            ("github/push.json", "github-all github-web"),
            ("gitlab/push.json", "gitlab-all gitlab-web"),
            ("gitea/push.json", "gitea-all gitea-web"),
            // More commits than are listed: whatever is built from that repository and branch.
            ("gitlab/push-of-many.json", "gitlab-all gitlab-api gitlab-web"),
            ("gitea/push-of-many.json", "gitea-all gitea-api gitea-web"),
            // History was written anew.
            ("github/push-forced.json", "github-all github-api github-web"),
            // Another branch, and a tag.
            ("github/push-new-branch.json", ""),
            ("gitlab/tag-push.json", ""),
        ] {
            let body = std::fs::read(format!("{}/tests/hooks/{sample}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            let forge = match sample.split_once('/').unwrap().0 {
                "github" => HookFormat::Github,
                "gitlab" => HookFormat::Gitlab,
                _ => HookFormat::Gitea,
            };
            let event = |name: &str| (name.to_owned(), "push".to_owned());
            let headers = [event("x-github-event"), event("x-gitea-event")];
            let hook = Hook {
                name: "forge".parse().unwrap(),
                at: crate::model::Place { file: "pipelines/shop.yaml".into(), line: 1 },
                format: Some(forge),
                auth: HookAuth::BySender,
                secrets: Vec::new(),
                registry: None,
                fields: None,
            };
            let heard = hook::hear(&hook, &Request { headers: &headers, body: &body, path: None }).unwrap();
            let push = &heard.pushes[0];
            let images = pushed(&estate, &push.urls, &push.reference, push.paths.as_ref()).unwrap_or_default();
            assert_eq!(images.iter().map(ImageName::as_str).collect::<Vec<_>>().join(" "), expected, "{sample}: {:?}", push.urls);
        }
    }

    #[test]
    fn a_push_elsewhere_in_the_repository_is_none_of_an_images() {
        let paths: BTreeSet<String> = ["web/Dockerfile".to_owned(), "README.md".to_owned()].into();
        assert!(touches(Some(&paths), "web") && touches(Some(&paths), "") && touches(None, "api"));
        assert!(!touches(Some(&paths), "api") && !touches(Some(&paths), "we"));
    }
}
