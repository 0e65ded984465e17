//! A request as far as a hook needs it.

/// Headers, body, and what stood behind the hook's name in the path.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Header names in lower case, with their values; as they came.
    pub headers: &'a [(String, String)],
    /// The body's bytes, unchanged: signatures cover them.
    pub body: &'a [u8],
    /// The part of the path behind the hook's name, `/hooks/<name>/<this>`, with `%XX` resolved. It may be a secret.
    pub path: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// The value of a header that came exactly once. Of two, nobody knows which the sender meant, so they count as none.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.trim());
        values.next().filter(|_| values.next().is_none())
    }

    /// The media type of the body, in lower case and without its parameters; empty if none is given.
    pub(super) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl std::fmt::Debug for Request<'_> {
    /// Headers and path may hold secrets, so only sizes are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("headers", &self.headers.len()).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}
