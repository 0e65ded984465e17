//! The last stretch of a run: everything is rolled, and what is in it is still being read. A person may still have it all back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::roll::LISTEN_EVERY;
use super::story::{CameTo, SAID_SO};
use super::{Driver, DriverError, Recorder};
use crate::release::Release;
use crate::rollout::Person;
use crate::run::RunOutcome;

/// When everything is rolled, reading goes on for so long; what is left then is read after the next run, or by `refit inventory scan`.
const READ_AFTER_MAX: Duration = Duration::from_secs(120);

/// Tags that are moved at once on the builder.
const TAGS_AT_ONCE: usize = 8;

impl Driver {
    /// What is left when everything is rolled: reading to its end, for a while, and the channel. Until the run's end is written a person may still say
    /// something, and is told that it counts: an abort takes back what was rolled, and a pause leaves the run open for one.
    pub(super) async fn wind_up(
        &self,
        recorder: &Arc<Recorder>,
        release: &Release,
        mut outcome: RunOutcome,
        reading: impl Future<Output = Result<(), DriverError>>,
    ) -> Result<CameTo, DriverError> {
        let reading = async {
            tokio::select! {
                read = reading => read,
                () = self.clock.sleep(READ_AFTER_MAX) => Ok(()),
            }
        };
        let mut reading = std::pin::pin!(reading);
        let (mut is_read, mut is_named) = (false, false);
        loop {
            let said = recorder.listen().await?;
            let standing = recorder.state(|state| state.person).await;
            match standing {
                Some(Person::Abort) if said.contains(&Person::Abort) => match self.go_through(recorder, BTreeMap::new(), said).await? {
                    CameTo::End(aborted) => outcome = aborted,
                    other => return Ok(other),
                },
                Some(Person::Pause) => return Ok(CameTo::Pause { what: "before its end".into(), why: SAID_SO.into() }),
                _ => {}
            }
            if !is_read {
                tokio::select! {
                    read = &mut reading => {
                        read?;
                        is_read = true;
                    }
                    () = self.clock.sleep(LISTEN_EVERY) => {}
                }
            } else if !is_named && outcome == RunOutcome::Done && recorder.state(|state| state.leads_to(release.number)).await {
                self.move_channel(release).await;
                is_named = true;
            } else {
                return Ok(CameTo::End(outcome));
            }
        }
    }

    /// Moves `:current` of every image, on the builder. A convenience for people: nothing of refit reads it, so a failure is only logged.
    async fn move_channel(&self, release: &Release) {
        let moves = release.images.values().map(|image| async move {
            let moved = match image.tag.with_tag("current") {
                Ok(name) => self.engines.builder().tag(image.id, &name).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = moved {
                tracing::warn!(error, image = %image.tag, "channel tag was not moved");
            }
        });
        stream::iter(moves).buffer_unordered(TAGS_AT_ONCE).collect::<()>().await;
    }
}
