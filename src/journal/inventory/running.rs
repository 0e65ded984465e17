//! What runs or ran, and what of the packages that were found is in it.
//!
//! First the versions of that time, by their numbers alone; then the names and containers of those in which something was found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, Row};

use crate::journal::stays::micros;
use crate::journal::tables::{parsed, parsed_maybe};
use crate::model::{Digest, HostName, ReleaseNumber, ServiceName, SlotId};

use super::holders::{Holders, Told};
use super::tables::{moment, moment_maybe};
use super::{Held, Holding, IsMeant, Ran, Stay, When, images};

/// Every stay of that time.
pub(super) fn stays(connection: &Connection, when: When) -> rusqlite::Result<Vec<Stay>> {
    let mut reader = Reader::new(connection, when);
    for version in versions(connection, when)? {
        reader.read(version)?;
    }
    Ok(reader.sorted().map(|(stay, _)| stay).collect())
}

/// Every holding of that time of a package that is meant, and how many of them are more than `holdings_max`.
pub(super) fn held(connection: &Connection, holders: &mut Holders, when: When, is_meant: IsMeant<'_>, holdings_max: usize) -> rusqlite::Result<Held> {
    let (mut unread, mut in_part, mut holding) = (BTreeSet::new(), BTreeSet::new(), HashMap::new());
    let mut top_of = connection
        .prepare_cached("SELECT images.id IS NOT NULL, top FROM versions LEFT JOIN images ON images.image = versions.image WHERE versions.id = ?1")?;
    for version in versions(connection, when)? {
        let (is_kept, top): (bool, Option<i64>) = top_of.query_row([version], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if !is_kept {
            unread.insert(ran(connection, version)?.0);
            continue;
        }
        if holders.has_gap(top) {
            in_part.insert(ran(connection, version)?.0);
        }
        let held = holders.of(top);
        if !held.is_empty() {
            holding.insert(version, (top, held));
        }
    }
    holders.tell(connection, holding.values().map(|(_, held)| held))?;
    // Told and judged once for each version: it has many containers.
    let (mut told, mut distros) = (HashMap::new(), HashMap::new());
    for (version, (top, held)) in holding {
        let (of, _) = ran(connection, version)?;
        let said = images::distros_of(connection, top, &mut distros)?;
        let mut meant: Vec<Told> = held.iter().map(|held| holders.told(held)).collect();
        meant.retain(|(package, _, _)| is_meant(&of, package, said.prevailing()));
        if !meant.is_empty() {
            told.insert(version, meant);
        }
    }
    let (holdings, left_out) = holdings(connection, &told, when, holdings_max)?;
    Ok(Held { holdings, left_out, unread: unread.into_iter().collect(), read_in_part: in_part.into_iter().collect() })
}

/// Every container of these versions at that time with each package that is told of its version, and how many are left out.
fn holdings(connection: &Connection, told: &HashMap<i64, Vec<Told>>, when: When, max: usize) -> rusqlite::Result<(Vec<Holding>, usize)> {
    let mut reader = Reader::new(connection, when);
    for version in told.keys() {
        reader.read(*version)?;
    }
    let (mut holdings, mut left_out) = (Vec::new(), 0);
    for (stay, version) in reader.sorted() {
        let stay = Arc::new(stay);
        for (package, path, brought_by) in told.get(&version).into_iter().flatten().cloned() {
            if holdings.len() == max {
                left_out += 1;
                continue;
            }
            holdings.push(Holding { stay: stay.clone(), package, path, brought_by });
        }
    }
    Ok((holdings, left_out))
}

/// The numbers of the versions that ran at that time.
fn versions(connection: &Connection, when: When) -> rusqlite::Result<Vec<i64>> {
    // The index on times has them all; SQLite would take longer to tell them apart than to list them.
    let mut statement = connection.prepare(&format!("SELECT version FROM stays WHERE {}", clause(when)))?;
    let mut versions: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    versions.sort_unstable();
    versions.dedup();
    Ok(versions)
}

/// Which stays are of that time.
fn clause(when: When) -> String {
    match when {
        When::Now => "until IS NULL".into(),
        When::At(at) => format!("since <= {0} AND (until IS NULL OR until > {0})", micros(at)),
        When::Ever => "TRUE".into(),
    }
}

/// What a version's containers are made from, and of which service they are.
fn ran(connection: &Connection, version: i64) -> rusqlite::Result<(Arc<Ran>, ServiceName)> {
    let read = |row: &Row<'_>| {
        let image: Option<Vec<u8>> = row.get(1)?;
        let ran = Ran { name: row.get(2)?, tag: parsed_maybe(row, 3)?, image: image.as_deref().and_then(Digest::from_bytes) };
        Ok((Arc::new(ran), parsed(row, 0)?))
    };
    connection.prepare_cached("SELECT service, image, name, tag FROM versions WHERE id = ?1")?.query_row([version], read)
}

/// Reads stays, version by version. Hosts are few, so each name is made once and shared.
struct Reader<'a> {
    connection: &'a Connection,
    statement: String,
    hosts: HashMap<String, HostName>,
    /// By service.
    stays: BTreeMap<ServiceName, Vec<(Stay, i64)>>,
}

impl<'a> Reader<'a> {
    fn new(connection: &'a Connection, when: When) -> Self {
        let statement = format!("SELECT host, slot, container, release, since, until FROM stays WHERE version = ?1 AND {}", clause(when));
        Self { connection, statement, hosts: HashMap::new(), stays: BTreeMap::new() }
    }

    fn read(&mut self, version: i64) -> rusqlite::Result<()> {
        let (ran, service) = ran(self.connection, version)?;
        let mut statement = self.connection.prepare_cached(&self.statement)?;
        let mut rows = statement.query([version])?;
        let mut stays = Vec::new();
        while let Some(row) = rows.next()? {
            let slot = SlotId { service: service.clone(), host: self.host(row, 0)?, index: row.get(1)? };
            let container = row.get_ref(2)?.as_str_or_null()?.map(Arc::from);
            let release = ReleaseNumber(row.get::<_, i64>(3)?.unsigned_abs());
            let stay = Stay { slot, container, ran: ran.clone(), release, since: moment(row, 4)?, until: moment_maybe(row, 5)? };
            stays.push((stay, version));
        }
        self.stays.entry(service).or_default().append(&mut stays);
        Ok(())
    }

    fn host(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<HostName> {
        let text = row.get_ref(column)?.as_str()?;
        if let Some(known) = self.hosts.get(text) {
            return Ok(known.clone());
        }
        let host: HostName = parsed(row, column)?;
        self.hosts.insert(text.to_owned(), host.clone());
        Ok(host)
    }

    /// What was read, by slot and then by time, each with its version's number.
    fn sorted(self) -> impl Iterator<Item = (Stay, i64)> {
        // One service after the other: names are long to compare, and each has few containers.
        self.stays.into_values().flat_map(|mut stays| {
            stays.sort_unstable_by(|(a, _), (b, _)| (&a.slot, a.since).cmp(&(&b.slot, b.since)));
            stays
        })
    }
}
