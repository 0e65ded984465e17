//! What every command that needs the estate has in common: where the pipelines are, the variables, and the reading.

use std::path::PathBuf;

use super::{Exit, Face};
use crate::client::Client;
use crate::model::ServiceName;
use crate::pipeline::Estate;
use crate::report::diagnostic;
use crate::workshop::{ReadEstate, read_estate, unknown_service};

/// Which estate.
#[derive(Debug, Clone, clap::Args)]
pub struct EstateArgs {
    /// The folder with the pipeline files; all of them are read as one estate.
    #[arg(long, value_name = "DIR", default_value = "pipelines", env = "REFIT_PIPELINES")]
    pub pipelines: PathBuf,

    /// Set a variable for `{{ K }}`; wins over `vars:`, and may be repeated.
    #[arg(long = "var", value_name = "K=V", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

impl EstateArgs {
    /// A daemon has read its estate with its own variables: others cannot be given along.
    pub(super) fn refuse_for(&self, daemon: &Client) -> miette::Result<()> {
        refuse(!self.vars.is_empty(), "--var", daemon)
    }
}

/// Refuses an option that is a daemon's own.
pub(super) fn refuse(is_given: bool, option: &str, daemon: &Client) -> miette::Result<()> {
    if !is_given {
        return Ok(());
    }
    let help = format!("leave out {option}; `refit serve {option} …` sets it for all that the daemon does");
    Err(miette::miette!(help = help, "`{option}` cannot be chosen here: the refit at {} carries it out, and has its own", daemon.name()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok((name.to_owned(), value.to_owned())) } else { Err("a variable's name is of letters, digits and `_`".to_owned()) }
}

/// Reads the estate and everything that is wrong with it; an error only if the folder itself cannot be read.
pub(super) fn read(args: &EstateArgs) -> Result<ReadEstate, miette::Report> {
    Ok(read_estate(&args.pipelines, &args.vars.iter().cloned().collect())?)
}

/// Reads the estate for a command that needs a good one. Says what was found; ends the command if that is an error.
pub(super) fn load(args: &EstateArgs, face: &mut Face) -> Result<Estate, Exit> {
    let read = match read(args) {
        Ok(read) => read,
        Err(report) => {
            face.fail(&report);
            return Err(Exit::Usage);
        }
    };
    // Findings are about the work, not the result, so they never stand in the way of a command's own JSON.
    match read.reading.estate {
        None if face.json => {
            face.printer.json(&serde_json::json!({ "findings": read.reading.findings }));
            Err(Exit::Usage)
        }
        None => {
            diagnostic::print(&read.reading.findings, &read.files, &mut face.printer);
            Err(Exit::Usage)
        }
        // Warnings were told in full by `refit check`; a line each is enough to be reminded.
        Some(estate) => {
            for warning in &read.reading.findings {
                face.printer.err(&format!("warning: {}:{}: {}", warning.file, warning.line, warning.message));
            }
            Ok(estate)
        }
    }
}

/// Refuses services that the estate does not have, with the nearest that it has.
pub(super) fn known(services: &[ServiceName], estate: &Estate) -> miette::Result<()> {
    match unknown_service(services, estate) {
        Some((unknown, help)) => Err(miette::miette!(help = help, "there is no service {unknown}")),
        None => Ok(()),
    }
}
