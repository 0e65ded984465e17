//! What happens in runs, told to whoever follows them: that something is in the journal, and what passes without being journalled.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::driver::Watch;
use crate::model::ImageName;
use crate::run::Event;

/// So many tellings may be outstanding for a slow listener; what it misses it finds in the journal.
const BACKLOG: usize = 1024;

/// What passes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "passing", rename_all = "snake_case")]
pub enum Passing {
    /// There is something new in the journal.
    Journalled,
    /// What a rollout waits for.
    Waiting {
        /// A line for each.
        what: Vec<String>,
    },
    /// A build began a step.
    BuildStep {
        /// The image.
        image: ImageName,
        /// The step, as the engine calls it.
        step: String,
    },
}

/// Tells everybody who listens.
#[derive(Debug, Clone)]
pub struct News {
    sender: broadcast::Sender<Passing>,
}

impl Default for News {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }
}

impl News {
    /// Begins to listen.
    pub fn listen(&self) -> broadcast::Receiver<Passing> {
        self.sender.subscribe()
    }

    /// Says that there is something new in the journal.
    pub fn journalled(&self) {
        self.tell(Passing::Journalled);
    }

    fn tell(&self, passing: Passing) {
        // Nobody needs to listen.
        let _ = self.sender.send(passing);
    }
}

impl Watch for News {
    fn event(&self, _at: Timestamp, event: &Event) {
        tracing::debug!(?event, "journalled");
        self.journalled();
    }

    fn waiting(&self, what: &[String]) {
        self.tell(Passing::Waiting { what: what.to_vec() });
    }

    fn build_step(&self, image: &ImageName, step: &str) {
        self.tell(Passing::BuildStep { image: image.clone(), step: step.to_owned() });
    }
}
