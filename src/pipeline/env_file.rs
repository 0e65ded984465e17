//! Files of environment variables, as Compose's `env_file` reads them.

/// Reads `NAME=value` lines. An error is the line and what is wrong with it.
///
/// Blank lines and `#` lines are skipped; a value in single quotes is taken as it is, in double quotes `\n`, `\"`, `\\` are replaced; behind an unquoted
/// value ` #` begins a comment. `$NAME` is refused outside of single quotes, as in the pipelines themselves.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, (u32, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let refuse = |why: &str| (number, why.to_owned());
        let (name, value) = line.split_once('=').ok_or_else(|| refuse("expected `NAME=value`: a name alone would be taken from the environment"))?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(refuse("expected `NAME=value`"));
        }
        let value = value_of(value.trim_start()).map_err(refuse)?;
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

fn value_of(text: &str) -> Result<String, &'static str> {
    const DOLLAR: &str =
        "a variable in the value would come from the environment, which refit does not read: write the value, or put it in single quotes";
    const OPEN: &str = "a quote is opened and not closed on the same line";
    let has_variable =
        |text: &str| text.match_indices('$').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '{'));
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.split_once('\'').map(|(value, _)| value.to_owned()).ok_or(OPEN);
    }
    let Some(rest) = text.strip_prefix('"') else {
        let value = text.find(" #").map_or(text, |comment| &text[..comment]).trim_end();
        return if has_variable(value) { Err(DOLLAR) } else { Ok(value.to_owned()) };
    };
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') => break,
            Some('\\') => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => return Err(OPEN),
            },
            Some(c) => value.push(c),
            None => return Err(OPEN),
        }
    }
    if has_variable(&value) { Err(DOLLAR) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_compose_reads_them() {
        let text = "\u{feff}# notes\n\nA=1\nexport B = two words  # note\nC='$HOME #x'\nD=\"a\\nb \\\"c\\\"\"\nE=\nF=a=b\r\n";
        let read = parse(text).unwrap();
        let shown: Vec<String> = read.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(shown, ["A:1", "B:two words", "C:$HOME #x", "D:a\nb \"c\"", "E:", "F:a=b"]);
    }

    #[test]
    fn what_needs_an_environment_is_refused_with_its_line() {
        for (text, line) in [("A=1\nB", 2), ("A=$HOME", 1), ("\n\nA=\"x", 3), ("A='x", 1), ("a b=1", 1)] {
            assert_eq!(parse(text).map_err(|(line, _)| line), Err(line), "{text:?}");
        }
    }
}
