//! Whom a command asks: the estate of this folder, or a daemon, over the network or the socket in the state folder.

use std::path::{Path, PathBuf};

use super::arguments::Command;
use super::workshop::{self, PipelineFolder};
use crate::api;
use crate::client::{Client, RemoteJournal};
use crate::journal::{Journal, Lock, LockError, SqliteJournal};
use crate::model::Secret;

/// Where the daemon is that is asked, and how it is known.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Ask the `refit serve` there instead of this folder; its token comes from REFIT_TOKEN or the file REFIT_TOKEN_FILE.
    #[arg(long, global = true, value_name = "URL", env = "REFIT_SERVER", hide_env_values = true)]
    pub server: Option<String>,

    /// Trust these certificates (PEM) of the server or of who signed it, besides the system's.
    #[arg(long, global = true, value_name = "FILE", env = "REFIT_SERVER_CA", hide_short_help = true)]
    pub server_ca: Option<PathBuf>,

    /// Whether `--server` was typed, and is not the environment's.
    #[arg(skip)]
    pub is_typed: bool,
}

/// What a command can do with a daemon.
enum Reach {
    /// It does there what it does here.
    There,
    /// It is about this machine or folder alone.
    Here,
}

/// Where a command finds what it looks at.
#[derive(Debug, Clone)]
pub(super) struct At {
    /// The state folder, if it was named.
    pub state: Option<PathBuf>,
    /// The daemon that was named.
    pub server: Option<Client>,
}

impl At {
    /// Where a command is to look. Errors if it was told to ask a daemon and cannot.
    pub(super) fn of(state: Option<PathBuf>, args: &ServerArgs, command: &Command) -> miette::Result<Self> {
        let Some(url) = args.server.as_deref().filter(|url| !url.is_empty()) else { return Ok(Self { state, server: None }) };
        match reach(command) {
            Reach::There => Ok(Self { state, server: Some(connect(url, args.server_ca.as_deref())?) }),
            Reach::Here if !args.is_typed => Ok(Self { state, server: None }),
            Reach::Here => {
                let help = "call it without `--server`, where the pipelines are";
                Err(miette::miette!(help = help, "this command is about this machine, and asks no server"))
            }
        }
    }

    /// The journal, to look into.
    pub(super) fn journal(&self, folder: &PipelineFolder) -> miette::Result<Box<dyn Journal>> {
        Ok(match &self.server {
            Some(client) => Box::new(RemoteJournal::of(client.clone())),
            None => Box::new(SqliteJournal::open(&workshop::state_folder(&folder.pipelines, self.state.clone()))?),
        })
    }

    /// The daemon that carries out what is asked for: the one that was named, or the one that holds the state folder.
    pub(super) fn daemon(&self, pipelines: &Path) -> Option<Client> {
        self.server.clone().or_else(|| daemon_of(&workshop::state_folder(pipelines, self.state.clone())))
    }

    /// The same, unless it is only looked at: who only looks does so for himself, beside a daemon of this folder as well.
    pub(super) fn daemon_unless(&self, only_looks: bool, pipelines: &Path) -> Option<Client> {
        if only_looks { self.server.clone() } else { self.daemon(pipelines) }
    }
}

fn reach(command: &Command) -> Reach {
    match command {
        Command::Plan(_) | Command::Rollout(_) | Command::Converge(_) | Command::Status(_) | Command::Schedule(_) | Command::History(_) => {
            Reach::There
        }
        Command::Release(_) | Command::Show(_) | Command::Logs(_) | Command::Pause(_) | Command::Resume(_) => Reach::There,
        Command::Approve(_) | Command::Abort(_) | Command::Graph(_) | Command::Rollback(_) | Command::Hosts(_) | Command::Prune(_) => Reach::There,
        Command::WhoHas(_) | Command::Cve(_) | Command::Patch(_) | Command::Inventory(_) | Command::Sbom(_) => Reach::There,
        Command::Scan(_) | Command::Init(_) | Command::Check(_) | Command::Serve(_) | Command::Token(_) => Reach::Here,
        Command::Schema(_) | Command::Completions(_) => Reach::Here,
        Command::Advisories(_) => Reach::Here,
    }
}

fn connect(url: &str, authorities: Option<&Path>) -> miette::Result<Client> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| miette::miette!("{}: {error}", path.display()));
    let authorities = authorities.filter(|path| !path.as_os_str().is_empty()).map(read).transpose()?;
    Ok(Client::remote(url, token()?.as_ref(), authorities.as_deref())?)
}

/// The token, from the environment: on the command line everybody on the machine could read it.
fn token() -> miette::Result<Option<Secret>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(token) = set("REFIT_TOKEN") {
        return Ok(Some(Secret::new(token.into_encoded_bytes())));
    }
    let Some(file) = set("REFIT_TOKEN_FILE").map(PathBuf::from) else { return Ok(None) };
    let help = "REFIT_TOKEN_FILE names a file with the token that `refit token add` printed";
    let token = std::fs::read(&file).map_err(|error| miette::miette!(help = help, "{}: {error}", file.display()))?;
    Ok(Some(Secret::new(token)))
}

/// The daemon that holds a state folder, if one does and answers.
pub(super) fn daemon_of(folder: &Path) -> Option<Client> {
    Lock::holder(folder)?;
    let socket = api::socket_of(folder);
    // A socket that a dead daemon left behind refuses; another process holds the lock then.
    std::os::unix::net::UnixStream::connect(&socket).ok()?;
    Client::local(&socket, &workshop::whoami()).ok()
}

/// What only whoever holds the estate can do, while a daemon holds it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{held}; it does not do this for others")]
#[diagnostic(help(
    "stop it for so long (`systemctl stop`, or SIGTERM: it comes to a safe point and leaves), do this, and start it again: it goes on where it was"
))]
pub(super) struct DaemonHolds {
    held: LockError,
}

/// The estate's lock. That a daemon holds it is said with what to do about that.
pub(super) fn take_lock(state: &Path) -> miette::Result<Lock> {
    workshop::take_lock(state).map_err(|held| match held {
        LockError::Held { .. } if daemon_of(state).is_some() => DaemonHolds { held }.into(),
        other => other.into(),
    })
}
