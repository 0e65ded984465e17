//! An archive's manifest, `META-INF/MANIFEST.MF`, its main section.
//!
//! Source: the JAR file specification, "JAR Manifest": `Name: value`, names in any case, lines wrapped after 72 bytes and begun with one space.

/// More is no manifest's main section.
const ATTRIBUTES_MAX: usize = 1_000;

/// The attributes of the main section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    attributes: Vec<(String, String)>,
}

impl Manifest {
    /// Reads what is there; what follows no rule is passed over, as by Java's own reader of old archives.
    pub(super) fn of(bytes: &[u8]) -> Self {
        // Wrapping may divide a character, so lines are joined as bytes.
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            let count = lines.len();
            match (line, lines.last_mut()) {
                ([], Some(_)) => break,
                ([b' ', rest @ ..], Some(last)) => last.extend_from_slice(rest),
                ([], None) => {}
                _ if count == ATTRIBUTES_MAX => break,
                _ => lines.push(line.to_vec()),
            }
        }
        let attributes = lines.iter().map(|line| String::from_utf8_lossy(line)).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        });
        Self { attributes: attributes.collect() }
    }

    /// What an attribute says; none if it says nothing, or still has a place where a build was to write something (`${project.version}`, `@VERSION@`).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.attributes.iter().find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())?;
        Some(value).filter(|value| !value.is_empty() && !value.contains("${") && !value.starts_with('@'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_section_is_read_with_its_lines_joined() {
        let text = "Manifest-Version: 1.0\r\nImplementation-Title: A library with a long na\r\n me, \r\n  two spaces\r\nnoise\r\n\
                    bundle-version: 1\r\nImplementation-Version: ${v}\r\n\r\nName: a/b\r\nBundle-License: MIT\r\n";
        let manifest = Manifest::of(text.as_bytes());
        for (name, value) in [
            ("Implementation-Title", Some("A library with a long name,  two spaces")),
            ("Bundle-Version", Some("1")),
            ("Implementation-Version", None),
            ("Bundle-License", None),
            ("noise", None),
        ] {
            assert_eq!(manifest.get(name), value, "{name}");
        }
        let divided = ["a: \u{20}\u{e4}".as_bytes().split_at(5).0, b"\n ", "\u{e4}".as_bytes().split_at(1).1].concat();
        assert_eq!(Manifest::of(&divided).get("a"), Some("\u{e4}"), "a character may be divided");
        assert_eq!(Manifest::of(&b"a: b\n".repeat(5_000)).attributes.len(), ATTRIBUTES_MAX);
    }
}
