//! Layers that were made to mislead, to exhaust or to escape, and the odd ones that honest tools make.

use std::io::{self, BufRead, Read};

use tar::EntryType;

use super::make::{Entry, faults, gzip, layer, names, raw_header, read_one, read_within, status};
use crate::edge::layers::layer::Limits;
use crate::edge::layers::unpack::Packing;
use crate::inventory::{LayerFound, Unreadable};

const STATUS: &str = "var/lib/dpkg/status";

fn gone(layer: &LayerFound) -> Vec<&str> {
    layer.gone.iter().map(String::as_str).collect()
}

/// A tar of one raw header and its body.
fn raw(header: &tar::Header, body: &[u8]) -> Vec<u8> {
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(body);
    tar.resize(tar.len().next_multiple_of(512), 0);
    tar
}

#[test]
fn whiteouts_take_away_what_is_below() {
    let found = read_one(&layer(&[
        Entry::File("usr/bin/.wh.curl", b""),
        Entry::File("opt/.wh..wh..opq", b""),
        Entry::File("opt/node_modules/a/package.json", br#"{"name":"a","version":"1"}"#),
        Entry::File(".wh..wh.plnk/7.8", b""),
    ]));
    assert_eq!(gone(&found), ["usr/bin/curl"]);
    assert_eq!(found.opaque.iter().collect::<Vec<_>>(), ["opt"]);
    assert!(found.files.contains_key("opt/node_modules/a/package.json"), "what the layer itself has stays");
}

#[test]
fn what_takes_the_place_of_a_file_hides_it() {
    let found = read_one(&layer(&[
        Entry::Symlink("opt/lib", "/srv/lib"),
        Entry::Program("usr/bin/small", b"#!/bin/sh"),
        Entry::Folder(STATUS),
        Entry::Folder("usr/bin"),
        Entry::File("etc/motd", b"hello"),
    ]));
    assert_eq!(gone(&found), ["opt/lib"]);
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["usr/bin/small", STATUS]);
    assert!(names(&found).is_empty() && faults(&found).is_empty());
}

#[test]
fn of_one_name_the_last_entry_counts() {
    let (a, b) = (status(&["a"]), status(&["b"]));
    assert_eq!(names(&read_one(&layer(&[Entry::File(STATUS, &a), Entry::File(STATUS, &b)]))), ["b"]);
    let replaced = read_one(&layer(&[Entry::File(STATUS, &a), Entry::Symlink("var/lib/dpkg", "/srv/dpkg")]));
    assert_eq!((names(&replaced).len(), gone(&replaced)), (0, vec!["var/lib/dpkg"]));
    let kept = read_one(&layer(&[Entry::File(STATUS, &a), Entry::Folder("var/lib/dpkg")]));
    assert_eq!(names(&kept), ["a"]);
}

#[test]
fn names_that_lead_out_are_named_and_never_followed() {
    let body = status(&["a"]);
    for (name, shown) in [("../var/lib/dpkg/status", "../var/lib/dpkg/status"), ("a/../../var/lib/dpkg/status", "a/../../var/lib/dpkg/status")] {
        let found = read_one(&raw(&raw_header(name.as_bytes(), EntryType::Regular, body.len() as u64), &body));
        assert_eq!((names(&found).len(), faults(&found)), (0, vec![format!("{shown}: leads out of the image")]));
    }
    for name in ["/var/lib/dpkg/status", "./var/lib/dpkg/status", "x/../var//lib/./dpkg/status"] {
        let found = read_one(&raw(&raw_header(name.as_bytes(), EntryType::Regular, body.len() as u64), &body));
        assert_eq!((names(&found), found.files.keys().next().unwrap().as_str()), (vec!["a"], STATUS));
    }
}

#[test]
fn links_are_not_followed_but_a_list_of_packages_behind_one_is_not_lost_in_silence() {
    for (path, to, fault) in [
        ("var/lib/rpm", "../../usr/lib/sysimage/rpm", None),
        ("etc/os-release", "../usr/lib/os-release", None),
        ("lib", "usr/lib", None),
        ("etc/mtab", "/proc/mounts", None),
        ("a", "../../../etc", None),
        (STATUS, "/proc/1/environ", Some("leads to /proc/1/environ, where no packages are looked for")),
        (STATUS, "../../../../etc/passwd", Some("leads to ../../../../etc/passwd, where no packages are looked for")),
        ("var/lib/dpkg", "/data/dpkg", Some("leads to /data/dpkg, where no packages are looked for")),
        ("var/lib/dpkg/status.d", "/data/status.d", Some("leads to /data/status.d, where no packages are looked for")),
        ("var", "data", Some("leads to data, where no packages are looked for")),
        ("etc", "/data/etc", Some("leads to /data/etc, where no packages are looked for")),
        ("usr/lib", "/data", Some("leads to /data, where no packages are looked for")),
    ] {
        let found = read_one(&layer(&[Entry::Symlink(path, to)]));
        assert_eq!(faults(&found), fault.map(|fault| format!("{path}: {fault}")).into_iter().collect::<Vec<_>>());
        assert!(found.unreadable.iter().all(Unreadable::hides_packages), "{path}");
        assert_eq!(gone(&found), [path]);
    }
}

#[test]
fn a_second_name_says_what_the_first_says_if_it_is_read_the_same_way() {
    let list = status(&["a"]);
    let (one, two) = ("app/node_modules/a/package.json", "app/node_modules/b/package.json");
    let found = read_one(&layer(&[Entry::File(one, br#"{"name":"a","version":"1"}"#), Entry::HardLink(two, one)]));
    assert_eq!(found.files[one], found.files[two]);
    let found = read_one(&layer(&[Entry::File(STATUS, &list), Entry::HardLink("var/lib/dpkg/status-old", STATUS)]));
    assert_eq!((found.files.len(), faults(&found).len()), (1, 0), "nobody reads the second name");
    let found = read_one(&layer(&[Entry::File("var/lib/dpkg/status-new", &list), Entry::HardLink(STATUS, "var/lib/dpkg/status-new")]));
    assert_eq!(faults(&found), [format!("{STATUS}: is a second name of var/lib/dpkg/status-new, which was not read as what this is")]);
    let found = read_one(&layer(&[Entry::HardLink(STATUS, "../../etc/shadow")]));
    assert_eq!(faults(&found), [format!("{STATUS}: is a second name of ../../etc/shadow, which is none of the image's files")]);
}

#[test]
fn long_and_strange_names_are_read() {
    let deep = format!("{}site-packages/a.dist-info/METADATA", "d/".repeat(1500));
    let metadata = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n";
    let found = read_one(&layer(&[Entry::File(&deep, metadata)]));
    assert_eq!((found.files.keys().collect::<Vec<_>>(), faults(&found)), (vec![&deep], vec![]), "a long name of GNU's");

    let record = |text: String| format!("{} {text}", text.len() + 1 + (text.len() + 4).to_string().len());
    let pax = record(format!("path={deep}\n"));
    assert!(pax.starts_with(&format!("{} ", pax.len())));
    let extended = raw(&raw_header(b"PaxHeaders/x", EntryType::XHeader, pax.len() as u64), pax.as_bytes());
    let file = raw(&raw_header(b"short", EntryType::Regular, metadata.len() as u64), metadata);
    let found = read_one(&[extended.clone(), file.clone()].concat());
    assert_eq!(found.files.keys().collect::<Vec<_>>(), [&deep], "a long name of pax's");
    let global = raw(&raw_header(b"g", EntryType::XGlobalHeader, pax.len() as u64), pax.as_bytes());
    assert!(read_one(&[global, file].concat()).files.is_empty(), "what is said of all files names none of them");
    assert_eq!(faults(&read_one(&extended)), [": ends in the middle of an entry"]);

    let endless = "d/".repeat(3000) + "METADATA";
    let found = read_one(&layer(&[Entry::File(&endless, metadata), Entry::File(STATUS, &status(&["a"]))]));
    assert!(faults(&found)[0].ends_with("has a path of more than 4095 bytes"), "{:?}", faults(&found));
    assert_eq!(names(&found), ["a"]);
}

#[test]
fn a_name_that_is_no_text_is_read_and_named() {
    let name = b"app/node_modules/caf\xe9/package.json";
    let body = br#"{"name":"a","version":"1"}"#;
    let found = read_one(&raw(&raw_header(name, EntryType::Regular, body.len() as u64), body));
    let path = "app/node_modules/caf\u{fffd}/package.json";
    assert!(found.files.contains_key(path));
    assert_eq!(faults(&found), [format!("{path}: has a name that is no UTF-8, so it may be called otherwise")]);
    let other = read_one(&raw(&raw_header(b"etc/caf\xe9", EntryType::Regular, 1), b"x"));
    assert!(faults(&other).is_empty(), "nobody would read it");
}

#[test]
fn a_file_with_holes_is_named_and_what_follows_is_read() {
    let mut sparse = raw_header(STATUS.as_bytes(), EntryType::GNUSparse, 4);
    sparse.as_mut_bytes()[482] = 1;
    sparse.set_cksum();
    let mut map = [[0; 512]; 2];
    map[0][504] = 1;
    let rest = layer(&[Entry::File("app/node_modules/a/package.json", br#"{"name":"a","version":"1"}"#)]);
    let found = read_one(&[sparse.as_bytes().to_vec(), map.concat(), pad(b"data"), rest].concat());
    assert_eq!(faults(&found), [format!("{STATUS}: is stored with holes in it")]);
    assert_eq!(found.files.len(), 1);
}

fn pad(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(padded.len().next_multiple_of(512), 0);
    padded
}

#[test]
fn numbers_that_lie_allocate_nothing_and_stop_the_layer() {
    let claims = |kind: EntryType, size: u64| faults(&read_one(&raw(&raw_header(STATUS.as_bytes(), kind, size), b"Package: a")));
    assert_eq!(claims(EntryType::Regular, 50 << 20), [": ends in the middle of an entry"]);
    assert_eq!(claims(EntryType::Regular, 1 << 40), [": has more than 137438953472 bytes"]);
    assert_eq!(claims(EntryType::Regular, u64::MAX >> 2), [": has more than 137438953472 bytes"]);
    assert_eq!(claims(EntryType::XHeader, 1 << 30), [": has an extended header of 1073741824 bytes, which is more than 1048576, at byte 512"]);
    assert_eq!(claims(EntryType::GNULongName, 1 << 20), [": ends in the middle of an entry"]);
    assert_eq!(claims(EntryType::XHeader, 10), [": has an extended header that cannot be read, before byte 522"]);
    let folder = raw(&raw_header(b"a", EntryType::Directory, 1 << 50), b"");
    let found = read_one(&[folder[..512].to_vec(), layer(&[Entry::File(STATUS, &status(&["a"]))])].concat());
    assert_eq!(names(&found), ["a"], "engines give a folder no bytes either");
}

/// Zeros that cost nothing to make.
struct Zeros {
    left: usize,
}

impl BufRead for Zeros {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&[0; 1 << 16][..self.left.min(1 << 16)])
    }

    fn consume(&mut self, bytes: usize) {
        self.left -= bytes;
    }
}

impl Read for Zeros {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        unreachable!("what streams past is not copied")
    }
}

#[test]
fn a_gigabyte_of_zeros_streams_past_and_too_many_bytes_stop_the_layer() {
    let header = *raw_header(b"zeros", EntryType::Regular, 1 << 30).as_bytes();
    let rest = layer(&[Entry::File(STATUS, &status(&["a"]))]);
    let bomb = || (&header[..]).chain(Zeros { left: 1 << 30 }).chain(&rest[..]);
    assert_eq!(names(&read_within(bomb(), Limits::LAYER)), ["a"]);
    let found = read_within(bomb(), Limits { bytes: 1 << 20, ..Limits::LAYER });
    assert_eq!((names(&found).len(), faults(&found)), (0, vec![": has more than 1048576 bytes".to_owned()]));
}

#[test]
fn a_packed_bomb_ends_at_the_limit() {
    let bomb = gzip(&vec![0; 4 << 20]);
    let mut packed = &bomb[..];
    let unpacked = Packing::Gzip.unpack(&mut packed, 1 << 20);
    let error = io::copy(&mut { unpacked }, &mut io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "too many bytes are packed in it");
}

#[test]
fn more_entries_than_anybody_has_stop_the_layer() {
    let entries: Vec<String> = (0..50).map(|number| format!("app/node_modules/m{number}/package.json")).collect();
    let entries: Vec<Entry<'_>> = entries.iter().map(|name| Entry::File(name, br#"{"name":"a","version":"1"}"#)).collect();
    let found = read_within(&layer(&entries)[..], Limits { entries: 40, ..Limits::LAYER });
    assert_eq!((found.files.len(), faults(&found)), (40, vec![": has more than 40 files and folders".to_owned()]));
}

#[test]
fn of_many_faults_a_thousand_are_named_and_the_rest_are_counted() {
    let one = raw(&raw_header(b"../a", EntryType::Regular, 0), b"");
    let found = read_one(&one.repeat(1203));
    assert_eq!(found.unreadable.len(), 1001);
    assert_eq!(faults(&found).last().unwrap(), ": has 203 more files that cannot be read");
}

#[test]
fn a_layer_that_says_too_much_is_read_as_far_as_there_is_room() {
    let names: Vec<String> = (0..1000).map(|number| format!(".wh.{number}-{}", "x".repeat(80))).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| Entry::File(name, b"")).collect();
    let found = crate::edge::layers::layer::read_layer(&layer(&entries)[..], Limits::LAYER, &mut crate::edge::layers::layer::Room { left: 15_000 });
    assert_eq!(faults(&found), [": says more than can be kept"]);
    assert!((90..110).contains(&found.gone.len()));
}

#[test]
fn an_archive_ends_as_engines_let_it_end() {
    let whole = layer(&[Entry::File(STATUS, &status(&["a"]))]);
    let without_end = &whole[..whole.len() - 1024];
    assert_eq!(names(&read_one(without_end)), ["a"]);
    assert_eq!(names(&read_one(&whole[..whole.len() - 512])), ["a"]);
    let hidden = [&whole[..], &layer(&[Entry::File(STATUS, &status(&["b"]))])].concat();
    assert_eq!(names(&read_one(&hidden)), ["a"], "what follows on the end is not unpacked");
    assert_eq!(faults(&read_one(&[without_end, &[7; 512]].concat())).len(), 1);
    assert_eq!(faults(&read_one(&[without_end, &[0; 512], &without_end[..512]].concat())).len(), 1, "one empty block is no end");
    assert!(read_one(b"").unreadable.is_empty());
}
