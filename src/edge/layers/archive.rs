//! The archive of an image: which of its files is which layer, and what was found in each.
//!
//! Engines from 25 on write an OCI image layout, `blobs/sha256/<hash>`, in which a layer is called by the hash of its bytes. That is the layer's own
//! digest if the bytes are not packed. Where they are (engines that keep images in containerd), the unpacked bytes are hashed. Older engines
//! write folders, `<hash>/layer.tar`, of which only the last file of the archive, `manifest.json`, says which layer each is.
//! Sources: the OCI image specification, "Image Layout"; Moby's image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LayersError;
use super::entries::{Entries, Entry, TarError};
use super::header::{BLOCK, Kind};
use super::layer::{Limits, Room, read_layer};
use super::pieces::Pieces;
use super::place::{Place, place};
use super::unpack::Packing;
use crate::inventory::{LayerFound, Unreadable};
use crate::model::Digest;

/// An image has at most some 127 layers, with three files for each in the old form.
const FILES_MAX: u32 = 10_000;
/// All layers of the largest images, with what surrounds them.
const ARCHIVE_BYTES_MAX: u64 = 8 * Limits::LAYER.bytes;
/// A configuration or list of layers has some kilobytes; registries refuse one of more than four megabytes.
const JSON_BYTES_MAX: u64 = 4 << 20;
/// What all layers of an image say, kept until the last is read. A large image says some five megabytes.
const KEPT_BYTES_MAX: u64 = 256 << 20;

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    /// Lowest first; null if there is none.
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    /// Lowest first.
    diff_ids: Vec<Digest>,
}

/// What a file of the archive is, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    List,
    /// Named by the hash of its bytes: a layer, a configuration or something else.
    Blob(Digest),
    /// A layer, nobody knows yet which.
    Layer,
    Config,
    Other,
}

impl Role {
    fn of(path: &str) -> Self {
        let digest = |hex: &str| format!("sha256:{hex}").parse().ok();
        let blob = path.strip_prefix("blobs/sha256/").or_else(|| path.strip_suffix(".tar"));
        if path == "manifest.json" {
            Self::List
        } else if let Some(digest) = blob.and_then(digest) {
            Self::Blob(digest)
        } else if path.strip_suffix("/layer.tar").is_some_and(|folder| !folder.contains('/')) {
            Self::Layer
        } else if path.ends_with(".json") && !path.contains('/') {
            Self::Config
        } else {
            Self::Other
        }
    }
}

/// Reads the wanted layers of an archive, and stops as soon as it has them all.
pub(super) fn read_archive(pieces: &mut Pieces, wanted: &BTreeSet<Digest>, limits: Limits) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
    let mut archive = Archive::new(wanted, limits);
    let read = archive.read(&mut Entries::new(&mut *pieces, ARCHIVE_BYTES_MAX));
    // A connection that broke is the reason of whatever else went wrong.
    if let Some(source) = pieces.take_broken() {
        return Err(LayersError::Broke { source });
    }
    read.map_err(|source| LayersError::NoArchive { why: source.to_string() })?;
    archive.settled()
}

struct Archive<'w> {
    wanted: &'w BTreeSet<Digest>,
    found: BTreeMap<Digest, LayerFound>,
    /// Layers of which their file alone does not say which they are.
    by_path: BTreeMap<String, LayerFound>,
    listed: Vec<Listed>,
    configs: BTreeMap<String, Vec<Digest>>,
    limits: Limits,
    room: Room,
}

impl<'w> Archive<'w> {
    fn new(wanted: &'w BTreeSet<Digest>, limits: Limits) -> Self {
        Self::within(wanted, limits, KEPT_BYTES_MAX)
    }

    fn within(wanted: &'w BTreeSet<Digest>, limits: Limits, kept_bytes_max: u64) -> Self {
        let room = Room { left: kept_bytes_max };
        Self { wanted, found: BTreeMap::new(), by_path: BTreeMap::new(), listed: Vec::new(), configs: BTreeMap::new(), limits, room }
    }

    fn read<R: BufRead>(&mut self, entries: &mut Entries<R>) -> Result<(), TarError> {
        let mut count = 0;
        while !self.has_all()
            && let Some(entry) = entries.next()?
        {
            count += 1;
            if count > FILES_MAX {
                return Err(TarError::TooMany { max: FILES_MAX });
            }
            self.take(&entry, &mut entries.body());
            // Only what is there to its end was read: a layer whose file breaks off is none.
            entries.pass_over()?;
        }
        Ok(())
    }

    fn has_all(&self) -> bool {
        self.found.len() == self.wanted.len()
    }

    fn take(&mut self, entry: &Entry, body: &mut dyn BufRead) {
        let (Kind::File, Place::At(path)) = (entry.kind, place(&entry.name)) else { return };
        match Role::of(&path) {
            Role::List => self.listed = json(entry, body).unwrap_or_default(),
            Role::Config => self.take_config(path, entry, body),
            Role::Blob(digest) if self.wanted.contains(&digest) => self.take_named(path, digest, body),
            Role::Blob(_) => self.take_blob(path, entry, body),
            Role::Layer => self.take_unnamed(path, body),
            Role::Other => {}
        }
    }

    fn take_config(&mut self, path: String, entry: &Entry, body: &mut dyn BufRead) {
        let Some(config) = json::<Config>(entry, body) else { return };
        let digests = config.rootfs.diff_ids;
        // For one there is no room for, nothing is known of its layers, and those that only it tells are missing.
        if self.room.take((path.len() + size_of_val(digests.as_slice())) as u64).is_ok() {
            self.configs.insert(path, digests);
        }
    }

    /// A blob that is called as a wanted layer is: it is that layer, if it is not packed.
    fn take_named(&mut self, path: String, digest: Digest, body: &mut dyn BufRead) {
        let (packing, mut body) = looked_at(body);
        if packing == Packing::Plain {
            let found = read_layer(body, self.limits, &mut self.room);
            self.found.insert(digest, found);
        } else {
            self.take_packed(path, packing, &mut body);
        }
    }

    /// Any other blob: unpacked, it may still be a wanted layer.
    fn take_blob(&mut self, path: String, entry: &Entry, body: &mut dyn BufRead) {
        let (packing, mut body) = looked_at(body);
        if packing != Packing::Plain {
            self.take_packed(path, packing, &mut body);
        } else if entry.size <= JSON_BYTES_MAX && body.fill_buf().is_ok_and(|first| first.starts_with(b"{")) {
            self.take_config(path, entry, &mut body);
        }
    }

    fn take_unnamed(&mut self, path: String, body: &mut dyn BufRead) {
        let (packing, mut body) = looked_at(body);
        if packing == Packing::Plain {
            let found = read_layer(body, self.limits, &mut self.room);
            self.by_path.insert(path, found);
        } else {
            self.take_packed(path, packing, &mut body);
        }
    }

    /// Unpacks to the end, because only the whole has the hash. What cannot be unpacked to the end has none, and is left to the list.
    fn take_packed(&mut self, path: String, packing: Packing, body: &mut dyn BufRead) {
        let left = self.room.left;
        let mut unpacked = packing.unpack(body, self.limits.bytes);
        let mut found = read_layer(&mut unpacked, self.limits, &mut self.room);
        match pass_to_end(&mut unpacked) {
            Ok(()) => {
                let digest = unpacked.into_inner().digest();
                if self.wanted.contains(&digest) {
                    self.found.insert(digest, found);
                } else {
                    // What nobody wants is not kept, and takes no room from what is wanted.
                    self.room.left = left;
                }
            }
            Err(error) => {
                if found.unreadable.iter().all(|unreadable| !unreadable.path.is_empty()) {
                    found.unreadable.insert(0, Unreadable { path: String::new(), why: format!("cannot be unpacked to its end: {error}") });
                }
                self.by_path.insert(path, found);
            }
        }
    }

    /// Takes what is still missing from where the list has it. Errors with [`LayersError::Missing`] if a wanted layer is nowhere.
    fn settled(mut self) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
        for image in &self.listed {
            let (Some(layers), Some(digests)) = (&image.layers, self.configs.get(&image.config)) else { continue };
            if layers.len() != digests.len() {
                continue;
            }
            for (path, digest) in layers.iter().zip(digests) {
                if let (true, false, Some(found)) = (self.wanted.contains(digest), self.found.contains_key(digest), self.by_path.get(path)) {
                    self.found.insert(*digest, found.clone());
                }
            }
        }
        let missing: Vec<Digest> = self.wanted.iter().filter(|digest| !self.found.contains_key(digest)).copied().collect();
        if missing.is_empty() { Ok(self.found) } else { Err(LayersError::Missing { layers: missing }) }
    }
}

/// How a layer is packed, and all of its bytes.
fn looked_at(body: &mut dyn BufRead) -> (Packing, impl BufRead) {
    let mut first = Vec::with_capacity(BLOCK);
    // What breaks here breaks again when the body is passed over.
    let _ = (&mut *body).take(BLOCK as u64).read_to_end(&mut first);
    (Packing::of(&first), io::Cursor::new(first).chain(body))
}

/// Reads what follows on the last entry, which belongs to the layer's hash as well.
fn pass_to_end(read: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = read.fill_buf()?.len();
        if bytes == 0 {
            return Ok(());
        }
        read.consume(bytes);
    }
}

/// A file as JSON of this form; none if it is another or too long for it.
fn json<T: DeserializeOwned>(entry: &Entry, body: &mut dyn BufRead) -> Option<T> {
    let mut text = Vec::new();
    (entry.size <= JSON_BYTES_MAX).then(|| body.take(JSON_BYTES_MAX).read_to_end(&mut text))?.ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::make;
    use super::*;

    /// What is found of the wanted layer when so much may be kept.
    fn read(tar: &[u8], wanted: &BTreeSet<Digest>, kept_bytes_max: u64) -> Option<LayerFound> {
        let mut archive = Archive::within(wanted, Limits::LAYER, kept_bytes_max);
        archive.read(&mut Entries::new(tar, ARCHIVE_BYTES_MAX)).unwrap();
        archive.settled().ok()?.into_values().next()
    }

    #[test]
    fn what_nobody_wants_takes_no_room_from_what_is_wanted() {
        let (wanted, other) = (make::packages(&["a"]), make::packages(&["b", "c", "d"]));
        let (others, packed) = (make::gzip(&other), make::gzip(&wanted));
        let files: Vec<(String, &[u8])> =
            (0..20).map(|at| (format!("{at}/layer.tar"), others.as_slice())).chain([("x/layer.tar".to_owned(), packed.as_slice())]).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
        let found = read(&make::archive(&files), &make::wanted(&[&wanted]), 2_000).unwrap();
        assert_eq!((make::names(&found), make::faults(&found)), (vec!["a"], vec![]));
    }

    #[test]
    fn configurations_are_kept_within_the_same_room() {
        let layer = make::packages(&["a"]);
        let many: Vec<&[u8]> = vec![&layer; 100];
        let tar =
            |config: &[u8]| make::archive(&[("c.json", config), ("x/layer.tar", &layer), ("manifest.json", &make::list("c.json", &["x/layer.tar"]))]);
        let wanted = make::wanted(&[&layer]);
        assert!(read(&tar(&make::config(&[&layer])), &wanted, 2_000).is_some());
        let (digests, count) = (make::config(&many), many.len() as u64);
        let mut archive = Archive::within(&wanted, Limits::LAYER, 2_000);
        archive.read(&mut Entries::new(tar(&digests).as_slice(), ARCHIVE_BYTES_MAX)).unwrap();
        assert!(count * 32 > 2_000 && archive.configs.is_empty(), "it was not kept");
    }
}
