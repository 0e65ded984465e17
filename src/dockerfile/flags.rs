//! Which flags an instruction takes, and the checking of those it was given.

use super::text;
use super::words::Flag;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Takes {
    /// Nothing, `true` or `false`.
    Bool,
    /// One value.
    Value,
    /// A value, and it may be repeated.
    Values,
}

/// The flags that an instruction takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known(&'static [(&'static str, Takes)]);

/// No flags.
pub(super) const NONE: Known = Known(&[]);
/// `ADD`.
pub(super) const ADD: Known = Known(&[
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Bool),
    ("keep-git-dir", Takes::Bool),
    ("checksum", Takes::Value),
    ("unpack", Takes::Bool),
    ("exclude", Takes::Values),
]);
/// `COPY`.
pub(super) const COPY: Known = Known(&[
    ("from", Takes::Value),
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Bool),
    ("parents", Takes::Bool),
    ("exclude", Takes::Values),
]);
/// `FROM`.
pub(super) const FROM: Known = Known(&[("platform", Takes::Value)]);
/// `HEALTHCHECK CMD`.
pub(super) const HEALTHCHECK: Known = Known(&[
    ("interval", Takes::Value),
    ("timeout", Takes::Value),
    ("start-period", Takes::Value),
    ("start-interval", Takes::Value),
    ("retries", Takes::Value),
]);
/// `RUN`.
pub(super) const RUN: Known = Known(&[("mount", Takes::Values), ("network", Takes::Value), ("security", Takes::Value), ("device", Takes::Values)]);

/// A flag that was given, with the place of its value in the flag's text.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// Its name.
    pub(super) name: &'static str,
    /// Its value; empty for a bool without one.
    pub(super) value: &'a [u8],
    /// The flag itself, for places.
    pub(super) flag: &'a Flag,
}

impl Given<'_> {
    /// Where the value begins in the flag's text.
    pub(super) fn value_at(&self) -> usize {
        self.flag.text.len() - self.value.len()
    }
}

impl Known {
    /// Checks what was given. The error is a phrase.
    pub(super) fn check(self, flags: &[Flag]) -> Result<Vec<Given<'_>>, String> {
        let mut given: Vec<Given<'_>> = Vec::new();
        for flag in flags {
            let body = &flag.text[2..];
            let (name, value) = match memchr::memchr(b'=', body) {
                Some(equals) => (&body[..equals], Some(&body[equals + 1..])),
                None => (body, None),
            };
            let Some((name, takes)) = self.0.iter().find(|(known, _)| known.as_bytes() == name) else {
                return Err(format!("unknown flag --{}", text::to_string(name)));
            };
            if *takes != Takes::Values && given.iter().any(|g| g.name == *name) {
                return Err(format!("flag --{name} stands twice"));
            }
            let value = match (takes, value) {
                (Takes::Bool, None) => &[][..],
                (Takes::Bool, Some(v)) if text::is_word(v, "true") || text::is_word(v, "false") => v,
                (Takes::Bool, Some(_)) => return Err(format!("flag --{name} is true or false")),
                (_, Some(value)) => value,
                (_, None) => return Err(format!("flag --{name} needs a value: --{name}=…")),
            };
            given.push(Given { name, value, flag });
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::words::split_command;

    #[test]
    fn flags_are_known_and_have_their_values() {
        for (known, line, ok) in [
            (COPY, "COPY --from=a --link --parents=TRUE --exclude=x --exclude=y a b", true),
            (COPY, "COPY --from= a b", true),
            (COPY, "COPY --from a b", false),
            (COPY, "COPY --from=a --from=b a b", false),
            (COPY, "COPY --link= a b", false),
            (COPY, "COPY --link=1 a b", false),
            (COPY, "COPY --keep-git-dir a b", false),
            (COPY, "COPY --From=a a b", false),
            (ADD, "ADD --from=a a b", false),
            (ADD, "ADD --unpack=false --checksum=x a b", true),
            (RUN, "RUN --mount=a --mount=b x", true),
            (NONE, "CMD --x", false),
            (NONE, "CMD x --x", true),
        ] {
            let command = split_command(line.as_bytes(), b'\\');
            assert_eq!(known.check(&command.flags).is_ok(), ok, "{line}");
        }
    }
}
