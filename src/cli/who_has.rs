//! `refit who-has`.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::server::At;
use super::workshop::PipelineFolder;
use super::{Exit, Face, inventories};
use crate::api::{NoQuestion, WhoHas};
use crate::inquiry::{Answer, who_has};
use crate::report;

/// Say which containers have a package: where, since when, who brought it in, and whether there is a fix.
///
/// WHAT is a package, with a version if it matters: `openssl<3.0.15`, `libssl*`, `npm:lodash<4.17.21`, `golang.org/x/net>=0.1,<0.23`. It is found by
/// its own name and by that of the source package that it was built from, and versions compare by the rules of its ecosystem.
///
/// Ends with 0 if no container has it and 1 if one does, so that it fits a check in a script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  refit who-has 'openssl<3.0.15'\n  refit who-has --cve CVE-2024-5535 --at '2026-11-01 12:00' --csv")]
#[command(override_usage = "refit who-has [OPTIONS] <WHAT|--cve ID|--purl PURL|--license LICENSE>")]
#[command(group = clap::ArgGroup::new("asked").required(true).args(["what", "cve", "purl", "license"]))]
pub struct WhoHasArgs {
    /// The package: `NAME`, or `NAME<VERSION` with `<`, `<=`, `=`, `!=`, `>=`, `>`; several bounds with commas between.
    what: Option<String>,
    /// Whatever has this problem, by a name of one of its advisories.
    #[arg(long, value_name = "ID")]
    cve: Option<String>,
    /// The package by its package URL: `pkg:deb/debian/openssl@3.0.11`.
    #[arg(long, value_name = "PURL")]
    purl: Option<String>,
    /// Whatever is under this licence: `GPL-3.0*`.
    #[arg(long, value_name = "LICENSE")]
    license: Option<String>,
    /// What ran then, in this machine's time zone unless one is given [default: what runs now].
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "ever")]
    at: Option<Timestamp>,
    /// What ran at any time.
    #[arg(long)]
    ever: bool,
    /// Print comma-separated values.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    folder: PipelineFolder,
}

impl WhoHasArgs {
    fn asked(&self) -> WhoHas {
        let Self { what, cve, purl, license, at, ever, .. } = self;
        WhoHas { what: what.clone(), cve: cve.clone(), purl: purl.clone(), license: license.clone(), at: *at, ever: *ever }
    }
}

/// Runs `refit who-has`.
pub(super) async fn run(args: &WhoHasArgs, at: At, face: &mut Face) -> miette::Result<Exit> {
    // `--json` is every command's and may stand before this one, where clap does not hold them against each other.
    if args.csv && face.json {
        return Err(miette::miette!(help = "give one of them", "`--json` and `--csv` are two forms of one answer"));
    }
    let asked = args.asked();
    let query = asked.query().map_err(wrong)?;
    let answer = match &at.server {
        Some(client) => client.get(&asked.path()).await?,
        None => {
            let kept = inventories::open(&args.folder.pipelines, at.state)?;
            who_has(&kept.inventories, &query)?
        }
    };
    Ok(show(&answer, args.csv, face))
}

/// A question that cannot be understood, with the place in it.
fn wrong(error: NoQuestion) -> miette::Report {
    miette::miette!(help = error.help().to_owned(), "{error}")
}

fn show(answer: &Answer, csv: bool, face: &mut Face) -> Exit {
    if face.json {
        face.printer.json_line(answer);
    } else {
        let lines = if csv { report::packages::answer_as_csv(answer) } else { report::packages::answer(answer) };
        lines.iter().for_each(|line| face.printer.out(line));
    }
    report::packages::not_told(answer).iter().for_each(|line| face.printer.err(&format!("warning: {line}")));
    if answer.is_nobody() { Exit::Done } else { Exit::Failed }
}

/// A moment as people write it: `2026-11-01 12:00`, `2026-11-01`, or with a zone (`2026-11-01T12:00Z`).
fn moment(text: &str) -> Result<Timestamp, String> {
    let said = || format!("{text:?} is no moment: write it as `2026-11-01 12:00`, or with a zone as `2026-11-01T12:00:00Z`");
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let local: DateTime = text.parse().or_else(|_| text.parse::<jiff::civil::Date>().map(DateTime::from)).map_err(|_| said())?;
    local.to_zoned(jiff::tz::TimeZone::system()).map(|zoned| zoned.timestamp()).map_err(|_| said())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_taken_as_people_write_it() {
        for good in ["2026-11-01 12:00", "2026-11-01", "2026-11-01T12:00:00Z", "2026-11-01T12:00"] {
            assert!(moment(good).is_ok(), "{good}");
        }
        assert!(moment("yesterday").unwrap_err().contains("2026-11-01 12:00"));
    }
}
