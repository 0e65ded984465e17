//! The folder that holds nothing but the pinned Dockerfile.
//!
//! It is sent beside the context, so that `COPY . .` sees neither a changed nor an additional file. A `.dockerignore` of its own, which
//! ignores nothing, tells BuildKit that there is no other to look for: refit has left out already what the user's one names.

use std::io::{self, Cursor, Read};

use crate::edge::{ContextEntry, ContextFiles, EntryKind};
use crate::model::Digest;

/// The name that the frontend is told.
pub(super) const FILE_NAME: &str = "Dockerfile";
const IGNORE_NAME: &str = "Dockerfile.dockerignore";
/// A comment, since BuildKit takes an empty file for a missing one.
const IGNORE_TEXT: &[u8] = b"# what the user ignores is left out already\n";

pub(super) struct PinnedFolder {
    text: Vec<u8>,
}

impl PinnedFolder {
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self { text }
    }

    fn bytes(&self, path: &str) -> io::Result<&[u8]> {
        match path {
            FILE_NAME => Ok(&self.text),
            IGNORE_NAME => Ok(IGNORE_TEXT),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("no {path} beside the pinned Dockerfile"))),
        }
    }
}

impl ContextFiles for PinnedFolder {
    fn entries(&self) -> io::Result<Vec<ContextEntry>> {
        let entry = |path: &str, size| ContextEntry { path: path.to_owned(), kind: EntryKind::File, mode: 0o644, size };
        Ok(vec![entry(FILE_NAME, self.text.len() as u64), entry(IGNORE_NAME, IGNORE_TEXT.len() as u64)])
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes(path)?.to_vec())))
    }

    /// A moment made of the content: BuildKit keeps the file of an earlier build that has the same size and time.
    fn modified_ns(&self, path: &str) -> i64 {
        self.bytes(path).map(|bytes| content_moment(&Digest::of(bytes))).unwrap_or_default()
    }
}

/// A moment between 1970 and 2004, different for different contents.
fn content_moment(digest: &Digest) -> i64 {
    let number = i64::from_str_radix(&digest.hex()[..15], 16).unwrap_or_default();
    number & ((1 << 60) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_of_one_size_have_two_moments() {
        let [a, b] = ["FROM a:1\n", "FROM a:2\n"].map(|text| PinnedFolder::new(text.into()));
        assert_eq!(a.entries().unwrap(), b.entries().unwrap());
        assert_ne!(a.modified_ns(FILE_NAME), b.modified_ns(FILE_NAME));
        assert!(a.modified_ns(FILE_NAME) > 0);
    }
}
