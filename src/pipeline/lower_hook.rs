//! Hooks: a format, a proof that fits it, and the secrets behind that proof. A hook that anybody could call is refused.

use super::at::At;
use super::estate::SecretSource;
use super::hook::{Hook, HookAuth, HookFields, HookFormat};
use super::lower::Lower;
use super::near::did_you_mean;
use super::raw_hook::{self as raw, Auth, Format};
use crate::model::ImageRef;

/// Replacing a secret takes two; a third is somebody who was slow. Each costs every wrong request a hash of its body.
const SECRETS_MAX: usize = 4;

impl Lower<'_> {
    /// One address for one sender; none if it has a mistake.
    pub(super) fn hook(&mut self, at: &At<'_>, key: &str, raw: &raw::Hook) -> Option<Hook> {
        let name = key.parse().map_err(|error: crate::model::NameError| self.findings.error_at_key(at, error.to_string(), "")).ok();
        let format = raw.format.and_then(format);
        let secrets = self.hook_secrets(&at.key("secrets"), &raw.secrets);
        let auth = self.hook_auth(at, format, raw);
        if auth.is_some() {
            self.check_authenticated(at, format, raw);
        }
        let registry = raw.registry.as_deref().and_then(|text| self.hook_registry(&at.key("registry"), text));
        let fields = raw.fields.as_ref().and_then(|fields| self.hook_fields(&at.key("fields"), format, fields));
        self.check_whole(at, format, raw);
        Some(Hook { name: name?, at: at.place(), format, auth: auth?, secrets, registry, fields })
    }

    fn hook_secrets(&mut self, at: &At<'_>, names: &[String]) -> Vec<SecretSource> {
        if names.len() > SECRETS_MAX {
            self.findings.error(at, format!("{} secrets for one hook; {SECRETS_MAX} at most are valid at once", names.len()), "remove the oldest");
        }
        let mut sources = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match self.estate.secrets.get(name) {
                Some(Some(source)) => sources.push(source.clone()),
                // Its definition has a finding of its own.
                Some(None) => {}
                None => {
                    let known = self.estate.secrets.keys().map(String::as_str);
                    let define = format!("define it at the top level: `secrets: {{ {name}: {{ file: … }} }}`");
                    self.findings.error(
                        &at.index(index),
                        format!("the secret `{name}` is not defined"),
                        did_you_mean(name, known, "secrets", &define),
                    );
                }
            }
        }
        sources
    }

    /// What was written, what a key that belongs to one kind implies, or what the format's sender does; none if they contradict each other.
    fn hook_auth(&mut self, at: &At<'_>, format: Option<HookFormat>, raw: &raw::Hook) -> Option<HookAuth> {
        let implied = match (&raw.header, &raw.audience, &raw.email) {
            (Some(_), _, _) => Some(("header", Auth::Header)),
            (None, Some(_), _) => Some(("audience", Auth::Oidc)),
            (None, None, Some(_)) => Some(("email", Auth::Oidc)),
            (None, None, None) => None,
        };
        let auth = match (raw.auth, implied) {
            (Some(auth), Some((key, implied))) if auth != implied => {
                let word = if implied == Auth::Header { "header" } else { "oidc" };
                self.findings.error_at_key(&at.key(key), format!("`{key}` belongs to `auth: {word}`"), format!("remove it, or write `auth: {word}`"));
                return None;
            }
            (Some(auth), _) => auth,
            (None, Some((_, auth))) => auth,
            (None, None) => by_default(format),
        };
        match auth {
            Auth::BySender => Some(HookAuth::BySender),
            Auth::HubSignature256 => Some(HookAuth::HubSignature256),
            Auth::Jfrog => Some(HookAuth::JfrogEventAuth),
            Auth::NexusSignature => Some(HookAuth::NexusSignature),
            Auth::Signature => Some(HookAuth::Signature),
            Auth::StandardWebhooks => Some(HookAuth::StandardWebhooks),
            Auth::Authorization => Some(HookAuth::Authorization),
            Auth::GitlabToken => Some(HookAuth::GitlabToken),
            Auth::Path => Some(HookAuth::Path),
            Auth::Header => self.hook_header(at, raw.header.as_deref()),
            Auth::Oidc => self.hook_oidc(at, raw),
        }
    }

    fn hook_header(&mut self, at: &At<'_>, name: Option<&str>) -> Option<HookAuth> {
        let Some(name) = name else {
            self.findings.error_at_key(&at.key("auth"), "`auth: header` needs the header's name", "add `header: X-My-Secret`");
            return None;
        };
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if name.is_empty() || !name.bytes().all(allowed) {
            self.findings.error(&at.key("header"), format!("`{}` is no name of a header", name.escape_debug()), "write it like `X-My-Secret`");
            return None;
        }
        Some(HookAuth::Header { name: name.to_ascii_lowercase() })
    }

    fn hook_oidc(&mut self, at: &At<'_>, raw: &raw::Hook) -> Option<HookAuth> {
        let (audience, email) = (raw.audience.as_deref().unwrap_or_default().trim(), raw.email.as_deref().unwrap_or_default().trim());
        for (key, value) in [("audience", audience), ("email", email)] {
            if value.is_empty() {
                let message = format!("a hook without authentication is refused: `oidc` needs `{key}`");
                self.findings.error_at_key(
                    &at.key(key),
                    message,
                    "without both of `audience` and `email` anybody with an account at Google could call it",
                );
            }
        }
        if !raw.secrets.is_empty() {
            self.findings.error(&at.key("secrets"), "`oidc` uses no secrets", "remove them: Google's published keys prove the token");
        }
        (!audience.is_empty() && !email.is_empty()).then(|| HookAuth::Oidc { audience: audience.to_owned(), email: email.to_owned() })
    }

    /// Without a secret anybody could call it. (What `oidc` needs was said already.)
    fn check_authenticated(&mut self, at: &At<'_>, format: Option<HookFormat>, raw: &raw::Hook) {
        let is_oidc = raw.auth == Some(Auth::Oidc) || (raw.auth.is_none() && (raw.audience.is_some() || raw.email.is_some()));
        if !raw.secrets.is_empty() || is_oidc {
            return;
        }
        let help = match format {
            Some(HookFormat::Google) => "add `audience` and `email` of the subscription, or `secrets` and another `auth`",
            _ => "add `secrets: [name]`, a key of the top-level `secrets:`; a sender that cannot sign gets it as the last part of the path",
        };
        self.findings.error_at_key(at, "a hook without authentication is refused", help);
    }

    fn hook_registry(&mut self, at: &At<'_>, text: &str) -> Option<String> {
        let registry = text.trim_end_matches('/');
        // With a name behind it, it must be read as a registry and not as a part of a name. (Of two parts: of one, Docker Hub makes `library/x`.)
        let read = format!("{registry}/x/x").parse::<ImageRef>();
        let is_one = read.is_ok_and(|image| image.name().strip_suffix("/x/x") == Some(registry));
        if !is_one {
            let message = format!("expected a registry such as `registry.example.com:5000`, found `{}`", text.escape_debug());
            self.findings.error(at, message, "write the host as it stands in a reference, without `https://`; a path may follow");
        }
        is_one.then(|| registry.to_owned())
    }

    fn hook_fields(&mut self, at: &At<'_>, format: Option<HookFormat>, fields: &raw::Fields) -> Option<HookFields> {
        if !matches!(format, None | Some(HookFormat::Generic | HookFormat::CloudEvents)) {
            self.findings.error_at_key(at, "`fields` belong to `format: generic` or `cloudevents`", "remove them: this format's fields are known");
        }
        let written = [("repository", Some(&fields.repository)), ("tag", fields.tag.as_ref()), ("digest", fields.digest.as_ref())];
        let mut whole = true;
        for (key, pointer) in written.into_iter().filter_map(|(key, pointer)| Some((key, pointer?))) {
            if !pointer.starts_with('/') {
                let message = format!("expected a JSON pointer such as `/image/{key}`, found `{}`", pointer.escape_debug());
                self.findings.error(&at.key(key), message, "it begins with `/`, and so does each further step");
                whole = false;
            }
        }
        whole.then(|| HookFields { repository: fields.repository.clone(), tag: fields.tag.clone(), digest: fields.digest.clone() })
    }

    /// What a format cannot do without.
    fn check_whole(&mut self, at: &At<'_>, format: Option<HookFormat>, raw: &raw::Hook) {
        if format == Some(HookFormat::Generic) && raw.fields.is_none() {
            self.findings.error_at_key(at, "`format: generic` needs `fields`", "add `fields: { repository: /path/to/it, tag: /path/to/it }`");
        }
        if format == Some(HookFormat::Nexus) && raw.registry.is_none() {
            let help = "add `registry: nexus.example.com:8082`, as images of that repository are pulled";
            self.findings.error_at_key(at, "`format: nexus` needs `registry`: its payloads name none", help);
        }
    }
}

fn format(raw: Format) -> Option<HookFormat> {
    Some(match raw {
        Format::Auto => return None,
        Format::DockerHub => HookFormat::DockerHub,
        Format::Distribution => HookFormat::Distribution,
        Format::Github => HookFormat::Github,
        Format::Harbor => HookFormat::Harbor,
        Format::Quay => HookFormat::Quay,
        Format::Gitlab => HookFormat::Gitlab,
        Format::Acr => HookFormat::Acr,
        Format::Ecr => HookFormat::Ecr,
        Format::Google => HookFormat::Google,
        Format::Artifactory => HookFormat::Artifactory,
        Format::Nexus => HookFormat::Nexus,
        Format::Gitea => HookFormat::Gitea,
        Format::CloudEvents => HookFormat::CloudEvents,
        Format::CdEvents => HookFormat::CdEvents,
        Format::Generic => HookFormat::Generic,
    })
}

/// What the format's sender does by itself. Where several things are common, the request says which; it is held to that one.
fn by_default(format: Option<HookFormat>) -> Auth {
    match format {
        None | Some(HookFormat::CloudEvents | HookFormat::CdEvents) => Auth::BySender,
        Some(HookFormat::DockerHub | HookFormat::Quay) => Auth::Path,
        Some(HookFormat::Github | HookFormat::Gitea) => Auth::HubSignature256,
        Some(HookFormat::Distribution | HookFormat::Harbor | HookFormat::Acr | HookFormat::Ecr) => Auth::Authorization,
        Some(HookFormat::Gitlab) => Auth::GitlabToken,
        Some(HookFormat::Google) => Auth::Oidc,
        Some(HookFormat::Artifactory) => Auth::Jfrog,
        Some(HookFormat::Nexus) => Auth::NexusSignature,
        Some(HookFormat::Generic) => Auth::Signature,
    }
}

#[cfg(test)]
#[path = "lower_hook_tests.rs"]
mod tests;
