//! What is in a Debian image: `refit inventory scan` against `docker save | tar -t`, which reads the same bytes and understands none.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::measure::{median, ratio, refit, show, timed, timed_with_memory};
use crate::sheet::{self, Row, met};

const ROUNDS: usize = 7;
const TIMES_MAX: f64 = 2.0;
const KIB_MAX: u64 = 100 * 1024;
const IMAGE: &str = "refit-figures/debian:1";
const MIRROR: &str = "http://deb.debian.org/debian";

pub async fn run() {
    let Some(lab) = Lab::separate_hosts(1, None).await else { return };
    let (engine, folder) = (lab.host(1), tempfile::tempdir().expect("a folder"));
    let (root, archive) = (folder.path().join("root"), folder.path().join("root.tar"));
    let packages = "--include=openssl,ca-certificates,perl,python3-minimal";
    timed(Command::new("debootstrap").args(["--variant=minbase", packages, "bookworm"]).arg(&root).arg(MIRROR));
    timed(Command::new("tar").arg("-C").arg(&root).args(["--exclude=./var/cache/apt/*", "-cf"]).arg(&archive).arg("."));
    engine.docker(&["import", archive.to_str().expect("a plain path"), IMAGE]).expect("the image is imported");
    let megabytes = fs::metadata(&archive).expect("an archive").len() / 1_000_000;
    let pipelines = folder.path().join("pipelines");
    fs::create_dir(&pipelines).expect("a folder");
    let estate = format!("name: figures\nbuilders: {{ build: {{ endpoint: \"{}\" }} }}\nimages: {{}}\nhosts: {{}}\n", engine.endpoint);
    fs::write(pipelines.join("figures.yaml"), estate).expect("a pipeline");

    let (mut ours, mut peak, mut theirs) = (Vec::new(), 0, Vec::new());
    for round in 0..ROUNDS {
        theirs.push(listed(&engine.endpoint));
        let (took, kib) = timed_with_memory(&mut scan(folder.path(), round));
        ours.push(took);
        peak = peak.max(kib);
    }
    let (took, peer) = (median(ours), median(theirs));
    let times = ratio(took, peer);
    let rows = [
        Row {
            what: format!("everything in a Debian image of {megabytes} MB, read and kept"),
            target: format!("≤ {TIMES_MAX} × its archive listed"),
            measured: show(took),
            peer: format!("docker save, tar -t: {}", show(peer)),
            ratio: format!("{times:.2}"),
            met: met(times <= TIMES_MAX, "above the limit"),
        },
        Row {
            what: "memory that it takes".into(),
            target: format!("≤ {} MB", KIB_MAX / 1024),
            measured: format!("{} MB", peak / 1024),
            peer: "none".into(),
            ratio: format!("{:.2} of the limit", peak as f64 / KIB_MAX as f64),
            met: met(peak <= KIB_MAX, "above the limit"),
        },
    ];
    let notes = format!(
        "A real debootstrap with openssl, perl and python3, imported as one layer. Each round lists `docker save`'s archive, then runs `refit inventory scan` with an \
         empty state\nfolder, so that nothing is known; its start, its output and what it writes to disk are counted. By turns; median of {ROUNDS}, and the highest peak."
    );
    sheet::put("contents", &rows, &notes);
}

fn scan(folder: &Path, round: usize) -> Command {
    let mut command = refit();
    command.args(["inventory", "scan", IMAGE, "--json", "--pipelines"]).arg(folder.join("pipelines"));
    command.arg("--state").arg(folder.join(format!("state-{round}")));
    command
}

fn listed(endpoint: &str) -> Duration {
    let line = format!("docker -H {endpoint} save {IMAGE} | tar -t > /dev/null");
    timed(Command::new("sh").args(["-c", &line])).0
}
