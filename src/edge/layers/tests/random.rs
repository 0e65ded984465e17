//! What holds for any bytes and any archive.

use proptest::collection::vec;
use proptest::prelude::*;

use super::make::{Entry, archive, blob, config, gzip, layer, list, names, packages, read, read_in, read_one, wanted, zstd};
use crate::edge::layers::entries::Entries;

/// Changes, cuts or leaves a text.
fn spoiled(mut bytes: Vec<u8>, at: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<u8> {
    at.iter().for_each(|(at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
    });
    bytes.truncate(cut.index(bytes.len() * 2).min(bytes.len()));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, there is an end and no panic.
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in vec(any::<u8>(), 0..5000)) {
        read_one(&bytes);
        let _ = read(&bytes, &wanted(&[b"a"]));
    }

    #[test]
    fn a_spoiled_layer_is_read_to_an_end(at in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut: prop::sample::Index) {
        let long = "d/".repeat(80) + "a.jar";
        let whole = layer(&[Entry::File(&long, b"PK"), Entry::Symlink("a", "b"), Entry::File("var/lib/dpkg/status", b"Package: a\n"), Entry::HardLink("x", "y")]);
        read_one(&spoiled(whole, &at, cut));
    }

    /// A layer that is not what its digest says is either told to be missing, or told to be unreadable, or is what it was.
    #[test]
    fn a_spoiled_packed_layer_is_never_a_silent_gap(at in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3), cut: prop::sample::Index, by_zstd: bool) {
        let whole = packages(&["a", "b"]);
        let packed = spoiled(if by_zstd { zstd(&whole) } else { gzip(&whole) }, &at, cut);
        let config = config(&[&whole]);
        let (layer_path, config_path) = (blob(&packed), blob(&config));
        let image = archive(&[(&layer_path, &packed), (&config_path, &config), ("manifest.json", &list(&config_path, &[&layer_path]))]);
        if let Ok(found) = read(&image, &wanted(&[&whole])) {
            let found = found.values().next().unwrap();
            prop_assert!(names(found) == ["a", "b"] || !found.unreadable.is_empty(), "{found:?}");
        }
    }

    /// How a connection cuts its pieces says nothing.
    #[test]
    fn pieces_of_any_size_say_the_same(piece in 1_usize..3000) {
        let layer = packages(&["a", "b"]);
        let image = archive(&[(&blob(&layer), &layer)]);
        prop_assert_eq!(read_in(&image, piece, &wanted(&[&layer])).unwrap(), read(&image, &wanted(&[&layer])).unwrap());
    }

    /// Names and sizes are those that another reader of archives sees.
    #[test]
    fn entries_are_those_of_another_reader(files in vec(("[a-z/]{1,300}[a-z]", vec(any::<u8>(), 0..1500)), 0..8)) {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.trim_start_matches('/'), &bytes[..])).collect();
        let whole = archive(&files);
        let mut theirs = tar::Archive::new(&whole[..]);
        let theirs: Vec<_> = theirs.entries().unwrap().map(|entry| { let entry = entry.unwrap(); (entry.path_bytes().into_owned(), entry.size()) }).collect();
        let mut entries = Entries::new(&whole[..], u64::MAX);
        let mut ours = Vec::new();
        while let Some(entry) = entries.next().unwrap() {
            ours.push((entry.name, entry.size));
        }
        prop_assert_eq!(ours, theirs);
    }
}
