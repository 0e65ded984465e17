//! Any text as a pipeline: there is an estate exactly where no finding is an error, and every finding points into the text.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use refit_fuzz::pipeline::{Fact, Facts, Finding, Given, PipelineText, draft};

fuzz_target!(|text: &str| {
    let files = [PipelineText { file: "pipelines/fuzz.yaml".into(), text: text.into() }];
    let draft = draft(&files, &Given { folder: "/srv/shop".into(), vars: BTreeMap::new() });
    // Whatever is looked for is there: a third of it a file, a third a text, a third a folder.
    let fact = |path: &std::path::Path| match path.as_os_str().len() % 3 {
        0 => Fact::File,
        1 => Fact::Text("A=1\n".into()),
        _ => Fact::Folder,
    };
    let facts: Facts = draft.wanted().into_iter().map(|wanted| (wanted.path.clone(), fact(&wanted.path))).collect();
    let reading = draft.finish(&facts);
    assert_eq!(reading.estate.is_none(), reading.findings.iter().any(Finding::is_error));
    for finding in &reading.findings {
        assert!(text.get(finding.span.clone()).is_some(), "{finding:?} is not in the text");
    }
});
