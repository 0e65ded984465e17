//! What a request says.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::HookError;
use crate::model::{Digest, ImageRef};
use crate::pipeline::HookFormat;

/// What a request says. Without hints and pushes it says nothing that matters here, and `note` says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whose format it has; none if nobody's that is known.
    pub format: Option<HookFormat>,
    /// The sender's name for this delivery: the same if it is sent again. Not every sender gives one.
    pub delivery: Option<String>,
    /// What is said to have moved in registries, each once, sorted.
    pub hints: Vec<Hint>,
    /// What is said to have moved in git.
    pub pushes: Vec<Push>,
    /// Why it means nothing, or why some of it does not: `a ping`, `a deletion`.
    pub note: Option<String>,
}

/// A tag of a repository is said to have moved. Which digest it has now is asked from the registry, whatever the hint says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hint {
    /// Registry and repository in normal form, as [`ImageRef::name`] gives it: `docker.io/library/debian`.
    pub repository: String,
    /// The tag. None if the sender does not say (a push by digest): then any tag of the repository may have moved.
    pub tag: Option<String>,
    /// The digest that the sender says.
    pub digest: Option<Digest>,
}

impl Hint {
    /// The reference whose tag is said to have moved; none if the tag is not known.
    pub fn image(&self) -> Option<ImageRef> {
        format!("{}:{}", self.repository, self.tag.as_ref()?).parse().ok()
    }

    /// Whether it is a reason to look at this image: the repository is the same, and the tag unless one of the two has none.
    pub fn concerns(&self, image: &ImageRef) -> bool {
        let same_tag = |tag: &str| image.tag().is_none_or(|other| other == tag);
        self.repository == image.name() && self.tag.as_deref().is_none_or(same_tag)
    }
}

/// Commits were pushed to a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Every URL of the repository that the sender gives, as it gives them: to clone by HTTPS, by SSH, and its page.
    pub urls: BTreeSet<String>,
    /// The full reference: `refs/heads/main`, `refs/tags/v1`.
    pub reference: String,
    /// The commit before; none if the reference is new.
    pub before: Option<String>,
    /// The commit now.
    pub after: String,
    /// Whether history was written anew; none if the sender does not say (GitLab, Gitea).
    pub forced: Option<bool>,
    /// Every path that the commits add, change or remove; none if the sender lists fewer than all. Where `forced` is none, history may
    /// have been written anew, and what only a commit that was dropped had touched is not among them.
    pub paths: Option<BTreeSet<String>>,
}

impl Heard {
    /// Something that means nothing here, and why.
    pub(super) fn nothing(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::default() }
    }

    pub(super) fn push(push: Push) -> Self {
        Self { pushes: vec![push], ..Self::default() }
    }

    pub(super) fn delivered(self, id: Option<&str>) -> Self {
        Self { delivery: id.map(bounded), ..self }
    }
}

impl From<Hint> for Heard {
    fn from(hint: Hint) -> Self {
        Self { hints: vec![hint], ..Self::default() }
    }
}

/// Every sender's ids are shorter. A longer one is kept as its hash: that is as unique.
const DELIVERY_CHARS_MAX: usize = 200;

fn bounded(id: &str) -> String {
    if id.len() <= DELIVERY_CHARS_MAX { id.to_owned() } else { Digest::of(id.as_bytes()).to_string() }
}

/// One body asks for so many looks at registries at most. Senders put one event into a body, or a handful.
const HINTS_MAX: usize = 500;

/// Collects what several events of one body say. A broken one does not hide the others.
#[derive(Default)]
pub(super) struct Gathered {
    hints: BTreeSet<Hint>,
    notes: BTreeSet<String>,
    error: Option<HookError>,
}

impl Gathered {
    pub(super) fn add(&mut self, hint: Result<Hint, HookError>) {
        match hint {
            Ok(hint) if self.hints.len() < HINTS_MAX => {
                self.hints.insert(hint);
            }
            Ok(_) => self.skip(format!("more than {HINTS_MAX} references in one body")),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    pub(super) fn skip(&mut self, note: impl Into<String>) {
        self.notes.insert(note.into());
    }

    pub(super) fn take(&mut self, heard: Result<Heard, HookError>) {
        match heard {
            Ok(heard) => {
                heard.hints.into_iter().for_each(|hint| self.add(Ok(hint)));
                self.notes.extend(heard.note);
            }
            Err(error) => self.add(Err(error)),
        }
    }

    /// All of it; the first error only if nothing else was said.
    pub(super) fn finish(mut self) -> Result<Heard, HookError> {
        match self.error.take() {
            Some(error) if self.hints.is_empty() && self.notes.is_empty() => return Err(error),
            Some(error) => self.skip(error.to_string()),
            None => {}
        }
        if self.hints.is_empty() && self.notes.is_empty() {
            self.skip("no event in it");
        }
        let notes: Vec<String> = self.notes.into_iter().take(NOTES_MAX).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Heard { hints: self.hints.into_iter().collect(), note, ..Heard::default() })
    }
}

/// Nobody reads a longer log line.
const NOTES_MAX: usize = 5;
