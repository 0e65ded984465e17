//! The estates that lie in this repository are read without a finding, and are what their descriptions say.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use refit::edge::pipeline_files;
use refit::pipeline::{self, Estate, Given, Order, PipelineText, Reading};

fn read(pipelines: &str) -> Estate {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(pipelines);
    let files = pipeline_files::read_folder(&folder).unwrap();
    let reading = read_texts(&folder, &files);
    assert!(reading.findings.is_empty(), "{pipelines}: {:#?}", reading.findings);
    reading.estate.unwrap()
}

fn read_texts(pipelines: &Path, files: &[PipelineText]) -> Reading {
    let given = Given { folder: pipeline_files::estate_folder(pipelines).unwrap(), vars: Default::default() };
    let draft = pipeline::draft(files, &given);
    let facts = pipeline_files::look(&draft.wanted());
    draft.finish(&facts)
}

#[test]
fn the_demos_shop_is_an_estate_of_ten_images_on_three_hosts() {
    let shop = read("examples/shop/pipelines");
    assert_eq!((shop.images.len(), shop.hosts.len(), shop.services.len()), (10, 3, 3));
    for image in shop.images.values() {
        let pipeline::Context::Folder { path } = &image.build.context else { panic!("{} comes from elsewhere", image.name) };
        assert!(path.join(&image.build.dockerfile).is_file(), "{}", path.display());
    }
    let web = &shop.services[&"web".parse().unwrap()];
    assert_eq!((web.hosts.len(), web.update.order, web.update.parallelism), (3, Order::StopFirst, pipeline::Amount::Count(1)));
}

#[test]
fn the_estate_that_runs_by_itself_has_each_part_that_the_guide_tells_of() {
    let site = read("examples/serve/pipelines");
    assert_eq!((site.images.len(), site.hosts.len(), site.services.len()), (2, 2, 1));
    assert_eq!((site.hooks.len(), site.triggers.len(), site.maintenance.len(), site.freezes.len(), site.notify.len()), (2, 1, 1, 1, 1));
    assert!(site.bases.values().any(|base| base.watch.is_some()));
    assert_eq!(site.hooks[&"forge".parse().unwrap()].secrets.len(), 2, "one secret is on its way to take the other's place");
    for image in site.images.values() {
        let pipeline::Context::Folder { path } = &image.build.context else { panic!("{} comes from elsewhere", image.name) };
        assert!(path.join(&image.build.dockerfile).is_file(), "{}", path.display());
    }
}

/// Whatever Cargo.toml names must be among what refit's own Dockerfile copies, or cargo refuses to build.
#[test]
fn refits_own_image_has_all_that_its_manifest_names() {
    let (root, copied) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let dockerfile = std::fs::read_to_string(root.join("pipelines/images/refit/Dockerfile")).unwrap();
    for line in dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let (to, from) = words.split_last().unwrap();
        let to = copied.path().join(to);
        std::fs::create_dir_all(if from.len() > 1 || line.ends_with('/') { to.as_path() } else { to.parent().unwrap() }).unwrap();
        let sources = from.iter().map(|one| root.join(one));
        let ended = std::process::Command::new("cp").arg("-r").args(sources).arg(&to).output().unwrap();
        assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let ended =
        cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(copied.path().join("Cargo.toml")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// The guide's pieces of YAML, each made a whole file: what a sender needs is one line below `hooks:`, with a secret that is called like the hook.
fn examples_of_the_guide() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/serve.md")).unwrap();
    let whole = |example: &str| match example.strip_prefix("  ").and_then(|line| line.split_once(':')) {
        Some((name, rest)) if rest.contains("secrets:") => {
            format!("name: guide\nsecrets: {{ {name}: {{ environment: SECRET }} }}\nhooks:\n{example}")
        }
        Some(_) => format!("name: guide\nhooks:\n{example}"),
        None => format!("name: guide\n{example}"),
    };
    text.split("```yaml\n").skip(1).map(|rest| whole(rest.split("```").next().unwrap())).collect()
}

#[test]
fn every_example_in_the_guide_to_serve_is_read_without_a_finding() {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/serve/pipelines");
    let mut formats = BTreeSet::new();
    for text in examples_of_the_guide() {
        let reading = read_texts(&pipelines, &[PipelineText { file: "docs/serve.md".to_owned(), text: text.clone() }]);
        assert!(reading.findings.is_empty(), "{text}\n{:#?}", reading.findings);
        formats.extend(reading.estate.unwrap().hooks.values().filter_map(|hook| hook.format));
    }
    assert_eq!(formats.len(), 15, "each format has a recipe: {formats:?}");
}

#[test]
fn the_unit_tells_the_supervisor_to_leave_the_connections_alone() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/serve/refit.service")).unwrap();
    for line in ["Type=notify", "KillMode=mixed", "ReadWritePaths=/srv/site/.refit", "WorkingDirectory=/srv/site"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
