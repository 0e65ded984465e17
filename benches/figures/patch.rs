//! What goes to a host when one 3 KB layer of a 100 MB image changes: refit's carry against `docker save | docker load`.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refit::edge::carry::carry;
use refit::edge::docker::DockerEngine;
use refit::model::Digest;
use refit::pipeline::Endpoint;

use crate::lab::{Lab, LabHost};
use crate::measure::{median, ratio, show};
use crate::sheet::{self, Row, met};

const ROUNDS: usize = 3;
const BYTES_MAX: u64 = 100_000;
const BIG_LAYER: usize = 98_000_000;

pub async fn run() {
    let Some(lab) = Lab::separate_hosts(3, None).await else { return };
    let (builder, ours, theirs) = (lab.host(1), lab.host(2), lab.host(3));
    builder.import_base("refit-figures/base:1");
    let context = tempfile::tempdir().expect("a folder");
    noise(&context.path().join("big"), BIG_LAYER, 1);
    let first = build(builder, context.path(), 0);
    let (from, to) = (engine(builder), engine(ours));
    let whole = carry(&from, &to, first, None).await.expect("the whole image arrives");
    save_and_load(builder, theirs, first);

    let (mut took, mut bytes) = (Vec::new(), 0);
    let (mut peer_took, mut peer_bytes) = (Vec::new(), 0);
    for round in 1..=ROUNDS {
        let image = build(builder, context.path(), round as u64);
        let began = Instant::now();
        let carried = carry(&from, &to, image, None).await.expect("the patch arrives");
        took.push(began.elapsed());
        bytes = bytes.max(carried.bytes);
        ours.docker(&["run", "--rm", &image.to_string(), "cat", "/patch"]).expect("what arrived is whole");
        let (span, sent) = save_and_load(builder, theirs, image);
        peer_took.push(span);
        peer_bytes = peer_bytes.max(sent);
    }
    let (took, peer_took) = (median(took), median(peer_took));
    let row = Row {
        what: "bytes sent to a host for a patch of one 3 KB layer in a 100 MB image".into(),
        target: "≤ 100 KB".into(),
        measured: format!("{:.1} KB in {}", bytes as f64 / 1e3, show(took)),
        peer: format!("docker save, docker load: {:.1} MB in {}", peer_bytes as f64 / 1e6, show(peer_took)),
        ratio: format!("1 : {:.0} of the bytes, {:.2} of the time", peer_bytes as f64 / bytes as f64, ratio(took, peer_took)),
        met: met(bytes <= BYTES_MAX, "the cause is not profiled yet"),
    };
    let version = builder.docker(&["version", "--format", "{{.Server.Version}}"]).expect("a version");
    let notes = format!(
        "Two engines {version} (classic image store) in network namespaces; the host has the image before the patch. Bytes are those of the archive that goes to the host,\n\
         without HTTP's own framing. The whole image was {:.1} MB the first time. After each patch a container of what arrived is run. Median of {ROUNDS}.\n\
         The builder reads the whole image off its disk either way, which is most of refit's time.",
        whole.bytes as f64 / 1e6
    );
    sheet::put("patch", &[row], &notes);
}

fn engine(host: &LabHost) -> DockerEngine {
    DockerEngine::new(Endpoint::Tcp { host: host.address.clone(), port: 2375, tls: None }).expect("an engine")
}

fn build(builder: &LabHost, context: &std::path::Path, patch: u64) -> Digest {
    noise(&context.join("patch"), 3_000, 1_000 + patch);
    let dockerfile = "FROM refit-figures/base:1\nCOPY big /big\nCOPY patch /patch\nCMD [\"sleep\", \"1000\"]\n";
    fs::write(context.join("Dockerfile"), dockerfile).expect("a Dockerfile");
    let tag = format!("refit-figures/big:{patch}");
    builder.docker(&["build", "-q", "-t", &tag, &context.display().to_string()]).expect("it builds");
    builder.docker(&["image", "inspect", "--format", "{{.Id}}", &tag]).expect("an id").parse().expect("a digest")
}

/// A file of bytes that do not compress. Source: splitmix64.
fn noise(path: &std::path::Path, bytes: usize, seed: u64) {
    let mut state = seed;
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    for _ in 0..bytes.div_ceil(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        file.write_all(&(z ^ (z >> 31)).to_le_bytes()).expect("room on the disk");
    }
}

/// The peer: how long it took, and how many bytes went through the pipe.
fn save_and_load(from: &LabHost, to: &LabHost, image: Digest) -> (Duration, u64) {
    let began = Instant::now();
    let docker = |host: &LabHost| {
        let mut command = Command::new("docker");
        command.args(["-H", host.endpoint.as_str()]);
        command
    };
    let mut save = docker(from).args(["save", &image.to_string()]).stdout(Stdio::piped()).spawn().expect("docker save");
    let mut load = docker(to).arg("load").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("docker load");
    let (mut out, mut into) = (save.stdout.take().expect("a pipe"), load.stdin.take().expect("a pipe"));
    let bytes = std::io::copy(&mut out, &mut into).expect("the archive goes through");
    drop(into);
    assert!(save.wait().is_ok_and(|ended| ended.success()) && load.wait().is_ok_and(|ended| ended.success()), "docker save or load failed");
    (began.elapsed(), bytes)
}
