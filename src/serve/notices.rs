//! Tells people what happens. Each addressee has a place in the journal up to which it was told, so nothing is lost when refit dies, and what cannot be
//! sent holds up neither a run nor another addressee.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::daemon::Daemon;
use crate::driver;
use crate::edge::Clock;
use crate::edge::notify::Notifier;
use crate::journal::{Journal, JournalError, Recorded};
use crate::model::NotifyName;
use crate::notice::{self, Notice, Retry};
use crate::pipeline::Notify;
use crate::report::metrics::{Meters, NoticeResult};
use crate::run::RunState;
use crate::workshop::secrets_of_environment;

/// So many events are looked at in one go.
const EVENTS_AT_ONCE: usize = 256;
/// The journal is looked at so often even if nobody says that something is new.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

impl Daemon {
    /// Tells every addressee of the estate in force what happens, until the daemon stops; begins anew with each new estate.
    pub async fn tell_people(self: Arc<Self>) {
        while !self.stop.is_cancelled() {
            let loaded = self.loaded();
            let mut told = JoinSet::new();
            match Notifier::new(secrets_of_environment(&loaded.estate)) {
                Ok(notifier) => {
                    for (name, notify) in loaded.estate.notify.clone() {
                        told.spawn(self.clone().tell(name, notify, notifier.clone()));
                    }
                }
                Err(error) => tracing::error!(%error, "nobody can be told anything"),
            }
            while Arc::ptr_eq(&loaded, &self.loaded()) {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = self.reloaded.notified() => {}
                }
            }
        }
    }

    /// Tells one addressee.
    async fn tell(self: Arc<Self>, name: NotifyName, notify: Notify, notifier: Notifier) {
        let key = format!("notify {name}");
        loop {
            let mut news = self.news.listen();
            match self.events_to_tell(&key).await {
                Ok(events) if events.is_empty() => {
                    let _ = tokio::time::timeout(LOOKED_AT_EVERY, news.recv()).await;
                }
                Ok(events) => {
                    for recorded in events {
                        if let Some(notice) = self.notice_of(&recorded).filter(|notice| notify.on.contains(&notice.kind)) {
                            send(&self.meters, &*self.clock, &name, &notify, &notifier, &notice).await;
                        }
                        if let Err(error) = self.journal.set_mark(self.clock.now(), &key, &recorded.position.to_string()).await {
                            tracing::error!(%error, "{name} may be told twice");
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "{name} cannot be told anything");
                    tokio::time::sleep(LOOKED_AT_EVERY).await;
                }
            }
        }
    }

    /// What happened since an addressee was told last. Whoever is new is told nothing of what was.
    async fn events_to_tell(&self, key: &str) -> Result<Vec<Recorded>, JournalError> {
        match self.journal.mark(key)?.and_then(|text| text.parse().ok()) {
            Some(position) => self.journal.events_after(position, EVENTS_AT_ONCE),
            None => {
                let last = self.journal.last_position()?;
                self.journal.set_mark(self.clock.now(), key, &last.to_string()).await?;
                Ok(Vec::new())
            }
        }
    }

    fn notice_of(&self, recorded: &Recorded) -> Option<Notice> {
        let notice = notice::of_event(recorded.run, recorded.at, &recorded.event, &self.loaded().estate.name)?;
        let events = self.journal.events(recorded.run).ok()?;
        let until_then = events.iter().filter(|other| other.position <= recorded.position);
        match RunState::of(until_then.map(|other| (other.at, &other.event))) {
            Ok(state) => Some(notice.with(&state)),
            Err(_) => Some(notice),
        }
    }

    /// Tells of something that is in no journal, beside everything else; it is tried again like the others, for as long as the daemon lives.
    pub(super) fn tell_at_once(&self, notice: &Notice) {
        let loaded = self.loaded();
        let Ok(notifier) = Notifier::new(secrets_of_environment(&loaded.estate)) else { return };
        for (name, notify) in loaded.estate.notify.clone().into_iter().filter(|(_, notify)| notify.on.contains(&notice.kind)) {
            let (meters, clock, notifier, notice) = (self.meters.clone(), self.clock.clone(), notifier.clone(), notice.clone());
            tokio::spawn(async move { send(&meters, &*clock, &name, &notify, &notifier, &notice).await });
        }
    }

    /// How many notices wait for somebody, by the events that nobody was told of yet.
    pub(super) fn notices_waiting(&self) -> BTreeMap<NotifyName, u64> {
        let last = self.journal.last_position().unwrap_or(0);
        let told = |name: &NotifyName| self.journal.mark(&format!("notify {name}")).ok().flatten().and_then(|text| text.parse::<u64>().ok());
        self.loaded().estate.notify.keys().map(|name| (name.clone(), last.saturating_sub(told(name).unwrap_or(last)))).collect()
    }
}

/// Sends a notice, again and again if need be.
async fn send(meters: &Meters, clock: &dyn Clock, name: &NotifyName, notify: &Notify, notifier: &Notifier, notice: &Notice) {
    let first_at = clock.now();
    for attempts in 1.. {
        let not_sent = match notifier.send(notify, notice).await {
            Ok(()) => return meters.notice(name, NoticeResult::Sent),
            Err(not_sent) => not_sent,
        };
        let now = clock.now();
        match notice::next_attempt(attempts, first_at, now, not_sent.answer) {
            Retry::At(at) => {
                meters.notice(name, NoticeResult::Failed);
                tracing::warn!(addressee = %name, "not told: {not_sent}; tried again at {at:.0}");
                clock.sleep(driver::until(now, at)).await;
            }
            Retry::GiveUp { why } => {
                meters.notice(name, NoticeResult::GivenUp);
                tracing::error!(addressee = %name, "never told of \"{}\": {not_sent}: {why}", notice.headline());
                return;
            }
        }
    }
}
