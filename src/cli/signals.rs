//! What a run is told by signals: Ctrl-C is a person at the terminal, SIGTERM a supervisor, SIGHUP a terminal that is gone.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::Exit;

/// What a signal means for the run that is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// A person pressed Ctrl-C, and is there to press it again.
    Interrupt,
    /// The process is to end, and nobody is there: SIGTERM, SIGHUP.
    Leave,
}

/// One listener for all of them: what comes while the one before is dealt with waits here, and is not lost.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started refit has it ignore a terminal that goes, as `nohup` does.
    hangup: Option<Signal>,
}

impl Signals {
    /// Begins to listen; from here on these signals do not end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if ignored { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Told {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Told::Interrupt,
            _ = self.terminate.recv() => Told::Leave,
            _ = hangup => Told::Leave,
        }
    }

    /// While nothing is under way each of them ends the process, as if nobody had ever listened. Holds as long as what it gives.
    pub(super) fn end_the_process(mut self) -> JoinSet<()> {
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            self.next().await;
            std::process::exit(Exit::Interrupted as i32);
        });
        waiting
    }
}

/// Whether SIGHUP, the lowest bit of the mask of ignored signals, is ignored. Source: proc_pid_status(5).
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn nohup_is_heeded() {
        assert!(ignores_hangup("Name:\trefit\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\trefit\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
