//! Where the daemon listens: a socket in the state folder, and TCP, with TLS or on loopback.
//!
//! A connection that sends nothing, or sends slowly, is closed after a while, and there are only so many at a time, so that nobody can make the daemon
//! grow. Whoever only holds one open gives way to those who come.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Problem;
use super::caller::Local;
use super::peer::Peer;
use super::room::{AtWork, Guest, Room};
use super::timely::{Late, Timely};

/// So many connections at a time; for a further one, one that is idle is closed.
const CONNECTIONS_MAX: usize = 2048;
/// A request's head must be there in this time, and so must the handshake of TLS. An idle connection is closed after it, too.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A request's body must be there in this time.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The answer must be begun in this time: for a plan every base may have to be pulled.
const REQUEST_WITHIN: Duration = Duration::from_secs(600);
/// How long requests in flight may take when the daemon stops.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ListenError {
    /// The address is taken, or not this machine's.
    #[error("{address} cannot be listened on")]
    #[diagnostic(help("see who has it by `ss -ltnp`, or choose another one with `--listen`"))]
    Address {
        /// The address.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address is not loopback's, and nobody could be told from anybody.
    #[error("{address} can be reached from other machines, and there is no token yet")]
    #[diagnostic(help("make one with `refit token add NAME --role operate`, or listen on 127.0.0.1"))]
    NoToken {
        /// The address.
        address: SocketAddr,
    },
    /// The certificate or its key.
    #[error("{}: {why}", file.display())]
    #[diagnostic(help("give a certificate chain and its key in PEM format, readable for the daemon"))]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A certificate and its key; both files are read again when they change.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Something that is listened on.
pub enum Listener {
    /// The socket in the state folder. Who may open it is the administrator.
    Local(UnixListener),
    /// TCP, perhaps with TLS.
    Tcp(TcpListener, Option<Certificates>),
}

/// The certificate in force, and what its files looked like when they were read.
pub struct Certificates {
    tls: Tls,
    read: Mutex<(Seen, TlsAcceptor)>,
}

type Seen = [Option<SystemTime>; 2];

impl Listener {
    /// Listens on a socket, which only this user may open. One that a dead daemon left is taken away; the estate's lock says that it is dead.
    pub fn local(path: &Path) -> Result<Self, ListenError> {
        let trouble = |source| ListenError::Address { address: path.display().to_string(), source };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(trouble(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(trouble)?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(trouble)?;
        Ok(Self::Local(listener))
    }

    /// Listens on TCP. Any other address than loopback's needs a token to be there.
    pub async fn tcp(address: SocketAddr, tls: Option<Tls>, has_token: bool) -> Result<Self, ListenError> {
        if !address.ip().is_loopback() && !has_token {
            return Err(ListenError::NoToken { address });
        }
        let certificates = tls.map(Certificates::read).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(|source| ListenError::Address { address: address.to_string(), source })?;
        Ok(Self::Tcp(listener, certificates))
    }

    /// The address that it really has, for TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Local(_) => None,
            Self::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }
}

impl Certificates {
    fn read(tls: Tls) -> Result<Self, ListenError> {
        let acceptor = acceptor(&tls)?;
        Ok(Self { read: Mutex::new((seen(&tls), acceptor)), tls })
    }

    /// The acceptor of today's files. Files that cannot be used leave the old one in force.
    fn acceptor(&self) -> TlsAcceptor {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seen(&self.tls);
        if read.0 != now {
            read.0 = now;
            match acceptor(&self.tls) {
                Ok(acceptor) => {
                    tracing::info!("the certificate was read again");
                    read.1 = acceptor;
                }
                Err(error) => tracing::error!("the certificate changed and cannot be used, the old one stays: {error}"),
            }
        }
        read.1.clone()
    }
}

fn seen(tls: &Tls) -> Seen {
    [&tls.certificate, &tls.key].map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ListenError> {
    let wrong = |file: &Path, why: String| ListenError::Tls { file: file.to_owned(), why };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&tls.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| wrong(&tls.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| wrong(&tls.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until told to stop; then requests in flight are answered first.
pub async fn listen(listener: Listener, router: Router, stop: CancellationToken) {
    let room = Room::of(CONNECTIONS_MAX);
    let graceful = GracefulShutdown::new();
    match listener {
        Listener::Local(listener) => {
            let router = router.layer(axum::Extension(Local));
            while let Some(accepted) = accepted(&stop, listener.accept()).await {
                if let Ok((stream, _)) = accepted {
                    answer(stream, None, &router, &room, &graceful);
                }
            }
        }
        Listener::Tcp(listener, None) => {
            while let Some(accepted) = accepted(&stop, listener.accept()).await {
                if let Ok((stream, peer)) = accepted {
                    let _ = stream.set_nodelay(true);
                    answer(stream, Some(Peer(peer.ip())), &router, &room, &graceful);
                }
            }
        }
        Listener::Tcp(listener, Some(certificates)) => {
            while let Some(accepted) = accepted(&stop, listener.accept()).await {
                if let Ok((stream, peer)) = accepted {
                    let _ = stream.set_nodelay(true);
                    answer_tls(stream, Peer(peer.ip()), certificates.acceptor(), &router, &room, graceful.watcher());
                }
            }
        }
    }
    let _ = tokio::time::timeout(LEAVE_WITHIN, graceful.shutdown()).await;
}

/// The next connection; none if it is time to stop. Where the system has no more handles, a little while is waited.
async fn accepted<T>(stop: &CancellationToken, next: impl Future<Output = std::io::Result<T>>) -> Option<std::io::Result<T>> {
    let next = tokio::select! {
        () = stop.cancelled() => return None,
        next = next => next,
    };
    if let Err(error) = &next {
        tracing::warn!(%error, "a connection could not be taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(next)
}

fn answer<S>(stream: S, peer: Option<Peer>, router: &Router, room: &Arc<Room>, graceful: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(guest) = room.enter() else { return };
    let connection = graceful.watch(connection(stream, peer, router.clone(), guest.work()));
    tokio::spawn(while_there_is_room(guest, connection));
}

fn answer_tls(
    stream: tokio::net::TcpStream,
    peer: Peer,
    acceptor: TlsAcceptor,
    router: &Router,
    room: &Arc<Room>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let Some(guest) = room.enter() else { return };
    let (router, work) = (router.clone(), guest.work());
    tokio::spawn(while_there_is_room(guest, async move {
        if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_WITHIN, acceptor.accept(stream)).await {
            let _ = watcher.watch(connection(stream, Some(peer), router, work)).await;
        }
    }));
}

/// Whoever hangs up in the middle is nobody's trouble, and who gives way is closed.
async fn while_there_is_room<T>(guest: Guest, connection: impl Future<Output = T>) {
    tokio::select! {
        _ = connection => {}
        () = guest.gives_way() => {}
    }
}

fn connection<S>(
    stream: S,
    peer: Option<Peer>,
    router: Router,
    work: impl Fn() -> AtWork + Clone + Send + Sync + 'static,
) -> http1::Connection<TokioIo<S>, impl hyper::service::Service<Request<Incoming>, Response = Response, Error = std::convert::Infallible, Future: Send>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let (router, at_work) = (router.clone(), work());
        async move { Ok(respond(router, request, at_work).await) }
    });
    http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).serve_connection(TokioIo::new(stream), service)
}

/// Answers a request: one that is not there in time gets no other answer than that, and neither does one whose answer does not begin in time.
async fn respond(router: Router, request: Request<Incoming>, at_work: AtWork) -> Response {
    let late = Late::default();
    let answer = router.oneshot(request.map(|body| Body::new(Timely::new(body, BODY_WITHIN, late.clone()))));
    match tokio::time::timeout(REQUEST_WITHIN, answer).await {
        Ok(Ok(_)) | Err(_) if late.is_so() => Problem::late().into_response(),
        Ok(Ok(response)) => response.map(|body| working(body, at_work)),
        Ok(Err(never)) => match never {},
        Err(_) => Problem::late().into_response(),
    }
}

/// Whoever is sent events is at work until the last one.
fn working(body: Body, at_work: AtWork) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    Body::new(body.map_frame(move |frame| {
        let _held = &at_work;
        frame
    }))
}
