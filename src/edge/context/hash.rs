//! One hash over a context, the same for a folder and for a commit that hold the same files.

use sha2::{Digest as _, Sha256};

use crate::edge::{ContextEntry, EntryKind};
use crate::model::Digest;

/// Write permission of group and others is the checkout's umask, not the file's: it does not count. Nor do owners and times.
const MODE_COUNTED: u32 = 0o7755;

/// The hash over paths, kinds, modes and contents. `contents` gives each file's digest by its place among the entries.
pub fn context_hash(entries: &[ContextEntry], mut content: impl FnMut(usize) -> Digest) -> Digest {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| entries[a].path.as_bytes().cmp(entries[b].path.as_bytes()));
    let mut hasher = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for index in order {
        let entry = &entries[index];
        field(entry.path.as_bytes());
        match &entry.kind {
            EntryKind::File => field(content(index).hex().as_bytes()),
            EntryKind::Folder => field(b"folder"),
            // Permissions of a link mean nothing.
            EntryKind::Link(target) => {
                field(b"link");
                field(target.as_bytes());
                continue;
            }
        }
        field(&(entry.mode & MODE_COUNTED).to_le_bytes());
    }
    Digest::from_hasher(hasher)
}

/// A moment in the second `seconds`, different for different contents. Layers keep seconds only, so no image shows it.
pub fn content_moment(seconds: i64, content: Option<&Digest>) -> i64 {
    const NANOS: u64 = 1_000_000_000;
    let nanos = content.map_or(0, |digest| u64::from_str_radix(&digest.hex()[..15], 16).unwrap_or_default() % NANOS);
    seconds.saturating_mul(NANOS as i64).saturating_add(nanos as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_would_show_changes_the_hash() {
        let entry = |path: &str, kind, mode| ContextEntry { path: path.into(), kind, mode, size: 1 };
        let of = |entries: &[ContextEntry], text: &str| context_hash(entries, |_| Digest::of(text.as_bytes()));
        let plain = of(&[entry("a", EntryKind::File, 0o644)], "x");
        assert_eq!(plain, of(&[entry("a", EntryKind::File, 0o664)], "x"), "umask");
        for (what, other) in [
            ("content", of(&[entry("a", EntryKind::File, 0o644)], "y")),
            ("path", of(&[entry("b", EntryKind::File, 0o644)], "x")),
            ("mode", of(&[entry("a", EntryKind::File, 0o755)], "x")),
            ("secrecy", of(&[entry("a", EntryKind::File, 0o600)], "x")),
            ("kind", of(&[entry("a", EntryKind::Folder, 0o644)], "x")),
            ("link", of(&[entry("a", EntryKind::Link("x".into()), 0o644)], "x")),
            ("more", of(&[entry("a", EntryKind::File, 0o644), entry("b", EntryKind::Folder, 0o755)], "x")),
        ] {
            assert_ne!(plain, other, "{what}");
        }
    }

    #[test]
    fn a_moment_keeps_its_second() {
        let [a, b] = ["a", "b"].map(|text| content_moment(1_700_000_000, Some(&Digest::of(text.as_bytes()))));
        assert_ne!(a, b);
        assert_eq!((a / 1_000_000_000, b / 1_000_000_000), (1_700_000_000, 1_700_000_000));
    }
}
