//! What a service depends on, in Compose's two forms; and the rings in which none could be rolled first.

use std::collections::{BTreeMap, BTreeSet};

use super::at::At;
use super::finding::Findings;
use super::forms::ListOrMap;
use super::lower::Lower;
use super::near::{did_you_mean, nearest};
use super::raw_service as raw;
use super::service::{Condition, Service};
use crate::model::ServiceName;

/// Compose's conditions that refit knows.
const CONDITIONS: [(&str, Condition); 2] = [("service_started", Condition::ServiceStarted), ("service_healthy", Condition::ServiceHealthy)];

impl Lower<'_> {
    /// The services that `own` depends on. A list is a map with Compose's default condition.
    pub(super) fn depends_on(&mut self, at: &At<'_>, own: &str, raw: Option<&ListOrMap<raw::DependsOn>>) -> BTreeMap<ServiceName, Condition> {
        let written: Vec<(At<'_>, &String, Option<&raw::DependsOn>)> = match raw {
            None => Vec::new(),
            Some(ListOrMap::List(names)) => names.iter().enumerate().map(|(index, name)| (at.index(index), name, None)).collect(),
            Some(ListOrMap::Map(map)) => map.iter().map(|(name, long)| (at.key(name), name, long.as_ref())).collect(),
        };
        let mut depends_on = BTreeMap::new();
        for (at, name, long) in written {
            let condition = long.map_or(Some(Condition::default()), |long| self.condition(&at.key("condition"), &long.condition));
            if let (Some(name), Some(condition)) = (self.other_service(&at, own, name), condition) {
                depends_on.insert(name, condition);
            }
        }
        depends_on
    }

    fn other_service(&mut self, at: &At<'_>, own: &str, name: &str) -> Option<ServiceName> {
        if name == own {
            self.findings.error(at, format!("the service `{own}` depends on itself"), "remove it");
            return None;
        }
        if !self.estate.services.contains(name) {
            let known = self.estate.services.iter().map(String::as_str).filter(|known| *known != own);
            let help = did_you_mean(name, known, "other services", "all of a folder's files are one estate");
            self.findings.error(at, format!("the service `{name}` is not in the estate"), help);
            return None;
        }
        // A name that is none is told where the service is written.
        name.parse().ok()
    }

    fn condition(&mut self, at: &At<'_>, text: &str) -> Option<Condition> {
        let known = CONDITIONS.iter().find(|(word, _)| *word == text).map(|(_, condition)| *condition);
        if known.is_none() {
            let help = match (text, nearest(text, CONDITIONS.map(|(word, _)| word))) {
                ("service_completed_successfully", _) => {
                    "a service of refit runs on; what runs once goes into the entry point, or into a test of the image (`tests:`)".to_owned()
                }
                (_, Some(near)) => format!("did you mean `{near}`?"),
                (_, None) => "write `service_healthy` or `service_started`".to_owned(),
            };
            self.findings.error(at, format!("refit does not know the condition `{text}`"), help);
        }
        known
    }
}

/// Finds every ring of services that depend on one another, and prints it with its places.
pub(super) fn check_rings(services: &[(At<'_>, Service)], findings: &mut Findings) {
    let mut left: BTreeMap<&ServiceName, (&At<'_>, &Service)> = services.iter().map(|(at, service)| (&service.name, (at, service))).collect();
    loop {
        // Whoever depends on nobody that is left is in no ring.
        while let Some(free) = left.iter().find(|(_, (_, service))| !service.depends_on.keys().any(|name| left.contains_key(name))) {
            let free = *free.0;
            left.remove(free);
        }
        let Some(ring) = ring(&left) else { return };
        let steps: Vec<String> = ring.iter().map(|name| format!("{name} ({})", left[name].0.key("depends_on").place())).collect();
        let message = format!("services depend on one another in a ring: {} → {}", steps.join(" → "), ring[0]);
        findings.error_at_key(&left[ring[0]].0.key("depends_on"), message, "remove one of these: none of them could be rolled first");
        ring.iter().for_each(|name| {
            left.remove(name);
        });
    }
}

/// One ring of services of which each depends on another one; from its first by name on. None if there are no services left.
fn ring<'s>(left: &BTreeMap<&'s ServiceName, (&At<'_>, &'s Service)>) -> Option<Vec<&'s ServiceName>> {
    let mut way = vec![*left.keys().next()?];
    let mut seen = BTreeSet::from([way[0]]);
    loop {
        let next = left[way.last()?].1.depends_on.keys().find(|name| left.contains_key(name))?;
        if !seen.insert(next) {
            way.drain(..way.iter().position(|name| *name == next)?);
            let first = way.iter().enumerate().min_by_key(|(_, name)| **name)?.0;
            way.rotate_left(first);
            return Some(way);
        }
        way.push(next);
    }
}
