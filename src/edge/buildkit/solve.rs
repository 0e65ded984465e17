//! One build from its request to the image's id.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{CacheOptions, SolveRequest, SolveResponse, StatusRequest};
use futures_util::future::{Either, select};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use super::dial::{Dial, silent, upgrade};
use super::filesync::{Folders, Unreadable};
use super::pinned::{FILE_NAME, PinnedFolder};
use super::progress::Steps;
use super::session;
use super::syntax;
use super::wire::Wire;
use super::words::solve_error;
use crate::edge::{BuildError, BuildProgress, BuildRequest, EngineError};
use crate::model::Digest;

/// A step may be silent for hours; the connection may not. An engine that answers neither of these is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_WAIT: Duration = Duration::from_secs(20);
/// The last news of a build come with its result, or never.
const LAST_NEWS_WAIT: Duration = Duration::from_millis(500);

/// Builds an image and returns the id under which the engine knows it.
///
/// Steps and output go to `progress` as they come. Dropping the future cancels the build on the engine and closes its connections.
/// Errors: a failing step is [`BuildError::Failed`] with BuildKit's reason, a context that cannot be read [`BuildError::Context`] with the
/// file, an engine that goes away in the middle [`EngineError::Silent`] after 40 s at most, a full disk [`EngineError::DiskFull`].
pub async fn build(dial: &dyn Dial, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError> {
    let Some(frontend) = syntax::official_frontend(&request.dockerfile) else { return attempt(dial, &request, progress, None).await };
    if syntax::is_known_unreachable(&dial.endpoint()) {
        return attempt(dial, &request, progress, Some(&frontend)).await;
    }
    match attempt(dial, &request, progress, None).await {
        Err(BuildError::Failed { why }) if syntax::is_missing_frontend(&why) => {
            syntax::note_unreachable(&dial.endpoint());
            progress.output(format!("refit: the frontend {frontend} could not be fetched ({why}); building with the engine's own\n").as_bytes());
            attempt(dial, &request, progress, Some(&frontend)).await
        }
        ended => ended,
    }
}

/// Builds once. With `instead_of`, the engine's own frontend reads the Dockerfile instead of the one that it names.
async fn attempt(dial: &dyn Dial, request: &BuildRequest, progress: &dyn BuildProgress, instead_of: Option<&str>) -> Result<Digest, BuildError> {
    let stop = CancellationToken::new();
    // Whatever happens to this future, its connections end with it.
    let _guard = stop.clone().drop_guard();
    let id = random_id();
    let key = if request.context.key().is_empty() { random_id() } else { request.context.key() };
    let (session, control) = tokio::try_join!(session::open(dial, &id, &key, stop.clone()), connect(dial, &id, stop.clone()))?;
    let unreadable = Unreadable::default();
    let dockerfile = Arc::new(PinnedFolder::new(request.dockerfile.clone()));
    let folders = Folders::new(request.context.clone(), dockerfile, unreadable.clone(), progress.turn());
    session::serve(session, folders, request.secrets.clone(), stop);
    match solve(control, solve_request(request, &id, instead_of), progress).await {
        Ok(response) => image_id(dial, &response),
        Err(status) => match unreadable.take() {
            Some(why) => Err(BuildError::Context { why }),
            None => Err(solve_error(&dial.endpoint(), &status)),
        },
    }
}

/// Opens the connection on which we ask.
async fn connect(dial: &dyn Dial, id: &str, stop: CancellationToken) -> Result<ControlClient<Channel>, EngineError> {
    let wire = upgrade(dial, "/grpc", &[("X-Docker-Expose-Session-Uuid", id)], stop).await?;
    let endpoint = Endpoint::from_static("http://docker").http2_keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_WAIT);
    let channel = endpoint.connect_with_connector(Opened(Arc::new(Mutex::new(Some(wire))))).await.map_err(|e| silent(dial, e))?;
    Ok(ControlClient::new(channel).max_decoding_message_size(usize::MAX))
}

/// Solves, and passes the news on until the result is there.
async fn solve(control: ControlClient<Channel>, request: SolveRequest, progress: &dyn BuildProgress) -> Result<SolveResponse, Status> {
    let news = listen(control.clone(), request.r#ref.clone(), progress);
    let mut control = control;
    let solving = async move { control.solve(request).await };
    tokio::pin!(solving, news);
    match select(solving.as_mut(), news.as_mut()).await {
        Either::Left((result, news)) => {
            // The result alone decides; without the last news only some lines would be missing.
            let _ = tokio::time::timeout(LAST_NEWS_WAIT, news).await;
            Ok(result?.into_inner())
        }
        Either::Right(((), solving)) => Ok(solving.await?.into_inner()),
    }
}

async fn listen(mut control: ControlClient<Channel>, build: String, progress: &dyn BuildProgress) {
    let mut steps = Steps::default();
    let Ok(news) = control.status(StatusRequest { r#ref: build }).await else { return };
    let mut news = news.into_inner();
    while let Ok(Some(piece)) = news.message().await {
        steps.tell(piece, progress);
    }
}

fn solve_request(request: &BuildRequest, id: &str, instead_of: Option<&str>) -> SolveRequest {
    let entitlements = if request.network.as_deref() == Some("host") { vec!["network.host".to_owned()] } else { Vec::new() };
    SolveRequest {
        r#ref: id.to_owned(),
        session: id.to_owned(),
        frontend: "dockerfile.v0".into(),
        frontend_attrs: frontend_attrs(request, instead_of),
        // The engine's image store, classic or containerd's. Newer engines take these two older fields as well, 20.10 no others.
        exporter_deprecated: "moby".into(),
        exporter_attrs_deprecated: HashMap::from([("name".to_owned(), request.tag.to_string())]),
        cache: Some(CacheOptions::default()),
        // Newer engines write a history of builds, and answer only then: with eight at once that takes longer than storing the image. refit
        // keeps the log, the Dockerfile and the result of each build itself.
        internal: true,
        entitlements,
        ..SolveRequest::default()
    }
}

fn frontend_attrs(request: &BuildRequest, instead_of: Option<&str>) -> HashMap<String, String> {
    let mut attrs = HashMap::from([
        ("filename".to_owned(), FILE_NAME.to_owned()),
        // Everything was resolved when the plan was made; an image that the engine has is not looked up again.
        ("image-resolve-mode".to_owned(), "local".to_owned()),
    ]);
    attrs.extend(request.args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    attrs.extend(request.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone())));
    let mut set = |name: &str, value: Option<String>| attrs.extend(value.map(|value| (name.to_owned(), value)));
    set("target", request.target.clone());
    set("platform", request.platform.clone());
    set("no-cache", request.no_cache.then(String::new));
    set("force-network-mode", request.network.clone().filter(|mode| mode != "default"));
    set("add-hosts", (!request.extra_hosts.is_empty()).then(|| extra_hosts(&request.extra_hosts)));
    // To the engine's own frontend this says that it already is the one that the Dockerfile names.
    set("cmdline", instead_of.map(str::to_owned));
    attrs
}

/// `name:address` (or `name=address`) lines as the frontend takes them; an address may hold colons of its own.
fn extra_hosts(lines: &[String]) -> String {
    let pair = |line: &String| match line.split_once('=').or_else(|| line.split_once(':')) {
        Some((name, address)) => format!("{name}={}", address.trim_start_matches('[').trim_end_matches(']')),
        None => line.clone(),
    };
    lines.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// The classic store answers with the image's id under both names, containerd's store knows an image by its manifest.
fn image_id(dial: &dyn Dial, response: &SolveResponse) -> Result<Digest, BuildError> {
    let found = ["containerimage.digest", "containerimage.config.digest"].iter().find_map(|key| response.exporter_response.get(*key)?.parse().ok());
    found.ok_or_else(|| {
        let why = format!("its answer names no image: {:?}", response.exporter_response);
        EngineError::Refused { endpoint: dial.endpoint(), what: "say what it built".into(), why }.into()
    })
}

/// 32 hexadecimal digits that no other build has.
fn random_id() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// Gives the channel the one connection that is open already; a channel that wants another has lost its build anyway.
#[derive(Clone)]
struct Opened(Arc<Mutex<Option<Wire>>>);

impl tower_service::Service<Uri> for Opened {
    type Response = TokioIo<Wire>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let wire = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move { wire.map(TokioIo::new).ok_or_else(|| std::io::ErrorKind::NotConnected.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_keep_their_addresses() {
        assert_eq!(extra_hosts(&["a:10.0.0.1".into(), "b=::1".into(), "c:[::1]".into()]), "a=10.0.0.1,b=::1,c=::1");
    }
}
