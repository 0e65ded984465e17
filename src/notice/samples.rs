//! A notice that the tests of this room and of the sending share.

use jiff::Timestamp;

use super::Notice;
use crate::model::{EstateName, ReleaseNumber, RunId};
use crate::pipeline::NoticeKind;

pub(crate) fn at() -> Timestamp {
    "2026-11-27T03:04:05Z".parse().unwrap()
}

pub(crate) fn shop() -> EstateName {
    "shop".parse().unwrap()
}

pub(crate) fn rolled_back() -> Notice {
    Notice {
        services: [("web", "rolled back: web@web-1/0 is unhealthy: 503 <html>"), ("worker", "not rolled: web failed")]
            .into_iter()
            .map(|(service, why)| (service.parse().unwrap(), why.to_owned()))
            .collect(),
        release: Some(ReleaseNumber(12)),
        reason: Some("1 service failed, and none may".into()),
        by: Some("hook:harbor".into()),
        words: Some("debian:12 moved".into()),
        next: Some("refit show run-7".into()),
        ..Notice::new(&shop(), Some(RunId(7)), at(), NoticeKind::RolledBack, "rolled back")
    }
}
