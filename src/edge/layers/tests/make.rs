//! Makes layers, archives of images, and reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::edge::layers::layer::{Limits, Room, read_layer};
use crate::edge::layers::{LayersError, read_layers};
use crate::inventory::{FileFound, LayerFound};
use crate::model::Digest;

/// An entry of a layer.
pub(in crate::edge::layers) enum Entry<'a> {
    File(&'a str, &'a [u8]),
    Program(&'a str, &'a [u8]),
    Folder(&'a str),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}

pub(in crate::edge::layers) fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header
}

/// A name as it is, which a well-meaning maker of archives would refuse.
pub(in crate::edge::layers) fn raw_header(name: &[u8], kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = header(kind, size, 0o644);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
    header
}

pub(in crate::edge::layers) fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let added = match entry {
            Entry::File(name, bytes) => tar.append_data(&mut header(Regular, bytes.len() as u64, 0o644), name, *bytes),
            Entry::Program(name, bytes) => tar.append_data(&mut header(Regular, bytes.len() as u64, 0o755), name, *bytes),
            Entry::Folder(name) => tar.append_data(&mut header(Directory, 0, 0o755), name, io::empty()),
            Entry::Symlink(name, to) => tar.append_link(&mut header(Symlink, 0, 0o777), name, to),
            Entry::HardLink(name, to) => tar.append_link(&mut header(Link, 0, 0o644), name, to),
        };
        added.unwrap();
    }
    tar.into_inner().unwrap()
}

/// Debian's list of packages, all in version 1.
pub(in crate::edge::layers) fn status(packages: &[&str]) -> Vec<u8> {
    let one = |name: &&str| format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n");
    packages.iter().map(one).collect::<String>().into_bytes()
}

/// A layer with these packages and nothing else.
pub(in crate::edge::layers) fn packages(names: &[&str]) -> Vec<u8> {
    layer(&[Entry::Folder("var"), Entry::File("var/lib/dpkg/status", &status(names))])
}

/// An archive of these files, in this order.
pub(in crate::edge::layers) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<Entry<'_>> = files.iter().map(|(name, bytes)| Entry::File(name, bytes)).collect();
    layer(&entries)
}

pub(in crate::edge::layers) fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(bytes).hex())
}

pub(in crate::edge::layers) fn config(layers: &[&[u8]]) -> Vec<u8> {
    let digests: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    serde_json::to_vec(&serde_json::json!({ "rootfs": { "type": "layers", "diff_ids": digests } })).unwrap()
}

pub(in crate::edge::layers) fn list(config: &str, layers: &[&str]) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!([{ "Config": config, "RepoTags": null, "Layers": layers }])).unwrap()
}

pub(in crate::edge::layers) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub(in crate::edge::layers) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(in crate::edge::layers) fn wanted(layers: &[&[u8]]) -> BTreeSet<Digest> {
    layers.iter().map(|layer| Digest::of(layer)).collect()
}

/// Reads an archive that comes in pieces of this size.
pub(in crate::edge::layers) fn read_in(archive: &[u8], piece: usize, wanted: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
    let pieces: Vec<io::Result<Bytes>> = archive.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    read_pieces(pieces, wanted)
}

pub(in crate::edge::layers) fn read(archive: &[u8], wanted: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
    read_in(archive, 10_000, wanted)
}

pub(in crate::edge::layers) fn read_pieces(
    pieces: Vec<io::Result<Bytes>>,
    wanted: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, LayerFound>, LayersError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(read_layers(stream::iter(pieces).boxed(), wanted))
}

/// Reads one layer by itself.
pub(in crate::edge::layers) fn read_one(tar: &[u8]) -> LayerFound {
    read_within(tar, Limits::LAYER)
}

pub(in crate::edge::layers) fn read_within(tar: impl io::BufRead, limits: Limits) -> LayerFound {
    read_layer(tar, limits, &mut Room { left: 64 << 20 })
}

/// The names of a layer's packages.
pub(in crate::edge::layers) fn names(layer: &LayerFound) -> Vec<&str> {
    let packages = layer.files.values().filter_map(|found| match found {
        FileFound::Packages(packages) => Some(packages),
        _ => None,
    });
    packages.flatten().map(|package| package.name.as_str()).collect()
}

/// What could not be read: `path: why`.
pub(in crate::edge::layers) fn faults(layer: &LayerFound) -> Vec<String> {
    layer.unreadable.iter().map(|unreadable| format!("{}: {}", unreadable.path, unreadable.why)).collect()
}
