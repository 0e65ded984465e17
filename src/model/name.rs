//! Names that people give: one type per kind of thing, so that a host cannot stand where a service is meant.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a piece of text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind} name: {reason}")]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// Which kind of name was wanted: `host`, `service` …
    pub kind: &'static str,
    /// The rule that it breaks.
    pub reason: &'static str,
}

/// The longest name that an engine, a label and a file name all take.
const NAME_CHARS_MAX: usize = 128;

fn check_name(text: &str, kind: &'static str, extra: &str) -> Result<(), NameError> {
    let refuse = |reason| Err(NameError { text: text.to_owned(), kind, reason });
    let Some(first) = text.chars().next() else {
        return refuse("it is empty");
    };
    if text.len() > NAME_CHARS_MAX {
        return refuse("it is longer than 128 characters");
    }
    if !first.is_ascii_alphanumeric() {
        return refuse("it must begin with a letter or a digit");
    }
    if text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c)) {
        Ok(())
    } else {
        refuse("letters, digits, `-`, `_` and `.` are allowed")
    }
}

// Names are copied into every step, slot and event: sharing the text makes that a counter and not an allocation. Copies are compared by where they
// are first: of the hundred thousand slots of a large rollout each is looked up in several maps at every decision.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name(text, $kind, $extra)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

name_type!(
    /// The name of an estate: the folder that its pipelines lie in, unless one says otherwise.
    EstateName, "estate", "-_."
);
name_type!(
    /// The key of a service.
    ServiceName, "service", "-_."
);
name_type!(
    /// The key of a Docker endpoint where containers run.
    HostName, "host", "-_."
);
name_type!(
    /// The key of a Docker endpoint where images are built.
    BuilderName, "builder", "-_."
);
name_type!(
    /// The key of what begins runs by itself.
    TriggerName, "trigger", "-_."
);
name_type!(
    /// The key of somebody who is told what happens.
    NotifyName, "addressee", "-_."
);
name_type!(
    /// The key of an image that the estate builds; also how a Dockerfile may call it: `base`, `shop/web`, `registry.example.com/shop/web`.
    ImageName, "image", "-_./:"
);

name_type!(
    /// The key of a hook, and the part of the path that it answers under: `/hooks/<name>`.
    HookName, "hook", "-_."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_enter() {
        for good in ["web", "web-1", "a.b_c", "0"] {
            assert_eq!(good.parse::<HostName>().unwrap().as_str(), good);
        }
        for bad in ["", "-web", "we b", "we/b", "wéb", &"x".repeat(129)] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
        assert!("shop/web".parse::<ImageName>().is_ok());
        assert!(serde_json::from_str::<HostName>("\"a b\"").is_err());
    }
}
