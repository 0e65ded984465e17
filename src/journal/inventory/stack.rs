//! Stacks of layers: which are known, and how a new one is kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::inventory::{Change, Contents, LayerFound, Unreadable};
use crate::journal::JournalError;
use crate::model::{Digest, chain_ids};

use super::contents::contents_of;
use super::images;
use super::intern::{package_id, path_id};
use super::tables::to_json;
use super::{ImageRow, Inventories};

/// The version of the readers that stands for a layer which nobody has read.
const UNREAD: u32 = 0;

impl Inventories {
    /// The layers of a stack, lowest first, that are to be read before it can be kept: those that are not known in this place.
    ///
    /// A layer is kept as what it changes in the stack below it, so the same one on another stack is read again.
    pub fn missing(&self, layers: &[Digest]) -> Result<Vec<Digest>, JournalError> {
        let known = self.read(|connection| Ok(deepest(connection, &chain_ids(layers), self.readers)?.0))?;
        let mut seen = BTreeSet::new();
        Ok(layers.iter().skip(known).filter(|layer| seen.insert(**layer)).copied().collect())
    }

    /// Keeps an image, its layers lowest first, with what was found in those that were [`missing`](Self::missing). Twice is as good as once.
    ///
    /// A layer that is missing and that nothing was found for is kept as one that could not be read, and is missing again.
    pub fn keep(&self, image: &ImageRow, layers: &[Digest], found: &BTreeMap<Digest, LayerFound>, at: Timestamp) -> Result<(), JournalError> {
        let stack: Vec<(Digest, Digest)> = layers.iter().copied().zip(chain_ids(layers)).collect();
        let chains: Vec<Digest> = stack.iter().map(|(_, chain)| *chain).collect();
        let look = |connection: &Connection| {
            let ground = Ground::find(connection, &chains, self.readers)?;
            let is_whole = ground.known == stack.len();
            let contents = if is_whole { Contents::default() } else { contents_of(connection, ground.top)? };
            Ok((ground, contents))
        };
        let work_out = |(ground, contents): (Ground, Contents)| {
            let to_lay = changes(contents, &stack[ground.known..], found, self.readers);
            (ground, to_lay)
        };
        // Worked out before the transaction, for which the journal's writer has to wait.
        let mut planned = work_out(self.read(look)?);
        self.write(|transaction| {
            // Somebody else has kept or forgotten some of it in between.
            if Ground::find(transaction, &chains, self.readers)? != planned.0 {
                planned = work_out(look(transaction)?);
            }
            let mut laid = Stack { top: planned.0.top, readers: self.readers, replaced: Vec::new() };
            planned.1.iter().try_for_each(|one| laid.lay(transaction, one))?;
            images::keep(transaction, image, laid.top, laid.readers, at)?;
            laid.replaced.iter().try_for_each(|old| drop_unused(transaction, *old))
        })
    }
}

/// How many layers are known, lowest first, and the set of the uppermost of them.
fn deepest(connection: &Connection, chains: &[Digest], readers: u32) -> rusqlite::Result<(usize, Option<i64>)> {
    // Most images are wholly known, or new but for their base: so from the top.
    for (below, chain) in chains.iter().enumerate().rev() {
        let set = set_of(connection, *chain, readers, u32::MAX)?;
        if set.is_some() {
            return Ok((below + 1, set));
        }
    }
    Ok((0, None))
}

/// The set of a chain that readers of these versions have read.
fn set_of(connection: &Connection, chain: Digest, from: u32, to: u32) -> rusqlite::Result<Option<i64>> {
    let statement = "SELECT id FROM sets WHERE chain = ?1 AND readers BETWEEN ?2 AND ?3 ORDER BY readers DESC LIMIT 1";
    connection.prepare_cached(statement)?.query_row(params![chain.as_bytes(), from, to], |row| row.get(0)).optional()
}

/// Where a stack goes on above what is known of it.
#[derive(PartialEq, Eq)]
struct Ground {
    /// So many of its layers are known, lowest first.
    known: usize,
    /// The set of the uppermost of them.
    top: Option<i64>,
}

impl Ground {
    fn find(connection: &Connection, chains: &[Digest], readers: u32) -> rusqlite::Result<Self> {
        let (known, top) = deepest(connection, chains, readers)?;
        Ok(Self { known, top })
    }
}

/// A layer that is to be laid on what is known, and what it changes there.
struct ToLay {
    layer: Digest,
    chain: Digest,
    /// The version of the readers that it and all below it were read by; [`UNREAD`] once some layer was not.
    readers: u32,
    change: Change,
}

/// What each layer changes that lies on these contents, lowest first. Reads nothing and writes nothing: in a base of tens of thousands of packages this
/// is the long part of keeping one.
fn changes(mut contents: Contents, layers: &[(Digest, Digest)], found: &BTreeMap<Digest, LayerFound>, mut readers: u32) -> Vec<ToLay> {
    let lay = |&(layer, chain): &(Digest, Digest)| {
        let found = found.get(&layer);
        readers = if found.is_none() { UNREAD } else { readers };
        let change = found.map_or_else(not_read, |found| contents.change(found));
        contents.apply(&change);
        ToLay { layer, chain, readers, change }
    };
    layers.iter().map(lay).collect()
}

/// A stack while it is kept, from below.
struct Stack {
    top: Option<i64>,
    /// The version of the readers that all of it was read by.
    readers: u32,
    /// Sets that readers of earlier versions made of the same layers, and that images need no more.
    replaced: Vec<i64>,
}

impl Stack {
    fn lay(&mut self, connection: &Connection, one: &ToLay) -> rusqlite::Result<()> {
        let ToLay { layer, chain, readers, change } = one;
        let older = older(connection, *chain, *readers)?;
        let same = set_of(connection, *chain, *readers, *readers)?;
        // What was not read is laid down anew: another of its layers may have been read this time.
        let set = match same {
            Some(same) => rewrite(connection, same, self.top, change)?,
            None => insert(connection, *chain, *readers, self.top, *layer, change)?,
        };
        for old in older {
            connection.prepare_cached("UPDATE images SET top = ?2, readers = ?3 WHERE top = ?1")?.execute(params![old, set, readers])?;
            self.replaced.push(old);
        }
        (self.top, self.readers) = (Some(set), *readers);
        Ok(())
    }
}

fn not_read() -> Change {
    Change { unreadable: vec![Unreadable { path: String::new(), why: "the layer was not read".into() }], ..Change::default() }
}

/// The sets that earlier readers made of the same layers. Nothing is earlier than what was not read at all.
fn older(connection: &Connection, chain: Digest, readers: u32) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM sets WHERE chain = ?1 AND readers < ?2")?;
    statement.query_map(params![chain.as_bytes(), readers], |row| row.get(0))?.collect()
}

fn insert(connection: &Connection, chain: Digest, readers: u32, parent: Option<i64>, layer: Digest, change: &Change) -> rusqlite::Result<i64> {
    let row = params![chain.as_bytes(), readers, parent, layer.as_bytes()];
    connection.prepare_cached("INSERT INTO sets (chain, readers, parent, layer) VALUES (?1, ?2, ?3, ?4)")?.execute(row)?;
    let set = connection.last_insert_rowid();
    write(connection, set, change)?;
    Ok(set)
}

fn rewrite(connection: &Connection, set: i64, parent: Option<i64>, change: &Change) -> rusqlite::Result<i64> {
    connection.prepare_cached("DELETE FROM changes WHERE in_set = ?1")?.execute([set])?;
    connection.prepare_cached("UPDATE sets SET parent = ?2 WHERE id = ?1")?.execute(params![set, parent])?;
    write(connection, set, change)?;
    Ok(set)
}

fn write(connection: &Connection, set: i64, change: &Change) -> rusqlite::Result<()> {
    let distro = (!change.distros.is_empty()).then(|| to_json(&change.distros)).transpose()?;
    let unreadable = (!change.unreadable.is_empty()).then(|| to_json(&change.unreadable)).transpose()?;
    connection.prepare_cached("UPDATE sets SET distro = ?2, unreadable = ?3 WHERE id = ?1")?.execute(params![set, distro, unreadable])?;
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO changes VALUES (?1, ?2, ?3, ?4)")?;
    for (rows, is_removed) in [(&change.removed, true), (&change.added, false)] {
        for (path, package) in rows {
            statement.execute(params![package_id(connection, package)?, set, path_id(connection, path)?, is_removed])?;
        }
    }
    Ok(())
}

/// Forgets a set that neither an image nor another set stands on any more, and then what lies below it likewise.
pub(super) fn drop_unused(connection: &Connection, set: i64) -> rusqlite::Result<()> {
    let mut next = Some(set);
    while let Some(set) = next {
        let is_used = "SELECT EXISTS (SELECT 1 FROM images WHERE top = ?1) OR EXISTS (SELECT 1 FROM sets WHERE parent = ?1)";
        if connection.prepare_cached(is_used)?.query_row([set], |row| row.get(0))? {
            return Ok(());
        }
        connection.prepare_cached("DELETE FROM changes WHERE in_set = ?1")?.execute([set])?;
        let parent = connection.prepare_cached("DELETE FROM sets WHERE id = ?1 RETURNING parent")?.query_row([set], |row| row.get(0)).optional()?;
        next = parent.flatten();
    }
    Ok(())
}
