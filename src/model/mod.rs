//! The words of the design as types: names, references, digests, identifiers, durations, time zones, cron patterns, secrets.
//!
//! Text is parsed once, at the border, into these; after that a tag cannot stand where a digest is meant.
//! Everything here is pure data, ordered and serialisable, and imports no other room.

mod chain;
mod container;
mod cron;
mod digest;
mod duration;
mod id;
mod name;
mod place;
mod reference;
mod secret;
mod zone;

pub use chain::chain_ids;
pub use container::{
    Attachment, ContainerSpec, EngineHealthcheck, Logging, MountSource, MountSpec, NetworkCreate, NetworkSpec, PortSpec, ProbeKind, ProbeSpec,
    Ulimit, VolumeCreate, spec_hash,
};
pub use cron::{Cron, CronError};
pub use digest::{Digest, DigestError};
pub use duration::{DurationError, format_duration, parse_duration, serde_duration};
pub use id::{ReleaseNumber, RunId, SlotId, TriggerId};
pub use name::{BuilderName, EstateName, HookName, HostName, ImageName, NameError, NotifyName, ServiceName, TriggerName};
pub use place::Place;
pub use reference::{ImageRef, ReferenceError};
pub use secret::Secret;
pub use zone::{Zone, ZoneError};

/// A map of few entries: sorted, with the memory that its entries need and no more. (A `BTreeMap` of one entry takes the room of eleven.)
pub type SmallMap<K, V> = litemap::LiteMap<K, V>;
