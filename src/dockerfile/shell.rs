//! Quotes and variables in a word, as BuildKit's small shell has them: `$X ${X} ${X:-y} ${X:+y} ${X:?e} ${X#p} ${X%p} ${X/a/b}`.

use super::{pattern, text};

/// What a word may look up.
pub(super) trait Env {
    /// The value of a variable, if it is set.
    fn get(&self, name: &str) -> Option<&str>;
}

/// An environment in which nothing is set.
pub(super) struct Nothing;

impl Env for Nothing {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ShellError {
    /// A quote or brace is not closed.
    #[error("a {0} is not closed")]
    Unclosed(&'static str),
    /// `${}` with something in it that is no substitution.
    #[error("`${{…}}` is no substitution that BuildKit knows")]
    Substitution,
    /// A pattern that cannot be matched.
    #[error("the pattern in `${{…}}` cannot be matched")]
    Pattern,
    /// `${X?…}` of an unset variable: what its author says about it.
    #[error("{0}: {1}")]
    Demanded(String, String),
    /// Variables made of variables that grew without bound.
    #[error("what comes of it is longer than {VALUE_BYTES_MAX} bytes")]
    TooLong,
    /// Braces in braces in braces …
    #[error("`${{…}}` stands too deep in itself")]
    TooDeep,
}

/// Deeper than anybody writes, and far from the end of the stack.
const DEPTH_MAX: usize = 200;

/// No reference comes near this; without it, ARGs that double one another would fill the memory.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// How words are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer {
    escape: char,
    /// Quotes stay in the result.
    raw_quotes: bool,
    /// Escapes stay in the result.
    raw_escapes: bool,
    /// A variable that is not set stays as it is written.
    skip_unset: bool,
}

impl Lexer {
    /// With quotes and escapes taken off and unset variables empty.
    pub(super) fn new(escape: char) -> Self {
        Self { escape, raw_quotes: false, raw_escapes: false, skip_unset: false }
    }

    /// For finding heredocs: unset variables, and if wanted quotes and escapes, stay.
    pub(super) fn for_heredocs(raw_quotes: bool, raw_escapes: bool) -> Self {
        Self { escape: '\\', raw_quotes, raw_escapes, skip_unset: true }
    }

    /// The word with everything in it expanded.
    pub(super) fn word(self, word: &[u8], env: &dyn Env) -> Result<String, ShellError> {
        let plain = |b: &u8| b.is_ascii() && !matches!(b, b'$' | b'\'' | b'"') && char::from(*b) != self.escape;
        match std::str::from_utf8(word) {
            Ok(text) if word.iter().all(plain) => Ok(text.to_owned()),
            _ => Ok(self.both(word, env)?.0),
        }
    }

    /// The words into which it falls at blanks after expansion.
    pub(super) fn words(self, word: &[u8], env: &dyn Env) -> Result<Vec<String>, ShellError> {
        Ok(self.both(word, env)?.1)
    }

    fn both(self, word: &[u8], env: &dyn Env) -> Result<(String, Vec<String>), ShellError> {
        let mut chars: Vec<char> = text::chars(word).map(|(_, c)| c).collect();
        // The reader underneath BuildKit's passes over a byte order mark.
        if chars.first() == Some(&'\u{FEFF}') {
            chars.remove(0);
        }
        let mut run = Run { lexer: self, chars: &chars, at: 0, env, raw_escapes: self.raw_escapes, depth: 0 };
        let mut words = Words::default();
        let text = run.until(None, self.raw_escapes, Some(&mut words))?;
        Ok((text, words.end()))
    }
}

/// Cuts at white space while characters come.
#[derive(Default)]
struct Words {
    word: String,
    words: Vec<String>,
    inside: bool,
}

impl Words {
    fn char(&mut self, c: char) {
        if !c.is_whitespace() {
            self.raw(c.encode_utf8(&mut [0; 4]));
        } else if self.inside && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
            self.inside = false;
        }
    }

    fn raw(&mut self, text: &str) {
        self.word += text;
        self.inside = true;
    }

    fn end(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

struct Run<'a> {
    lexer: Lexer,
    chars: &'a [char],
    at: usize,
    env: &'a dyn Env,
    raw_escapes: bool,
    depth: usize,
}

/// What stands behind `${`.
struct Variable<'v> {
    name: String,
    value: Option<&'v str>,
    /// It is not set, and such ones stay as they are written.
    keep: bool,
}

impl Run<'_> {
    /// Heredocs are looked for in whole instructions, in which nothing grows.
    fn check_length(&self, out: &str) -> Result<(), ShellError> {
        if !self.lexer.skip_unset && out.len() > VALUE_BYTES_MAX { Err(ShellError::TooLong) } else { Ok(()) }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Reads up to `stop` and takes it, or up to the end if there is none.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool, mut words: Option<&mut Words>) -> Result<String, ShellError> {
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let mut out = String::new();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.at += 1;
                self.raw_escapes = outer;
                return Ok(out);
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    if let Some(words) = words.as_deref_mut() {
                        value.chars().for_each(|c| words.char(c));
                    }
                    out += &value;
                    self.check_length(&out)?;
                }
                '\'' | '"' => {
                    let value = if c == '"' { self.double_quote()? } else { self.single_quote()? };
                    if let Some(words) = words.as_deref_mut() {
                        words.raw(&value);
                    }
                    out += &value;
                    self.check_length(&out)?;
                }
                _ => self.plain(&mut out, words.as_deref_mut()),
            }
        }
        self.raw_escapes = outer;
        if stop.is_some() { Err(ShellError::Unclosed("`${`")) } else { Ok(out) }
    }

    /// One character that is neither quote nor dollar; behind an escape, any.
    fn plain(&mut self, out: &mut String, mut words: Option<&mut Words>) {
        let Some(c) = self.next() else { return };
        if c != self.lexer.escape {
            out.push(c);
            if let Some(words) = words {
                words.char(c);
            }
            return;
        }
        let mut raw = |c: char| {
            out.push(c);
            if let Some(words) = words.as_deref_mut() {
                words.raw(c.encode_utf8(&mut [0; 4]));
            }
        };
        if self.raw_escapes {
            raw(c);
        }
        if let Some(c) = self.next() {
            raw(c);
        }
    }

    fn single_quote(&mut self) -> Result<String, ShellError> {
        self.at += 1;
        let raw = self.lexer.raw_quotes;
        let mut out = String::from(if raw { "'" } else { "" });
        loop {
            match self.next() {
                None => return Err(ShellError::Unclosed("single quote")),
                Some('\'') => {
                    out += if raw { "'" } else { "" };
                    return Ok(out);
                }
                Some(c) => out.push(c),
            }
        }
    }

    fn double_quote(&mut self) -> Result<String, ShellError> {
        self.at += 1;
        let raw = self.lexer.raw_quotes;
        let mut out = String::from(if raw { "\"" } else { "" });
        loop {
            match self.peek() {
                None => return Err(ShellError::Unclosed("double quote")),
                Some('"') => {
                    self.at += 1;
                    out += if raw { "\"" } else { "" };
                    return Ok(out);
                }
                Some('$') => {
                    out += &self.dollar()?;
                    self.check_length(&out)?;
                }
                Some(mut c) => {
                    self.at += 1;
                    if c == self.lexer.escape {
                        if self.raw_escapes {
                            out.push(c);
                        }
                        match self.peek() {
                            // The missing quote is found the next time round.
                            None => continue,
                            // Only these can be escaped here; in front of anything else the escape stays.
                            Some(escaped) if matches!(escaped, '"' | '$') || escaped == self.lexer.escape => {
                                c = escaped;
                                self.at += 1;
                            }
                            Some(_) => {}
                        }
                    }
                    out.push(c);
                }
            }
        }
    }

    fn dollar(&mut self) -> Result<String, ShellError> {
        self.at += 1;
        if self.peek() == Some('{') {
            self.at += 1;
            if self.depth >= DEPTH_MAX {
                return Err(ShellError::TooDeep);
            }
            self.depth += 1;
            let value = self.braces();
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.env.get(&name) {
            Some(value) => value.to_owned(),
            None if self.lexer.skip_unset => format!("${name}"),
            None => String::new(),
        })
    }

    /// Behind `${`.
    fn braces(&mut self) -> Result<String, ShellError> {
        match self.peek() {
            None => return Err(ShellError::Unclosed("`${`")),
            Some('{' | '}' | ':') => return Err(ShellError::Substitution),
            Some(_) => {}
        }
        let (env, name) = (self.env, self.name());
        let value = env.get(&name);
        let variable = Variable { keep: value.is_none() && self.lexer.skip_unset, name, value };
        match self.next() {
            Some('}') if variable.keep => Ok(format!("${{{}}}", variable.name)),
            Some('}') => Ok(value.unwrap_or_default().to_owned()),
            Some('/') => self.replacement(&variable),
            Some(':') => {
                let modifier = self.next();
                self.modified(&variable, modifier, ":")
            }
            Some(c @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&variable, Some(c), ""),
            _ => Err(ShellError::Substitution),
        }
    }

    /// Behind `${X:-` and its like. With a colon an empty value counts as none.
    fn modified(&mut self, variable: &Variable<'_>, modifier: Option<char>, colon: &str) -> Result<String, ShellError> {
        let Variable { name, value, keep } = variable;
        let counts = value.filter(|value| colon.is_empty() || !value.is_empty());
        let word = self.until(Some('}'), matches!(modifier, Some('#' | '%')), None)?;
        if *keep {
            let modifier = modifier.unwrap_or(char::REPLACEMENT_CHARACTER);
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let bad = |_| ShellError::Pattern;
        match modifier {
            Some('-') => Ok(counts.map_or(word, str::to_owned)),
            Some('+') => Ok(counts.map_or_else(String::new, |_| word)),
            Some('?') => match counts {
                Some(value) => Ok(value.to_owned()),
                None if !word.is_empty() => Err(ShellError::Demanded(name.clone(), word)),
                None => {
                    let why = if value.is_none() { "it must be set" } else { "it must not be empty" };
                    Err(ShellError::Demanded(name.clone(), why.to_owned()))
                }
            },
            Some(c @ ('#' | '%')) => {
                let (greedy, pattern) = word.strip_prefix(c).map_or((false, &*word), |longest| (true, longest));
                let value = value.unwrap_or_default();
                if c == '#' {
                    pattern::trim_prefix(pattern, value, greedy).map_err(bad)
                } else {
                    pattern::trim_suffix(pattern, value, greedy).map_err(bad)
                }
            }
            _ => Err(ShellError::Substitution),
        }
    }

    /// Behind `${X/`.
    fn replacement(&mut self, variable: &Variable<'_>) -> Result<String, ShellError> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let pattern = self.until(Some('/'), true, None)?;
        let replacement = self.until(Some('}'), true, None)?;
        if variable.keep {
            return Ok(format!("${{{}/{pattern}/{replacement}}}", variable.name));
        }
        pattern::replace(&pattern, variable.value.unwrap_or_default(), &replacement, all).map_err(|_| ShellError::Pattern)
    }

    /// A variable's name: letters, digits and `_`; or digits alone; or one special character.
    fn name(&mut self) -> String {
        let start = self.at;
        match self.peek() {
            Some(c) if c.is_numeric() => {
                while self.peek().is_some_and(char::is_numeric) {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => {
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    self.at += 1;
                }
            }
        }
        self.chars[start..self.at].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table;
    impl Env for Table {
        fn get(&self, name: &str) -> Option<&str> {
            match name {
                "X" => Some("a.b.c"),
                "E" => Some(""),
                _ => None,
            }
        }
    }

    fn check(word: &str, expanded: &str) {
        assert_eq!(Lexer::new('\\').word(word.as_bytes(), &Table).as_deref(), Ok(expanded), "{word}");
    }

    #[test]
    fn words_are_expanded_as_buildkit_does() {
        check("plain", "plain");
        check("$X-${X}", "a.b.c-a.b.c");
        check("${U}$U|", "|");
        check("${U:-y}${U-y}${E:-y}[${E-y}]", "yyy[]");
        check("${X:+y}${X+y}${E+y}[${E:+y}${U+y}]", "yyy[]");
        check("${X?no}${E?no}", "a.b.c");
        check("${X#*.}|${X##*.}|${X%.*}|${X%%.*}", "b.c|c|a.b|a");
        check("${X/./-}|${X//./-}", "a-b.c|a-b-c");
        check("${U:-${X}}", "a.b.c");
        check("'$X'\"$X\"\\$X", "$Xa.b.c$X");
        check("\"a\\b\\\"c\\$X\"", "a\\b\"c$X");
        check("$1a$$b$", "ab$");
        check("a\\", "a");
    }

    #[test]
    fn what_is_no_substitution_is_an_error() {
        for word in ["'", "\"", "${X", "${", "${}", "${:x}", "${X:0:3}", "${X!y}", "${X:-", "${X/a}", "${X/a/b", "${U?}", "${U:?why}", "${X#\\a}"] {
            assert!(Lexer::new('\\').word(word.as_bytes(), &Table).is_err(), "{word}");
        }
        let deep = "${X:-".repeat(100_000);
        assert!(Lexer::new('\\').word(deep.as_bytes(), &Table).is_err());
    }

    #[test]
    fn words_fall_apart_at_blanks_but_not_in_quotes() {
        let words = |lexer: Lexer, text: &str| lexer.words(text.as_bytes(), &Table).unwrap();
        assert_eq!(words(Lexer::new('\\'), "a 'b c' \"d e\" f\\ g ''"), ["a", "b c", "d e", "f g"]);
        assert_eq!(words(Lexer::for_heredocs(true, true), "RUN <<'A' ${U:-x} \\<<B"), ["RUN", "<<'A'", "${U:-x}", "\\<<B"]);
    }
}
