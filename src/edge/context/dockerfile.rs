//! Where a context's Dockerfile is, and what to say when it is not there.

use super::ContextError;

/// A path from the context's root without `.` and `..`, or the error that it leaves the context.
pub fn within_context(path: &str, folder: &str) -> Result<String, ContextError> {
    let leaves = || ContextError::Leaves { path: path.to_owned(), folder: folder.to_owned() };
    if path.starts_with('/') {
        return Err(leaves());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(leaves)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Dockerfiles named in a message.
const NAMED_MAX: usize = 5;

/// A hint that names the files among `paths` that look like Dockerfiles.
pub fn nearest_dockerfiles<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    let looks_like = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        name.contains("dockerfile") && !name.ends_with(".dockerignore") || name.contains("containerfile")
    };
    let mut found: Vec<&str> = paths.filter(looks_like).collect();
    found.sort_by_key(|path| (path.matches('/').count(), *path));
    found.truncate(NAMED_MAX);
    match found.is_empty() {
        true => "nothing in its context looks like a Dockerfile: correct `build.context`, or set `build.dockerfile`".to_owned(),
        false => format!("its context has {}: set `build.dockerfile`", found.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within() {
        assert_eq!(within_context("./a//b/../Dockerfile", "x").unwrap(), "a/Dockerfile");
        for path in ["../Dockerfile", "a/../../x", "/etc/passwd"] {
            assert!(within_context(path, "x").is_err(), "{path}");
        }
    }

    #[test]
    fn the_hint_names_what_is_there() {
        let paths = ["app/main.c", "docker/Dockerfile.prod", "Containerfile", "x.Dockerfile.dockerignore"];
        assert_eq!(nearest_dockerfiles(paths.into_iter()), "its context has Containerfile, docker/Dockerfile.prod: set `build.dockerfile`");
    }
}
