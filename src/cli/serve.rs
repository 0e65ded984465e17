//! `refit serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::estate::{self, EstateArgs};
use super::signals::Signals;
use super::workshop::{self, BuildArgs};
use super::{Exit, Face};
use crate::api::{self, Listener, Tls, listen, router};
use crate::journal::SqliteJournal;
use crate::model::parse_duration;
use crate::serve::{Daemon, DriftPolicy, How, tell_supervisor};
use crate::trigger::Rules;

/// Where it listens unless told otherwise; the port is REFI on a telephone.
const LISTEN_DEFAULT: &str = "127.0.0.1:7334";

/// Run by itself: take webhooks, ask registries, keep the schedule, and carry out what they lead to.
///
/// A base moves somewhere, and in a few seconds its run is planned, or waits for its window. Hosts that come back are brought to what was released.
/// What was answered with success survives `kill -9`, and leads to one run. On SIGTERM or Ctrl-C it takes no more work, comes to a safe point, and
/// leaves; the next one goes on.
///
/// It listens on a socket in the state folder, which the other commands find by themselves, and on TCP for webhooks, `refit --server` and
/// monitors. Over TCP everything but webhooks, `/healthz`, `/readyz` and `/metrics` takes a token (`refit token add`).
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  refit serve --listen 0.0.0.0:7334 --tls-cert refit.pem --tls-key refit.key")]
pub struct ServeArgs {
    /// Listen there; may be repeated. Another address than loopback's needs a token to be there first.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN_DEFAULT, env = "REFIT_LISTEN", value_delimiter = ',')]
    listen: Vec<SocketAddr>,
    /// The certificate chain for TLS, in PEM; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "REFIT_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "REFIT_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// What is done about what runs and was not released so.
    #[arg(long, value_enum, default_value_t = Drift::Repair, value_name = "WHAT")]
    drift: Drift,
    /// How often the hosts are asked for it; what was seen twice counts.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, hide = true)]
    drift_every: Duration,
    /// How long hints about a base are let settle before they become a run.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = settling)]
    debounce: Duration,
    /// Ask the remote of the git repository that the pipelines are in so often, and follow its branch; a webhook of its forge makes it ask at once.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    follow: Option<Duration>,
    #[command(flatten)]
    estate: EstateArgs,
    #[command(flatten)]
    build: BuildArgs,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Drift {
    /// Put it right.
    Repair,
    /// Say so in the log.
    Report,
    /// Do not look.
    Off,
}

/// Hints settle for this long at most, whatever keeps coming.
const DEBOUNCE_MAX: Duration = Duration::from_secs(300);

fn settling(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(time) if time <= DEBOUNCE_MAX => Ok(time),
        Ok(_) => Err("at most 5m: a base that moves must not wait for ever".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs `refit serve`.
pub(super) async fn run(args: ServeArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    // Read once for the sake of what is printed if it is wrong.
    if let Err(exit) = estate::load(&args.estate, face) {
        return Ok(exit);
    }
    let folder = workshop::state_folder(&args.estate.pipelines, state);
    let journal = SqliteJournal::open_to_write(&folder, workshop::take_lock(&folder)?)?;
    let has_token = journal.tokens()?.iter().any(|token| token.revoked_at.is_none());
    raise_file_limit();
    let listeners = listeners(&args, &folder, has_token).await?;
    let mut signals = Signals::listen().map_err(|error| miette::miette!("signals cannot be listened to: {error}"))?;
    let stop = CancellationToken::new();
    let daemon = Daemon::new(how(args, folder), journal, stop.clone()).await.map_err(|why| miette::miette!("{why}"))?;
    let mut faces = JoinSet::new();
    for listener in listeners {
        if let Some(address) = listener.address() {
            tracing::info!("listens on {address}");
        }
        faces.spawn(listen(listener, router(daemon.clone()), stop.clone()));
    }
    let mut parts = parts(&daemon);
    tell_supervisor("READY=1");
    tracing::info!(estate = %daemon.loaded().estate.name, "serves");
    // Runs are carried out here and not in a task beside: their end is waited for.
    let mut work = Box::pin(daemon.clone().work());
    let exit = tokio::select! {
        _ = signals.next() => {
            tracing::info!("told to stop: comes to a safe point first; told again, it leaves at once");
            Exit::Done
        }
        // It ends when it is told to, and nobody has told it.
        () = &mut work => return Ok(Exit::Failed),
        ended = parts.join_next() => {
            tracing::error!("a part of the daemon ended by itself: {ended:?}");
            Exit::Failed
        }
    };
    tell_supervisor("STOPPING=1");
    stop.cancel();
    let gone = async {
        work.await;
        while parts.join_next().await.is_some() {}
        while faces.join_next().await.is_some() {}
    };
    tokio::select! {
        () = gone => {}
        _ = signals.next() => tracing::warn!("told again: leaves at once; what is begun is gone on with by the next one"),
    }
    Ok(exit)
}

/// A connection is an open file, and so is one to a host: the usual limit of 1024 would let idle connections keep the daemon from its hosts.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "no more than {:?} files can be open at a time", limit.current);
    }
}

fn how(args: ServeArgs, state: PathBuf) -> How {
    How {
        pipelines: args.estate.pipelines,
        vars: args.estate.vars.into_iter().collect(),
        state,
        offline: args.build.offline,
        parallel: args.build.parallel,
        rules: Rules { debounce: args.debounce, debounce_max: DEBOUNCE_MAX },
        follow: args.follow,
        drift: match args.drift {
            Drift::Repair => DriftPolicy::Repair,
            Drift::Report => DriftPolicy::Report,
            Drift::Off => DriftPolicy::Off,
        },
        drift_every: args.drift_every,
    }
}

async fn listeners(args: &ServeArgs, folder: &std::path::Path, has_token: bool) -> miette::Result<Vec<Listener>> {
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(certificate, key)| Tls { certificate, key });
    let mut listeners = vec![Listener::local(&api::socket_of(folder))?];
    for address in &args.listen {
        listeners.push(Listener::tcp(*address, tls.clone(), has_token).await?);
    }
    Ok(listeners)
}

/// Everything that goes on beside the answers to requests. Each ends when the daemon stops, and not before.
fn parts(daemon: &Arc<Daemon>) -> JoinSet<()> {
    let mut parts = JoinSet::new();
    parts.spawn(daemon.clone().follow_files());
    parts.spawn(daemon.clone().follow_git());
    parts.spawn(daemon.clone().keep_schedule());
    parts.spawn(daemon.clone().poll());
    parts.spawn(daemon.clone().watch_drift());
    parts.spawn(daemon.clone().tell_people());
    parts.spawn(daemon.clone().count_events());
    parts.spawn(daemon.clone().count_problems());
    parts
}
