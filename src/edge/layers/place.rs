//! Where in the image an entry of a layer belongs, or what of lower layers it takes away.
//!
//! Source: the OCI image specification, "Image Layer Filesystem Changeset", section "Whiteouts".

/// The longest path that Linux takes (`PATH_MAX`, its closing zero counted): nothing in a container opens a longer one. It bounds the depth as well.
pub(super) const PATH_BYTES_MAX: usize = 4096;

const WHITEOUT: &str = ".wh.";
/// What AUFS kept for itself, whiteouts of whole folders aside.
const OWN_OF_AUFS: &str = ".wh..wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What the name of an entry means. Paths are from the image's root, without a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The root itself, or something that is none of the image's files.
    Nowhere,
    At(String),
    /// This of lower layers is gone.
    Gone(String),
    /// Everything of lower layers in this folder is gone.
    Opaque(String),
    /// It cannot be told; the path shows it to people, and why is a phrase.
    Unclear {
        path: String,
        why: String,
    },
}

/// Reads an entry's name.
pub(super) fn place(name: &[u8]) -> Place {
    let text = String::from_utf8_lossy(name);
    let unclear = |why: &str| Place::Unclear { path: shortened(&text), why: why.to_owned() };
    if name.len() >= PATH_BYTES_MAX {
        return unclear(&format!("has a path of more than {} bytes", PATH_BYTES_MAX - 1));
    }
    let Some(path) = cleaned(&text) else {
        return unclear("leads out of the image");
    };
    let (folder, last) = path.rsplit_once('/').unwrap_or(("", &path));
    match last.strip_prefix(WHITEOUT) {
        _ if last.is_empty() => Place::Nowhere,
        None => Place::At(path),
        Some(_) if last == OPAQUE => Place::Opaque(folder.to_owned()),
        Some(_) if last.starts_with(OWN_OF_AUFS) => Place::Nowhere,
        Some("" | "." | "..") => unclear("takes nothing away that could be named"),
        Some(gone) => Place::Gone(if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") }),
    }
}

/// A path without `.`, `..` and doubled slashes; none if it leads out of the root. Links on the way are not looked at, which is how engines read names.
fn cleaned(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Where a symbolic link of this path leads; none if that is above the root.
pub(super) fn led_to(path: &str, link: &[u8]) -> Option<String> {
    let link = String::from_utf8_lossy(link);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if link.starts_with('/') { cleaned(&link) } else { cleaned(&format!("{folder}/{link}")) }
}

/// A path for people, of which a screen holds the most.
pub(super) fn shortened(path: &str) -> String {
    const SHOWN_MAX: usize = 200;
    if path.chars().count() <= SHOWN_MAX { path.to_owned() } else { path.chars().take(SHOWN_MAX).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_an_entry_belongs() {
        let at = |path: &str| Place::At(path.to_owned());
        let unclear = |path: &str, why: &str| Place::Unclear { path: path.to_owned(), why: why.to_owned() };
        for (name, expected) in [
            ("etc/passwd", at("etc/passwd")),
            ("./etc//./passwd", at("etc/passwd")),
            ("/etc/passwd", at("etc/passwd")),
            ("etc/", at("etc")),
            ("a/../b", at("b")),
            ("./", Place::Nowhere),
            ("", Place::Nowhere),
            ("a/..", Place::Nowhere),
            ("../b", unclear("../b", "leads out of the image")),
            ("/a/../../b", unclear("/a/../../b", "leads out of the image")),
            ("etc/.wh.passwd", Place::Gone("etc/passwd".into())),
            (".wh.etc", Place::Gone("etc".into())),
            ("etc/.wh..wh..opq", Place::Opaque("etc".into())),
            (".wh..wh..opq", Place::Opaque(String::new())),
            (".wh..wh.aufs", Place::Nowhere),
            ("a/.wh.", unclear("a/.wh.", "takes nothing away that could be named")),
            ("a/.wh...", unclear("a/.wh...", "takes nothing away that could be named")),
            ("etc/.white", at("etc/.white")),
        ] {
            assert_eq!(place(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(place(b"caf\xe9"), at("caf\u{fffd}"));
        assert!(matches!(place(&[b'a'; PATH_BYTES_MAX - 1]), Place::At(_)));
        assert!(matches!(place(&[b'a'; PATH_BYTES_MAX]), Place::Unclear { path, .. } if path.chars().count() == 201));
    }

    #[test]
    fn a_link_leads_where_its_folder_has_it() {
        for (path, link, expected) in [
            ("var/lib/rpm", "../../usr/lib/sysimage/rpm", Some("usr/lib/sysimage/rpm")),
            ("etc/os-release", "/usr/lib/os-release", Some("usr/lib/os-release")),
            ("a/b", "c", Some("a/c")),
            ("a", "../b", None),
        ] {
            assert_eq!(led_to(path, link.as_bytes()).as_deref(), expected);
        }
    }
}
