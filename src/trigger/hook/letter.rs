//! A request as the reader of one format gets it: parsed, with the hook's settings, and with errors that say where something is missing.

use serde_json::Value;

use super::error::HookError;
use super::heard::Hint;
use super::name;
use super::request::Request;
use crate::pipeline::{Hook, HookFormat};

/// One request, read as a format.
#[derive(Clone, Copy)]
pub(super) struct Letter<'a> {
    pub(super) format: HookFormat,
    pub(super) request: &'a Request<'a>,
    pub(super) hook: &'a Hook,
    /// The body, or the part of it that is looked at.
    pub(super) body: &'a Value,
}

impl<'a> Letter<'a> {
    /// The same about a part of the body.
    pub(super) fn of(&self, body: &'a Value) -> Letter<'a> {
        Letter { body, ..*self }
    }

    /// The text at a JSON pointer; none if it is absent, empty or no text.
    pub(super) fn text(&self, pointer: &str) -> Option<&'a str> {
        name::filled(self.body.pointer(pointer).and_then(Value::as_str))
    }

    /// The text at a JSON pointer, which must be there.
    pub(super) fn need(&self, pointer: &str) -> Result<&'a str, HookError> {
        self.text(pointer).ok_or_else(|| self.malformed(format!("no text at `{pointer}`")))
    }

    /// The list at a JSON pointer, which must be there.
    pub(super) fn list(&self, pointer: &str) -> Result<&'a [Value], HookError> {
        self.body.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| self.malformed(format!("no list at `{pointer}`")))
    }

    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        name::filled(self.request.header(name))
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> HookError {
        HookError::Malformed { format: self.format, reason: reason.into() }
    }

    /// A hint of a repository on the hook's registry, else on the one that the payload names.
    pub(super) fn hint(&self, host: Option<&str>, repository: &str, tag: Option<&str>, digest: Option<&str>) -> Result<Hint, HookError> {
        let Some(registry) = self.hook.registry.as_deref().or(host) else {
            return Err(self.malformed("it names no registry; set `registry` of the hook"));
        };
        let name = name::on(registry, repository).map_err(|reason| self.malformed(reason))?;
        name::hint(&name, tag, digest).map_err(|reason| self.malformed(reason))
    }

    /// A hint of a whole reference as the payload has it; the hook's registry, if one is set, takes the place of the host in it.
    pub(super) fn hint_of(&self, reference: &str, tag: Option<&str>, digest: Option<&str>) -> Result<Hint, HookError> {
        let parts = name::split(reference);
        let (tag, digest) = (name::filled(tag).or(parts.tag), name::filled(digest).or(parts.digest));
        match (&self.hook.registry, parts.name.split_once('/')) {
            (Some(registry), Some((_, repository))) => self.hint(Some(registry), repository, tag, digest),
            _ => name::hint(parts.name, tag, digest).map_err(|reason| self.malformed(reason)),
        }
    }
}
