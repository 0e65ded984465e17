//! Every kind of finding as a person sees it.

use std::collections::BTreeMap;

use super::render;
use crate::pipeline::{Fact, Facts, Given, PipelineText, Reading, draft};

fn read(files: &[(&str, &str)], facts: &[(&str, Fact)]) -> (Reading, Vec<PipelineText>) {
    let files: Vec<PipelineText> =
        files.iter().map(|(file, text)| PipelineText { file: format!("pipelines/{file}.yaml"), text: (*text).to_owned() }).collect();
    let given = Given { folder: "/srv/shop".into(), vars: BTreeMap::from([("given".to_owned(), "yes".to_owned())]) };
    let draft = draft(&files, &given);
    // Whatever a case does not speak of is there.
    let mut seen: Facts = draft
        .wanted()
        .into_iter()
        .map(|wanted| {
            let is_file = wanted.path.extension().is_some() || wanted.path.ends_with("Dockerfile");
            let fact = if wanted.text {
                Fact::Text("A=1".to_owned())
            } else if is_file {
                Fact::File
            } else {
                Fact::Folder
            };
            (wanted.path, fact)
        })
        .collect();
    seen.extend(facts.iter().map(|(path, fact)| (path.into(), fact.clone())));
    (draft.finish(&seen), files)
}

#[track_caller]
fn shown(files: &[(&str, &str)], facts: &[(&str, Fact)]) -> String {
    let (reading, files) = read(files, facts);
    assert_eq!(reading.estate.is_none(), reading.findings.iter().any(|finding| finding.is_error()), "an estate exactly where there is no error");
    render(&reading.findings, &files, false)
}

macro_rules! cases {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(shown(&[("shop", $text)], &[]));
        }
    )*};
}

const HOST: &str = "hosts: { web-1: { endpoint: \"unix:///var/run/docker.sock\", labels: { pool: web } } }\n";

fn service(lines: &str) -> String {
    format!("{HOST}services:\n  web:\n    image: nginx:1\n{lines}")
}

cases! {
    text_that_is_no_yaml: "images:\n  web: {build: web\nservices: [\n";
    tabs_are_no_indentation: "images:\n\tweb: x\n";
    a_second_document: "name: shop\n---\nname: other\n";
    a_tag_that_nobody_knows: "images:\n  web: !override { build: web }\n";
    a_value_in_braces_without_quotes: "images:\n  web:\n    build: { context: web, args: { MODE: {{ env }} } }\n";
    nested_without_end: &"[".repeat(100);
    aliases_of_aliases: &(format!("x-0: &a0 [1,1,1,1,1,1,1,1,1,1]\n{}", (1..9).map(|i| {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        format!("x-{i}: &a{i} [{refs}]\n")
    }).collect::<String>()));
    keys_that_stand_twice: "images:\n  web: { build: web }\n  web: { build: web2 }\n";
    a_list_at_the_top: "- images\n";
    a_merge_of_a_text: "x-a: &a text\nimages:\n  web:\n    <<: *a\n    build: web\n";
    unknown_keys: "imagse: {}\nimages:\n  web:\n    biuld: web\n    build: { contxt: web }\n    quux: 1\n";
    keys_of_compose_that_refit_refuses: &service("    build: .\n    container_name: web\n    links: [db]\n    depends_on: [db]\n    secrets: [key]\n    profiles: [a]\n    deploy: { mode: global, placement: { constraints: [] }, restart_policy: {} }\nversion: '3'\n");
    services_that_wait_for_one_another: &service("    depends_on: [api]\n  api: { image: nginx:1, depends_on: { db: { condition: service_healthy }, cache: } }\n  db: { image: nginx:1, depends_on: [web] }\n  cache: { image: nginx:1 }\n  a: { image: nginx:1, depends_on: [b] }\n  b: { image: nginx:1, depends_on: [a, cache] }\n");
    dependencies_that_are_none: &service("    depends_on: [web, ap, nobody]\n  api: { image: nginx:1, depends_on: { web: { condition: service_completed_successfully }, db: { condition: service_healty }, cache: { restart: true, required: false } } }\n  db: { image: nginx:1 }\n");
    values_of_another_kind: &service("    ports: 80\n    command: { a: b }\n    read_only: 'yes'\n    environment: text\n    healthcheck: { tcp: 70000, retries: 0 }\n    deploy:\n      replicas: many\n      update_config: { order: start-frist, parallelism: -1, max_failure_ratio: x }\n    user:\n      - a\n");
    missing_keys: "images:\n  web: { tag: x }\nhosts: { a: {} }\nservices:\n  web: { ports: [] }\n";
    a_null_where_a_value_is_needed: "images:\n  web:\nservices:\n";
    undefined_variables: "vars: { env: prod, nested: \"{{ env }}\" }\nimages:\n  web:\n    build: { context: \"web-{{ evn }}\", args: { A: \"${TAG:-x}\", B: \"$HOME\", C: \"{{ .Name }}\", D: \"{{ given }} {{ env }}\" } }\n";
    value_formats: &service("    ports: [\"80:http\", \"1-2:3-5\", {target: 80, published: x, protocol: http}]\n    volumes: [\"./data:/data\", \"data\", \"a:/b:z\", \"a:b:c:d\", {type: bind, target: /x}]\n    restart: sometimes\n    stop_grace_period: 10\n    mem_limit: lots\n    cpus: none\n    command: \"sh -c 'x\"\n    tmpfs: [\"/run:exec\"]\n    ulimits: { nofile: many }\n    healthcheck: { http: \"POST /\", interval: 0s }\n    networks: { default: { ipv4_address: 1.2.3 } }\n");
    names_that_are_none: "images: { Web: { build: a }, \"a b\": { build: a } }\nhosts: { \"a/b\": { endpoint: \"unix:///x\" } }\nservices: { \"-web\": { image: nginx:1 } }\n";
    images_that_nobody_knows: "images: { web: { build: web } }\nhosts: { a: { endpoint: \"unix:///x\" } }\nservices:\n  one: { image: wbe }\n  two: { image: \"web:1.2\" }\n  three: { image: \"debian:bookworm-slim\" }\n  four: { image: \"a b\" }\n";
    names_that_are_not_defined: &service("    networks: [frnt, back]\n    volumes: [\"uplods:/x\"]\nnetworks: { front: }\nvolumes: { uploads: }\nimages: { web: { build: { context: web, secrets: [npm] } } }\n");
    selectors: &service("    deploy: { hosts: \"pool=wbe\" }\n  two: { image: nginx:1, deploy: { hosts: \"a b\" } }\n");
    an_estate_without_hosts: "services: { web: { image: nginx:1 } }\n";
    endpoints: "hosts:\n  a: { endpoint: web-1 }\n  b: { endpoint: \"ssh://x\", tls: certs }\n  c: { endpoint: \"tcp://x\" }\n  d: { endpoint: \"unix:///x\", labels: { name: d } }\n";
    health_checks: &service("    healthcheck: { interval: 5s }\n  two: { image: nginx:1, healthcheck: { test: [curl], } }\n  three: { image: nginx:1, healthcheck: { tcp: 80, http: \":80\" } }\n  four: { image: nginx:1, healthcheck: { disable: true, tcp: 80 } }\n");
    policies: &service("    deploy:\n      update_config: { monitor: 6m, max_failure_ratio: 1.5 }\n      rollback_config: { failure_action: rollback }\n");
    deadlines_in_the_wrong_order: &service("    deploy:\n      update_config: { healthy_deadline: 2m, progress_deadline: 2m }\n      rollback_config: { healthy_deadline: 1h, progress_deadline: 10m, monitor: 2h }\n");
    waves_that_disagree: "hosts:\n  a1: { endpoint: \"unix:///a\", labels: { zone: a } }\n  a2: { endpoint: \"unix:///b\", labels: { zone: a } }\n  b1: { endpoint: \"unix:///c\", labels: { pool: db } }\nservices:\n  web:\n    image: nginx:1\n    deploy:\n      hosts: zone=a\n      waves:\n        - { hosts: a1, canary: 0, bake: soon }\n        - { hosts: zone=a, canary: 150% }\n        - { hosts: b1 }\n        - { hosts: nobody }\n        - { hosts: \"*\" }\n  two: { image: nginx:1, deploy: { waves: [ { hosts: a1 } ], spread: zone } }\n  three: { image: nginx:1, deploy: { spread: rack, max_parallel_hosts: 0, update_config: { parallelism: 0% } } }\n";
    blue_green_that_cannot_be: &service("    ports: [\"80:8080\"]\n    deploy: { strategy: blue-green }\n  two: { image: nginx:1, deploy: { strategy: blue-green, update_config: { order: stop-first } } }\n  three: { image: nginx:1, deploy: { strategy: canary } }\n");
    volumes_with_several_writers: &service("    volumes: [\"data:/data\"]\n    deploy: { replicas: 2 }\n  two: { image: nginx:1, volumes: [\"data:/x\"] }\n  three: { image: nginx:1, volumes: [\"data:/x:ro\"], volumes_from: [web] }\nvolumes: { data: }\n");
    writers_that_may: &service("    volumes: [\"data:/data\"]\n    concurrent: true\n    deploy: { replicas: 2 }\n  two: { image: nginx:1, concurrent: true, volumes: [\"data:/x\"] }\nvolumes: { data: }\n");
    one_volume_and_two_services: &service("    volumes: [\"data:/data\"]\n  two: { image: nginx:1, volumes: [\"data:/x\"] }\n  three: { image: nginx:1, volumes: [\"data:/x:ro\"] }\nvolumes: { data: }\n");
    data_that_may_go: &service("    data: refus\n  two: { image: nginx:1, data: { on_loss: keep, ignore: [srv, \"/**\", \"**/*.log\"] } }\n  three: { image: nginx:1, data: { on_los: discard } }\n");
    data_that_is_copied: &service("    volumes: [\"data:/data\"]\n    data: { on_loss: adopt, adopt_max: lots }\n    deploy: { update_config: { order: start-first } }\n  two: { image: nginx:1, data: { snapshot: before } }\n  three: { image: nginx:1, data: adopt, deploy: { update_config: { order: start-first } } }\n  four: { image: nginx:1, concurrent: true, volumes: [\"own:/x\"], data: { snapshot: before } }\n  five: { image: nginx:1, data: { snapshot: always } }\nvolumes: { data: , own: }\n");
    what_prunes_keep: "prune: { keep: 0, keeps: 3 }\n";
    volumes_of_others: &service("    volumes: [\"data:/data\", /cache]\n  two: { image: nginx:1, volumes: [\"data:/x\"] }\n  three: { image: nginx:1, volumes_from: [two, \"web:ro\", \"container:old\", thre] }\nvolumes: { data: }\n");
    containers_that_cannot_share: &service("    ports: [\"80:8080\"]\n    networks: { default: { ipv4_address: 172.28.0.2 } }\n    deploy: { replicas: 2 }\n  two: { image: nginx:1, ports: [\"80:80\"] }\n");
    orders_that_cannot_be_kept: &service("    ports: [\"80:8080\"]\n    deploy: { update_config: { order: start-first } }\n  two: { image: nginx:1, volumes: [\"data:/data\"], deploy: { update_config: { order: start-first } } }\n  three: { image: nginx:1, concurrent: true, volumes: [\"data:/data\"], deploy: { update_config: { order: start-first } } }\nvolumes: { data: }\n");
    probes_that_cannot_arrive: "hosts: { far: { endpoint: \"tcp://10.0.0.1:2375\" } }\nservices: { web: { image: nginx:1, healthcheck: { http: \"GET :80/\" } } }\n";
    one_image_under_two_names: "images:\n  web: { build: web }\n  docker.io/library/web: { build: web }\n  base: { build: base }\nbases: { base: , debian: { watch: soon } }\n";
    paths_that_leave: "images:\n  a: { build: { context: a, dockerfile: ../Dockerfile } }\n  b: { build: { context: { git: \"https://x/y.git\", path: ../z } } }\n  c: { build: { context: c, dockerfile: a, dockerfile_inline: b, network: bridge, platforms: [linux/amd64, linux/arm64] } }\n";
    values_from_the_environment: &service("    environment: [A=1, TOKEN]\n  two: { image: nginx:1, environment: { TOKEN: } }\n");
    times_that_are_none: &service("triggers: { tuesday: { cron: \"0 3 * * TUE\", timezone: Europe/Brussels, window: 4h }, bad: { cron: daily } }\nfreeze: [ { from: 2026-12-20, to: 2026-01-03, reason: holidays }, { from: soon, to: 2026-01-01 } ]\n");
    tags_that_would_move: "vars: { env: prod }\nimages:\n  a: { build: a, tag: \"{{ env }}\" }\n  b: { build: b, tag: \"{{ env }}-{{ input }}\" }\n  c: { build: c, tag: \"{{ env }}-{{ run }}\" }\n";
    secrets_of_builds: "secrets: { a: { file: x, environment: Y }, b: { }, c: { external: true } }\n";
    networks_and_volumes: "networks: { a: { external: true, driver: overlay }, b: { ipam: { config: [ { subnet: 10.0.0 } ] } } }\nvolumes: { a: { external: true, driver: nfs } }\n";
    labels_of_refit_itself: &service("    labels: { io.refit.estate: x }\n    network_mode: host\n    networks: [a]\n    ports: [\"80:80\"]\n");
}

#[test]
fn two_pipelines_that_disagree() {
    let one = "name: shop\nsources: latest\nvars: { a: 1 }\nimages: { web: { build: web } }\nhosts: { a: { endpoint: \"unix:///x\" } }\nservices: { web: { image: web } }\n";
    let two = "name: market\nsources: deployed\nvars: { a: 2 }\nimages: { web: { build: web } }\nhosts: { a: { endpoint: \"unix:///x\" } }\nservices: { web: { image: web } }\n";
    insta::assert_snapshot!(shown(&[("one", one), ("two", two)], &[]));
}

#[test]
fn two_pipelines_with_a_budget() {
    let one = "run: { max_failed_services: 2 }\nimages: { web: { build: web } }\n";
    let two = "run: { on_exceeded: stopp, max_failed_services: -1 }\nimages: { api: { build: api } }\n";
    let three = "run: { max_failed_services: 1, on_exceeded: stop }\n";
    insta::assert_snapshot!(shown(&[("one", one), ("two", two)], &[]));
    insta::assert_snapshot!(shown(&[("one", one), ("three", three)], &[]));
}

#[test]
fn what_is_not_on_the_disk() {
    let text = "images:\n  web: { build: web }\n  api: { build: { context: api, dockerfile: build/Dockerfile } }\n  lib: { build: lib }\nsecrets: { npm: { file: npm } }\n\
        hosts: { a: { endpoint: \"tcp://a:2376\", tls: certs/a } }\nservices:\n  web: { image: web, env_file: [a.env, { path: b.env, required: false }, c.env] }\n";
    let facts = [
        ("/srv/shop/web", Fact::Missing),
        ("/srv/shop/web/Dockerfile", Fact::Missing),
        ("/srv/shop/api/build/Dockerfile", Fact::Missing),
        ("/srv/shop/lib", Fact::File),
        ("/srv/shop/npm", Fact::Missing),
        ("/srv/shop/certs/a/key.pem", Fact::Unreadable("permission denied".to_owned())),
        ("/srv/shop/a.env", Fact::Missing),
        ("/srv/shop/b.env", Fact::Missing),
        ("/srv/shop/c.env", Fact::Text("A=1\nB\n".to_owned())),
    ];
    insta::assert_snapshot!(shown(&[("shop", text)], &facts));
}

#[test]
fn no_pipeline_at_all() {
    insta::assert_snapshot!(shown(&[], &[]));
}

#[test]
fn findings_are_data_for_machines() {
    let (reading, _) = read(&[("shop", "images:\n  web: { biuld: web }\n")], &[]);
    insta::assert_json_snapshot!(reading.findings);
}

proptest::proptest! {
    /// Whatever a finding points at, it is shown with its message, and the excerpt of even an endless line is short.
    #[test]
    fn any_finding_is_shown(text in "(.|\n|\r|\t){0,600}", from in 0usize..600, len in 0usize..50) {
        let edge = |at: usize| (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let span = edge(from)..edge(from + len).max(edge(from));
        let severity = crate::pipeline::Severity::Error;
        let finding = crate::pipeline::Finding {
            severity, file: "a.yaml".into(), line: 1, column: 1, key: "k".into(), message: "unlikely".into(), help: None, span,
        };
        let shown = render(&[finding], &[PipelineText { file: "a.yaml".into(), text }], false);
        proptest::prop_assert!(shown.contains("unlikely"));
    }
}
