//! Bytes → JSON, within bounds.

use serde_json::Value;

use super::error::HookError;
use super::request::Request;

/// Deeper than any sender's events: the deepest is below ten. serde_json's own bound is 128.
const DEPTH_MAX: usize = 64;

/// The body as JSON.
///
/// Errors with [`HookError::NoJson`]: a form, bytes that are no UTF-8, broken JSON, JSON that is nested more than 64 deep.
pub(super) fn parse(request: &Request<'_>) -> Result<Value, HookError> {
    if request.media_type() == "application/x-www-form-urlencoded" {
        return refuse("it is a form; choose the content type `application/json` at the sender");
    }
    if request.body.is_empty() {
        return refuse("it is empty");
    }
    if is_too_deep(request.body) {
        return refuse("it is nested more than 64 deep");
    }
    // serde_json's messages end in line and column, and never quote what is there.
    serde_json::from_slice(request.body).or_else(|error| refuse(&error.to_string()))
}

fn refuse<T>(reason: &str) -> Result<T, HookError> {
    Err(HookError::NoJson { reason: reason.to_owned() })
}

/// Counts brackets outside of strings. Text that is no JSON may be counted wrongly; it is refused a moment later.
fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Value, HookError> {
        parse(&Request { headers: &[], body: body.as_bytes(), path: None })
    }

    #[test]
    fn depth_is_bounded_and_strings_do_not_count() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(64)).is_ok());
        assert!(check(&nested(65)).unwrap_err().to_string().contains("64 deep"));
        assert!(check(&nested(100_000)).is_err());
        assert!(check(&format!(r#"{{"a": "\"{}"}}"#, "[".repeat(100))).is_ok());
        assert!(check("").is_err());
        assert!(check("{").is_err());
    }

    #[test]
    fn a_form_and_what_is_no_text_are_refused() {
        let form = [("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let error = parse(&Request { headers: &form, body: b"payload=%7B%7D", path: None }).unwrap_err();
        assert!(error.to_string().contains("application/json"), "{error}");
        assert!(parse(&Request { headers: &[], body: b"{\"a\": \"\xff\"}", path: None }).is_err());
    }
}
