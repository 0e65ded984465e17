//! All commands and the options that they share.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::server::{At, ServerArgs};
use super::{Exit, Face};

const STYLES: Styles = Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default().bold());

/// Rebuilds every image above a base that moved, and rolls the result across Docker hosts, safely.
///
/// A folder of pipeline files (default `pipelines/`) says which images there are, which services run them, and where. Begin with `refit scan`
/// in any repository with Dockerfiles, or with `refit init`.
///
/// Exit codes: 0 done; 1 failed (rolled back, or nothing changed); 2 usage or configuration; 3 ended in between (paused, waits for
/// approval, hosts left behind); 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "refit", version, styles = STYLES, propagate_version = true, max_term_width = 110,
    after_help = "Example:\n  refit scan ~/src/shop")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print the result as JSON, for machines.
    #[arg(long, global = true)]
    pub json: bool,

    /// Where refit keeps its journal, logs and cache [default: `.refit` beside the pipelines].
    #[arg(long, global = true, value_name = "DIR", env = "REFIT_STATE")]
    pub state: Option<PathBuf>,

    /// Whom to ask.
    #[command(flatten)]
    pub server: ServerArgs,

    /// When to use colours; `NO_COLOR` is obeyed too.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,

    /// Write what refit does to stderr; twice for every request [also: REFIT_LOG=refit=debug].
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Write log lines as JSON.
    #[arg(long, global = true, hide_short_help = true)]
    pub log_json: bool,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Verbs change or judge, nouns only look.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the manual of each command is the documentation of its arguments; one here would hide it")]
pub enum Command {
    Scan(super::scan::ScanArgs),
    Init(super::init::InitArgs),
    Check(super::check::CheckArgs),
    Graph(super::graph::GraphArgs),
    Plan(super::plan::PlanArgs),
    Rollout(super::rollout::RolloutArgs),
    Rollback(super::rollback::RollbackArgs),
    Converge(super::converge::ConvergeArgs),
    Status(super::status::StatusArgs),
    Hosts(super::hosts::HostsArgs),
    Schedule(super::schedule::ScheduleArgs),
    History(super::history::HistoryArgs),
    Release(super::release::ReleaseArgs),
    Show(super::show::ShowArgs),
    Logs(super::build_logs::LogsArgs),
    /// Pause a run.
    ///
    /// Nothing new begins; slots in flight are brought to their end (or fail, and are left so), then it stands still. `refit resume` goes on, `refit abort` takes back.
    #[command(after_help = "Example:\n  refit pause 7")]
    Pause(super::person::PersonArgs),
    Resume(super::resume::ResumeArgs),
    Approve(super::approve::ApproveArgs),
    /// Stop a run and take back all that it rolled, most recent first.
    ///
    /// The process that carries the run out does it within a second. If there is none any more, `refit resume` does.
    #[command(after_help = "Example:\n  refit abort 7")]
    Abort(super::person::PersonArgs),
    Prune(super::prune::PruneArgs),
    WhoHas(super::who_has::WhoHasArgs),
    Cve(super::cve::CveArgs),
    Patch(super::patch::PatchArgs),
    Inventory(super::inventory::InventoryArgs),
    Sbom(super::sbom::SbomArgs),
    Advisories(super::advisories::AdvisoriesArgs),
    Serve(super::serve::ServeArgs),
    Token(super::token::TokenArgs),
    Schema(super::schema::SchemaArgs),
    Completions(super::completions::CompletionsArgs),
}

impl Arguments {
    /// Reads the command line. Where it is none, says so and ends the process.
    pub fn read() -> Self {
        let mut matches = Self::command().get_matches();
        let is_typed = matches.value_source("server") == Some(ValueSource::CommandLine);
        match Self::from_arg_matches_mut(&mut matches) {
            Ok(arguments) => Self { server: ServerArgs { is_typed, ..arguments.server }, ..arguments },
            Err(error) => error.format(&mut Self::command()).exit(),
        }
    }

    /// The log filter that `-v` stands for.
    pub fn log_filter(&self) -> Option<&'static str> {
        match self.verbose {
            // Nobody watches a daemon: what it does is for its log.
            0 if matches!(self.command, Command::Serve(_)) => Some("refit=info,warn"),
            0 => None,
            1 => Some("refit=info,warn"),
            _ => Some("refit=debug,info"),
        }
    }

    /// Whether colours were asked for or forbidden.
    pub fn colour(&self) -> Option<bool> {
        match self.color {
            Colour::Auto => None,
            Colour::Always => Some(true),
            Colour::Never => Some(false),
        }
    }

    /// Runs the command.
    pub(super) async fn dispatch(self, face: &mut Face) -> miette::Result<Exit> {
        let at = At::of(self.state, &self.server, &self.command)?;
        let state = at.state.clone();
        match self.command {
            Command::Scan(args) => super::scan::run(&args, face),
            Command::Init(args) => super::init::run(&args, face),
            Command::Check(args) => super::check::run(&args, state, face).await,
            Command::Graph(args) => super::graph::run(&args, at, face).await,
            Command::Plan(args) => super::plan::run(&args, at, face).await,
            Command::Rollout(args) => super::rollout::run(&args, at, face).await,
            Command::Rollback(args) => super::rollback::run(&args, at, face).await,
            Command::Converge(args) => super::converge::run(&args, at, face).await,
            Command::Status(args) => super::status::run(&args, at, face).await,
            Command::Hosts(args) => super::hosts::run(&args, at, face).await,
            Command::Schedule(args) => super::schedule::run(&args, &at, face).await,
            Command::History(args) => super::history::run(&args, &at, face).await,
            Command::Release(args) => super::release::run(&args, at, face).await,
            Command::Show(args) => super::show::run(&args, &at, face).await,
            Command::Logs(args) => super::build_logs::run(&args, &at, face).await,
            Command::Pause(args) => super::person::run(&args, crate::rollout::Person::Pause, &at, face),
            Command::Resume(args) => super::resume::run(&args, at, face).await,
            Command::Approve(args) => super::approve::run(&args, at, face).await,
            Command::Abort(args) => super::person::run(&args, crate::rollout::Person::Abort, &at, face),
            Command::Prune(args) => super::prune::run(&args, at, face).await,
            Command::WhoHas(args) => super::who_has::run(&args, at, face).await,
            Command::Cve(args) => super::cve::run(&args, at, face).await,
            Command::Patch(args) => super::patch::run(&args, at, face).await,
            Command::Inventory(args) => super::inventory::run(&args, state, &at, face).await,
            Command::Sbom(args) => super::sbom::run(&args, at, face).await,
            Command::Advisories(args) => super::advisories::run(&args, state, face).await,
            Command::Serve(args) => super::serve::run(args, state, face).await,
            Command::Token(args) => super::token::run(&args, state, face).await,
            Command::Schema(args) => super::schema::run(&args, face),
            Command::Completions(args) => super::completions::run(&args, face),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
