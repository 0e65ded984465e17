//! One run at a time per estate: a lock that the system itself gives back when its holder dies, and a record of who holds it.
//!
//! The lock is `flock` on `.refit/lock`, so `kill -9` or a power cut frees it at once and there is no stale lock to judge by age or process
//! number. The record inside is for people and for the fencing number, which rises with every holder: what a former holder still wants to
//! write is refused by the journal. On network file systems `flock` is only as good as the server: a holder cut off from it may believe in
//! its lock for a while longer. The fence is what protects the journal then, and on such a file system `.refit` does not belong.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The lock's file within the state folder.
const FILE: &str = "lock";

/// The record is padded to this size and written in one call, so that a reader never sees half of one.
const RECORD_BYTES: usize = 2048;

/// Command lines are cut here to fit the record.
const COMMAND_CHARS_MAX: usize = 300;

/// Who holds the estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The user who started it.
    pub user: String,
    /// The machine's name.
    pub machine: String,
    /// The machine's boot, which tells apart two processes with one number.
    pub boot: String,
    /// Since when.
    pub since: Timestamp,
    /// The command, as typed.
    pub command: String,
    /// The fencing number: higher with each holder.
    pub fence: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, user, machine, since, command, .. } = self;
        write!(f, "`{command}` of {user}@{machine} (process {pid}) since {since:.0}")
    }
}

/// Who holds the estate, where that is known.
pub(super) fn in_words(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another refit".to_owned(), ToString::to_string)
}

/// Why the lock could not be had.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    /// Another refit holds it.
    #[error("the estate is held by {}", in_words(.holder.as_deref()))]
    #[diagnostic(help("wait until it has ended; `refit status` shows how far it is, `refit pause` and `refit abort` stop it"))]
    Held {
        /// Who, unless it has not said so yet.
        holder: Option<Box<Holder>>,
    },
    /// The file cannot be used.
    #[error("the lock {path} cannot be taken: {why}")]
    #[diagnostic(help("make the state folder writable for this user, or choose another one with `--state DIR`"))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

/// The estate's lock, held. Dropping it gives it back, as does the death of the process.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    holder: Holder,
    before: Option<Holder>,
}

impl Lock {
    /// Takes the lock of a state folder, or says who holds it. `command` is what the user typed.
    pub fn take(state_dir: &Path, now: Timestamp, command: &str) -> Result<Self, LockError> {
        let path = state_dir.join(FILE);
        let file = hold(state_dir, &path)?;
        Self::sign(path, file, now, command)
    }

    /// Keeps the lock of a state folder from being taken for as long as the file is open, or says who holds it. Nobody is signed for, and the fencing
    /// number stays: this is for what takes a moment and writes no event.
    pub(super) fn keep_free(state_dir: &Path) -> Result<File, LockError> {
        hold(state_dir, &state_dir.join(FILE))
    }

    /// Who holds the lock of a state folder now, if anybody does.
    ///
    /// Looking takes no lock that could get into another refit's way for longer than a moment.
    pub fn holder(state_dir: &Path) -> Option<Holder> {
        let path = state_dir.join(FILE);
        let file = File::open(&path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read(&path),
            _ => None,
        }
    }

    fn sign(path: PathBuf, file: File, now: Timestamp, command: &str) -> Result<Self, LockError> {
        let before = read(&path);
        let holder = Holder {
            pid: std::process::id(),
            user: user(),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default(),
            since: now,
            command: command.chars().take(COMMAND_CHARS_MAX).collect(),
            fence: before.as_ref().map_or(0, |holder| holder.fence) + 1,
        };
        let lock = Self { path, file, holder, before };
        lock.write()?;
        Ok(lock)
    }

    fn write(&self) -> Result<(), LockError> {
        let trouble = |why: String| LockError::File { path: self.path.clone(), why };
        let mut record = serde_json::to_vec(&self.holder).map_err(|error| trouble(error.to_string()))?;
        record.resize(record.len().max(RECORD_BYTES), b' ');
        self.file.write_all_at(&record, 0).map_err(|error| trouble(error.to_string()))?;
        self.file.set_len(record.len() as u64).and_then(|()| self.file.sync_data()).map_err(|error| trouble(error.to_string()))
    }

    /// Raises the fencing number above one that was seen elsewhere.
    pub(super) fn raise_above(&mut self, seen: u64) -> Result<(), LockError> {
        if self.holder.fence > seen {
            return Ok(());
        }
        self.holder.fence = seen + 1;
        self.write()
    }

    /// The fencing number: higher than that of every holder before.
    pub fn fence(&self) -> u64 {
        self.holder.fence
    }

    /// The lock's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who held it before and did not live to give it back, if so.
    pub fn taken_over_from(&self) -> Option<&Holder> {
        self.before.as_ref().filter(|holder| !holder.command.is_empty())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A record without command means: given back in good order. The fencing number must stay.
        self.holder.command.clear();
        let _ = self.write();
    }
}

/// Opens a lock's file, which is made if need be, and locks it.
fn hold(state_dir: &Path, path: &Path) -> Result<File, LockError> {
    let trouble = |error: std::io::Error| LockError::File { path: path.to_owned(), why: error.to_string() };
    fs::create_dir_all(state_dir).map_err(trouble)?;
    loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(trouble)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // A record without command is that of a former holder: the new one has not signed yet, or will not.
                let holder = read(path).filter(|holder| !holder.command.is_empty());
                return Err(LockError::Held { holder: holder.map(Box::new) });
            }
            Err(TryLockError::Error(error)) => return Err(trouble(error)),
        }
        // Somebody may have removed the file between opening and locking: then this is a lock on nothing.
        let ours = file.metadata().map_err(trouble)?.ino();
        if fs::metadata(path).is_ok_and(|there| there.ino() == ours) {
            return Ok(file);
        }
    }
}

/// The record in a lock's file; none if there is none yet. A holder that gave the lock back counts only for its fencing number.
fn read(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.take(RECORD_BYTES as u64 * 4).read_to_string(&mut text).ok()?;
    serde_json::from_str(text.trim()).ok()
}

fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let named = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_second_one_is_told_who_holds_it_since_when() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Lock::holder(dir.path()), None);
        let first = Lock::take(dir.path(), at(1_800_000_000), "refit rollout --yes").unwrap();
        let error = Lock::take(dir.path(), at(1_800_000_060), "refit rollback").unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("the estate is held by `refit rollout --yes` of "), "{said}");
        assert!(said.ends_with(&format!("(process {}) since 2027-01-15T08:00:00Z", std::process::id())), "{said}");
        assert_eq!(Lock::holder(dir.path()).unwrap().fence, first.fence());
    }

    #[test]
    fn a_lock_that_was_given_back_is_free_and_its_fence_rises() {
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for round in 0..3 {
            let lock = Lock::take(dir.path(), at(round), "refit rollout").unwrap();
            assert!(lock.fence() > last);
            assert_eq!(lock.taken_over_from(), None);
            last = lock.fence();
            drop(lock);
            assert_eq!(Lock::holder(dir.path()), None);
        }
    }

    #[test]
    fn a_dead_holders_lock_is_taken_over_and_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path(), at(0), "refit rollout").unwrap();
        // As `kill -9` leaves it: the system closes the file, nobody writes the record.
        let Lock { file, .. } = &*std::mem::ManuallyDrop::new(lock);
        file.unlock().unwrap();
        let next = Lock::take(dir.path(), at(9), "refit resume").unwrap();
        assert_eq!(next.taken_over_from().unwrap().command, "refit rollout");
        assert_eq!(next.fence(), 2);
    }

    #[test]
    fn a_torn_record_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{\"pid\": 1, \"us").unwrap();
        assert_eq!(Lock::take(dir.path(), at(0), "refit").unwrap().fence(), 1);
    }
}
