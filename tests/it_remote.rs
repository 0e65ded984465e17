//! `refit --server URL`, and commands beside a daemon on the same machine: what they print is what they print without one, and what goes wrong on the
//! way is told. The estate's engines are dead sockets; what needs real ones is in `e2e_remote.rs`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use refit::inventory::{FileFound, Kind, LayerFound, Package, SourcePackage};
use refit::journal::{AdvisoryRow, ImageRow, Inventories, Journal, KnownAs, Lock, Logs, SqliteJournal};
use refit::model::Digest;
use refit::plan::Change;
use refit::run::{Event, RunOutcome};
use serde_json::json;

const PIPELINE: &str = r#"
name: shop
images: { web: { build: web } }
builders: { b: { endpoint: "unix:///nowhere.sock" } }
hosts: { h: { endpoint: "unix:///nowhere.sock" } }
services: { web: { image: web, deploy: { hosts: "*", replicas: 2 } } }
triggers: { nightly: { cron: "0 3 * * *", timezone: Europe/Brussels, window: 4h } }
"#;
/// Nothing here takes as long.
const SOON: Duration = Duration::from_secs(30);

/// A folder with a shop, and perhaps a daemon that serves it.
struct Home {
    dir: tempfile::TempDir,
    daemon: Option<Child>,
    url: String,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap(), daemon: None, url: String::new() };
        for (path, text) in [("pipelines/shop.yaml", PIPELINE), ("web/Dockerfile", "FROM debian:bookworm-slim\n")] {
            let path = home.shop().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        home
    }

    /// With two runs in its journal, each with a log.
    async fn with_runs() -> Self {
        let home = Self::new();
        let state = home.shop().join(".refit");
        let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        let journal = SqliteJournal::open_to_write(&state, Lock::take(&state, at(0), "test").unwrap()).unwrap();
        for (second, words) in [(0, "refit rollout --yes"), (60, "refit rollout web --yes")] {
            let began = Event::RunBegan { change: Change::Everything, by: "ops@desk".into(), words: words.into() };
            let run = journal.begin_run(at(second), &began).await.unwrap();
            journal.append(run, at(second + 1), &Event::RunEnded { outcome: RunOutcome::NothingToDo }).await.unwrap();
            let mut log = Logs::new(&state).writer(run, &"web".parse().unwrap()).unwrap();
            writeln!(log, "Step 1/1 : FROM debian:bookworm-slim").unwrap();
        }
        drop(journal);
        keep_contents(&state, at(0));
        home
    }

    /// The same, served.
    async fn served() -> Self {
        let mut home = Self::with_runs().await;
        home.serve(&[]);
        home
    }

    fn shop(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    fn command(&self, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(args).current_dir(self.shop()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env("TZ", "UTC").env("COLUMNS", "100").env("USER", "ops");
        command.envs(environment.iter().copied());
        command
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output = self.command(args, environment).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        ended
    }

    fn token(&self, name: &str, role: &str) -> String {
        let ended = self.run(&["token", "add", name, "--role", role], &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out.trim().to_owned()
    }

    /// Starts a daemon and waits until it listens. It asks no engine by itself.
    fn serve(&mut self, more: &[&str]) {
        let listen = ["serve", "--offline", "--drift", "off", "--listen", "127.0.0.1:0"];
        let mut daemon = self.command(&[&listen, more].concat(), &[]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().split_once("listens on ").map(|(_, address)| address.trim().to_owned())).unwrap();
        // Whatever else it says, it must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        self.daemon = Some(daemon);
        let scheme = if more.contains(&"--tls-cert") { "https" } else { "http" };
        self.url = format!("{scheme}://{address}");
    }

    /// A command that asks the daemon with this token.
    fn there(&self, args: &[&str], token: &str) -> Ended {
        self.run(&[&["--server", &self.url], args].concat(), &[("REFIT_TOKEN", token)])
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// What was read of a base, and an advisory about it.
fn keep_contents(state: &Path, at: jiff::Timestamp) {
    let inventories = Inventories::open(state).unwrap();
    let source = Some(SourcePackage { name: "openssl".into(), version: "3.0.11".into() });
    let package = Package {
        kind: Kind::Deb,
        name: "libssl3".into(),
        version: "3.0.11".into(),
        arch: Some("amd64".into()),
        license: Some("Apache-2.0".into()),
        source,
    };
    let files = [("var/lib/dpkg/status".into(), FileFound::Packages(vec![package]))].into();
    let (layer, base) = (Digest::of(b"layer"), KnownAs::Base("debian:bookworm-slim".parse().unwrap()));
    let row = ImageRow { id: Digest::of(b"image"), names: [base].into() };
    inventories.keep(&row, &[layer], &[(layer, LayerFound { files, ..LayerFound::default() })].into(), at).unwrap();
    let affected = serde_json::json!([{ "package": { "ecosystem": "Debian:12", "name": "openssl" } }]);
    let record = serde_json::json!({ "id": "CVE-2099-1", "modified": "2026-01-01T00:00:00Z", "summary": "bad", "affected": affected });
    let advisory = refit::advisory::osv::read(record.to_string().as_bytes()).unwrap();
    inventories.keep_advisories("osv", &[AdvisoryRow::of(&advisory).unwrap()], at).unwrap();
}

#[track_caller]
fn expect(ended: &Ended, code: i32, said: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for said in said {
        assert!(ended.err.contains(said) || ended.out.contains(said), "expected `{said}` in {ended:?}");
    }
}

/// What a schedule says of now is another moment each time.
fn without_moment(mut ended: Ended) -> Ended {
    ended.out = ended.out.lines().filter(|line| !line.starts_with("From ")).collect::<Vec<_>>().join("\n");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_from_elsewhere_is_what_is_seen_here() {
    let home = Home::served().await;
    let token = home.token("eyes", "read");
    let looks: [&[&str]; 55] = [
        &["history"],
        &["history", "--json"],
        &["history", "--limit", "1"],
        &["history", "--verify"],
        &["history", "--verify", "--json"],
        &["show"],
        &["show", "1", "--all"],
        &["show", "1", "--json"],
        &["show", "9"],
        &["logs"],
        &["logs", "1", "web"],
        &["logs", "1", "web", "--json"],
        &["logs", "1", "db"],
        &["logs", "9"],
        &["release"],
        &["release", "--json"],
        &["release", "r7"],
        &["release", "r7", "--json"],
        &["status"],
        &["status", "--json"],
        &["plan"],
        &["graph"],
        &["graph", "--json"],
        &["graph", "--format", "dot"],
        &["graph", "--format", "mermaid"],
        &["graph", "--affected-by", "debian:bookworm-slim"],
        &["graph", "--affected-by", "alpine:3@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],
        &["hosts"],
        &["hosts", "--json"],
        &["rollback", "--list"],
        &["rollback", "web", "--list", "--json"],
        &["rollback", "wep", "--list"],
        &["rollback", "--yes", "--with-data", "--list"],
        &["prune", "--dry-run"],
        &["prune", "--dry-run", "--keep", "2", "--json"],
        &["who-has", "openssl<3.0.15"],
        &["who-has", "openssl<3.0.15", "--json"],
        &["who-has", "--license", "Apache-2.0", "--ever", "--csv"],
        &["who-has", "openssl", "--at", "2026-11-01T12:00:00Z"],
        &["who-has", "openssl<"],
        &["who-has", "--cve", "CVE-2099-1"],
        &["who-has", "--cve", "CVE-1999-1"],
        &["cve"],
        &["cve", "CVE-2099-1", "--json"],
        &["cve", "CVE-1999-1"],
        &["inventory", "show", "debian:bookworm-slim"],
        &["inventory", "show", "debian:bookworm-slim", "--json"],
        &["inventory", "show", "nothing"],
        &["inventory", "diff", "r1", "r2"],
        &["patch", "openssl<9", "--dry-run"],
        &["patch", "CVE-1999-1", "--dry-run"],
        &["patch", "CVE-2099-1", "--dry-run", "--json"],
        &["pause"],
        &["abort", "1"],
        &["pause", "9"],
    ];
    for args in looks {
        assert_eq!(home.there(args, &token), home.run(args, &[]), "refit {args:?}");
    }
    assert_eq!(without_moment(home.there(&["schedule"], &token)), without_moment(home.run(&["schedule"], &[])));
    let schedule: serde_json::Value = serde_json::from_str(&home.there(&["schedule", "--days", "3", "--json"], &token).out).unwrap();
    assert_eq!(schedule["cycles"][0]["trigger"], "nightly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_cannot_be_planned_fails_there_as_it_does_here() {
    let mut home = Home::with_runs().await;
    let token = home.token("ops", "operate");
    let tries: [&[&str]; 4] = [&["rollout", "--yes"], &["rollout", "nobody", "--yes"], &["rollout", "--hosts", "zone=", "--yes"], &["converge"]];
    let here = tries.map(|args| home.run(args, &[]));
    home.serve(&[]);
    for (args, here) in tries.into_iter().zip(here) {
        assert_eq!(home.there(args, &token), here, "refit --server {args:?}");
        assert_eq!(home.run(args, &[]), here, "refit {args:?} beside a daemon");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_so() {
    let home = Home::served().await;
    let (read, operate) = (home.token("eyes", "read"), home.token("ops", "operate"));
    expect(&home.there(&["history"], "refit_0000"), 2, &["does not know this token", "REFIT_TOKEN"]);
    expect(&home.there(&["history"], ""), 2, &["does not know this token, or got none"]);
    expect(&home.there(&["release", "r1", "--unquarantine"], &operate), 2, &["there is no release r1"]);
    // The run that is paused must be there first for a word to be refused.
    expect(&post(&home.url, &read, "/v1/rollouts", r#"{"change":"everything"}"#), 403, &["eyes may read, and this takes operate"]);
    expect(&post(&home.url, &read, "/v1/runs/1/pause", ""), 403, &["this takes operate"]);
    expect(&post(&home.url, &operate, "/v1/rollouts", r#"{"change":{"drain":"h"}}"#), 403, &["this takes admin"]);
    expect(&post(&home.url, &operate, "/v1/rollouts", r#"{"change":{"undrain":"h"}}"#), 403, &["this takes admin"]);
    expect(&post(&home.url, &read, "/v1/rollouts", r#"{"change":{"prune":{"keep":5}}}"#), 403, &["this takes operate"]);
    expect(&post(&home.url, &operate, "/v1/rollouts", r#"{"change":{"prune":{"keep":0}}}"#), 400, &[]);
    expect(&post(&home.url, &operate, "/v1/rollouts", r#"{"change":{"prune":{"keep":5}},"hosts":"*"}"#), 400, &["it takes `keep` alone"]);
    expect(&post(&home.url, &read, "/v1/plans", r#"{"change":{"prune":{"keep":5}}}"#), 400, &["a prune has no plan", "--dry-run"]);
    expect(&post(&home.url, &operate, "/v1/rollouts", r#"{"change":"everything","data":true}"#), 400, &["an earlier release only"]);
    expect(&post(&home.url, &read, "/v1/plans", r#"{"change":{"drain":"nowhere"}}"#), 404, &["the estate has no host `nowhere`"]);
    expect(&home.there(&["inventory", "scan", "web"], &read), 2, &["eyes may read, and this takes operate"]);
    // The daemon's builder is away, which is not the fault of who asks.
    expect(&home.there(&["inventory", "scan", "web"], &operate), 1, &["did not answer", "answered 502"]);
    expect(&home.there(&["inventory", "scan"], &operate), 2, &["there is no release yet", "inventory scan IMAGE"]);
    expect(&get(&home.url, &read, "/v1/prune?keep=0"), 400, &[]);
    expect(&get(&home.url, &read, "/v1/graph?format=png"), 400, &[]);
    expect(&get(&home.url, "refit_0000", "/v1/hosts"), 401, &[]);
    home.run(&["token", "revoke", "eyes"], &[]);
    expect(&home.there(&["history"], &read), 2, &["does not know this token"]);
}

fn post(url: &str, token: &str, path: &str, body: &str) -> Ended {
    request("POST", url, token, path, body)
}

fn get(url: &str, token: &str, path: &str) -> Ended {
    request("GET", url, token, path, "")
}

/// A request by hand: its status, and all of its answer.
fn request(method: &str, url: &str, token: &str, path: &str, body: &str) -> Ended {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: refit\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    write!(stream, "{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ended { code, out: answer, err: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_cannot_be_asked_is_told_in_one_error() {
    let home = Home::with_runs().await;
    let there = |url: &str, environment: &[(&str, &str)]| home.run(&["--server", url, "history"], environment);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    expect(&there(&format!("http://{nobody}"), &[]), 1, &["does not answer", "Connection refused", "help: check that `refit serve` runs"]);
    expect(&there("shop", &[]), 2, &["shop is no address of a refit"]);
    expect(&there("ftp://shop", &[]), 2, &["ftp://shop is no address of a refit"]);
    expect(&there("http://refit.example.com:7334", &[("REFIT_TOKEN", "refit_1")]), 2, &["for everybody to read"]);
    expect(&there("http://127.0.0.1:1", &[("REFIT_TOKEN", "two\nlines")]), 2, &["cannot be sent"]);
    expect(&there("http://127.0.0.1:1", &[("REFIT_TOKEN_FILE", "/nowhere/token")]), 2, &["/nowhere/token", "REFIT_TOKEN_FILE"]);
    for (answer, code, said) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 2, "does not answer as a refit does"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 2, "does not answer as a refit does: it answered 404"),
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 2, "it answered 302"),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad", 1, "is away: 502 Bad Gateway"),
        ("", 1, "does not answer"),
    ] {
        let (address, answered) = answers_once(answer);
        expect(&there(&format!("http://{address}"), &[]), code, &[said]);
        answered.join().unwrap();
    }
}

/// Somebody who gives one answer, whatever is asked.
fn answers_once(answer: &'static str) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = BufReader::new(stream.try_clone().unwrap()).lines();
        while asked.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        stream.write_all(answer.as_bytes()).unwrap();
    });
    (address, answered)
}

/// Runs a command against somebody who gives these answers, one after the other.
fn answered(home: &Home, answers: &[serde_json::Value], args: &[&str]) -> Ended {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let answered = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut length, mut line) = (BufReader::new(stream.try_clone().unwrap()), 0, String::from("begin"));
            while !line.trim().is_empty() {
                line.clear();
                asked.read_line(&mut line).unwrap();
                if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
                    length = told.trim().parse().unwrap();
                }
            }
            asked.read_exact(&mut vec![0; length]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}", answer.len());
            write!(stream, "{head}\r\n\r\n{answer}").unwrap();
        }
    });
    let ended = home.run(&[&["--server", &url], args].concat(), &[]);
    answered.join().unwrap();
    ended
}

#[test]
fn what_an_answer_leaves_out_is_told_and_is_never_nobody() {
    let home = Home::new();
    let answer = json!({ "asked": "CVE-2099-1", "containers": [], "left_out": 3, "not_read": [] });
    for args in [&["--cve", "CVE-2099-1"][..], &["--cve", "CVE-2099-1", "--csv"], &["--cve", "CVE-2099-1", "--json"]] {
        let ended = answered(&home, std::slice::from_ref(&answer), &[&["who-has"], args].concat());
        expect(&ended, 1, &["warning: left out of this answer: 3 more packages in containers"]);
        assert!(!ended.out.contains("no container has"), "{ended:?}");
    }
}

#[test]
fn what_could_not_be_looked_at_is_told_of_staleness_from_elsewhere() {
    let home = Home::new();
    let service = json!({ "service": "web", "image": "web", "release": 1, "bases": [], "fixes": [], "unfixed": 0 });
    let found = json!({ "services": [service], "warnings": ["base debian was not pulled"] });
    let ended = answered(&home, std::slice::from_ref(&found), &["status", "--stale"]);
    expect(&ended, 0, &["warning: base debian was not pulled", "1 service, none known to be behind"]);
    let ended = answered(&home, std::slice::from_ref(&found), &["status", "--stale", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.out).unwrap(), found);
}

#[test]
fn a_named_problem_fails_a_check_only_if_it_is_open_for_so_long() {
    let home = Home::new();
    let exposure = json!({ "known_since": "2026-11-01T00:00:00Z", "first_seen": "2026-11-01T00:00:00Z", "last_gone": null, "spans": [] });
    let seen = json!({
        "id": "CVE-2099-1", "aliases": [], "summary": "bad", "severity": null, "is_open": true, "exposure": exposure, "open_s": 172_800,
        "exposed_s": 172_800, "services": ["web"], "containers": 1, "packages": ["libssl3 3.0"], "fixed": null,
    });
    let found = json!({ "seen": seen, "not_read": [], "advisories": [] });
    for (more, code) in [(&[][..], 1), (&["--open"], 1), (&["--older-than", "1d"], 1), (&["--older-than", "7d"], 0)] {
        let args = [&["cve", "CVE-2099-1"], more].concat();
        expect(&answered(&home, std::slice::from_ref(&found), &args), code, &["open      in 1 container, for 2 d"]);
    }
}

#[test]
fn a_patch_that_is_only_shown_tells_what_its_bases_bring() {
    let home = Home::new();
    let change = json!({ "patch": { "gone": "openssl<3.1", "images": [], "afresh": [], "bases": ["debian"] } });
    let remedy = json!({ "gone": "openssl<3.1", "cure": { "images": [], "bases": [], "hopeless": [] }, "change": change, "as_they_are": {} });
    let package = |version: &str| json!({ "kind": "deb", "name": "openssl", "version": version });
    let changed = json!({ "before": package("3.0"), "after": package("3.1"), "direction": "up" });
    let plan = json!({ "change": change, "bases": {}, "steps": [], "rolls": [] });
    let packages = json!({ "debian": { "added": [], "removed": [], "changed": [changed] } });
    let answers = [json!({ "remedy": remedy, "warnings": [] }), json!({ "hash": "00", "parallel": 1, "packages": packages, "plan": plan })];
    let ended = answered(&home, &answers, &["patch", "openssl<3.1", "--dry-run"]);
    expect(&ended, 0, &["Packages that come with the bases", "~ openssl 3.0 → 3.1"]);
    let ended = answered(&home, &answers, &["patch", "openssl<3.1", "--dry-run", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.out).unwrap()["packages"], packages);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_when_somebody_says_so() {
    let mut home = Home::with_runs().await;
    let (certificate, key) = (home.dir.path().join("refit.pem"), home.dir.path().join("refit.key"));
    let (certificate, key) = (certificate.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned());
    let subject = ["-subj", "/CN=refit", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    let made = openssl.args(subject).args(["-out", &certificate, "-keyout", &key]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = home.token("eyes", "read");
    home.serve(&["--tls-cert", &certificate, "--tls-key", &key]);
    expect(&home.there(&["history"], &token), 1, &["is not trusted: UnknownIssuer", "--server-ca FILE"]);
    let trusting = home.there(&["--server-ca", &certificate, "history"], &token);
    assert_eq!(trusting, home.run(&["history"], &[]));
    let environment = [("REFIT_SERVER", home.url.as_str()), ("REFIT_SERVER_CA", certificate.as_str()), ("REFIT_TOKEN", token.as_str())];
    assert_eq!(home.run(&["history"], &environment), trusting);
    expect(&home.there(&["--server-ca", &key, "history"], &token), 2, &["holds no certificates"]);
    expect(&home.there(&["--server-ca", "/nowhere.pem", "history"], &token), 2, &["/nowhere.pem"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_this_machine_asks_no_server() {
    let home = Home::new();
    for args in [&["check"][..], &["schema"], &["scan"], &["token", "list"], &["completions", "bash"]] {
        expect(&home.run(&[&["--server", "http://127.0.0.1:1"], args].concat(), &[]), 2, &["is about this machine, and asks no server"]);
        expect(&home.run(&[args, &["--server", "http://127.0.0.1:1"]].concat(), &[]), 2, &["asks no server"]);
        expect(&home.run(args, &[("REFIT_SERVER", "http://127.0.0.1:1")]), 0, &[]);
        expect(&home.run(args, &[("REFIT_SERVER", "")]), 0, &[]);
    }
    for args in [&["rollback", "--yes"][..], &["prune", "--yes"], &["hosts", "drain", "h"], &["hosts"], &["graph"]] {
        expect(&home.run(args, &[("REFIT_SERVER", "http://127.0.0.1:1")]), 1, &["refit at http://127.0.0.1:1 does not answer"]);
    }
    for args in [
        &["hosts", "--var", "a=b"][..],
        &["graph", "--var", "a=b"],
        &["prune", "--var", "a=b"],
        &["rollback", "--var", "a=b"],
        &["hosts", "undrain", "h", "--var", "a=b"],
        &["rollout", "--offline"],
        &["rollout", "--var", "a=b"],
        &["plan", "--parallel", "2"],
        &["status", "--var", "a=b"],
        &["inventory", "scan", "--var", "a=b"],
    ] {
        expect(&home.run(args, &[("REFIT_SERVER", "http://127.0.0.1:1")]), 2, &["cannot be chosen here", "refit serve"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_what_needs_the_estate_is_asked_of_it() {
    let home = Home::served().await;
    // It looks, and finds that no engine answers.
    expect(&home.run(&["prune", "--yes"], &[]), 3, &["did not answer", "Nothing to remove"]);
    expect(&home.run(&["rollback", "--with-data", "--yes"], &[]), 2, &["nothing was rolled out yet"]);
    // These find out by themselves that there is nothing to do, as without a daemon.
    expect(&home.run(&["rollback", "--yes"], &[]), 2, &["nothing was rolled out yet"]);
    expect(&home.run(&["resume"], &[]), 2, &["no run is under way"]);
    expect(&home.run(&["approve"], &[]), 2, &["no run is under way"]);
    expect(&home.run(&["hosts", "drain", "h", "--yes"], &[]), 2, &["nothing was released yet"]);
    expect(&home.run(&["rollout", "--offline"], &[]), 2, &["serve.sock carries it out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_the_estate_and_is_no_daemon_is_named_as_ever() {
    let home = Home::new();
    let state = home.shop().join(".refit");
    let _lock = Lock::take(&state, jiff::Timestamp::UNIX_EPOCH, "refit rollout").unwrap();
    // What a daemon that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(state.join("serve.sock")).unwrap());
    for args in [&["rollout", "--yes"][..], &["converge"], &["rollback"], &["prune"]] {
        expect(&home.run(args, &[]), 1, &["the estate is held by `refit rollout`", "wait until it has ended"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_comes_to_nothing_says_why_and_can_be_withdrawn() {
    let home = Home::served().await;
    let token = home.token("ops", "operate");
    let wished = post(&home.url, &token, "/v1/rollouts", r#"{"change":"everything","words":"by hand"}"#);
    expect(&wished, 202, &[r#""as":"new""#]);
    let began = Instant::now();
    let settled = loop {
        let kept = get(&home.url, &token, "/v1/triggers/1");
        if kept.out.contains(r#""why":"#) {
            break kept;
        }
        assert!(began.elapsed() < SOON, "{kept:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    expect(&settled, 200, &["did not answer"]);
    expect(&request("DELETE", &home.url, &token, "/v1/triggers/1", ""), 409, &["did not answer"]);
    expect(&request("DELETE", &home.url, &token, "/v1/triggers/9", ""), 404, &["there is no trigger t9"]);
}
