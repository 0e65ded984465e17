//! Which files are Dockerfiles, by their names alone.

/// What a file's name says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A Dockerfile, which is read.
    Dockerfile,
    /// A template of one, which is listed and not read: it becomes a Dockerfile only by something that refit does not run.
    Template,
    /// Anything else.
    Other,
}

const TEMPLATES: [&str; 6] = ["template", "j2", "m4", "in", "jinja2", "tmpl"];

/// Text or source about a Dockerfile, or of the same name by chance.
const ORDINARY: [&str; 62] = [
    "md",
    "markdown",
    "rst",
    "adoc",
    "txt",
    "text",
    "html",
    "htm",
    "css",
    "pdf",
    "sh",
    "bash",
    "zsh",
    "fish",
    "ps1",
    "bat",
    "cmd",
    "py",
    "pyc",
    "rb",
    "pl",
    "pm",
    "php",
    "js",
    "mjs",
    "cjs",
    "jsx",
    "ts",
    "tsx",
    "go",
    "rs",
    "c",
    "h",
    "cc",
    "cpp",
    "hpp",
    "cs",
    "java",
    "kt",
    "scala",
    "lua",
    "swift",
    "vim",
    "el",
    "yml",
    "yaml",
    "json",
    "toml",
    "xml",
    "ini",
    "cfg",
    "conf",
    "csv",
    "sql",
    "log",
    "lock",
    "diff",
    "patch",
    "snap",
    "ipynb",
    "dockerignore",
    "gitignore",
];

/// Tells what a file is by its name, in any case.
///
/// A Dockerfile is called `Dockerfile` or `Containerfile`, either of them followed by `.`, `-` or `_` and more, or `*.Dockerfile` or
/// `*-Dockerfile`; it does not end as ordinary text, source or a template does.
pub fn file_kind(name: &str) -> FileKind {
    // Most files are something else, and are to be passed over quickly.
    if name.len() < "Dockerfile".len() || !looks_like_one(name) {
        return FileKind::Other;
    }
    let ends_with = |suffixes: &[&str]| name.rsplit_once('.').is_some_and(|(_, end)| suffixes.iter().any(|suffix| end.eq_ignore_ascii_case(suffix)));
    if ends_with(&TEMPLATES) {
        FileKind::Template
    } else if ends_with(&ORDINARY) {
        FileKind::Other
    } else {
        FileKind::Dockerfile
    }
}

fn looks_like_one(name: &str) -> bool {
    let begins = |word: &str| strip_prefix(name, word).is_some_and(|rest| rest.is_empty() || (rest.len() > 1 && rest.starts_with(['.', '-', '_'])));
    begins("Dockerfile") || begins("Containerfile") || before_dockerfile(name).is_some()
}

fn strip_prefix<'a>(name: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

/// What stands in front of `.Dockerfile` or `-Dockerfile`.
fn before_dockerfile(name: &str) -> Option<&str> {
    let (rest, word) = name.split_at_checked(name.len().checked_sub("Dockerfile".len())?)?;
    word.eq_ignore_ascii_case("Dockerfile").then(|| rest.strip_suffix(['.', '-']))?
}

/// The part of a Dockerfile's name that tells it from others in its folder: `web` of `Dockerfile.web` and of `web.Dockerfile`; empty if none.
pub(super) fn variant(name: &str) -> &str {
    let behind = strip_prefix(name, "Dockerfile").or_else(|| strip_prefix(name, "Containerfile"));
    match behind {
        Some(rest) => rest.trim_start_matches(['.', '-', '_']),
        None => before_dockerfile(name).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_dockerfiles() {
        use FileKind::{Dockerfile, Other, Template};
        for (name, kind, distinct) in [
            ("Dockerfile", Dockerfile, ""),
            ("dockerfile", Dockerfile, ""),
            ("DOCKERFILE", Dockerfile, ""),
            ("Containerfile", Dockerfile, ""),
            ("Dockerfile.web", Dockerfile, "web"),
            ("Dockerfile-web", Dockerfile, "web"),
            ("Dockerfile_web", Dockerfile, "web"),
            ("containerfile.web", Dockerfile, "web"),
            ("web.Dockerfile", Dockerfile, "web"),
            ("web-dockerfile", Dockerfile, "web"),
            (".Dockerfile", Dockerfile, ""),
            ("Dockerfile.3.12", Dockerfile, "3.12"),
            ("Dockerfile.dev.bak", Dockerfile, "dev.bak"),
            ("Dockerfile.", Other, ""),
            ("Dockerfiles", Other, "s"),
            ("MyDockerfile", Other, ""),
            ("web_Dockerfile", Other, ""),
            ("web.Containerfile", Other, ""),
            ("Dockerfile.md", Other, "md"),
            ("Dockerfile.SH", Other, "SH"),
            ("Dockerfile.dockerignore", Other, "dockerignore"),
            ("Dockerfile.web.dockerignore", Other, "web.dockerignore"),
            ("dockerfile.py", Other, "py"),
            ("dockerfile-notes.txt", Other, "notes.txt"),
            ("Dockerfile.j2", Template, "j2"),
            ("Dockerfile.web.TEMPLATE", Template, "web.TEMPLATE"),
            ("Dockerfile-alpine.tmpl", Template, "alpine.tmpl"),
            ("Containerfile.in", Template, "in"),
            ("web.Dockerfile.j2", Other, ""),
            ("Makefile", Other, ""),
            ("ééééééDockerfile", Other, ""),
            ("", Other, ""),
        ] {
            assert_eq!(file_kind(name), kind, "{name}");
            assert_eq!(variant(name), distinct, "{name}");
        }
    }
}
