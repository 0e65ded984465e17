//! What a person asks for, and whether its parts go together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ServiceName;
use crate::plan::Change;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wish {
    /// What is to be looked at, or rolled.
    pub change: Change,
    /// Only these services; all that the change concerns if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceName>,
    /// Only on hosts that this selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<String>,
    /// Roll what is sick already, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sick: bool,
    /// Put the data back as well, where it goes back to an earlier release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data: bool,
    /// The hash of the plan that was agreed to; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl Wish {
    /// That a change is looked at and carried out, as far as it goes.
    pub fn of(change: Change) -> Self {
        Self { change, services: Vec::new(), hosts: None, sick: false, data: false, plan: None }
    }

    /// Says whether its parts go together; the error names all that do not, and not only the first.
    ///
    /// What the estate and the advisories have (services, hosts, names of problems) is not looked at here.
    pub fn check(&self) -> Result<(), WrongWish> {
        let wrong: Vec<&'static str> = self.wrong().into_iter().filter_map(|(is_wrong, why)| is_wrong.then_some(why)).collect();
        if wrong.is_empty() { Ok(()) } else { Err(WrongWish { wrong }) }
    }

    /// Every rule, and whether it is broken.
    fn wrong(&self) -> [(bool, &'static str); 8] {
        let is_drain = matches!(self.change, Change::Drain(_) | Change::Undrain(_));
        let is_prune = matches!(self.change, Change::Prune { .. });
        [
            (
                self.data && !matches!(self.change, Change::Release(_)),
                "`data` is put back on the way to an earlier release only: `{\"change\": {\"release\": 7}, \"data\": true}`",
            ),
            (is_drain && !self.services.is_empty(), "a host is drained of all services: `services` is not for `drain` and `undrain`"),
            (is_drain && self.hosts.is_some(), "`drain` and `undrain` name their host: `hosts` is not for them"),
            (is_drain && self.sick, "`drain` and `undrain` move what runs, sick or not: `sick` is not for them"),
            (is_prune && !self.services.is_empty(), "a prune is about all services: it takes `keep` alone, and no `services`"),
            (is_prune && self.hosts.is_some(), "a prune is about all hosts: it takes `keep` alone, and no `hosts`"),
            (is_prune && self.sick, "a prune rolls nothing: it takes `keep` alone, and no `sick`"),
            (is_prune && self.plan.is_some(), "a prune has no plan: it takes `keep` alone, and no `plan`"),
        ]
    }
}

/// Parts of a wish that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", wrong.join("; "))]
pub struct WrongWish {
    /// All that is wrong, a sentence each; never empty.
    pub wrong: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_does_not_go_together_is_said_at_once() {
        let wish = |text: &str| serde_json::from_str::<Wish>(text).unwrap();
        for (text, wrong) in [
            (r#"{"change":"everything"}"#, &[][..]),
            (r#"{"change":"everything","services":["web"],"hosts":"a","sick":true,"plan":"sha256:1"}"#, &[]),
            (r#"{"change":{"release":7},"data":true}"#, &[]),
            (r#"{"change":"everything","data":true}"#, &["`data`"]),
            (r#"{"change":{"drain":"a"},"plan":"sha256:1"}"#, &[]),
            (r#"{"change":{"drain":"a"},"services":["web"],"hosts":"b"}"#, &["`services`", "`hosts`"]),
            (r#"{"change":{"undrain":"a"},"sick":true,"data":true}"#, &["`data`", "`sick`"]),
            (r#"{"change":{"prune":{"keep":3}}}"#, &[]),
            (
                r#"{"change":{"prune":{"keep":3}},"services":["web"],"hosts":"b","sick":true,"data":true,"plan":"sha256:1"}"#,
                &["`data`", "`services`", "`hosts`", "`sick`", "`plan`"],
            ),
        ] {
            let found = wish(text).check().err().map(|error| error.wrong).unwrap_or_default();
            assert_eq!(found.len(), wrong.len(), "{text}: {found:?}");
            found.iter().zip(wrong).for_each(|(found, word)| assert!(found.contains(word), "{text}: {found}"));
        }
    }
}
