//! `refit completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, Exit, Face};

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit completions bash > /etc/bash_completion.d/refit")]
pub struct CompletionsArgs {
    /// For which shell.
    pub shell: Shell,
}

/// Runs `refit completions`.
pub(super) fn run(args: &CompletionsArgs, face: &mut Face) -> miette::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "refit", &mut script);
    face.printer.out(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
