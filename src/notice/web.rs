//! A notice as refit's own JSON.

use serde_json::{Value, json as value};

use super::{Notice, words};

/// The version of the shape. It changes only when something that was there means another thing or goes; a reader must not mind new keys.
const SHAPE: u32 = 1;

/// A notice as refit's own JSON: an object with these keys.
///
/// | key | value |
/// |---|---|
/// | `refit` | the version of this shape, `1` |
/// | `id` | the same at every attempt, and in the header `X-Refit-Notice` |
/// | `kind` | `began`, `waits`, `paused`, `failed`, `rolled-back`, `done`, `in-part`, `stuck`, `aborted`, `quarantined`, `estate-broken`, `drift` |
/// | `estate` | its name |
/// | `run` | the run's number, or null |
/// | `at` | the moment, RFC 3339 in UTC |
/// | `text` | all in one line, for people |
/// | `services` | an object: service → what became of it, for people |
/// | `images` | a list of the images that it is about |
/// | `release` | the release's number, or null |
/// | `reason` | why, for people, perhaps of several lines, or null |
/// | `by` | who asked, or null |
/// | `words` | the words with which it was asked for, or null |
/// | `next` | a command that is the next move, or null |
pub fn json(notice: &Notice) -> Value {
    value!({
        "refit": SHAPE,
        "id": notice.id(),
        "kind": notice.kind,
        "estate": notice.estate,
        "run": notice.run.map(|run| run.0),
        "at": notice.at,
        "text": words::on_one_line(&notice.headline()),
        "services": notice.services,
        "images": notice.images,
        "release": notice.release.map(|release| release.0),
        "reason": words::reason(notice),
        "by": notice.by,
        "words": notice.words,
        "next": notice.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::samples::rolled_back;

    #[test]
    fn the_shape_is_as_it_is_documented() {
        insta::assert_json_snapshot!(json(&rolled_back()), @r#"
        {
          "at": "2026-11-27T03:04:05Z",
          "by": "hook:harbor",
          "estate": "shop",
          "id": "shop/run-7/rolled-back/1795748645000000/6cb92fa9c9a8",
          "images": [],
          "kind": "rolled-back",
          "next": "refit show run-7",
          "reason": "1 service failed, and none may",
          "refit": 1,
          "release": 12,
          "run": 7,
          "services": {
            "web": "rolled back: web@web-1/0 is unhealthy: 503 <html>",
            "worker": "not rolled: web failed"
          },
          "text": "shop run-7 rolled back",
          "words": "debian:12 moved"
        }
        "#);
    }

    #[test]
    fn the_guide_names_every_kind_and_every_key() {
        let guide = include_str!("../../docs/seen-from-outside.md");
        for kind in crate::pipeline::NoticeKind::ALL {
            let told = if kind.is_told_by_default() { "by default" } else { "if asked for" };
            assert!(guide.contains(&format!("| `{kind}` | {told} |")), "{kind}");
        }
        let shape = json(&rolled_back());
        shape.as_object().unwrap().keys().for_each(|key| assert!(guide.contains(&format!("\n  \"{key}\": ")), "{key}"));
    }

    #[test]
    fn a_notice_survives_being_kept() {
        let notice = rolled_back();
        let kept: Notice = serde_json::from_str(&serde_json::to_string(&notice).unwrap()).unwrap();
        assert_eq!((kept.id(), &kept), (notice.id(), &notice));
    }
}
