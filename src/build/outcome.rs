//! How a build ended, as plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Digest, ImageName, ImageRef};

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum BuildOutcome {
    /// A new image.
    Built {
        /// Its id.
        id: Digest,
        /// Its immutable tag.
        tag: ImageRef,
        /// What it was built from.
        inputs: Digest,
    },
    /// Its inputs are those of an image already built.
    Reused {
        /// That image's id.
        id: Digest,
        /// Its tag.
        tag: ImageRef,
        /// What it was built from.
        inputs: Digest,
    },
    /// It was built, and came out with the same content as before: its dependents need nothing.
    Unchanged {
        /// The id that stays in the release.
        id: Digest,
        /// Its tag.
        tag: ImageRef,
        /// What it was built from now.
        inputs: Digest,
    },
    /// It failed.
    Failed {
        /// Why.
        why: String,
        /// The last lines of its log.
        last_lines: Vec<String>,
    },
    /// An image that it stands on failed.
    Skipped {
        /// Which.
        because: ImageName,
    },
}
