//! Asking a real registry, CNCF Distribution as Debian has it: digests, indexes, tags, logins, TLS and a mirror. Each test starts its own on a free
//! port of loopback. (What registries do when something is wrong with them is in the client's own tests.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit::edge::{Look, Registry as _, RegistryClient, RegistryError, SystemClock};
use refit::model::{Digest, ImageRef};
use refit::pipeline::{Follow, Mirror, RegistryAccess, TagOrder, TagPattern};
use refit::trigger::watch::{Meaning, Sightings, newest};
use reqwest::StatusCode;
use tempfile::TempDir;

const REGISTRY: &str = "/usr/bin/docker-registry";
const USER: &str = "deploy";
const PASSWORD: &str = "correct-horse-7141";
/// `htpasswd -Bbn deploy correct-horse-7141`
const HTPASSWD: &str = "deploy:$2y$05$18kIgmsBU11yuC/7CEb71OLdxJy5av0PFi7SaPu7KuHKTw7IMdXh2\n";
/// `deploy:correct-horse-7141`, and `deploy:wrong`, as Docker's configuration keeps them.
const AUTH: &str = "ZGVwbG95OmNvcnJlY3QtaG9yc2UtNzE0MQ==";
const AUTH_WRONG: &str = "ZGVwbG95Ondyb25n";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Which image [`look_for_another_test`] looks at.
const LOOK_AT: &str = "REFIT_TEST_LOOK_AT";

/// A registry that ends with the test.
struct Registry {
    folder: TempDir,
    child: Child,
    name: String,
    scheme: &'static str,
}

impl Registry {
    fn plain() -> Self {
        Self::start("http", |_| String::new())
    }

    /// One whose configuration has more lines, made with the folder that is its own.
    fn start(scheme: &'static str, more: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let name = format!("127.0.0.1:{port}");
        let more = more(folder.path());
        let tls = if scheme == "https" {
            let file = |name: &str| folder.path().join(name).display().to_string();
            format!(", tls: {{ certificate: {}, key: {} }}", file("server.pem"), file("server.key"))
        } else {
            String::new()
        };
        let files = folder.path().join("files").display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {files} }} }}\n\
             http: {{ addr: \"{name}\", secret: any{tls} }}\n{more}"
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new(REGISTRY);
        command.arg("serve").arg(folder.path().join("config.yml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the registry starts");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "the registry ended at once");
            assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for the registry");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { folder, child, name, scheme }
    }

    fn image(&self, rest: &str) -> ImageRef {
        format!("{}/{rest}", self.name).parse().unwrap()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The pushing half of the protocol, which refit leaves to engines.
    fn pusher(&self) -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy();
        let client = match fs::read(self.folder.path().join("ca.pem")) {
            Ok(ca) => client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).unwrap()),
            Err(_) => client,
        };
        client.build().unwrap()
    }

    /// Uploads content, and returns its descriptor.
    async fn blob(&self, repository: &str, content: &str) -> String {
        let digest = Digest::of(content.as_bytes());
        let begin = self.pusher().post(format!("{}://{}/v2/{repository}/blobs/uploads/", self.scheme, self.name)).basic_auth(USER, Some(PASSWORD));
        let begun = begin.send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::ACCEPTED);
        let place = begun.headers()["location"].to_str().unwrap();
        let put = self.pusher().put(format!("{place}&digest={digest}")).basic_auth(USER, Some(PASSWORD)).body(content.to_owned());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
        format!("\"digest\":\"{digest}\",\"size\":{}", content.len())
    }

    /// Pushes a manifest under a tag or its digest.
    async fn put(&self, repository: &str, reference: &str, kind: &str, body: &str) -> Digest {
        let url = format!("{}://{}/v2/{repository}/manifests/{reference}", self.scheme, self.name);
        let put = self.pusher().put(url).header("content-type", kind).basic_auth(USER, Some(PASSWORD)).body(body.to_owned());
        let response = put.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
        Digest::of(body.as_bytes())
    }

    /// Pushes an image that is `level`, and returns its manifest.
    async fn push(&self, repository: &str, tag: &str, level: &str) -> String {
        let config = self.blob(repository, &format!("{{\"level\":\"{level}\"}}")).await;
        let layer = self.blob(repository, level).await;
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",{config}}},\
             \"layers\":[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",{layer}}}]}}"
        );
        self.put(repository, tag, MANIFEST, &manifest).await;
        manifest
    }

    /// Pushes an index of two images under a tag, and returns its digest and those of the images.
    async fn push_index(&self, repository: &str, tag: &str, amd64: &str, arm64: &str) -> [Digest; 3] {
        let mut entries = Vec::new();
        let mut digests = Vec::new();
        for (architecture, level) in [("amd64", amd64), ("arm64", arm64)] {
            let manifest = self.push(repository, &format!("{tag}-{architecture}"), level).await;
            let digest = Digest::of(manifest.as_bytes());
            digests.push(digest);
            entries.push(format!(
                "{{\"mediaType\":\"{MANIFEST}\",\"digest\":\"{digest}\",\"size\":{},\"platform\":{{\"os\":\"linux\",\"architecture\":\"{architecture}\"}}}}",
                manifest.len()
            ));
        }
        let index = format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{}]}}", entries.join(","));
        let digest = self.put(repository, tag, INDEX, &index).await;
        [digest, digests[0], digests[1]]
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether there is a registry. Without it a test fails, unless the caller has asked for no set-up at all.
fn there() -> bool {
    let there = Path::new(REGISTRY).exists();
    if !there {
        assert!(std::env::var("REFIT_NO_ENGINE").is_ok_and(|value| value == "1"), "no {REGISTRY}: run tests/lab/setup.sh --tests");
        eprintln!("left out because of REFIT_NO_ENGINE=1 and no {REGISTRY}");
    }
    there
}

fn client(access: &[(&str, RegistryAccess)]) -> RegistryClient {
    let access: BTreeMap<String, RegistryAccess> = access.iter().map(|(name, access)| ((*name).to_owned(), access.clone())).collect();
    RegistryClient::new(access, Arc::new(SystemClock))
}

async fn look(client: &RegistryClient, image: &ImageRef) -> Result<Look, RegistryError> {
    client.look(image, Some("linux/amd64"), None).await
}

#[tokio::test]
async fn a_tag_that_moves_is_seen_to_move() {
    if !there() {
        return;
    }
    let mut registry = Registry::plain();
    let (client, image) = (client(&[]), registry.image("shop/os:stable"));
    let one = registry.push("shop/os", "stable", "one").await;
    let first = look(&client, &image).await.unwrap();
    assert_eq!((first.digest, first.platform_digest), (Digest::of(one.as_bytes()), None));
    assert_eq!(first.etag, Some(format!("\"{}\"", first.digest)));
    let same = client.look(&image, Some("linux/amd64"), Some(&first.known())).await.unwrap();
    assert_eq!(same, first);

    let two = registry.push("shop/os", "stable", "two").await;
    let moved = client.look(&image, Some("linux/amd64"), Some(&first.known())).await.unwrap();
    assert_eq!(moved.digest, Digest::of(two.as_bytes()));
    let by_digest = look(&client, &image.with_digest(first.digest)).await.unwrap();
    assert_eq!(by_digest.digest, first.digest, "the old one is still there under its digest");

    for (rest, what) in [("shop/os:never", "shop/os:never"), ("shop/nothing:stable", "shop/nothing:stable")] {
        let error = look(&client, &registry.image(rest)).await.unwrap_err();
        assert!(matches!(&error, RegistryError::NotFound { what: said, .. } if said == what), "{error}");
    }
    registry.stop();
    let error = look(&client, &image).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unreachable { why, .. } if why.contains("refused")), "{error}");
}

#[tokio::test]
async fn an_index_that_changes_for_other_platforms_only_has_not_moved() {
    if !there() {
        return;
    }
    let registry = Registry::plain();
    let (client, image) = (client(&[]), registry.image("shop/os:12"));
    let mut sightings = Sightings::default();
    let now = "2026-09-01T00:00:00Z".parse().unwrap();
    let [index, amd64, _] = registry.push_index("shop/os", "12", "one", "one").await;
    let mut judge = |look: &Look| sightings.judge(look.shown(), Some(index), Duration::ZERO, now);

    let first = look(&client, &image).await.unwrap();
    assert_eq!((first.digest, first.platform_digest, judge(&first)), (index, Some(amd64), Meaning::Same));
    let [for_others, ..] = registry.push_index("shop/os", "12", "one", "two").await;
    let second = client.look(&image, Some("linux/amd64"), Some(&first.known())).await.unwrap();
    assert_eq!((second.digest, second.platform_digest, judge(&second)), (for_others, Some(amd64), Meaning::Same));
    let [_, moved, _] = registry.push_index("shop/os", "12", "two", "two").await;
    let third = client.look(&image, Some("linux/amd64"), Some(&second.known())).await.unwrap();
    assert_eq!((third.platform_digest, judge(&third)), (Some(moved), Meaning::Moved));

    let error = client.look(&image, Some("linux/s390x"), None).await.unwrap_err();
    assert!(error.to_string().ends_with("is not there for linux/s390x, only for linux/amd64, linux/arm64"), "{error}");
}

#[tokio::test]
async fn of_all_tags_the_newest_is_found() {
    if !there() {
        return;
    }
    let registry = Registry::plain();
    let manifest = registry.push("shop/os", "latest", "one").await;
    for n in 0..120 {
        registry.put("shop/os", &format!("3.{n}.1-slim"), MANIFEST, &manifest).await;
    }
    registry.put("shop/os", "bookworm-20260113-slim", MANIFEST, &manifest).await;
    let tags = client(&[]).tags(&registry.image("shop/os")).await.unwrap();
    assert_eq!(tags.len(), 122);
    let newest = |rule: &Follow| newest(rule, tags.iter().map(String::as_str)).map(str::to_owned);
    let range = Follow::Semver { range: "^3.12".parse().unwrap(), prefix: String::new(), suffix: "-slim".into() };
    assert_eq!(newest(&range).as_deref(), Some("3.119.1-slim"));
    let dated = Follow::Regex { pattern: TagPattern::parse(r"bookworm-\d{8}-slim").unwrap(), order: TagOrder::Numeric };
    assert_eq!(newest(&dated).as_deref(), Some("bookworm-20260113-slim"));
    let error = client(&[]).tags(&registry.image("shop/nothing")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

/// Looks at an image in a process whose environment has this login, and returns what it said.
fn look_with_login(image: &ImageRef, auth: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let auths = auth.map(|auth| format!("\"{}\": {{ \"auth\": \"{auth}\" }}", image.registry())).unwrap_or_default();
    fs::write(folder.path().join("config.json"), format!("{{ \"auths\": {{ {auths} }} }}")).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "look_for_another_test", "--ignored", "--nocapture"]);
    let output = again.env("DOCKER_CONFIG", folder.path()).env(LOOK_AT, image.as_str()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains(PASSWORD) && !said.contains(AUTH), "{said}");
    said
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn look_for_another_test() {
    let Ok(image) = std::env::var(LOOK_AT) else { return };
    let client = client(&[]);
    // Twice: the second time with what the first one learnt.
    for _ in 0..2 {
        match look(&client, &image.parse().unwrap()).await {
            Ok(look) => println!("said {}", look.digest),
            Err(error) => println!("said {error}: {}", miette::Diagnostic::help(&error).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_private_registry_shows_itself_to_who_is_logged_in() {
    if !there() {
        return;
    }
    let registry = Registry::start("http", |folder| {
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
        format!("auth: {{ htpasswd: {{ realm: lab, path: {} }} }}\n", folder.join("htpasswd").display())
    });
    let image = registry.image("shop/os:stable");
    let manifest = registry.push("shop/os", "stable", "one").await;

    let said = look_with_login(&image, Some(AUTH));
    assert_eq!(said.matches(&format!("said {}", Digest::of(manifest.as_bytes()))).count(), 2, "{said}");
    let login = format!("`docker login {}`", registry.name);
    for (auth, why) in [(None, "nobody is logged in there"), (Some(AUTH_WRONG), "it asks for a login again and again"), (Some("!"), "cannot be read")]
    {
        let said = look_with_login(&image, auth);
        assert!(said.contains(why) && said.contains(&login), "{auth:?}: {said}");
    }
}

/// Makes an authority and a certificate of it for 127.0.0.1 in a folder.
fn certificates(folder: &Path) {
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=lab-authority -days 2 && \
                  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=lab && \
                  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem -days 2";
    let output = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn with_ca(file: PathBuf) -> RegistryAccess {
    RegistryAccess { ca: Some(file), ..RegistryAccess::default() }
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_is_trusted_where_the_estate_names_it() {
    if !there() {
        return;
    }
    let registry = Registry::start("https", |folder| {
        certificates(folder);
        String::new()
    });
    let image = registry.image("shop/os:stable");
    let manifest = registry.push("shop/os", "stable", "one").await;
    let trusting = client(&[(&registry.name, with_ca(registry.folder.path().join("ca.pem")))]);
    assert_eq!(look(&trusting, &image).await.unwrap().digest, Digest::of(manifest.as_bytes()));

    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let error = look(&client(&[(&registry.name, with_ca(other.path().join("ca.pem")))]), &image).await.unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(error.to_string().contains("certificate") && help.contains("{ ca: certs/ca.pem }"), "{error}: {help}");

    // Plain HTTP to one that speaks TLS, and TLS to one that speaks plain HTTP.
    let error = look(&client(&[]), &image).await.unwrap_err();
    assert!(matches!(error, RegistryError::Broken { status: Some(400), .. }), "{error}");
    let plain = Registry::plain();
    let access = with_ca(registry.folder.path().join("ca.pem"));
    let error = look(&client(&[(&plain.name, access)]), &plain.image("shop/os:stable")).await.unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("insecure: true"), "{error}: {help}");
}

#[tokio::test]
async fn a_mirror_is_asked_before_the_registry_and_passed_over_when_it_is_away() {
    if !there() {
        return;
    }
    let mut own = Registry::plain();
    let mut mirror = Registry::start("http", |_| format!("proxy: {{ remoteurl: \"http://{}\" }}\n", own.name));
    let manifest = own.push("shop/os", "stable", "one").await;
    let image = own.image("shop/os:stable");
    let mirrors = vec![Mirror::parse(&mirror.name).unwrap()];
    let client = client(&[(&own.name, RegistryAccess { mirrors, ..RegistryAccess::default() })]);
    assert_eq!(look(&client, &image).await.unwrap().digest, Digest::of(manifest.as_bytes()));

    mirror.stop();
    let two = own.push("shop/os", "stable", "two").await;
    assert_eq!(look(&client, &image).await.unwrap().digest, Digest::of(two.as_bytes()));
    own.stop();
    let error = look(&client, &image).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Unreachable { registry, .. } if *registry == own.name), "{error}");
}
