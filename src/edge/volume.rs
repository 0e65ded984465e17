//! The words of volumes that are copied: what is asked for, what came of it, and the copies that are kept.

use std::collections::BTreeMap;

use super::labels;
use crate::model::{Digest, EstateName, HostName, ReleaseNumber, RunId, ServiceName};

/// A volume's content to be copied into another volume of the same engine. Nobody writes either of them meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeCopy {
    /// The estate.
    pub estate: EstateName,
    /// An image that the engine has, whichever: containers cannot be made without one. None of it is run.
    pub image: Digest,
    /// The volume that is read.
    pub from: String,
    /// The volume that is written. All that is in it goes.
    pub to: String,
    /// The labels with which it is made, if it is not there.
    pub labels: BTreeMap<String, String>,
}

impl VolumeCopy {
    /// The name, less its end, of the containers through which the engine reaches the two volumes.
    pub fn name(&self) -> String {
        let unique = Digest::of(format!("{}/{}/{}", self.estate, self.from, self.to).as_bytes());
        format!("refit-copy-{}", unique.short())
    }
}

/// What was copied. What was read again from the copy is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeCopied {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The hash of all names, owners, modes and contents.
    pub hash: Digest,
}

/// A copy of a volume that refit keeps, by its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSeen {
    /// Its own name.
    pub name: String,
    /// The volume that was copied.
    pub volume: String,
    /// The service that writes it.
    pub service: ServiceName,
    /// The host, by its name in the estate.
    pub host: HostName,
    /// The release that the service was on.
    pub release: Option<ReleaseNumber>,
    /// Its version, which may have been the same in several releases.
    pub spec: Option<Digest>,
    /// The run that made the copy.
    pub run: RunId,
}

impl SnapshotSeen {
    /// Reads the labels of a volume; `None` if it is no copy.
    pub(crate) fn read(name: &str, label: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            volume: label(labels::VOLUME)?,
            service: label(labels::SERVICE)?.parse().ok()?,
            host: label(labels::HOST)?.parse().ok()?,
            release: label(labels::RELEASE).and_then(|text| text.parse().ok()).map(ReleaseNumber),
            spec: label(labels::SPEC).and_then(|text| text.parse().ok()),
            run: RunId(label(labels::RUN)?.parse().ok()?),
        })
    }
}
