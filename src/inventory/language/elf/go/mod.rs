//! Go's build information: which compiler, which modules.
//!
//! In: a program's bytes as they pass. Out: its modules, and Go's own library as `stdlib`. Source: Go's `debug/buildinfo` and `runtime/debug`.

mod blob;
mod modules;

use std::collections::BTreeSet;

use memchr::memmem;

use super::Stated;
use crate::inventory::{Kind, ReadFile};
use blob::{Blob, Looked};

/// A program may carry others within it, whose modules are then in the image as well; more than this is no program anyone built.
const BLOBS_MAX: usize = 16;

/// Looks for build information in what passes.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// What has passed and may still be the start of something.
    buffer: Vec<u8>,
    /// Up to where the buffer has been looked at.
    at: usize,
    /// Where the buffer begins in the file.
    base: u64,
    found: BTreeSet<Blob>,
    /// Something is there that cannot be read.
    refused: BTreeSet<&'static str>,
    /// Signs of the form that Go had before 1.18.
    is_old: bool,
}

impl Finder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.look(false);
        // Only when much is done with: moving the rest is then paid for by what it frees.
        if self.at > self.buffer.len() / 2 {
            self.buffer.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
        }
    }

    /// Tells what was found.
    pub(super) fn finish(mut self, path: &str, read: &mut ReadFile) {
        self.look(true);
        for blob in &self.found {
            match modules::go_version(&blob.go) {
                Some(version) => Stated { kind: Kind::Golang, name: "stdlib", version, license: None }.add_to(path, read),
                None => read.refuse(path, format_args!("was built by a Go without a number: {}", blob.go.escape_debug())),
            }
            modules::of(&blob.modules).iter().for_each(|module| module.add_to(path, read));
            if !modules::are_said(&blob.modules) {
                read.refuse(path, "was built by Go without saying its modules");
            }
        }
        self.refused.iter().for_each(|why| read.refuse(path, *why));
        if self.is_old && self.found.is_empty() {
            read.refuse(path, "was built by a Go before 1.18, which keeps its modules where only the running program finds them");
        }
    }

    /// Looks at what has not been looked at; at the end of the file, nothing is waited for any more.
    fn look(&mut self, is_end: bool) {
        while let Some(next) = memmem::find(&self.buffer[self.at..], blob::MAGIC) {
            self.at += next;
            match blob::look(&self.buffer[self.at..], self.base + self.at as u64) {
                Looked::More if !is_end => return,
                Looked::Blob(blob, length) => {
                    self.take(blob);
                    self.at += length;
                }
                other => {
                    self.note(&other);
                    self.at += blob::MAGIC.len();
                }
            }
        }
        self.at = self.at.max(self.buffer.len().saturating_sub(blob::MAGIC.len() - 1));
    }

    fn take(&mut self, blob: Blob) {
        if self.found.len() < BLOBS_MAX {
            self.found.insert(blob);
        } else {
            self.refused.insert("carries more programs of Go than are read");
        }
    }

    fn note(&mut self, looked: &Looked) {
        match looked {
            Looked::More => drop(self.refused.insert("ends within Go's build information")),
            Looked::TooLarge => drop(self.refused.insert("has build information of Go of more than 1 MiB")),
            Looked::Old => self.is_old = true,
            Looked::Blob(..) | Looked::Nothing => {}
        }
    }
}
