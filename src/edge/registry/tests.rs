//! Registries that are not as they should be: a small server that says exactly what a test wants said. (A real registry is in `tests/it_registry.rs`.)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::grant::Logins;
use super::line::Waits;
use super::*;
use crate::edge::{Clock, SystemClock};
use crate::pipeline::{Mirror, RegistryAccess};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PASSWORD: &str = "correct-horse-7141";

/// A request as it came.
#[derive(Debug, Clone)]
struct Came {
    /// Method and target: `HEAD /v2/web/manifests/1`.
    line: String,
    head: String,
    body: String,
}

impl Came {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server on loopback; it ends with the test's runtime.
struct Fake {
    registry: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Fake {
    /// Answers each request with the bytes that `answer` makes of it and of the server's own name; no bytes: never.
    async fn start(answer: impl Fn(&Came, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let registry = listener.local_addr().unwrap().to_string();
        let came = Arc::new(Mutex::new(Vec::new()));
        let (answer, name, log) = (Arc::new(answer), registry.clone(), came.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), name.clone(), log.clone()));
            }
        });
        Self { registry, came }
    }

    fn image(&self) -> ImageRef {
        format!("{}/shop/web:1", self.registry).parse().unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.came.lock().unwrap().iter().map(|came| came.line.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&Came, &str) -> String>, name: String, log: Arc<Mutex<Vec<Came>>>) -> Option<()> {
    let mut text = String::new();
    let head_end = loop {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        if let Some(end) = text.find("\r\n\r\n") {
            break end;
        }
    };
    let came =
        Came { line: text.lines().next()?.rsplit_once(' ')?.0.to_owned(), head: text[..head_end].to_owned(), body: text[head_end + 4..].to_owned() };
    log.lock().unwrap().push(came.clone());
    let bytes = answer(&came, &name);
    if bytes.is_empty() {
        std::future::pending::<()>().await;
    }
    stream.write_all(bytes.as_bytes()).await.ok()
}

/// An answer with a body.
fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The answer of a good registry for a manifest, by HEAD or GET.
fn manifest(came: &Came, kind: &str, body: &str) -> String {
    let digest = Digest::of(body.as_bytes()).to_string();
    let headers = [("Content-Type", kind), ("Docker-Content-Digest", &*digest), ("ETag", &*format!("\"{digest}\""))];
    let whole = answer("200 OK", &headers, body);
    if came.line.starts_with("HEAD") { whole[..whole.len() - body.len()].to_owned() } else { whole }
}

fn index(amd64: &str, arm64: &str) -> String {
    let entry = |architecture: &str, content: &str| {
        format!(r#"{{"digest":"{}","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#, Digest::of(content.as_bytes()))
    };
    format!(r#"{{"manifests":[{},{}]}}"#, entry("amd64", amd64), entry("arm64", arm64))
}

fn client() -> RegistryClient {
    reaching(BTreeMap::new(), BTreeMap::new())
}

fn reaching(access: BTreeMap<String, RegistryAccess>, logins: BTreeMap<String, (String, String)>) -> RegistryClient {
    let waits = Waits { connect: Duration::from_secs(5), answer: Duration::from_secs(5), road: Duration::from_secs(20) };
    RegistryClient::with(access, Arc::new(SystemClock), Logins::Fixed(logins), waits)
}

fn with_login(fake: &Fake) -> RegistryClient {
    reaching(BTreeMap::new(), BTreeMap::from([(fake.registry.clone(), ("deploy".to_owned(), PASSWORD.to_owned()))]))
}

/// The only error of a look, which shows no secret whichever way it is printed.
async fn refusal(client: &RegistryClient, image: &ImageRef) -> RegistryError {
    let error = client.look(image, Some("linux/amd64"), None).await.unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    let shown = format!("{error} {error:?} {help}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("t0ken"), "{shown}");
    error
}

#[tokio::test]
async fn an_unchanged_index_costs_one_head() {
    let fake = Fake::start(|came, _| manifest(came, INDEX, &index("a", "b"))).await;
    let client = client();
    let first = client.look(&fake.image(), Some("linux/amd64"), None).await.unwrap();
    assert_eq!((first.digest, first.platform_digest), (Digest::of(index("a", "b").as_bytes()), Some(Digest::of(b"a"))));
    let again = client.look(&fake.image(), Some("linux/arm64/v8"), None).await.unwrap();
    assert_eq!(again.platform_digest, Some(Digest::of(b"b")));
    let by_digest = format!("GET /v2/shop/web/manifests/{}", first.digest);
    assert_eq!(fake.lines(), ["HEAD /v2/shop/web/manifests/1", &by_digest, "HEAD /v2/shop/web/manifests/1"]);
}

#[tokio::test]
async fn a_plain_manifest_costs_one_head_and_has_no_platform() {
    let fake = Fake::start(|came, _| manifest(came, MANIFEST, "{}")).await;
    let look = client().look(&fake.image(), Some("linux/amd64"), None).await.unwrap();
    assert_eq!((look.digest, look.platform_digest), (Digest::of(b"{}"), None));
    assert_eq!(fake.lines(), ["HEAD /v2/shop/web/manifests/1"]);
}

#[tokio::test]
async fn what_did_not_change_need_not_be_said_again() {
    let fake = Fake::start(|came, _| match came.header("if-none-match") {
        Some("\"mark\"") => "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nRateLimit-Remaining: 7;w=60\r\n\r\n".to_owned(),
        _ => manifest(came, INDEX, &index("a", "b")),
    })
    .await;
    let known = Known { digest: Digest::of(b"i"), platform_digest: Some(Digest::of(b"a")), etag: Some("\"mark\"".into()) };
    let look = client().look(&fake.image(), Some("linux/amd64"), Some(&known)).await.unwrap();
    assert_eq!((&look.known(), look.rate_limit.unwrap().remaining), (&known, 7));
    // Known without the platform that is asked for now tells too little: it is not said.
    let less = Known { platform_digest: None, ..known };
    let look = client().look(&fake.image(), Some("linux/amd64"), Some(&less)).await.unwrap();
    assert_eq!(look.platform_digest, Some(Digest::of(b"a")));
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_no_answer() {
    let fake = Fake::start(|_, _| "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()).await;
    assert!(matches!(refusal(&client(), &fake.image()).await, RegistryError::Broken { status: Some(304), .. }));
}

#[tokio::test]
async fn a_digest_that_is_missing_or_none_is_made_of_the_content() {
    for header in ["", "sha512:abc", "none", "sha256:zz"] {
        let fake = Fake::start(move |came, _| {
            let whole = answer("200 OK", &[("Docker-Content-Digest", header), ("Content-Type", "application/json")], "{}");
            if came.line.starts_with("HEAD") { whole[..whole.len() - 2].to_owned() } else { whole }
        })
        .await;
        let look = client().look(&fake.image(), None, None).await.unwrap();
        assert_eq!((look.digest, fake.lines().len()), (Digest::of(b"{}"), 2), "{header}");
    }
    let fake =
        Fake::start(|came, _| if came.line.starts_with("HEAD") { answer("405 No", &[], "") } else { manifest(came, INDEX, &index("a", "b")) }).await;
    assert_eq!(client().look(&fake.image(), Some("linux/amd64"), None).await.unwrap().platform_digest, Some(Digest::of(b"a")));
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let fake = Fake::start(|came, _| {
        let digest = Digest::of(b"something else").to_string();
        let whole = answer("200 OK", &[("Docker-Content-Digest", &digest), ("Content-Type", INDEX)], "{}");
        if came.line.starts_with("HEAD") { whole[..whole.len() - 2].to_owned() } else { whole }
    })
    .await;
    let error = refusal(&client(), &fake.image()).await;
    assert!(matches!(&error, RegistryError::Broken { status: None, why, .. } if why.contains("and sends what is sha256:")), "{error}");
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_told_with_those_that_are() {
    let fake = Fake::start(|came, _| manifest(came, INDEX, &index("a", "b"))).await;
    let error = client().look(&fake.image(), Some("linux/s390x"), None).await.unwrap_err();
    assert_eq!(error.to_string(), format!("shop/web:1 of {} is not there for linux/s390x, only for linux/amd64, linux/arm64", fake.registry));
}

#[tokio::test]
async fn each_status_is_told_for_what_it_is() {
    let status = |status: &'static str, headers: &'static [(&str, &str)]| async move {
        let fake = Fake::start(move |_, _| answer(status, headers, "")).await;
        (refusal(&client(), &fake.image()).await, fake.lines().len())
    };
    let now = SystemClock.now();
    let seconds = |until: &Timestamp| until.duration_since(now).as_secs();
    let (error, asked) = status("429 Too Many Requests", &[("Retry-After", "120")]).await;
    assert!(matches!(&error, RegistryError::RateLimited { until: Some(until), .. } if (119..=150).contains(&seconds(until))), "{error:?}");
    assert_eq!((error.answer(), asked), (Answer::TooMany { until: until(&error) }, 1), "it is left alone");
    let date = ("Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT");
    let (error, _) = status("429 Too Many Requests", Box::leak(Box::new([date]))).await;
    assert_eq!(until(&error), "2100-12-31T23:59:59Z".parse().ok());
    let (error, _) = status("429 Too Many Requests", &[]).await;
    assert_eq!(error.answer(), Answer::TooMany { until: None });
    let (error, _) = status("503 Busy", &[("Retry-After", "5")]).await;
    assert!(until(&error).is_some());
    let (error, _) = status("503 Busy", &[]).await;
    assert!(matches!(error, RegistryError::Broken { status: Some(503), .. }) && error.answer() == Answer::Failed);
    let (error, _) = status("500 Oops", &[]).await;
    assert!(matches!(error, RegistryError::Broken { status: Some(500), .. }));
    let (error, _) = status("404 Not Found", &[]).await;
    assert!(matches!(&error, RegistryError::NotFound { what, .. } if what == "shop/web:1"));
    let (error, _) = status("403 Forbidden", &[]).await;
    assert!(matches!(error, RegistryError::Unauthorised { .. }));
    let (error, asked) = status("401 Unauthorized", &[("WWW-Authenticate", "Negotiate")]).await;
    assert!(matches!(error, RegistryError::Unauthorised { .. }) && asked == 1);
    let (error, _) = status("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=x")]).await;
    assert!(error.to_string().ends_with("nobody is logged in there"), "{error}");
}

fn until(error: &RegistryError) -> Option<Timestamp> {
    if let RegistryError::RateLimited { until, .. } = error { *until } else { panic!("{error:?}") }
}

#[tokio::test]
async fn a_registry_that_was_broken_is_asked_again_as_if_nothing_had_been() {
    let fake = Fake::start({
        let broken = Mutex::new(true);
        move |came, _| if std::mem::take(&mut *broken.lock().unwrap()) { answer("500 Oops", &[], "") } else { manifest(came, MANIFEST, "{}") }
    })
    .await;
    let client = client();
    assert!(matches!(refusal(&client, &fake.image()).await, RegistryError::Broken { .. }));
    assert!(client.look(&fake.image(), None, None).await.is_ok());
}

/// A registry that gives tokens, of which it takes only the one that was given last.
async fn token_registry(login: &'static str) -> Fake {
    let given = Mutex::new(0);
    Fake::start(move |came, name| {
        let mut given = given.lock().unwrap();
        if came.line.starts_with("GET /token") {
            if came.header("authorization").unwrap_or_default() != login {
                return answer("401 Unauthorized", &[], PASSWORD);
            }
            *given += 1;
            return answer("200 OK", &[], &format!(r#"{{"token":"t0ken{given}","expires_in":300}}"#));
        }
        if came.header("authorization") == Some(&*format!("Bearer t0ken{given}")) {
            return manifest(came, MANIFEST, "{}");
        }
        let challenge = format!(r#"Bearer realm="http://{name}/token",service="lab",scope="repository:shop/web:pull""#);
        answer("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "")
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_not_taken_any_more() {
    let fake = token_registry("").await;
    let client = client();
    for _ in 0..3 {
        client.look(&fake.image(), None, None).await.unwrap();
    }
    let (head, token) = ("HEAD /v2/shop/web/manifests/1", "GET /token?service=lab&scope=repository%3Ashop%2Fweb%3Apull");
    assert_eq!(fake.lines(), [head, token, head, head, head]);
    // Somebody else gets a token, which makes ours worthless.
    reaching(BTreeMap::new(), BTreeMap::new()).look(&fake.image(), None, None).await.unwrap();
    client.look(&fake.image(), None, None).await.unwrap();
    assert_eq!(fake.lines()[5..], [head, token, head, head, token, head]);
}

#[tokio::test]
async fn a_token_is_fetched_with_the_login_and_a_wrong_one_is_told() {
    let fake = token_registry("Basic ZGVwbG95OmNvcnJlY3QtaG9yc2UtNzE0MQ==").await;
    with_login(&fake).look(&fake.image(), None, None).await.unwrap();
    let error = refusal(&client(), &fake.image()).await;
    assert!(error.to_string().ends_with("nobody is logged in there, and it gives no token to nobody"), "{error}");
    let other = token_registry("Basic b3RoZXI=").await;
    let error = refusal(&with_login(&other), &other.image()).await;
    assert!(error.to_string().ends_with("the login that is kept for it is not taken"), "{error}");
}

#[tokio::test]
async fn a_registry_that_always_wants_another_login_is_asked_twice_and_no_more() {
    for challenge in ["Basic realm=x", "Bearer realm=\"http://NAME/token\""] {
        let fake = Fake::start(move |came, name| match came.line.starts_with("GET /token") {
            true => answer("200 OK", &[], r#"{"access_token":"t0ken"}"#),
            false => answer("401 Unauthorized", &[("WWW-Authenticate", &challenge.replace("NAME", name))], ""),
        })
        .await;
        let error = refusal(&with_login(&fake), &fake.image()).await;
        assert!(matches!(error, RegistryError::Unauthorised { .. }), "{error}");
        assert_eq!(fake.lines().iter().filter(|line| line.starts_with("HEAD")).count(), 2);
    }
}

#[tokio::test]
async fn tokens_that_are_none_are_told() {
    for token in ["", "{}", r#"{"token":""}"#, r#"{"token":"t0ken\nX: y"}"#, "[", "null"] {
        let fake = Fake::start(move |came, name| match came.line.starts_with("GET /token") {
            true => answer("200 OK", &[], token),
            false => answer("401 Unauthorized", &[("WWW-Authenticate", &format!("Bearer realm=\"http://{name}/token\""))], ""),
        })
        .await;
        let error = refusal(&client(), &fake.image()).await;
        assert!(error.to_string().ends_with("its place for tokens gave none"), "{token}: {error}");
    }
    for realm in ["ftp://x/token", "token", "https://deploy:t0ken@x/token"] {
        let fake = Fake::start(move |_, _| answer("401 Unauthorized", &[("WWW-Authenticate", &format!("Bearer realm=\"{realm}\""))], "")).await;
        let error = refusal(&with_login(&fake), &fake.image()).await;
        assert!(error.to_string().ends_with("no place for tokens that a login may be sent to"), "{realm}: {error}");
    }
}

#[tokio::test]
async fn a_login_does_not_go_along_to_where_a_registry_sends_us() {
    let elsewhere = Fake::start(|came, _| manifest(came, MANIFEST, "{}")).await;
    let target = format!("http://{}/v2/shop/web/manifests/1", elsewhere.registry);
    let fake = Fake::start(move |came, _| match came.header("authorization") {
        Some(_) => answer("307 Elsewhere", &[("Location", &target)], ""),
        None => answer("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=x")], ""),
    })
    .await;
    with_login(&fake).look(&fake.image(), None, None).await.unwrap();
    let came = elsewhere.came.lock().unwrap().clone();
    assert_eq!((came.len(), came[0].header("authorization"), came[0].body.as_str()), (1, None, ""));
}

#[tokio::test]
async fn a_registry_that_sends_us_round_in_circles_is_left() {
    let fake = Fake::start(|_, name| answer("307 Elsewhere", &[("Location", &format!("http://{name}/v2/shop/web/manifests/1"))], "")).await;
    let error = refusal(&client(), &fake.image()).await;
    assert!(error.to_string().contains("it sends us on and on"), "{error}");
    assert!(fake.lines().len() <= 7, "{:?}", fake.lines());
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_has_no_end_is_no_answer() {
    let get = |body: String| async move {
        let fake = Fake::start(move |came, _| match came.line.starts_with("HEAD") {
            true => answer("200 OK", &[], ""),
            false => body.clone(),
        })
        .await;
        refusal(&client(), &fake.image()).await
    };
    let error = get("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{ \"mani".to_owned()).await;
    assert!(error.to_string().ends_with("its answer broke off in the middle"), "{error}");
    let error = get("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_owned()).await;
    assert!(matches!(&error, RegistryError::TooLarge { most, .. } if most == "4096 KiB"), "{error}");
    let error = get(format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat((4 << 20) + 1))).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    let error = get("HTTP/1.1 200 OK\r\n\r\n<html>".to_owned()).await;
    assert!(error.to_string().ends_with("what it sends is no manifest (line 1, column 1)"), "{error}");
    let error = get("nonsense\r\n\r\n".to_owned()).await;
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_not_waited_for_for_ever() {
    let fake = Fake::start(|_, _| String::new()).await;
    let quick = Waits { connect: Duration::from_millis(50), answer: Duration::from_millis(50), road: Duration::from_secs(20) };
    let client = RegistryClient::with(BTreeMap::new(), Arc::new(SystemClock), Logins::Fixed(BTreeMap::new()), quick);
    let error = refusal(&client, &fake.image()).await;
    assert!(error.to_string().ends_with("its answer did not come in time"), "{error}");
    let road = Waits { answer: Duration::from_secs(60), road: Duration::from_millis(50), ..quick };
    let client = RegistryClient::with(BTreeMap::new(), Arc::new(SystemClock), Logins::Fixed(BTreeMap::new()), road);
    assert!(matches!(refusal(&client, &fake.image()).await, RegistryError::Unreachable { .. }));
    drop(fake);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = refusal(&client, &format!("{nobody}/web").parse().unwrap()).await;
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn tags_are_listed_page_by_page_and_have_an_end() {
    let fake = Fake::start(|came, _| match came.line.as_str() {
        "GET /v2/shop/web/tags/list?n=1000" => {
            answer("200 OK", &[("Link", "<http://inner/v2/shop/web/tags/list?n=1000&last=b>; rel=\"next\"")], r#"{"tags":["a","b"]}"#)
        }
        "GET /v2/shop/web/tags/list?n=1000&last=b" => answer("200 OK", &[], r#"{"tags":["c", "", "no tag", "../d", "e\n"]}"#),
        _ => answer("404 Not Found", &[], ""),
    })
    .await;
    assert_eq!(client().tags(&fake.image()).await.unwrap(), ["a", "b", "c"]);
    let other: ImageRef = format!("{}/other", fake.registry).parse().unwrap();
    let error = client().tags(&other).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} has no tags of other", fake.registry));

    let circle = Fake::start(|_, _| answer("200 OK", &[("Link", "</v2/shop/web/tags/list?again>; rel=next")], r#"{"tags":["a"]}"#)).await;
    assert!(matches!(client().tags(&circle.image()).await, Err(RegistryError::TooLarge { .. })));
    assert_eq!(circle.lines().len(), 200);
    let many = Fake::start(|_, _| answer("200 OK", &[], &format!(r#"{{"tags":["a"{}]}}"#, ",\"a\"".repeat(tags::TAGS_MAX)))).await;
    assert!(matches!(client().tags(&many.image()).await, Err(RegistryError::TooLarge { .. })));
    for (body, expected) in [(r#"{"tags":null}"#, true), ("{}", true), ("[", false), (r#"{"tags":[1]}"#, false)] {
        let fake = Fake::start(move |_, _| answer("200 OK", &[], body)).await;
        let tags = client().tags(&fake.image()).await;
        assert_eq!(tags.as_ref().is_ok_and(Vec::is_empty), expected, "{body}: {tags:?}");
    }
}

#[tokio::test]
async fn mirrors_are_asked_first_and_passed_over_when_they_do_not_know() {
    let mirror =
        Fake::start(|came, _| if came.line.contains("/hub/shop/web/") { manifest(came, MANIFEST, "{ }") } else { answer("404 No", &[], "") }).await;
    let broken = Fake::start(|_, _| answer("500 Oops", &[], "")).await;
    let own = Fake::start(|came, _| if came.line.contains("/shop/") { manifest(came, MANIFEST, "{}") } else { answer("429 No", &[], "") }).await;
    let access = |mirrors: &[String]| {
        let mirrors = mirrors.iter().map(|text| Mirror::parse(text).unwrap()).collect();
        BTreeMap::from([(own.registry.clone(), RegistryAccess { mirrors, ..RegistryAccess::default() })])
    };
    let through = reaching(access(&[broken.registry.clone(), format!("{}/hub", mirror.registry)]), BTreeMap::new());
    assert_eq!(through.look(&own.image(), None, None).await.unwrap().digest, Digest::of(b"{ }"));
    assert_eq!((broken.lines().len(), own.lines().len()), (1, 0));
    let past = reaching(access(&[broken.registry.clone(), mirror.registry.clone()]), BTreeMap::new());
    assert_eq!(past.look(&own.image(), None, None).await.unwrap().digest, Digest::of(b"{}"));
    // What the registry itself says is the last word.
    let other: ImageRef = format!("{}/other", own.registry).parse().unwrap();
    assert!(matches!(refusal(&past, &other).await, RegistryError::RateLimited { .. }));
}

#[tokio::test]
async fn what_is_not_as_the_estate_says_is_told_with_the_next_move() {
    let fake = Fake::start(|came, _| manifest(came, MANIFEST, "{}")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let access = BTreeMap::from([(fake.registry.clone(), RegistryAccess { ca: Some(file.clone()), ..RegistryAccess::default() })]);
    let refused = || async { refusal(&reaching(access.clone(), BTreeMap::new()), &fake.image()).await.to_string() };
    assert!(refused().await.contains("ca.pem cannot be read: No such file"), "{}", refused().await);
    std::fs::write(&file, "nothing").unwrap();
    assert!(refused().await.contains("ca.pem holds no certificate"), "{}", refused().await);
}
