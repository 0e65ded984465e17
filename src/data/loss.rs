//! Finds what would be lost, and says it.

use std::collections::BTreeSet;
use std::fmt;

use super::glob::covers;
use super::harmless::HARMLESS;
use crate::model::{ContainerSpec, MountSource};

/// So many paths are named; the others are counted.
const NAMED_MAX: usize = 10;

/// What a container holds, as its engine tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// What differs from its image, folders on the way there included.
    pub changes: Vec<Change>,
    /// What is mounted in it, memory included.
    pub mounts: Vec<MountSeen>,
}

/// A path that differs from the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How it differs.
    pub kind: ChangeKind,
    /// The absolute path.
    pub path: String,
}

/// How a path differs from the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is another, or, for a folder, something in it is.
    Modified,
    /// The image does not have it.
    Added,
    /// Only the image has it.
    Deleted,
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSeen {
    /// Where in the container.
    pub target: String,
    /// The name of the anonymous volume that it is; none for every other mount.
    pub anonymous: Option<String>,
}

/// What a replacement would lose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Files outside of all mounts.
    pub files: Vec<String>,
    /// Files that would move on, were there not something mounted over them in the new container.
    pub covered: Vec<String>,
    /// Anonymous volumes that nobody would mount any more, because the new container has something else in their place.
    pub orphans: Vec<Orphan>,
    /// Anonymous volumes that nobody would mount any more, because no container takes the slot over.
    pub unclaimed: Vec<Orphan>,
}

/// An anonymous volume that would be left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its name on the engine.
    pub volume: String,
    /// Where the old container mounts it.
    pub target: String,
}

impl Loss {
    /// Whether nothing is lost.
    pub fn is_none(&self) -> bool {
        self.files.is_empty() && self.covered.is_empty() && self.orphans.is_empty() && self.unclaimed.is_empty()
    }
}

/// The first paths by name, the others counted.
pub fn named(paths: &[String]) -> String {
    let named = paths.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(NAMED_MAX) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.files.is_empty() {
            let what = if self.files.len() == 1 { "a file" } else { "files" };
            parts.push(format!("{what} outside its volumes would be lost: {}", named(&self.files)));
        }
        if !self.covered.is_empty() {
            parts.push(format!("the new container mounts something over {}", named(&self.covered)));
        }
        parts.extend(self.orphans.iter().map(|Orphan { volume, target }| {
            format!("the anonymous volume {} would be left behind: the new container mounts something else at {target}", short(volume))
        }));
        parts.extend(self.unclaimed.iter().map(|Orphan { volume, target }| {
            format!("the anonymous volume {} at {target} would be left behind: no container takes its slot over", short(volume))
        }));
        f.write_str(&parts.join("; "))
    }
}

/// So much of a volume's name as people compare.
fn short(volume: &str) -> &str {
    volume.get(..12).unwrap_or(volume)
}

/// The changed paths that may be files which are lost, sorted. Folders that only hold what changed, mount points, what is harmless and what the
/// service ignores are left out; whether the rest are files or empty folders only the engine can tell. Deleted files are no loss: the image has them.
pub fn candidates(holdings: &Holdings, ignore: &[String]) -> Vec<String> {
    let all: BTreeSet<&str> = holdings.changes.iter().map(|change| change.path.as_str()).collect();
    let targets: Vec<&str> = holdings.mounts.iter().map(|mount| mount.target.trim_end_matches('/')).collect();
    let is_mount = |path: &str| targets.iter().any(|target| path == *target || is_below(path, target) || is_below(target, path));
    let is_let_go = |path: &str| HARMLESS.iter().any(|pattern| covers(pattern, path)) || ignore.iter().any(|pattern| covers(pattern, path));
    let lost = holdings.changes.iter().filter(|change| change.kind != ChangeKind::Deleted).map(|change| change.path.as_str());
    let lost: BTreeSet<&str> = lost.filter(|path| !holds_another(path, &all) && !is_mount(path) && !is_let_go(path)).collect();
    lost.into_iter().map(str::to_owned).collect()
}

pub(super) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether something below the path is in the list, so that it is a folder which changed for that alone.
pub(super) fn holds_another(path: &str, all: &BTreeSet<&str>) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    all.range(folder.as_str()..).next().is_some_and(|next| next.starts_with(&folder))
}

/// The anonymous volumes that do not move on: the new container's own spec puts something else in their place.
pub fn orphans(holdings: &Holdings, new: &ContainerSpec) -> Vec<Orphan> {
    let taken = |target: &str| {
        let same = |mount: &&crate::model::MountSpec| mount.target.trim_end_matches('/') == target.trim_end_matches('/');
        new.mounts.iter().find(same).is_some_and(|mount| mount.source != MountSource::Anonymous)
    };
    unclaimed(holdings).into_iter().filter(|orphan| taken(&orphan.target)).collect()
}

/// The anonymous volumes that stay behind where a container goes and none comes after it: all of them.
pub fn unclaimed(holdings: &Holdings) -> Vec<Orphan> {
    let anonymous = holdings.mounts.iter().filter_map(|mount| Some((mount.anonymous.clone()?, mount.target.clone())));
    anonymous.map(|(volume, target)| Orphan { volume, target }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::MountSpec;

    /// Changes as `docker diff` prints them, mount points behind `|`.
    pub(in crate::data) fn holdings(text: &str) -> Holdings {
        let (changes, mounts) = text.split_once('|').unwrap_or((text, ""));
        let change = |line: &str| {
            let (kind, path) = line.trim().split_once(' ').unwrap();
            let kind = match kind {
                "A" => ChangeKind::Added,
                "C" => ChangeKind::Modified,
                _ => ChangeKind::Deleted,
            };
            Change { kind, path: path.to_owned() }
        };
        Holdings {
            changes: changes.split(',').filter(|line| !line.trim().is_empty()).map(change).collect(),
            mounts: mounts.split_whitespace().map(|target| MountSeen { target: target.to_owned(), anonymous: None }).collect(),
        }
    }

    #[test]
    fn only_what_nobody_keeps_is_a_loss() {
        let check = |changes: &str, ignore: &str, lost: &str| {
            let ignore: Vec<String> = ignore.split_whitespace().map(str::to_owned).collect();
            assert_eq!(candidates(&holdings(changes), &ignore).join(" "), lost, "{changes}");
        };
        check("", "", "");
        check("C /srv, A /srv/b, A /srv/a", "", "/srv/a /srv/b");
        check("C /etc/app.conf", "", "/etc/app.conf");
        check("C /srv, D /srv/seed", "", "");
        // Folders on the way to something, harmless or not, are no loss of their own.
        check("C /root, A /root/.ash_history, C /var, C /var/cache, A /var/cache/x", "", "");
        check("A /tmp/x, A /run/app.pid, A /var/tmp/y, C /etc, C /etc/hosts", "", "");
        check("C /sbin, A /sbin/docker-init", "", "");
        check("C /usr, C /usr/sbin, A /usr/sbin/docker-init", "", "");
        check("A /var/log/app.log", "", "/var/log/app.log");
        // Mount points, the folders above them, and what an engine may list below them.
        check("C /var, C /var/lib, A /var/lib/app, A /var/lib/app/data, A /var/lib/app/data/x | /var/lib/app/data/", "", "");
        check("A /data-2 | /data", "", "/data-2");
        check("C /srv, A /srv/a.log, A /srv/b", "/srv/*.log", "/srv/b");
        check("A /srv, A /srv/cache, A /srv/cache/x", "/srv/cache", "");
        // Sorted neighbours do not hide what lies in a folder: `-` comes before `/`.
        check("A /srv, A /srv-2, A /srv/x", "", "/srv-2 /srv/x");
    }

    #[test]
    fn an_anonymous_volume_is_left_behind_only_where_something_else_is_mounted() {
        let mount = |source: MountSource, target: &str| MountSpec { source, target: target.to_owned(), read_only: false };
        let old = Holdings {
            mounts: vec![
                MountSeen { target: "/moves".into(), anonymous: Some("a".repeat(64)) },
                MountSeen { target: "/written".into(), anonymous: Some("b".repeat(64)) },
                MountSeen { target: "/taken".into(), anonymous: Some("c".repeat(64)) },
                MountSeen { target: "/named".into(), anonymous: None },
            ],
            ..Holdings::default()
        };
        let bind = |target: &str| mount(MountSource::Bind { path: "/x".into() }, target);
        let new =
            ContainerSpec { mounts: vec![mount(MountSource::Anonymous, "/written"), bind("/taken/"), bind("/named")], ..ContainerSpec::default() };
        let left = orphans(&old, &new);
        assert_eq!(left, [Orphan { volume: "c".repeat(64), target: "/taken".into() }]);
        let words = "the anonymous volume cccccccccccc would be left behind: the new container mounts something else at /taken";
        assert_eq!(Loss { orphans: left, ..Loss::default() }.to_string(), words);
        // Where no container comes after it, every one is.
        let left = unclaimed(&old);
        assert!(left.len() > 1 && left.iter().any(|orphan| orphan.target == "/taken"), "{left:?}");
        let loss = Loss { unclaimed: left.into_iter().filter(|orphan| orphan.target == "/taken").collect(), ..Loss::default() };
        assert!(!loss.is_none());
        assert_eq!(loss.to_string(), "the anonymous volume cccccccccccc at /taken would be left behind: no container takes its slot over");
    }

    #[test]
    fn ten_paths_are_named_and_the_others_counted() {
        let loss = |count: usize| Loss { files: (0..count).map(|n| format!("/f{n}")).collect(), ..Loss::default() }.to_string();
        assert_eq!(loss(1), "a file outside its volumes would be lost: /f0");
        assert_eq!(loss(2), "files outside its volumes would be lost: /f0, /f1");
        let many = "files outside its volumes would be lost: /f0, /f1, /f2, /f3, /f4, /f5, /f6, /f7, /f8, /f9 and 2 more";
        assert_eq!(loss(12), many);
    }
}
