//! Follows a branch: the work tree that the pipelines lie in moves on to what its remote has, and back if that turns out to be wrong.
//!
//! Only ever forward along the branch's own history, and never over what somebody changed here.

use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{Branch, FetchOptions, Oid, Repository, StatusOptions};

use super::address::redact;
use super::error::GitError;
use super::transport;

/// Where a work tree is after its remote was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Where it was: there is nothing newer.
    Same,
    /// It moved on.
    Moved {
        /// The commit that it was at.
        from: String,
        /// The commit that it is at.
        to: String,
    },
    /// Where it was, although there is something newer.
    Stays {
        /// Why.
        why: String,
    },
}

/// Asks the remote of the branch that `folder`'s work tree is on, and moves the work tree on to it. A commit that was `refused` before is left alone.
pub fn follow(folder: &Path, refused: Option<&str>) -> Result<Followed, GitError> {
    let broken = |error: git2::Error| GitError::Broken { place: folder.display().to_string(), why: error.message().to_owned() };
    let repository = Repository::discover(folder).map_err(broken)?;
    let head = repository.head().map_err(broken)?;
    if !head.is_branch() {
        return Ok(Followed::Stays { why: "no branch is checked out there".to_owned() });
    }
    let here = head.peel_to_commit().map_err(broken)?.id();
    let there = fetched(&repository, Branch::wrap(head)).map_err(broken)??;
    if there == here || refused == Some(there.to_string().as_str()) {
        return Ok(Followed::Same);
    }
    let (own, _) = repository.graph_ahead_behind(here, there).map_err(broken)?;
    if own > 0 {
        return Ok(Followed::Stays { why: format!("the branch has {own} commits here that its remote has not") });
    }
    if is_changed(&repository).map_err(broken)? {
        return Ok(Followed::Stays { why: "files were changed there by hand".to_owned() });
    }
    move_to(&repository, there).map_err(broken)?;
    Ok(Followed::Moved { from: here.to_string(), to: there.to_string() })
}

/// Moves `folder`'s work tree back to a commit that it was at.
pub fn go_back(folder: &Path, to: &str) -> Result<(), GitError> {
    let broken = |error: git2::Error| GitError::Broken { place: folder.display().to_string(), why: error.message().to_owned() };
    let repository = Repository::discover(folder).map_err(broken)?;
    move_to(&repository, Oid::from_str(to).map_err(broken)?).map_err(broken)
}

/// What the branch is at its remote, after asking that.
fn fetched(repository: &Repository, branch: Branch<'_>) -> Result<Result<Oid, GitError>, git2::Error> {
    let name = branch.get().name()?.to_owned();
    let upstream = branch.upstream()?;
    let remote_name = repository.branch_upstream_remote(&name)?;
    let mut remote = repository.find_remote(remote_name.as_str()?)?;
    let url = remote.url().map(redact).unwrap_or_default();
    transport::install()?;
    if let Err(error) = remote.fetch(&[] as &[&str], Some(&mut FetchOptions::new()), None) {
        return Ok(Err(GitError::Unreachable { url, why: error.message().to_owned() }));
    }
    let name = upstream.get().name()?.to_owned();
    Ok(Ok(repository.find_reference(&name)?.peel_to_commit()?.id()))
}

/// Whether files that git knows differ from its commit. Others lie there untouched.
fn is_changed(repository: &Repository) -> Result<bool, git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(false).include_ignored(false).exclude_submodules(true);
    Ok(!repository.statuses(Some(&mut options))?.is_empty())
}

/// Files first: one that stands in the way leaves the branch where it was.
fn move_to(repository: &Repository, commit: Oid) -> Result<(), git2::Error> {
    let object = repository.find_commit(commit)?.into_object();
    repository.checkout_tree(&object, Some(CheckoutBuilder::new().safe()))?;
    let mut head = repository.head()?;
    head.set_target(commit, "refit: follows the branch")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, words: &[&str]) {
        let who = ["-c", "user.name=ann", "-c", "user.email=ann@localhost", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(who).args(words).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(folder: &Path, text: &str) {
        fs::write(folder.join("shop.yaml"), text).unwrap();
        git(folder, &["add", "-A"]);
        git(folder, &["commit", "-qm", text]);
    }

    #[test]
    fn a_work_tree_follows_its_branch_and_goes_back_and_never_over_somebodys_work() {
        let folder = tempfile::tempdir().unwrap();
        let (origin, here) = (folder.path().join("origin"), folder.path().join("here"));
        fs::create_dir(&origin).unwrap();
        git(&origin, &["init", "-q"]);
        commit(&origin, "one");
        git(folder.path(), &["clone", "-q", "origin", "here"]);
        let text = || fs::read_to_string(here.join("shop.yaml")).unwrap();
        assert_eq!(follow(&here, None).unwrap(), Followed::Same);

        commit(&origin, "two");
        let Followed::Moved { from, to } = follow(&here, None).unwrap() else { panic!("there is something newer") };
        assert_eq!((text().as_str(), follow(&here, None).unwrap()), ("two", Followed::Same));
        go_back(&here, &from).unwrap();
        assert_eq!((text().as_str(), follow(&here, Some(&to)).unwrap()), ("one", Followed::Same), "what was refused is left alone");
        assert!(matches!(follow(&here, None).unwrap(), Followed::Moved { .. }));

        commit(&origin, "three");
        fs::write(here.join("shop.yaml"), "by hand").unwrap();
        assert!(matches!(follow(&here, None).unwrap(), Followed::Stays { .. }));
        assert_eq!(text(), "by hand");
        git(&here, &["checkout", "-q", "--", "."]);
        git(&here, &["commit", "-q", "--allow-empty", "-m", "mine"]);
        assert!(matches!(follow(&here, None).unwrap(), Followed::Stays { .. }));
        fs::rename(&origin, folder.path().join("gone")).unwrap();
        assert!(matches!(follow(&here, None), Err(GitError::Unreachable { .. })));
    }
}
