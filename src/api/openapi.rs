//! The description of the resources, for programs: served, and kept in `docs/openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::problem::CONTENT_TYPE as PROBLEM;
use super::schemas::{Operation, Schemas, operations};
use super::{actions, events, hooks, looks, outside, packages, plans, reads, tokens, triggers};

/// What utoipa makes the document of.
#[derive(OpenApi)]
#[openapi(
    info(title = "refit", description = "Rebuilds every image above a base that moved, and rolls the result across Docker hosts, safely."),
    paths(
        reads::standing, reads::estate, looks::graph, looks::hosts, looks::ways_back, looks::prune, reads::services, reads::status, reads::schedule, reads::journal, reads::releases, reads::release, reads::unquarantine, reads::runs, events::run,
        events::events, reads::logs, reads::log, actions::say, triggers::list, triggers::hear, triggers::one, triggers::withdraw, triggers::wish, plans::plan,
        tokens::list, tokens::make, tokens::revoke, reads::audit, packages::who_has, packages::problems, packages::problem, packages::contents, packages::read_contents, packages::read_release, packages::sbom, packages::difference, packages::stale, packages::remedies, hooks::hook, hooks::hook_by_path, outside::healthz, outside::readyz, outside::metrics,
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
    serde_json::to_string_pretty(&made()).unwrap_or_default()
}

fn made() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let mut schemas = Schemas::new();
    for operation in operations() {
        let Some(told) = document["paths"].get_mut(operation.path).and_then(|path| path.get_mut(operation.method)) else { continue };
        if let Some(body) = operation.body {
            told["requestBody"] = schemas.body(body);
        }
        let takes_something = told.get("parameters").is_some() || operation.body.is_some();
        let Some(responses) = told.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        let content = schemas.content(&operation.answer);
        for (status, response) in responses.iter_mut() {
            if let (true, Some(content)) = (status.starts_with('2'), &content) {
                response["content"] = content.clone();
            }
        }
        errors(responses, &operation, takes_something);
        if let Some(role) = operation.role {
            // For schemes that are not OAuth's these are names of roles, since OpenAPI 3.1.
            told["security"] = json!([{ "token": [role.to_string()] }]);
            let words = told.get("description").and_then(Value::as_str).map(|words| format!("{words}\n\n")).unwrap_or_default();
            told["description"] = format!("{words}Takes the role `{role}`, or one that may more.").into();
        }
    }
    document["components"]["schemas"] = Value::Object(schemas.components());
    document
}

/// Every error is a problem, those that the operation itself names and those of all.
fn errors(responses: &mut Map<String, Value>, operation: &Operation, takes_something: bool) {
    let mut of_all = vec![("500", "the journal, or the disk below it, cannot be used")];
    if operation.role.is_some() {
        of_all.push(("401", "no token, or one that is not good"));
        of_all.push(("403", "the token's role does not suffice"));
    }
    if takes_something {
        of_all.push(("400", "the request cannot be understood; `detail` says why"));
    }
    if operation.body.is_some() {
        of_all.push(("408", "the body was not there in time"));
        of_all.push(("413", "the body is longer than 1 MiB"));
    }
    for (status, words) in of_all {
        responses.entry(status).or_insert_with(|| json!({ "description": words }));
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        // That it does not take triggers now, a supervisor reads off the status.
        if status == "503" {
            continue;
        }
        response["content"] = json!({ PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        if response["description"].as_str().unwrap_or_default().is_empty() {
            let words = if status == "404" { "there is no such thing" } else { "a problem" };
            response["description"] = words.into();
        }
    }
}

/// `GET /openapi.json`.
pub(super) async fn served() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::schemas::operations;

    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

    /// Every operation: its method, path and what is told of it.
    fn told(document: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, told)| METHODS.into_iter().filter_map(move |method| Some((format!("{method} {path}"), told.get(method)?))))
    }

    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_operation_has_schemas_for_what_it_takes_and_answers_and_says_which_role_it_needs() {
        let document = super::made();
        let known: BTreeSet<String> = operations().iter().map(|one| format!("{} {}", one.method, one.path)).collect();
        let described: BTreeSet<String> = told(&document).map(|(name, _)| name).collect();
        assert_eq!(known, described, "each operation is in both lists");
        for (name, told) in told(&document) {
            let is_hook = name.contains("/hooks/");
            let answers = told["responses"].as_object().unwrap();
            for (status, answer) in answers {
                let what = format!("{name}: {status}");
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{what}");
                if status.starts_with('2') && status != "204" && !is_hook {
                    let content = answer["content"].as_object().unwrap_or_else(|| panic!("{what} has no schema"));
                    content.values().for_each(|content| assert!(content["schema"].is_object(), "{what} has no schema"));
                } else if status.starts_with(['4', '5']) && status != "503" {
                    assert!(answer["content"]["application/problem+json"]["schema"]["$ref"].is_string(), "{what}");
                }
            }
            assert!(answers.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
            if name.starts_with("post") && !is_hook && !name.ends_with("{word}") && !name.ends_with("/contents") {
                assert!(told["requestBody"]["content"]["application/json"]["schema"]["properties"].is_object(), "{name} takes nothing");
            }
            if name.contains("/v1/") {
                assert!(told["security"][0]["token"][0].is_string(), "{name} needs no role");
                ["401", "403", "500"].iter().for_each(|status| assert!(answers.contains_key(*status), "{name}: {status}"));
            } else {
                assert!(told["security"] == serde_json::json!([{}]), "{name} takes no token: {}", told["security"]);
            }
        }
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        for reference in used {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "two types are called {name}: `#[schemars(rename = …)]` tells them apart");
        }
    }

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
