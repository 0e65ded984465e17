//! A notice as Slack's incoming webhooks want it.

use serde_json::{Value, json as value};

use super::{Notice, words};
use crate::pipeline::NoticeKind;

/// The longest text of a block. Source: Slack's reference of blocks (3,000 characters), less what escaping may add to the last of them.
const BLOCK_CHARS_MAX: usize = 2_900;

/// `{"text", "blocks"}`: the text is what a notification shows, the blocks are what the channel shows.
///
/// Source: Slack's "Incoming webhooks" and "Formatting text for app surfaces", whose three characters are escaped everywhere.
pub fn slack(notice: &Notice) -> Value {
    let headline = escaped(&words::on_one_line(&notice.headline()));
    let mut blocks = vec![section(&format!("{} *{headline}*", mark(notice.kind)))];
    blocks.extend(words::reason(notice).map(|reason| section(&escaped(&reason))));
    let lines: Vec<String> = words::lines(notice).iter().map(|line| format!("• {}", escaped(line))).collect();
    blocks.extend((!lines.is_empty()).then(|| section(&lines.join("\n"))));
    let next = notice.next.as_deref().map(|next| format!(" · `{}`", escaped(next))).unwrap_or_default();
    blocks.push(value!({ "type": "context", "elements": [text(&format!("{}{next}", escaped(&words::origin(notice))))] }));
    value!({ "text": headline, "blocks": blocks })
}

fn section(words: &str) -> Value {
    value!({ "type": "section", "text": text(words) })
}

fn text(words: &str) -> Value {
    let mut shown = words::short(words, BLOCK_CHARS_MAX);
    // No half of an escaped character is left where it was cut.
    if shown.len() < words.len()
        && let Some(half) = shown.rfind('&')
        && !shown[half..].contains(';')
    {
        shown.replace_range(half.., "…");
    }
    value!({ "type": "mrkdwn", "text": shown })
}

/// Without the characters that make links and mentions (`<!channel>`).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A mark beside the words, never instead of them.
fn mark(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Began => ":arrow_forward:",
        NoticeKind::Done => ":white_check_mark:",
        NoticeKind::Waits | NoticeKind::Paused => ":hourglass:",
        NoticeKind::RolledBack | NoticeKind::Aborted => ":leftwards_arrow_with_hook:",
        NoticeKind::InPart | NoticeKind::Quarantined | NoticeKind::EstateBroken | NoticeKind::Drift => ":warning:",
        NoticeKind::Failed | NoticeKind::Stuck => ":x:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::samples::{at, rolled_back, shop};

    #[test]
    fn a_headline_its_reasons_and_where_it_comes_from() {
        insta::assert_json_snapshot!(slack(&rolled_back()), @r#"
        {
          "blocks": [
            {
              "text": {
                "text": ":leftwards_arrow_with_hook: *shop run-7 rolled back*",
                "type": "mrkdwn"
              },
              "type": "section"
            },
            {
              "text": {
                "text": "1 service failed, and none may",
                "type": "mrkdwn"
              },
              "type": "section"
            },
            {
              "text": {
                "text": "• web: rolled back: web@web-1/0 is unhealthy: 503 &lt;html&gt;\n• worker: not rolled: web failed",
                "type": "mrkdwn"
              },
              "type": "section"
            },
            {
              "elements": [
                {
                  "text": "2026-11-27 03:04:05 UTC, release r12, asked for by hook:harbor: debian:12 moved · `refit show run-7`",
                  "type": "mrkdwn"
                }
              ],
              "type": "context"
            }
          ],
          "text": "shop run-7 rolled back"
        }
        "#);
    }

    #[test]
    fn nobody_is_mentioned_by_what_a_container_wrote() {
        let mut notice = rolled_back();
        notice.reason = Some("<!channel> & <https://x|y>".into());
        notice.by = Some("<@U1>".into());
        notice.words = Some("<!here>".into());
        notice.services.insert("api".parse().unwrap(), "<!everyone>".into());
        let text = slack(&notice).to_string();
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://x|y&gt;"), "{text}");
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
    }

    #[test]
    fn what_is_too_long_for_it_is_cut() {
        let mut notice = Notice::new(&shop(), None, at(), NoticeKind::Failed, "é".repeat(5_000));
        notice.reason = Some("&".repeat(5_000));
        notice.services = (0..300).map(|n| (format!("s{n}").parse().unwrap(), "ü".repeat(1_000))).collect();
        let body = slack(&notice);
        let blocks = body["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 4);
        for block in blocks {
            let text = block["text"]["text"].as_str().or_else(|| block["elements"][0]["text"].as_str()).unwrap();
            assert!((1..=3_000).contains(&text.chars().count()), "{}", text.chars().count());
            assert_eq!(text.matches('&').count(), text.matches("&amp;").count(), "{text}");
        }
    }
}
