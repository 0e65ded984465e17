//! `refit token`.

use std::path::{Path, PathBuf};

use super::workshop::{self, PipelineFolder};
use super::{Exit, Face};
use crate::api::{self, NewToken};
use crate::client::Client;
use crate::edge::{Clock, SystemClock};
use crate::journal::{Lock, Role, SqliteJournal, TokenKept};
use crate::report;

/// Make, list and revoke the tokens with which others ask `refit serve` over TCP.
///
/// Only a token's hash is kept, so it is shown once. A role may do all that those before it may: read, trigger, operate, admin.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit token add ci --role trigger")]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a token, and print it this once.
    Add {
        /// Its name, for the audit log.
        name: String,
        /// What its bearer may do: `read`, `trigger` (say that something moved), `operate` (begin, pause, approve and abort runs), `admin`.
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        folder: PipelineFolder,
    },
    /// List the tokens, without the tokens themselves.
    List {
        #[command(flatten)]
        folder: PipelineFolder,
    },
    /// Revoke a token: it is refused from the next request on.
    Revoke {
        /// Its name.
        name: String,
        #[command(flatten)]
        folder: PipelineFolder,
    },
}

/// Runs `refit token`.
pub(super) async fn run(args: &TokenArgs, state: Option<PathBuf>, face: &mut Face) -> miette::Result<Exit> {
    let of = |folder: &PipelineFolder| workshop::state_folder(&folder.pipelines, state);
    match &args.what {
        What::Add { name, role, folder } => add(&of(folder), NewToken { name: name.clone(), role: *role }, face).await,
        What::List { folder } => list(&of(folder), face),
        What::Revoke { name, folder } => revoke(&of(folder), name, face).await,
    }
}

async fn add(folder: &Path, new: NewToken, face: &mut Face) -> miette::Result<Exit> {
    new.check().map_err(|why| miette::miette!("{why}"))?;
    let made = if Lock::holder(folder).is_some() {
        Client::local(&api::socket_of(folder), &workshop::whoami())?.post::<api::TokenMade>("/v1/tokens", &new).await?
    } else {
        let journal = SqliteJournal::open_to_write(folder, workshop::take_lock(folder)?)?;
        if journal.tokens()?.iter().any(|kept| kept.name == new.name && kept.revoked_at.is_none()) {
            return Err(miette::miette!(help = format!("`refit token revoke {}` revokes it", new.name), "there is a token {}", new.name));
        }
        let made = new.make(SystemClock.now(), &workshop::whoami());
        let (kept, made) = made.map_err(|error| miette::miette!("no token could be made: {error}"))?;
        journal.add_token(kept).await?;
        made
    };
    if face.json {
        face.printer.json(&made);
    } else {
        face.printer.out(&made.token);
        face.printer.err("it is shown this once; `REFIT_TOKEN` gives it to `refit --server`, others send it as `Authorization: Bearer …`");
    }
    Ok(Exit::Done)
}

fn list(folder: &Path, face: &mut Face) -> miette::Result<Exit> {
    let tokens = SqliteJournal::open(folder)?.tokens()?;
    if face.json {
        face.printer.json(&tokens);
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        face.printer.err("there is no token yet; `refit token add NAME --role operate` makes one");
    }
    let row = |token: &TokenKept| {
        let standing = token.revoked_at.map_or_else(|| "good".to_owned(), |at| format!("revoked {}", report::moment(at)));
        [token.name.clone(), token.role.to_string(), format!("{} by {}", report::moment(token.made_at), token.made_by), standing]
    };
    if !tokens.is_empty() {
        report::table(["TOKEN", "MAY", "MADE", "IS"], tokens.iter().map(row)).iter().for_each(|line| face.printer.out(line));
    }
    Ok(Exit::Done)
}

async fn revoke(folder: &Path, name: &str, face: &mut Face) -> miette::Result<Exit> {
    let is_good = SqliteJournal::open(folder)?.tokens()?.iter().any(|kept| kept.name == name && kept.revoked_at.is_none());
    if !is_good {
        return Err(miette::miette!(help = "`refit token list` lists them", "there is no token {name}, or it was revoked"));
    }
    if Lock::holder(folder).is_some() {
        Client::local(&api::socket_of(folder), &workshop::whoami())?.delete(&format!("/v1/tokens/{name}")).await?;
    } else {
        SqliteJournal::open_to_write(folder, workshop::take_lock(folder)?)?.revoke_token(SystemClock.now(), name).await?;
    }
    face.printer.err(&format!("{name} is revoked"));
    Ok(Exit::Done)
}
