//! A notice as a mail.

use super::{Notice, words};

/// The longest subject that mail programs show in a list.
const SUBJECT_CHARS_MAX: usize = 120;

/// What stands in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailText {
    /// One line, without any control character.
    pub subject: String,
    /// Plain text, its lines ended by `\n`.
    pub body: String,
}

/// The subject and the text of a notice.
pub fn mail(notice: &Notice) -> MailText {
    let headline = words::on_one_line(&notice.headline());
    let mut paragraphs = vec![headline.clone()];
    paragraphs.extend(words::reason(notice));
    let lines = words::lines(notice);
    paragraphs.extend((!lines.is_empty()).then(|| lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")));
    paragraphs.extend(notice.next.as_deref().map(|next| format!("Next: {}", words::on_one_line(next))));
    paragraphs.push(words::origin(notice));
    let subject = words::short(&format!("[refit] {headline}"), SUBJECT_CHARS_MAX);
    MailText { subject, body: paragraphs.join("\n\n") + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::samples::{at, rolled_back, shop};
    use crate::pipeline::NoticeKind;

    #[test]
    fn a_mail_says_what_happened_why_and_what_to_do() {
        let mail = mail(&rolled_back());
        assert_eq!(mail.subject, "[refit] shop run-7 rolled back");
        insta::assert_snapshot!(mail.body, @r"
        shop run-7 rolled back

        1 service failed, and none may

          web: rolled back: web@web-1/0 is unhealthy: 503 <html>
          worker: not rolled: web failed

        Next: refit show run-7

        2026-11-27 03:04:05 UTC, release r12, asked for by hook:harbor: debian:12 moved
        ");
    }

    #[test]
    fn a_title_cannot_add_a_header() {
        let notice = Notice::new(&shop(), None, at(), NoticeKind::Failed, "a\r\nBcc: all@example.com");
        let mail = mail(&notice);
        assert!(!mail.subject.contains(['\r', '\n']) && mail.subject.contains("a  Bcc"), "{mail:?}");
    }
}
