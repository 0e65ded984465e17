//! A private registry with a login, from `docker login` to containers that run: bases and services' own images are pulled on the builder, and
//! only there. The registry is Debian's, in the builder's own network namespace, where the hosts cannot reach it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod e2e;
mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use e2e::registry::{REGISTRY, Registry};
use e2e::{Ended, Estate};
use serde_json::Value;

const USER: &str = "deploy";
const PASSWORD: &str = "correct-horse-7141";
/// `htpasswd -Bbn deploy correct-horse-7141`
const HTPASSWD: &str = "deploy:$2y$05$18kIgmsBU11yuC/7CEb71OLdxJy5av0PFi7SaPu7KuHKTw7IMdXh2\n";

const PIPELINE: &str = r#"
images:
  web: { build: images/web }
services:
  web:
    image: web
    init: true
    network_mode: none
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
  side:
    image: 127.0.0.1:5000/shop/side:stable
    init: true
    network_mode: none
    command: ["sleep", "100000"]
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;
const WEB: &str = "FROM 127.0.0.1:5000/shop/os:stable\nRUN cp /etc/patch-level /etc/level\nCMD [\"sleep\", \"100000\"]\n";

/// A registry that lets [`USER`] in and nobody else.
fn registry() -> Registry {
    Registry::new(|folder| {
        let file = folder.join("htpasswd");
        fs::write(&file, HTPASSWD).unwrap();
        format!("auth: {{ htpasswd: {{ realm: lab, path: {} }} }}\n", file.display())
    })
}

/// A folder for `DOCKER_CONFIG`, in the estate's own.
fn docker_config(estate: &Estate, name: &str, text: &str) -> PathBuf {
    estate.write(&format!("{name}/config.json"), text);
    estate.path(name)
}

/// What `docker login` leaves.
fn login(estate: &Estate) -> PathBuf {
    let folder = docker_config(estate, "login", "{}");
    estate.builder().docker_as(&folder, &["login", "-u", USER, "-p", PASSWORD, REGISTRY]).expect("the login is taken");
    folder
}

/// Pushes images that say this in `/etc/patch-level`, and takes their names off the builder again: the registry alone knows them.
fn publish(estate: &Estate, config: &std::path::Path, level: &str) {
    publish_with(estate, config, level, "");
}

/// The same, made by further lines of a Dockerfile.
fn publish_with(estate: &Estate, config: &std::path::Path, level: &str, more: &str) {
    estate.patch_base(level, more);
    for name in ["os", "side"] {
        let name = format!("{REGISTRY}/shop/{name}:stable");
        estate.builder().docker(&["tag", &estate.base(), &name]).unwrap();
        estate.builder().docker_as(config, &["push", &name]).unwrap();
        estate.builder().docker(&["rmi", &name]).unwrap();
    }
}

/// Runs a command with this `DOCKER_CONFIG`, and asserts that it keeps the password for itself.
fn run(estate: &Estate, config: &std::path::Path, args: &[&str]) -> Ended {
    let path = format!("{}:{}", estate.path("bin").display(), std::env::var("PATH").unwrap());
    let environment = [("DOCKER_CONFIG", config.to_str().unwrap()), ("PATH", &path)];
    estate.begin_plainly(args, &environment, Stdio::null()).end().expect_not_said(PASSWORD)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_registry_from_its_login_to_what_runs() {
    let Some(lab) = e2e::lab(2).await else { return };
    let mut registry = registry();
    registry.start(lab.host(1)).await;
    let estate = Estate::new(&lab, "private", PIPELINE, &[("web", WEB)]);
    let config = login(&estate);
    publish(&estate, &config, "one");

    without_a_good_login(&estate);
    run(&estate, &config, &["plan"]).expect_code(0).expect_said("1 to build, 0 reused, 2 services to roll");
    run(&estate, &config, &["rollout", "--yes"]).expect_code(0);
    estate.expect_exactly(&[("side", 2, 1), ("web", 2, 1)]);
    ["web", "side"].iter().for_each(|service| estate.expect_level(service, "one"));
    run(&estate, &config, &["plan"]).expect_code(0).expect_said("Nothing to do");

    publish(&estate, &config, "two");
    let moved: Value = serde_json::from_str(&run(&estate, &config, &["plan", "--json"]).expect_code(0).out).unwrap();
    assert_eq!(moved["rolls"].as_array().unwrap().len(), 2, "the registry's image has moved under both: {moved:#}");
    run(&estate, &config, &["rollout", "--yes"]).expect_code(0);
    ["web", "side"].iter().for_each(|service| estate.expect_level(service, "two"));

    a_problem_is_patched_by_what_the_registry_has(&estate, &config);
    with_a_credential_helper(&estate, &config);
    while_the_registry_is_away(&estate, &config, &mut registry);
    assert_eq!(estate.state_mentions(PASSWORD), Vec::<PathBuf>::new(), "the password is nowhere in the state");
}

/// Nobody logged in, a password that is wrong, and a login that cannot be read: each is told with the next move, and nothing is begun.
fn without_a_good_login(estate: &Estate) {
    let nobody = docker_config(estate, "nobody", "{}");
    let wrong = docker_config(estate, "wrong", &format!("{{ \"auths\": {{ \"{REGISTRY}\": {{ \"auth\": \"ZGVwbG95Ondyb25n\" }} }} }}"));
    let broken = docker_config(estate, "broken", &format!("{{ \"auths\": {{ \"{REGISTRY}\": {{ \"auth\": \"!\" }} }} }}"));
    for (config, why) in
        [(nobody, "no basic auth credentials"), (wrong, "unauthorized"), (broken, "the login in Docker's configuration cannot be read")]
    {
        for args in [&["plan"][..], &["rollout", "--yes"]] {
            run(estate, &config, args).expect_code(1).expect_said(why).expect_said(&format!("`docker login {REGISTRY}`"));
        }
    }
    let history: Value = serde_json::from_str(&estate.refit(&["history", "--json"]).out).unwrap();
    assert_eq!(history["runs"], serde_json::json!([]), "nothing was begun");
}

/// A base, and an image that a service runs as it is, bring a package in: the registry is asked for newer ones, and what it has then cures both.
fn a_problem_is_patched_by_what_the_registry_has(estate: &Estate, config: &std::path::Path) {
    let with = |version: &str| {
        let folder = "/srv/node_modules/left-pad";
        format!("RUN mkdir -p {folder} && echo '{{\"name\": \"left-pad\", \"version\": \"{version}\"}}' > {folder}/package.json")
    };
    publish_with(estate, config, "bad", &with("1.3.0"));
    run(estate, config, &["rollout", "--yes"]).expect_code(0);
    run(estate, config, &["who-has", "npm:left-pad<2"]).expect_code(1).expect_said("4 containers");
    let patch = ["patch", "npm:left-pad<2", "--yes"];
    run(estate, config, &patch).expect_code(1).expect_said("nothing newer of it is without it");
    ["web", "side"].iter().for_each(|service| estate.expect_level(service, "bad"));
    publish_with(estate, config, "good", &with("2.0.0"));
    run(estate, config, &patch).expect_code(0).expect_said("no container has npm:left-pad<2");
    ["web", "side"].iter().for_each(|service| estate.expect_level(service, "good"));
}

/// The login is kept by a program, as on most desks. One that fails is told, without what it said: that may be the password.
fn with_a_credential_helper(estate: &Estate, login: &std::path::Path) {
    let helper = estate.path("bin/docker-credential-lab");
    estate.write("secret", PASSWORD);
    let script = format!(
        "#!/bin/sh\nread -r server || [ \"$server\" ]\n[ \"$1 $server\" = \"get {REGISTRY}\" ] || {{ echo credentials not found in native keychain; exit 1; }}\n\
         printf '{{ \"ServerURL\": \"%s\", \"Username\": \"{USER}\", \"Secret\": \"%s\" }}' \"$server\" \"$(cat {})\"\n",
        estate.path("secret").display()
    );
    estate.write("bin/docker-credential-lab", &script);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    for (level, config) in
        [("three", format!("{{ \"credHelpers\": {{ \"{REGISTRY}\": \"lab\" }} }}")), ("four", "{ \"credsStore\": \"lab\" }".to_owned())]
    {
        publish(estate, login, level);
        run(estate, &docker_config(estate, "helped", &config), &["rollout", "--yes"]).expect_code(0);
        ["web", "side"].iter().for_each(|service| estate.expect_level(service, level));
    }
    estate.write("bin/docker-credential-lab", &format!("#!/bin/sh\necho locked: {PASSWORD}\necho {PASSWORD} >&2\nexit 1\n"));
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    unknown_to_the_builder(estate);
    let ended = run(estate, &estate.path("helped"), &["plan"]).expect_code(1);
    ended.expect_said("the credential helper ").expect_said(&format!("`docker login {REGISTRY}`"));
    let missing = docker_config(estate, "missing", "{ \"credsStore\": \"nowhere\" }");
    run(estate, &missing, &["plan"]).expect_code(1).expect_said("cannot be run");
}

/// The builder has no image under the registry's names, so that there is nothing to fall back on.
fn unknown_to_the_builder(estate: &Estate) {
    for name in ["os", "side"] {
        let _ = estate.builder().docker(&["rmi", &format!("{REGISTRY}/shop/{name}:stable")]);
    }
}

/// A registry that is away is told; where the builder has the image, it is taken and that is told too.
fn while_the_registry_is_away(estate: &Estate, config: &std::path::Path, registry: &mut Registry) {
    run(estate, config, &["plan"]).expect_code(0);
    registry.stop();
    run(estate, config, &["plan"])
        .expect_code(0)
        .expect_said("warning: 127.0.0.1:5000/shop/os:stable was not pulled, the builder's own image is taken")
        .expect_said("see that 127.0.0.1:5000 is up");
    unknown_to_the_builder(estate);
    let ended = run(estate, config, &["plan"]).expect_code(1);
    let ended = ended.expect_said("connection refused").expect_said("see that 127.0.0.1:5000 is up and can be reached from the builder's machine");
    ended.expect_said("images/web/Dockerfile:1");

    estate.write("images/web/Dockerfile", &WEB.replace(REGISTRY, "registry.invalid"));
    run(estate, config, &["plan"]).expect_code(1).expect_said("the builder's machine knows no registry.invalid: check the name");
}

const FOLLOWER: &str = "FROM 127.0.0.1:5000/shop/os:stable\nRUN cp /etc/patch-level /etc/level\n";

/// Nobody pushes `stable`: it stands for the newest of the tags that its rule admits, and what is new may have to cool first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_base_follows_its_tags_and_what_is_new_may_have_to_cool() {
    let Some(lab) = e2e::lab(0).await else { return };
    let mut registry = registry();
    registry.start(lab.host(1)).await;
    let pipeline = |rule: &str| format!("bases: {{ \"{REGISTRY}/shop/os:stable\": {{ {rule} }} }}\nimages: {{ web: {{ build: images/web }} }}\n");
    let estate = Estate::new(&lab, "follows", &pipeline("follow: { semver: \"^1\" }"), &[("web", FOLLOWER)]);
    let config = login(&estate);
    for (level, tag) in [("one", "1.0.0"), ("two", "1.1.0"), ("other", "2.0.0"), ("old", "1.0.9")] {
        publish_as(&estate, &config, level, tag);
    }
    assert_eq!(built(&estate, &config), "two", "the newest of those that `^1` admits");
    publish_as(&estate, &config, "three", "1.2.0");
    assert_eq!(built(&estate, &config), "three");

    estate.pipeline(&pipeline("follow: { semver: \"^1\" }, cooldown: 24h"));
    publish_as(&estate, &config, "four", "1.3.0");
    let told = inside(&estate, &config, &["rollout", "--yes"]);
    assert!(told.contains("is left alone until") && told.contains("what is there is taken"), "{told}");
    assert!(inside(&estate, &config, &["plan"]).contains("Nothing to do"), "it stays where it is");
    estate.pipeline(&pipeline("follow: { semver: \"^1\" }"));
    assert_eq!(built(&estate, &config), "four");
}

fn publish_as(estate: &Estate, config: &std::path::Path, level: &str, tag: &str) {
    estate.patch_base(level, "");
    let name = format!("{REGISTRY}/shop/os:{tag}");
    estate.builder().docker(&["tag", &estate.base(), &name]).unwrap();
    estate.builder().docker_as(config, &["push", &name]).unwrap();
    estate.builder().docker(&["rmi", &name]).unwrap();
}

/// Runs refit where the registry can be asked: in the builder's own network. What it said, on both ways.
fn inside(estate: &Estate, config: &std::path::Path, args: &[&str]) -> String {
    let mut refit = estate.builder().inside(env!("CARGO_BIN_EXE_refit"));
    refit.args(args).args(["--pipelines", "pipelines", "--state", ".refit"]).current_dir(estate.path(""));
    let output = refit.env("HOME", estate.path("home")).env("NO_COLOR", "1").env("DOCKER_CONFIG", config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains(PASSWORD), "{args:?}: {said}");
    said
}

/// Rolls out, and tells on which level the image that was built stands.
fn built(estate: &Estate, config: &std::path::Path) -> String {
    let said = inside(estate, config, &["rollout", "--yes"]);
    let line = said.lines().find(|line| line.contains("web: built in")).unwrap_or_else(|| panic!("nothing was built:\n{said}"));
    let id = line.rsplit_once('(').unwrap().1.trim_end_matches(')');
    estate.builder().docker(&["run", "--rm", id, "cat", "/etc/level"]).unwrap().trim().to_owned()
}
