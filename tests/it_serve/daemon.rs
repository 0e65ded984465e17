//! An estate in a folder of its own, and the real daemon on it.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

/// What every hook of these estates is authenticated with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The base of the estate's image.
pub(crate) const BASE: &str = "registry.example.com:5000/os:stable";
/// Nothing takes longer here, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// One image on one base, one service on one host, and a hook for each way of proving who one is. `MORE` is what a test adds.
const PIPELINE: &str = r#"
name: shop
builders: { build: { endpoint: "unix:///nowhere/docker.sock" } }
hosts: { a: { endpoint: "unix:///nowhere/docker.sock" } }
images: { web: { build: images/web } }
services: { web: { image: web, deploy: { hosts: "*" } } }
secrets: { hook: { environment: HOOK_SECRET } }
hooks:
  signed: { format: github, secrets: [hook] }
  fixed: { format: distribution, secrets: [hook] }
  any: { secrets: [hook], auth: authorization, fields: { repository: /image/name, tag: /image/tag } }
  hidden: { format: docker-hub, secrets: [hook] }
"#;

/// An estate in a folder.
pub(crate) struct Shop {
    folder: TempDir,
    client: Client,
}

/// A daemon that runs; dropped, it is killed.
pub(crate) struct Daemon {
    child: Child,
    client: Client,
    /// Where it listens, `127.0.0.1:40123`.
    pub(crate) address: String,
    log: PathBuf,
    log_begins: usize,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// One whose pipeline says more.
    pub(crate) fn with(more: &str) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap(), client: client(|builder| builder) };
        shop.write("images/web/Dockerfile", &format!("FROM {BASE}\nRUN true\n"));
        shop.write("pipelines/shop.yaml", &(PIPELINE.to_owned() + more));
        fs::create_dir_all(shop.path("home")).unwrap();
        shop
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_under(&[], args)
    }

    fn command_under(&self, program: &[&str], args: &[&str]) -> Command {
        let words = [program, &[env!("CARGO_BIN_EXE_refit")], args].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).env_clear().env("HOME", self.path("home")).env("NO_COLOR", "1");
        command.env("PATH", std::env::var("PATH").unwrap()).env("HOOK_SECRET", SECRET).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn refit(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must fail with this code and say all of this.
    #[track_caller]
    pub(crate) fn expect_refused(&self, args: &[&str], code: i32, says: &[&str]) {
        let ended = self.refit(args);
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{err}");
        says.iter().for_each(|text| assert!(err.contains(text), "`{text}` is not in:\n{err}"));
    }

    /// Makes a token.
    pub(crate) fn token(&self, name: &str, role: &str) -> String {
        let made = self.refit(&["token", "add", name, "--role", role]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// Starts the daemon on a free port of loopback, and waits until it serves. What it hears settles for minutes, so that it waits.
    pub(crate) async fn serve(&self) -> Daemon {
        self.serve_with(&["--listen", "127.0.0.1:0", "--offline", "--debounce", "5m"]).await
    }

    /// The same with these arguments and no others.
    pub(crate) async fn serve_with(&self, args: &[&str]) -> Daemon {
        self.serve_under(&[], args).await
    }

    /// The same, started by another program.
    pub(crate) async fn serve_under(&self, program: &[&str], args: &[&str]) -> Daemon {
        let log = self.path("serve.log");
        let log_begins = fs::metadata(&log).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap());
        let err = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = self.command_under(program, &[&["serve"], args].concat());
        let child = command.stdout(File::create(self.path("serve.out")).unwrap()).stderr(err).spawn().unwrap();
        let mut daemon = Daemon { child, client: self.client.clone(), address: String::new(), log, log_begins };
        daemon.says("serves").await;
        let log = daemon.log();
        let listens = log.lines().find_map(|line| line.split_once("listens on ")).expect("it says where it listens");
        // In a log for machines more of its line comes behind.
        let address: String = listens.1.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
        daemon.address = address.replace("0.0.0.0", "127.0.0.1");
        daemon
    }
}

impl Daemon {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged since it was started.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()[self.log_begins..]).into_owned()
    }

    /// Waits until it says this in its log.
    pub(crate) async fn says(&mut self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended without saying `{text}`:\n{}", self.log());
            assert!(began.elapsed() < PATIENCE, "it did not say `{text}`:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks as the bearer of a token, or as nobody.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Value {
        let answer = self.ask(Method::GET, path, Some(token), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    /// Sends a hook.
    pub(crate) async fn hook(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let request = headers.iter().fold(self.client.post(self.url(path)), |request, (name, value)| request.header(*name, *value));
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    /// Sends what GitHub would of its `ping` or of a package, signed.
    pub(crate) async fn signed(&self, delivery: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("x-github-event", "package"), ("x-github-delivery", delivery)];
        self.hook("/hooks/signed", &[&headers[..], &[("x-hub-signature-256", &signature(body))]].concat(), body.to_owned()).await
    }

    /// All triggers, the newest first.
    pub(crate) async fn triggers(&self, token: &str) -> Vec<Value> {
        let page = self.get("/v1/triggers", token).await;
        page["items"].as_array().unwrap().clone()
    }

    /// The value of one line of its metrics, such as `refit_polls_total{result="failed"}`; 0 if it is not there.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.ask(Method::GET, "/metrics", None, None).await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end, and waits until it has; gives back its exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = self.log();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        Self { status: response.status().as_u16(), kind, text: response.text().await.unwrap() }
    }

    /// Asserts that it is this problem, as RFC 9457 has it.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16) -> Value {
        assert_eq!((self.status, self.kind.as_str()), (status, "application/problem+json"), "{}", self.text);
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem["status"], status);
        problem
    }
}

/// A client that uses no proxy, made with further settings.
pub(crate) fn client(more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    more(Client::builder().no_proxy()).build().unwrap()
}

/// GitHub's signature of a body.
pub(crate) fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    format!("sha256={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// What CNCF Distribution says of a push.
pub(crate) fn pushed(id: &str, image: &str) -> String {
    let (name, tag) = image.rsplit_once(':').unwrap();
    let (host, repository) = name.split_once('/').unwrap();
    let event = serde_json::json!({
        "id": id,
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "repository": repository,
            "tag": tag,
            "digest": format!("sha256:{}", "9f".repeat(32)),
        },
        "request": { "host": host },
    });
    serde_json::json!({ "events": [event] }).to_string()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
