//! Errors in words: what happened together with what is behind it, on one line.

use std::error::Error;

use miette::Diagnostic;

/// An error with all its causes, the outermost first; a cause that its effect already quotes is not said twice.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in behind(error) {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
    }
    text
}

/// The same, and what to do next.
pub fn with_help(error: &(dyn Diagnostic + 'static)) -> String {
    let text = causes(error);
    error.help().map_or_else(|| text.clone(), |help| format!("{text} ({help})"))
}

/// The cause of all causes: what a library's own layers wrap, and which alone tells a person something.
pub fn deepest(error: &(dyn Error + 'static)) -> String {
    behind(error).last().unwrap_or(error).to_string()
}

fn behind<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("{words}")]
    #[diagnostic(help("try again"))]
    struct Layer {
        words: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(words: &[&'static str]) -> Layer {
        let (words, rest) = words.split_first().unwrap();
        Layer { words, source: (!rest.is_empty()).then(|| Box::new(layers(rest))) }
    }

    #[test]
    fn every_cause_is_said_once_and_the_last_one_alone_on_demand() {
        let error = layers(&["no answer: it is down", "it is down", "cable cut"]);
        assert_eq!(causes(&error), "no answer: it is down: cable cut");
        assert_eq!(with_help(&error), "no answer: it is down: cable cut (try again)");
        assert_eq!(deepest(&error), "cable cut");
        assert_eq!(deepest(&layers(&["alone"])), "alone");
    }
}
