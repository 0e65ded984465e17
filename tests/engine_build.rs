//! Builds on the installed engine: what `edge::buildkit` promises, against the real BuildKit in it.
//!
//! Without an engine these fail and say how to get one; `REFIT_NO_ENGINE=1` leaves them out, and says so.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "this whole target is a test")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refit::edge::buildkit::{UnixDial, build};
use refit::edge::sources::Sources;
use refit::edge::{BuildError, BuildProgress, BuildRequest, BuildStepSeen, ContextEntry, ContextFiles, EntryKind, Turn};
use refit::model::{Digest, ImageRef, Secret};
use refit::pipeline::{BuildSpec, Context};

const SOCKET: &str = "/var/run/docker.sock";
const PREFIX: &str = "refit-test-build-";

/// The engine, or none when it is to be left out.
fn engine() -> Option<UnixDial> {
    if std::env::var("REFIT_NO_ENGINE").is_ok_and(|value| value == "1") {
        println!("left out: REFIT_NO_ENGINE=1");
        return None;
    }
    let socket = std::env::var("REFIT_TEST_SOCKET").unwrap_or_else(|_| SOCKET.to_owned());
    let version = Command::new("curl").args(["-sf", "-m5", "--unix-socket", &socket, "http://docker/version"]).output();
    let version = version.expect("`apt-get install curl`").stdout;
    let version: serde_json::Value = serde_json::from_slice(&version)
        .unwrap_or_else(|_| panic!("no Docker Engine answers at {socket}: `apt-get install docker.io`, or set REFIT_NO_ENGINE=1"));
    Some(UnixDial::new(socket, version["ApiVersion"].as_str().unwrap()))
}

fn docker(words: &[&str]) -> String {
    let socket = std::env::var("REFIT_TEST_SOCKET").unwrap_or_else(|_| SOCKET.to_owned());
    let output = Command::new("docker").arg("-H").arg(format!("unix://{socket}")).args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An image's name that goes when the test ends.
struct Named(String);
impl Named {
    fn new(name: &str) -> Self {
        Self(format!("{PREFIX}{name}:{}", std::process::id()))
    }
    fn reference(&self) -> ImageRef {
        self.0.parse().unwrap()
    }
}
impl Drop for Named {
    fn drop(&mut self) {
        let socket = std::env::var("REFIT_TEST_SOCKET").unwrap_or_else(|_| SOCKET.to_owned());
        let _ = Command::new("docker").arg("-H").arg(format!("unix://{socket}")).args(["rmi", "-f", &self.0]).output();
    }
}

/// A context held in memory.
#[derive(Clone)]
struct Files(BTreeMap<&'static str, (EntryKind, u32, Vec<u8>)>, &'static str, Arc<Mutex<Vec<String>>>);
impl Files {
    fn new() -> Self {
        let busybox = std::fs::read("/bin/busybox").expect("`apt-get install busybox-static`");
        Self(BTreeMap::from([("busybox", (EntryKind::File, 0o755, busybox))]), "", Arc::default())
    }
    fn file(mut self, path: &'static str, text: &str) -> Self {
        self.0.insert(path, (EntryKind::File, 0o644, text.into()));
        self
    }
    fn folder(mut self, path: &'static str) -> Self {
        self.0.insert(path, (EntryKind::Folder, 0o755, Vec::new()));
        self
    }
    fn link(mut self, path: &'static str, target: &str) -> Self {
        self.0.insert(path, (EntryKind::Link(target.to_owned()), 0o777, Vec::new()));
        self
    }
    fn key(mut self, key: &'static str) -> Self {
        self.1 = key;
        self
    }
}
impl ContextFiles for Files {
    fn entries(&self) -> std::io::Result<Vec<ContextEntry>> {
        let entry = |(path, (kind, mode, text)): (&&str, &(EntryKind, u32, Vec<u8>))| ContextEntry {
            path: (*path).to_owned(),
            kind: kind.clone(),
            mode: *mode,
            size: text.len() as u64,
        };
        Ok(self.0.iter().map(entry).collect())
    }
    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + Send>> {
        self.2.lock().unwrap().push(path.to_owned());
        match self.0.get(path) {
            Some((_, _, text)) if text == b"unreadable" => Err(std::io::ErrorKind::PermissionDenied.into()),
            Some((_, _, text)) => Ok(Box::new(Cursor::new(text.clone()))),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
    fn modified_ns(&self, path: &str) -> i64 {
        let digest = Digest::of(&self.0[path].2).hex();
        1_000_000_000_000_000_000 + i64::from_str_radix(&digest[..7], 16).unwrap()
    }
    fn key(&self) -> String {
        self.1.to_owned()
    }
}

#[derive(Default)]
struct Log {
    text: Mutex<Vec<u8>>,
    steps: Mutex<Vec<BuildStepSeen>>,
    seen: tokio::sync::Notify,
}
impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}
impl BuildProgress for Log {
    fn step(&self, step: BuildStepSeen) {
        self.steps.lock().unwrap().push(step);
    }
    fn output(&self, text: &[u8]) {
        self.text.lock().unwrap().extend_from_slice(text);
        self.seen.notify_waiters();
    }
}

fn request(files: Files, dockerfile: &str, tag: &Named) -> BuildRequest {
    BuildRequest {
        context: Arc::new(files),
        dockerfile: dockerfile.into(),
        args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        secrets: BTreeMap::new(),
        platform: None,
        no_cache: false,
        network: None,
        extra_hosts: Vec::new(),
        tag: tag.reference(),
    }
}

const HEAD: &str = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\",\"--install\",\"-s\",\"/bin\"]\n";

/// What tells one run of the tests from another, so that no step comes from the cache unless it is meant to.
fn unique() -> String {
    format!("{}-{:?}", std::process::id(), std::time::SystemTime::now())
}

#[tokio::test]
async fn args_target_labels_and_secrets_arrive() {
    let Some(dial) = engine() else { return };
    let tag = Named::new("args");
    let text = format!(
        "{HEAD}FROM scratch AS wanted\nCOPY --from=0 / /\nARG WORD\nRUN --mount=type=secret,id=key echo word=$WORD {} key=$(cat /run/secrets/key | wc -c) && test $(md5sum < /run/secrets/key | cut -c1-8) = 662f707d\nFROM wanted\nRUN false\n",
        unique()
    );
    let mut request = request(Files::new(), &text, &tag);
    request.args.insert("WORD".into(), "spoken".into());
    request.labels.insert("io.refit.run".into(), "r1".into());
    request.target = Some("wanted".into());
    request.secrets.insert("key".into(), Secret::new("hidden"));
    let log = Log::default();
    let id = build(&dial, request, &log).await.unwrap();
    assert_eq!(docker(&["inspect", "--format", "{{.Id}}", &tag.0]), id.to_string());
    assert_eq!(docker(&["inspect", "--format", "{{index .Config.Labels \"io.refit.run\"}}", &id.to_string()]), "r1");
    assert!(log.text().contains("word=spoken") && log.text().contains("key=6"), "{}", log.text());
    assert!(!docker(&["history", "--no-trunc", &tag.0]).contains("hidden"));
    let steps = log.steps.lock().unwrap();
    assert!(steps.iter().any(|step| step.name.contains("RUN --mount=type=secret") && step.ended), "{steps:?}");
}

#[tokio::test]
async fn the_image_holds_exactly_the_contexts_files() {
    let Some(dial) = engine() else { return };
    let tag = Named::new("exact");
    let files =
        Files::new().file("Dockerfile", "the user's own, unpinned\n").folder("d").file("d/a", "1").file("d-b", "2").link("l", "d/a").folder("empty");
    let files = files.file("é t", "3");
    build(&dial, request(files, &format!("{HEAD}WORKDIR /all\nCOPY . .\nCOPY [\"é t\", \"l\", \"/x/\"]\n"), &tag), &Log::default()).await.unwrap();
    let list = docker(&[
        "run",
        "--rm",
        "--network=none",
        &tag.0,
        "sh",
        "-c",
        "cd /all && find . | sort && cat Dockerfile l && readlink l && stat -c '%a %u' d/a busybox && for f in /x/*; do echo $f; done",
    ]);
    let expected = ".\n./Dockerfile\n./busybox\n./d\n./d-b\n./d/a\n./empty\n./l\n./é t\nthe user's own, unpinned\n1d/a\n644 0\n755 0\n/x/l\n/x/é t";
    assert_eq!(list, expected);
}

#[tokio::test]
async fn only_what_changed_is_sent_again_even_at_the_same_size() {
    let Some(dial) = engine() else { return };
    let key: &'static str = unique().leak();
    for (word, sent) in [("one", "busybox word"), ("two", "word"), ("six", "word"), ("six", "")] {
        let tag = Named::new("again");
        let files = Files::new().file("word", word).file("unused", word).key(key);
        build(&dial, request(files.clone(), &format!("{HEAD}COPY word /\n"), &tag), &Log::default()).await.unwrap();
        assert_eq!(docker(&["run", "--rm", "--network=none", &tag.0, "cat", "/word"]), word);
        let mut opened = files.2.lock().unwrap().clone();
        opened.sort();
        assert_eq!(opened.join(" "), sent, "{word}");
    }
}

/// A log whose build waits for its turn.
#[derive(Default)]
struct Waits(Log, Turn, tokio::sync::Notify);
impl Waits {
    fn steps(&self) -> String {
        self.0.steps.lock().unwrap().iter().map(|step| format!("{}\n", step.name)).collect()
    }
}
impl BuildProgress for Waits {
    fn turn(&self) -> Turn {
        self.1.clone()
    }
    fn step(&self, step: BuildStepSeen) {
        self.0.step(step);
        self.2.notify_one();
    }
    fn output(&self, text: &[u8]) {
        self.0.output(text);
    }
}

#[tokio::test]
async fn a_build_gets_ready_and_runs_no_step_before_its_turn() {
    let Some(dial) = engine() else { return };
    let (tag, other) = (Named::new("waits"), Named::new("does-not"));
    let log = Waits::default();
    let text = |what: &str| format!("{HEAD}RUN echo {} {what} > /x\n", unique());
    let waiting = build(&dial, request(Files::new(), &text("waits"), &tag), &log);
    let meanwhile = async {
        // The builder asks for the Dockerfile, and has all but its end.
        log.2.notified().await;
        for _ in 0..2 {
            build(&dial, request(Files::new(), &text("does not"), &other), &Log::default()).await.unwrap();
        }
        assert!(!log.steps().contains("] RUN"), "{}", log.steps());
        log.1.come();
    };
    let (built, ()) = tokio::join!(waiting, meanwhile);
    built.unwrap();
    assert!(log.steps().contains("] RUN"), "{}", log.steps());
}

#[tokio::test]
async fn failures_say_what_failed() {
    let Some(dial) = engine() else { return };
    let tag = Named::new("fail");
    let log = Log::default();
    let failed = build(&dial, request(Files::new(), &format!("{HEAD}RUN echo before; exit 3\n"), &tag), &log).await.unwrap_err();
    assert!(matches!(&failed, BuildError::Failed { .. }), "{failed:?}");
    assert_eq!(failed.to_string(), "RUN echo before; exit 3 failed: exit code: 3");
    assert!(log.text().contains("before"));
    let failed = build(&dial, request(Files::new(), "FROM refit-test.invalid/none:1\n", &tag), &log).await.unwrap_err();
    assert!(failed.to_string().contains("refit-test.invalid/none:1"), "{failed}");
    let failed = build(&dial, request(Files::new(), "FROM scratch\nCOPY nothing /\n", &tag), &log).await.unwrap_err();
    assert!(failed.to_string().contains("nothing"), "{failed}");
    let unreadable = Files::new().file("locked", "unreadable");
    let failed = build(&dial, request(unreadable, "FROM scratch\nCOPY locked /\n", &tag), &log).await.unwrap_err();
    assert!(matches!(&failed, BuildError::Context { why } if why.starts_with("locked: ")), "{failed:?}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_silent() {
    let dial = UnixDial::new("/nowhere/docker.sock", "1.41");
    let failed = build(&dial, request(Files::new(), HEAD, &Named::new("silent")), &Log::default()).await.unwrap_err();
    assert!(matches!(&failed, BuildError::Engine(error) if error.is_silence()), "{failed:?}");
}

#[tokio::test]
async fn a_dropped_build_is_cancelled() {
    let Some(dial) = engine() else { return };
    let log = Log::default();
    let marker = format!("4{:05}", std::process::id());
    let tag = Named::new("cancel");
    let text = format!("{HEAD}RUN echo {}; echo running; exec sleep {marker}\n", unique());
    let running = || {
        let lines = Command::new("pgrep").args(["-f", &format!("^sleep {marker}$")]).output().unwrap().stdout;
        !lines.is_empty()
    };
    tokio::select! {
        ended = build(&dial, request(Files::new(), &text, &tag), &log) => panic!("{ended:?}"),
        () = async { while !log.text().contains("running") { tokio::time::timeout(Duration::from_millis(50), log.seen.notified()).await.ok(); } } => {}
    }
    let gone = async {
        while running() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the process in the build lives on");
}

/// This process's sockets, whoever made them.
fn sockets() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_in_parallel_work_and_leave_no_socket() {
    let Some(dial) = engine() else { return };
    let before = sockets();
    let tags: Vec<Named> = (0..8).map(|n| Named::new(&format!("par{n}"))).collect();
    let started = std::time::Instant::now();
    let builds = tags.iter().enumerate().map(|(n, tag)| {
        let (dial, request) = (dial.clone(), request(Files::new(), &format!("{HEAD}RUN echo {n} {}; sleep 1\n", unique()), tag));
        tokio::spawn(async move { build(&dial, request, &Log::default()).await })
    });
    for ended in futures_util::future::join_all(builds.collect::<Vec<_>>()).await {
        ended.unwrap().unwrap();
    }
    println!("8 builds, each with a second's sleep: {:?}", started.elapsed());
    for _ in 0..12 {
        let started = std::time::Instant::now();
        build(&dial, request(Files::new(), HEAD, &tags[0]), &Log::default()).await.unwrap();
        println!("a build from the cache: {:?}", started.elapsed());
    }
    let closed = async {
        while sockets() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap_or_else(|_| panic!("{} sockets before, {} after 20 builds", before, sockets()));
}

#[tokio::test]
async fn a_frontend_that_cannot_be_fetched_is_replaced_by_the_engines_own() {
    let Some(dial) = engine() else { return };
    let tag = Named::new("syntax");
    let log = Log::default();
    let text = format!("# syntax=docker/dockerfile:0-refit-test-has-none\n{HEAD}");
    build(&dial, request(Files::new(), &text, &tag), &log).await.unwrap();
    assert!(log.text().contains("refit: the frontend docker/dockerfile:0-refit-test-has-none could not be fetched"), "{}", log.text());
}

/// What `Sources` finds is what the image holds, from a folder and from git.
#[tokio::test]
async fn folders_and_repositories_are_built_without_what_is_ignored() {
    let Some(dial) = engine() else { return };
    let (work, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let web = work.path().join("web");
    std::fs::create_dir_all(web.join("node_modules/x")).unwrap();
    let text = format!("{HEAD}WORKDIR /all\nCOPY . .\n");
    for (path, text) in
        [("Dockerfile", text.as_str()), (".dockerignore", "node_modules\n*.log\n"), ("a.log", ""), ("node_modules/x/y", ""), ("main", "1")]
    {
        std::fs::write(web.join(path), text).unwrap();
    }
    std::fs::copy("/bin/busybox", web.join("busybox")).unwrap();
    let git = format!("cd {} && git init -q && git add -A && git -c user.name=t -c user.email=t commit -qm x", work.path().display());
    assert!(Command::new("sh").arg("-c").arg(git).status().unwrap().success());
    std::fs::write(web.join("main"), "2").unwrap();

    let sources = Sources::new(cache.path().into());
    let git = Context::Git { url: work.path().display().to_string(), reference: None, path: "web".into() };
    for (spec, expected) in [(BuildSpec::of_folder(&web), "2"), (BuildSpec::of(git), "1")] {
        let found = sources.find(&spec, None).await.unwrap();
        let tag = Named::new("sources");
        let mut request = request(Files::new(), "", &tag);
        (request.context, request.dockerfile) = (found.files, found.dockerfile);
        build(&dial, request, &Log::default()).await.unwrap();
        let list = docker(&["run", "--rm", "--network=none", &tag.0, "sh", "-c", "find . -type f | sort; cat main"]);
        assert_eq!(list, format!("./.dockerignore\n./Dockerfile\n./busybox\n./main\n{expected}"));
    }
}

#[tokio::test]
async fn what_is_built_without_the_cache_runs_its_steps_again() {
    let Some(dial) = engine() else { return };
    let tag = Named::new("fresh");
    let text = format!("{HEAD}RUN echo {} && date +%s%N > /when\n", unique());
    let mut ids = Vec::new();
    for no_cache in [false, false, true] {
        let request = BuildRequest { no_cache, ..request(Files::new(), &text, &tag) };
        ids.push(build(&dial, request, &Log::default()).await.unwrap());
        // Another image of the same name must not keep this one from being told apart.
        ids.dedup();
    }
    assert_eq!(ids.len(), 2, "from the cache the second time, and anew the third");
}
