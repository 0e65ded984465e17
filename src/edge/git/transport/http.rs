//! git's smart protocol over HTTP: one GET for the references, one POST for each round of the fetch.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use git2::Error;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use reqwest::{Client, Response, StatusCode};
use tokio::runtime::{Builder, Runtime};

use super::DENIED;
use crate::edge::git::credential::{Login, from_helpers, from_url};
use crate::fault;

const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// A server may think for a while about a large repository before it sends, but not for ever.
const READ_WAIT: Duration = Duration::from_secs(120);

/// One connection of libgit2.
pub(super) struct Http {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    line: Mutex<Option<Line>>,
    state: Mutex<State>,
}

/// What one request learns for the next.
#[derive(Default)]
struct State {
    login: Option<Login>,
    /// Where the first answer came from, if the server sent us elsewhere.
    moved_to: Option<String>,
}

/// A runtime of its own: libgit2 asks from a thread that waits, whoever's thread that is.
struct Line {
    runtime: Runtime,
    client: Client,
}

impl Line {
    fn open() -> io::Result<Self> {
        // Whoever comes first installs it; a second time is no error to us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // Some servers speak git only to what calls itself git.
        let client = Client::builder().user_agent("git/2.0 (refit)").connect_timeout(CONNECT_WAIT).read_timeout(READ_WAIT);
        Ok(Self { runtime, client: client.build().map_err(io::Error::other)? })
    }
}

impl Http {
    pub(super) fn new() -> Self {
        Self { shared: Arc::default() }
    }
}

impl SmartSubtransport for Http {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, Error> {
        let first = match service {
            Service::UploadPackLs => true,
            Service::UploadPack => false,
            Service::ReceivePackLs | Service::ReceivePack => return Err(Error::from_str("refit never pushes")),
        };
        Ok(Box::new(Exchange { shared: self.shared.clone(), url: url.trim_end_matches('/').to_owned(), first, question: Vec::new(), answer: None }))
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// One request: what is written is the question, the first read sends it.
struct Exchange {
    shared: Arc<Shared>,
    url: String,
    first: bool,
    question: Vec<u8>,
    answer: Option<(Response, Bytes)>,
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = self.shared.clone();
        let mut line = shared.line.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match &mut *line {
            Some(line) => line,
            empty => empty.insert(Line::open()?),
        };
        if self.answer.is_none() {
            self.answer = Some((self.ask(line)?, Bytes::new()));
        }
        let Some((response, piece)) = &mut self.answer else { return Ok(0) };
        while piece.is_empty() {
            match line.runtime.block_on(async { response.chunk().await }).map_err(plain)? {
                Some(next) => *piece = next,
                None => return Ok(0),
            }
        }
        let read = piece.len().min(buffer.len());
        piece.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

impl Exchange {
    fn ask(&mut self, line: &Line) -> io::Result<Response> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (plain_url, login) = from_url(&self.url);
        if state.login.is_none() {
            state.login = login;
        }
        let base = state.moved_to.clone().unwrap_or_else(|| plain_url.clone());
        let question = std::mem::take(&mut self.question);
        let mut response = self.send(line, &base, &question, &state)?;
        // A user without a password may be a token, which is right as it is; else the helpers know what belongs to the name.
        if response.status() == StatusCode::UNAUTHORIZED && state.login.as_ref().is_none_or(|login| login.password.reveal().is_empty()) {
            state.login = Some(from_helpers(&self.url).map_err(|why| denied(&why))?);
            response = self.send(line, &base, &question, &state)?;
        }
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let tried = match &state.login {
                    Some(login) if login.in_url => " to the login in the URL".to_owned(),
                    Some(login) => format!(" to user {}, whose login came from a credential helper", login.user),
                    None => String::new(),
                };
                Err(denied(&format!("the server answered {}{tried}", response.status())))
            }
            status if !status.is_success() => Err(io::Error::other(format!("the server answered {status}"))),
            _ => {
                if self.first {
                    let reached = response.url().as_str().split("/info/refs").next().map(str::to_owned);
                    state.moved_to = reached.filter(|reached| *reached != plain_url);
                }
                Ok(response)
            }
        }
    }

    fn send(&self, line: &Line, base: &str, question: &[u8], state: &State) -> io::Result<Response> {
        let request = match self.first {
            true => line.client.get(format!("{base}/info/refs?service=git-upload-pack")),
            false => line
                .client
                .post(format!("{base}/git-upload-pack"))
                .header("content-type", "application/x-git-upload-pack-request")
                .header("accept", "application/x-git-upload-pack-result")
                .body(question.to_vec()),
        };
        // A login is for the host that was named, not for where that one sends us.
        let login = state.login.as_ref().filter(|_| state.moved_to.as_deref().is_none_or(|moved| host(moved) == host(&from_url(&self.url).0)));
        let request = match login {
            Some(login) => request.basic_auth(&login.user, Some(String::from_utf8_lossy(login.password.reveal()))),
            None => request,
        };
        // Inside of the block: a request starts its clocks as soon as it is made.
        line.runtime.block_on(async { request.send().await }).map_err(plain)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.question.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Scheme and host of a URL.
fn host(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    &url[..url[from..].find('/').map_or(url.len(), |at| from + at)]
}

fn denied(why: &str) -> io::Error {
    io::Error::other(format!("{DENIED}{why}"))
}

/// reqwest's error down to its last reason, without the URL.
fn plain(error: reqwest::Error) -> io::Error {
    io::Error::other(fault::deepest(&error.without_url()))
}
