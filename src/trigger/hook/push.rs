//! Pushes to git, as GitHub, GitLab and Gitea tell them: nearly alike, and each lists its commits only up to a number of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::HookError;
use super::heard::{Heard, Push};
use super::letter::Letter;

/// GitHub lists so many commits of a push at most, and does not say how many there were.
const GITHUB_COMMITS_MAX: usize = 2048;
/// Older servers of it list so many; a push of exactly that many may be one of more.
const GITHUB_SERVER_COMMITS_MAX: usize = 20;
/// GitHub lists so many changed paths of a commit at most.
const GITHUB_PATHS_MAX: usize = 3000;

pub(super) fn github(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let forced = letter.body.get("forced").and_then(Value::as_bool);
    let is_listed = |commits: &[Value]| {
        let is_whole = commits.len() < GITHUB_COMMITS_MAX && commits.len() != GITHUB_SERVER_COMMITS_MAX;
        is_whole && commits.iter().all(|commit| paths(commit).count() < GITHUB_PATHS_MAX)
    };
    let urls = ["/repository/clone_url", "/repository/ssh_url", "/repository/git_url", "/repository/html_url"];
    heard(letter, &urls, forced, is_listed)
}

/// Lists the newest 20 commits, and says how many there were.
pub(super) fn gitlab(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let total = letter.body.get("total_commits_count").and_then(Value::as_u64);
    let urls = ["/project/git_http_url", "/project/git_ssh_url", "/project/http_url", "/project/ssh_url", "/project/url", "/project/web_url"];
    heard(letter, &urls, None, |commits| total == Some(commits.len() as u64))
}

/// Lists the newest 5 commits unless told otherwise, and says how many there were.
pub(super) fn gitea(letter: &Letter<'_>) -> Result<Heard, HookError> {
    let total = letter.body.get("total_commits").and_then(Value::as_u64);
    let urls = ["/repository/clone_url", "/repository/ssh_url", "/repository/html_url"];
    heard(letter, &urls, None, |commits| total == Some(commits.len() as u64))
}

fn heard(letter: &Letter<'_>, urls: &[&str], forced: Option<bool>, is_listed: impl Fn(&[Value]) -> bool) -> Result<Heard, HookError> {
    let reference = letter.need("/ref")?.to_owned();
    let Some(after) = commit(letter, "/after")? else {
        return Ok(Heard::nothing(format!("`{}` was deleted", reference.escape_debug())));
    };
    let before = commit(letter, "/before")?;
    let urls: BTreeSet<String> = urls.iter().filter_map(|pointer| letter.text(pointer)).map(str::to_owned).collect();
    if urls.is_empty() {
        return Err(letter.malformed("no URL of the repository"));
    }
    let commits = letter.body.get("commits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    // Of a new reference nobody knows what it is compared with; of one that went back no commit is listed.
    let is_whole = before.is_some() && forced != Some(true) && !commits.is_empty() && commits.iter().all(names_paths) && is_listed(commits);
    let paths = is_whole.then(|| commits.iter().flat_map(paths).map(str::to_owned).collect());
    Ok(Heard::push(Push { urls, reference, before, after, forced, paths }))
}

/// A commit's id; none if it is all zeros, which stands for "there is none".
fn commit(letter: &Letter<'_>, pointer: &str) -> Result<Option<String>, HookError> {
    let id = letter.need(pointer)?;
    if !matches!(id.len(), 40 | 64) || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(letter.malformed(format!("no commit at `{pointer}`")));
    }
    Ok(id.bytes().any(|b| b != b'0').then(|| id.to_ascii_lowercase()))
}

const KINDS: [&str; 3] = ["added", "modified", "removed"];

/// Whether a commit says what it touches: a forge that could not find out leaves its lists away, or empty of meaning (`null`).
fn names_paths(commit: &Value) -> bool {
    KINDS.iter().any(|kind| commit.get(kind).is_some_and(Value::is_array))
}

/// Every path that a commit touches.
fn paths(commit: &Value) -> impl Iterator<Item = &str> {
    KINDS.into_iter().filter_map(|kind| commit.get(kind)?.as_array()).flatten().filter_map(Value::as_str)
}
