//! Values with variables in them → plain values. The one file that knows where a variable's value comes from.
//!
//! `{{ name }}` takes `--var name=…` before `vars:`. Compose's `${NAME}` is refused, since refit reads no environment into an estate: the same files must
//! mean the same on every machine. `$$` is a dollar, as in Compose; a dollar before anything that is no name stays as it is.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};

use super::near::did_you_mean;

/// What a tag template may name besides variables: known only when the image is built. The same names as `release` gives them values.
pub(super) const TAG_NAMES: [&str; 8] = ["branch", "commit", "commit12", "date", "inputs", "inputs12", "run", "time"];

/// Every variable and its value.
pub(super) struct Vars {
    values: BTreeMap<String, String>,
    engine: Environment<'static>,
}

/// Why a value cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VarError {
    pub(super) message: String,
    pub(super) help: String,
    /// The text within the value that it is about, to point at.
    pub(super) needle: String,
}

impl Vars {
    /// Joins what the files say and what the command line says; the command line wins.
    pub(super) fn new(written: BTreeMap<String, String>, given: &BTreeMap<String, String>) -> Self {
        let mut values = written;
        values.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        Self { values, engine }
    }

    /// Resolves one value.
    pub(super) fn resolve(&self, text: &str) -> Result<String, VarError> {
        self.resolve_with(text, &self.values)
    }

    /// Resolves the variables of a tag template, and leaves what is known only when the image is built.
    pub(super) fn resolve_tag(&self, text: &str) -> Result<String, VarError> {
        let mut values = self.values.clone();
        values.extend(TAG_NAMES.iter().map(|name| ((*name).to_owned(), format!("{{{{ {name} }}}}"))));
        let resolved = self.resolve_with(text, &values)?;
        let uses_variables = self.engine.template_from_str(text).is_ok_and(|template| {
            template.undeclared_variables(false).iter().any(|name| self.values.contains_key(name) && !TAG_NAMES.contains(&name.as_str()))
        });
        // Rendering once would lose filters on what is known later (`{{ commit | upper }}`), so a template without variables stays as it is.
        Ok(if uses_variables { resolved } else { text.to_owned() })
    }

    fn resolve_with(&self, text: &str, values: &BTreeMap<String, String>) -> Result<String, VarError> {
        let text = dollars(text)?;
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(text);
        }
        let refuse = |error: &minijinja::Error| VarError {
            message: format!("this is no template: {}", error.detail().unwrap_or("it cannot be rendered")),
            help: "a variable is written `{{ name }}`; braces that are meant for somebody else go between `{% raw %}` and `{% endraw %}`".to_owned(),
            needle: "{{".to_owned(),
        };
        let template = self.engine.template_from_str(&text).map_err(|error| refuse(&error))?;
        let mut missing: Vec<String> = template.undeclared_variables(false).into_iter().filter(|name| !values.contains_key(name)).collect();
        missing.sort();
        // A function of the template engine is no variable.
        missing.retain(|name| !matches!(name.as_str(), "range" | "dict" | "namespace" | "debug"));
        if let Some(name) = missing.into_iter().next() {
            let help =
                did_you_mean(&name, values.keys().map(String::as_str), "variables", &format!("define it under `vars:` or give `--var {name}=…`"));
            return Err(VarError { message: format!("the variable `{name}` is not defined"), help, needle: name });
        }
        let mut rendered = template.render(values).map_err(|error| refuse(&error))?;
        // The engine drops one line end at the end of a template; a value keeps it.
        if text.ends_with('\n') {
            rendered.push('\n');
        }
        Ok(rendered)
    }
}

/// Refuses what Compose would take from the environment, and makes `$$` a dollar.
fn dollars(text: &str) -> Result<String, VarError> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if let Some(tail) = behind.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let name = behind.strip_prefix('{').unwrap_or(behind);
        let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let written = if behind.starts_with('{') { format!("${{{name}") } else { format!("${name}") };
            return Err(VarError {
                message: format!(
                    "`{written}{}` would come from the environment, which a pipeline does not read",
                    if behind.starts_with('{') { "}" } else { "" }
                ),
                help: format!("write `{{{{ {name} }}}}` and set it under `vars:` or by `--var {name}=…`; for a dollar in the value write `$$`"),
                needle: written,
            });
        }
        out.push('$');
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let written = BTreeMap::from([("env".to_owned(), "prod".to_owned()), ("n".to_owned(), "1".to_owned())]);
        let given = BTreeMap::from([("n".to_owned(), "2".to_owned())]);
        Vars::new(written, &given).resolve(text).map_err(|error| error.message)
    }

    #[test]
    fn values_are_resolved() {
        for (text, value) in [
            ("plain", "plain"),
            ("{{ env }}", "prod"),
            ("a-{{env}}-{{ n }}\n", "a-prod-2\n"),
            ("{{ env | upper }}", "PROD"),
            ("cost: 5$ or $$5 $1 $", "cost: 5$ or $5 $1 $"),
            ("$${HOME}", "${HOME}"),
            ("{% raw %}{{.Name}}{% endraw %}", "{{.Name}}"),
        ] {
            assert_eq!(resolve(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn tag_templates_keep_what_is_known_later() {
        let vars = Vars::new(BTreeMap::from([("env".to_owned(), "prod".to_owned())]), &BTreeMap::new());
        for (text, value) in [
            ("{{ commit12 | upper }}-{{ run }}", "{{ commit12 | upper }}-{{ run }}"),
            ("{{ env }}-{{ inputs12 }}", "prod-{{ inputs12 }}"),
            ("v1-{{ run }}", "v1-{{ run }}"),
        ] {
            assert_eq!(vars.resolve_tag(text).as_deref(), Ok(value), "{text}");
        }
        assert!(vars.resolve_tag("{{ comit }}").is_err_and(|error| error.help == "did you mean `commit`?"));
    }

    #[test]
    fn what_has_no_value_is_refused() {
        for (text, message) in [
            ("{{ evn }}", "the variable `evn` is not defined"),
            ("${HOME}", "`${HOME}` would come from the environment, which a pipeline does not read"),
            ("a $HOME", "`$HOME` would come from the environment, which a pipeline does not read"),
            ("${TAG:-latest}", "`${TAG}` would come from the environment, which a pipeline does not read"),
        ] {
            assert_eq!(resolve(text), Err(message.to_owned()), "{text}");
        }
        assert!(resolve("{{.Name}}").is_err());
        assert!(resolve("{{ env.x }}").is_err());
    }
}
