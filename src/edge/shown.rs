//! Paths as people name them: from the folder where refit was called, if they are below it.

use std::path::Path;

/// A path for messages and places: relative to the current folder when below it, else as it is.
pub fn shown(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(here) => seen_from(path, &here),
        Err(_) => path.display().to_string(),
    }
}

fn seen_from(path: &Path, here: &Path) -> String {
    match path.strip_prefix(here) {
        Ok(rest) if rest.as_os_str().is_empty() => ".".to_owned(),
        Ok(rest) => rest.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_named_from_here() {
        for (path, expected) in [("/a/b/c", "c"), ("/a/b", "."), ("/a/bc", "/a/bc"), ("/a", "/a"), ("x/y", "x/y")] {
            assert_eq!(seen_from(Path::new(path), Path::new("/a/b")), expected);
        }
    }
}
