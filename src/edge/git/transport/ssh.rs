//! git's smart protocol over a child `ssh`, which knows the user's configuration, agent and known hosts.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::Error;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};

use super::ssh_refusal;
use super::ssh_words::{Target, program};

/// Of what ssh says, the beginning is kept; a chatty configuration must not fill the memory.
const STDERR_MAX: u64 = 64 * 1024;
/// ssh has ended when its last words are asked for, but a program that it left behind may hold its stderr open.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct Ssh {
    child: Shared,
}

type Shared = Arc<Mutex<Option<Child>>>;

impl SmartSubtransport for Ssh {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, Error> {
        if !matches!(service, Service::UploadPackLs | Service::UploadPack) {
            return Err(Error::from_str("refit never pushes"));
        }
        let target = Target::of(url).ok_or_else(|| Error::from_str("an ssh URL reads `ssh://[user@]host[:port]/path`"))?;
        let spawned = target.upload_pack(program()).spawn();
        let mut child = spawned.map_err(|error| Error::from_str(&format!("`ssh` cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Err(Error::from_str("`ssh` has no pipes")) };
        let errors = kept_aside(&mut child);
        reap(&mut self.lock());
        *self.lock() = Some(child);
        Ok(Box::new(Pipe { input, output, errors, target, heard: false }))
    }

    fn close(&self) -> Result<(), Error> {
        reap(&mut self.lock());
        Ok(())
    }
}

impl Ssh {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        reap(&mut self.lock());
    }
}

fn reap(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Reads all that ssh says on stderr as it is said, so that it never waits for a full pipe; gives it back when ssh has ended.
fn kept_aside(child: &mut Child) -> Receiver<String> {
    let (said, errors) = sync_channel(1);
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(STDERR_MAX).read_to_end(&mut text);
            let _ = io::copy(&mut stderr, &mut io::sink());
        }
        let _ = said.send(String::from_utf8_lossy(&text).into_owned());
    });
    errors
}

struct Pipe {
    input: ChildStdin,
    output: ChildStdout,
    errors: Receiver<String>,
    target: Target,
    heard: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(buffer)?;
        if read == 0 && !self.heard && !buffer.is_empty() {
            let said = self.errors.recv_timeout(LAST_WORDS_WAIT).unwrap_or_default();
            return Err(io::Error::other(ssh_refusal::told(&said, &self.target)));
        }
        self.heard |= read > 0;
        Ok(read)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}
