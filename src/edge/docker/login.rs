//! The file in which `docker login` keeps what it was told, as far as it can be wrong.
//!
//! Who never logged in has no such file, and pulls as nobody. A file that is there and cannot be understood would look the same, so it is told.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The parts of the file that a login is found by. What they hold is of no interest here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only whether it can be read counts")]
struct Config {
    auths: Option<std::collections::HashMap<String, Auth>>,
    creds_store: Option<String>,
    cred_helpers: Option<std::collections::HashMap<String, String>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it can be read counts")]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What is wrong with Docker's configuration of this user, if it is there and cannot be used: the file, and where in it.
pub fn login_trouble() -> Option<String> {
    trouble(&file()?)
}

/// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
fn file() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
    Some(folder?.join("config.json"))
}

fn trouble(file: &Path) -> Option<String> {
    let why = match std::fs::read(file) {
        Ok(text) => fault(&text)?,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return None,
        Err(error) => format!("cannot be read: {error}"),
    };
    Some(format!("{} {why}; no login in it counts, so images are pulled as nobody", file.display()))
}

/// Only the place: the words of the parser may quote what is kept there.
fn fault(text: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<Config>(text).err()?;
    let what = if error.is_data() { "is not as `docker login` writes it" } else { "is no JSON" };
    Some(format!("{what} (line {}, column {})", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_understood_is_told_by_its_place_and_nothing_of_it() {
        for (text, expected) in [
            (r#"{}"#, None),
            (r#"{ "auths": { "a": { "auth": "c2VjcmV0" }, "b": {} }, "credsStore": "x", "HttpHeaders": {} }"#, None),
            ("{ \"auths\": {\n  \"a\": { \"auth\": \"c2Vjcm\n", Some("is no JSON (line 3, column 0)")),
            ("", Some("is no JSON (line 1, column 0)")),
            (r#"{ "auths": "c2VjcmV0" }"#, Some("is not as `docker login` writes it (line 1, column 21)")),
        ] {
            assert_eq!(fault(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn nobody_needs_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(trouble(&folder.path().join("config.json")), None);
        std::fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(trouble(&folder.path().join("config.json")).unwrap().contains("config.json is no JSON (line 1, column 1); no login"));
        assert!(trouble(folder.path()).unwrap().contains("cannot be read"));
    }
}
