//! The command line: one file per command. Arguments → plan or driver → report → [`Exit`]. No logic worth a unit test.

mod advisories;
mod approve;
mod arguments;
mod build_logs;
mod check;
mod completions;
mod converge;
mod cve;
mod drain;
mod estate;
mod exit;
mod follow;
mod graph;
mod history;
mod hosts;
mod init;
mod inventories;
mod inventory;
mod patch;
mod person;
mod plan;
mod prune;
mod release;
mod resume;
mod rollback;
mod rollout;
mod sbom;
mod scan;
mod schedule;
mod schema;
mod serve;
mod server;
mod show;
mod signals;
mod status;
mod token;
mod who_has;
mod wish;
mod workshop;

pub use arguments::{Arguments, Command};
pub use exit::Exit;

use std::io::IsTerminal;

use tokio::task::JoinSet;

use crate::report::Printer;

/// What every command gets besides its own arguments.
pub struct Face {
    /// Where it writes.
    pub printer: Printer,
    /// Whether the result is wanted as JSON.
    pub json: bool,
    /// What waits for signals between two runs that one command carries out.
    between_runs: JoinSet<()>,
}

impl Face {
    fn new(printer: Printer, json: bool) -> Self {
        Self { printer, json, between_runs: JoinSet::new() }
    }

    /// Asks a person before something is done. `help` is for scripts, where nobody can be asked.
    fn ask(&mut self, question: &str, help: &str) -> miette::Result<bool> {
        if !std::io::stdin().is_terminal() {
            return Err(miette::miette!(help = help, "nobody can be asked here (stdin is no terminal); nothing was begun"));
        }
        self.printer.err(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|error| miette::miette!("the answer could not be read: {error}"))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Says that a command failed: in words on stderr, and for machines as the one document on stdout.
    fn fail(&mut self, report: &miette::Report) {
        if self.json {
            let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
            let help = report.help().map(|help| help.to_string());
            self.printer.json(&serde_json::json!({ "error": { "message": report.to_string(), "causes": causes, "help": help } }));
        }
        self.printer.report(report);
    }
}

/// Runs one command and says how it ended. An error that reaches this place is printed with its help.
pub async fn run(arguments: Arguments) -> Exit {
    let mut face = Face::new(Printer::standard(arguments.colour()), arguments.json);
    match arguments.dispatch(&mut face).await {
        Ok(exit) => exit,
        Err(report) => {
            face.fail(&report);
            exit::of(&report)
        }
    }
}
