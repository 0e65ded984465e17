//! What moves on into the container that takes the place: with `data: adopt`, all that the old one added and changed outside of its mounts.

use std::collections::BTreeSet;

use super::glob::covers;
use super::harmless::HARMLESS;
use super::loss::{ChangeKind, Holdings, holds_another, is_below};
use crate::model::ContainerSpec;

/// So many trees are copied, each by a call of its own. Who has more of them has a volume's worth of files.
pub const TREES_MAX: usize = 1000;

/// What is copied from one container into another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// Files, and folders with all that is in them; none lies in another. Sorted.
    pub trees: Vec<String>,
    /// Paths that changed and are copied if they are files: a folder that changed would bring along what the image has in it. Sorted.
    pub if_files: Vec<String>,
    /// Files of the image that the old container had deleted. Told, and not deleted again: the new image may have its reasons to have them.
    pub deleted: Vec<String>,
    /// So many bytes at most.
    pub bytes_max: u64,
    /// What is left out of the trees: patterns.
    ignore: Vec<String>,
    /// What is left out of the trees: mount points of both containers.
    mounts: Vec<String>,
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Adoption {
    /// Chooses what moves on from a container into one of this spec.
    pub fn of(holdings: &Holdings, ignore: &[String], new: &ContainerSpec, bytes_max: u64) -> Self {
        let target = |text: &str| text.trim_end_matches('/').to_owned();
        let mounts = holdings.mounts.iter().map(|mount| target(&mount.target)).chain(new.mounts.iter().map(|mount| target(&mount.target)));
        let mut adoption = Self { bytes_max, ignore: ignore.to_vec(), mounts: mounts.collect(), ..Self::default() };
        let all: BTreeSet<&str> = holdings.changes.iter().map(|change| change.path.as_str()).collect();
        let mut changes: Vec<_> = holdings.changes.iter().filter(|change| adoption.takes(&change.path)).collect();
        // By folders, so that a folder comes before all that is in it.
        changes.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        for change in changes {
            let path = change.path.as_str();
            if adoption.trees.last().is_some_and(|tree| is_below(path, tree)) {
                continue;
            }
            match change.kind {
                ChangeKind::Deleted => adoption.deleted.push(path.to_owned()),
                ChangeKind::Added if !adoption.holds_a_mount(path) => adoption.trees.push(path.to_owned()),
                ChangeKind::Modified if !holds_another(path, &all) => adoption.if_files.push(path.to_owned()),
                ChangeKind::Added | ChangeKind::Modified => {}
            }
        }
        adoption
    }

    /// Whether a path is among what moves on, as far as its name tells.
    pub fn takes(&self, path: &str) -> bool {
        let is_mounted = self.mounts.iter().any(|mount| path == mount || is_below(path, mount));
        let is_let_go = HARMLESS.iter().any(|pattern| covers(pattern, path)) || self.ignore.iter().any(|pattern| covers(pattern, path));
        !is_mounted && !is_let_go
    }

    /// Whether there is nothing to copy.
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty() && self.if_files.is_empty()
    }

    fn holds_a_mount(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| is_below(mount, path))
    }
}

/// The changed paths that would be lost although everything moves on: the new container mounts something over them. They may be folders.
pub fn covered(candidates: Vec<String>, new: &ContainerSpec) -> Vec<String> {
    let is_covered = |path: &str| {
        let mut targets = new.mounts.iter().map(|mount| mount.target.trim_end_matches('/'));
        targets.any(|target| path == target || is_below(path, target))
    };
    candidates.into_iter().filter(|path| is_covered(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::loss::tests::holdings;
    use super::*;
    use crate::model::{MountSource, MountSpec};

    #[test]
    fn what_the_old_container_wrote_moves_on_in_as_few_trees_as_there_are() {
        let check = |changes: &str, ignore: &str, expected: (&str, &str, &str)| {
            let ignore: Vec<String> = ignore.split_whitespace().map(str::to_owned).collect();
            let adoption = Adoption::of(&holdings(changes), &ignore, &ContainerSpec::default(), 0);
            let shown = (adoption.trees.join(" "), adoption.if_files.join(" "), adoption.deleted.join(" "));
            assert_eq!((shown.0.as_str(), shown.1.as_str(), shown.2.as_str()), expected, "{changes}");
        };
        check("", "", ("", "", ""));
        check("C /srv, A /srv/b, A /srv/a", "", ("/srv/a /srv/b", "", ""));
        check("A /srv/new, A /srv/new/a, A /srv/new/b, A /srv/new-2, C /srv", "", ("/srv/new /srv/new-2", "", ""));
        check("C /etc, C /etc/app.conf", "", ("", "/etc/app.conf", ""));
        check("C /srv, D /srv/seed", "", ("", "", "/srv/seed"));
        check("C /tmp, A /tmp/x, A /run, A /run/pid, A /var/cache/x", "", ("", "", ""));
        check("A /srv, A /srv/cache, A /srv/cache/x, A /srv/keep", "/srv/cache", ("/srv", "", ""));
        // A folder in which something is mounted is not copied whole: that would bring the mount along.
        check("A /var/app, A /var/app/data, A /var/app/x | /var/app/data", "", ("/var/app/x", "", ""));
    }

    #[test]
    fn within_a_tree_mounts_and_what_may_go_are_left_out() {
        let mounts = vec![MountSpec { source: MountSource::Anonymous, target: "/srv/vol/".into(), read_only: false }];
        let new = ContainerSpec { mounts, ..ContainerSpec::default() };
        let adoption = Adoption::of(&holdings("A /srv | /mnt"), &["/srv/**/*.tmp".to_owned()], &new, 0);
        for (path, takes) in
            [("/srv/a", true), ("/srv/x/a.tmp", false), ("/srv/vol", false), ("/srv/vol/a", false), ("/mnt/a", false), ("/tmp/a", false)]
        {
            assert_eq!(adoption.takes(path), takes, "{path}");
        }
        assert_eq!(covered(vec!["/srv/vol/a".into(), "/srv/b".into()], &new), ["/srv/vol/a"]);
    }
}
