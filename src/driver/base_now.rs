//! What the name of a base stands for, where that is not simply the newest that its registry has under it.

use async_trait::async_trait;

use crate::model::ImageRef;

/// What the name of a base stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseNow {
    /// The name that is pulled: its own, or another tag of its repository.
    pub name: ImageRef,
    /// Why it is not pulled, but left as it was built on last; none if it is.
    pub held: Option<String>,
}

/// Says what bases stand for: what is cooling, and which follow a pattern of tags.
#[async_trait]
pub trait BaseRules: Send + Sync {
    /// What a base stands for. Whatever goes wrong on the way, there is an answer.
    async fn now(&self, base: &ImageRef) -> BaseNow;
}
