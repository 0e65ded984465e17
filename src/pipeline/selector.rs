//! Host selectors: `pool=web`, `zone=a,pool!=db`, `zone=a|b`, `name=web-1`, a host's plain name, `*`.

use std::collections::{BTreeMap, BTreeSet};

use super::estate::Host;
use crate::model::HostName;

/// What a host must have to be selected: every term must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    label: String,
    values: Vec<String>,
    /// `!=`: the label has none of the values, or is not there.
    negated: bool,
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("expected a selector such as `pool=web`, `zone=a|b,pool!=db`, a host's name, or `*`, found `{text}`");
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part == "*" {
                continue;
            }
            let (label, values, negated) = match part.split_once("!=") {
                Some((label, values)) => (label, values, true),
                None => match part.split_once('=') {
                    Some((label, values)) => (label, values.strip_prefix('=').unwrap_or(values), false),
                    None => ("name", part, false),
                },
            };
            let values: Vec<String> = values.split('|').map(|value| value.trim().to_owned()).collect();
            let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '|' | '*'));
            if !word(label.trim()) || !values.iter().all(|value| word(value)) {
                return Err(refuse());
            }
            terms.push(Term { label: label.trim().to_owned(), values, negated });
        }
        Ok(Self { terms })
    }

    /// Whether a host of this name and these labels is selected.
    pub fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|term| {
            let value = if term.label == "name" { Some(name) } else { labels.get(&term.label).map(String::as_str) };
            value.is_some_and(|value| term.values.iter().any(|wanted| wanted == value)) != term.negated
        })
    }
}

/// The hosts that a selector selects; an error if there are none, or if it cannot be read.
pub fn select_hosts(selector: &str, hosts: &BTreeMap<HostName, Host>) -> Result<BTreeSet<HostName>, String> {
    let parsed = Selector::parse(selector).map_err(|why| format!("`{selector}` cannot be read: {why}"))?;
    let chosen = hosts.iter().filter(|(name, host)| parsed.selects(name.as_str(), &host.labels)).map(|(name, _)| name.clone());
    let chosen: BTreeSet<HostName> = chosen.collect();
    if chosen.is_empty() { Err(format!("`{selector}` selects no host")) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_selected_by_name_and_labels() {
        let labels = |text: &str| text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let hosts: [(&str, BTreeMap<String, String>); 3] =
            [("web-1", labels("pool=web zone=a")), ("web-2", labels("pool=web zone=b")), ("db", labels("pool=db"))];
        for (selector, selected) in [
            ("*", "web-1 web-2 db"),
            ("pool=web", "web-1 web-2"),
            ("pool=web,zone=a", "web-1"),
            ("zone=a|b", "web-1 web-2"),
            ("pool!=web", "db"),
            ("zone!=a", "web-2 db"),
            ("web-2", "web-2"),
            ("name=web-2|db", "web-2 db"),
            ("pool==db", "db"),
            ("nobody", ""),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            let names: Vec<&str> = hosts.iter().filter(|(name, labels)| parsed.selects(name, labels)).map(|(name, _)| *name).collect();
            assert_eq!(names.join(" "), selected, "{selector}");
        }
        for bad in ["", "=", "a=", "=b", "a b", "a=b,,c=d", "web-*", "a=b=c"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
