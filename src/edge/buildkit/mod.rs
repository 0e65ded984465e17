//! Builds an image through an own BuildKit session over the engine's API.
//!
//! In: a [`BuildRequest`] with nothing left to choose, and a way to dial the engine. Out: the id under which the engine knows the image.
//! Two connections are upgraded for each build: on the session BuildKit asks *us* (files, secrets, credentials), on the other one we ask
//! BuildKit (solve, status). The Dockerfile travels as a folder of its own, so the context holds exactly the user's files.
//!
//! Both connections hang on one switch that is thrown when the build's future ends or is dropped: BuildKit cancels what has lost its
//! session, and no socket stays. Nothing here polls or sleeps.

mod auth;
mod choose;
mod dial;
mod filesync;
mod pinned;
mod progress;
mod session;
mod solve;
mod syntax;
mod wire;
mod words;

pub use dial::{AsyncReadWrite, Dial, UnixDial};
pub use solve::build;
