//! Shell patterns as BuildKit has them in `${X#p}`, `${X%p}` and `${X/p/r}`: `*`, `?` and escapes, no brackets.

/// The pattern cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPattern;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Char(char),
    One,
    Any,
}

/// A match costs pattern × text; beyond this nobody means it.
const COST_MAX: usize = 50_000_000;

fn tokens(pattern: &[char]) -> Result<Vec<Token>, BadPattern> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern.iter();
    while let Some(&c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' if matches!(rest.as_slice().first(), Some('}' | '/')) => continue,
            '\\' => match rest.next() {
                Some(&c @ ('*' | '?' | '\\')) => Token::Char(c),
                _ => return Err(BadPattern),
            },
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// For every place of `text`, where a match that begins there ends. A line end is never matched by a wildcard.
fn ends(pattern: &[Token], text: &[char], greedy: bool) -> Result<Vec<Option<usize>>, BadPattern> {
    if pattern.len().saturating_mul(text.len()) > COST_MAX {
        return Err(BadPattern);
    }
    let mut below: Vec<Option<usize>> = (0..=text.len()).map(Some).collect();
    for token in pattern.iter().rev() {
        let mut row = vec![None; text.len() + 1];
        for at in (0..=text.len()).rev() {
            let wild = text.get(at).is_some_and(|c| *c != '\n');
            row[at] = match token {
                Token::Char(c) if text.get(at) == Some(c) => below[at + 1],
                Token::One if wild => below[at + 1],
                Token::Char(_) | Token::One => None,
                Token::Any => {
                    let more = if wild { row[at + 1] } else { None };
                    if greedy { more.or(below[at]) } else { below[at].or(more) }
                }
            };
        }
        below = row;
    }
    Ok(below)
}

/// `value` without what `pattern` matches at its beginning.
pub(super) fn trim_prefix(pattern: &str, value: &str, greedy: bool) -> Result<String, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let value: Vec<char> = value.chars().collect();
    Ok(trimmed(&pattern, &value, greedy)?.iter().collect())
}

/// `value` without what `pattern` matches at its end.
pub(super) fn trim_suffix(pattern: &str, value: &str, greedy: bool) -> Result<String, BadPattern> {
    // Both are turned round, so that the shortest match is one from the left.
    let pattern = reversed(&pattern.chars().collect::<Vec<_>>());
    let value: Vec<char> = value.chars().rev().collect();
    Ok(trimmed(&pattern, &value, greedy)?.iter().rev().collect())
}

fn trimmed<'a>(pattern: &[char], value: &'a [char], greedy: bool) -> Result<&'a [char], BadPattern> {
    let end = ends(&tokens(pattern)?, value, greedy)?[0];
    Ok(&value[end.unwrap_or(0)..])
}

/// Turned round, with each escape still in front of what it escapes.
fn reversed(pattern: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((&c, tail)) = rest.split_first() {
        match tail.split_first() {
            Some((&escaped, after)) if c == '\\' => {
                out.extend([escaped, c]);
                rest = after;
            }
            _ => {
                out.push(c);
                rest = tail;
            }
        }
    }
    out.reverse();
    out
}

/// `value` with the first match of `pattern`, or all of them, replaced.
pub(super) fn replace(pattern: &str, value: &str, replacement: &str, all: bool) -> Result<String, BadPattern> {
    let pattern = tokens(&pattern.chars().collect::<Vec<_>>())?;
    let value: Vec<char> = value.chars().collect();
    let ends = ends(&pattern, &value, true)?;
    let text = |range: &[char]| range.iter().collect::<String>();
    if !all {
        let Some((start, end)) = next_match(&ends, 0) else { return Ok(text(&value)) };
        return Ok(text(&value[..start]) + replacement + &text(&value[end..]));
    }
    let (mut out, mut done, mut search) = (String::new(), 0, 0);
    while search <= value.len() {
        let Some((start, end)) = next_match(&ends, search) else { break };
        out += &text(&value[done..start]);
        // An empty match right behind another one does not count.
        if end > done || start == 0 {
            out += &expand_template(replacement, &text(&value[start..end]));
        }
        done = end;
        search = if search < value.len() { end.max(search + 1) } else { value.len() + 1 };
    }
    Ok(out + &text(&value[done..]))
}

fn next_match(ends: &[Option<usize>], from: usize) -> Option<(usize, usize)> {
    ends.iter().enumerate().skip(from).find_map(|(start, end)| Some((start, (*end)?)))
}

/// Replacing all goes through a template there, in which `$0` is the match, `$$` a dollar and every other name nothing.
fn expand_template(template: &str, matched: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let (name, tail) = match after.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some((name, tail)) if is_name(name) => (name, tail),
                _ => ("", after),
            },
            None => after.split_at(after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())),
        };
        if name.is_empty() {
            out.push('$');
        } else if name.chars().all(|c| c == '0') && name.len() == 1 {
            out += matched;
        }
        rest = tail;
    }
    out + rest
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_suffixes_and_replacements() {
        for (pattern, value, greedy, prefix, suffix) in [
            ("*.", "a.b.c", false, "b.c", "a.b.c"),
            ("*.", "a.b.c", true, "c", "a.b.c"),
            (".*", "a.b.c", false, "a.b.c", "a.b"),
            (".*", "a.b.c", true, "a.b.c", "a"),
            ("?", "abc", false, "bc", "ab"),
            (r"\*", "*a*", false, "a*", "*a"),
            ("[a]", "[a]b[a]", false, "b[a]", "[a]b"),
            ("", "a", true, "a", "a"),
        ] {
            assert_eq!(trim_prefix(pattern, value, greedy).as_deref(), Ok(prefix), "{pattern} # {value}");
            assert_eq!(trim_suffix(pattern, value, greedy).as_deref(), Ok(suffix), "{pattern} % {value}");
        }
        assert_eq!(trim_prefix(r"\a", "a", true), Err(BadPattern));
        for (pattern, value, replacement, first, all) in [
            ("b", "abcb", "X", "aXcX".replacen('X', "X", 1).replace("cX", "cb"), "aXcX".to_owned()),
            ("b*", "abcb", "X", "aX".to_owned(), "aX".to_owned()),
            ("", "ab", "-", "-ab".to_owned(), "-a-b-".to_owned()),
            ("x", "ab", "-", "ab".to_owned(), "ab".to_owned()),
            (r"\/", "a/b/c", ".", "a.b/c".to_owned(), "a.b.c".to_owned()),
        ] {
            assert_eq!(replace(pattern, value, replacement, false), Ok(first), "{value}/{pattern}");
            assert_eq!(replace(pattern, value, replacement, true), Ok(all), "{value}//{pattern}");
        }
        assert_eq!(replace("b", "abc", "[$0$x$$${1}$]", true).as_deref(), Ok("a[b$$]c"));
    }
}
