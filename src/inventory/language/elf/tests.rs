//! Programs of Go and Rust against what their own tools say of them.

use super::Scan;
use super::held::HELD_BYTES_MAX;
use crate::inventory::language::tests::{GO_TINY, GO_TINY_SAID, GO_TOOL, GO_TOOL_SAID, RUST_TINY, said};
use crate::inventory::{Kind, ReadFile};

fn read(pieces: &[&[u8]]) -> ReadFile {
    let mut scan = Scan::new("usr/bin/x");
    pieces.iter().for_each(|piece| scan.push(piece));
    scan.finish()
}

fn why(read: &ReadFile) -> Vec<&str> {
    read.unreadable.iter().map(|gap| gap.why.as_str()).collect()
}

/// What `go version -m` says, in the words of packages.
fn of_go(text: &[u8]) -> Vec<String> {
    let text = str::from_utf8(text).unwrap();
    let mut all: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.trim_start().split('\t').collect::<Vec<_>>()[..] {
            ["mod" | "dep", path, version, ..] if version != "(devel)" => all.push(format!("{path} {version}")),
            ["=>", path, version, ..] if version != "(devel)" => *all.last_mut().unwrap() = format!("{path} {version}"),
            [first] => all.extend(first.split_once(": go").map(|(_, version)| format!("stdlib {version}"))),
            _ => {}
        }
    }
    all.sort();
    all
}

#[test]
fn modules_of_go_are_those_that_go_says() {
    let tiny = read(&[GO_TINY]);
    assert_eq!(said(&tiny), of_go(GO_TINY_SAID));
    assert_eq!(said(&tiny), ["example.org/fork v0.3.8", "example.org/local v0.0.0", "example.org/plain v1.2.3", "stdlib 1.19.8"]);
    assert!(tiny.packages.iter().all(|package| package.kind == Kind::Golang));
    assert_eq!(said(&read(&[GO_TOOL])), of_go(GO_TOOL_SAID), "the main module has a version when it was installed by one");
}

#[test]
fn crates_of_rust_are_those_that_run() {
    let tiny = read(&[RUST_TINY]);
    assert_eq!(said(&tiny), ["bytes 1.12.2", "itoa 1.0.19", "tiny 0.4.2"], "autocfg is of the build alone");
    assert!(tiny.packages.iter().all(|package| package.kind == Kind::Cargo));
}

#[test]
fn what_is_no_elf_is_not_kept() {
    let mut scan = Scan::new("usr/bin/x");
    assert!(scan.wants_more());
    scan.push(b"#!");
    assert!(scan.wants_more());
    scan.push(b"/bin/sh");
    assert!(!scan.wants_more());
    scan.push(GO_TINY);
    assert_eq!(scan.finish(), ReadFile::default());
    assert_eq!(read(&[b"\x7fEL"]), ReadFile::default());
}

#[test]
fn a_program_within_another_is_in_it_as_well() {
    let both = [GO_TINY, b"x", GO_TOOL].concat();
    let all: Vec<String> = [of_go(GO_TINY_SAID), of_go(GO_TOOL_SAID)].concat();
    let names = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(said(&read(&[&both])), names(all));
}

#[test]
fn a_large_program_of_go_is_read_as_it_passes_and_one_of_rust_is_named() {
    let zeros = vec![0; 1 << 20];
    let large = |file: &[u8]| {
        let mut scan = Scan::new("usr/bin/x");
        scan.push(b"\x7fELF");
        (0..=HELD_BYTES_MAX >> 20).for_each(|_| scan.push(&zeros));
        scan.push(file);
        scan.finish()
    };
    assert_eq!(said(&large(GO_TINY)), of_go(GO_TINY_SAID));
    assert_eq!(why(&large(RUST_TINY)), [super::rust::TOO_LARGE]);
    assert_eq!(large(b"nothing"), ReadFile::default());
}

#[test]
fn what_cannot_be_read_is_named() {
    let old = [&b"\x7fELF"[..], &[0; 60], b"\xff Go buildinf:", &[8, 0], &[1; 16]].concat();
    assert_eq!(why(&read(&[&old])), ["was built by a Go before 1.18, which keeps its modules where only the running program finds them"]);
    let go = GO_TINY;
    let at = go.windows(14).position(|window| window == b"\xff Go buildinf:").unwrap();
    assert_eq!(why(&read(&[&go[..at + 60]])), ["ends within Go's build information", "is shorter than its header says"]);
    let rust = RUST_TINY;
    assert_eq!(why(&read(&[&rust[..900]])), ["is shorter than its header says"]);
    let mut bad = rust.to_vec();
    bad[0x2a8 + 20] ^= 0xff;
    assert_eq!(why(&read(&[&bad])), ["has a list of Rust crates that cannot be decompressed"]);
}

#[test]
fn a_magic_that_is_repeated_is_looked_at_once_each() {
    // Each claims the megabyte that follows, with all others in it.
    let claim = [b"\xff Go buildinf:".as_slice(), &[8, 2], &[0; 16], &[4], b"go1.", &[0xff, 0xff, 0x3f]].concat();
    let file = [b"\x7fELF".as_slice(), &claim.repeat((4 << 20) / claim.len())].concat();
    let mut scan = Scan::new("usr/bin/x");
    file.chunks(100).for_each(|piece| scan.push(piece));
    assert_eq!(why(&scan.finish()), ["was built by Go without saying its modules", "ends within Go's build information"]);
}
