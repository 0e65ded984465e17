//! Programs that say what they were made of, read as they pass: Go's build information, and the list that `cargo auditable` puts into Rust's.
//!
//! In: a file's bytes in pieces of any size. Out: its packages. A file that is no ELF costs four bytes of attention; of one that is, Go's part is found
//! on the way, and Rust's needs the table at the file's end, so the file is held up to a bound.

mod go;
mod header;
mod held;
mod rust;

use super::Stated;
use crate::inventory::ReadFile;
use held::Held;

const MAGIC: &[u8; 4] = b"\x7fELF";

/// Reads one program as its bytes pass.
#[derive(Debug)]
pub struct Scan {
    path: String,
    seen: Seen,
}

/// What the bytes so far show.
#[derive(Debug)]
enum Seen {
    /// Too few to tell.
    Start(Vec<u8>),
    /// No ELF: nothing more is looked at.
    Other,
    Elf {
        go: go::Finder,
        held: Held,
    },
}

impl Scan {
    /// Begins the file of this path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), seen: Seen::Start(Vec::new()) }
    }

    /// Takes the next bytes of the file, in pieces of any size. Keeps at most [`HELD_BYTES_MAX`](held::HELD_BYTES_MAX) of them and a little more.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.seen {
            Seen::Other => {}
            Seen::Elf { go, held } => {
                go.push(bytes);
                held.push(bytes);
            }
            Seen::Start(start) => {
                let (first, rest) = bytes.split_at(bytes.len().min(MAGIC.len() - start.len()));
                start.extend_from_slice(first);
                if start.len() == MAGIC.len() {
                    self.seen = Seen::of(start);
                    self.push(rest);
                }
            }
        }
    }

    /// Whether more bytes can change the answer; if not, the rest of the file need not be read.
    pub fn wants_more(&self) -> bool {
        !matches!(self.seen, Seen::Other)
    }

    /// Ends the file: what it says of its packages. Nothing for most programs, which say nothing.
    pub fn finish(self) -> ReadFile {
        let mut read = ReadFile::default();
        if let Seen::Elf { go, held } = self.seen {
            go.finish(&self.path, &mut read);
            match held {
                Held::Whole(bytes) => rust::read(&self.path, &bytes, &mut read),
                Held::TooLarge(tail) if tail.is_signed() => read.refuse(&self.path, rust::TOO_LARGE),
                Held::TooLarge(_) => {}
            }
        }
        read
    }
}

impl Seen {
    fn of(start: &[u8]) -> Self {
        if start != MAGIC {
            return Self::Other;
        }
        let (mut go, mut held) = (go::Finder::default(), Held::default());
        go.push(start);
        held.push(start);
        Self::Elf { go, held }
    }
}

#[cfg(test)]
mod tests;
