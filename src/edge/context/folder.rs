//! A folder on this machine as a build context.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::dockerfile::{nearest_dockerfiles, within_context};
use super::ignore::{IgnoreRules, ignore_files};
use super::stat_cache::{Stamp, StatCache};
use super::walk::{names, special_word, walk};
use super::{ContextError, RealPaths, content_moment, context_hash};
use crate::edge::{ContextEntry, ContextFiles, EntryKind};
use crate::model::Digest;

/// No Dockerfile that anybody wrote is longer, and BuildKit takes none that is.
const DOCKERFILE_BYTES_MAX: u64 = 4 << 20;
/// Below this many files to read a second thread is not worth its start.
const FILES_PER_THREAD: usize = 16;
const THREADS_MAX: usize = 4;
/// To read so few files, and so little, costs no more than to read what is known of them.
const FILES_READ_ANYWAY: usize = 4;
const BYTES_READ_ANYWAY: u64 = 64 << 10;
/// So much of a file is read at a time.
const PIECE_BYTES: u64 = 64 << 10;

/// A folder, walked once: what it holds now stays what this value says.
pub struct FolderContext {
    root: PathBuf,
    shown: String,
    dockerfile: String,
    entries: Vec<(ContextEntry, Stamp)>,
    index: HashMap<String, usize>,
    contents: OnceLock<Vec<Option<Digest>>>,
    /// The content of the Dockerfile, where it was read and is one of the files.
    dockerfile_read: OnceLock<(usize, Digest)>,
    device: u64,
    /// Before anything of it was read.
    opened: SystemTime,
}

impl FolderContext {
    /// Walks `root`, less what `.dockerignore` (or the Dockerfile's own `<dockerfile>.dockerignore`) names.
    ///
    /// `dockerfile` is its path from `root`; it need not exist until [`FolderContext::dockerfile`] asks for it. Errors with every file that
    /// cannot be sent.
    pub fn open(root: &Path, dockerfile: &str) -> Result<Self, ContextError> {
        Self::open_among(&RealPaths::default(), root, dockerfile)
    }

    /// The same for one of many folders, whose parents are found once.
    pub fn open_among(paths: &RealPaths, root: &Path, dockerfile: &str) -> Result<Self, ContextError> {
        let opened = SystemTime::now();
        let shown = crate::edge::shown(root);
        let no_folder = |why: String| ContextError::NoFolder { folder: shown.clone(), why };
        let (real, found) = paths.of(root).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_folder("does not exist".into()),
            _ => no_folder(format!("cannot be entered: {error}")),
        })?;
        if !found.is_dir() {
            return Err(no_folder("is not a folder".into()));
        }
        let dockerfile = within_context(dockerfile, &shown)?;
        let unreadable = |files| ContextError::Unreadable { folder: shown.clone(), files };
        let names = names(&real).map_err(|error| unreadable(vec![format!("./ ({error})")]))?;
        let rules = read_rules(&real, &names, &shown, &dockerfile)?;
        let walked = walk(&real, names, &rules);
        if !walked.special.is_empty() {
            return Err(ContextError::Special { folder: shown, files: walked.special });
        }
        if !walked.unreadable.is_empty() {
            return Err(unreadable(walked.unreadable));
        }
        let index = walked.entries.iter().enumerate().map(|(place, (entry, _))| (entry.path.clone(), place)).collect();
        let (contents, dockerfile_read, device) = (OnceLock::new(), OnceLock::new(), device_of(&found));
        Ok(Self { root: real, shown, dockerfile, entries: walked.entries, index, contents, dockerfile_read, device, opened })
    }

    /// The folder without links, and the file system that it is on.
    pub(crate) fn place(&self) -> (&Path, u64) {
        (&self.root, self.device)
    }

    /// Whether this path is sent; with a slash at its end, whether it or anything below it is, and `/` is the whole folder.
    pub(crate) fn sends(&self, path: &str) -> bool {
        match path.strip_suffix('/') {
            None => self.index.contains_key(path),
            Some("") => !self.entries.is_empty(),
            Some(folder) => self.index.contains_key(folder) || self.entries.iter().any(|(entry, _)| entry.path.starts_with(path)),
        }
    }

    /// The Dockerfile's text.
    pub fn dockerfile(&self) -> Result<Vec<u8>, ContextError> {
        let path = format!("{}/{}", self.shown.trim_end_matches('/'), self.dockerfile);
        let odd = |why: String| ContextError::OddDockerfile { path: path.clone(), why };
        // What the walk found as a file lies in the context and behind no link.
        let walked = self.index.get(&self.dockerfile).copied().filter(|&place| self.is_file(place));
        let (real, found) = match walked {
            Some(_) => {
                let real = self.root.join(&self.dockerfile);
                real.symlink_metadata().map(|found| (real, found))
            }
            None => self.dockerfile_elsewhere()?,
        }
        .map_err(|error| self.no_dockerfile(&path, &error))?;
        if !found.is_file() {
            return Err(odd(format!("it is a {}", special_word(found.file_type()))));
        }
        if found.len() > DOCKERFILE_BYTES_MAX {
            return Err(odd(format!("it has {} MB, and the builder takes {} MB at most", found.len() >> 20, DOCKERFILE_BYTES_MAX >> 20)));
        }
        let text = fs::read(&real).map_err(|error| odd(error.to_string()))?;
        if let Some(place) = walked {
            // Its text and its part of the hash are of one moment.
            self.dockerfile_read.get_or_init(|| (place, Digest::of(&text)));
        }
        Ok(text)
    }

    /// A Dockerfile that is ignored, or behind a link. The outer error is that it leads out of the context.
    fn dockerfile_elsewhere(&self) -> Result<io::Result<(PathBuf, Metadata)>, ContextError> {
        match self.root.join(&self.dockerfile).canonicalize() {
            Ok(real) if real.starts_with(&self.root) => Ok(fs::metadata(&real).map(|found| (real, found))),
            Ok(_) => Err(ContextError::Leaves { path: self.dockerfile.clone(), folder: self.shown.clone() }),
            Err(error) => Ok(Err(error)),
        }
    }

    fn no_dockerfile(&self, path: &str, error: &io::Error) -> ContextError {
        if error.kind() != io::ErrorKind::NotFound {
            return ContextError::OddDockerfile { path: path.to_owned(), why: error.to_string() };
        }
        let hint = nearest_dockerfiles(self.entries.iter().map(|(entry, _)| entry.path.as_str()));
        ContextError::NoDockerfile { path: path.to_owned(), hint }
    }

    /// The hash over all that is sent. Files that look as they did when they were last read are not read again, if there is a `cache` folder.
    ///
    /// Errors with every file that cannot be read.
    pub fn hash(&self, cache: Option<&Path>) -> Result<Digest, ContextError> {
        let contents = match self.contents.get() {
            Some(contents) => contents,
            None => {
                let read = self.read_contents(cache)?;
                self.contents.get_or_init(|| read)
            }
        };
        let entries: Vec<ContextEntry> = self.entries.iter().map(|(entry, _)| entry.clone()).collect();
        Ok(context_hash(&entries, |place| contents[place].unwrap_or_else(|| Digest::of(b""))))
    }

    fn read_contents(&self, cache: Option<&Path>) -> Result<Vec<Option<Digest>>, ContextError> {
        let cache = StatCache::read(cache.filter(|_| self.is_worth_a_cache()), &self.root, self.opened);
        let known = |(entry, stamp): &(ContextEntry, Stamp)| cache.content(&entry.path, stamp);
        let mut contents: Vec<Option<Digest>> = self.entries.iter().map(known).collect();
        if let Some(&(place, content)) = self.dockerfile_read.get() {
            contents[place] = Some(content);
        }
        let unknown: Vec<usize> = (0..self.entries.len()).filter(|&place| self.is_file(place) && contents[place].is_none()).collect();
        let mut unreadable = Vec::new();
        for (place, content) in in_parallel(&unknown, |place| self.digest(place)) {
            match content {
                Ok(content) => contents[place] = Some(content),
                Err(error) => unreadable.push(format!("{} ({error})", self.entries[place].0.path)),
            }
        }
        if !unreadable.is_empty() {
            unreadable.sort();
            return Err(ContextError::Unreadable { folder: self.shown.clone(), files: unreadable });
        }
        let files = self.entries.iter().zip(&contents).filter_map(|((entry, stamp), content)| Some((entry.path.as_str(), stamp, (*content)?)));
        cache.write(files);
        Ok(contents)
    }

    fn is_worth_a_cache(&self) -> bool {
        let sizes = || self.entries.iter().filter(|(entry, _)| entry.kind == EntryKind::File).map(|(entry, _)| entry.size);
        sizes().count() > FILES_READ_ANYWAY || sizes().fold(0, u64::saturating_add) > BYTES_READ_ANYWAY
    }

    fn is_file(&self, place: usize) -> bool {
        self.entries[place].0.kind == EntryKind::File
    }

    fn digest(&self, place: usize) -> io::Result<Digest> {
        let entry = &self.entries[place].0;
        let mut file = self.open(&entry.path)?;
        let mut hasher = Sha256::new();
        // Most files are small; one byte more, so that the whole of such a one comes at once and its end is seen.
        let mut piece = vec![0; entry.size.saturating_add(1).min(PIECE_BYTES) as usize];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Digest::from_hasher(hasher)),
                read => hasher.update(&piece[..read]),
            }
        }
    }
}

impl ContextFiles for FolderContext {
    fn entries(&self) -> io::Result<Vec<ContextEntry>> {
        Ok(self.entries.iter().map(|(entry, _)| entry.clone()).collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + Send>> {
        // Whatever came since the walk: only a regular file is opened, and no link is followed to one.
        let full = self.root.join(path);
        match fs::symlink_metadata(&full)? {
            found if found.is_file() => Ok(Box::new(File::open(full)?)),
            found => Err(io::Error::other(format!("it has become a {}", special_word(found.file_type())))),
        }
    }

    fn modified_ns(&self, path: &str) -> i64 {
        let Some(&place) = self.index.get(path) else { return 0 };
        let seconds = i64::try_from(self.entries[place].1.modified_ns.div_euclid(1_000_000_000)).unwrap_or_default();
        let content = match self.contents.get() {
            Some(contents) => contents[place],
            None if self.is_file(place) => self.digest(place).ok(),
            None => None,
        };
        content_moment(seconds, content.as_ref())
    }

    fn key(&self) -> String {
        Digest::of(self.root.as_os_str().as_encoded_bytes()).hex()
    }
}

fn device_of(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(found)
}

/// `names` are those in `root` itself.
fn read_rules(root: &Path, names: &[String], shown: &str, dockerfile: &str) -> Result<IgnoreRules, ContextError> {
    for name in ignore_files(dockerfile) {
        // Anything but a regular file is no list of patterns, and might hang who opens it.
        let may_be_there = name.contains('/') || names.contains(&name);
        if !may_be_there || !fs::metadata(root.join(&name)).is_ok_and(|found| found.is_file()) {
            continue;
        }
        let file = format!("{}/{name}", shown.trim_end_matches('/'));
        let unreadable = |error| ContextError::Unreadable { folder: shown.to_owned(), files: vec![format!("{name} ({error})")] };
        let text = fs::read(root.join(&name)).map_err(unreadable)?;
        let rules = IgnoreRules::parse(&String::from_utf8_lossy(&text));
        return rules.map_err(|bad| ContextError::BadIgnore { file, line: bad.line, pattern: bad.pattern, why: bad.why });
    }
    Ok(IgnoreRules::default())
}

/// Does `work` for every place, in a few threads if there is enough of it.
fn in_parallel<T: Send>(places: &[usize], work: impl Fn(usize) -> T + Sync) -> Vec<(usize, T)> {
    let threads = match places.len().div_ceil(FILES_PER_THREAD) {
        // How many cores there are is told by files of the system, which are not worth reading for a handful of others.
        0 | 1 => 1,
        wanted => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(wanted),
    };
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(&place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((place, work(place)));
        }
        done
    };
    if threads <= 1 {
        return worker();
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut done = worker();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let full = folder.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        }
        folder
    }

    fn paths(root: &Path, dockerfile: &str) -> String {
        let entries = FolderContext::open(root, dockerfile).unwrap().entries().unwrap();
        entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_ignored_is_left_out_and_the_nearer_rules_count() {
        let folder =
            folder(&[(".dockerignore", "a\n!a/keep\n*.log\n"), ("Dockerfile", ""), ("a/x", ""), ("a/keep", ""), ("b/y.log", ""), ("z.log", "")]);
        assert_eq!(paths(folder.path(), "Dockerfile"), ".dockerignore Dockerfile a a/keep b b/y.log");
        fs::write(folder.path().join("Dockerfile.dockerignore"), "*\n!z.log\n").unwrap();
        assert_eq!(paths(folder.path(), "Dockerfile"), "z.log");
        assert_eq!(paths(folder.path(), "./b/../Dockerfile"), "z.log");
    }

    #[test]
    fn a_fifo_is_named_unless_it_is_ignored() {
        let folder = folder(&[("Dockerfile", "FROM scratch")]);
        std::fs::create_dir(folder.path().join("run")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("run/s")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(made.success());
        match FolderContext::open(folder.path(), "Dockerfile").err().unwrap() {
            ContextError::Special { files, .. } => assert_eq!(files, ["pipe (FIFO)", "run/s (socket)"]),
            other => panic!("{other}"),
        }
        fs::write(folder.path().join(".dockerignore"), "pipe\nrun\n").unwrap();
        FolderContext::open(folder.path(), "Dockerfile").unwrap().hash(None).unwrap();
        let error = FolderContext::open(folder.path(), "pipe").unwrap().dockerfile().unwrap_err();
        assert!(error.to_string().ends_with("pipe cannot be a Dockerfile: it is a FIFO"), "{error}");
    }

    #[test]
    fn a_dockerfile_stays_within_its_context() {
        let outer = folder(&[("secret", "x"), ("in/Other.Dockerfile", "FROM a"), ("in/real", "FROM b")]);
        let root = outer.path().join("in");
        symlink("../secret", root.join("out")).unwrap();
        symlink("real", root.join("near")).unwrap();
        let read = |path: &str| FolderContext::open(&root, path).and_then(|context| context.dockerfile());
        assert_eq!(read("near").unwrap(), b"FROM b");
        assert!(matches!(read("../secret"), Err(ContextError::Leaves { .. })));
        assert!(matches!(read("out"), Err(ContextError::Leaves { .. })));
        match read("Dockerfile") {
            Err(ContextError::NoDockerfile { hint, .. }) => assert_eq!(hint, "its context has Other.Dockerfile: set `build.dockerfile`"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(FolderContext::open(&outer.path().join("nowhere"), "Dockerfile"), Err(ContextError::NoFolder { .. })));
    }

    #[test]
    fn the_hash_follows_what_is_sent_and_nothing_else() {
        let folder = folder(&[(".dockerignore", "out\n"), ("a", "one"), ("d/b", "two"), ("d/c", ""), ("d/d", "")]);
        let cache = tempfile::tempdir().unwrap();
        let hash = || FolderContext::open(folder.path(), "Dockerfile").unwrap().hash(Some(cache.path())).unwrap();
        let first = hash();
        fs::write(folder.path().join("out"), "ignored").unwrap();
        assert_eq!(hash(), first);
        fs::write(folder.path().join("a"), "eno").unwrap();
        let second = hash();
        assert_ne!(second, first, "the same size, at once");
        fs::write(folder.path().join("a"), "one").unwrap();
        assert_eq!(hash(), first);
        fs::set_permissions(folder.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(hash(), first);
    }

    #[test]
    fn what_is_read_as_fast_as_a_cache_of_it_has_none() {
        let (few, cache) = (folder(&[("Dockerfile", "FROM a"), ("a", "1"), ("b", "2"), ("c", "3")]), tempfile::tempdir().unwrap());
        let kept = || fs::read_dir(cache.path()).unwrap().count();
        let hash = || FolderContext::open(few.path(), "Dockerfile").unwrap().hash(Some(cache.path())).unwrap();
        let first = hash();
        assert_eq!((kept(), hash()), (0, first));
        fs::write(few.path().join("d"), "4").unwrap();
        assert_ne!(hash(), first);
        let file = fs::File::open(few.path().join("d")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        // A file is kept once its clock has ticked on; the context is told so instead of waiting for it.
        let mut later = FolderContext::open(few.path(), "Dockerfile").unwrap();
        later.opened += std::time::Duration::from_secs(10);
        later.hash(Some(cache.path())).unwrap();
        assert_eq!(kept(), 1, "five files are worth one");
        fs::remove_file(few.path().join("d")).unwrap();
        assert_eq!(hash(), first);
    }

    #[test]
    fn the_dockerfile_that_is_parsed_is_the_one_that_is_hashed() {
        let folder = folder(&[("Dockerfile", "FROM a"), ("x", "1")]);
        let plain = FolderContext::open(folder.path(), "Dockerfile").unwrap().hash(None).unwrap();
        let context = FolderContext::open(folder.path(), "Dockerfile").unwrap();
        assert_eq!(context.dockerfile().unwrap(), b"FROM a");
        fs::write(folder.path().join("Dockerfile"), "FROM b").unwrap();
        assert_eq!(context.hash(None).unwrap(), plain, "written in between");
        // One that is ignored is parsed all the same, and is not part of the hash.
        fs::write(folder.path().join(".dockerignore"), "Dockerfile").unwrap();
        let context = FolderContext::open(folder.path(), "Dockerfile").unwrap();
        assert_eq!(context.dockerfile().unwrap(), b"FROM b");
        let before = context.hash(None).unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM c").unwrap();
        assert_eq!(FolderContext::open(folder.path(), "Dockerfile").unwrap().hash(None).unwrap(), before);
    }

    #[test]
    fn every_file_that_cannot_be_read_is_named() {
        let folder = folder(&[("a", ""), ("b", ""), ("c", "")]);
        let context = FolderContext::open(folder.path(), "Dockerfile").unwrap();
        fs::remove_file(folder.path().join("a")).unwrap();
        fs::remove_file(folder.path().join("c")).unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        match context.hash(None).unwrap_err() {
            ContextError::Unreadable { files, .. } => {
                assert_eq!(files.len(), 2);
                assert!(files[0].starts_with("a (") && files[1] == "c (it has become a folder)", "{files:?}");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_moment_tells_contents_of_one_size_apart() {
        let folder = folder(&[("a", "one"), ("b", "two"), ("c", "one")]);
        let context = FolderContext::open(folder.path(), "Dockerfile").unwrap();
        let nanos = |path| context.modified_ns(path) % 1_000_000_000;
        assert_ne!(nanos("a"), nanos("b"));
        assert_eq!(nanos("a"), nanos("c"));
        let before = context.modified_ns("a");
        context.hash(None).unwrap();
        assert_eq!(context.modified_ns("a"), before);
    }
}
