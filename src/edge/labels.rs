//! The labels by which refit knows its own. [`ESTATE`] is on everything it makes.

/// The estate.
pub const ESTATE: &str = "io.refit.estate";
/// The service.
pub const SERVICE: &str = "io.refit.service";
/// The host's name in the estate; engines do not know their own.
pub const HOST: &str = "io.refit.host";
/// The slot's index.
pub const SLOT: &str = "io.refit.slot";
/// The release's number.
pub const RELEASE: &str = "io.refit.release";
/// The hash of image and spec.
pub const SPEC: &str = "io.refit.spec";
/// The run that made it.
pub const RUN: &str = "io.refit.run";
/// The hash of inputs of an image.
pub const INPUTS: &str = "io.refit.inputs";
/// On a copy of a volume: the volume that was copied.
pub const VOLUME: &str = "io.refit.volume";
/// On throw-away containers: what they are for (`test`, `copy`).
pub const ROLE: &str = "io.refit.role";
