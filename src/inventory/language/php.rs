//! PHP's packages: `vendor/composer/installed.json`.
//!
//! Source: Composer's own files; version 1 writes a list, version 2 an object with `packages`.

use super::Stated;
use super::json::{self, License, Listed, Text};
use crate::inventory::{Kind, ReadFile};

/// Reads what Composer installed.
///
/// Names in lower case, as the package-url specification and advisories have them; versions without the `v` that tags often have.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    match packages(bytes) {
        Ok(packages) => packages.iter().for_each(|package| package.add_to(path, &mut read)),
        Err(why) => read.refuse(path, why),
    }
    read
}

fn packages(bytes: &[u8]) -> Result<Vec<Installed>, String> {
    let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let listed: Listed<Installed> = if is_list { json::read(bytes)? } else { json::read::<All>(bytes)?.packages };
    Ok(listed.0)
}

#[derive(serde::Deserialize)]
struct All {
    packages: Listed<Installed>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Installed {
    name: Text,
    version: Text,
    license: License,
}

impl Installed {
    fn add_to(&self, path: &str, read: &mut ReadFile) {
        let (name, version) = (Kind::Composer.normal_name(self.name.as_str()), self.version.as_str());
        let number = version.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        let (version, license) = (number.unwrap_or(version), self.license.0.as_deref());
        Stated { kind: Kind::Composer, name: &name, version, license }.add_to(path, read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_composer_are_read() {
        let one = r#"{"name": "Monolog/monolog", "version": "v2.9.1", "version_normalized": "2.9.1.0", "license": ["MIT"]}"#;
        let branch = r#"{"name": "a/b", "version": "dev-main", "license": ["MIT", "GPL-3.0-or-later"], "type": "metapackage"}"#;
        for written in [format!("[{one}, {branch}]"), format!(r#" {{"packages": [{one}, {branch}], "dev": true, "dev-package-names": []}}"#)] {
            let read = read("vendor/composer/installed.json", written.as_bytes());
            let said: Vec<_> = read.packages.iter().map(|is| format!("{} {} {:?}", is.name, is.version, is.license.as_deref())).collect();
            assert_eq!(said, [r#"monolog/monolog 2.9.1 Some("MIT")"#, r#"a/b dev-main Some("MIT OR GPL-3.0-or-later")"#]);
            assert_eq!(read.unreadable, []);
        }
    }

    #[test]
    fn what_is_neither_form_is_named() {
        for (written, why) in
            [("{}", "is not the JSON expected: missing field `packages`"), ("[1]", "is not the JSON expected: invalid type"), ("", "is not the")]
        {
            let read = read("installed.json", written.as_bytes());
            assert!(read.packages.is_empty() && read.unreadable[0].why.starts_with(why), "{read:?}");
        }
        assert_eq!(read("installed.json", br#"[{"name": "a/b"}]"#).unreadable[0].why, "says no version of a/b");
    }
}
