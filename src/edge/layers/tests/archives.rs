//! The forms of archives: of engines before 25 and since, of engines that keep images in containerd, and of Podman.

use std::io;

use bytes::Bytes;

use super::make::{archive, blob, config, faults, gzip, list, names, packages, read, read_in, read_pieces, wanted, zstd};
use crate::edge::layers::LayersError;
use crate::inventory::{Contents, FileFound, LayerFound};
use crate::model::Digest;

fn old(base: &[u8], top: &[u8]) -> Vec<u8> {
    let config = config(&[base, top]);
    let list = list("c0.json", &["aa/layer.tar", "00/layer.tar"]);
    // In the order of names, so the upper layer may come first.
    archive(&[
        ("00/VERSION", b"1.0"),
        ("00/json", b"{}"),
        ("00/layer.tar", top),
        ("aa/layer.tar", base),
        ("c0.json", &config),
        ("manifest.json", &list),
    ])
}

fn new(blobs: &[&[u8]], config: &[u8]) -> Vec<u8> {
    let paths: Vec<String> = blobs.iter().map(|bytes| blob(bytes)).collect();
    let list = list(&blob(config), &paths.iter().map(String::as_str).collect::<Vec<_>>());
    let name = blob(config);
    let mut files: Vec<(&str, &[u8])> = paths.iter().map(String::as_str).zip(blobs.iter().copied()).collect();
    files.push((&name, config));
    files.sort_unstable();
    files.dedup();
    files.extend([("index.json", &b"{}"[..]), ("manifest.json", &list), ("oci-layout", b"{}")]);
    archive(&files)
}

/// One image, as real engines wrote it; see the README beside them.
#[test]
fn what_real_engines_write_is_read_alike() {
    let layers: Vec<Digest> = serde_json::from_slice(include_bytes!("../../../../tests/inventory/layers/layers.json")).unwrap();
    let wanted = layers.iter().copied().collect();
    let packages = |layer: &LayerFound| -> Vec<String> {
        let mut contents = Contents::default();
        contents.apply(&contents.change(layer));
        contents.all().iter().map(|package| format!("{} {} {}", package.kind, package.name, package.version)).collect()
    };
    for (engine, image) in [
        ("20.10", &include_bytes!("../../../../tests/inventory/layers/engine-20.10.tar")[..]),
        ("26", include_bytes!("../../../../tests/inventory/layers/engine-26.tar")),
        ("26 on containerd, gzip", include_bytes!("../../../../tests/inventory/layers/containerd-gzip.tar")),
        ("26 on containerd, zstd", include_bytes!("../../../../tests/inventory/layers/containerd-zstd.tar")),
    ] {
        let found = read(image, &wanted).unwrap();
        let [base, top] = [0, 1].map(|at| &found[&layers[at]]);
        assert_eq!(packages(base), ["deb alpha 1.0-1", "deb beta 2:3.1-2", "npm left 1.3.0"], "{engine}");
        assert_eq!(packages(top), ["deb alpha 1.0-1", "deb beta 2:3.1-10"], "{engine}");
        assert_eq!(base.gone.iter().collect::<Vec<_>>(), ["etc/os-release"], "{engine}: a link hides what was there");
        assert_eq!(top.gone.iter().collect::<Vec<_>>(), ["opt/app/node_modules/left", "var/lib/dpkg/status-new"], "{engine}");
        assert!(matches!(&base.files["usr/lib/os-release"], FileFound::Distro(distro) if distro.to_string() == "debian 12"), "{engine}");
        assert!(base.unreadable.is_empty() && top.unreadable.is_empty(), "{engine}");
        let mut contents = Contents::default();
        contents.apply(&contents.change(base));
        contents.apply(&contents.change(top));
        assert_eq!(contents.all().len(), 2, "{engine}: the image has no `left` any more");
    }
}

#[test]
fn layers_are_found_in_every_form_of_archive_and_in_pieces_of_any_size() {
    let (base, top) = (packages(&["base"]), packages(&["base", "top"]));
    let config = config(&[&base, &top]);
    let (a, b) = (format!("{}.tar", Digest::of(&base).hex()), format!("{}.tar", Digest::of(&top).hex()));
    for (form, image) in [
        ("before 25", old(&base, &top)),
        ("since 25", new(&[&base, &top], &config)),
        ("gzip", new(&[&gzip(&base), &gzip(&top)], &config)),
        ("zstd", new(&[&zstd(&base), &zstd(&top)], &config)),
        ("mixed", new(&[&base, &zstd(&top)], &config)),
        ("Podman", archive(&[(&a, &base), (&b, &top), ("c0.json", &config), ("manifest.json", &list("c0.json", &[&a, &b]))])),
    ] {
        for piece in [1, 511, 513, 1 << 20] {
            let found = read_in(&image, piece, &wanted(&[&base, &top])).unwrap();
            assert_eq!(names(&found[&Digest::of(&base)]), ["base"], "{form} in pieces of {piece}");
            assert_eq!(names(&found[&Digest::of(&top)]), ["base", "top"], "{form} in pieces of {piece}");
        }
    }
}

#[test]
fn only_what_is_wanted_is_there() {
    let (base, top) = (packages(&["base"]), packages(&["top"]));
    for image in [old(&base, &top), new(&[&base, &top], &config(&[&base, &top])), new(&[&gzip(&base), &gzip(&top)], &config(&[&base, &top]))] {
        let found = read(&image, &wanted(&[&top])).unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [Digest::of(&top)]);
        assert_eq!(read(&image, &wanted(&[])).unwrap().len(), 0);
    }
}

#[test]
fn files_packed_in_several_parts_are_one_layer() {
    let layer = packages(&["a", "b"]);
    let (first, rest) = layer.split_at(700);
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"any"].concat();
    for packed in [[gzip(first), gzip(rest)].concat(), [skipped.clone(), zstd(first), skipped, zstd(rest)].concat()] {
        let found = read(&new(&[&packed], &config(&[&layer])), &wanted(&[&layer])).unwrap();
        assert_eq!(names(&found[&Digest::of(&layer)]), ["a", "b"]);
    }
}

#[test]
fn a_layer_that_stands_in_the_image_twice_is_read_once() {
    let layer = packages(&["a"]);
    let list = list("c0.json", &["aa/layer.tar", "bb/layer.tar"]);
    let config = config(&[&layer, &layer]);
    // Engines write the second one as a link to the first.
    let image = archive(&[("aa/layer.tar", &layer), ("c0.json", &config), ("manifest.json", &list)]);
    assert_eq!(names(&read(&image, &wanted(&[&layer])).unwrap()[&Digest::of(&layer)]), ["a"]);
}

#[test]
fn a_packed_layer_that_breaks_off_is_named_and_what_came_before_is_there() {
    let layer = packages(&["a"]);
    for packed in [gzip(&layer), zstd(&layer)] {
        let cut = &packed[..packed.len() - 3];
        let found = read(&new(&[cut], &config(&[&layer])), &wanted(&[&layer])).unwrap();
        let found = &found[&Digest::of(&layer)];
        assert!(faults(found)[0].starts_with(": "), "{:?}", faults(found));
        assert_eq!(faults(found).len(), 1);
    }
}

#[test]
fn a_blob_that_only_calls_itself_a_layer_is_none() {
    let (layer, other) = (packages(&["a"]), packages(&["other"]));
    let packed = gzip(&other);
    // The list says that the blob is the layer; its bytes say that it is not.
    let image = new(&[&packed], &config(&[&layer]));
    assert!(matches!(read(&image, &wanted(&[&layer])), Err(LayersError::Missing { layers }) if layers == [Digest::of(&layer)]));
}

#[test]
fn an_archive_that_is_not_whole_is_refused() {
    let (base, top) = (packages(&["base"]), packages(&["top"]));
    let whole = old(&base, &top);
    let all = wanted(&[&base, &top]);
    for cut in [0, 100, 512, 700, 4000, whole.len() - 1500] {
        let error = read(&whole[..cut], &all).unwrap_err();
        let expected = matches!(error, LayersError::NoArchive { .. }) || matches!(error, LayersError::Missing { .. });
        assert!(expected, "{cut}: {error:?}");
    }
    let error = read_pieces(vec![Ok(Bytes::copy_from_slice(&whole[..3000])), Err(io::Error::other("reset"))], &all).unwrap_err();
    assert!(matches!(&error, LayersError::Broke { source } if source.to_string() == "reset"), "{error:?}");
    assert!(matches!(read(b"no archive at all", &all), Err(LayersError::NoArchive { .. })));
    assert!(matches!(read(&archive(&[("a", b"b")]), &all), Err(LayersError::Missing { layers }) if layers.len() == 2));
}

#[test]
fn what_comes_behind_the_last_wanted_layer_is_not_waited_for() {
    let layer = packages(&["a"]);
    let image = archive(&[(&blob(&layer), &layer)]);
    let pieces = vec![Ok(Bytes::from(image[..image.len() - 1024].to_vec())), Err(io::Error::other("nobody asks for this"))];
    assert_eq!(read_pieces(pieces, &wanted(&[&layer])).unwrap().len(), 1);
}

#[test]
fn what_lists_name_but_is_no_layer_does_no_harm() {
    let layer = packages(&["a"]);
    let attestation = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    let image = new(&[&gzip(&layer), attestation], &config(&[&layer, attestation]));
    assert_eq!(names(&read(&image, &wanted(&[&layer])).unwrap()[&Digest::of(&layer)]), ["a"]);
}
