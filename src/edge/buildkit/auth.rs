//! The user's own registry credentials, for BuildKit to pull private bases with: what `docker login` left.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest, GetTokenAuthorityResponse,
    VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use docker_credential::DockerCredential;
use tonic::{Request, Response, Status};

use crate::edge::login;

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
    match login::of(host) {
        Ok(Some(DockerCredential::UsernamePassword(username, secret))) => Ok(CredentialsResponse { username, secret }),
        Ok(Some(DockerCredential::IdentityToken(secret))) => Ok(CredentialsResponse { username: String::new(), secret }),
        // Nobody logged in: an anonymous pull.
        Ok(None) => Ok(CredentialsResponse::default()),
        Err(why) => Err(Status::unavailable(format!("no credentials for {host}: {why}"))),
    }
}
