//! What is in images, who runs it, and what is wrong with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::{Api, Caller, Problem};
use crate::advisory::Asked;
use crate::driver::{ContentsError, DriverError};
use crate::fault;
use crate::inquiry::{self, Answer, AskError, Named, ProblemKept};
use crate::inventory::{Question, QuestionError};
use crate::journal::{ImageContents, Inventories, Journal, Role, When};
use crate::model::ReleaseNumber;
use crate::sbom::Format;
use crate::workshop::{FoundRemedy, FoundStaleness, ReleaseRead, RemedyError, find_remedy, pull_help, read_image, read_newest, staleness};

/// What is asked about, and of which time: exactly one of `what`, `cve`, `purl` and `license`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WhoHas {
    /// A package: `openssl<3.0.15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Whatever has this problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cve: Option<String>,
    /// The package of this package URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Whatever is under this licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What ran then (default: what runs now).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub at: Option<Timestamp>,
    /// What ran at any time.
    #[serde(default)]
    pub ever: bool,
}

/// Why parameters are no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// Not one thing is asked for, but so many.
    #[error("{} where one is asked for", if *.0 == 0 { "nothing is given".to_owned() } else { format!("{} things are given", .0) })]
    Number(usize),
    /// What is asked for cannot be understood.
    #[error(transparent)]
    Text(#[from] QuestionError),
}

impl NoQuestion {
    /// What to do about it.
    pub fn help(&self) -> &str {
        match self {
            Self::Number(_) => "give one of `what`, `cve`, `purl` and `license`",
            Self::Text(error) => &error.help,
        }
    }
}

impl WhoHas {
    /// The question; the error says why it is none.
    pub fn query(&self) -> Result<inquiry::Query, NoQuestion> {
        let given = [&self.what, &self.cve, &self.purl, &self.license].into_iter().flatten().count();
        let asked = match (&self.what, &self.cve, &self.purl, &self.license) {
            (Some(what), None, None, None) => what.parse()?,
            (None, Some(name), None, None) => Asked::of_problem(name),
            (None, None, Some(purl), None) => Asked::Packages(Question::of_purl(purl)?),
            (None, None, None, Some(license)) => Asked::Packages(Question::of_license(license)?),
            _ => return Err(NoQuestion::Number(given)),
        };
        let when = match self.at {
            Some(at) => When::At(at),
            None if self.ever => When::Ever,
            None => When::Now,
        };
        Ok(inquiry::Query { asked, when })
    }

    /// The resource with its answer.
    pub fn path(&self) -> String {
        let given = [("what", &self.what), ("cve", &self.cve), ("purl", &self.purl), ("license", &self.license)];
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
        let at = self.at.map(|at| ("at", at.to_string()));
        let ever = self.ever.then(|| ("ever", "true".to_owned()));
        resource(&["who-has"], given.chain(at).chain(ever))
    }
}

/// The resource about an image: what is in it, or a bill of that.
pub fn of_image(image: &str, what: &str, release: Option<ReleaseNumber>, format: Option<Format>) -> String {
    let release = release.map(|release| ("release", release.to_string()));
    let format = format.map(|format| ("format", format.to_string()));
    resource(&["images", image, what], release.into_iter().chain(format))
}

/// The resource about what changed from one release to another.
pub fn difference_of(before: ReleaseNumber, after: ReleaseNumber) -> String {
    resource(&["releases", &before.to_string(), "difference", &after.to_string()], [])
}

/// A problem's own resource.
pub fn of_problem(name: &str) -> String {
    resource(&["problems", name], [])
}

/// All but what RFC 3986 (section 2.3) leaves unreserved.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A resource by the segments of its path and its query.
fn resource(segments: &[&str], query: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, &RESERVED).to_string();
    let path: Vec<String> = segments.iter().map(|segment| encoded(segment)).collect();
    let query: Vec<String> = query.into_iter().map(|(key, value)| format!("{key}={}", encoded(&value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/v1/{}{mark}{}", path.join("/"), query.join("&"))
}

/// Which problems.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyOpen {
    /// Only those that a container has now.
    #[serde(default)]
    open: bool,
}

/// Which image of which release, and how it is written.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OfRelease {
    /// As this release has it (default: the newest).
    #[param(value_type = Option<String>)]
    release: Option<String>,
    /// For a bill of materials: `cyclonedx` (default) or `spdx`.
    format: Option<String>,
}

impl OfRelease {
    fn release(&self) -> Result<Option<ReleaseNumber>, Problem> {
        self.release.as_deref().map(str::parse).transpose().map_err(Problem::bad)
    }

    fn format(&self) -> Result<Format, Problem> {
        let format = self.format.as_deref().map(str::parse).transpose();
        Ok(format.map_err(|error: crate::sbom::FormatError| Problem::bad(error.to_string()))?.unwrap_or(Format::CycloneDx))
    }
}

/// Which containers have a package or a problem, since when, and who brought it in.
#[utoipa::path(get, path = "/v1/who-has", tag = "packages", params(WhoHas), responses((status = 200, description = "as `refit who-has --json` prints it"), (status = 400, description = "the request cannot be understood; `detail` says why"), (status = 404, description = "no advisory is called so")))]
pub(super) async fn who_has(caller: Caller, State(api): State<Api>, Query(asked): Query<WhoHas>) -> Result<Json<Answer>, Problem> {
    caller.may(Role::Read)?;
    let query = asked.query().map_err(|error| Problem::bad(error.to_string()).with_help(error.help()))?;
    ask(&api, move |inventories| Ok(Json(inquiry::who_has(inventories, &query)?))).await
}

/// Every problem that is or was in a container, with its exposure clock.
#[utoipa::path(get, path = "/v1/problems", tag = "packages", params(OnlyOpen), responses((status = 200, description = "as `refit cve --json` prints them")))]
pub(super) async fn problems(caller: Caller, State(api): State<Api>, Query(asked): Query<OnlyOpen>) -> Result<Json<inquiry::Problems>, Problem> {
    caller.may(Role::Read)?;
    let now = api.daemon.clock.now();
    ask(&api, move |inventories| {
        let mut all = inquiry::problems(inventories, now)?;
        all.problems.retain(|one| one.is_open || !asked.open);
        Ok(Json(all))
    })
    .await
}

/// One problem, by any of its names.
#[utoipa::path(get, path = "/v1/problems/{id}", tag = "packages", params(("id" = String, Path, description = "`CVE-2024-5535`")), responses((status = 200, description = "as `refit cve ID --json` prints it"), (status = 404, description = "there is no such thing")))]
pub(super) async fn problem(caller: Caller, State(api): State<Api>, Path(id): Path<String>) -> Result<Json<ProblemKept>, Problem> {
    caller.may(Role::Read)?;
    let now = api.daemon.clock.now();
    ask(&api, move |inventories| Ok(Json(inquiry::problem(inventories, &id, now)?))).await
}

/// The packages of an image, each with who brought it in.
#[utoipa::path(get, path = "/v1/images/{image}/contents", tag = "packages", params(("image" = String, Path, description = "its name in the estate, or its id"), OfRelease), responses((status = 200, description = "as `refit inventory show --json` prints it"), (status = 404, description = "there is no such thing")))]
pub(super) async fn contents(
    caller: Caller,
    State(api): State<Api>,
    Path(image): Path<String>,
    Query(of): Query<OfRelease>,
) -> Result<Json<ImageContents>, Problem> {
    caller.may(Role::Read)?;
    let (_, contents) = read(&api, image, of.release()?).await?;
    Ok(Json(contents))
}

/// Reads an image that the builder has, now, and answers with what is in it. Runs read by themselves what they release.
#[utoipa::path(post, path = "/v1/images/{image}/contents", tag = "packages", params(("image" = String, Path, description = "its name in the estate, a reference, or its id")), responses((status = 200, description = "as `refit inventory scan IMAGE --json` prints it"), (status = 404, description = "the builder has no such image"), (status = 502, description = "the builder is at fault"), (status = 409, description = "it cannot be told as things are; `detail` says why")))]
pub(super) async fn read_contents(caller: Caller, State(api): State<Api>, Path(image): Path<String>) -> Result<Json<ImageContents>, Problem> {
    caller.may(Role::Operate)?;
    let missing = || Problem::missing(format!("the builder has no image {image}")).with_help(pull_help(&image));
    let contents = read_image(&api.daemon.driver()?, &api.daemon.inventories, &image).await?.ok_or_else(missing)?;
    caller.audit(&api, format!("read {image}"), "read").await?;
    Ok(Json(contents))
}

/// Reads whatever of the newest release was not read yet.
#[utoipa::path(post, path = "/v1/contents", tag = "packages", responses((status = 200, description = "as `refit inventory scan --json` prints it"), (status = 404, description = "there is no release yet"), (status = 502, description = "the builder is at fault"), (status = 409, description = "it cannot be told as things are; `detail` says why")))]
pub(super) async fn read_release(caller: Caller, State(api): State<Api>) -> Result<Json<ReleaseRead>, Problem> {
    caller.may(Role::Operate)?;
    let missing = || Problem::missing("there is no release yet").with_help("`refit inventory scan IMAGE` reads any image that the builder has");
    let read = read_newest(&api.daemon.driver()?, &api.daemon.inventories).await?.ok_or_else(missing)?;
    caller.audit(&api, format!("read {}", read.release), "read").await?;
    Ok(Json(read))
}

/// What is in an image as a bill of materials.
#[utoipa::path(get, path = "/v1/images/{image}/sbom", tag = "packages", params(("image" = String, Path, description = "its name in the estate, or its id"), OfRelease), responses((status = 200, description = "the document"), (status = 404, description = "there is no such thing")))]
pub(super) async fn sbom(
    caller: Caller,
    State(api): State<Api>,
    Path(image): Path<String>,
    Query(of): Query<OfRelease>,
) -> Result<Response, Problem> {
    caller.may(Role::Read)?;
    let format = of.format()?;
    let (named, contents) = read(&api, image, of.release()?).await?;
    let created = named.released_at.unwrap_or_else(|| api.daemon.clock.now());
    let subject = inquiry::subject(named.name, named.reference, named.id, created, &contents);
    let mut document = Vec::new();
    format.write(&subject, &mut document).map_err(|error| Problem::broken(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, format.media_type())], document).into_response())
}

/// What changed in the packages from one release to another.
#[utoipa::path(get, path = "/v1/releases/{release}/difference/{other}", tag = "packages", params(("release" = String, Path, description = "from this one: `7` or `r7`"), ("other" = String, Path, description = "to this one")), responses((status = 200, description = "as `refit inventory diff --json` prints it"), (status = 404, description = "there is no such thing")))]
pub(super) async fn difference(
    caller: Caller,
    State(api): State<Api>,
    Path((release, other)): Path<(String, String)>,
) -> Result<Json<inquiry::ReleaseDifference>, Problem> {
    caller.may(Role::Read)?;
    let kept = |text: String| {
        let number: ReleaseNumber = text.parse().map_err(Problem::bad)?;
        api.daemon.journal.release(number)?.ok_or_else(|| helped(&DriverError::UnknownRelease(number)))
    };
    let (before, after) = (kept(release)?, kept(other)?);
    ask(&api, move |inventories| Ok(Json(inquiry::difference(inventories, &before, &after)?))).await
}

/// What is to be gone.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// A name of an advisory, or packages: `openssl<3.0.15`.
    pub gone: String,
}

/// What is to be rebuilt so that something is gone from every container; changes nothing. Its `change` is a wish for `/v1/plans` and `/v1/rollouts`.
#[utoipa::path(post, path = "/v1/remedies", tag = "packages", request_body = inline(serde_json::Value), responses((status = 200, description = "the remedy"), (status = 400, description = "the request cannot be understood; `detail` says why"), (status = 404, description = "no advisory is called so"), (status = 502, description = "an engine or a registry is at fault"), (status = 409, description = "it cannot be told as things are; `detail` says why")))]
pub(super) async fn remedies(caller: Caller, State(api): State<Api>, body: Result<Json<Gone>, JsonRejection>) -> Result<Json<FoundRemedy>, Problem> {
    caller.may(Role::Read)?;
    let Json(Gone { gone }) = body.map_err(|error| Problem::bad(error.body_text()))?;
    let asked: Asked = gone.parse().map_err(|error: QuestionError| Problem::bad(error.to_string()).with_help(error.help))?;
    Ok(Json(find_remedy(&api.daemon.driver()?, &asked).await?))
}

/// How far behind each service is. Every base is looked at.
#[utoipa::path(get, path = "/v1/stale", tag = "packages", responses((status = 200, description = "as `refit status --stale --json` prints it"), (status = 502, description = "an engine or a registry is at fault"), (status = 409, description = "it cannot be told as things are; `detail` says why")))]
pub(super) async fn stale(caller: Caller, State(api): State<Api>) -> Result<Json<FoundStaleness>, Problem> {
    caller.may(Role::Read)?;
    let (driver, looks) = (api.daemon.driver()?, api.daemon.looks(&api.daemon.loaded()));
    Ok(Json(staleness(&driver, &|base| looks.since(base)).await?))
}

/// Something that is not there, with the next move.
fn helped(error: &(impl miette::Diagnostic + 'static)) -> Problem {
    let problem = Problem::missing(error.to_string());
    error.help().map_or_else(|| problem.clone(), |help| problem.clone().with_help(help.to_string()))
}

/// What was read of an image, as people name it.
async fn read(api: &Api, image: String, release: Option<ReleaseNumber>) -> Result<(Named, ImageContents), Problem> {
    let journal = api.daemon.journal.clone();
    ask(api, move |inventories| Ok(inquiry::contents(inventories, journal.as_ref(), &image, release)?)).await
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Journal(error) => error.into(),
            other => helped(&other),
        }
    }
}

impl From<ContentsError> for Problem {
    fn from(error: ContentsError) -> Self {
        match error {
            ContentsError::Journal(error) => error.into(),
            ContentsError::Ask(error) => error.into(),
            other => Self::outside(fault::with_help(&other)),
        }
    }
}

impl From<RemedyError> for Problem {
    fn from(error: RemedyError) -> Self {
        match error {
            RemedyError::Ask(error) => error.into(),
            RemedyError::Driver(error) => error.into(),
        }
    }
}

/// Asks what is kept, on a thread that may wait for the disk.
async fn ask<T: Send + 'static>(api: &Api, question: impl FnOnce(&Inventories) -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let inventories: Arc<Inventories> = api.daemon.inventories.clone();
    tokio::task::spawn_blocking(move || question(&inventories)).await.map_err(|error| Problem::broken(error.to_string()))?
}
