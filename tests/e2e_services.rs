//! What a service is survives its replacement; people can go back, stop, go on and take back; and one refit at a time holds an estate.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::{Container, Estate, side_by_side, until_within};
use lab::load::get;
use lab::{Lab, LabHost};
use serde_json::Value;

const HTTPD: &str = "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn services_are_replaced_and_people_steer() {
    let Some(lab) = e2e::lab(2).await else { return };
    side_by_side(vec![
        ("what survives", Box::pin(what_survives(lab.clone()))),
        ("start-first", Box::pin(start_first(lab.clone()))),
        ("rollback by hand", Box::pin(rollback_by_hand(lab.clone()))),
        ("pause, resume, abort", Box::pin(pause_resume_abort(lab.clone()))),
        ("half made", Box::pin(half_made(lab.clone()))),
    ])
    .await;
}

fn image(version: &str) -> String {
    format!("FROM BASE\nRUN echo {version} > /www/version\n{HTTPD}")
}

fn rewrite(estate: &Estate, image_name: &str, dockerfile: &str) {
    estate.write(&format!("images/{image_name}/Dockerfile"), &dockerfile.replace("BASE", &estate.base()));
}

/// Two networks with a fixed address and aliases, a named and two anonymous volumes with data, ports, environment and limits.
async fn what_survives(lab: Arc<Lab>) {
    let pipeline = r#"
images:
  store: { build: images/store }
networks:
  front: { ipam: { config: [{ subnet: 10.213.7.0/24 }] } }
  back: {}
volumes:
  data: {}
services:
  store:
    image: store
    init: true
    stop_grace_period: 1s
    networks:
      front: { ipv4_address: 10.213.7.9, aliases: [shop-store], priority: 10 }
      back: { aliases: [store-back] }
    volumes: ["data:/data", "/cache"]
    environment: { MODE: quiet }
    labels: { team: shop }
    ports: ["8201:8080"]
    mem_limit: 64m
    ulimits: { nofile: 512 }
    healthcheck: { http: "GET :8080/version", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms, order: start-first } }
"#;
    let dockerfile = |version: &str| image(version).replace("CMD", "VOLUME /declared\nCMD");
    let estate = Estate::new(&lab, "survivor", pipeline, &[("store", &dockerfile("one"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.expect_exactly(&[("store", 2, 1)]);
    for container in &before {
        for (place, text) in [("/data", "named"), ("/cache", "anonymous"), ("/declared", "declared")] {
            let write = format!("echo {text}-{} > {place}/kept", container.host);
            estate.host(container.host).docker(&["exec", &container.id, "sh", "-c", &write]).unwrap();
        }
    }
    let facts_before: Vec<Value> = before.iter().map(|one| facts(&estate, one)).collect();

    rewrite(&estate, "store", &dockerfile("two"));
    let listening = Listening::begin(estate.host(1), &estate);
    estate.refit(&["rollout"]).expect_code(0);
    let after = estate.expect_exactly(&[("store", 2, 1)]);
    for (container, old) in after.iter().zip(&before) {
        assert_ne!(container.id, old.id);
        for (place, text) in [("/data", "named"), ("/cache", "anonymous"), ("/declared", "declared")] {
            assert_eq!(estate.read_in(container, &format!("{place}/kept")), format!("{text}-{}", container.host));
        }
    }
    let facts_after: Vec<Value> = after.iter().map(|one| facts(&estate, one)).collect();
    assert_eq!(facts_after, facts_before);
    for address in estate.addresses(8201) {
        assert_eq!(get(&address, "/version").await.as_deref(), Some("two"));
    }
    // A volume that is written is never written by two: the old one died before the new one started, though start-first was asked for.
    let wanted = [("die", &before[0].id), ("start", &after[0].id)].map(|(what, id)| format!("{what} {id}"));
    assert_eq!(listening.until(&wanted[1]), wanted);

    // To the engine it goes on running well; only refit's probe knows that it serves no more. Within its start period that is `starting`.
    estate.refit(&["status"]).expect_code(0);
    estate.host(after[0].host).docker(&["exec", &after[0].id, "rm", "/www/version"]).unwrap();
    estate.refit(&["status"]).expect_code(1).expect_said("1 not healthy, 0 not as released");
}

/// What must be the same before and after, as the engine tells it.
fn facts(estate: &Estate, container: &Container) -> Value {
    let found: Value = serde_json::from_str(&estate.host(container.host).docker(&["inspect", &container.id]).unwrap()).unwrap();
    let (config, host, networks) = (&found[0]["Config"], &found[0]["HostConfig"], &found[0]["NetworkSettings"]["Networks"]);
    let mut mounts: Vec<_> =
        found[0]["Mounts"].as_array().unwrap().iter().map(|mount| (mount["Destination"].clone(), mount["Name"].clone())).collect();
    mounts.sort_by_key(|(target, _)| target.to_string());
    let aliases = |network: &str| -> Vec<Value> {
        let all = networks[network]["Aliases"].as_array().cloned().unwrap_or_default();
        // The engine adds the container's own short id, which changes.
        all.into_iter().filter(|alias| !container.id.starts_with(alias.as_str().unwrap_or("-"))).collect()
    };
    assert_eq!(networks["survivor_front"]["IPAddress"], "10.213.7.9", "{networks:#}");
    assert!(aliases("survivor_front").contains(&"shop-store".into()) && aliases("survivor_back").contains(&"store-back".into()), "{networks:#}");
    assert!(config["Env"].as_array().unwrap().contains(&"MODE=quiet".into()));
    assert_eq!((&config["Labels"]["team"], &host["Memory"], &host["Ulimits"][0]["Soft"]), (&"shop".into(), &(64 << 20).into(), &512.into()));
    assert_eq!(mounts.len(), 3, "{mounts:?}");
    serde_json::json!({ "mounts": mounts, "env": config["Env"], "ports": host["PortBindings"], "restart": host["RestartPolicy"] })
}

/// A crash between making a container and connecting it leaves one with its first network alone, never started: it is made to its end.
async fn half_made(lab: Arc<Lab>) {
    let pipeline = r#"
images:
  web: { build: images/web }
networks: { front: {}, back: {} }
services:
  web:
    image: web
    stop_grace_period: 1s
    networks: { front: { priority: 10 }, back: { aliases: [web-back] } }
    healthcheck: { command: ["test", "-e", "/www/version"], interval: 200ms }
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;
    let estate = Estate::new(&lab, "halfway", pipeline, &[("web", &image("one"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let whole = estate.expect_exactly(&[("web", 2, 1)])[0].clone();
    let host = estate.host(whole.host);
    let asked = |template: &str| host.docker(&["inspect", "--format", template, &whole.id]).unwrap();
    let (name, labels) = (asked("{{.Name}}"), asked("{{range $key, $value := .Config.Labels}}--label\n{{$key}}={{$value}}\n{{end}}"));
    host.docker(&["rm", "-f", &whole.id]).unwrap();
    let mut create = vec!["create", "--name", name.trim_start_matches('/'), "--network", "halfway_front"];
    create.extend(labels.lines().filter(|line| !line.is_empty()));
    create.push(&whole.image);
    let half = host.docker(&create).unwrap();

    estate.refit(&["rollout"]).expect_code(0);
    let now = estate.expect_exactly(&[("web", 2, 1)])[0].clone();
    assert_eq!(now.id, half, "what was begun is what serves");
    let networks = host.docker(&["inspect", "--format", "{{range $name, $end := .NetworkSettings.Networks}}{{$name}} {{end}}", &half]).unwrap();
    assert_eq!(networks.trim(), "halfway_back halfway_front");
}

/// Listens to the deaths and starts of the estate's containers on a host. The engine remembers only its last few hundred events, and other
/// stories are told on it meanwhile, so they are heard as they happen.
struct Listening {
    listener: std::process::Child,
    heard: std::sync::mpsc::Receiver<String>,
}

impl Listening {
    fn begin(host: &LabHost, estate: &Estate) -> Self {
        // From this moment on, so that nothing is missed until the stream is open.
        let since = host.docker(&["info", "--format", "{{.SystemTime}}"]).unwrap();
        let label = format!("label=io.refit.estate={}", estate.name);
        let filters = ["--filter", "event=die", "--filter", "event=start", "--filter", &label];
        let mut listener = std::process::Command::new("docker")
            .args(["-H", &host.endpoint, "events", "--since", since.trim(), "--format", "{{.Action}} {{.ID}}"])
            .args(filters)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (say, heard) = std::sync::mpsc::channel();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(listener.stdout.take().unwrap()));
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { listener, heard }
    }

    /// What was heard, up to the first `last`.
    fn until(mut self, last: &str) -> Vec<String> {
        let mut happened = Vec::new();
        while let Ok(line) = self.heard.recv_timeout(std::time::Duration::from_secs(30)) {
            happened.push(line);
            if happened.last().is_some_and(|line| line == last) {
                break;
            }
        }
        self.listener.kill().unwrap();
        self.listener.wait().unwrap();
        happened
    }
}

/// With a range of ports and no volume the new container stands before the old one goes: at every moment something answers on each host.
async fn start_first(lab: Arc<Lab>) {
    let pipeline = r#"
images:
  web: { build: images/web }
services:
  web:
    image: web
    init: true
    stop_grace_period: 1s
    ports: ["8210-8214:8080"]
    healthcheck: { http: "GET :8080/version", interval: 100ms, timeout: 1s, retries: 3, start_period: 20s }
    deploy: { hosts: "pool=all", replicas: 2, update_config: { monitor: 300ms, order: start-first } }
"#;
    let estate = Estate::new(&lab, "steady", pipeline, &[("web", &image("one"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    estate.expect_exactly(&[("web", 2, 2)]);

    let watched = [Watch::begin(estate.host(1).address.clone()), Watch::begin(estate.host(2).address.clone())];
    rewrite(&estate, "web", &image("two"));
    estate.refit(&["rollout"]).expect_code(0);
    for watch in watched {
        let (rounds, fewest) = watch.end().await;
        eprintln!("start-first: asked {rounds} times, never fewer than {fewest} of 2 answered");
        assert!(rounds > 10 && fewest >= 1, "{rounds} rounds, fewest {fewest}");
    }
    let after = estate.expect_exactly(&[("web", 2, 2)]);
    for container in &after {
        assert_eq!(estate.read_in(container, "/www/version"), "two");
    }
}

/// Asks all ports of a host again and again how many answer.
struct Watch {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(usize, usize)>,
}

impl Watch {
    fn begin(address: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let (mut rounds, mut fewest) = (0, usize::MAX);
            while !stopped.load(Ordering::Relaxed) {
                let ports: Vec<String> = (8210..=8214).map(|port| format!("{address}:{port}")).collect();
                let answers = futures_util::future::join_all(ports.iter().map(|port| get(port, "/version"))).await;
                fewest = fewest.min(answers.iter().flatten().count());
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (rounds, fewest)
        });
        Self { stop, task }
    }

    async fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

fn plain(service: &str, replicas: u32) -> String {
    format!(
        "images:\n  {service}: {{ build: images/{service} }}\nservices:\n  {service}:\n    image: {service}\n    init: true\n    \
         stop_grace_period: 1s\n    network_mode: none\n    healthcheck: {{ command: [\"test\", \"-e\", \"/www/version\"], interval: 200ms }}\n    \
         deploy: {{ hosts: \"pool=all\", replicas: {replicas}, update_config: {{ monitor: 300ms }} }}\n"
    )
}

fn expect_version(estate: &Estate, service: &str, replicas: usize, version: &str) -> Vec<Container> {
    let containers = estate.expect_exactly(&[(service, 2, replicas)]);
    for container in &containers {
        assert_eq!(estate.read_in(container, "/www/version"), version, "{container:?}");
    }
    containers
}

/// Back by hand, to any release that was good, from whatever engine still has its image; refused before anything is touched if none has.
async fn rollback_by_hand(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "backward", &plain("back", 1), &[("back", &image("v1"))]);
    estate.patch_base("one", "");
    for version in ["v1", "v2", "v3"] {
        rewrite(&estate, "back", &image(version));
        estate.refit(&["rollout"]).expect_code(0);
    }
    let v3 = expect_version(&estate, "back", 1, "v3")[0].image.clone();
    estate.refit(&["rollback", "--list"]).expect_code(0).expect_said("back: on r3, can go back to r2, r1");
    estate.refit(&["rollback", "back"]).expect_code(0);
    let v2 = expect_version(&estate, "back", 1, "v2");
    // What a person took back is not rolled again by itself.
    estate.refit(&["rollout"]).expect_code(0);
    assert_eq!(expect_version(&estate, "back", 1, "v2"), v2);
    let v2 = v2[0].image.clone();
    estate.refit(&["rollback", "back", "--to", "r1"]).expect_code(0);
    expect_version(&estate, "back", 1, "v1");

    // Gone from the builder, still on the hosts.
    estate.builder().docker(&["rmi", "-f", &v2]).unwrap();
    estate.refit(&["rollback", "back", "--to", "r2"]).expect_code(0);
    let before = expect_version(&estate, "back", 1, "v2");

    // On one host only: the other one gets it from there.
    estate.builder().docker(&["rmi", "-f", &v3]).unwrap();
    estate.host(1).docker(&["rmi", "-f", &v3]).unwrap();
    estate.refit(&["rollout", "--release", "3"]).expect_code(0);
    expect_version(&estate, "back", 1, "v3");
    estate.refit(&["rollback", "back", "--to", "r2"]).expect_code(0);

    // Nowhere any more.
    estate.host(1).docker(&["rmi", "-f", &v3]).unwrap();
    estate.host(2).docker(&["rmi", "-f", &v3]).unwrap();
    let kept = expect_version(&estate, "back", 1, "v2");
    assert_ne!(kept, before, "they are new ones since");
    let refused = estate.refit(&["rollback", "back", "--to", "r3"]).expect_code(1).expect_said("nothing was changed on any host");
    assert!(refused.err.contains("a:") && refused.err.contains("b:"), "each host is named: {}", refused.err);
    assert_eq!(expect_version(&estate, "back", 1, "v2"), kept);
    estate.refit(&["rollback", "back", "--to", "r9"]).expect_code(2).expect_said("there is no release r9");
    estate.refit(&["status"]).expect_code(0);
}

/// A word from another process takes effect soon, whether the run goes on or nobody carries it out.
async fn pause_resume_abort(lab: Arc<Lab>) {
    let estate = Estate::new(&lab, "steered", &plain("web", 3), &[("web", &image("v1"))]);
    estate.patch_base("one", "");
    estate.refit(&["rollout"]).expect_code(0);
    let v1 = expect_version(&estate, "web", 3, "v1");

    rewrite(&estate, "web", &image("v2"));
    let mut running = estate.begin(&["rollout"]);
    running.says("proven healthy").await;
    let second = estate.refit(&["rollout"]).expect_code(1).expect_said("the estate is held by").expect_said("rollout --offline");
    assert!(second.err.contains(&format!("(process {})", running.pid())) && second.err.contains("since 20"), "{}", second.err);
    estate.refit(&["pause"]).expect_code(0);
    // Slots in flight are not waited for; what is being done at that moment is.
    until_within("the run to pause", Duration::from_secs(15), || running.has_ended()).await;
    running.end().expect_code(3).expect_said("paused");
    let of_both = estate.of("web");
    assert!(of_both.iter().filter(|one| one.is_running).count() >= 5, "{of_both:#?}");

    estate.refit(&["resume"]).expect_code(0);
    let v2 = expect_version(&estate, "web", 3, "v2");

    // Taken back while it goes on.
    rewrite(&estate, "web", &image("v3"));
    let mut running = estate.begin(&["rollout"]);
    running.says("proven healthy").await;
    estate.refit(&["abort"]).expect_code(0);
    running.end().expect_code(1);
    expect_ids(&expect_version(&estate, "web", 3, "v2"), &v2);

    // Taken back after a pause, when nobody carries it out: the next one who does, does that.
    rewrite(&estate, "web", &image("v4"));
    let mut running = estate.begin(&["rollout"]);
    running.says("proven healthy").await;
    estate.refit(&["pause"]).expect_code(0);
    running.end().expect_code(3);
    estate.refit(&["abort"]).expect_code(0);
    estate.refit(&["resume"]).expect_code(1);
    expect_ids(&expect_version(&estate, "web", 3, "v2"), &v2);

    // A dead holder is no hindrance.
    rewrite(&estate, "web", &image("v5"));
    let mut running = estate.begin(&["rollout"]);
    running.says("proven healthy").await;
    running.kill();
    estate.refit(&["rollout"]).expect_code(0).expect_said("was interrupted and is gone on with first");
    expect_version(&estate, "web", 3, "v5");
    assert_ne!(v1, v2);
    estate.refit(&["history", "--verify"]).expect_code(0);
}

fn expect_ids(now: &[Container], before: &[Container]) {
    let ids = |all: &[Container]| all.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(now), ids(before), "the very containers from before serve");
}
