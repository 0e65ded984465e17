//! `refit serve` on an estate.

use std::process::Stdio;

use rustix::process::Signal;

use super::{Ended, Estate, Running, until};

/// A daemon that ends with the test, also with one that fails: its address is taken as long as it lives.
pub struct Daemon(Option<Running>);

impl Daemon {
    /// Starts `refit serve` with these arguments, and waits until it serves.
    pub async fn serve(estate: &Estate, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut daemon = Self(Some(estate.begin_plainly(args, environment, Stdio::null())));
        daemon.says(" serves ").await;
        daemon
    }

    pub fn running(&mut self) -> &mut Running {
        self.0.as_mut().unwrap()
    }

    /// Waits until it says this in its log.
    pub async fn says(&mut self, text: &str) {
        let running = self.running();
        until(&format!("the daemon to say `{text}`"), || {
            let said = running.err_so_far();
            assert!(!running.has_ended(), "it ended, having said:\n{said}");
            said.contains(text)
        })
        .await;
    }

    /// As `kill -9` does.
    pub fn kill(mut self) {
        self.0.take().unwrap().kill();
    }

    /// As systemd stops it.
    pub fn stop(mut self) -> Ended {
        self.running().signal(Signal::TERM);
        self.0.take().unwrap().end().expect_code(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            let said = running.kill().err;
            eprintln!("the daemon had said:\n{said}");
        }
    }
}
