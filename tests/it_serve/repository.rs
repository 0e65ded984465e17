//! The estate's own repository is followed, and a push to an image's repository is a reason to look at that image.

use std::path::Path;
use std::process::Command;

use crate::daemon::{Daemon, Shop, signature, until};

fn git(folder: &Path, words: &[&str]) {
    let who = ["-c", "user.name=ann", "-c", "user.email=ann@localhost", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(who).args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Commits everything in the repository that others follow.
fn commit(shop: &Shop, pipeline: &str) {
    shop.write("origin/pipelines/shop.yaml", pipeline);
    git(&shop.path("origin"), &["add", "-A"]);
    git(&shop.path("origin"), &["commit", "-qm", "the estate"]);
}

fn pipeline(image: &str) -> String {
    format!(
        "name: shop\nbuilders: {{ build: {{ endpoint: \"unix:///nowhere/docker.sock\" }} }}\nimages: {{ {image}: {{ build: {{ dockerfile_inline: \"FROM os:1\" }} }} }}\n"
    )
}

async fn has(daemon: &Daemon, token: &str, image: &str) -> bool {
    daemon.get("/v1/estate", token).await["estate"]["images"].get(image).is_some()
}

#[tokio::test]
async fn the_estate_follows_its_repository_and_goes_back_where_the_newest_is_wrong() {
    let shop = Shop::new();
    shop.write("origin/README", "an estate");
    git(&shop.path("origin"), &["init", "-q"]);
    commit(&shop, &pipeline("one"));
    git(&shop.path("."), &["clone", "-q", "origin", "site"]);
    let token = shop.token("ann", "read");
    let mut daemon =
        shop.serve_with(&["--listen", "127.0.0.1:0", "--offline", "--pipelines", "site/pipelines", "--state", ".refit", "--follow", "200ms"]).await;
    assert!(has(&daemon, &token, "one").await);

    commit(&shop, &pipeline("two"));
    until("the new estate", async || has(&daemon, &token, "two").await).await;

    commit(&shop, "images: { three: { bild: . } }\n");
    daemon.says("stays in force").await;
    let there = || std::fs::read_to_string(shop.path("site/pipelines/shop.yaml")).unwrap();
    until("the work tree to go back", async || there().contains("two")).await;
    assert!(has(&daemon, &token, "two").await);

    commit(&shop, &pipeline("four"));
    until("the mended estate", async || has(&daemon, &token, "four").await).await;
}

#[tokio::test]
async fn a_push_is_about_the_images_whose_paths_it_touches() {
    let shop = Shop::new();
    let text = std::fs::read_to_string(shop.path("pipelines/shop.yaml")).unwrap();
    // A repository that can be read, under another address than the one that the forge sends: only its path counts for both.
    shop.write("code/web/Dockerfile", "FROM scratch\n");
    shop.write("code/api/Dockerfile", "FROM scratch\n");
    git(&shop.path("code"), &["init", "-q"]);
    git(&shop.path("code"), &["add", "-A"]);
    git(&shop.path("code"), &["commit", "-qm", "code"]);
    let url = format!("file://{}", shop.path("code").display());
    let image = |name: &str| format!("{name}: {{ build: {{ context: {{ git: \"{url}\", ref: main, path: {name} }} }} }}");
    let images = format!("images: {{ {}, {} }}", image("web"), image("api"));
    shop.write("pipelines/shop.yaml", &text.replace("images: { web: { build: images/web } }", &images));
    let token = shop.token("ann", "read");
    let daemon = shop.serve().await;
    let push = |after: char, paths: &str| {
        let (before, after) = ("1".repeat(40), after.to_string().repeat(40));
        format!(
            r#"{{"ref":"refs/heads/main","before":"{before}","after":"{after}","forced":false,"repository":{{"clone_url":"{url}"}},"commits":[{{"id":"{after}","added":[],"removed":[],"modified":[{paths}]}}]}}"#
        )
    };
    let send = async |delivery: &str, body: String| {
        let signature = signature(&body);
        let headers = [("x-github-event", "push"), ("x-github-delivery", delivery), ("x-hub-signature-256", signature.as_str())];
        daemon.hook("/hooks/signed", &headers, body).await.status
    };
    assert_eq!(send("1", push('2', r#""README.md""#)).await, 200, "no image is made of that");
    assert_eq!(send("2", push('3', r#""web/index.html""#)).await, 202);
    let triggers = daemon.triggers(&token).await;
    assert_eq!(triggers.len(), 1, "{triggers:#?}");
    assert_eq!(triggers[0]["cause"]["sources"]["images"], serde_json::json!(["web"]));
    assert_eq!(send("3", push('4', r#""web/a","api/b""#)).await, 202);
    assert_eq!(daemon.triggers(&token).await.len(), 2);
}
