//! Files on their way from one container into another of the same engine, as a stream through refit: nothing on disk, no program in either of them.
//!
//! The engine gives a path as an archive and takes an archive apart at a path. In between each entry gets its new place, what is not wanted is left
//! out, and everything is counted and hashed, so that a copy can be held against what it was made of.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::connect::Connection;
use super::error::{refused, silent, understand};
use crate::edge::EngineError;
use crate::model::Digest;

/// An engine that says nothing for this long is taken for dead.
const STALL_MAX: Duration = Duration::from_secs(180);
/// A whole copy: a volume of a terabyte, at a hundred megabytes a second, and some time to spare.
const COPY_MAX: Duration = Duration::from_secs(4 * 3600);
/// Pieces that wait between the engine's reading and its writing.
const PIECES_MAX: usize = 16;
/// Small writes are gathered into pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// What is copied.
pub(super) struct Tree {
    /// A path in the container that is read, with all below it.
    pub(super) from: String,
    /// Its path in the container that is written.
    pub(super) to: String,
}

/// Which paths of the source are copied, and how many bytes at most.
pub(super) struct Rules {
    pub(super) takes: Box<dyn Fn(&str) -> bool + Send>,
    pub(super) bytes_max: Option<u64>,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// Everything but folders.
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
    /// The hash of all names, kinds, owners, modes, links and contents, in the order in which they came. Times are no part of it.
    pub(super) hash: Digest,
}

/// Copies trees; without a container to write, only reads them.
pub(super) async fn copy(connection: &Connection, from: &str, into: Option<&str>, trees: Vec<Tree>, rules: Rules) -> Result<Copied, EngineError> {
    let what = format!("copy files of container {}", super::containers::short(from));
    let failure = Failure::default();
    let (out, pieces) = mpsc::channel(PIECES_MAX);
    let (source, runtime) =
        (Source { connection: connection.clone(), container: from.to_owned(), what: what.clone() }, tokio::runtime::Handle::current());
    let noted = failure.clone();
    let rewriting = tokio::task::spawn_blocking(move || rewrite_all(&source, &trees, &rules, &runtime, out, &noted));
    let writing = write(connection, into, pieces, &what);
    let (rewritten, written) = tokio::join!(rewriting, writing);
    // What stopped the reading is the reason of all that follows; an archive that ends early may even be taken for a whole one.
    if let Some(error) = failure.take() {
        return Err(error);
    }
    written?;
    match rewritten {
        Ok(Ok(copied)) => Ok(copied),
        Ok(Err(error)) => Err(refused(connection.name(), &what, &error.to_string())),
        Err(died) => Err(refused(connection.name(), &what, &died.to_string())),
    }
}

async fn write(connection: &Connection, into: Option<&str>, mut pieces: mpsc::Receiver<Bytes>, what: &str) -> Result<(), EngineError> {
    let Some(into) = into else {
        while pieces.recv().await.is_some() {}
        return Ok(());
    };
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    let docker = connection.docker(COPY_MAX).await?;
    let options = UploadToContainerOptions { path: "/".to_owned(), no_overwrite_dir_non_dir: Some("true".to_owned()), copy_uidgid: None };
    connection.within(COPY_MAX, what, docker.upload_to_container(into, Some(options), bollard::body_stream(body))).await
}

/// The first error of the engine that is read, on its way around the archive's reader, which knows no errors but its own.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<EngineError>>>);

impl Failure {
    fn note(&self, error: EngineError) -> io::Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::other("the copy was given up")
    }

    fn take(&self) -> Option<EngineError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The container that is read.
struct Source {
    connection: Connection,
    container: String,
    what: String,
}

impl Source {
    /// The archive of a path, piece by piece.
    async fn send(self: Arc<Self>, path: String, pieces: mpsc::Sender<Result<Bytes, EngineError>>) {
        let docker = match self.connection.docker(STALL_MAX).await {
            Ok(docker) => docker,
            Err(error) => return drop(pieces.send(Err(error)).await),
        };
        let mut archive = Box::pin(docker.download_from_container(&self.container, Some(DownloadFromContainerOptions { path })));
        loop {
            let piece = match tokio::time::timeout(STALL_MAX, archive.next()).await {
                Err(_) => Err(silent(self.connection.name(), &format!("no progress within {} s to {}", STALL_MAX.as_secs(), self.what))),
                Ok(None) => return,
                Ok(Some(piece)) => piece.map_err(|error| understand(self.connection.name(), &self.what, error)),
            };
            let is_over = piece.is_err();
            if pieces.send(piece).await.is_err() || is_over {
                return;
            }
        }
    }
}

fn rewrite_all(
    source: &Source,
    trees: &[Tree],
    rules: &Rules,
    runtime: &tokio::runtime::Handle,
    out: mpsc::Sender<Bytes>,
    failure: &Failure,
) -> io::Result<Copied> {
    let source = Arc::new(Source { connection: source.connection.clone(), container: source.container.clone(), what: source.what.clone() });
    let mut archive = tar::Builder::new(io::BufWriter::with_capacity(PIECE_BYTES, Out(out)));
    let mut count = Count::default();
    for tree in trees {
        let (send, pieces) = mpsc::channel(PIECES_MAX);
        runtime.spawn(source.clone().send(tree.from.clone(), send));
        let input = In { pieces, piece: Bytes::new(), failure };
        rewrite(input, tree, rules, &mut archive, &mut count).map_err(|error| match &count.bytes_over {
            None => error,
            Some((max, path)) => {
                let why = format!("they are more than {max} bytes, as was found at {path}; give them a volume, or raise `adopt_max`");
                failure.note(refused(source.connection.name(), &source.what, &why))
            }
        })?;
    }
    archive.into_inner()?.flush()?;
    Ok(Copied { files: count.files, folders: count.folders, bytes: count.bytes, hash: Digest::from_hasher(count.hasher) })
}

#[derive(Default)]
struct Count {
    files: u64,
    folders: u64,
    bytes: u64,
    /// More bytes than may be, and the path at which that was found.
    bytes_over: Option<(u64, String)>,
    hasher: Sha256,
}

impl Count {
    fn hash(&mut self, fields: &[&[u8]]) {
        for field in fields {
            self.hasher.update((field.len() as u64).to_le_bytes());
            self.hasher.update(field);
        }
    }
}

/// Gives each entry of one tree its new place.
fn rewrite(input: impl Read, tree: &Tree, rules: &Rules, out: &mut tar::Builder<impl Write>, count: &mut Count) -> io::Result<()> {
    let base = tree.from.trim_end_matches('/').rsplit('/').next().unwrap_or_default().as_bytes();
    let mut archive = tar::Archive::new(input);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let rest = below(&entry.path_bytes(), base);
        if !(rules.takes)(&String::from_utf8_lossy(&placed(&tree.from, &rest))) {
            continue;
        }
        let mut header = entry.header().clone();
        let kind = header.entry_type();
        let to = placed(tree.to.trim_start_matches('/'), &rest);
        let link = entry.link_name_bytes().map(|link| if kind.is_hard_link() { below(&link, base) } else { link.into_owned() });
        count.hash(&[&rest, &[kind.as_byte()], link.as_deref().unwrap_or_default()]);
        // A hard link leads to another entry, whose place is a new one too; a symbolic one says what it says.
        let link = link.map(|link| if kind.is_hard_link() { placed(tree.to.trim_start_matches('/'), &link) } else { link });
        let extensions = extensions(&mut entry, &to, link.as_deref())?;
        put(&mut header.as_mut_bytes()[..100], &to);
        put(&mut header.as_mut_bytes()[157..257], link.as_deref().unwrap_or_default());
        header.as_mut_bytes()[345..500].fill(0);
        header.set_cksum();
        count.files += u64::from(!kind.is_dir());
        count.folders += u64::from(kind.is_dir());
        count.bytes += entry.size();
        if let Some(max) = rules.bytes_max.filter(|max| count.bytes > *max) {
            count.bytes_over = Some((max, String::from_utf8_lossy(&placed(&tree.from, &rest)).into_owned()));
            return Err(io::Error::other("too many bytes"));
        }
        for number in [u64::from(header.mode()? & 0o7777), header.uid()?, header.gid()?, entry.size()] {
            count.hasher.update(number.to_le_bytes());
        }
        out.append_pax_extensions(extensions.iter().map(|(key, value)| (key.as_str(), value.as_slice())))?;
        out.append(&header, Hashed { input: &mut entry, hasher: &mut count.hasher })?;
    }
    Ok(())
}

/// The extended header of an entry, with its new names: those in the header itself may be cut short.
fn extensions(entry: &mut tar::Entry<'_, impl Read>, to: &[u8], link: Option<&[u8]>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let key = String::from_utf8_lossy(extension.key_bytes()).into_owned();
            if !matches!(key.as_str(), "path" | "linkpath") {
                all.push((key, extension.value_bytes().to_vec()));
            }
        }
    }
    all.push(("path".to_owned(), to.to_vec()));
    all.extend(link.map(|link| ("linkpath".to_owned(), link.to_vec())));
    Ok(all)
}

/// An entry's name without the tree's own, which it begins with.
fn below(name: &[u8], base: &[u8]) -> Vec<u8> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let rest = name.strip_prefix(base).unwrap_or(name);
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    rest.strip_suffix(b"/").unwrap_or(rest).to_vec()
}

fn placed(root: &str, rest: &[u8]) -> Vec<u8> {
    let mut path = root.trim_end_matches('/').as_bytes().to_vec();
    if !rest.is_empty() {
        path.push(b'/');
        path.extend_from_slice(rest);
    }
    path
}

fn put(field: &mut [u8], text: &[u8]) {
    field.fill(0);
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

struct Hashed<'a, R: Read> {
    input: R,
    hasher: &'a mut Sha256,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// Pieces that come from an engine, for a reader that waits for them.
struct In<'a> {
    pieces: mpsc::Receiver<Result<Bytes, EngineError>>,
    piece: Bytes,
    failure: &'a Failure,
}

impl Read for In<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Err(error)) => return Err(self.failure.note(error)),
                Some(Ok(piece)) => self.piece = piece,
            }
        }
        let now = self.piece.split_to(self.piece.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(&now);
        Ok(now.len())
    }
}

/// Pieces on their way to an engine.
struct Out(mpsc::Sender<Bytes>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine takes no more"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// An archive as an engine gives it: entries, links behind `->` (symbolic) and `=>` (hard), folders with a `/` at their end.
    fn archive(entries: &[&str]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for entry in entries {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o640);
            header.set_uid(7);
            header.set_gid(9);
            header.set_size(0);
            let (name, target) = entry.split_once("->").or_else(|| entry.split_once("=>")).unwrap_or((entry, ""));
            if !target.is_empty() {
                header.set_entry_type(if entry.contains("->") { tar::EntryType::Symlink } else { tar::EntryType::Link });
                tar.append_link(&mut header, name, target).unwrap();
            } else if name.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, name, io::empty()).unwrap();
            } else {
                header.set_size(name.len() as u64);
                tar.append_pax_extensions([("SCHILY.xattr.security.capability", &b"caps"[..])]).unwrap();
                tar.append_data(&mut header, name, name.as_bytes()).unwrap();
            }
        }
        tar.into_inner().unwrap()
    }

    fn rewritten(entries: &[&str], from: &str, to: &str, rules: &Rules) -> (Vec<u8>, Count, io::Result<()>) {
        let (mut out, mut count) = (tar::Builder::new(Vec::new()), Count::default());
        let tree = Tree { from: from.into(), to: to.into() };
        let result = rewrite(archive(entries).as_slice(), &tree, rules, &mut out, &mut count);
        (out.into_inner().unwrap(), count, result)
    }

    fn all() -> Rules {
        Rules { takes: Box::new(|_| true), bytes_max: None }
    }

    /// Names, and where links lead.
    fn listed(archive: &[u8]) -> BTreeMap<String, String> {
        let mut tar = tar::Archive::new(archive);
        let entries = tar.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            assert_eq!((entry.header().mode().unwrap(), entry.header().uid().unwrap()), (0o640, 7));
            let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned()).unwrap_or_default();
            (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), link)
        });
        entries.collect()
    }

    #[test]
    fn entries_get_their_new_place_and_keep_the_rest() {
        let long = format!("new/{}", "long/".repeat(60)) + "file";
        let (out, count, result) = rewritten(&["new/", "new/a", "new/b=>new/a", "new/c->../a", &long], "/srv/new", "/srv/new", &all());
        result.unwrap();
        let expected = [("srv/new", ""), ("srv/new/a", ""), ("srv/new/b", "srv/new/a"), ("srv/new/c", "../a"), (&format!("srv/{long}"), "")];
        assert_eq!(listed(&out), expected.iter().map(|(name, link)| ((*name).to_owned(), (*link).to_owned())).collect());
        assert_eq!((count.files, count.bytes), (4, 5 + long.len() as u64));
        let mut tar = tar::Archive::new(out.as_slice());
        let mut file = tar.entries().unwrap().nth(1).unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "new/a");
        let kept = file.pax_extensions().unwrap().unwrap().map(|one| one.unwrap().key().unwrap().to_owned()).collect::<Vec<_>>();
        assert!(kept.iter().any(|key| key == "SCHILY.xattr.security.capability"), "{kept:?}");
    }

    #[test]
    fn what_is_not_taken_is_left_out_and_too_much_is_refused() {
        let rules = Rules { takes: Box::new(|path| path != "/srv/new/b"), bytes_max: None };
        let (out, ..) = rewritten(&["new/", "new/a", "new/b"], "/srv/new", "/other", &rules);
        assert_eq!(listed(&out).into_keys().collect::<Vec<_>>(), ["other", "other/a"]);
        let rules = Rules { bytes_max: Some(8), ..all() };
        let (_, count, result) = rewritten(&["new/", "new/a", "new/b"], "/srv/new", "/srv/new", &rules);
        assert_eq!((result.is_err(), count.bytes_over), (true, Some((8, "/srv/new/b".to_owned()))));
    }

    #[test]
    fn a_copy_has_the_hash_of_what_it_was_made_of_wherever_it_lies() {
        let hash = |entries: &[&str], from: &str| Digest::from_hasher(rewritten(entries, from, "/to", &all()).1.hasher);
        assert_eq!(hash(&["a/", "a/y=>a/x"], "/some/a"), hash(&["b/", "b/y=>b/x"], "/b"));
        assert_ne!(hash(&["a/", "a/x"], "/a"), hash(&["a/", "a/x", "a/y"], "/a"));
        assert_ne!(hash(&["a/", "a/x->u"], "/a"), hash(&["a/", "a/x->v"], "/a"));
    }
}
