//! Build contexts in repositories that are far away, through real servers: an sshd of this user's own on loopback, and `git http-backend`
//! behind a web server that asks for a login. `refit check` reads them; no engine is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";
const BUSYBOX: &str = "/bin/busybox";

/// A server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A home with a repository `shop.git`, and what its user has to reach it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write("work/web/Dockerfile", "FROM debian:bookworm-slim\n");
        home.sh("cd work && git init -q && git add -A && git -c user.name=t -c user.email=t@example.com commit -qm x");
        home.sh("git clone -q --bare work shop.git && for key in mine other host; do ssh-keygen -q -t ed25519 -N '' -f $key; done");
        home.sh("cp mine.pub authorized_keys && touch known_hosts");
        home
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn program(&self, path: &str, text: &str) -> PathBuf {
        self.write(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        self.path(path)
    }

    fn sh(&self, script: &str) -> String {
        let output = Command::new("sh").arg("-c").arg(script).current_dir(self.0.path()).env("HOME", self.0.path()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An ssh server that lets this user in with `mine`.
    fn sshd(&self) -> Server {
        if rustix::process::getuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut sshd = Command::new(SSHD);
        sshd.args(["-D", "-f", "/dev/null", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PidFile=none", "-o", "PasswordAuthentication=no"]);
        sshd.arg("-h").arg(self.path("host")).arg("-E").arg(self.path("sshd.log"));
        sshd.arg("-o").arg(format!("AuthorizedKeysFile={}", self.path("authorized_keys").display()));
        started(|port| {
            sshd.arg("-o").arg(format!("ListenAddress=127.0.0.1:{port}"));
            sshd
        })
    }

    /// ssh's configuration for `forge`, with one key, or with an agent.
    fn ssh_config(&self, server: &Server, identity: &str) -> String {
        let known = self.path("known_hosts");
        let text = format!("Host forge\n HostName 127.0.0.1\n Port {}\nHost *\n UserKnownHostsFile {}\n {identity}\n", server.port, known.display());
        self.write("ssh_config", &text);
        format!("ssh -F {}", self.path("ssh_config").display())
    }

    fn know_the_host(&self, server: &Server, key: &str) {
        let key = fs::read_to_string(self.path(key)).unwrap();
        self.write("known_hosts", &format!("[127.0.0.1]:{} {key}", server.port));
    }

    /// What `refit check` finds in an estate whose one image comes from this URL: nothing, or message and help.
    fn check(&self, url: &str, environment: &[(&str, &str)]) -> Option<(String, String)> {
        self.write("pipelines/shop.yaml", &format!("name: shop\nimages:\n  web:\n    build: {{ context: {{ git: \"{url}\", path: web }} }}\n"));
        let mut refit = Command::new(assert_cmd::cargo::cargo_bin!("refit"));
        refit.args(["check", "--json"]).current_dir(self.0.path()).env("HOME", self.0.path()).env_remove("SSH_AUTH_SOCK").env_remove("GIT_ASKPASS");
        refit.env_remove("GIT_SSH_COMMAND").env("GIT_CONFIG_NOSYSTEM", "1").envs(environment.iter().copied()).stdin(Stdio::null());
        let output = refit.output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let finding = said["findings"].as_array().unwrap().first()?;
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        Some((text("message"), text("help")))
    }
}

/// Starts a server on a port that is free, and waits until it listens.
fn started(command: impl FnOnce(u16) -> Command) -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = command(port);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server starts");
    let mut server = Server { child, port };
    wait("the server to listen", || {
        assert_eq!(server.child.try_wait().unwrap(), None, "the server ended at once");
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    server
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a server is there. Without it a test fails, unless the caller has asked for no set-up at all.
fn there(path: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        assert!(std::env::var("REFIT_NO_ENGINE").is_ok_and(|value| value == "1"), "no {path}: run tests/lab/setup.sh --tests");
        eprintln!("left out because of REFIT_NO_ENGINE=1 and no {path}");
    }
    there
}

#[test]
fn a_repository_behind_ssh_is_read_with_the_users_own_ssh() {
    if !there(SSHD) {
        return;
    }
    let home = Home::new();
    let server = home.sshd();
    home.know_the_host(&server, "host.pub");
    let user = home.sh("id -un").trim().to_owned();
    let repository = home.path("shop.git");
    let long = format!("ssh://{user}@127.0.0.1:{}{}", server.port, repository.display());
    let short = format!("{user}@forge:{}", repository.display());
    let bracketed = format!("[{user}@127.0.0.1:{}]:{}", server.port, repository.display());

    let with_key = home.ssh_config(&server, &format!("IdentityFile {}\n IdentityAgent none", home.path("mine").display()));
    for url in [&long, &short] {
        assert_eq!(home.check(url, &[("GIT_SSH_COMMAND", &with_key)]), None, "{url}");
    }
    let (message, _) = home.check(&format!("{long}-gone"), &[("GIT_SSH_COMMAND", &with_key)]).unwrap();
    assert!(message.contains("cannot be reached") && message.contains("does not appear to be a git repository"), "{message}");
    home.write("gitconfig", &format!("[core]\n sshCommand = {with_key}\n"));
    assert_eq!(home.check(&short, &[("GIT_CONFIG_GLOBAL", home.path("gitconfig").to_str().unwrap())]), None, "core.sshCommand");
    let wrapper = home.program("wrapper", &format!("#!/bin/sh\nexec {with_key} \"$@\"\n"));
    assert_eq!(home.check(&bracketed, &[("GIT_SSH", wrapper.to_str().unwrap())]), None, "GIT_SSH");

    let socket = home.path("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().expect("ssh-agent starts");
    let _agent = Server { child: agent, port: 0 };
    wait("the agent", || socket.exists());
    home.sh(&format!("SSH_AUTH_SOCK={} ssh-add -q mine", socket.display()));
    let with_agent = home.ssh_config(&server, "IdentityFile /not/there");
    assert_eq!(home.check(&short, &[("GIT_SSH_COMMAND", &with_agent), ("SSH_AUTH_SOCK", socket.to_str().unwrap())]), None, "agent");
}

#[test]
fn a_host_key_that_is_not_known_is_refused_and_its_file_named() {
    if !there(SSHD) {
        return;
    }
    let home = Home::new();
    let server = home.sshd();
    let ssh = home.ssh_config(&server, &format!("IdentityFile {}\n IdentityAgent none", home.path("mine").display()));
    let url = format!("forge:{}", home.path("shop.git").display());
    let (name, file) = (format!("[127.0.0.1]:{}", server.port), home.path("known_hosts").display().to_string());

    let (message, help) = home.check(&url, &[("GIT_SSH_COMMAND", &ssh)]).unwrap();
    assert!(message.ends_with(&format!("the host key of {name} is not known: it is not in {file}")), "{message}");
    assert!(help.contains(&format!("`ssh-keyscan -H -p {} 127.0.0.1 >> {file}`", server.port)), "{help}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "", "refit accepts no key by itself");

    home.know_the_host(&server, "other.pub");
    let (message, help) = home.check(&url, &[("GIT_SSH_COMMAND", &ssh)]).unwrap();
    assert!(message.ends_with(&format!("the host key of {name} is another one than in {file}:1")), "{message}");
    assert!(help.contains(&format!("`ssh-keygen -R '{name}' -f {file}`")), "{help}");
}

#[test]
fn a_wrong_key_is_told_with_what_was_tried() {
    if !there(SSHD) {
        return;
    }
    let home = Home::new();
    let server = home.sshd();
    home.know_the_host(&server, "host.pub");
    let user = home.sh("id -un").trim().to_owned();
    let key = home.path("other").display().to_string();
    let ssh = home.ssh_config(&server, &format!("IdentityFile {key}\n IdentityAgent none"));
    let url = format!("ssh://{user}@127.0.0.1:{}{}", server.port, home.path("shop.git").display());
    let (message, help) = home.check(&url, &[("GIT_SSH_COMMAND", &ssh)]).unwrap();
    assert!(
        message.contains(&format!("git repository {url} refused access: ssh: ")) && message.contains("Permission denied (publickey"),
        "{message}"
    );
    assert!(message.ends_with(&format!("tried as {user}: {key}, no agent runs")), "{message}");
    assert!(help.contains("ssh-add") && help.contains(&format!("git ls-remote {url}")), "{help}");
}

#[test]
fn a_repository_behind_a_login_is_read_with_what_a_credential_helper_knows() {
    if !there(BUSYBOX) {
        return;
    }
    let home = Home::new();
    let backend = format!("#!/bin/sh\nexport GIT_PROJECT_ROOT={} GIT_HTTP_EXPORT_ALL=1\nexec git http-backend\n", home.0.path().display());
    home.program("www/cgi-bin/git", &backend);
    home.write("httpd.conf", "/cgi-bin:me:sesame\n");
    let server = started(|port| {
        let mut httpd = Command::new(BUSYBOX);
        httpd.args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h"]).arg(home.path("www")).arg("-c").arg(home.path("httpd.conf"));
        httpd
    });
    let url = |user: &str| format!("http://{user}127.0.0.1:{}/cgi-bin/git/shop.git", server.port);
    let helper = home.program("helper", "#!/bin/sh\ntest $1 = get || exit 0\ncat >> asked\necho username=me\necho \"password=$HELPER_KNOWS\"\n");
    home.write("gitconfig", &format!("[credential]\n helper = {}\n", helper.display()));
    let config = home.path("gitconfig").display().to_string();
    let with = |password: &'static str| [("GIT_CONFIG_GLOBAL", config.clone()), ("HELPER_KNOWS", password.to_owned())];
    let check = |url: &str, set: &[(&str, String)]| home.check(url, &set.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());

    assert_eq!(check(&url(""), &with("sesame")), None);
    assert_eq!(check(&url("me@"), &with("sesame")), None, "a name without its password");
    assert!(fs::read_to_string(home.path("asked")).unwrap().contains("username=me"));
    let (message, help) = check(&url(""), &with("barley")).unwrap();
    let expected = format!("{} refused access: the server answered 401 Unauthorized to user me, whose login came from a credential helper", url(""));
    assert!(message.ends_with(&expected), "{message}");
    assert!(help.contains("credential.helper") && !message.contains("barley") && !help.contains("barley"), "{help}");
    let (message, _) = check(&url(""), &[("GIT_CONFIG_GLOBAL", "/dev/null".into())]).unwrap();
    assert!(message.ends_with("refused access: the server asks for a login, and no credential helper has one for it"), "{message}");
    let (message, _) = check(&url("me:b%61rley@"), &with("sesame")).unwrap();
    assert!(message.ends_with("answered 401 Unauthorized to the login in the URL") && !message.contains("barley"), "{message}");
}
