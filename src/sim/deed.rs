//! What was done to the containers of a simulated engine, in order: the one account of a story that refit has no part in.

use jiff::Timestamp;

use super::SimContainer;

/// One change of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// The container's id.
    pub container: String,
    /// What.
    pub what: What,
}

/// What was done to a container. What changed nothing was not done.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It was made, as this.
    Made(Box<SimContainer>),
    /// It was started.
    Started,
    /// It was stopped through the engine.
    Stopped,
    /// It ended by itself, or by somebody else's hand.
    Died,
    /// It was removed.
    Removed,
}

/// The deeds of one engine, if they are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deeds(Option<Vec<Deed>>);

impl Deeds {
    /// Keeps what is done from now on.
    pub fn keep(&mut self) {
        self.0.get_or_insert_default();
    }

    /// What was done so far.
    pub fn all(&self) -> &[Deed] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Notes a deed.
    pub fn note(&mut self, deed: impl FnOnce() -> Deed) {
        if let Some(deeds) = &mut self.0 {
            deeds.push(deed());
        }
    }
}

/// How often each fault of an engine was felt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Calls that were made, those that went well included.
    pub calls: u64,
    /// Calls to an engine that was silent.
    pub silent: u64,
    /// Calls that got lost on their way.
    pub calls_lost: u64,
    /// Replies that got lost.
    pub replies_lost: u64,
    /// Calls that got there although refit had died.
    pub orphans: u64,
    /// Calls that a full disk refused.
    pub disk_full: u64,
    /// Starts that were refused.
    pub refused: u64,
    /// Containers whose image was gone.
    pub image_missing: u64,
}
