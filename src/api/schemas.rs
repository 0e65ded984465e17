//! What each resource asks for and answers with, as schemas: made of the very types that handlers read and write, with their comments as descriptions.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::actions::Said;
use super::packages::Gone;
use super::reads::{EstateInForce, JournalVerified, Page, StandingNow};
use super::tokens::{NewToken, TokenMade};
use super::triggers::{Asked, Moved};
use super::{PlanMade, Problem, RunStanding};
use crate::driver::{HostStanding, Survey, WayBack};
use crate::inquiry::{Answer, ProblemKept, Problems, ReleaseDifference};
use crate::journal::{AuditKept, HeardAs, ImageContents, Recorded, ReleaseKept, Role, RunSummary, Standing, TokenKept, TriggerKept};
use crate::model::ImageName;
use crate::release::Release;
use crate::report::GraphJson;
use crate::report::schedule::Schedule;
use crate::rollout::SlotStatus;
use crate::serve;
use crate::workshop::{FoundRemedy, FoundStaleness, ReleaseRead};

/// Where OpenAPI keeps schemas.
const COMPONENTS: &str = "/components/schemas";

/// One operation: what the document says of it beside its own words.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Which role it needs; none if it takes no token.
    pub(super) role: Option<Role>,
    /// What is sent along.
    pub(super) body: Option<Make>,
    /// What a success is answered with.
    pub(super) answer: Content,
}

/// Makes a schema.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// What is answered.
pub(super) enum Content {
    /// Nothing but the status.
    Nothing,
    /// JSON.
    Json(Make),
    /// JSON, or text for who asks for it.
    JsonOrText(Make),
    /// JSON, or a stream of server-sent events.
    JsonOrEvents(Make),
    /// A document in somebody else's format, of these media types.
    Foreign(&'static [&'static str]),
    /// Text of this media type.
    Text(&'static str),
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const PLAIN: &str = "text/plain; charset=utf-8";
const BILLS: &[&str] = &["application/vnd.cyclonedx+json", "application/spdx+json"];

/// Every operation of the document.
pub(super) fn operations() -> Vec<Operation> {
    use Content::{Foreign, Json, JsonOrEvents, JsonOrText, Nothing, Text};
    let get = |path, answer| Operation { method: "get", path, role: Some(Role::Read), body: None, answer };
    let post = |path, role, body, answer| Operation { method: "post", path, role: Some(role), body, answer };
    let delete = |path, role| Operation { method: "delete", path, role: Some(role), body: None, answer: Nothing };
    let open = |method, path, answer| Operation { method, path, role: None, body: None, answer };
    vec![
        get("/v1/standing", Json(of::<StandingNow>)),
        get("/v1/estate", Json(of::<EstateInForce>)),
        get("/v1/graph", JsonOrText(of::<GraphJson>)),
        get("/v1/hosts", Json(of::<Vec<HostStanding>>)),
        get("/v1/services", Json(of::<Standing>)),
        get("/v1/status", Json(of::<Vec<SlotStatus>>)),
        get("/v1/ways-back", Json(of::<Vec<WayBack>>)),
        get("/v1/prune", Json(of::<Survey>)),
        get("/v1/releases", Json(of::<Page<ReleaseKept>>)),
        get("/v1/releases/{release}", Json(of::<Release>)),
        delete("/v1/releases/{release}/quarantine", Role::Operate),
        get("/v1/releases/{release}/difference/{other}", Json(of::<ReleaseDifference>)),
        get("/v1/runs", Json(of::<Page<RunSummary>>)),
        get("/v1/runs/{run}", Json(of::<RunStanding>)),
        get("/v1/runs/{run}/events", JsonOrEvents(of::<Vec<Recorded>>)),
        get("/v1/runs/{run}/logs", Json(of::<Vec<ImageName>>)),
        get("/v1/runs/{run}/logs/{image}", Text(PLAIN)),
        post("/v1/runs/{run}/{word}", Role::Operate, None, Json(of::<Said>)),
        get("/v1/triggers", Json(of::<Page<TriggerKept>>)),
        post("/v1/triggers", Role::Trigger, Some(of::<Moved>), Json(of::<HeardAs>)),
        get("/v1/triggers/{trigger}", Json(of::<TriggerKept>)),
        delete("/v1/triggers/{trigger}", Role::Operate),
        post("/v1/rollouts", Role::Operate, Some(of::<Asked>), Json(of::<HeardAs>)),
        post("/v1/plans", Role::Read, Some(of::<Asked>), Json(of::<PlanMade>)),
        Operation { role: Some(Role::Admin), ..get("/v1/tokens", Json(of::<Vec<TokenKept>>)) },
        post("/v1/tokens", Role::Admin, Some(of::<NewToken>), Json(of::<TokenMade>)),
        delete("/v1/tokens/{name}", Role::Admin),
        Operation { role: Some(Role::Admin), ..get("/v1/audit", Json(of::<Page<AuditKept>>)) },
        get("/v1/who-has", Json(of::<Answer>)),
        post("/v1/remedies", Role::Read, Some(of::<Gone>), Json(of::<FoundRemedy>)),
        get("/v1/stale", Json(of::<FoundStaleness>)),
        get("/v1/problems", Json(of::<Problems>)),
        get("/v1/problems/{id}", Json(of::<ProblemKept>)),
        get("/v1/images/{image}/contents", Json(of::<ImageContents>)),
        post("/v1/images/{image}/contents", Role::Operate, None, Json(of::<ImageContents>)),
        post("/v1/contents", Role::Operate, None, Json(of::<ReleaseRead>)),
        get("/v1/images/{image}/sbom", Foreign(BILLS)),
        get("/v1/schedule", JsonOrText(of::<Schedule<'static>>)),
        get("/v1/journal", Json(of::<JournalVerified>)),
        open("get", "/healthz", Text(PLAIN)),
        open("get", "/readyz", Text(PLAIN)),
        open("get", "/metrics", Text(crate::report::metrics::CONTENT_TYPE)),
        open("post", "/hooks/{name}", Nothing),
        open("post", "/hooks/{name}/{secret}", Nothing),
    ]
}

/// The schemas by name, and what is written into the operations.
pub(super) struct Schemas {
    answers: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.meta_schema = None;
                settings.definitions_path = COMPONENTS.into();
            })
        };
        // What may be left out of what is sent is not what may be missing in an answer, so a body's schema holds all its parts itself.
        let given = settings().for_deserialize().with(|settings| settings.inline_subschemas = true);
        Self { answers: settings().for_serialize().into_generator(), given: given.into_generator() }
    }

    /// What is to be sent along.
    pub(super) fn body(&mut self, make: Make) -> Value {
        json!({ "required": true, "content": { "application/json": { "schema": make(&mut self.given) } } })
    }

    /// What a success is answered with.
    pub(super) fn content(&mut self, content: &Content) -> Option<Value> {
        let text = || json!({ "schema": { "type": "string" } });
        let mut of = |make: &Make| json!({ "schema": make(&mut self.answers) });
        Some(match content {
            Content::Nothing => return None,
            Content::Json(make) => json!({ "application/json": of(make) }),
            Content::JsonOrText(make) => json!({ "application/json": of(make), PLAIN: text() }),
            Content::JsonOrEvents(make) => json!({ "application/json": of(make), "text/event-stream": self.events() }),
            Content::Foreign(kinds) => kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": { "type": "object" } }))).collect(),
            Content::Text(kind) => json!({ *kind: text() }),
        })
    }

    /// The schema of each kind of event of a stream is that of its `data`, which is JSON.
    fn events(&mut self) -> Value {
        let mut event = |kind: &str, make: Make, words: &str| {
            json!({
                "description": words,
                "type": "object",
                "required": ["event", "data"],
                "properties": {
                    "event": { "const": kind },
                    "id": { "type": "string", "description": "the `seq` of a recorded event, for `Last-Event-ID`; the other kinds have none" },
                    "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": make(&mut self.answers) },
                },
            })
        };
        let kinds = [
            event("recorded", of::<Recorded>, "something that is in the journal; the stream ends after `run_ended`"),
            event("standing", of::<serve::Standing>, "the run stands still, or something holds it; in no journal"),
            event("waiting", of::<serve::Passing>, "what a rollout waits for; in no journal"),
            event("build_step", of::<serve::Passing>, "a build began a step; in no journal"),
        ];
        json!({
            "description": "server-sent events; every 15 s without one a comment",
            "schema": { "type": "string" },
            "itemSchema": { "oneOf": kinds },
        })
    }

    /// All that was used, by name.
    pub(super) fn components(mut self) -> Map<String, Value> {
        self.answers.subschema_for::<Problem>();
        self.answers.take_definitions(true)
    }
}
