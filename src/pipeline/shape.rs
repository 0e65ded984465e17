//! A positioned tree held against the schema of `raw`: unknown keys, missing keys, values of another kind, with their places and all at once.
//!
//! Out comes the same data as a YAML value with every variable resolved and every scalar of the kind that the schema wants, so that serde
//! can make `raw` types of it. One description of the format serves for the check, for the types and for `refit schema`.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value};

use super::at::At;
use super::finding::{Finding, Findings, Severity, Spot};
use super::near::nearest;
use super::node::{self, Kind, Node};
use super::raw;
use super::refused;
use super::vars::{VarError, Vars};

/// Holds trees against one schema.
pub(super) struct Fitter<'s> {
    definitions: &'s Json,
    vars: &'s Vars,
    text: &'s str,
}

/// One concrete schema behind references and alternatives, and the name of its type if it has one.
struct Choice<'s> {
    schema: &'s Json,
    name: &'s str,
}

impl<'s> Fitter<'s> {
    pub(super) fn new(root: &'s Json, vars: &'s Vars, text: &'s str) -> Self {
        Self { definitions: &root["$defs"], vars, text }
    }

    /// The value as the schema wants it; `None` if it was refused, which is then in `findings`.
    pub(super) fn fit(&self, schema: &'s Json, name: &'s str, at: &At<'_>, findings: &mut Findings) -> Option<Value> {
        let mut choices = Vec::new();
        self.choices(schema, name, &mut choices);
        let Some(node) = at.node else { return Some(Value::Null) };
        match &node.kind {
            Kind::Null if choices.iter().any(|choice| has_type(choice.schema, "null")) => Some(Value::Null),
            // `services:` with nothing behind it is an empty map to everybody who writes it.
            Kind::Null if choices.iter().any(|choice| has_type(choice.schema, "object") && !choice.schema["additionalProperties"].is_boolean()) => {
                Some(Value::Mapping(Mapping::new()))
            }
            Kind::Null if choices.iter().any(|choice| choice.schema.get("required").is_none() && has_type(choice.schema, "array")) => {
                Some(Value::Sequence(Vec::new()))
            }
            Kind::Scalar(text) => self.scalar(&choices, text, node, at, findings),
            Kind::List(items) => match choices.iter().find(|choice| has_type(choice.schema, "array")) {
                Some(choice) => self.list(choice, items.len(), at, findings),
                None => mismatch(&choices, node, at, findings),
            },
            Kind::Map(_) => match choices.iter().find(|choice| has_type(choice.schema, "object")) {
                Some(choice) => self.map(choice, node, at, findings),
                None => mismatch(&choices, node, at, findings),
            },
            Kind::Null => mismatch(&choices, node, at, findings),
        }
    }

    fn choices(&self, schema: &'s Json, name: &'s str, out: &mut Vec<Choice<'s>>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return self.choices(&self.definitions[name], name, out);
        }
        match schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            Some(alternatives) => alternatives.iter().for_each(|alternative| self.choices(alternative, name, out)),
            None => out.push(Choice { schema, name }),
        }
    }

    fn list(&self, choice: &Choice<'s>, len: usize, at: &At<'_>, findings: &mut Findings) -> Option<Value> {
        let items: Vec<Option<Value>> = (0..len).map(|i| self.fit(&choice.schema["items"], "", &at.index(i), findings)).collect();
        items.into_iter().collect::<Option<Vec<Value>>>().map(Value::Sequence)
    }

    fn map(&self, choice: &Choice<'s>, node: &Node, at: &At<'_>, findings: &mut Findings) -> Option<Value> {
        let Kind::Map(node::Map { entries, .. }) = &node.kind else { return None };
        let properties = &choice.schema["properties"];
        let rest = choice.schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut mapping = Mapping::with_capacity(entries.len());
        let mut whole = true;
        let mut refused = Vec::new();
        for entry in entries {
            let key = entry.key.as_str();
            let below = at.key(key);
            let Some(schema) = properties.get(key).or(rest) else {
                // Compose lets people keep notes and anchors under keys that begin so.
                if !key.starts_with("x-") {
                    unknown_key(choice, key, &below, findings);
                }
                continue;
            };
            match self.fit(schema, "", &below, findings) {
                Some(Value::Null) if properties.get(key).is_some() => {}
                Some(value) => {
                    mapping.insert(Value::String(key.to_owned()), value);
                }
                // Refused, and said so. The rest is looked at all the same, so that one mistake does not hide the next.
                None => refused.push(key),
            }
        }
        for required in choice.schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            whole &= !refused.contains(&required);
            if !at.key(required).is_written() {
                let what = properties[required]["description"].as_str().unwrap_or_default();
                findings.error_at_key(at, format!("the key `{required}` is missing"), format!("add `{required}:` {}", first_sentence(what)));
                whole = false;
            }
        }
        whole.then_some(Value::Mapping(mapping))
    }

    fn scalar(&self, choices: &[Choice<'s>], text: &str, node: &Node, at: &At<'_>, findings: &mut Findings) -> Option<Value> {
        let is_tag = choices.iter().any(|choice| choice.schema["format"] == raw::TAG_FORMAT);
        let text = match if is_tag { self.vars.resolve_tag(text) } else { self.vars.resolve(text) } {
            Ok(text) => text,
            Err(error) => {
                findings.add(variable_finding(error, at, self.text));
                return None;
            }
        };
        let allowed = |kind| choices.iter().find(|choice| has_type(choice.schema, kind));
        let consts: Vec<&str> = choices.iter().filter_map(|choice| choice.schema["const"].as_str()).collect();
        let named: Vec<&str> =
            choices.iter().flat_map(|choice| choice.schema["enum"].as_array().into_iter().flatten().filter_map(Json::as_str)).collect();
        let words: Vec<&str> = consts.into_iter().chain(named).collect();
        if !words.is_empty() {
            if words.contains(&text.as_str()) {
                return Some(Value::String(text));
            }
            let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let help = nearest(&text, words.iter().copied()).map(|word| format!("did you mean `{word}`?")).unwrap_or_default();
            findings.error(at, format!("expected one of {list}, found `{}`", text.escape_debug()), help);
            return None;
        }
        if allowed("string").is_some() {
            return Some(Value::String(text));
        }
        if allowed("boolean").is_some() && matches!(text.as_str(), "true" | "false") {
            return Some(Value::Bool(text == "true"));
        }
        if let Some(choice) = allowed("integer")
            && let Ok(number) = text.parse::<i64>()
            && within(choice.schema, number)
        {
            return Some(Value::Number(number.into()));
        }
        if allowed("number").is_some()
            && let Ok(number) = text.parse::<f64>()
            && number.is_finite()
        {
            return Some(Value::Number(number.into()));
        }
        mismatch(choices, node, at, findings)
    }
}

fn has_type(schema: &Json, kind: &str) -> bool {
    match &schema["type"] {
        Json::String(one) => one == kind,
        Json::Array(many) => many.iter().any(|one| one == kind),
        _ => false,
    }
}

/// The least and the most that a whole number may be.
fn bounds(schema: &Json) -> (i64, i64) {
    let by_format = match schema["format"].as_str() {
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let least = schema["minimum"].as_i64().unwrap_or(by_format.0);
    (least, schema["maximum"].as_i64().unwrap_or(by_format.1))
}

fn within(schema: &Json, number: i64) -> bool {
    let (least, most) = bounds(schema);
    (least..=most).contains(&number)
}

/// What a value may be, in words.
fn expected(choices: &[Choice<'_>]) -> String {
    let mut words: Vec<String> = Vec::new();
    for choice in choices {
        let schema = choice.schema;
        for kind in ["string", "integer", "number", "boolean", "array", "object"] {
            if has_type(schema, kind) {
                words.push(describe(kind, schema));
            }
        }
        if schema["const"].is_string() || schema["enum"].is_array() {
            words.push("a word".to_owned());
        }
    }
    // A scalar of any kind is a text to whoever writes it.
    if words.iter().any(|word| word == "a text") {
        words.retain(|word| word != "a number" && word != "`true` or `false`");
    }
    words.dedup();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => "something else".to_owned(),
    }
}

fn describe(kind: &str, schema: &Json) -> String {
    match kind {
        "string" => "a text".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a map".to_owned(),
        _ => match bounds(schema) {
            (i64::MIN, _) => "a whole number".to_owned(),
            (least, most) if most >= i64::from(u32::MAX) => format!("a whole number from {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        },
    }
}

fn mismatch(choices: &[Choice<'_>], node: &Node, at: &At<'_>, findings: &mut Findings) -> Option<Value> {
    let help = match (&node.kind, choices.iter().any(|choice| has_type(choice.schema, "object"))) {
        (Kind::List(_), true) => "write `name: value` lines without the dashes",
        (Kind::Scalar(_), true) => "write `name: value` lines, each further in than the key above",
        (Kind::Null, _) => "write a value behind the colon, or remove the key",
        _ => "",
    };
    findings.error(at, format!("expected {}, found {}", expected(choices), node.described()), help);
    None
}

fn unknown_key(choice: &Choice<'_>, key: &str, at: &At<'_>, findings: &mut Findings) {
    if let Some(advice) = refused::advice(choice.name, key) {
        findings.error_at_key(at, format!("`{key}` is Compose's, but refit does not support it here"), advice);
        return;
    }
    let known: Vec<&str> = choice.schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect();
    let within = at.path.strip_suffix(key).map(|parent| parent.trim_end_matches('.')).filter(|parent| !parent.is_empty());
    let place = within.map_or_else(|| "at the top level".to_owned(), |parent| format!("in `{parent}`"));
    let help = nearest(key, known.iter().copied()).map_or_else(
        || format!("known keys: {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
        |name| format!("did you mean `{name}`?"),
    );
    findings.error_at_key(at, format!("unknown key `{key}` {place}"), help);
}

/// Points at the variable itself where it can be found in the text of the value.
fn variable_finding(error: VarError, at: &At<'_>, text: &str) -> Finding {
    let mut spot = at.spot();
    if let Some(value) = text.get(spot.start..spot.end)
        && let Some(offset) = value.find(&error.needle)
    {
        let chars = value[..offset].chars().count();
        let start = spot.start + offset;
        spot = Spot { line: spot.line, column: spot.column + u32::try_from(chars).unwrap_or(0), start, end: start + error.needle.len() };
    }
    at.finding(Severity::Error, spot, error.message, error.help)
}

/// The first sentence of a description without its remarks, for a help line.
fn first_sentence(text: &str) -> String {
    let end = [". ", " (default", "\n"].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let sentence = text[..end].trim().trim_end_matches('.');
    if sentence.is_empty() { String::new() } else { format!("({sentence})") }
}
