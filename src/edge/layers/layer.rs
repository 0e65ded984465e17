//! One layer, read as it streams past: what its files say of packages, and what it takes away from lower layers.
//!
//! Whatever lies below is unknown here, so everything that could hide something below is noted: a file that says nothing any more, a link in the
//! place of a folder. What cannot be read hides nothing, because nobody knows what it says; it is named instead.

use std::io::BufRead;

use super::entries::{Body, Entries, Entry};
use super::header::Kind;
use super::place::{Place, led_to, place, shortened};
use crate::inventory::dispatch::{self, FileRead};
use crate::inventory::files::{LISTS, Reader, reader_of};
use crate::inventory::language::elf;
use crate::inventory::{FileFound, LayerFound, Unreadable};

/// How much of a layer is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Unpacked bytes.
    pub(super) bytes: u64,
    /// Files, folders and whatever else has an entry.
    pub(super) entries: u32,
}

impl Limits {
    /// The largest layers that we know of hold models of some ten gigabytes; a terabyte of zeros packs into one gigabyte and would take an hour. A
    /// million files are a build tree with all its caches; more is either a mistake or meant to tire us out.
    pub(super) const LAYER: Self = Self { bytes: 128 << 30, entries: 1_000_000 };
}

/// What cannot be read is for people to look at; the thousand-and-first line tells nobody anything.
const UNREADABLE_MAX: usize = 1000;
/// What an entry takes beside its own text: its places in maps and the lengths of its texts.
const ENTRY_COST: u64 = 64;

/// How much may still be kept of an image, in bytes.
pub(super) struct Room {
    pub(super) left: u64,
}

impl Room {
    /// Takes so many bytes, or none if there are fewer.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Stop> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Stop("says more than can be kept".into()))?;
        Ok(())
    }
}

/// Why a layer is not read to its end, as a phrase.
pub(super) struct Stop(String);

/// Reads a layer. It never fails: what stopped it is named with an empty path, and what was read until then is there.
pub(super) fn read_layer(tar: impl BufRead, limits: Limits, room: &mut Room) -> LayerFound {
    let mut layer = Layer { found: LayerFound::default(), unreadable: 0, room };
    if let Err(Stop(why)) = layer.read(&mut Entries::new(tar, limits.bytes), limits.entries) {
        layer.found.unreadable.insert(0, Unreadable { path: String::new(), why });
    }
    if let Some(more @ 1..) = layer.unreadable.checked_sub(UNREADABLE_MAX) {
        layer.found.unreadable.push(Unreadable { path: String::new(), why: format!("has {more} more files that cannot be read") });
    }
    layer.found
}

struct Layer<'r> {
    found: LayerFound,
    /// How many things could not be read, named or not.
    unreadable: usize,
    room: &'r mut Room,
}

impl Layer<'_> {
    fn read<R: BufRead>(&mut self, entries: &mut Entries<R>, max: u32) -> Result<(), Stop> {
        let mut count = 0;
        while let Some(entry) = entries.next().map_err(|why| Stop(why.to_string()))? {
            count += 1;
            if count > max {
                return Err(Stop(format!("has more than {max} files and folders")));
            }
            self.take(&entry, &mut entries.body())?;
        }
        Ok(())
    }

    fn take<R: BufRead>(&mut self, entry: &Entry, body: &mut Body<'_, R>) -> Result<(), Stop> {
        match place(&entry.name) {
            Place::Nowhere => Ok(()),
            Place::Unclear { path, why } => self.refuse(&path, why),
            Place::Gone(path) => self.gone(path),
            Place::Opaque(path) => {
                self.room.take(ENTRY_COST + path.len() as u64)?;
                self.found.opaque.insert(path);
                Ok(())
            }
            Place::At(path) => self.take_at(path, entry, body),
        }
    }

    fn take_at<R: BufRead>(&mut self, path: String, entry: &Entry, body: &mut Body<'_, R>) -> Result<(), Stop> {
        self.forget(&path, entry.kind);
        match entry.kind {
            Kind::File => self.take_file(path, entry, body),
            Kind::Folder => self.take_folder(path),
            Kind::Symlink => self.take_symlink(path, &entry.link),
            Kind::HardLink => self.take_hard_link(path, entry),
            Kind::Sparse => self.take_unread(path, entry, "is stored with holes in it"),
            _ => self.take_unread(path, entry, "is no file of a kind that holds anything"),
        }
    }

    /// The last entry of a name is the one that counts.
    fn forget(&mut self, path: &str, by: Kind) {
        self.found.files.remove(path);
        if by != Kind::Folder {
            let below = format!("{path}/");
            let lost: Vec<String> =
                self.found.files.range(below.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&below)).cloned().collect();
            lost.iter().for_each(|path| drop(self.found.files.remove(path)));
        }
    }

    fn take_file<R: BufRead>(&mut self, path: String, entry: &Entry, body: &mut Body<'_, R>) -> Result<(), Stop> {
        let Some((reader, held_max)) = reader_of(&path, entry.size, entry.mode) else {
            return self.take_silent(path, entry.mode);
        };
        if entry.name.iter().any(|byte| !byte.is_ascii()) && std::str::from_utf8(&entry.name).is_err() {
            self.refuse(&path, "has a name that is no UTF-8, so it may be called otherwise".into())?;
        }
        if reader == Reader::Executable {
            let read = scan(&path, body)?;
            return self.keep(path, dispatch::said(read));
        }
        if entry.size > held_max {
            return self.refuse(&path, format!("has {} bytes, of which at most {held_max} are read", entry.size));
        }
        let bytes = held(body)?;
        self.keep(path.clone(), dispatch::read(reader, &path, &bytes))
    }

    fn keep(&mut self, path: String, read: FileRead) -> Result<(), Stop> {
        for unreadable in read.unreadable {
            self.refuse(&unreadable.path, unreadable.why)?;
        }
        let Some(found) = read.found else { return Ok(()) };
        self.room.take(ENTRY_COST + path.len() as u64 + size_of_found(&found))?;
        self.found.files.insert(path, found);
        Ok(())
    }

    /// A file that says nothing, but stands where one of a lower layer may have said something.
    fn take_silent(&mut self, path: String, mode: u32) -> Result<(), Stop> {
        if reader_of(&path, u64::MAX, mode).is_none() {
            return Ok(());
        }
        self.keep(path, FileRead { found: Some(FileFound::Packages(Vec::new())), unreadable: Vec::new() })
    }

    /// A folder hides a file of its own name, and nothing else.
    fn take_folder(&mut self, path: String) -> Result<(), Stop> {
        self.take_silent(path, 0)
    }

    /// A link hides whatever was there. It is not followed: the file behind it is read in its own place, unless nobody looks there.
    fn take_symlink(&mut self, path: String, link: &[u8]) -> Result<(), Stop> {
        let leads_to_another = |at: &str, below: &str| {
            let to = led_to(&path, link).map(|to| format!("{to}{below}"));
            reader_of(at, u64::MAX, 0)
                .is_some_and(|(reader, _)| to.and_then(|to| reader_of(&to, u64::MAX, 0)).is_none_or(|(other, _)| other != reader))
        };
        let lost_list = LISTS.iter().any(|list| {
            let below = list.strip_prefix(path.as_str()).filter(|below| below.starts_with('/'));
            below.is_some_and(|below| leads_to_another(list, below))
        });
        if lost_list || leads_to_another(&path, "") {
            self.refuse(&path, format!("leads to {}, where no packages are looked for", shortened(&String::from_utf8_lossy(link))))?;
        }
        self.gone(path)
    }

    /// A second name of a file that came before says the same, if it is to be read the same way.
    fn take_hard_link(&mut self, path: String, entry: &Entry) -> Result<(), Stop> {
        let Place::At(to) = place(&entry.link) else {
            return self.refuse(&path, format!("is a second name of {}, which is none of the image's files", shown(&entry.link)));
        };
        let reader = |path: &str| reader_of(path, u64::MAX, entry.mode).map(|(reader, _)| reader);
        match (reader(&path), self.found.files.get(&to)) {
            (Some(one), Some(found)) if reader(&to) == Some(one) => {
                let read = FileRead { found: Some(found.clone()), unreadable: Vec::new() };
                self.keep(path, read)
            }
            (None | Some(Reader::Executable), _) => self.take_silent(path, entry.mode),
            (Some(_), _) => self.refuse(&path, format!("is a second name of {}, which was not read as what this is", shown(&entry.link))),
        }
    }

    /// Something that is never read, and is named if anybody would have read it.
    fn take_unread(&mut self, path: String, entry: &Entry, why: &str) -> Result<(), Stop> {
        if entry.kind == Kind::Special {
            return self.gone(path);
        }
        match reader_of(&path, u64::MAX, entry.mode) {
            Some(_) => self.refuse(&path, why.to_owned()),
            None => Ok(()),
        }
    }

    fn gone(&mut self, path: String) -> Result<(), Stop> {
        self.room.take(ENTRY_COST + path.len() as u64)?;
        self.found.gone.insert(path);
        Ok(())
    }

    fn refuse(&mut self, path: &str, why: String) -> Result<(), Stop> {
        self.unreadable += 1;
        if self.unreadable <= UNREADABLE_MAX {
            self.room.take(ENTRY_COST + (path.len() + why.len()) as u64)?;
            self.found.unreadable.push(Unreadable { path: path.to_owned(), why });
        }
        Ok(())
    }
}

fn shown(name: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(name))
}

/// All of a file. It grows with what comes, not with what its header says.
fn held<R: BufRead>(body: &mut Body<'_, R>) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    each_piece(body, |piece| {
        bytes.extend_from_slice(piece);
        true
    })?;
    Ok(bytes)
}

fn scan<R: BufRead>(path: &str, body: &mut Body<'_, R>) -> Result<crate::inventory::ReadFile, Stop> {
    let mut scan = elf::Scan::new(path);
    each_piece(body, |piece| {
        scan.push(piece);
        scan.wants_more()
    })?;
    Ok(scan.finish())
}

/// Gives all pieces of a file, until no more are wanted. Errors if the bytes end before the file does: half a list of packages would look like a whole one.
fn each_piece<R: BufRead>(body: &mut Body<'_, R>, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Stop> {
    let mut more = true;
    while more && !body.is_read() {
        let piece = body.piece().map_err(|why| Stop(why.to_string()))?;
        more = take(piece);
        let bytes = piece.len();
        body.consume(bytes);
    }
    Ok(())
}

/// What a finding takes, about.
fn size_of_found(found: &FileFound) -> u64 {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = match found {
        FileFound::Packages(packages) => packages
            .iter()
            .map(|package| {
                let source = package.source.as_ref().map_or(0, |source| source.name.len() + source.version.len());
                size_of_val(package) + package.name.len() + package.version.len() + text(&package.arch) + text(&package.license) + source
            })
            .sum(),
        FileFound::Distro(distro) => size_of_val(distro),
        FileFound::License { package, license } => package.len() + license.len(),
    };
    bytes as u64
}
