//! What a registry says of how often it may be asked.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::trigger::watch::RateLimit;

/// Reads `RateLimit-Remaining: 76;w=21600` and `RateLimit-Limit: 100;w=21600`; none if the registry says nothing of what is left.
///
/// Sources: Docker Hub's manual ("View pull rate and limit") for the form, and the IETF's draft of RateLimit headers for `RateLimit-Reset` in seconds,
/// which is taken for the window where there is no `w`.
pub(super) fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let (remaining, window) = quantity(text(headers, "ratelimit-remaining")?)?;
    let limit = text(headers, "ratelimit-limit").and_then(quantity);
    let reset = text(headers, "ratelimit-reset").and_then(|text| text.trim().parse().ok());
    let window = window.or(limit.and_then(|(_, window)| window)).or(reset).map(Duration::from_secs);
    Some(RateLimit { remaining, limit: limit.map(|(limit, _)| limit), window })
}

/// A number, and the window in seconds behind `;w=`.
fn quantity(text: &str) -> Option<(u32, Option<u64>)> {
    let mut parts = text.split(';').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")).and_then(|seconds| seconds.parse().ok());
    Some((number, window.filter(|seconds| *seconds > 0)))
}

/// When the registry may be asked again: `Retry-After` in seconds or as a date, else Docker Hub's `X-Retry-After` (seconds since 1970), else
/// `RateLimit-Reset`. None if it does not say, or says what nobody understands. Never earlier than now.
pub(super) fn retry_at(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let after = |text: &str| Some(now.checked_add(Duration::from_secs(text.trim().parse().ok()?)).unwrap_or(Timestamp::MAX));
    let date = |text: &str| jiff::fmt::rfc2822::parse(text.trim()).ok().map(|date| date.timestamp());
    let since_1970 = |text: &str| text.trim().parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let said = text(headers, RETRY_AFTER.as_str()).and_then(|text| after(text).or_else(|| date(text)));
    let said = said.or_else(|| text(headers, "x-retry-after").and_then(since_1970));
    said.or_else(|| text(headers, "ratelimit-reset").and_then(after)).map(|until| until.max(now))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_left_is_read_with_its_window() {
        let check = |lines: &[(&'static str, &str)], expected: Option<(u32, Option<u32>, Option<u64>)>| {
            let found = rate_limit(&headers(lines)).map(|found| (found.remaining, found.limit, found.window.map(|window| window.as_secs())));
            assert_eq!(found, expected, "{lines:?}");
        };
        check(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")], Some((76, Some(100), Some(21_600))));
        check(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76")], Some((76, Some(100), Some(21_600))));
        check(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")], Some((0, None, Some(30))));
        check(&[("ratelimit-remaining", "5;w=0")], Some((5, None, None)));
        check(&[("ratelimit-limit", "100;w=21600")], None);
        for bad in ["", "many", "-1", "99999999999", "1.5", ";w=3"] {
            check(&[("ratelimit-remaining", bad)], None);
        }
    }

    #[test]
    fn the_end_of_a_wait_is_read_in_each_of_its_forms() {
        let now: Timestamp = "2015-10-21T07:00:00Z".parse().unwrap();
        let check = |lines: &[(&'static str, &str)], expected: Option<&str>| {
            assert_eq!(retry_at(&headers(lines), now), expected.map(|text| text.parse().unwrap()), "{lines:?}");
        };
        check(&[("retry-after", "120")], Some("2015-10-21T07:02:00Z"));
        check(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], Some("2015-10-21T07:28:00Z"));
        check(&[("retry-after", "Wed, 21 Oct 2015 06:28:00 GMT")], Some("2015-10-21T07:00:00Z"));
        check(&[("x-retry-after", "1445414400")], Some("2015-10-21T08:00:00Z"));
        check(&[("ratelimit-reset", "60")], Some("2015-10-21T07:01:00Z"));
        check(&[("retry-after", "soon"), ("ratelimit-reset", "60")], Some("2015-10-21T07:01:00Z"));
        assert_eq!(retry_at(&headers(&[("retry-after", "18446744073709551615")]), now), Some(Timestamp::MAX));
        for bad in ["", "-1", "soon", "99999999999999999999999", "Wed, 99 Oct 2015 07:28:00 GMT"] {
            check(&[("retry-after", bad)], None);
        }
    }
}
