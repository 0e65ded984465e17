//! Webhooks: whether a request is of whom its hook is for, what it says, and what that means for this estate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::heard;
use crate::journal::{AuditLine, HeardAs, JournalError};
use crate::model::{HookName, Secret};
use crate::pipeline::{Estate, SecretSource};
use crate::report::metrics::HookResult;
use crate::trigger::hook::{self, Auth, GOOGLE_KEYS_URL, Hook, Jwk, Keys, Request, read_jwks};
use crate::trigger::{Cause, Heard, Trigger};

/// Google's keys are asked for again after so long, and not more often than this when a token names one that is not there.
const KEYS_KEPT: Duration = Duration::from_secs(3600);
const KEYS_WITHIN: Duration = Duration::from_secs(5);

/// A hook with its secrets at hand.
pub(super) struct ReadyHook {
    hook: Hook,
    secrets: Vec<Secret>,
}

/// What became of a request.
#[derive(Debug)]
pub enum HookAnswer {
    /// Something may have moved, and that is durable.
    Accepted(Vec<HeardAs>),
    /// It is of whom the hook is for, and means nothing here.
    Ignored(String),
    /// It is not, or there is no such hook. Nothing more is said.
    Refused,
    /// It is, and cannot be read.
    Malformed(String),
    /// The journal could not be written: it is to be sent again.
    Failed(JournalError),
}

/// The keys that Google signs its tokens with.
#[derive(Default)]
pub(super) struct GoogleKeys {
    asked_at: Option<Instant>,
    keys: Vec<Jwk>,
}

/// Every hook of an estate with its secrets. The error names those that cannot be had: a hook without any would let everybody in.
pub(super) fn ready(estate: &Estate) -> Result<BTreeMap<HookName, ReadyHook>, String> {
    let (mut ready, mut wrong) = (BTreeMap::new(), Vec::new());
    for (name, hook) in &estate.hooks {
        let (mut secrets, mut missing) = (Vec::new(), Vec::new());
        for source in &hook.secrets {
            match secret(source) {
                Ok(secret) => secrets.push(secret),
                Err(why) => missing.push(format!("{}: the secret of hook {name} cannot be used: {why}", hook.at)),
            }
        }
        wrong.extend(missing);
        ready.insert(name.clone(), ReadyHook { hook: hook.clone(), secrets });
    }
    if wrong.is_empty() { Ok(ready) } else { Err(wrong.join("\n")) }
}

/// The files that secrets of hooks are in: when one changes, the hooks are made ready again.
pub(super) fn secret_files(estate: &Estate) -> BTreeSet<PathBuf> {
    let sources = estate.hooks.values().flat_map(|hook| &hook.secrets);
    sources.filter_map(|source| if let SecretSource::File(path) = source { Some(path.clone()) } else { None }).collect()
}

fn secret(source: &SecretSource) -> Result<Secret, String> {
    let value = match source {
        SecretSource::File(path) => std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        SecretSource::Environment(name) => std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?.into_bytes(),
    };
    hook::usable(&value).map_err(|error| error.to_string())
}

impl Daemon {
    /// Takes a request to `POST /hooks/<name>` in. Names of headers are lower-case; `path` is what stands behind the name,
    /// `from` the sender's address, for the audit log.
    pub async fn take_hook(&self, name: &str, path: Option<&str>, from: &str, headers: &[(String, String)], body: &[u8]) -> HookAnswer {
        let began = Instant::now();
        let loaded = self.loaded();
        let ready = name.parse::<HookName>().ok().and_then(|name| loaded.hooks.get(&name));
        let answer = match ready {
            Some(ready) => self.take_ready(ready, from, &Request { headers, body, path }).await,
            None => HookAnswer::Refused,
        };
        let result = match &answer {
            HookAnswer::Accepted(_) => HookResult::Accepted,
            HookAnswer::Ignored(_) => HookResult::Ignored,
            HookAnswer::Refused => HookResult::Refused,
            HookAnswer::Malformed(_) => HookResult::Malformed,
            HookAnswer::Failed(_) => HookResult::Failed,
        };
        self.meters.hook(ready.map(|ready| ready.hook.name.as_str()), result, began.elapsed().as_secs_f64());
        answer
    }

    async fn take_ready(&self, ready: &ReadyHook, from: &str, request: &Request<'_>) -> HookAnswer {
        let hook = &ready.hook;
        if let Err(why) = self.verify(ready, request).await {
            tracing::warn!(hook = %hook.name, "refused: {why}");
            return HookAnswer::Refused;
        }
        let heard = match hook::hear(hook, request) {
            Ok(heard) => heard,
            Err(error) => {
                tracing::warn!(hook = %hook.name, "cannot be read: {error}");
                return HookAnswer::Malformed(error.to_string());
            }
        };
        let causes = self.mean(&heard);
        if causes.is_empty() {
            let why = heard.note.unwrap_or_else(|| "nothing of the estate stands on what it names".to_owned());
            tracing::info!(hook = %hook.name, "means nothing here: {why}");
            return HookAnswer::Ignored(why);
        }
        let heard: Vec<Heard> = causes
            .into_iter()
            .map(|cause| Heard {
                // One delivery may say several things, each of which is known again by itself.
                delivery: heard.delivery.as_ref().map(|id| format!("{} {id} {}", hook.name, cause.same_as().unwrap_or_default())),
                trigger: Trigger { by: format!("hook {}", hook.name), words: cause.to_string(), cause },
            })
            .collect();
        match self.hear_and_note(&format!("{} from {from}", hook.name), heard).await {
            Ok(heard) => HookAnswer::Accepted(heard),
            Err(error) => HookAnswer::Failed(error),
        }
    }

    /// Takes in what was heard, and writes down who said it and which trigger answers it. If that fails, the delivery comes again, and is known.
    async fn hear_and_note(&self, who: &str, heard: Vec<Heard>) -> Result<Vec<HeardAs>, JournalError> {
        let words: Vec<String> = heard.iter().map(|heard| heard.trigger.words.clone()).collect();
        let answers = self.hear(heard).await?;
        let outcome = |answer: &HeardAs| match answer {
            HeardAs::New(trigger) => trigger.to_string(),
            HeardAs::Joined(trigger) => format!("joined {trigger}"),
            HeardAs::Repeated(trigger) => format!("heard before as {trigger}"),
        };
        let outcome = answers.iter().map(outcome).collect::<Vec<_>>().join(", ");
        let line = AuditLine { at: self.clock.now(), who: format!("hook {who}"), what: words.join("; "), outcome };
        self.journal.audit(line).await?;
        Ok(answers)
    }

    async fn verify(&self, ready: &ReadyHook, request: &Request<'_>) -> Result<(), String> {
        let now = self.clock.now();
        let held =
            |jwks: &[Jwk]| hook::verify(&ready.hook.auth, request, &Keys { secrets: &ready.secrets, jwks, now }).map_err(|why| why.to_string());
        if !matches!(ready.hook.auth, Auth::Oidc { .. }) {
            return held(&[]);
        }
        let mut google = self.google.lock().await;
        if google.asked_at.is_none_or(|at| at.elapsed() > KEYS_KEPT) {
            google.asked_at = Some(Instant::now());
            match keys(GOOGLE_KEYS_URL).await {
                Ok(keys) => google.keys = keys,
                Err(why) => {
                    // Those that are there are good for a while longer; the next request asks again.
                    google.asked_at = None;
                    tracing::warn!("the keys of {GOOGLE_KEYS_URL} cannot be had: {why}");
                }
            }
        }
        held(&google.keys)
    }

    /// What a request means for this estate: each thing once.
    fn mean(&self, heard: &hook::Heard) -> Vec<Cause> {
        let loaded = self.loaded();
        let (bases, estate) = (&loaded.bases, &loaded.estate);
        let mut causes = Vec::new();
        let mut seen = BTreeSet::new();
        let concerned = heard.hints.iter().flat_map(|hint| {
            let follows = |base: &&crate::model::ImageRef| estate.bases.get(*base).is_some_and(|base| base.follow.is_some());
            // A base that follows a pattern of tags is concerned by any tag of its repository.
            bases
                .iter()
                .filter(move |base| hint.concerns(base) || follows(base) && hint.repository == base.name())
                .map(move |base| (base, hint.digest))
        });
        for (base, digest) in concerned.filter(|(base, _)| base.digest().is_none()) {
            if seen.insert(base) {
                causes.push(Cause::Base { base: base.clone(), digest });
            }
        }
        if !heard.pushes.is_empty() {
            self.pushed.notify_one();
        }
        for push in &heard.pushes {
            causes.extend(heard::pushed(estate, &push.urls, &push.reference, push.paths.as_ref()).map(|images| Cause::Sources { images }));
        }
        causes
    }
}

/// Asks for the keys that tokens are signed with.
async fn keys(url: &str) -> Result<Vec<Jwk>, String> {
    let client = reqwest::Client::builder().timeout(KEYS_WITHIN).build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    read_jwks(&body).map_err(|error| error.to_string())
}
