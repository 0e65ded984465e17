//! The user's own registry credentials: what `docker login` left, in Docker's configuration or with a credential helper.

use std::time::Duration;

use docker_credential::{CredentialRetrievalError as Error, DockerCredential};

/// A helper may ask a person to unlock something. After this time nobody is there.
const HELPER_MAX: Duration = Duration::from_secs(60);

/// What a credential helper prints, and fails with, when it keeps nothing for a registry. Source: docker-credential-helpers, `errCredentialsNotFound`.
const HELPER_HAS_NONE: &str = "credentials not found in native keychain";

/// Looks up the login for a registry as a reference names it (`docker.io`, `registry.example.com:5000`); none if nobody logged in there.
///
/// May ask a program, which gets a thread and a limit of its own. The error says why, and never holds what a helper printed: that may quote a
/// secret.
pub(super) async fn of(registry: &str) -> Result<Option<DockerCredential>, String> {
    let key = config_key(registry).to_owned();
    let asked = tokio::task::spawn_blocking(move || docker_credential::get_credential(&key));
    match tokio::time::timeout(HELPER_MAX, asked).await {
        Ok(Ok(found)) => none_if_nobody_logged_in(found),
        Ok(Err(_)) => Err("the credential helper could not be waited for".to_owned()),
        Err(_) => Err(format!("the credential helper did not answer within {} s", HELPER_MAX.as_secs())),
    }
}

/// Under which name `docker login` keeps a registry: Docker Hub's is a URL of old.
pub(super) fn config_key(registry: &str) -> &str {
    match registry {
        "registry-1.docker.io" | "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        registry => registry,
    }
}

fn none_if_nobody_logged_in(found: Result<DockerCredential, Error>) -> Result<Option<DockerCredential>, String> {
    match found {
        Ok(found) => Ok(Some(found)),
        // A configuration that is broken is warned of when refit starts; without one nobody logged in.
        Err(Error::NoCredentialConfigured | Error::ConfigNotFound | Error::ConfigReadError) => Ok(None),
        Err(Error::HelperFailure { stdout, .. }) if stdout.trim() == HELPER_HAS_NONE => Ok(None),
        Err(Error::HelperFailure { helper, .. }) => Err(format!("the credential helper {helper} failed")),
        Err(Error::HelperCommunicationError) => {
            Err("the credential helper that Docker's configuration names cannot be run: is `docker-credential-…` on the PATH?".to_owned())
        }
        Err(_) => Err("the login in Docker's configuration cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stdout: &str) -> Result<DockerCredential, Error> {
        Err(Error::HelperFailure { helper: "docker-credential-desktop".into(), stdout: stdout.into(), stderr: "s3cret".into() })
    }

    #[test]
    fn a_helper_that_keeps_nothing_is_no_failure() {
        assert_eq!(none_if_nobody_logged_in(failed("credentials not found in native keychain\n")), Ok(None));
        assert_eq!(none_if_nobody_logged_in(Err(Error::ConfigNotFound)), Ok(None));
        let locked = none_if_nobody_logged_in(failed("the keychain is locked, s3cret")).unwrap_err();
        assert_eq!(locked, "the credential helper docker-credential-desktop failed");
        assert!(none_if_nobody_logged_in(Err(Error::HelperCommunicationError)).unwrap_err().contains("on the PATH"));
    }

    #[test]
    fn docker_hub_is_kept_under_its_old_name() {
        assert_eq!(config_key("docker.io"), "https://index.docker.io/v1/");
        assert_eq!(config_key("registry.example.com:5000"), "registry.example.com:5000");
    }
}
