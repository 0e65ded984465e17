//! Which platform of a base counts: an index that moved for other platforms only is no reason to build anything.
//!
//! In: the platforms that images name, and the builder, whose own platform images are built for that name none. Out: one [`Wanted`] for all looks of
//! one round. A builder that does not answer now has the platform that it had when it last did.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::driver::Engines;
use crate::edge::{Clock, Engine};
use crate::fault;
use crate::journal::SqliteJournal;
use crate::pipeline::Estate;

/// Which manifest of an index a look is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The one that every image asks for by name; without it nothing could be built.
    Named(String),
    /// The builder's own. A base that is not there for it may still be an image that services run as it is.
    Builders(String),
    /// Several platforms count, or nobody knows which: then whatever moves in the index is a move, and no move is missed.
    Any,
}

impl Wanted {
    pub(super) fn platform(&self) -> Option<&str> {
        match self {
            Self::Named(platform) | Self::Builders(platform) => Some(platform),
            Self::Any => None,
        }
    }
}

/// Finds out once which platform counts.
pub(super) struct Platforms {
    /// What images name; none for those that leave it to the builder.
    named: BTreeSet<Option<String>>,
    builder: Arc<dyn Engine>,
    key: String,
    wanted: OnceCell<Wanted>,
}

impl Platforms {
    pub(super) fn new(estate: &Estate, engines: &Engines) -> Self {
        let named = estate.images.values().map(|image| image.build.platform.clone()).collect();
        let (name, builder) = &engines.builder;
        Self { named, builder: builder.clone(), key: format!("platform {name}"), wanted: OnceCell::new() }
    }

    /// Which platform counts; the builder is asked at the first call, and only if images leave it to the builder.
    pub(super) async fn wanted(&self, journal: &SqliteJournal, clock: &dyn Clock) -> &Wanted {
        self.wanted.get_or_init(|| self.find(journal, clock)).await
    }

    async fn find(&self, journal: &SqliteJournal, clock: &dyn Clock) -> Wanted {
        let mut named = self.named.iter().flatten();
        match (named.next(), named.next(), self.named.contains(&None)) {
            (Some(only), None, false) => Wanted::Named(only.clone()),
            (None, ..) => self.builders(journal, clock).await.map_or(Wanted::Any, Wanted::Builders),
            // The builder's own may be the one that others name.
            (Some(only), None, true) if self.builders(journal, clock).await.as_ref() == Some(only) => Wanted::Builders(only.clone()),
            _ => Wanted::Any,
        }
    }

    async fn builders(&self, journal: &SqliteJournal, clock: &dyn Clock) -> Option<String> {
        let kept = journal.mark(&self.key).unwrap_or_default();
        match self.builder.info().await {
            Ok(info) if is_platform(&info.platform) => {
                // A journal that is only looked into keeps nothing, and one that cannot be written says so where it matters.
                if kept.as_ref() != Some(&info.platform) {
                    let _ = journal.set_mark(clock.now(), &self.key, &info.platform).await;
                }
                Some(info.platform)
            }
            Ok(_) => kept,
            Err(error) => {
                tracing::debug!("the builder does not say its platform: {}", fault::with_help(&error));
                kept
            }
        }
    }
}

/// Whether both halves are there: an engine that leaves one out says nothing of use.
fn is_platform(text: &str) -> bool {
    text.split_once('/').is_some_and(|(os, architecture)| !os.is_empty() && !architecture.is_empty())
}
