//! Where a build is handed to BuildKit.

use async_trait::async_trait;

use super::connect::Connection;
use crate::edge::buildkit::{self, AsyncReadWrite, Dial};
use crate::edge::{BuildError, BuildProgress, BuildRequest, EngineError};
use crate::model::Digest;

/// Opens the streams of a BuildKit session over the engine's own road.
struct OverConnection {
    connection: Connection,
    api_version: String,
}

#[async_trait]
impl Dial for OverConnection {
    async fn dial(&self) -> Result<Box<dyn AsyncReadWrite + Send + Unpin>, EngineError> {
        Ok(Box::new(self.connection.open_raw().await?))
    }

    fn api_version(&self) -> String {
        self.api_version.clone()
    }

    fn endpoint(&self) -> String {
        self.connection.name().to_owned()
    }
}

/// Builds through the engine's BuildKit.
pub(super) async fn build(connection: &Connection, request: BuildRequest, progress: &dyn BuildProgress) -> Result<Digest, BuildError> {
    let api_version = connection.api_version().await?;
    let dial = OverConnection { connection: connection.clone(), api_version };
    buildkit::build(&dial, request, progress).await
}
