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
        match login::of(&host).await {
            Ok(found) => Ok(Response::new(found.map_or_else(CredentialsResponse::default, credentials))),
            Err(why) => Err(Status::unavailable(format!("no credentials for {host}: {why}; try `docker login {host}`"))),
        }
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

fn credentials(found: DockerCredential) -> CredentialsResponse {
    match found {
        DockerCredential::UsernamePassword(username, secret) => CredentialsResponse { username, secret },
        DockerCredential::IdentityToken(secret) => CredentialsResponse { username: String::new(), secret },
    }
}
