//! The real Docker Engine, through bollard.
mod connect;
mod error;
mod road;
mod ssh;
mod tls;
mod wire;
pub use connect::{AsyncReadWrite, Connection, RawStream};
