//! Credentials for `https` as git itself would find them: in the URL, else from the user's credential helpers or `GIT_ASKPASS`, asked
//! through `git`. Nothing is ever told back to a helper: refit neither keeps logins nor has them forgotten.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use percent_encoding::percent_decode_str;

use crate::model::Secret;

pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
    /// Whether it stood in the URL, where the name itself may be a token.
    pub(super) in_url: bool,
}

/// A URL without its user part, and the login that stood there.
pub(super) fn from_url(url: &str) -> (String, Option<Login>) {
    let Some((scheme, user, rest)) = super::address::split_user(url) else { return (url.to_owned(), None) };
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    (format!("{scheme}://{rest}"), Some(Login { user: unescape(user), password: Secret::new(unescape(password)), in_url: true }))
}

/// What the user's helpers know of a URL, whose user part they see too; or why there is nothing.
pub(super) fn from_helpers(url: &str) -> Result<Login, String> {
    let mut git = Command::new("git");
    git.args(["credential", "fill"]).envs([("GIT_TERMINAL_PROMPT", "0"), ("SSH_ASKPASS", "true"), ("GCM_INTERACTIVE", "never")]);
    // Nobody is there to answer a window; but who sets this one has a program that answers by itself, as in CI.
    if std::env::var_os("GIT_ASKPASS").is_none() {
        git.env("GIT_ASKPASS", "true");
    }
    let started = git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let git =
        started.map_err(|error| format!("the server asks for a login, and `git`, which knows the credential helpers, cannot be started: {error}"))?;
    answer_of(git, url).ok_or_else(|| "the server asks for a login, and no credential helper has one for it".to_owned())
}

fn answer_of(mut git: Child, url: &str) -> Option<Login> {
    // A further line would be a further question.
    let url = url.lines().next().unwrap_or_default();
    git.stdin.take()?.write_all(format!("url={url}\n\n").as_bytes()).ok()?;
    let answer = git.wait_with_output().ok().filter(|output| output.status.success())?.stdout;
    let answer = String::from_utf8(answer).ok()?;
    let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
    let (user, password) = (field("username")?, field("password")?);
    // Helpers that have nothing leave the question to a program that says nothing.
    (!password.is_empty()).then(|| Login { user, password: Secret::new(password), in_url: false })
}

fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_taken_out_of_the_url() {
        let (url, login) = from_url("https://me:p%40ss@host/x.git");
        let login = login.unwrap();
        assert_eq!((url.as_str(), login.user.as_str(), login.password.reveal()), ("https://host/x.git", "me", b"p@ss".as_slice()));
        assert!(from_url("https://host/x.git").1.is_none());
    }
}
