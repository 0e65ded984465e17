//! What the name of a base stands for now, where that is not simply the newest that its registry has.

use async_trait::async_trait;

use crate::model::ImageRef;

/// What the name of a base stands for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseNow {
    /// The newest that its registry has under that name.
    Newest,
    /// What the builder has, if it has it: the newest is left alone for a while.
    AsItIs {
        /// Why.
        why: String,
    },
    /// Another tag of its repository.
    Tag(ImageRef),
}

/// Says what bases stand for: what is cooling, and which follow a pattern of tags.
#[async_trait]
pub trait BaseRules: Send + Sync {
    /// What a base stands for now. Whatever goes wrong on the way, there is an answer.
    async fn now(&self, base: &ImageRef) -> BaseNow;
}
