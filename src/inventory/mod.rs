//! What is in an image: packages, each with the layer that brought it.
//!
//! In: what was found in each layer, read on its own. Out: the contents of any stack of layers, what a layer changes in them, and answers to questions
//! about them. A layer is read once, however many images stand on it. Touches no engine, file or clock.

mod contents;
mod differ;
pub mod dispatch;
mod distros;
pub mod files;
mod found;
pub mod language;
pub mod os;
mod package;
pub mod purl;
mod question;
mod read_file;
#[cfg(test)]
pub(crate) mod samples;
pub mod version;

pub use contents::{Change, Contents};
pub use differ::{Changed, Difference, Direction, differ};
pub use dispatch::READERS_VERSION;
pub use distros::Distros;
pub use found::{FileFound, LayerFound, Unreadable};
pub use package::{Distro, Identity, Kind, Package, SourcePackage};
pub use question::{Names, Question, QuestionError};
pub use read_file::ReadFile;
