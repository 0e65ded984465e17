//! A steady HTTP load, as a load balancer would send it: `load PATH ADDRESS…` asks the addresses in turn, a hundred times a second, tries a
//! failed request once more on the next one, and says what it met when it gets SIGTERM or Ctrl-C.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a small program for people")]

#[path = "../tests/lab/load.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod load;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("usage: load PATH ADDRESS…");
    let mut ended = signal(SignalKind::terminate()).expect("SIGTERM can be heard");
    let mut interrupted = signal(SignalKind::interrupt()).expect("Ctrl-C can be heard");
    let load = load::Load::begin(arguments.collect(), &path, Duration::from_millis(10));
    tokio::select! {
        _ = ended.recv() => {}
        _ = interrupted.recv() => {}
    }
    let report = load.stop().await;
    println!(
        "{} requests: {} answered at once, {} by the next host after one retry, {} failed",
        report.all(),
        report.answered,
        report.after_retry,
        report.failed
    );
    for (answer, count) in &report.answers {
        println!("  {count:>6} × {answer}");
    }
}
