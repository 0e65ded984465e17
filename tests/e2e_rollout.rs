//! The main job on real engines: a moved base becomes a healthy fleet; and what does not build or is not well never takes a service along.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;
use std::time::Duration;

use e2e::{Estate, side_by_side};
use lab::load::get;
use lab::{Lab, Load};

const HTTPD: &str = "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_moved_base_becomes_a_healthy_fleet() {
    let Some(lab) = e2e::lab(2).await else { return };
    side_by_side(vec![
        ("a cascade", Box::pin(a_cascade(lab.clone()))),
        ("a failing build", Box::pin(a_failing_build(lab.clone()))),
        ("an unhealthy release", Box::pin(an_unhealthy_release(lab.clone()))),
        ("deployed sources", Box::pin(deployed_sources(lab.clone()))),
        ("tests and secrets", Box::pin(tests_and_secrets(lab.clone()))),
    ])
    .await;
}

/// A web service of an image on port `port`, healthy when it answers.
fn web(service: &str, image: &str, port: u16) -> String {
    format!(
        "  {service}:\n    image: {image}\n    init: true\n    stop_grace_period: 1s\n    ports: [\"{port}:8080\"]\n    \
         healthcheck: {{ http: \"GET :8080/version\", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }}\n    \
         deploy: {{ hosts: \"pool=all\", update_config: {{ monitor: 300ms }} }}\n"
    )
}

/// Three levels; the base moves: what stands on it is rebuilt in order and rolled, what does not is left alone; then there is nothing to do.
async fn a_cascade(lab: Arc<Lab>) {
    let pipeline = format!(
        "images:\n  base: {{ build: images/base }}\n  tools: {{ build: images/tools }}\n  web: {{ build: images/web }}\n  \
         lone: {{ build: images/lone }}\nservices:\n{}{}",
        web("web", "web", 8101),
        web("lone", "lone", 8102)
    );
    let estate = Estate::new(
        &lab,
        "cascade",
        &pipeline,
        &[
            ("base", "FROM BASE\nRUN cp /etc/patch-level /etc/base-level\n"),
            ("tools", "FROM base\nRUN cp /etc/base-level /etc/tools-level\n"),
            ("web", &format!("FROM tools AS made\nFROM base\nCOPY --from=made /etc/tools-level /www/version\n{HTTPD}")),
            ("lone", &format!("FROM lab/os:raw\nRUN echo lone > /www/version\n{HTTPD}")),
        ],
    );
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate.expect_exactly(&[("web", 2, 1), ("lone", 2, 1)]);
    estate.expect_level("web", "one");
    let lone = estate.of("lone");

    estate.patch_base("two", "");
    let load = Load::begin(estate.addresses(8101), "/version", Duration::from_millis(20));
    estate.refit(&["rollout"]).expect_code(0);
    let report = load.stop().await;
    // Ports are fixed, so each host's own gap is certain; parallelism 1 promises that the other one serves meanwhile.
    eprintln!("cascade, stop-first under load: {report:?}");
    assert!(report.all() > 50, "{report:?}");
    assert_eq!(report.failed, 0, "one of two hosts served at every moment: {report:?}");
    estate.expect_exactly(&[("web", 2, 1), ("lone", 2, 1)]);
    estate.expect_level("web", "two");
    for address in estate.addresses(8101) {
        assert_eq!(get(&address, "/version").await.as_deref(), Some("two"), "{address}");
    }
    assert_eq!(estate.of("lone"), lone, "what does not stand on the base is not touched");
    assert_eq!(order_of_builds(&estate), ["base", "tools", "web"]);

    estate.refit(&["rollout"]).expect_code(0).expect_said("Nothing to do");
    estate.refit(&["status"]).expect_code(0);
    estate.refit(&["history", "--verify"]).expect_code(0);
}

fn order_of_builds(estate: &Estate) -> Vec<String> {
    let events = estate.events("");
    let began = events.iter().filter(|event| event["event"] == "build_began");
    began.map(|event| event["image"].as_str().unwrap().to_owned()).collect()
}

/// One of two branches does not build: its dependents are skipped and its service stays, the other branch rolls.
async fn a_failing_build(lab: Arc<Lab>) {
    let pipeline = format!(
        "images:\n  base: {{ build: images/base }}\n  broken: {{ build: images/broken }}\n  above: {{ build: images/above }}\n  \
         whole: {{ build: images/whole }}\nservices:\n{}{}",
        web("above", "above", 8111),
        web("whole", "whole", 8112)
    );
    let server = |from: &str| format!("FROM {from}\nRUN cp /etc/patch-level /www/version\n{HTTPD}");
    let estate = Estate::new(
        &lab,
        "failing",
        &pipeline,
        &[("base", "FROM BASE\nRUN echo base\n"), ("broken", "FROM base\nRUN echo fine\n"), ("above", &server("broken")), ("whole", &server("base"))],
    );
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let above = estate.of("above");

    estate.patch_base("two", "");
    estate.write("images/broken/Dockerfile", "FROM base\nRUN for i in $(seq 1 50); do echo line-$i-of-50; done; exit 7\n");
    let ended = estate.refit(&["rollout"]).expect_code(1).expect_said("line-50-of-50").expect_said("line-33-of-50").expect_not_said("line-20-of-50");
    assert!(ended.err.contains("above: skipped, because broken has no image"), "{}", ended.err);
    assert_eq!(estate.of("above"), above, "nothing above a failed build rolls");
    estate.expect_level("above", "one");
    estate.expect_level("whole", "two");
    estate.expect_exactly(&[("above", 2, 1), ("whole", 2, 1)]);
    estate.refit(&["logs", "2", "broken"]).expect_code(0).expect_said("line-1-of-50").expect_said("line-50-of-50");

    // Mended, it is built, and its dependents with it; what was built is not built again.
    estate.write("images/broken/Dockerfile", "FROM base\nRUN echo mended\n");
    estate.refit(&["rollout"]).expect_code(0);
    assert_eq!(order_of_builds(&estate), ["broken", "above"]);
    estate.expect_level("above", "two");
}

/// A release that is never healthy, and one whose container ends at once, go back by themselves and stay back until a person or something newer.
async fn an_unhealthy_release(lab: Arc<Lab>) {
    let service = web("web", "web", 8121).replace("start_period: 20s", "start_period: 0s");
    let pipeline = format!("images:\n  web: {{ build: images/web }}\nservices:\n{service}");
    let good = |text: &str| format!("FROM BASE\nRUN echo {text} > /www/version\n{HTTPD}");
    let estate = Estate::new(&lab, "unhealthy", &pipeline, &[("web", &good("good"))]);
    let write = |dockerfile: &str| estate.write("images/web/Dockerfile", &dockerfile.replace("BASE", &estate.base()));
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.of("web");

    for (bad, why) in [
        (format!("FROM BASE\nRUN rm -f /www/version\n{HTTPD}"), "unhealthy"),
        ("FROM BASE\nCMD [\"sh\", \"-c\", \"echo I cannot start; exit 3\"]\n".to_owned(), "exit code 3"),
    ] {
        write(&bad);
        estate.refit(&["rollout"]).expect_code(1).expect_said("ROLLED BACK").expect_said(why);
        assert_serves(&estate, &before).await;
        estate.refit(&["show"]).expect_code(0).expect_said(why);
        // By itself it is not rolled again.
        estate.refit(&["rollout"]).expect_code(0);
        assert_serves(&estate, &before).await;
    }
    estate.refit(&["show"]).expect_code(0).expect_said("I cannot start");

    // A person's word rolls it (and it fails again, since it is still bad); something newer goes by itself.
    let refused = estate.refit(&["rollout", "--release", "3"]).expect_code(1);
    assert!(refused.err.contains("ROLLED BACK"), "{}", refused.err);
    assert_serves(&estate, &before).await;
    write(&good("better"));
    estate.refit(&["rollout"]).expect_code(0);
    for address in estate.addresses(8121) {
        assert_eq!(get(&address, "/version").await.as_deref(), Some("better"));
    }
    estate.expect_exactly(&[("web", 2, 1)]);
}

/// The very containers from before serve, and nothing else is there.
async fn assert_serves(estate: &Estate, before: &[e2e::Container]) {
    let ids = |containers: &[e2e::Container]| containers.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    let now = estate.expect_exactly(&[("web", 2, 1)]);
    assert_eq!(ids(&now), ids(before), "the old containers serve");
    for address in estate.addresses(8121) {
        assert_eq!(get(&address, "/version").await.as_deref(), Some("good"), "{address}");
    }
}

/// A patched base is rebuilt from the commit that is deployed; only who asks for everything gets what was pushed since.
async fn deployed_sources(lab: Arc<Lab>) {
    let pipeline = |url: &str| {
        format!(
            "sources: deployed\nimages:\n  web:\n    build: {{ context: {{ git: \"{url}\", ref: main }} }}\nservices:\n{}",
            web("web", "web", 8131)
        )
    };
    let estate = Estate::new(&lab, "gitted", "", &[]);
    let git = |args: &[&str]| {
        let folder = estate.path("work");
        let me = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
        let ended = std::process::Command::new("git").arg("-C").arg(&folder).args(me).args(args).env("HOME", estate.path("home")).output().unwrap();
        assert!(ended.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    estate.write("work/Dockerfile", &format!("FROM {}\nCOPY version /www/version\n{HTTPD}", estate.base()));
    let bare = estate.path("shop.git");
    git(&["init", "-q", "."]);
    git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    let push = |version: &str| {
        estate.write("work/version", version);
        git(&["add", "."]);
        git(&["commit", "-q", "-m", version]);
        git(&["push", "-q", bare.to_str().unwrap(), "HEAD:refs/heads/main"]);
    };
    push("first");
    estate.pipeline(&pipeline(&format!("file://{}", bare.display())));
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let version = || async { get(&estate.addresses(8131)[0], "/version").await.unwrap_or_default() };
    assert_eq!(version().await, "first");

    push("second");
    estate.patch_base("two", "");
    estate.refit(&["rollout", "--base", &estate.base()]).expect_code(0);
    estate.expect_level("web", "two");
    assert_eq!(version().await, "first", "a patch ships nobody's unreleased work");
    estate.refit(&["rollout"]).expect_code(0);
    estate.expect_level("web", "two");
    assert_eq!(version().await, "second");
}

/// An image whose test fails is not released; a build secret is used, and is nowhere afterwards.
async fn tests_and_secrets(lab: Arc<Lab>) {
    const SECRET: &str = "x9-very-secret-word-x9";
    let pipeline = format!(
        "secrets:\n  token: {{ environment: E2E_TOKEN }}\n  key: {{ file: key }}\nimages:\n  web:\n    \
         build: {{ context: images/web, secrets: [token, key] }}\n    tests:\n      - run: [\"test\", \"-e\", \"/www/version\"]\nservices:\n{}",
        web("web", "web", 8141)
    );
    let dockerfile = format!(
        "FROM BASE\nRUN --mount=type=secret,id=token --mount=type=secret,id=key cat /run/secrets/token /run/secrets/key | wc -c > /www/size\n\
         RUN echo one > /www/version\n{HTTPD}"
    );
    let estate = Estate::new(&lab, "secretive", &pipeline, &[("web", &dockerfile)]);
    estate.write("key", &format!("{SECRET}-of-file"));
    estate.patch_base("one", "");
    let rollout = |code| estate.begin_with(&["rollout", "-vv"], &[("E2E_TOKEN", SECRET)]).end().expect_code(code).expect_not_said(SECRET);
    rollout(0);
    let before = estate.of("web");
    let size = (SECRET.len() * 2 + "-of-file".len()).to_string();
    assert_eq!(get(&estate.addresses(8141)[0], "/size").await.as_deref(), Some(size.as_str()), "the build had both secrets");
    assert_eq!(estate.state_mentions(SECRET), Vec::<std::path::PathBuf>::new());
    let history = estate.builder().docker(&["history", "--no-trunc", &before[0].image]).unwrap();
    let inspected = estate.builder().docker(&["inspect", &before[0].image]).unwrap();
    assert!(!history.contains(SECRET) && !inspected.contains(SECRET), "{history}");
    estate.refit(&["show", "--all"]).expect_code(0).expect_not_said(SECRET);
    estate.refit(&["logs", "1", "web"]).expect_code(0).expect_not_said(SECRET);

    // The image builds, and its test fails: it is not released, and nothing rolls.
    estate.write("images/web/Dockerfile", &dockerfile.replace("BASE", &estate.base()).replace("/www/version", "/www/elsewhere"));
    let ended = rollout(1);
    assert!(ended.err.contains("its test `test -e /www/version` ended with exit code 1"), "{}", ended.err);
    assert_eq!(estate.of("web"), before);
    let left = estate.builder().docker(&["ps", "-aq", "--filter", "label=io.refit.estate=secretive"]).unwrap();
    assert_eq!(left, "", "throw-away containers are thrown away");
}
