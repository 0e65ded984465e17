//! Runs programs and says how long they took and how much memory they held.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// refit, as it was built beside this benchmark; `REFIT_FIGURES_BIN` takes another one.
pub fn refit() -> Command {
    Command::new(std::env::var_os("REFIT_FIGURES_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_refit").into()))
}

/// Runs a program to its end and says how long that took; its output is kept. Panics if it fails.
pub fn timed(command: &mut Command) -> (Duration, Output) {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let took = began.elapsed();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?} ended with {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    (took, output)
}

/// Runs a program with its output thrown away; how long it took, and its peak of resident memory in KiB, looked at every millisecond.
pub fn timed_with_memory(command: &mut Command) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        peak = peak.max(resident_peak(Path::new(&status)));
        if let Some(ended) = child.try_wait().expect("a child can be waited for") {
            assert!(ended.success(), "{command:?} ended with {ended}");
            return (began.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The peak of a process's resident memory so far, in KiB.
pub fn resident_peak(status: &Path) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

/// The one in the middle.
pub fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// A span as it stands in the sheet.
pub fn show(span: Duration) -> String {
    if span < Duration::from_secs(1) { format!("{:.0} ms", span.as_secs_f64() * 1e3) } else { format!("{:.2} s", span.as_secs_f64()) }
}

/// One span against another.
pub fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}
