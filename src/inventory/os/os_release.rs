//! Which distribution is in an image, by `os-release`.
//!
//! Source: os-release(5) for the form: assignments as a shell reads them, without its expansions.

use std::borrow::Cow;

use crate::inventory::{Distro, Unreadable};

/// Distributions that roll, although some count their images by `VERSION_ID`; their advisories know no release.
const ROLLING: [&str; 8] = ["arch", "chainguard", "endeavouros", "gentoo", "manjaro", "opensuse-tumbleweed", "void", "wolfi"];

/// The longest known are openSUSE's and those of dates, with some twenty.
const WORD_BYTES_MAX: usize = 128;

/// Reads the distribution, with the release by which its advisories are kept.
///
/// Errors if there is no `ID`, or one that cannot be: without it nothing can be said of packages.
pub fn read(path: &str, bytes: &[u8]) -> Result<Distro, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let refuse = |why: String| Unreadable { path: path.to_owned(), why };
    let id = value(&text, "ID").ok_or_else(|| refuse("says no ID".to_owned()))?;
    if !is_word(&id) {
        return Err(refuse(format!("says an ID that is none: {:?}", id.chars().take(60).collect::<String>())));
    }
    let release = release(&id, &text).into_owned();
    let is_odd = |c: char| c == char::REPLACEMENT_CHARACTER || c == ' ' || c.is_control();
    if release.len() > WORD_BYTES_MAX || release.contains(is_odd) {
        return Err(refuse("says a VERSION_ID that is none".to_owned()));
    }
    Ok(Distro { release, codename: codename(&id, &text), id: id.into_owned() })
}

/// What advisories are kept by.
fn release<'a>(id: &str, text: &'a str) -> Cow<'a, str> {
    let version = value(text, "VERSION_ID").unwrap_or_default();
    match id {
        _ if ROLLING.contains(&id) => Cow::Borrowed(""),
        "alpine" => Cow::Owned(of_alpine(&version)),
        _ if is_of_red_hat(id, text) => Cow::Owned(version.split('.').next().unwrap_or_default().to_owned()),
        _ => version,
    }
}

/// `3.19` of `3.19.1`; edge calls itself an alpha of the release to come.
fn of_alpine(version: &str) -> String {
    let is_edge = version.contains("_alpha") || version == "edge";
    if is_edge { String::new() } else { version.split('.').take(2).collect::<Vec<_>>().join(".") }
}

/// Whether the first number is the release. Amazon's is like Red Hat's and goes its own way.
fn is_of_red_hat(id: &str, text: &str) -> bool {
    let is_like = || value(text, "ID_LIKE").is_some_and(|like| like.split_ascii_whitespace().any(|like| like == "rhel"));
    id == "rhel" || id == "centos" || id != "amzn" && is_like()
}

/// `VERSION_CODENAME`, or what older ones of Debian have in brackets: `8 (jessie)`.
fn codename(id: &str, text: &str) -> Option<String> {
    let in_brackets = || {
        let version = value(text, "VERSION").filter(|_| id == "debian")?;
        let name = version.split_once('(')?.1.split(')').next()?.trim().to_owned();
        Some(name)
    };
    let codename = value(text, "VERSION_CODENAME").map(Cow::into_owned).or_else(in_brackets)?;
    is_word(&codename).then_some(codename)
}

fn is_word(text: &str) -> bool {
    text.len() <= WORD_BYTES_MAX && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The value of a key; of several the last one counts. None if it is empty.
fn value<'a>(text: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let mut values = text.lines().filter_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix('='));
    values.next_back().map(unquoted).filter(|value| !value.is_empty())
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    if let Some(value) = value.strip_prefix('\'') {
        return Cow::Borrowed(value.strip_suffix('\'').unwrap_or(value));
    }
    let value = value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value));
    if value.contains('\\') { Cow::Owned(unescaped(value)) } else { Cow::Borrowed(value) }
}

fn unescaped(value: &str) -> String {
    let mut is_escaped = false;
    let kept = value.chars().filter(|c| {
        is_escaped = !is_escaped && *c == '\\';
        !is_escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match read("etc/os-release", text.as_bytes()) {
            Ok(distro) => format!("{}|{}|{}", distro.id, distro.release, distro.codename.as_deref().unwrap_or("-")),
            Err(fault) => fault.why,
        }
    }

    #[test]
    fn a_distribution_has_the_release_of_its_advisories() {
        for (text, expected) in [
            ("ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n", "debian|12|bookworm"),
            ("VERSION_ID=\"8\"\nVERSION=\"8 (jessie)\"\nID=debian\n", "debian|8|jessie"),
            ("PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nVERSION_CODENAME=trixie\nID=debian\n", "debian||trixie"),
            ("ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\n", "ubuntu|22.04|jammy"),
            ("ID=ubuntu\nVERSION_ID=\"14.04\"\nVERSION=\"14.04.6 LTS, Trusty Tahr\"\n", "ubuntu|14.04|-"),
            ("ID=alpine\nVERSION_ID=3.19.1\n", "alpine|3.19|-"),
            ("ID=alpine\nVERSION_ID=3.21.0_alpha20240807\n", "alpine||-"),
            ("ID=wolfi\nVERSION_ID=\"20230201\"\n", "wolfi||-"),
            ("ID=\"rhel\"\nVERSION_ID=\"9.3\"\n", "rhel|9|-"),
            ("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n", "centos|7|-"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\n", "rocky|8|-"),
            ("ID=fedora\nVERSION_ID=39\nVERSION_CODENAME=\"\"\n", "fedora|39|-"),
            ("ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n", "amzn|2|-"),
            ("ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\nID_LIKE=\"suse opensuse\"\n", "opensuse-leap|15.5|-"),
            ("ID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20240101\"\n", "opensuse-tumbleweed||-"),
            ("ID=\"openEuler\"\nVERSION_ID=\"22.03\"\n", "openEuler|22.03|-"),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_read_as_a_shell_reads_them() {
        for (text, expected) in [
            ("# ID=no\n  ID='debian' \nID_LIKE=x\nVERSION_ID=\"1\\2\"\r\n", "debian|12|-"),
            ("ID=a\nID=b\n", "b||-"),
            ("NAME=\u{fffd}\nID=b\n", "b||-"),
            ("", "says no ID"),
            ("ID=\n", "says no ID"),
            ("ID=\"a b\"\n", "says an ID that is none: \"a b\""),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
        for release in [b"1\xff".as_slice(), b"1\x1b[2J", b"1 2", &[b'1'; 129]] {
            assert_eq!(read("f", &[b"ID=a\nVERSION_ID=\"", release, b"\"\n"].concat()).unwrap_err().why, "says a VERSION_ID that is none");
        }
        assert!(said(&format!("ID={}\n", "a".repeat(129))).starts_with("says an ID that is none"));
    }
}
