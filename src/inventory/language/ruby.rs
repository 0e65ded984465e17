//! Ruby's packages: the specification of each gem, `specifications/*.gemspec`, also those that come with Ruby (`specifications/default`).
//!
//! A specification is a program; RubyGems writes it line by line with literal values, and that is what is read. Source: RubyGems'
//! `Gem::Specification#to_ruby`, its stub line `# stub: name version platform paths`.

use super::Stated;
use crate::inventory::{Kind, ReadFile};

/// Reads the specification of one gem: its assignments, else its stub line, else its file's name.
pub fn read(path: &str, bytes: &[u8]) -> ReadFile {
    let text = String::from_utf8_lossy(bytes);
    let (stub, named) = (stub(&text), named(path));
    let either = |said: Option<String>, from_stub: fn((&str, &str)) -> String| {
        said.or_else(|| stub.map(from_stub)).or_else(|| named.map(from_stub)).unwrap_or_default()
    };
    let name = either(literal(&text, "name"), |(name, _)| name.to_owned());
    let version = either(literal(&text, "version"), |(_, version)| version.to_owned());
    let license = licenses(&text);
    let mut read = ReadFile::default();
    Stated { kind: Kind::Gem, name: &name, version: &version, license: license.as_deref() }.add_to(path, &mut read);
    read
}

/// Name and version of `# stub: rake 13.0.6 ruby lib`.
fn stub(text: &str) -> Option<(&str, &str)> {
    let line = text.lines().find_map(|line| line.strip_prefix("# stub: "))?;
    let mut words = line.split(' ');
    Some((words.next()?, words.next().filter(|version| is_version(version))?))
}

/// Name and version of `rake-13.0.6.gemspec` and `nokogiri-1.15.4-x86_64-linux.gemspec`.
fn named(path: &str) -> Option<(&str, &str)> {
    let stem = path.rsplit('/').next()?.strip_suffix(".gemspec")?;
    let (at, _) = stem.match_indices('-').find(|(at, _)| is_version(stem[at + 1..].split('-').next().unwrap_or_default()))?;
    Some((&stem[..at], stem[at + 1..].split('-').next()?))
}

/// Whether a text has the form of a gem's version: numbers first, then letters and numbers between points.
fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && text.chars().all(|each| each.is_ascii_alphanumeric() || each == '.')
}

/// What the first line `s.field = …` assigns, if it is a literal; `Gem::Version.new("1.0")` counts as one.
fn literal(text: &str, field: &str) -> Option<String> {
    let value = assigned(text, field)?;
    let value = value.strip_prefix("Gem::Version.new(").unwrap_or(value).trim_start();
    strings(value).next().filter(|_| value.starts_with(['"', '\'', '%'])).map(str::to_owned)
}

/// `s.licenses = ["MIT".freeze, "Ruby".freeze]` or `s.license = "MIT"`. Several are listed: nothing says whether one may be chosen or all hold.
fn licenses(text: &str) -> Option<String> {
    let value = assigned(text, "licenses").or_else(|| assigned(text, "license"))?;
    let words = value.strip_prefix("%w").and_then(|words| words.strip_prefix(['[', '(', '{'])).and_then(|words| words.split([']', ')', '}']).next());
    let all: Vec<&str> = words.map_or_else(|| strings(value).collect(), |words| words.split_whitespace().collect());
    (!all.is_empty()).then(|| all.join(", "))
}

/// The rest of the first line that assigns a field of whatever the specification is called in it.
fn assigned<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (receiver, rest) = line.trim_start().split_once('.')?;
        let is_name = !receiver.is_empty() && receiver.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
        let value = rest.strip_prefix(field).filter(|_| is_name)?.trim_start().strip_prefix('=')?;
        (!value.starts_with(['=', '~'])).then(|| value.trim())
    })
}

/// The strings in a line of Ruby: in quotes of either kind, or `%q<…>`. Escapes within are not resolved; names, versions and licences have none.
fn strings(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (at, open) = rest.char_indices().find(|(at, each)| matches!(each, '"' | '\'') || rest[*at..].starts_with("%q<"))?;
        let (skip, close) = if open == '%' { (3, '>') } else { (1, open) };
        let (within, after) = rest[at + skip..].split_once(close)?;
        rest = after;
        Some(within)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gem_is_read_from_what_its_specification_says_best() {
        for (path, text, said) in [
            ("s/a-1.gemspec", "  s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n  s.licenses = [\"MIT\".freeze]\n", "rake 13.0.6 MIT"),
            ("s/a-1.gemspec", "spec.name='rake'\nspec.version=Gem::Version.new('13.0.6')\nspec.license='MIT'", "rake 13.0.6 MIT"),
            ("s/a-1.gemspec", "s.name = %q<rake>\ns.version = %q<1.0>\ns.licenses = %w[MIT Ruby]", "rake 1.0 MIT, Ruby"),
            (
                "s/a-1.gemspec",
                "s.licenses = [\"Ruby\".freeze, \"BSD-2-Clause\".freeze]\n# stub: rake 13.0.6 ruby lib",
                "rake 13.0.6 Ruby, BSD-2-Clause",
            ),
            ("s/a-b-1.2.gemspec", "s.name = NAME\ns.version = Rake::VERSION\n", "a-b 1.2 -"),
            ("s/nokogiri-1.15.4-x86_64-linux.gemspec", "", "nokogiri 1.15.4 -"),
            ("s/net-http-2-1.0.0.pre1-java.gemspec", "", "net-http 2 -"),
            ("s/rake.gemspec", "", "says no name of a package"),
            ("s/rake.gemspec", "s.name == \"a\"\ns.version = \"1\"", "says no name of a package"),
        ] {
            let read = read(path, text.as_bytes());
            let package = read.packages.first().map(|is| format!("{} {} {}", is.name, is.version, is.license.as_deref().unwrap_or("-")));
            assert_eq!(package.or(read.unreadable.first().map(|gap| gap.why.clone())).as_deref(), Some(said), "{path}: {text}");
        }
    }
}
