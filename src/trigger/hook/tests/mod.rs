//! Samples of every sender, proofs of every kind, and bodies that nobody sends.

mod proofs;
mod properties;
mod samples;
mod senders;

use super::*;
use crate::model::Secret;

/// Headers as a server gives them.
fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A hook of any format, without settings.
fn hook(auth: Auth) -> Hook {
    Hook {
        name: "sender".parse().unwrap(),
        at: crate::model::Place { file: "pipelines/shop.yaml".into(), line: 1 },
        format: None,
        auth,
        secrets: Vec::new(),
        registry: None,
        fields: None,
    }
}

fn body(sample: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/hooks/{sample}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|error| panic!("{sample}: {error}"))
}

/// What was heard, as a line: `repository:tag@` for each hint (with `@` if a digest came along, `-` for no tag).
fn shown(hints: &[Hint]) -> String {
    let one = |hint: &Hint| format!("{}:{}{}", hint.repository, hint.tag.as_deref().unwrap_or("-"), if hint.digest.is_some() { "@" } else { "" });
    hints.iter().map(one).collect::<Vec<_>>().join(" ")
}
