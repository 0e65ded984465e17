//! The real paths of folders. Thousands of contexts share their parents, so the way to a parent is gone once.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The real paths that a run has found.
#[derive(Default)]
pub struct RealPaths {
    parents: Mutex<HashMap<PathBuf, PathBuf>>,
}

impl RealPaths {
    /// The path of a folder without links, and what it looks like: its parent as it was when it was first asked about, itself as it is now.
    ///
    /// Errors as [`Path::canonicalize`] does.
    pub fn of(&self, folder: &Path) -> io::Result<(PathBuf, Metadata)> {
        if let (Some(parent), Some(name)) = (folder.parent().filter(|parent| !parent.as_os_str().is_empty()), folder.file_name()) {
            let real = self.of_parent(parent)?.join(name);
            let found = real.symlink_metadata()?;
            if !found.is_symlink() {
                return Ok((real, found));
            }
        }
        let real = folder.canonicalize()?;
        let found = real.metadata()?;
        Ok((real, found))
    }

    fn of_parent(&self, parent: &Path) -> io::Result<PathBuf> {
        if let Some(real) = self.parents.lock().unwrap_or_else(PoisonError::into_inner).get(parent) {
            return Ok(real.clone());
        }
        // Two at once find the same.
        let real = parent.canonicalize()?;
        self.parents.lock().unwrap_or_else(PoisonError::into_inner).insert(parent.to_owned(), real.clone());
        Ok(real)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_real_path_is_what_the_system_says_it_is() {
        let outer = tempfile::tempdir().unwrap();
        let at = |path: &str| outer.path().join(path);
        fs::create_dir_all(at("a/b/c")).unwrap();
        symlink(at("a/b"), at("link")).unwrap();
        symlink("c", at("a/b/near")).unwrap();
        fs::write(at("file"), "").unwrap();
        let paths = RealPaths::default();
        for path in ["a", "a/b/c", "a/b/./c/", "a/b/c/..", "a/../a/b", "link", "link/c", "link/near", "link/..", "file", "none", "none/x", "file/x"] {
            let (ours, theirs) = (paths.of(&at(path)), at(path).canonicalize());
            let kind = |error: &io::Error| error.kind();
            match (&ours, &theirs) {
                (Ok((real, found)), Ok(expected)) => {
                    assert_eq!(real, expected, "{path}");
                    assert_eq!(found.is_dir(), path != "file", "{path}");
                }
                (ours, theirs) => assert_eq!(ours.as_ref().err().map(kind), theirs.as_ref().err().map(kind), "{path}"),
            }
        }
        assert_eq!(paths.of(Path::new(".")).unwrap().0, Path::new(".").canonicalize().unwrap());
    }
}
