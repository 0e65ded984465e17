//! The user's own registry credentials, for BuildKit to pull private bases with: what `docker login` left.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest, GetTokenAuthorityResponse,
    VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use docker_credential::{CredentialRetrievalError as Error, DockerCredential};
use tonic::{Request, Response, Status};

pub(super) struct DockerLogin;

#[tonic::async_trait]
impl Auth for DockerLogin {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        // A credential helper is a program that may take its time.
        let found = tokio::task::spawn_blocking(move || credentials_of(&host)).await;
        found.unwrap_or_else(|_| Err(Status::internal("the credential helper did not come back"))).map(Response::new)
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the builder"))
    }

    async fn get_token_authority(&self, _: Request<GetTokenAuthorityRequest>) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the builder"))
    }

    async fn verify_token_authority(&self, _: Request<VerifyTokenAuthorityRequest>) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the builder"))
    }
}

fn credentials_of(host: &str) -> Result<CredentialsResponse, Status> {
    match docker_credential::get_credential(config_key(host)) {
        Ok(DockerCredential::UsernamePassword(username, secret)) => Ok(CredentialsResponse { username, secret }),
        Ok(DockerCredential::IdentityToken(secret)) => Ok(CredentialsResponse { username: String::new(), secret }),
        // Nobody logged in: an anonymous pull.
        Err(Error::NoCredentialConfigured | Error::ConfigNotFound | Error::ConfigReadError) => Ok(CredentialsResponse::default()),
        // What a helper printed may hold what it keeps: only its name is told.
        Err(Error::HelperFailure { helper, .. }) => Err(refused(host, &format!("credential helper {helper} failed"))),
        Err(error) => Err(refused(host, &error.to_string())),
    }
}

fn refused(host: &str, why: &str) -> Status {
    Status::unavailable(format!("no credentials for {host}: {why}; try `docker login {host}`"))
}

/// Under which name `docker login` keeps a registry: Docker Hub's is a URL of old.
fn config_key(host: &str) -> &str {
    match host {
        "registry-1.docker.io" | "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        host => host,
    }
}
