//! git's smart protocol over a child `ssh`, which knows the user's configuration, agent and known hosts.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use git2::Error;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};

use super::DENIED;

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
        let mut child = command(url)?.spawn().map_err(|error| Error::from_str(&format!("`ssh` cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Err(Error::from_str("`ssh` has no pipes")) };
        reap(&mut self.lock());
        *self.lock() = Some(child);
        Ok(Box::new(Pipe { input, output, child: self.child.clone(), heard: false }))
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

/// `ssh … -- host "git-upload-pack 'path'"`.
fn command(url: &str) -> Result<Command, Error> {
    let bad = || Error::from_str("an ssh URL reads `ssh://[user@]host[:port]/path`");
    let (authority, path) = url.strip_prefix("ssh://").and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() || host.starts_with('-') {
        return Err(bad());
    }
    // `/./x` counts from the home folder, and so does `/~/x`; everything else from the root.
    let path = path.strip_prefix("./").map(str::to_owned).unwrap_or_else(|| if path.starts_with('~') { path.to_owned() } else { format!("/{path}") });
    let mut ssh = Command::new("ssh");
    ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]);
    ssh.args(port.map(|port| ["-p", port]).into_iter().flatten());
    ssh.arg("--").arg(host.trim_start_matches('[').trim_end_matches(']')).arg(format!("git-upload-pack '{}'", path.replace('\'', "'\\''")));
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(ssh)
}

struct Pipe {
    input: ChildStdin,
    output: ChildStdout,
    child: Shared,
    heard: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(buffer)?;
        if read == 0 && !self.heard && !buffer.is_empty() {
            return Err(self.last_words());
        }
        self.heard |= read > 0;
        Ok(read)
    }
}

impl Pipe {
    /// What ssh said before it gave up without an answer.
    fn last_words(&self) -> io::Error {
        let mut text = String::new();
        if let Some(mut errors) = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|child| child.stderr.take()) {
            let _ = errors.read_to_string(&mut text);
        }
        let text = text.trim();
        let denied = ["Permission denied", "Host key verification failed", "Too many authentication failures"].iter().any(|word| text.contains(word));
        io::Error::other(format!("{}ssh: {}", if denied { DENIED } else { "" }, text.lines().last().unwrap_or("it ended without a word")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_where_to_go() {
        let words = |url: &str| {
            let command = command(url).unwrap();
            let words: Vec<_> = command.get_args().skip(6).map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ")
        };
        assert_eq!(words("ssh://git@host/srv/it's.git"), "-- git@host git-upload-pack '/srv/it'\\''s.git'");
        assert_eq!(words("ssh://host:2222/./team/x"), "-p 2222 -- host git-upload-pack 'team/x'");
        assert_eq!(words("ssh://host/~me/x"), "-- host git-upload-pack '~me/x'");
        for bad in ["ssh://-oProxyCommand=x/y", "ssh:///x", "https://host/x"] {
            assert!(command(bad).is_err(), "{bad}");
        }
    }
}
