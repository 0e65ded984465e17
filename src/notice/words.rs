//! The words that all shapes of a notice share.

use super::Notice;

/// More services than these are counted and not named: a message that nobody can read tells nothing.
const SERVICES_SHOWN_MAX: usize = 20;
/// The longest reason that is told; the whole of it is in the journal.
const REASON_CHARS_MAX: usize = 2_000;
/// The longest word about one service.
const SERVICE_CHARS_MAX: usize = 300;

/// What is said of each service and image, one line each.
pub(super) fn lines(notice: &Notice) -> Vec<String> {
    let services = notice.services.iter().map(|(service, what)| match what.as_str() {
        "" => service.to_string(),
        what => format!("{service}: {}", on_one_line(&short(what, SERVICE_CHARS_MAX))),
    });
    let images = notice.images.iter().map(|image| format!("image {image}"));
    let all: Vec<String> = services.chain(images).collect();
    let more = all.len().saturating_sub(SERVICES_SHOWN_MAX);
    let shown = all.into_iter().take(SERVICES_SHOWN_MAX);
    shown.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// Why, no longer than anybody reads.
pub(super) fn reason(notice: &Notice) -> Option<String> {
    notice.reason.as_deref().map(|reason| short(reason.trim(), REASON_CHARS_MAX)).filter(|reason| !reason.is_empty())
}

/// Who asked for it and how, when, and what comes next.
pub(super) fn origin(notice: &Notice) -> String {
    let by = notice.by.as_deref().map(|by| format!("asked for by {by}"));
    let words = notice.words.as_deref().map(|words| short(words, SERVICE_CHARS_MAX));
    let asked = match (by, words) {
        (Some(by), Some(words)) => Some(format!("{by}: {words}")),
        (by, words) => by.or(words),
    };
    let release = notice.release.map(|release| format!("release {release}"));
    let parts = [Some(notice.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()), release, asked];
    on_one_line(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// No more than so many characters; what is cut off is marked.
pub(super) fn short(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Without line breaks and other control characters.
pub(super) fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
