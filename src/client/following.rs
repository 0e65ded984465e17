//! A run that goes on elsewhere, told as it goes: its events, each once and in order, however often the connection is lost in between.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::stream::{Cutter, Message};
use super::{Client, ClientError};
use crate::journal::Recorded;
use crate::model::RunId;
use crate::serve::{Passing, Standing};

/// The daemon says every quarter of a minute that it is there; twice as long without a word, and the connection is dead.
const QUIET_MAX: Duration = Duration::from_secs(40);
/// Before the first attempt to connect again it waits so long, then twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A daemon that is started again is back within this time; after it, whoever follows is told that it is not.
const AWAY_MAX: Duration = Duration::from_secs(180);

/// What is told of a run.
#[derive(Debug, Clone)]
pub enum Told {
    /// The next event.
    Recorded(Box<Recorded>),
    /// Something that is in no journal.
    Passing(Passing),
    /// It stands still, or something holds it.
    Standing(Standing),
    /// The connection is lost, and tried for again.
    Lost,
    /// It is there again.
    Back,
}

/// Somebody who follows a run.
pub struct Following {
    client: Client,
    run: RunId,
    after: u64,
    stream: Option<(Response, Cutter)>,
    ready: VecDeque<Told>,
    away: Option<Away>,
}

/// Since when the connection is lost.
struct Away {
    since: Instant,
    /// Attempts that failed.
    failed: u32,
    not_before: Instant,
}

impl Following {
    /// Follows a run from behind the event with this number.
    pub fn of(client: Client, run: RunId, after: u64) -> Self {
        Self { client, run, after, stream: None, ready: VecDeque::new(), away: None }
    }

    /// The next thing that is told. Loses nothing when it is dropped half-way. Errors where it is of no use to try again.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Ok(told);
            }
            match &mut self.stream {
                None => self.connect().await?,
                Some((response, cutter)) => {
                    let chunk = match timeout(QUIET_MAX, response.chunk()).await {
                        Ok(Ok(Some(chunk))) => chunk,
                        // It was cut off, or it ended without the end of the run: the daemon leaves.
                        Ok(Ok(None) | Err(_)) | Err(_) => {
                            self.lose();
                            continue;
                        }
                    };
                    let messages = cutter.feed(&chunk).map_err(|_| self.client.stranger("a line without end".to_owned()))?;
                    for message in messages {
                        self.take(&message)?;
                    }
                }
            }
        }
    }

    fn lose(&mut self) {
        self.stream = None;
        let now = Instant::now();
        self.away = Some(Away { since: now, failed: 0, not_before: now + RETRY_MIN });
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if let Some(away) = &self.away {
            sleep(away.not_before.saturating_duration_since(Instant::now())).await;
        }
        match self.client.follow(&format!("/v1/runs/{}/events", self.run), self.after).await {
            Ok(response) => {
                self.stream = Some((response, Cutter::default()));
                // Losing it for a moment is not worth a word.
                if self.away.take().is_some_and(|away| away.failed > 0) {
                    self.ready.push_back(Told::Back);
                }
                Ok(())
            }
            Err(error) if error.may_pass() => self.still_away(error),
            Err(error) => Err(error),
        }
    }

    fn still_away(&mut self, error: ClientError) -> Result<(), ClientError> {
        let now = Instant::now();
        let away = self.away.get_or_insert(Away { since: now, failed: 0, not_before: now });
        if now.duration_since(away.since) > AWAY_MAX {
            return Err(error);
        }
        if away.failed == 0 {
            self.ready.push_back(Told::Lost);
        }
        away.not_before = now + RETRY_MIN.saturating_mul(1 << away.failed.min(16)).min(RETRY_MAX);
        away.failed += 1;
        Ok(())
    }

    fn take(&mut self, message: &Message) -> Result<(), ClientError> {
        let told = match message.event.as_str() {
            "recorded" => {
                let recorded: Recorded = self.read(message)?;
                // One that is told twice is told once.
                if recorded.seq <= self.after {
                    return Ok(());
                }
                self.after = recorded.seq;
                Told::Recorded(Box::new(recorded))
            }
            "waiting" | "build_step" => Told::Passing(self.read(message)?),
            "standing" => Told::Standing(self.read(message)?),
            // What a newer daemon tells besides is of no interest here.
            _ => return Ok(()),
        };
        self.ready.push_back(told);
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, message: &Message) -> Result<T, ClientError> {
        serde_json::from_str(&message.data).map_err(|error| self.client.stranger(format!("an event cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_stays_away_is_waited_for_for_three_minutes() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let nobody = Client::local(&folder.path().join("serve.sock"), "ann").unwrap();
        let mut following = Following::of(nobody, RunId(1), 0);
        let began = Instant::now();
        assert!(matches!(following.next().await, Ok(Told::Lost)), "that it is away is told at once, and once");
        assert!(began.elapsed() < RETRY_MAX, "{:?}", began.elapsed());
        let error = following.next().await.unwrap_err();
        let waited = began.elapsed();
        assert!(error.may_pass(), "{error}");
        // The last attempt may begin just before the time is over.
        assert!(waited > AWAY_MAX && waited < AWAY_MAX + RETRY_MAX * 4, "{waited:?}");
    }
}
