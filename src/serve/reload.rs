//! Reads the estate again when its files change, or when the git repository that they are in moves. One that is wrong leaves the old in force.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::estate::{self, Loaded, Stamp};
use crate::edge::git::{self, Followed, GitError};
use crate::notice;

/// How often the pipeline files are looked at.
const FILES_LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// Files that could not be used are read again after so long, though they are the same: what they name may be there by then.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Daemon {
    /// Reads the estate again whenever its files change, until the daemon stops.
    pub async fn follow_files(self: Arc<Self>) {
        let mut refused: Option<(Stamp, Instant)> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(FILES_LOOKED_AT_EVERY) => {}
            }
            let _reading = self.reading.lock().await;
            let loaded = self.loaded();
            let stamp = estate::stamp_of(&self.how.pipelines, &loaded.watched);
            // What was wrong may have been a repository that was away.
            let is_refused = refused.as_ref().is_some_and(|(other, at)| *other == stamp && at.elapsed() < TRIED_AGAIN_AFTER);
            if stamp != loaded.stamp && !is_refused {
                refused = if self.read_again("the files of the estate changed").await { None } else { Some((stamp, Instant::now())) };
            }
        }
    }

    /// Asks the remote of the pipelines' own repository, until the daemon stops. A commit whose estate is wrong is taken back, and left alone.
    pub async fn follow_git(self: Arc<Self>) {
        let Some(every) = self.how.follow else { return self.stop.cancelled().await };
        let (mut refused, mut told) = (None, None);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = self.pushed.notified() => {}
            }
            let _reading = self.reading.lock().await;
            let why_not = self.follow_once(&mut refused).await.err();
            // The same trouble is told once.
            if let Some(why) = why_not.as_ref().filter(|why| told.as_ref() != Some(*why)) {
                tracing::warn!("the pipelines do not follow their repository: {why}");
            }
            told = why_not;
        }
    }

    async fn follow_once(&self, refused: &mut Option<String>) -> Result<(), String> {
        let (folder, before) = (self.how.pipelines.clone(), refused.clone());
        match in_the_background(move || git::follow(&folder, before.as_deref())).await? {
            Followed::Same => Ok(()),
            Followed::Stays { why } => Err(why),
            Followed::Moved { from, to } => {
                if !self.read_again(&format!("the pipelines moved to commit {to}")).await {
                    let folder: PathBuf = self.how.pipelines.clone();
                    in_the_background(move || git::go_back(&folder, &from)).await?;
                    *refused = Some(to);
                }
                Ok(())
            }
        }
    }

    /// Reads the estate, and puts it in force if it is right.
    async fn read_again(&self, why: &str) -> bool {
        let read = Loaded::read(&self.how, self.clock.now()).await;
        self.meters.estate_read(self.clock.now(), read.is_ok());
        match read {
            Ok(loaded) => {
                self.told_wrong("");
                tracing::info!("{why}: the new estate is in force");
                *self.estate.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                self.wake();
                self.reloaded.notify_one();
                true
            }
            Err(wrong) if self.told_wrong(&wrong) => false,
            Err(wrong) => {
                tracing::error!("{why} and cannot be used; the estate that was read before stays in force:\n{wrong}");
                let lines: Vec<String> = wrong.lines().map(str::to_owned).collect();
                self.tell_at_once(&notice::estate_broken(self.clock.now(), &lines, &self.loaded().estate.name));
                false
            }
        }
    }
}

impl Daemon {
    /// Whether people were told of just that before; remembers it.
    fn told_wrong(&self, wrong: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *told, wrong.to_owned()) == wrong
    }
}

async fn in_the_background<T: Send + 'static>(work: impl FnOnce() -> Result<T, GitError> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| crate::fault::with_help(&error)),
        Err(died) => Err(died.to_string()),
    }
}
