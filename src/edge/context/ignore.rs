//! `.dockerignore` as Docker reads it, which is not as git reads its own: patterns count from the root, the last one that matches wins.
//!
//! Source: the rules of the Moby project's pattern matcher, its less known ones included (`**foo` means every path that ends in `foo`).

/// The patterns of one `.dockerignore`.
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

/// A line that Docker refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreError {
    /// From 1.
    pub line: usize,
    /// The pattern.
    pub pattern: String,
    /// Why.
    pub why: &'static str,
}

/// Which rules matched a folder; what lies in it takes them over.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

/// Where a Dockerfile's ignore rules may stand, the first that exists counts: its own, then the context's.
pub fn ignore_files(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

#[derive(Debug, Clone)]
struct Rule {
    keeps: bool,
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Exact,
    Prefix(String),
    Suffix(String),
    Pattern(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    /// `?`: one letter that is no `/`.
    One,
    /// `*`: any letters that are no `/`.
    Any,
    /// `**/`: any folders, or none.
    Folders,
    /// `**` at the end: anything.
    Rest,
    /// `[a-z]`.
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
    /// `^` beside wildcards stands for the beginning.
    Start,
}

impl IgnoreRules {
    /// Reads a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let refuse = |why| IgnoreError { line: index + 1, pattern: line.trim().to_owned(), why };
            rules.push(Rule::read(line.trim()).map_err(refuse)?);
        }
        Ok(Self { rules })
    }

    /// Whether `path` is ignored, given what its folder matched (nothing at the root), and what is taken over by what lies in it.
    pub fn ignored(&self, path: &str, folder: Option<&Matched>) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = vec![false; self.rules.len()];
        for (index, rule) in self.rules.iter().enumerate() {
            let inherited = folder.is_some_and(|folder| folder.0[index]);
            // A rule that would change nothing is not looked at, and not taken over: so Docker does it.
            matched[index] = inherited || (rule.keeps == ignored && rule.matches(path));
            if matched[index] {
                ignored = !rule.keeps;
            }
        }
        (ignored, Matched(matched))
    }

    /// Whether something below an ignored folder may yet be kept.
    pub fn may_keep_below(&self, folder: &str) -> bool {
        self.rules.iter().filter(|rule| rule.keeps).any(|rule| match rule.kind {
            Kind::Exact => rule.text.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
            _ => true,
        })
    }
}

impl Rule {
    fn read(line: &str) -> Result<Self, &'static str> {
        let (keeps, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            return Err("`!` needs a pattern after it");
        }
        let text = clean(pattern);
        Ok(Self { keeps, kind: compile(&text)?, text })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Kind::Suffix(suffix) => path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path),
            Kind::Pattern(tokens) => matches(tokens, &path.chars().collect::<Vec<_>>(), 0),
        }
    }
}

/// A path without `.`, `..`, doubled and outer slashes; `..` at the beginning stays, and so matches nothing.
fn clean(pattern: &str) -> String {
    let rooted = pattern.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match parts.is_empty() {
        true if rooted => "/".to_owned(),
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

fn compile(text: &str) -> Result<Kind, &'static str> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    // As in Docker, how a pattern is compared depends on which wildcards it has: none, one `**` at an end, or others.
    let (mut plain, mut prefix, mut suffix) = (true, false, false);
    let mut at = 0;
    while at < chars.len() {
        let began = at;
        let letter = chars[at];
        at += 1;
        match letter {
            '*' if chars.get(at) == Some(&'*') => {
                at += 1;
                if chars.get(at) == Some(&'/') {
                    at += 1;
                }
                let last = at == chars.len();
                tokens.push(if last { Token::Rest } else { Token::Folders });
                prefix = last && plain;
                suffix = began == 0;
                plain = false;
                continue;
            }
            '*' => tokens.push(Token::Any),
            '?' => tokens.push(Token::One),
            '[' => {
                let (class, next) = class(&chars, at)?;
                tokens.push(class);
                at = next;
            }
            '\\' => {
                tokens.push(Token::Char(*chars.get(at).ok_or("a backslash needs a letter after it")?));
                at += 1;
            }
            '^' => {
                tokens.push(Token::Start);
                continue;
            }
            letter => {
                tokens.push(Token::Char(letter));
                continue;
            }
        }
        (plain, prefix, suffix) = (false, false, false);
    }
    Ok(match (suffix, prefix, plain) {
        (true, ..) => Kind::Suffix(text[2..].to_owned()),
        (_, true, _) => Kind::Prefix(text.trim_end_matches('*').to_owned()),
        (.., true) => Kind::Exact,
        _ => Kind::Pattern(tokens),
    })
}

/// The class whose `[` stands before `at`, and where it ends.
fn class(chars: &[char], mut at: usize) -> Result<(Token, usize), &'static str> {
    const OPEN: &str = "`[` is not closed";
    let not = chars.get(at) == Some(&'^');
    at += usize::from(not);
    let mut ranges = Vec::new();
    let letter = |at: &mut usize| -> Result<char, &'static str> {
        if chars.get(*at) == Some(&'\\') {
            *at += 1;
        }
        let letter = *chars.get(*at).ok_or(OPEN)?;
        *at += 1;
        Ok(letter)
    };
    loop {
        if chars.get(at) == Some(&']') && !ranges.is_empty() {
            return Ok((Token::Class { not, ranges }, at + 1));
        }
        if matches!(chars.get(at), Some(']' | '-')) {
            return Err("a class begins with neither `]` nor `-`");
        }
        let low = letter(&mut at)?;
        let mut high = low;
        if chars.get(at) == Some(&'-') {
            at += 1;
            high = letter(&mut at)?;
        }
        ranges.push((low, high));
    }
}

fn matches(tokens: &[Token], path: &[char], at: usize) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return at == path.len() };
    let one = |fits: &dyn Fn(char) -> bool| path.get(at).is_some_and(|&letter| fits(letter)) && matches(rest, path, at + 1);
    match token {
        Token::Char(wanted) => one(&|letter| letter == *wanted),
        Token::One => one(&|letter| letter != '/'),
        Token::Class { not, ranges } => one(&|letter| ranges.iter().any(|&(low, high)| (low..=high).contains(&letter)) != *not),
        Token::Start => at == 0 && matches(rest, path, at),
        Token::Rest => true,
        Token::Any => {
            let end = path[at..].iter().position(|&letter| letter == '/').map_or(path.len(), |slash| at + slash);
            (at..=end).any(|next| matches(rest, path, next))
        }
        Token::Folders => matches(rest, path, at) || (at..path.len()).any(|slash| path[slash] == '/' && matches(rest, path, slash + 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a path is ignored, with its folders asked first as a walk does it.
    fn ignored(rules: &IgnoreRules, path: &str) -> bool {
        let mut folder: Option<Matched> = None;
        let mut last = false;
        for end in path.match_indices('/').map(|(at, _)| at).chain([path.len()]) {
            let (now, matched) = rules.ignored(&path[..end], folder.as_ref());
            (last, folder) = (now, Some(matched));
        }
        last
    }

    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        let check = |text: &str, gone: &str, kept: &str| {
            let rules = IgnoreRules::parse(text).unwrap();
            for path in gone.split_whitespace() {
                assert!(ignored(&rules, path), "{text:?} ignores {path}");
            }
            for path in kept.split_whitespace() {
                assert!(!ignored(&rules, path), "{text:?} keeps {path}");
            }
        };
        check("a", "a a/b a/b/c", "b/a ab");
        check("/a\nb/\n./c", "a a/x b b/x c", "x/a x/b");
        check("*.md", "x.md .md", "a/x.md xmd");
        check("*/*.md", "a/x.md", "x.md a/b/x.md");
        check("**/*.md", "x.md a/x.md a/b/x.md", "x.mdx");
        check("**", "a a/b", "");
        check("**/x", "x a/x a/b/x x/y", "xx ax a/xx");
        check("**x", "x ax a/bx", "xa");
        check("a/**", "a/b a/b/c", "a b/a ab");
        check("a/**/b", "a/b a/x/b a/x/y/b", "a/xb b");
        check("a**", "a ab a/b abc/d", "b/a");
        check("a?c", "abc", "ac abbc a/c");
        check("[a-c]1", "a1 c1", "d1 1");
        check("[^a]x", "bx", "ax");
        check("a\\*b", "a*b", "axb");
        check("*\n!*.md\nREADME.md", "x README.md d", "other.md");
        check("*.md\n!README*.md\nREADME-secret.md", "x.md README-secret.md", "README.md README-2.md");
        check("d\n!d/keep", "d/x d", "d/keep d/keep/x");
        check("!d/keep\nd", "d/x d/keep", "");
        check("# a comment\n\n  b  \n", "b", "a");
        check("\u{feff}a\r\nb\r\n", "a b", "");
        check(".", "", "a b/c");
        check("a/../b", "b", "a");
        check("! d\n", "", "d");
        check("a.b+(c)", "a.b+(c)", "aXb+(c)");
        check("*.b+(c)", "a.b+(c)", "a.bb(c)");
        check("é*", "été é/x", "e");
    }

    #[test]
    fn bad_patterns_are_refused_with_their_line() {
        for (text, line) in [("a\n!\n", 2), ("[a\n", 1), ("[]a]\n", 1), ("x\n\nb\\\n", 3)] {
            assert_eq!(IgnoreRules::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn an_ignored_folder_is_entered_only_for_what_may_be_kept() {
        let rules = IgnoreRules::parse("a\n!a/b/c\n").unwrap();
        assert!(rules.may_keep_below("a") && rules.may_keep_below("a/b"));
        assert!(!rules.may_keep_below("b") && !rules.may_keep_below("a/b/c"));
        assert!(IgnoreRules::parse("a\n!**/x\n").unwrap().may_keep_below("b"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[ab*?!/.#\\[\\]^\\\\\n-]{0,20}", path in "[ab./]{1,8}") {
            if let Ok(rules) = IgnoreRules::parse(&text) {
                let _ = ignored(&rules, &path);
            }
        }

        /// Without exceptions, what lies in an ignored folder is ignored.
        #[test]
        fn ignoring_reaches_down(patterns in proptest::collection::vec("[ab*?/]{1,6}", 0..4), folder in "[ab]{1,3}", name in "[ab]{1,3}") {
            let rules = IgnoreRules::parse(&patterns.join("\n")).unwrap();
            let below = format!("{folder}/{name}");
            prop_assert!(!ignored(&rules, &folder) || ignored(&rules, &below));
        }

        /// A pattern without wildcards names itself.
        #[test]
        fn a_plain_path_ignores_itself(path in "[a-z]{1,5}(/[a-z]{1,5}){0,3}") {
            prop_assert!(ignored(&IgnoreRules::parse(&path).unwrap(), &path));
            let kept_again = format!("{path}\n!{path}");
            prop_assert!(!ignored(&IgnoreRules::parse(&kept_again).unwrap(), &path));
        }
    }
}
