//! A service's `data`: what becomes of what its containers hold outside their volumes.

use super::at::At;
use super::defaults;
use super::forms::Short;
use super::lower::Lower;
use super::near::nearest;
use super::raw_service as raw;
use super::service::{DataPolicy, OnLoss, Snapshot};

/// Every word of `data`, and what it means.
const WORDS: [(&str, OnLoss); 3] = [("refuse", OnLoss::Refuse), ("adopt", OnLoss::Adopt), ("discard", OnLoss::Discard)];

impl Lower<'_> {
    pub(super) fn data(&mut self, at: &At<'_>, raw: Option<&Short<raw::Data>>) -> DataPolicy {
        match raw {
            None => DataPolicy::default(),
            Some(Short::Short(word)) => DataPolicy { on_loss: self.on_loss(at, word), ..DataPolicy::default() },
            Some(Short::Long(long)) => DataPolicy {
                on_loss: long.on_loss.as_ref().map_or_else(OnLoss::default, |word| self.on_loss(&at.key("on_loss"), word)),
                ignore: self.ignored(&at.key("ignore"), &long.ignore),
                adopt_max: self.size(&at.key("adopt_max"), long.adopt_max.as_ref()).unwrap_or(defaults::ADOPT_MAX),
                snapshot: match long.snapshot {
                    Some(raw::Snapshot::Before) => Snapshot::Before,
                    Some(raw::Snapshot::Never) | None => Snapshot::Never,
                },
            },
        }
    }

    fn on_loss(&mut self, at: &At<'_>, word: &str) -> OnLoss {
        if let Some((_, known)) = WORDS.iter().find(|(name, _)| *name == word) {
            return *known;
        }
        let words = WORDS.map(|(name, _)| format!("`{name}`"));
        let words = words.split_last().map(|(last, rest)| format!("{} or {last}", rest.join(", "))).unwrap_or_default();
        let help = nearest(word, WORDS.iter().map(|(name, _)| *name)).map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        self.findings.error(at, format!("expected {words}, found `{word}`"), help);
        OnLoss::default()
    }

    fn ignored(&mut self, at: &At<'_>, paths: &[String]) -> Vec<String> {
        for (index, path) in paths.iter().enumerate() {
            if !path.starts_with('/') && !path.starts_with("**/") {
                let help = "begin it with `/`, or with `**/` for any folder";
                self.findings.error(&at.index(index), format!("expected an absolute path in the container, found `{path}`"), help);
            }
            if path.split('/').all(|name| matches!(name, "" | "**" | "*")) {
                let help = "write `data: discard` if all that a container writes may go";
                self.findings.error(&at.index(index), format!("`{path}` ignores everything"), help);
            }
        }
        paths.to_vec()
    }
}
