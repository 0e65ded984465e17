//! `refit scan --json` of 100,000 Dockerfiles against a `grep` for their FROM lines.

use std::process::{Command, Stdio};

use crate::dockerfiles::write_tree;
use crate::measure::{median, ratio, refit, show, timed_with_memory};
use crate::sheet::{self, Row, met, said};

const FILES: usize = 100_000;
const ROUNDS: usize = 5;
const MB_MAX: f64 = 400.0;

pub fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    write_tree(folder.path(), FILES).expect("the tree is written");
    let scan = || timed_with_memory(refit().args(["scan", "--json"]).arg(folder.path()));
    let grep = || timed_with_memory(Command::new("grep").args(["-rc", "^FROM"]).arg(folder.path()).stderr(Stdio::null()));
    // Once each, so that everything is in the cache.
    scan();
    grep();
    let (mut ours, mut theirs, mut kib) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (took, held) = scan();
        ours.push(took);
        kib = kib.max(held);
        theirs.push(grep().0);
    }
    let (ours, theirs, mb) = (median(ours), median(theirs), kib as f64 * 1.024e-3);
    let row = Row {
        what: format!("refit scan --json of {FILES} generated Dockerfiles, warm"),
        target: "≤ 2 × grep -rc '^FROM', ≤ 400 MB".into(),
        measured: format!("{}, {mb:.0} MB", show(ours)),
        peer: format!("grep: {}", show(theirs)),
        ratio: format!("{:.2}", ratio(ours, theirs)),
        met: met(ratio(ours, theirs) <= 2.0 && mb <= MB_MAX, "the cause is not profiled yet"),
    };
    let notes = format!(
        "The tree has as many README.md files beside the Dockerfiles; {}. Output goes to /dev/null for both. Median of {ROUNDS}, in turns, after one round for the cache;\n\
         memory is the peak of resident memory that the kernel reports for the process, looked at every millisecond.",
        said("grep", &["--version"]).split(" Copyright").next().unwrap_or_default()
    );
    sheet::put("scan", &[row], &notes);
}
