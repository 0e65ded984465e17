//! The eyes and hands: engines, registries, sources, clock, files. The only room that knows bollard. Decides nothing.
//!
//! Everything that touches the world stands behind a narrow trait; each has its real body in this room and a simulated one in `sim`:
//! [`Engine`] with the words of its builds and containers, [`Registry`], [`Source`] and [`Clock`].

mod build;
mod container;
mod engine;
pub mod labels;

pub mod advisories;
pub mod buildkit;
pub mod carry;
mod clock;
pub mod context;
pub mod docker;
pub mod dockerfiles;
pub mod git;
pub mod layers;
mod login;
pub mod notify;
pub mod pipeline_files;
mod refusal;
pub mod registry;
mod shown;
pub mod sources;
mod volume;

pub use build::{BuildError, BuildProgress, BuildRequest, BuildStepSeen, ContextEntry, ContextFiles, EntryKind, TestEnd, TestRun, Turn};
pub use clock::{Clock, SystemClock};
pub use container::{ContainerFound, Made, NewContainer, ProbeAnswer, release_label};
pub use engine::{ByteStream, Engine, EngineError, EngineInfo, ImageSeen};
pub use registry::{Known, Look, Registry, RegistryClient, RegistryError};
pub use shown::shown;
pub use sources::{FINDS_AT_ONCE, Source, SourceError, SourceFound, Sources};
pub use volume::{SnapshotSeen, VolumeCopied, VolumeCopy};
