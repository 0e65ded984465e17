//! `refit check`: reads the estate and says everything that is wrong with it. Changes nothing.

use std::path::PathBuf;

use super::estate::{EstateArgs, read};
use super::{Exit, Face, workshop};
use crate::driver;
use crate::pipeline::{Estate, Finding};
use crate::report::diagnostic;
use crate::workshop::ReadEstate;

/// Check the pipeline files and the graph that their images make.
///
/// Tells every mistake at once, each with its file, line and column, and what to do. Asks no engine and changes nothing. Ends with 2 if there
/// is an error; warnings alone end with 0.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  refit check --var env=prod")]
pub struct CheckArgs {
    /// Which estate.
    #[command(flatten)]
    pub estate: EstateArgs,
}

/// Runs the command.
pub(super) async fn run(args: &CheckArgs, state: Option<PathBuf>, face: &mut Face) -> Result<Exit, miette::Report> {
    let ReadEstate { reading, files } = read(&args.estate)?;
    let mut findings = reading.findings;
    // Sources and rings can only be told once the pipelines themselves are right.
    if let Some(estate) = &reading.estate {
        let sources = workshop::sources_to_look(&workshop::state_folder(&args.estate.pipelines, state))?;
        findings.extend(driver::examine(estate, &sources).await.1);
    }
    let good = !findings.iter().any(Finding::is_error);
    if face.json {
        let estate = reading.estate.as_ref().map(|estate| estate.name.as_str());
        face.printer.json(&serde_json::json!({ "estate": estate, "findings": findings }));
    } else {
        diagnostic::print(&findings, &files, &mut face.printer);
        reading.estate.iter().filter(|_| good).for_each(|estate| face.printer.out(&summary(estate)));
    }
    Ok(if good { Exit::Done } else { Exit::Usage })
}

/// `estate shop: 8 images, 3 hosts, 2 services`.
fn summary(estate: &Estate) -> String {
    let words = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let (images, hosts, services) = (estate.images.len(), estate.hosts.len(), estate.services.len());
    format!("estate {}: {}, {}, {}", estate.name, words(images, "image"), words(hosts, "host"), words(services, "service"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::report::Printer;

    /// What a command wrote.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn check(pipelines: &Path, json: bool) -> (Result<Exit, String>, String, String) {
        let (out, err) = (Sink::default(), Sink::default());
        let mut face = Face::new(Printer::to(Box::new(out.clone()), Box::new(err.clone())), json);
        let args = CheckArgs { estate: EstateArgs { pipelines: pipelines.to_owned(), vars: Vec::new() } };
        let state = tempfile::tempdir().unwrap();
        let end = run(&args, Some(state.path().to_owned()), &mut face).await.map_err(|report| report.to_string());
        drop(face);
        let text = |sink: Sink| String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        (end, text(out), text(err))
    }

    #[tokio::test]
    async fn this_repositorys_own_pipelines_are_good() {
        let (end, out, err) = check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines"), false).await;
        assert_eq!((end, out.as_str(), err.as_str()), (Ok(Exit::Done), "estate refit: 2 images, 1 host, 2 services\n", ""));
    }

    #[tokio::test]
    async fn mistakes_end_with_the_exit_code_of_wrong_configuration() {
        let home = tempfile::tempdir().unwrap();
        let pipelines = home.path().join("pipelines");
        assert!(check(&pipelines, false).await.0.is_err_and(|message| message.starts_with("there is no folder")));
        std::fs::create_dir(&pipelines).unwrap();
        std::fs::write(pipelines.join("a.yaml"), "name: shop\nimages: { web: { build: web } }\n").unwrap();
        let (end, out, err) = check(&pipelines, false).await;
        assert_eq!((end, out.as_str()), (Ok(Exit::Usage), ""));
        assert!(err.contains("is no folder"), "{err}");
        let (_, out, err) = check(&pipelines, true).await;
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&answer["estate"], &answer["findings"][0]["line"], err.as_str()), (&serde_json::Value::Null, &2.into(), ""));
    }
}
