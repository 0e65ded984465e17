//! The side of BuildKit's file transfer that has the files.
//!
//! BuildKit asks for a folder by name. Every entry is announced first, in the order of a walk; BuildKit asks for the contents of those that
//! it does not have from an earlier build (same path, size, mode and time), by their number in that order, and says when it is done.
//! Announcing, listening and sending run side by side, or the two ends would wait for each other's buffers.

use std::collections::BTreeMap;
use std::io::Read;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use futures_util::Stream;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::choose::choose;
use crate::edge::{ContextEntry, ContextFiles, EntryKind, Turn};

/// Contents travel in pieces of this size, as the protocol's own implementation sends them.
const PIECE_BYTES: usize = 32 * 1024;
/// Packets waiting for the connection; 2 MB at most.
const PACKETS_WAITING_MAX: usize = 64;

type Outcome = Result<Packet, Status>;

/// The folders of one build. None is handed over wholly before its turn has come: without its Dockerfile a builder cannot run a step.
pub(super) struct Folders {
    folders: BTreeMap<&'static str, Arc<dyn ContextFiles>>,
    unreadable: Unreadable,
    turn: Turn,
}

/// Why a file could not be sent: BuildKit would only say that a transfer broke.
#[derive(Clone, Default)]
pub(super) struct Unreadable(Arc<Mutex<Option<String>>>);

impl Unreadable {
    /// Keeps the first reason.
    fn note(&self, why: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Folders {
    pub(super) fn new(context: Arc<dyn ContextFiles>, dockerfile: Arc<dyn ContextFiles>, unreadable: Unreadable, turn: Turn) -> Self {
        Self { folders: BTreeMap::from([("context", context), ("dockerfile", dockerfile)]), unreadable, turn }
    }
}

#[tonic::async_trait]
impl FileSync for Folders {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Outcome> + Send>>;
    type TarStreamStream = Self::DiffCopyStream;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let name = values(request.metadata(), "dir-name").into_iter().next().unwrap_or_default();
        let files = self.folders.get(name.as_str()).ok_or_else(|| Status::not_found(format!("no folder {name:?} in this build")))?.clone();
        let paths = values(request.metadata(), "followpaths");
        let (packets, receiver) = mpsc::channel(PACKETS_WAITING_MAX);
        let sender = Sender { files, packets, unreadable: self.unreadable.clone() };
        tokio::spawn(send_folder(sender, paths, request.into_inner(), self.turn.clone()));
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|packet| (packet, receiver)) });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("files are sent one by one only"))
    }
}

/// All values of a header. Those with other than ASCII letters come as in a URL's query, and a second header says so.
fn values(metadata: &MetadataMap, key: &str) -> Vec<String> {
    let encoded = metadata.get(format!("{key}-encoded")).and_then(|value| value.to_str().ok()).is_some_and(|value| value == "1" || value == "true");
    let plain = metadata.get_all(key).iter().filter_map(|value| value.to_str().ok());
    plain.map(|value| if encoded { query_unescape(value) } else { value.to_owned() }).collect()
}

fn query_unescape(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

async fn send_folder(sender: Sender, paths: Vec<String>, mut asked: Streaming<Packet>, turn: Turn) {
    let (wanted, wanted_ids) = mpsc::unbounded_channel();
    let packets = sender.packets.clone();
    // One thread announces and then sends what was asked for; the requests pile up meanwhile, a number each.
    let sending = tokio::task::spawn_blocking(move || sender.run(&paths, wanted_ids));
    while let Ok(Some(packet)) = asked.message().await {
        match packet.r#type() {
            PacketType::PacketReq => {
                if wanted.send(packet.id).is_err() {
                    break;
                }
            }
            PacketType::PacketFin => {
                tokio::select! {
                    () = turn.wait() => drop(packets.send(Ok(Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() })).await),
                    // The other side says nothing more unless it has gone.
                    _ = asked.message() => {}
                }
                break;
            }
            PacketType::PacketErr => break,
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
    drop(wanted);
    // A thread that ended badly has said so in the stream, or nobody listens any more.
    let _ = sending.await;
}

struct Sender {
    files: Arc<dyn ContextFiles>,
    packets: mpsc::Sender<Outcome>,
    unreadable: Unreadable,
}

/// The other side has gone; nobody is left to be told.
struct Gone;

impl Sender {
    fn run(&self, paths: &[String], mut wanted: mpsc::UnboundedReceiver<u32>) {
        let entries = match self.files.entries() {
            Ok(entries) => in_walk_order(choose(entries, paths)),
            Err(error) => return self.fail(&error.to_string()),
        };
        if self.announce(&entries).is_err() {
            return;
        }
        while let Some(id) = wanted.blocking_recv() {
            let sent = match entries.get(id as usize) {
                Some(entry) => self.send_content(id, &entry.path),
                None => return self.fail(&format!("the builder asked for entry {id} of {}", entries.len())),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn announce(&self, entries: &[ContextEntry]) -> Result<(), Gone> {
        for entry in entries {
            self.send(Packet {
                r#type: PacketType::PacketStat.into(),
                stat: Some(stat(entry, self.files.modified_ns(&entry.path))),
                ..Packet::default()
            })?;
        }
        self.send(Packet { r#type: PacketType::PacketStat.into(), ..Packet::default() })
    }

    fn send_content(&self, id: u32, path: &str) -> Result<(), Gone> {
        let data = |data| Packet { r#type: PacketType::PacketData.into(), id, data, ..Packet::default() };
        let failed = |error: std::io::Error| {
            self.fail(&format!("{path}: {error}"));
            Gone
        };
        let mut file = self.files.open(path).map_err(failed)?;
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed)?;
            let last = piece.is_empty();
            // An empty piece is the end of the file.
            self.send(data(piece))?;
            if last {
                return Ok(());
            }
        }
    }

    fn send(&self, packet: Packet) -> Result<(), Gone> {
        self.packets.blocking_send(Ok(packet)).map_err(|_| Gone)
    }

    fn fail(&self, why: &str) {
        self.unreadable.note(why);
        let _ = self.packets.blocking_send(Err(Status::aborted(why.to_owned())));
    }
}

/// A walk's order: names within a folder by their bytes, each folder before what it holds.
fn in_walk_order(mut entries: Vec<ContextEntry>) -> Vec<ContextEntry> {
    entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    entries
}

/// How an entry is announced. Owners are nobody's business but the image's: root, as Docker has it.
fn stat(entry: &ContextEntry, modified_ns: i64) -> Stat {
    let (linkname, size) = match &entry.kind {
        EntryKind::Link(target) => (target.clone(), target.len() as u64),
        EntryKind::File => (String::new(), entry.size),
        EntryKind::Folder => (String::new(), 0),
    };
    Stat { path: entry.path.clone(), mode: wire_mode(entry), size: size as i64, mod_time: modified_ns, linkname, ..Stat::default() }
}

/// Modes travel as Go's `os.FileMode` has them: permissions as everywhere, all other bits elsewhere.
fn wire_mode(entry: &ContextEntry) -> u32 {
    const FOLDER: u32 = 1 << 31;
    const LINK: u32 = 1 << 27;
    const SET_UID: u32 = 1 << 23;
    const SET_GID: u32 = 1 << 22;
    const STICKY: u32 = 1 << 20;
    let flag = |unix: u32, wire: u32| if entry.mode & unix == 0 { 0 } else { wire };
    let special = flag(0o4000, SET_UID) | flag(0o2000, SET_GID) | flag(0o1000, STICKY);
    match entry.kind {
        EntryKind::Folder => FOLDER | special | entry.mode & 0o777,
        EntryKind::Link(_) => LINK | 0o777,
        EntryKind::File => special | entry.mode & 0o777,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: EntryKind, mode: u32) -> ContextEntry {
        ContextEntry { path: path.to_owned(), kind, mode, size: 3 }
    }

    #[test]
    fn entries_stand_in_the_order_of_a_walk() {
        let entries = ["a-b", "a", "a/b", "a.c", "a/b/c"].map(|path| entry(path, EntryKind::File, 0o644)).to_vec();
        let paths: Vec<String> = in_walk_order(entries).into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a-b", "a.c"]);
    }

    #[test]
    fn modes_are_written_as_go_has_them() {
        assert_eq!(wire_mode(&entry("f", EntryKind::File, 0o755)), 0o755);
        assert_eq!(wire_mode(&entry("f", EntryKind::File, 0o4755)), 1 << 23 | 0o755);
        assert_eq!(wire_mode(&entry("d", EntryKind::Folder, 0o1777)), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(wire_mode(&entry("l", EntryKind::Link("x".into()), 0o777)), 1 << 27 | 0o777);
    }

    #[test]
    fn paths_with_other_letters_come_as_in_a_query() {
        let mut metadata = MetadataMap::new();
        metadata.append("followpaths", "caf%C3%A9+au%2Flait".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["caf%C3%A9+au%2Flait"]);
        metadata.append("followpaths-encoded", "1".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["café au/lait"]);
        assert_eq!(query_unescape("100%"), "100%");
    }
}
