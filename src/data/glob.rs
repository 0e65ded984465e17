//! Paths and patterns: what a pattern names, and all that lies below it.

/// Whether a pattern covers an absolute path: it names the path itself or a folder above it.
///
/// `*` and `?` stand for letters within one name, `**` for any folders or none.
pub(super) fn covers(pattern: &str, path: &str) -> bool {
    let names = |text: &str| -> Vec<String> { text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect() };
    folders(&names(pattern), &names(path))
}

fn folders(pattern: &[String], path: &[String]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((first, rest)) if first == "**" => (0..=path.len()).any(|skipped| folders(rest, &path[skipped..])),
        Some((first, rest)) => path.split_first().is_some_and(|(name, below)| letters(first.as_bytes(), name.as_bytes()) && folders(rest, below)),
    }
}

fn letters(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skipped| letters(rest, &name[skipped..])),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, more)| letters(rest, more)),
        Some((letter, rest)) => name.split_first().is_some_and(|(first, more)| first == letter && letters(rest, more)),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_pattern_covers_what_it_names_and_all_below_it() {
        let check = |pattern: &str, path: &str, expected: bool| assert_eq!(covers(pattern, path), expected, "{pattern} {path}");
        check("/tmp", "/tmp", true);
        check("/tmp", "/tmp/a/b", true);
        check("/tmp", "/tmpfile", false);
        check("/tmp/", "/tmp/a", true);
        check("/srv/*.log", "/srv/a.log", true);
        check("/srv/*.log", "/srv/a.log.1", false);
        check("/srv/*.log", "/srv/deeper/a.log", false);
        check("/srv/**/*.log", "/srv/a.log", true);
        check("/srv/**/*.log", "/srv/deeper/still/a.log", true);
        check("**/__pycache__", "/app/lib/__pycache__/a.pyc", true);
        check("**/__pycache__", "/app/lib/cache", false);
        check("/srv/**", "/srv/a", true);
        check("/srv/**", "/other", false);
        check("/srv/data-?", "/srv/data-1/x", true);
        check("/srv/data-?", "/srv/data-10", false);
    }
}
