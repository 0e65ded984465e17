//! Which ssh is called, and with which words: the rules of git itself.

use std::ffi::OsString;
use std::process::{Command, Stdio};

/// Where an ssh URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host` or `user@host`, as ssh takes it.
    pub(super) host: String,
    /// The port, if the URL names one.
    pub(super) port: Option<String>,
    path: String,
}

impl Target {
    /// Takes `ssh://[user@]host[:port]/path` apart; an IPv6 address stands in brackets.
    pub(super) fn of(url: &str) -> Option<Self> {
        let (authority, path) = url.strip_prefix("ssh://")?.split_once('/')?;
        // git's short form with a port has the user within its brackets: `[me@host:22]`.
        let whole = authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| inner.contains('@'));
        let authority = whole.unwrap_or(authority);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return None;
        }
        let host = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
        // `/./x` counts from the home folder, and so does `/~/x`; everything else from the root.
        let path =
            path.strip_prefix("./").map(str::to_owned).unwrap_or_else(|| if path.starts_with('~') { path.to_owned() } else { format!("/{path}") });
        Some(Self { host, port: port.map(str::to_owned), path })
    }

    /// `ssh … -- host "git-upload-pack 'path'"`, with pipes to all sides.
    pub(super) fn upload_pack(&self, mut ssh: Command) -> Command {
        ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"]);
        ssh.args(self.port_words()).arg("--").arg(&self.host).arg(format!("git-upload-pack '{}'", self.path.replace('\'', "'\\''")));
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh
    }

    /// `-p 22`, or nothing.
    pub(super) fn port_words(&self) -> impl Iterator<Item = &str> {
        self.port.iter().flat_map(|port| ["-p", port])
    }
}

/// `host`, `host:22`, `[::1]`, `[::1]:22`, and git's own `[host:22]`.
fn host_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let plain = |place| match str::rsplit_once(place, ':') {
        Some((host, port)) if is_port(port) && !host.contains(':') => (host, Some(port)),
        _ => (place, None),
    };
    let (inner, after) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => (place, ""),
    };
    match after.strip_prefix(':') {
        Some(port) if is_port(port) => Some((inner, Some(port))),
        _ => Some(plain(inner)),
    }
}

/// The user's ssh, where git would look for it: `GIT_SSH_COMMAND`, `core.sshCommand`, `GIT_SSH`, else `ssh`.
pub(super) fn program() -> Command {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(line) = set("GIT_SSH_COMMAND").or_else(configured) {
        return by_shell(&line);
    }
    Command::new(set("GIT_SSH").unwrap_or_else(|| "ssh".into()))
}

/// A command line with words of its own, such as `ssh -i key`, is for the shell.
fn by_shell(line: &OsString) -> Command {
    let mut script = line.clone();
    script.push(" \"$@\"");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(line);
    shell
}

/// git's own setting; none where there is no git.
fn configured() -> Option<OsString> {
    let asked = Command::new("git").args(["config", "--get", "core.sshCommand"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let line = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (!line.is_empty()).then(|| line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command, skipped: usize) -> String {
        command.get_args().skip(skipped).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ssh_is_told_where_to_go() {
        let told = |url: &str| words(&Target::of(url).unwrap().upload_pack(Command::new("ssh")), 6);
        assert_eq!(told("ssh://git@host/srv/it's.git"), "-- git@host git-upload-pack '/srv/it'\\''s.git'");
        assert_eq!(told("ssh://host:2222/./team/x"), "-p 2222 -- host git-upload-pack 'team/x'");
        assert_eq!(told("ssh://host/~me/x"), "-- host git-upload-pack '~me/x'");
        assert_eq!(told("ssh://me@[fe80::1]/x"), "-- me@fe80::1 git-upload-pack '/x'");
        assert_eq!(told("ssh://me@[::1]:22/x"), "-p 22 -- me@::1 git-upload-pack '/x'");
        assert_eq!(told("ssh://me@[host:22]/./x"), "-p 22 -- me@host git-upload-pack 'x'");
        assert_eq!(told("ssh://[me@host:22]/./x"), "-p 22 -- me@host git-upload-pack 'x'");
        for bad in ["ssh://-oProxyCommand=x/y", "ssh://-oProxyCommand=x@host/y", "ssh://me@-x/y", "ssh://[::1/y", "ssh:///x", "https://host/x"] {
            assert_eq!(Target::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_command_line_keeps_its_words() {
        let target = Target::of("ssh://host/x").unwrap();
        let command = target.upload_pack(by_shell(&"ssh -i 'my key'".into()));
        assert_eq!(words(&command, 0).split(" -o ").next().unwrap(), "-c ssh -i 'my key' \"$@\" ssh -i 'my key'");
    }
}
