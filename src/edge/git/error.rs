//! What can go wrong with a repository. URLs are shown without their secrets.

/// Why a repository did not give what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum GitError {
    /// Nobody answered, or it is no repository.
    #[error("git repository {url} cannot be reached: {why}")]
    #[diagnostic(help("try `git ls-remote {url}`"))]
    Unreachable {
        /// The repository.
        url: String,
        /// What was said.
        why: String,
    },
    /// The credentials at hand do not open it.
    #[error("git repository {url} refused access: {why}")]
    #[diagnostic(help("{}; `git ls-remote {url}` must work without a question", way_in(url)))]
    Denied {
        /// The repository.
        url: String,
        /// What was said, and what was tried.
        why: String,
    },
    /// ssh does not know the host, or knows it by another key.
    #[error("git repository {url}: {why}")]
    #[diagnostic(help("{hint}"))]
    UnknownHost {
        /// The repository.
        url: String,
        /// Whose key, and which file it is not in.
        why: String,
        /// What to do.
        hint: String,
    },
    /// There is no such branch, tag or commit.
    #[error("git repository {url} has no branch, tag or commit {reference}")]
    #[diagnostic(help("{hint}"))]
    UnknownReference {
        /// The repository.
        url: String,
        /// What was asked for.
        reference: String,
        /// The nearest names.
        hint: String,
    },
    /// The folder is not in the commit.
    #[error("there is no folder {path} at commit {commit} of {url}")]
    #[diagnostic(help("{hint}"))]
    NoFolder {
        /// The repository.
        url: String,
        /// The commit.
        commit: String,
        /// The folder.
        path: String,
        /// The nearest names.
        hint: String,
    },
    /// The context holds submodules, whose files are elsewhere.
    #[error("the build context in {url} at {commit} holds submodules, which are not fetched: {}", .paths.join(", "))]
    #[diagnostic(help("name them in .dockerignore if the build does not need them, else use a checkout of the repository as a folder"))]
    Submodules {
        /// The repository.
        url: String,
        /// The commit.
        commit: String,
        /// Where they are.
        paths: Vec<String>,
    },
    /// The cache or the repository on this machine is in trouble.
    #[error("git repository {place}: {why}")]
    Broken {
        /// Its folder, or its URL.
        place: String,
        /// What libgit2 or the system said.
        why: String,
    },
}

/// How a repository's user is given access.
fn way_in(url: &str) -> &'static str {
    match url.starts_with("http") {
        true => "give refit's user a login by a credential helper (`git config --global credential.helper`)",
        false => "give refit's user a key that the repository knows; one with a passphrase needs an agent (`ssh-add`)",
    }
}

/// The names nearest to what was asked, as a hint.
pub(super) fn nearest(asked: &str, names: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let mut ranked: Vec<(usize, &String)> = names.iter().map(|name| (distance(asked, name), name)).collect();
    ranked.sort();
    let near: Vec<&str> =
        ranked.iter().filter(|(far, _)| *far <= (asked.chars().count() / 2).max(2)).take(NAMED_MAX).map(|(_, name)| name.as_str()).collect();
    match near.is_empty() {
        true => "nothing there has a similar name".to_owned(),
        false => format!("did you mean {}?", near.join(", ")),
    }
}

/// How many letters must change to make one text of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered() {
        let names = ["main", "master", "v1.0", "release/2"].map(str::to_owned);
        assert_eq!(nearest("mian", &names), "did you mean main?");
        assert_eq!(nearest("x", &["completely-different".to_owned()]), "nothing there has a similar name");
        assert_eq!((distance("kitten", "sitting"), distance("", "abc")), (3, 3));
    }
}
