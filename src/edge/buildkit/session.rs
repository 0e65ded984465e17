//! What BuildKit may ask of us during one build: whether we live, the files, the secrets, the user's registry credentials.

use std::collections::BTreeMap;
use std::pin::Pin;

use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use futures_util::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::auth::DockerLogin;
use super::dial::{Dial, upgrade};
use super::filesync::Folders;
use super::wire::Wire;
use crate::edge::EngineError;
use crate::model::Secret;

/// The calls that we answer; BuildKit makes no others.
const METHODS: [&str; 3] =
    ["/moby.filesync.v1.FileSync/DiffCopy", "/moby.buildkit.secrets.v1.Secrets/GetSecret", "/moby.filesync.v1.Auth/Credentials"];

/// Opens the session `id`. Builds that share `key` share what BuildKit keeps of their folders.
pub(super) async fn open(dial: &dyn Dial, id: &str, key: &str, stop: CancellationToken) -> Result<Wire, EngineError> {
    let mut headers =
        vec![("X-Docker-Expose-Session-Uuid", id), ("X-Docker-Expose-Session-Name", "refit"), ("X-Docker-Expose-Session-Sharedkey", key)];
    headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method)));
    upgrade(dial, "/session", &headers, stop).await
}

/// Answers on the session's connection until `stop`.
pub(super) fn serve(wire: Wire, folders: Folders, secrets: BTreeMap<String, Secret>, stop: CancellationToken) {
    let server = tonic::transport::Server::builder()
        .add_service(HealthServer::new(Alive))
        .add_service(FileSyncServer::new(folders))
        .add_service(SecretsServer::new(SecretShelf(secrets)))
        .add_service(AuthServer::new(DockerLogin));
    // One connection, then none: a server whose connections end stops by itself, and this one is to last until it is told.
    let connections = stream::iter([Ok::<_, std::io::Error>(wire)]).chain(stream::pending());
    tokio::spawn(server.serve_with_incoming_shutdown(connections, stop.cancelled_owned()));
}

struct SecretShelf(BTreeMap<String, Secret>);

#[tonic::async_trait]
impl Secrets for SecretShelf {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        // BuildKit knows this code: it skips a secret that is not required.
        let secret = self.0.get(&id).ok_or_else(|| Status::not_found(format!("the image's `build.secrets` has no {id}")))?;
        Ok(Response::new(GetSecretResponse { data: secret.reveal().to_vec() }))
    }
}

struct Alive;

const SERVING: i32 = 1;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: SERVING }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again instead"))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("there is one service"))
    }
}
