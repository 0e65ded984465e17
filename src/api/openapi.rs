//! The description of the resources, for programs: served, and kept in `docs/openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::{actions, events, looks, outside, packages, plans, reads, tokens, triggers};

/// What utoipa makes the document of.
#[derive(OpenApi)]
#[openapi(
    info(title = "refit", description = "Rebuilds every image above a base that moved, and rolls the result across Docker hosts, safely."),
    paths(
        reads::standing, reads::estate, looks::graph, looks::hosts, looks::ways_back, looks::prune, reads::services, reads::status, reads::schedule, reads::journal, reads::releases, reads::release, reads::unquarantine, reads::runs, events::run,
        events::events, reads::logs, reads::log, actions::say, triggers::list, triggers::hear, triggers::one, triggers::withdraw, triggers::wish, plans::plan,
        tokens::list, tokens::make, tokens::revoke, reads::audit, packages::who_has, packages::problems, packages::problem, packages::contents, packages::sbom, packages::difference, packages::stale, packages::remedies, outside::healthz, outside::readyz, outside::metrics,
    ),
    modifiers(&Bearer),
)]
struct Document;

/// Every resource below `/v1` takes a token.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
        document.security = Some(vec![utoipa::openapi::SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// The document, as JSON.
pub fn document() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

/// `GET /openapi.json`.
pub(super) async fn served() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

#[cfg(test)]
mod tests {
    /// `REFIT_WRITE_OPENAPI=1` writes it.
    #[test]
    fn the_document_in_the_repository_is_the_one_that_is_served() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let now = super::document() + "\n";
        if std::env::var_os("REFIT_WRITE_OPENAPI").is_some() {
            std::fs::write(file, &now).unwrap();
        }
        assert!(std::fs::read_to_string(file).unwrap_or_default() == now, "docs/openapi.json is not what is served: REFIT_WRITE_OPENAPI=1 writes it");
    }
}
