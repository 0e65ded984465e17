//! CloudEvents: one in the body, a batch in the body, or one in `Ce-*` headers with its data as the body. Whose events they are, their type says.
//!
//! Source: cloudevents.io, specification 1.0, "HTTP protocol binding" and "JSON event format". `source` and `id` together are unique.

use serde_json::Value;

use super::error::HookError;
use super::heard::{Gathered, Heard, Hint};
use super::letter::Letter;
use super::{acr, cd_events, ecr, generic, google, harbor, name};

/// An event's attributes that matter here, wherever they stood.
struct Event<'a> {
    kind: &'a str,
    source: &'a str,
    id: &'a str,
    subject: Option<&'a str>,
    data: &'a Value,
}

pub(super) fn read(letter: &Letter<'_>) -> Result<Heard, HookError> {
    if letter.header("ce-type").is_some() {
        return one(letter, &in_headers(letter)?);
    }
    let Some(batch) = letter.body.as_array() else {
        return one(letter, &in_body(letter)?);
    };
    let mut gathered = Gathered::default();
    for event in batch {
        let event = letter.of(event);
        gathered.take(in_body(&event).and_then(|attributes| one(&event, &attributes)));
    }
    gathered.finish()
}

fn in_headers<'a>(letter: &Letter<'a>) -> Result<Event<'a>, HookError> {
    let need = |name: &str| letter.header(name).ok_or_else(|| letter.malformed(format!("no header `{name}`")));
    Ok(Event { kind: need("ce-type")?, source: need("ce-source")?, id: need("ce-id")?, subject: letter.header("ce-subject"), data: letter.body })
}

fn in_body<'a>(letter: &Letter<'a>) -> Result<Event<'a>, HookError> {
    letter.need("/specversion")?;
    let data = letter.body.get("data").unwrap_or(&Value::Null);
    Ok(Event { kind: letter.need("/type")?, source: letter.need("/source")?, id: letter.need("/id")?, subject: letter.text("/subject"), data })
}

fn one(letter: &Letter<'_>, event: &Event<'_>) -> Result<Heard, HookError> {
    let data = letter.of(event.data);
    let heard = match event.kind {
        "harbor.artifact.pushed" => harbor::resources(&data),
        "com.amazon.ecr.image.push" => ecr::transformed(&data, event.source),
        "google.cloud.pubsub.topic.v1.messagePublished" => google::read(&data),
        "Microsoft.ContainerRegistry.ImagePushed" => acr::read(&data),
        kind if kind.starts_with("dev.cdevents.") => cd_events::event(&data),
        kind if ["harbor.", "com.amazon.ecr.", "Microsoft.ContainerRegistry."].iter().any(|own| kind.starts_with(own)) => {
            Ok(Heard::nothing("no push"))
        }
        kind if kind.contains("delete") => Ok(Heard::nothing("a deletion")),
        _ => anybodys(&data, event).map(Heard::from),
    };
    heard.map(|heard| heard.delivered(Some(&format!("{} {}", event.source, event.id))))
}

/// The keys under which repository, tag and digest stand in events that people make themselves, the most telling first.
const REPOSITORY_KEYS: [&str; 4] = ["/repositoryName", "/repository", "/image", "/name"];
const TAG_KEYS: [&str; 2] = ["/imageTag", "/tag"];
const DIGEST_KEYS: [&str; 2] = ["/imageDigest", "/digest"];
const REGISTRY_KEYS: [&str; 3] = ["/registryUrl", "/registry", "/host"];

/// An event of a type that nobody has to himself: by the hook's pointers, by usual keys, or by a subject `repository:tag`.
fn anybodys(data: &Letter<'_>, event: &Event<'_>) -> Result<Hint, HookError> {
    if let Some(fields) = &data.hook.fields {
        return generic::hint(data, fields);
    }
    let first = |keys: &[&str]| keys.iter().find_map(|key| data.text(key));
    let url_host = event.source.contains("://").then(|| name::host(event.source)).flatten();
    let host = first(&REGISTRY_KEYS).and_then(name::host).or(url_host);
    let (reference, tag) = match first(&REPOSITORY_KEYS) {
        Some(reference) => (reference, first(&TAG_KEYS)),
        None => (event.subject.ok_or_else(|| data.malformed("neither a repository in `data` nor a `subject`"))?, first(&TAG_KEYS)),
    };
    generic::hint_of_name(data, host, reference, tag, first(&DIGEST_KEYS))
}
