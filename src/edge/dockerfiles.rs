//! Walks a folder for Dockerfiles and reads them, with all processors.
//!
//! `.git` is passed over, `.gitignore` is not honoured. Symbolic links are not followed, so that nothing is read twice and no walk leaves the
//! folder; what is no regular file (a FIFO, a socket, a device) is never opened, and told where a Dockerfile's name is on it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Larger files are no Dockerfiles, whatever they are called.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Beyond this number of readers the disk is what is waited for.
const READERS_MAX: usize = 8;

/// What a walk brought home, in no order.
#[derive(Debug)]
pub struct Walked<T> {
    /// What was made of each file.
    pub files: Vec<T>,
    /// Folders that could not be listed, and why.
    pub unlisted: Vec<(String, String)>,
}

struct Queue {
    folders: Vec<(PathBuf, String)>,
    busy: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder. It is walked whatever is wanted of its name.
    Folder,
    /// Neither, such as a FIFO.
    Special,
}

/// What to do with a file of a name. What is no file and whose text is wanted is handed on as one that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Read it.
    Text,
    /// Only its name.
    Name,
    /// Pass it over.
    No,
}

/// A file that was found: its path from the folder, with `/`, and its text, or why there is none.
#[derive(Debug)]
pub enum Found<'a> {
    /// A file that was read, or could not be.
    Text(String, Result<&'a [u8], String>),
    /// A file whose name alone was wanted.
    Name(String),
}

/// Walks `root` and hands every file that is wanted to `make`, from several threads at once.
///
/// An error is that of `root` itself; below it, files that cannot be read are handed on as such, folders are listed in the result.
pub fn walk<T: Send>(root: &Path, wanted: impl Fn(&str, Kind) -> Wanted + Sync, make: impl Fn(Found<'_>) -> T + Sync) -> io::Result<Walked<T>> {
    // Listed once in front, so that its error is told apart from those below it.
    std::fs::read_dir(root)?;
    let shared = Shared { queue: Mutex::new(Queue { folders: vec![(root.to_owned(), String::new())], busy: 0 }), changed: Condvar::new() };
    let readers = std::thread::available_parallelism().map_or(1, NonZero::get).min(READERS_MAX);
    let mut walked = Walked { files: Vec::new(), unlisted: Vec::new() };
    std::thread::scope(|scope| {
        let (shared, wanted, make) = (&shared, &wanted, &make);
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(move || Reader::new(shared, wanted, make).run())).collect();
        for thread in threads {
            match thread.join() {
                Ok(part) => {
                    walked.files.extend(part.files);
                    walked.unlisted.extend(part.unlisted);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    walked.unlisted.sort();
    Ok(walked)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder to list; `None` when all are listed.
    fn next(&self, done: bool) -> Option<(PathBuf, String)> {
        let mut queue = self.lock();
        queue.busy -= usize::from(done);
        loop {
            if let Some(folder) = queue.folders.pop() {
                queue.busy += 1;
                return Some(folder);
            }
            if queue.busy == 0 {
                self.changed.notify_all();
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, folders: &mut Vec<(PathBuf, String)>) {
        if !folders.is_empty() {
            self.lock().folders.append(folders);
            self.changed.notify_all();
        }
    }
}

struct Reader<'a, T, W, M> {
    shared: &'a Shared,
    wanted: &'a W,
    make: &'a M,
    walked: Walked<T>,
    buffer: Vec<u8>,
}

impl<'a, T, W: Fn(&str, Kind) -> Wanted, M: Fn(Found<'_>) -> T> Reader<'a, T, W, M> {
    fn new(shared: &'a Shared, wanted: &'a W, make: &'a M) -> Self {
        Self { shared, wanted, make, walked: Walked { files: Vec::new(), unlisted: Vec::new() }, buffer: vec![0; 64 << 10] }
    }

    fn run(mut self) -> Walked<T> {
        let mut folder = self.shared.next(false);
        while let Some((path, name)) = folder {
            if let Err(error) = self.list(&path, &name) {
                self.walked.unlisted.push((name, error.to_string()));
            }
            folder = self.shared.next(true);
        }
        self.walked
    }

    fn list(&mut self, path: &Path, name: &str) -> io::Result<()> {
        let below = |file: &str| if name.is_empty() { file.to_owned() } else { format!("{name}/{file}") };
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let raw = entry.file_name();
            let file = raw.to_string_lossy();
            if kind.is_dir() {
                if raw != ".git" {
                    folders.push((entry.path(), below(&file)));
                    self.no_file(&file, below, Kind::Folder, "it is a folder");
                }
            } else if kind.is_file() {
                match (self.wanted)(&file, Kind::File) {
                    Wanted::No => {}
                    Wanted::Name => self.walked.files.push((self.make)(Found::Name(below(&file)))),
                    Wanted::Text => {
                        let text = read(&entry.path(), &mut self.buffer).map_err(|error| error.to_string());
                        self.walked.files.push((self.make)(Found::Text(below(&file), text)));
                    }
                }
            } else if !kind.is_symlink() {
                self.no_file(&file, below, Kind::Special, "it is no regular file");
            }
        }
        self.shared.add(&mut folders);
        Ok(())
    }

    /// Hands on what bears a wanted name and cannot be read as a file.
    fn no_file(&mut self, file: &str, below: impl Fn(&str) -> String, kind: Kind, why: &str) {
        if (self.wanted)(file, kind) == Wanted::Text {
            self.walked.files.push((self.make)(Found::Text(below(file), Err(why.to_owned()))));
        }
    }
}

/// Opens a regular file. Should something else have taken its place since it was listed, this neither waits for it nor follows it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    }
    options.open(path)
}

/// Reads a file into the buffer; a small one with one call.
fn read<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    let mut file = open(path)?;
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok(&buffer[..length]),
            Ok(more) => {
                length += more;
                // Less than there was room for is the end of a regular file.
                if length < buffer.len() {
                    return Ok(&buffer[..length]);
                }
                if length as u64 > FILE_BYTES_MAX {
                    return Err(io::Error::other(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
                }
                buffer.resize(length * 4, 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(root: &Path) -> Vec<String> {
        let wanted = |name: &str, _: Kind| match name {
            "Dockerfile" => Wanted::Text,
            "Dockerfile.j2" => Wanted::Name,
            _ => Wanted::No,
        };
        let mut files = walk(root, wanted, |found| match found {
            Found::Text(path, Ok(text)) => format!("{path}: {} bytes", text.len()),
            Found::Text(path, Err(why)) => format!("{path}: {why}"),
            Found::Name(path) => path,
        })
        .unwrap()
        .files;
        files.sort();
        files
    }

    #[test]
    fn regular_files_below_the_folder_are_read_and_nothing_else_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["a/b", ".git/x", "c/Dockerfile", "big"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        for (path, text) in [
            ("Dockerfile", "FROM a"),
            ("a/b/Dockerfile", ""),
            ("a/b/Dockerfile.j2", "x"),
            ("a/README", "x"),
            (".git/x/Dockerfile", "x"),
            ("c/Dockerfile/Dockerfile", "xy"),
        ] {
            std::fs::write(root.join(path), text).unwrap();
        }
        std::fs::write(root.join("big/Dockerfile"), vec![b'x'; 10 << 20]).unwrap();
        std::os::unix::fs::symlink(root.join("Dockerfile"), root.join("a/Dockerfile")).unwrap();
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        std::fs::create_dir(root.join("fifo")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo/Dockerfile"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert_eq!(
            walked(root),
            [
                "Dockerfile: 6 bytes",
                "a/b/Dockerfile.j2",
                "a/b/Dockerfile: 0 bytes",
                "big/Dockerfile: 10485760 bytes",
                "c/Dockerfile/Dockerfile: 2 bytes",
                "c/Dockerfile: it is a folder",
                "fifo/Dockerfile: it is no regular file",
            ]
        );
    }

    #[test]
    fn names_that_are_no_utf8_are_kept_as_far_as_they_go() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xE9"));
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("Dockerfile"), "x").unwrap();
        assert_eq!(walked(folder.path()), ["caf\u{FFFD}/Dockerfile: 1 bytes"]);
    }

    #[test]
    fn a_folder_that_is_none_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/no/such/folder")] {
            assert!(walk(path, |_, _| Wanted::No, |_| ()).is_err());
        }
    }
}
