//! Identifiers that refit gives.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostName, ServiceName};

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                text.strip_prefix($prefix)
                    .unwrap_or(text)
                    .parse()
                    .map(Self)
                    .map_err(|_| format!(concat!("{:?} is no ", $what, ": expected a number, such as 7 or ", $prefix, "7"), text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($prefix, "{}"), self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number_type!(
    /// One change carried through to its end; counted from 1 in each estate. Printed as `run-7`.
    RunId, "run-", "run"
);
number_type!(
    /// An immutable set {image → digest}; counted from 1 in each estate. Printed as `r7`.
    ReleaseNumber, "r", "release"
);

number_type!(
    /// Something that may begin a run, as it was heard; counted from 1 in each estate. Printed as `t7`.
    TriggerId, "t", "trigger"
);

/// One place for one container of a service. Printed as `web@host-1/0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SlotId {
    /// The service that the slot belongs to.
    pub service: ServiceName,
    /// The host that it is on.
    pub host: HostName,
    /// Which of the service's places on that host, counted from 0.
    pub index: u32,
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}/{}", self.service, self.host, self.index))
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.service, self.host, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        assert_eq!("r7".parse(), Ok(ReleaseNumber(7)));
        assert_eq!("7".parse(), Ok(ReleaseNumber(7)));
        assert_eq!("run-12".parse(), Ok(RunId(12)));
        assert!("seven".parse::<RunId>().is_err());
    }
}
