//! What is wrong in a question, where, and what to write instead.

/// The text asks for no packages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at column {column} of `{text}`")]
pub struct QuestionError {
    /// What is wrong there.
    pub what: String,
    /// What was written; of a text that is too long, its beginning.
    pub text: String,
    /// Where in it, in characters from one.
    pub column: usize,
    /// What to do about it.
    pub help: String,
}

/// More of a wrong text tells nobody more.
const SHOWN_MAX: usize = 80;

impl QuestionError {
    /// A fault at a byte of the text.
    pub(super) fn at(text: &str, byte: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        let column = text.char_indices().take_while(|(at, _)| *at < byte).count() + 1;
        let shown = text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string();
        Self { what: what.into(), text: shown, column, help: help.into() }
    }
}
