//! The images that are kept, and by what names they are known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, Rows, params};

use crate::inventory::{Distro, Distros};
use crate::journal::JournalError;
use crate::journal::stays::micros;
use crate::model::Digest;

use super::stack::drop_unused;
use super::tables::{digest, json, moment};
use super::{BroughtBy, ImageKept, ImageRow, Inventories, KnownAs};

impl Inventories {
    /// Every image that is kept, by id.
    pub fn images(&self) -> Result<Vec<ImageKept>, JournalError> {
        self.read(|connection| {
            let mut names: BTreeMap<i64, BTreeSet<KnownAs>> = BTreeMap::new();
            let mut statement = connection.prepare_cached("SELECT image, name, is_base FROM image_names")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                names.entry(row.get(0)?).or_default().insert(known_as(row, 1, 2)?);
            }
            let mut statement = connection.prepare_cached("SELECT id, image, since, readers FROM images ORDER BY image")?;
            let image = |row: &Row<'_>| {
                let names = names.remove(&row.get(0)?).unwrap_or_default();
                Ok(ImageKept { id: digest(row, 1)?, names, since: moment(row, 2)?, readers: row.get(3)? })
            };
            statement.query_map([], image)?.collect()
        })
    }

    /// The distribution in each of these images, where one is known.
    pub fn distros(&self, images: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, Distro>, JournalError> {
        self.read(|connection| {
            let mut known = HashMap::new();
            let mut distros = BTreeMap::new();
            for image in images {
                let said = distros_of(connection, top_of(connection, *image)?.flatten(), &mut known)?;
                distros.extend(said.prevailing().map(|distro| (*image, distro.clone())));
            }
            Ok(distros)
        })
    }

    /// Forgets every image that is not needed and that nothing ever ran of, with the layers that no other image has; how many these were.
    ///
    /// What ran is kept whether it is needed or not: it is asked for as long as the journal tells of it.
    pub fn forget_all_but(&self, needed: &BTreeSet<Digest>) -> Result<usize, JournalError> {
        self.write(|transaction| {
            let never_ran = "SELECT image FROM images WHERE image NOT IN (SELECT image FROM versions WHERE image IS NOT NULL)";
            let images = transaction.prepare_cached(never_ran)?.query_map([], |row| digest(row, 0))?.collect::<rusqlite::Result<BTreeSet<_>>>()?;
            let gone: Vec<&Digest> = images.difference(needed).collect();
            gone.iter().try_for_each(|image| forget(transaction, **image))?;
            Ok(gone.len())
        })
    }
}

/// What a layer's files say of the distribution, as it is kept; none where it says nothing.
type Change = Option<BTreeMap<String, Option<Distro>>>;

/// What a stack's files say of its distribution. `known` has what earlier calls found out of the sets that they passed.
pub(super) fn distros_of(connection: &Connection, top: Option<i64>, known: &mut HashMap<i64, Rc<Distros>>) -> rusqlite::Result<Rc<Distros>> {
    let mut statement = connection.prepare_cached("SELECT distro, parent FROM sets WHERE id = ?1")?;
    let (mut passed, mut next, mut said) = (Vec::new(), top, Rc::<Distros>::default());
    while let Some(set) = next {
        if let Some(below) = known.get(&set) {
            said = below.clone();
            break;
        }
        // Taken to say nothing until it is known, so that a ring of sets, which only a damaged file has, comes to an end.
        known.insert(set, Rc::default());
        let read: Option<(Change, Option<i64>)> = statement.query_row([set], |row| Ok((json(row, 0)?, row.get(1)?))).optional()?;
        let (change, parent) = read.unwrap_or_default();
        passed.push((set, change));
        next = parent;
    }
    for (set, change) in passed.into_iter().rev() {
        if let Some(change) = change {
            Rc::make_mut(&mut said).apply(&change);
        }
        known.insert(set, said.clone());
    }
    Ok(said)
}

fn forget(connection: &Connection, image: Digest) -> rusqlite::Result<()> {
    let statement = "DELETE FROM images WHERE image = ?1 RETURNING id, top";
    let gone: Option<(i64, Option<i64>)> =
        connection.prepare_cached(statement)?.query_row([image.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, top)) = gone else { return Ok(()) };
    connection.prepare_cached("DELETE FROM image_names WHERE image = ?1")?.execute([id])?;
    top.map_or(Ok(()), |top| drop_unused(connection, top))
}

/// Keeps an image that ends with this set. Within the caller's transaction.
pub(super) fn keep(connection: &Connection, image: &ImageRow, top: Option<i64>, readers: u32, at: Timestamp) -> rusqlite::Result<()> {
    let statement = "INSERT INTO images (image, top, since, readers) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (image) DO UPDATE SET top = ?2, readers = ?4 RETURNING id";
    let row = params![image.id.as_bytes(), top, micros(at), readers];
    let id: i64 = connection.prepare_cached(statement)?.query_row(row, |row| row.get(0))?;
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO image_names VALUES (?1, ?2, ?3, ?4)")?;
    for name in &image.names {
        let (name, is_base) = match name {
            KnownAs::Base(base) => (base.as_str(), true),
            KnownAs::Image(image) => (image.as_str(), false),
        };
        statement.execute(params![id, name, is_base, micros(at)])?;
    }
    Ok(())
}

/// The uppermost set of an image; none if the image is not kept, none within if it has no layers.
pub(super) fn top_of(connection: &Connection, image: Digest) -> rusqlite::Result<Option<Option<i64>>> {
    connection.prepare_cached("SELECT top FROM images WHERE image = ?1")?.query_row([image.as_bytes()], |row| row.get(0)).optional()
}

/// For more sets than these, all images are gone through at once instead of being looked up one after the other.
const LOOKED_UP_MAX: usize = 256;

/// The image that ends with each of these sets, as far as one does: of several, a base before an image of the estate, and then the one that was known
/// first.
pub(super) fn end_with(connection: &Connection, sets: &BTreeSet<i64>) -> rusqlite::Result<HashMap<i64, Arc<BroughtBy>>> {
    let ends = "SELECT top, name IS NULL, is_base, image_names.since, name, images.id, images.image
         FROM images LEFT JOIN image_names ON image_names.image = images.id";
    let mut best: HashMap<i64, (Rank, BroughtBy)> = HashMap::new();
    if sets.len() > LOOKED_UP_MAX {
        let mut statement = connection.prepare_cached(&format!("{ends} WHERE top IS NOT NULL"))?;
        take_best(&mut best, statement.query([])?)?;
    } else {
        let mut statement = connection.prepare_cached(&format!("{ends} WHERE top = ?1"))?;
        for set in sets {
            take_best(&mut best, statement.query([set])?)?;
        }
    }
    Ok(best.into_iter().map(|(set, (_, brought_by))| (set, Arc::new(brought_by))).collect())
}

/// Of the images that end with one set the one of least rank counts: whether it has no name, whether that is not a base's, since when it has it, the name,
/// and the image's number.
type Rank = (bool, bool, i64, String, i64);

fn take_best(best: &mut HashMap<i64, (Rank, BroughtBy)>, mut rows: Rows<'_>) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        let is_nameless: bool = row.get(1)?;
        let rank = if is_nameless {
            (true, true, 0, String::new(), row.get(5)?)
        } else {
            (false, !row.get::<_, bool>(2)?, row.get(3)?, row.get(4)?, row.get(5)?)
        };
        let set = row.get(0)?;
        if best.get(&set).is_none_or(|(other, _)| rank < *other) {
            let name = (!is_nameless).then(|| known_as(row, 4, 2)).transpose()?;
            best.insert(set, (rank, BroughtBy { image: digest(row, 6)?, name }));
        }
    }
    Ok(())
}

fn known_as(row: &Row<'_>, name: usize, is_base: usize) -> rusqlite::Result<KnownAs> {
    let text = row.get_ref(name)?.as_str()?;
    let bad = |why: String| Error::FromSqlConversionFailure(name, Type::Text, why.into());
    if row.get(is_base)? {
        text.parse().map(KnownAs::Base).map_err(|error: crate::model::ReferenceError| bad(error.to_string()))
    } else {
        text.parse().map(KnownAs::Image).map_err(|error: crate::model::NameError| bad(error.to_string()))
    }
}
