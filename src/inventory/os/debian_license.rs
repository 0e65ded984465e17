//! Debian's short names of licences as SPDX has them, and what stands between them.
//!
//! Source: "Machine-readable debian/copyright file" 1.0, section 7: `or` binds weaker than `and`, a comma weakest of all, and `GPL-2+` is version 2 or
//! any later one. A name that is not known to be SPDX's under another stays as it is.

use std::borrow::Cow;

/// Families of which SPDX says whether later versions will do.
const GNU: [&str; 4] = ["AGPL", "GFDL", "GPL", "LGPL"];
/// Families whose versions SPDX writes with two numbers, as `Apache-2.0`.
const NUMBERED: [&str; 10] = ["Apache", "Artistic", "CC-BY", "CC-BY-NC", "CC-BY-ND", "CC-BY-SA", "CC0", "CDDL", "EPL", "MPL"];
/// Names that differ otherwise.
const NAMES: [(&str, &str); 7] = [
    ("Expat", "MIT"),
    ("Artistic", "Artistic-1.0"),
    ("BSD-2-clause", "BSD-2-Clause"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("BSD-4-clause", "BSD-4-Clause"),
    ("CC0", "CC0-1.0"),
    ("zlib", "Zlib"),
];

/// The expression of one `License` field: `GPL-2+ or Artistic, and BSD-3-clause` is `(GPL-2.0-or-later OR Artistic-1.0) AND BSD-3-Clause`.
pub(super) fn expression(synopsis: &str) -> String {
    let mut is_choice = false;
    let clauses = synopsis.split(',').map(str::trim).filter(|clause| !clause.is_empty()).map(|clause| {
        let choice = after_word(clause, "or");
        is_choice |= choice.is_some();
        names(choice.or_else(|| after_word(clause, "and")).unwrap_or(clause))
    });
    let clauses: Vec<String> = clauses.collect();
    join(clauses, if is_choice { " OR " } else { " AND " })
}

/// Joins expressions, each in brackets where it would otherwise fall apart.
pub(super) fn join(expressions: Vec<String>, between: &str) -> String {
    let needs = |text: &String| expressions.len() > 1 && (text.contains(" OR ") || between == " OR " && text.contains(" AND "));
    expressions
        .iter()
        .map(|text| if needs(text) { Cow::Owned(format!("({text})")) } else { Cow::Borrowed(text.as_str()) })
        .collect::<Vec<_>>()
        .join(between)
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(' ')?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

/// Names with `and` and `or` between them; of a name with more words (`with OpenSSL exception`) the first is translated.
fn names(clause: &str) -> String {
    let mut is_first = true;
    let words = clause.split_ascii_whitespace().map(|word| {
        let between = ["and", "or"].into_iter().find(|between| word.eq_ignore_ascii_case(between));
        let said = if between.is_some() {
            Cow::Owned(word.to_ascii_uppercase())
        } else if is_first {
            name(word)
        } else {
            Cow::Borrowed(word)
        };
        is_first = between.is_some();
        said
    });
    words.collect::<Vec<_>>().join(" ")
}

/// One name as SPDX has it.
fn name(debian: &str) -> Cow<'_, str> {
    if let Some((_, spdx)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(debian)) {
        return Cow::Borrowed(spdx);
    }
    let is_later = debian.ends_with('+');
    let Some((family, version)) = debian.trim_end_matches('+').rsplit_once('-') else { return Cow::Borrowed(debian) };
    let Some(version) = version_of_two(version) else { return Cow::Borrowed(debian) };
    if GNU.contains(&family) {
        Cow::Owned(format!("{family}-{version}-{}", if is_later { "or-later" } else { "only" }))
    } else if NUMBERED.contains(&family) {
        Cow::Owned(format!("{family}-{version}{}", if is_later { "+" } else { "" }))
    } else {
        Cow::Borrowed(debian)
    }
}

/// `2.0` of `2`, and `2.1` of itself; none if it is no such version.
fn version_of_two(version: &str) -> Option<Cow<'_, str>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        None => is_number(version).then(|| Cow::Owned(format!("{version}.0"))),
        Some((major, minor)) => (is_number(major) && is_number(minor)).then_some(Cow::Borrowed(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_become_those_of_spdx() {
        for (debian, spdx) in [
            ("Expat", "MIT"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-3", "GPL-3.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("GPL-2.0-or-later", "GPL-2.0-or-later"),
            ("GPL", "GPL"),
            ("Apache-2", "Apache-2.0"),
            ("Apache-2.0", "Apache-2.0"),
            ("MPL-1.1+", "MPL-1.1+"),
            ("CC-BY-SA-3", "CC-BY-SA-3.0"),
            ("bsd-3-clause", "BSD-3-Clause"),
            ("public-domain", "public-domain"),
            ("permissive-2", "permissive-2"),
            ("GPL-2+-with-exception", "GPL-2+-with-exception"),
            ("-", "-"),
            ("+", "+"),
        ] {
            assert_eq!(name(debian), spdx, "{debian}");
        }
    }

    #[test]
    fn words_between_names_bind_as_debian_says() {
        for (debian, spdx) in [
            ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0"),
            ("GPL-2+ OR Expat And ISC", "GPL-2.0-or-later OR MIT AND ISC"),
            ("GPL-2+ or Artistic, and BSD-3-clause", "(GPL-2.0-or-later OR Artistic-1.0) AND BSD-3-Clause"),
            ("Expat and ISC, or GPL-2", "(MIT AND ISC) OR GPL-2.0-only"),
            ("A, B, and C", "A AND B AND C"),
            ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later with OpenSSL exception"),
            ("  , ", ""),
        ] {
            assert_eq!(expression(debian), spdx, "{debian}");
        }
    }
}
