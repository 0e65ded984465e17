//! What ssh said before it gave up, as a person needs it: whose key is not known, in which file; which keys were offered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::ssh_words::{Target, program};
use super::{DENIED, UNKNOWN_HOST};

/// ssh's words for a message, beginning with what it means: [`DENIED`], [`UNKNOWN_HOST`], or neither.
pub(super) fn told(said: &str, target: &Target) -> String {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let settings = || Settings::of(target);
    if has(&["Host key verification failed", "No matching host key"]) {
        return format!("{UNKNOWN_HOST}{}", host_key(said, &settings()));
    }
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it ended without a word");
    let last = last.trim_start_matches("ssh: ").trim_end_matches('.');
    if has(&["Permission denied", "Too many authentication failures"]) {
        return format!("{DENIED}ssh: {last}; {}", settings().tried());
    }
    format!("ssh: {last}")
}

/// What is wrong with the host's key, and in the next line what to do about it.
fn host_key(said: &str, settings: &Settings) -> String {
    let (name, file) = (settings.name(), settings.known_hosts());
    let shown = file.display();
    if said.contains("IDENTIFICATION HAS CHANGED") {
        // ssh names file and line itself: `Offending ED25519 key in /home/me/.ssh/known_hosts:7`.
        let offending = said.lines().find_map(|line| line.trim().strip_prefix("Offending ")?.split_once(" in "));
        let place = offending.map_or_else(|| shown.to_string(), |(_, place)| place.to_owned());
        return format!(
            "the host key of {name} is another one than in {place}\n\
             ask whoever runs it: if it was set up anew, `ssh-keygen -R '{name}' -f {shown}` forgets the old key; if not, somebody may stand in between"
        );
    }
    format!(
        "the host key of {name} is not known: it is not in {shown}\n\
         compare its fingerprint with what whoever runs the host says, then keep it: `{} >> {shown}`",
        settings.keyscan()
    )
}

/// What ssh's configuration comes to for one host, as `ssh -G` tells it; empty where it cannot.
struct Settings {
    target: Target,
    lines: BTreeMap<String, Vec<String>>,
}

impl Settings {
    fn of(target: &Target) -> Self {
        let mut ssh = program();
        ssh.arg("-G").args(target.port_words()).arg("--").arg(&target.host).stdin(Stdio::null()).stderr(Stdio::null());
        let text = ssh.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        Self { target: target.clone(), lines: read(&text) }
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.lines.get(key)?.first().map(String::as_str)
    }

    /// The host as `known_hosts` has it: `host`, or `[host]:port`.
    fn name(&self) -> String {
        let named = self.target.host.rsplit('@').next().unwrap_or_default();
        let host = self.first("hostkeyalias").or_else(|| self.first("hostname")).unwrap_or(named);
        match self.port() {
            "22" => host.to_owned(),
            port => format!("[{host}]:{port}"),
        }
    }

    fn port(&self) -> &str {
        self.first("port").or(self.target.port.as_deref()).unwrap_or("22")
    }

    fn keyscan(&self) -> String {
        let host = self.first("hostname").unwrap_or(&self.target.host);
        match self.port() {
            "22" => format!("ssh-keyscan -H {host}"),
            port => format!("ssh-keyscan -H -p {port} {host}"),
        }
    }

    fn known_hosts(&self) -> PathBuf {
        let files = self.first("userknownhostsfile").unwrap_or("~/.ssh/known_hosts");
        expanded(files.split(' ').next().unwrap_or(files))
    }

    /// As whom, and with which keys; those that are not there were not offered.
    fn tried(&self) -> String {
        let user = self.first("user").map_or_else(String::new, |user| format!(" as {user}"));
        let identities = self.lines.get("identityfile").into_iter().flatten();
        let mut keys: Vec<String> =
            identities.map(|file| expanded(file)).filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
        let agent = match self.first("identityagent") {
            Some("none") => None,
            Some(path) if path != "SSH_AUTH_SOCK" => Some(path.to_owned()),
            _ => std::env::var("SSH_AUTH_SOCK").ok().filter(|path| !path.is_empty()),
        };
        let agent = agent.map_or_else(|| "no agent runs".to_owned(), |path| format!("agent {path}"));
        if keys.is_empty() {
            keys.push("no key file is there".to_owned());
        }
        format!("tried{user}: {}, {agent}", keys.join(", "))
    }
}

fn read(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        lines.entry(key.to_ascii_lowercase()).or_default().push(value.to_owned());
    }
    lines
}

fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings { target: Target::of("ssh://git@forge:2222/x").unwrap(), lines: read(text) }
    }

    #[test]
    fn a_host_is_named_as_known_hosts_has_it() {
        let alias = settings("hostname 10.0.0.1\nport 2222\nuserknownhostsfile /k/one /k/two\n");
        assert_eq!((alias.name().as_str(), alias.known_hosts()), ("[10.0.0.1]:2222", PathBuf::from("/k/one")));
        assert_eq!(settings("hostname forge\nport 22\n").name(), "forge");
        assert_eq!(settings("").name(), "[forge]:2222", "an ssh that does not know -G");
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_with_the_next_move() {
        let known = settings("hostname forge\nport 22\nuserknownhostsfile /k/known_hosts\n");
        let unknown = host_key("Host key verification failed.\n", &known);
        assert!(unknown.starts_with("the host key of forge is not known: it is not in /k/known_hosts\n"), "{unknown}");
        let changed =
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nOffending ED25519 key in /k/known_hosts:7\r\nHost key verification failed.\r\n";
        let changed = host_key(changed, &known);
        assert!(changed.starts_with("the host key of forge is another one than in /k/known_hosts:7\n"), "{changed}");
    }

    #[test]
    fn what_was_tried_names_user_keys_and_agent() {
        let key = tempfile::NamedTempFile::new().unwrap();
        let path = key.path().display();
        let tried = settings(&format!("user git\nidentityagent none\nidentityfile {path}\nidentityfile /not/there\n")).tried();
        assert_eq!(tried, format!("tried as git: {path}, no agent runs"));
        let nothing = settings("user git\nidentityagent /run/agent\nidentityfile /not/there\n").tried();
        assert_eq!(nothing, "tried as git: no key file is there, agent /run/agent");
    }
}
