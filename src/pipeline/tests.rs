//! The whole way from text to estate: the design's own example, the reference and its defaults, and texts that nobody would write.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{MountSource, NetworkSpec, ProbeKind};

const REFERENCE: &str = include_str!("../../pipelines/reference.yaml");
const REFIT: &str = include_str!("../../pipelines/refit.yaml");
const MINIMAL: &str = "
hosts: { local: { endpoint: 'unix:///var/run/docker.sock', labels: { pool: reference } } }
bases: { 'debian:bullseye-slim': }
images: { reference: { build: pipelines/reference, tests: [ { run: ['true'] } ] } }
services: { reference: { image: reference }, reference-health: { image: reference, healthcheck: { command: ['true'] } } }
";
const DESIGN: &str = r#"
bases:
  debian:bookworm-slim:
    watch: 15m
images:
  base:
    build: { context: images/base }
  web:
    build:
      context: { git: "https://git.example.com/shop.git", ref: main, path: web }
      args: { MODE: "{{ env }}" }
    tests:
      - run: ["nginx", "-t"]
hosts:
  web-1: { endpoint: "ssh://deploy@10.0.0.11", labels: { pool: web, zone: a } }
  web-2: { endpoint: "tcp://10.0.0.12:2376", tls: certs/web-2, labels: { pool: web, zone: b } }
vars: { env: prod }
networks: { front: , back: { external: true } }
volumes: { uploads: }
services:
  web:
    image: web
    ports: ["80:8080"]
    networks: [front, back]
    volumes: ["uploads:/var/lib/web"]
    healthcheck: { http: "GET :8080/healthz", interval: 2s, timeout: 1s, retries: 3, start_period: 10s }
    deploy:
      hosts: "pool=web"
      update_config:
        parallelism: 1
        order: start-first
        monitor: 10s
        failure_action: rollback
        max_failure_ratio: 0
      waves:
        - { hosts: "zone=a", canary: 1, bake: 5m }
        - { hosts: "*", approve: false }
triggers:
  patch-tuesday: { cron: "0 3 * * TUE", timezone: Europe/Brussels, window: 4h }
freeze:
  - { from: 2026-12-20, to: 2027-01-03, reason: "holidays" }
"#;

/// Reads texts as one estate of a folder where everything is that they name.
pub(super) fn read(texts: &[&str]) -> Reading {
    let name = |n: usize| format!("pipelines/{n}.yaml");
    let files: Vec<PipelineText> = texts.iter().enumerate().map(|(n, text)| PipelineText { file: name(n), text: (*text).to_owned() }).collect();
    let draft = draft(&files, &Given { folder: "/srv/shop".into(), vars: BTreeMap::new() });
    let fact = |wanted: &Wanted| match (wanted.text, wanted.path.extension().is_some() || wanted.path.ends_with("Dockerfile")) {
        (true, _) => Fact::Text("FROM_FILE=1\nBOTH=file\n".to_owned()),
        (false, true) => Fact::File,
        (false, false) => Fact::Folder,
    };
    let facts: Facts = draft.wanted().iter().map(|wanted| (wanted.path.clone(), fact(wanted))).collect();
    draft.finish(&facts)
}

#[track_caller]
fn estate(texts: &[&str]) -> Estate {
    let reading = read(texts);
    reading.estate.unwrap_or_else(|| panic!("{:#?}", reading.findings))
}

fn service(lines: &str) -> Service {
    let text = format!("hosts: {{ a: {{ endpoint: 'unix:///x' }} }}\nservices:\n  web:\n    image: nginx:1\n{lines}");
    estate(&[&text]).services.into_values().next().unwrap()
}

#[test]
fn the_example_of_the_design_is_read() {
    let estate = estate(&[DESIGN]);
    assert_eq!(estate.name.as_str(), "shop");
    let web = &estate.images[&"web".parse().unwrap()];
    assert_eq!(web.build.args["MODE"], "prod");
    assert_eq!(
        web.build.context,
        Context::Git { url: "https://git.example.com/shop.git".into(), reference: Some("main".into()), path: "web".into() }
    );
    let service = &estate.services[&"web".parse().unwrap()];
    assert_eq!(service.hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>(), ["web-1", "web-2"]);
    assert!(matches!(&service.probe.as_ref().unwrap().kind, ProbeKind::Http { port: 8080, path, .. } if path == "/healthz"));
    let NetworkSpec::Attached(networks) = &service.container.network else { panic!("{:?}", service.container.network) };
    let named: Vec<(&str, bool)> = networks.iter().map(|one| (one.network.as_str(), one.create.is_some())).collect();
    assert_eq!(named, [("shop_front", true), ("back", false)]);
    assert!(networks.iter().all(|one| one.aliases == ["web"]));
    assert!(matches!(&service.container.mounts[0].source, MountSource::Volume { name, create: Some(_) } if name == "shop_uploads"));
    let trigger = &estate.triggers[&"patch-tuesday".parse().unwrap()];
    assert_eq!((trigger.cron.as_str(), trigger.timezone.as_str(), trigger.window.unwrap().as_secs()), ("0 3 * * TUE", "Europe/Brussels", 14_400));
    let (from, until) = (estate.freezes[0].from.to_string(), estate.freezes[0].until.to_string());
    assert_eq!((from.as_str(), until.as_str()), ("2026-12-20T00:00:00Z", "2027-01-04T00:00:00Z"), "its last day belongs to it");
}

#[test]
fn waves_take_the_hosts_that_are_theirs() {
    let text = "
hosts:
  a1: { endpoint: 'unix:///a', labels: { zone: a } }
  a2: { endpoint: 'unix:///b', labels: { zone: a } }
  b1: { endpoint: 'unix:///c', labels: { zone: b } }
services:
  web:
    image: nginx:1
    deploy:
      spread: zone
      max_parallel_hosts: 2
      keep: 10m
      update_config: { parallelism: 25%, healthy_deadline: 2m }
      waves: [ { hosts: a2, canary: 10%, bake: 5m, approve: true }, { } ]
  shop: { image: nginx:1, deploy: { strategy: blue-green } }
";
    let services = estate(&[text]).services;
    let web = &services[&"web".parse().unwrap()];
    let waves: Vec<_> =
        web.strategy.waves.iter().map(|wave| (wave.hosts.iter().map(|host| host.as_str()).collect(), wave.canary, wave.approve)).collect();
    assert_eq!(waves, [(vec!["a2"], Some(Amount::Percent(10)), true), (vec!["a1", "b1"], None, false)]);
    let zones: Vec<(&str, &str)> = web.strategy.spread.iter().map(|(host, zone)| (host.as_str(), zone.as_str())).collect();
    assert_eq!((zones.as_slice(), web.strategy.max_parallel_hosts), (&[("a1", "a"), ("a2", "a"), ("b1", "b")][..], Some(2)));
    assert_eq!((web.update.parallelism, web.update.progress_deadline.as_secs()), (Amount::Percent(25), 240));
    let shop = &services[&"shop".parse().unwrap()];
    assert!(shop.strategy.is_blue_green && shop.update.order == Order::StartFirst && shop.update.parallelism == Amount::Count(0));
    assert_eq!((shop.rollback.parallelism, shop.rollback.failure_action), (Amount::Count(0), FailureAction::Pause));
}

#[test]
fn amounts_are_numbers_or_parts() {
    for (text, amount) in [("0", Amount::Count(0)), ("3", Amount::Count(3)), ("25%", Amount::Percent(25)), ("100 %", Amount::Percent(100))] {
        assert_eq!(Amount::parse(text), Ok(amount));
        assert_eq!(serde_json::from_value::<Amount>(serde_json::to_value(amount).unwrap()).unwrap(), amount);
    }
    for bad in ["", "-1", "0%", "101%", "2.5", "1.5%", "%", "x"] {
        assert!(Amount::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn this_repositorys_own_pipelines_are_an_estate_without_findings() {
    let reading = read(&[REFERENCE, REFIT]);
    assert_eq!(reading.findings, []);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for image in reading.estate.unwrap().images.values() {
        let Context::Folder { path } = &image.build.context else { panic!("{image:?}") };
        let context = root.join(path.strip_prefix("/srv/shop").unwrap());
        assert!(context.join(&image.build.dockerfile).is_file(), "{} has no Dockerfile", image.name);
    }
}

#[test]
fn the_reference_says_exactly_the_defaults() {
    let reference = estate(&[REFERENCE]);
    let minimal = estate(&[MINIMAL]);
    let without_places = |estate: &Estate| {
        let mut value = serde_json::to_value(estate).unwrap();
        forget(&mut value);
        value.as_object_mut().unwrap().remove("name");
        // The example of a network name carries the estate's, which differs on purpose.
        serde_json::to_string_pretty(&value).unwrap().replace("refit_default", "shop_default")
    };
    assert_eq!(without_places(&reference), without_places(&minimal));
}

fn forget(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            object.remove("at");
            object.values_mut().for_each(forget);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

#[test]
fn the_reference_names_every_key() {
    let schema = schema();
    let kinds = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for key in kinds.filter_map(|kind| kind["properties"].as_object()).flat_map(|properties| properties.keys()) {
        let is_named =
            REFERENCE.match_indices(&format!("{key}:")).any(|(at, _)| !REFERENCE[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        assert!(is_named, "pipelines/reference.yaml says nothing about `{key}`");
    }
}

#[test]
fn the_schema_describes_every_key_and_is_closed() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for (name, kind) in schema["$defs"].as_object().unwrap() {
        let Some(properties) = kind["properties"].as_object() else { continue };
        assert_eq!(kind["additionalProperties"], false, "{name}");
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{name}.{key} is not described");
        }
    }
}

#[test]
fn short_and_long_forms_mean_the_same() {
    for (short, long) in [
        ("ports: ['80:8080']", "ports: [ { target: 8080, published: 80 } ]"),
        ("ports: ['127.0.0.1:53:53/udp']", "ports: [ { target: 53, published: '53', host_ip: 127.0.0.1, protocol: udp } ]"),
        ("volumes: ['/srv/x:/x:ro']", "volumes: [ { type: bind, source: /srv/x, target: /x, read_only: true } ]"),
        ("volumes: ['/cache']", "volumes: [ { type: volume, target: /cache } ]"),
        ("tmpfs: '/tmp:size=64m,mode=1777'", "volumes: [ { type: tmpfs, target: /tmp, tmpfs: { size: 64m, mode: '1777' } } ]"),
        ("environment: { A: 1, B: 'x=y', C: 1.10, D: true }", "environment: ['A=1', 'B=x=y', C=1.10, D=true]"),
        ("command: nginx -g 'daemon off;'", "command: [nginx, -g, 'daemon off;']"),
        ("healthcheck: { test: curl -f localhost }", "healthcheck: { test: [CMD-SHELL, curl -f localhost] }"),
        ("ulimits: { nofile: 1024 }", "ulimits: { nofile: { soft: 1024, hard: 1024 } }"),
        ("networks: [default]", "networks: { default: }"),
        ("mem_limit: 512m", "deploy: { resources: { limits: { memory: 536870912 } } }"),
        ("cpus: 0.5", "deploy: { resources: { limits: { cpus: '0.50' } } }"),
        ("dns: 1.1.1.1", "dns: [1.1.1.1]"),
        ("extra_hosts: ['db:10.0.0.1']", "extra_hosts: { db: 10.0.0.1 }"),
        ("extra_hosts: ['db=10.0.0.1']", "extra_hosts: ['db:10.0.0.1']"),
        ("restart: no", "restart: 'no'"),
        ("deploy: { replicas: '2' }", "deploy: { replicas: 2 }"),
        ("labels: [a=b, c]", "labels: { a: b, c: '' }"),
        ("devices: [/dev/x]", "devices: ['/dev/x:/dev/x']"),
        ("env_file: a.env", "env_file: [ { path: a.env, required: true } ]"),
    ] {
        let (a, b) = (service(&format!("    {short}\n")), service(&format!("    {long}\n")));
        assert_eq!(a, b, "{short} and {long}");
    }
}

#[test]
fn the_pipeline_wins_over_its_files_of_variables() {
    let web = service("    env_file: a.env\n    environment: { BOTH: pipeline }\n");
    let expected = BTreeMap::from([("BOTH".to_owned(), "pipeline".to_owned()), ("FROM_FILE".to_owned(), "1".to_owned())]);
    assert_eq!(web.container.environment, expected);
}

#[test]
fn networks_keep_their_order_unless_one_has_priority() {
    let text = "hosts: { a: { endpoint: 'unix:///x' } }\nnetworks: { z: , a: , m: { name: other } }\nservices: { web: { image: nginx:1, networks: { z: , m: { aliases: [w] }, a: { priority: 5 } } } }";
    let estate = estate(&[text]);
    let NetworkSpec::Attached(networks) = &estate.services.values().next().unwrap().container.network else { panic!() };
    assert_eq!(networks.iter().map(|one| one.network.as_str()).collect::<Vec<_>>(), ["shop_a", "shop_z", "other"]);
    assert_eq!(networks[2].aliases, ["web", "w"]);
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "x-common: &common { restart: always, user: '1' }\nhosts: { a: { endpoint: 'unix:///x' } }\nservices:\n  web: { <<: *common, image: 'nginx:1', user: '2' }\n";
    let web = estate(&[text]).services.into_values().next().unwrap();
    assert_eq!((web.container.restart.as_deref(), web.container.user.as_deref()), (Some("always"), Some("2")));
}

#[test]
fn a_rollback_is_as_the_update_and_pauses_when_it_fails() {
    let web = service("    deploy: { update_config: { parallelism: 3, monitor: 7s }, rollback_config: { delay: 1s } }\n");
    assert_eq!((web.rollback.parallelism, web.rollback.monitor), (Amount::Count(3), std::time::Duration::from_secs(7)));
    assert_eq!(web.rollback.delay, std::time::Duration::from_secs(1));
    assert_eq!((web.update.failure_action, web.rollback.failure_action), (FailureAction::Rollback, FailureAction::Pause));
}

#[test]
fn git_contexts_are_read_in_both_forms() {
    let text = "images: { a: { build: 'https://x/y.git#main:web' }, b: { build: { context: { git: 'https://x/y.git', ref: main, path: web } } }, c: { build: 'git@x:y.git' } }";
    let estate = estate(&[text]);
    let context = |name: &str| &estate.images[&name.parse().unwrap()].build.context;
    assert_eq!(context("a"), context("b"));
    assert_eq!(context("c"), &Context::Git { url: "git@x:y.git".into(), reference: None, path: String::new() });
}

/// A thousand images and as many services, enough that the indexed maps are used.
#[test]
fn a_second_builder_is_said_to_be_of_no_use() {
    let reading = read(&["builders:\n  one: { endpoint: 'unix:///x' }\n  two: { endpoint: 'unix:///y' }\n"]);
    let told: Vec<(usize, &str)> = reading.findings.iter().map(|finding| (finding.line as usize, finding.message.as_str())).collect();
    assert_eq!(told, [(3, "the builder `two` is not used: every image is built on `one`")]);
    assert!(reading.estate.is_some());
}

#[test]
fn a_large_estate_gives_no_findings() {
    let images: String =
        (0..1_000).map(|n| format!("  image-{n}:\n    build: {{ context: images/{n}, args: {{ MODE: '{{{{ env }}}}' }} }}\n")).collect();
    let services: String =
        (0..1_000).map(|n| format!("  service-{n}:\n    image: image-{n}\n    environment: {{ A: 1 }}\n    deploy: {{ hosts: pool=a }}\n")).collect();
    let text =
        format!("vars: {{ env: prod }}\nhosts: {{ a: {{ endpoint: 'unix:///x', labels: {{ pool: a }} }} }}\nimages:\n{images}services:\n{services}");
    let estate = estate(&[&text]);

    assert_eq!((estate.images.len(), estate.services.len()), (1_000, 1_000));
}

#[test]
fn no_cut_of_the_reference_panics() {
    for end in (0..REFERENCE.len()).filter(|end| REFERENCE.is_char_boundary(*end)).step_by(37) {
        read(&[&REFERENCE[..end]]);
    }
}

fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "images", "services", "hosts", "vars", "web", "build", "image", "ports", "deploy", ":", ": ", "\n", "\n  ", "\n    ", "- ", "{", "}", "[",
        "]", ", ", "\"", "'", "{{ x }}", "{{", "${X}", "$", "&a ", "*a", "<<", "!t ", "---\n", "|\n", ">", "#", "\t", "\u{feff}", "é", "null", "~",
        "80:80", "1-2", "\r\n", "%",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is read, there is an estate exactly where no finding is an error, and every finding points into its text.
    #[test]
    fn any_text_is_answered(text in prop_oneof![yaml_like(), ".{0,200}"]) {
        check_reading(&text)?;
    }

    /// A line of the reference that is lost, doubled or cut is answered likewise.
    #[test]
    fn any_spoilt_reference_is_answered(line in 0usize..170, how in 0u8..4, cut in 0usize..40) {
        let mut lines: Vec<String> = REFERENCE.lines().map(str::to_owned).collect();
        let line = line.min(lines.len() - 1);
        match how {
            0 => { lines.remove(line); }
            1 => { let again = lines[line].clone(); lines.insert(line, again); }
            2 => { lines[line] = lines[line].chars().skip(cut).collect(); }
            _ => { lines[line] = lines[line].chars().take(cut).collect(); }
        }
        check_reading(&lines.join("\n"))?;
    }
}

fn check_reading(text: &str) -> Result<(), TestCaseError> {
    let reading = read(&[text]);
    prop_assert_eq!(reading.estate.is_none(), reading.findings.iter().any(Finding::is_error));
    for finding in &reading.findings {
        prop_assert!(text.get(finding.span.clone()).is_some(), "{:?} is not in the text", finding);
        prop_assert!(finding.line >= 1 && finding.column >= 1);
    }
    Ok(())
}

#[test]
fn what_people_have_in_compose_pastes_in() {
    let text = r#"
x-logging: &logging
  logging:
    driver: json-file
    options: { max-size: "10m", tag: "{% raw %}{{.Name}}{% endraw %}" }
hosts: { a: { endpoint: "unix:///x" } }
services:
  db:
    <<: *logging
    image: postgres:16
    restart: always
    user: 999:999
    environment:
      - POSTGRES_DB=shop
      - "POSTGRES_PASSWORD_FILE=/run/secrets/db"
    volumes:
      - db:/var/lib/postgresql/data
      - /etc/shop/db:/run/secrets/db:ro
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER:-postgres}"]
      interval: 1m30s
    shm_size: 128mb
    stop_grace_period: 1m
    ulimits: { nofile: 65536, nproc: { soft: 1024, hard: 2048 } }
    networks:
      back: { aliases: [postgres] }
  web:
    <<: *logging
    image: nginx:1.27
    command: >
      nginx -g
      "daemon off;"
    ports: [8080:80, "443:443/tcp"]
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
    read_only: true
    tmpfs: [/run, "/var/cache/nginx:size=64m"]
    sysctls: { net.core.somaxconn: 1024 }
    extra_hosts: ["host.docker.internal:host-gateway"]
    networks: [front, back]
    deploy:
      update_config: { parallelism: 2, delay: 10s, order: start-first, failure_action: pause, monitor: 60s, max_failure_ratio: 0.3 }
      resources:
        limits: { cpus: "0.50", memory: 50M, pids: 100 }
        reservations: { memory: 20M }
networks:
  front:
  back: { driver: bridge, internal: true, ipam: { config: [ { subnet: 172.28.0.0/16, gateway: 172.28.0.1 } ] } }
volumes:
  db: { driver: local }
"#;
    let estate = estate(&[text]);
    let (db, web) = (&estate.services[&"db".parse().unwrap()].container, &estate.services[&"web".parse().unwrap()].container);
    assert_eq!(db.healthcheck.as_ref().unwrap().test[1], "pg_isready -U ${POSTGRES_USER:-postgres}");
    assert_eq!(db.logging.as_ref().unwrap().options["tag"], "{{.Name}}");
    assert_eq!((db.shm_size, db.stop_grace_period_ms), (Some(128 << 20), Some(60_000)));
    assert_eq!(db.user.as_deref(), Some("999:999"));
    assert_eq!(web.command.as_deref(), Some(&["nginx".to_owned(), "-g".to_owned(), "daemon off;".to_owned()][..]));
    assert_eq!((web.memory_limit, web.nano_cpus, web.pids_limit), (Some(50 << 20), Some(500_000_000), Some(100)));
    assert_eq!(web.sysctls["net.core.somaxconn"], "1024");
    assert_eq!(web.extra_hosts, ["host.docker.internal:host-gateway"]);
    let NetworkSpec::Attached(networks) = &web.network else { panic!("{:?}", web.network) };
    assert_eq!(networks[1].create.as_ref().unwrap().subnets, [("172.28.0.0/16".to_owned(), Some("172.28.0.1".to_owned()))]);
}
