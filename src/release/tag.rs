//! Immutable tags: what an image is called so that it can never be confused with what ran before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, context};

use crate::model::{Digest, ImageRef, RunId};

/// What a tag is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagParts<'a> {
    /// The image, whose name the tag is put on.
    pub image: &'a ImageRef,
    /// The commit of its context.
    pub commit: Option<&'a str>,
    /// The branch or tag that was asked for.
    pub branch: Option<&'a str>,
    /// All that it depends on.
    pub inputs: Digest,
    /// The run that builds it.
    pub run: RunId,
    /// When the run began.
    pub now: Timestamp,
}

/// Why a tag template gives no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum TagError {
    /// The template is broken, or asks for what there is not.
    #[error("tag template {template:?} cannot be used: {why}")]
    #[diagnostic(help("it may use commit, commit12, branch, inputs, inputs12, run, date and time"))]
    Template {
        /// The template.
        template: String,
        /// Why.
        why: String,
    },
    /// Two builds could get one tag.
    #[error("tag template {template:?} gives different builds the same tag")]
    #[diagnostic(help("put `{{{{ inputs12 }}}}` or `{{{{ run }}}}` into it: a tag once given is never moved"))]
    NotUnique {
        /// The template.
        template: String,
    },
    /// What came out is no tag.
    #[error("tag template {template:?} gives {tag:?}, which is no tag: {why}")]
    #[diagnostic(help("a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"))]
    NoTag {
        /// The template.
        template: String,
        /// What came out.
        tag: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// The tag is on another image already.
    #[error("tag {tag} was given to {taken} and is never moved")]
    #[diagnostic(help("put `{{{{ inputs12 }}}}` into the image's tag template"))]
    Taken {
        /// The tag.
        tag: ImageRef,
        /// The image that has it.
        taken: Digest,
    },
}

/// `<commit or 'local'>-<first 12 of inputs>`.
const DEFAULT: &str = "{{ commit12 }}-{{ inputs12 }}";

/// The tag of a build, by the image's template or the default one.
///
/// A template must give builds of different inputs or different runs different tags: this is tried out, not guessed from its text.
pub fn tag(template: Option<&str>, parts: &TagParts<'_>) -> Result<ImageRef, TagError> {
    let template = template.unwrap_or(DEFAULT);
    let text = render(template, parts)?;
    let other = TagParts { inputs: Digest::of(parts.inputs.hex().as_bytes()), run: RunId(parts.run.0.wrapping_add(1)), ..parts.clone() };
    if render(template, &other)? == text {
        return Err(TagError::NotUnique { template: template.to_owned() });
    }
    parts.image.with_tag(&text).map_err(|error| TagError::NoTag { template: template.to_owned(), tag: text, why: error.reason })
}

/// Refuses to move a tag: it may be given again only to the image that has it. `given` is every tag of the journal.
pub fn check_free(tag: &ImageRef, id: Digest, given: &BTreeMap<ImageRef, Digest>) -> Result<(), TagError> {
    match given.get(tag) {
        Some(taken) if *taken != id => Err(TagError::Taken { tag: tag.clone(), taken: *taken }),
        _ => Ok(()),
    }
}

fn render(template: &str, parts: &TagParts<'_>) -> Result<String, TagError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let commit = parts.commit.unwrap_or("local");
    let values = context! {
        commit => commit,
        commit12 => commit.get(..12).unwrap_or(commit),
        branch => parts.branch.unwrap_or("local"),
        inputs => parts.inputs.hex(),
        inputs12 => parts.inputs.short(),
        run => parts.run.0,
        date => parts.now.strftime("%Y%m%d").to_string(),
        time => parts.now.strftime("%H%M%S").to_string(),
    };
    environment.render_str(template, values).map_err(|error| TagError::Template { template: template.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: Option<&str>, commit: Option<&str>, expected: &str) {
        let image = "shop/web".parse().unwrap();
        let now = "2026-05-04T03:02:01Z".parse().unwrap();
        let parts = TagParts { image: &image, commit, branch: Some("main"), inputs: Digest::of(b"x"), run: RunId(7), now };
        let shown = match tag(template, &parts) {
            Ok(tag) => tag.familiar(),
            Err(error) => error.to_string(),
        };
        assert!(shown.starts_with(expected), "{template:?}: {shown}");
    }

    #[test]
    fn a_tag_is_unique_and_valid_or_refused() {
        let commit = Some("0123456789abcdef0123456789abcdef01234567");
        check(None, commit, "shop/web:0123456789ab-2d711642b726");
        check(None, None, "shop/web:local-2d711642b726");
        check(Some("{{ date }}.{{ run }}"), commit, "shop/web:20260504.7");
        check(Some("{{ branch }}-{{ inputs }}"), commit, "shop/web:main-2d711642b726b04401627ca9fbac32f5");
        check(Some("current"), commit, "tag template \"current\" gives different builds the same tag");
        check(Some("{{ commit }}"), commit, "tag template \"{{ commit }}\" gives different builds the same tag");
        check(Some("-{{ run }}"), commit, "tag template \"-{{ run }}\" gives \"-7\", which is no tag");
        check(Some("{{ nope }}"), commit, "tag template \"{{ nope }}\" cannot be used");
        check(Some("{{ run "), commit, "tag template \"{{ run \" cannot be used");
    }

    #[test]
    fn a_tag_once_given_is_never_moved() {
        let tag: ImageRef = "shop/web:1".parse().unwrap();
        let given = BTreeMap::from([(tag.clone(), Digest::of(b"a"))]);
        assert!(check_free(&tag, Digest::of(b"a"), &given).is_ok());
        assert!(check_free(&tag, Digest::of(b"b"), &given).is_err());
        assert!(check_free(&tag, Digest::of(b"b"), &BTreeMap::new()).is_ok());
    }
}
