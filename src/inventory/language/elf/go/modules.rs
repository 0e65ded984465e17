//! The lines of Go's build information: `mod` for the main module, `dep` for each other, `=>` for what replaces the one above.
//!
//! Source: `String` of `BuildInfo` in Go's `runtime/debug`: fields between tabs, `word path version sum`.

use super::Stated;
use crate::inventory::{Kind, ReadFile};

/// How Go calls a version that it does not know.
const UNKNOWN: &str = "(devel)";

/// A module as a program has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Module<'a> {
    path: &'a str,
    version: &'a str,
}

impl Module<'_> {
    pub(super) fn add_to(&self, path: &str, read: &mut ReadFile) {
        Stated { kind: Kind::Golang, name: self.path, version: self.version, license: None }.add_to(path, read);
    }

    fn is_known(&self) -> bool {
        !self.version.is_empty() && self.version != UNKNOWN
    }
}

/// The modules of a program, each as it is in it: where one is replaced, what replaces it.
///
/// A folder that replaces a module has no version, so the module stays under its own, which its dependents asked for. The main module is left out
/// when its version is not known, as in any program that was built from a checkout before Go 1.24.
pub(super) fn of(text: &str) -> Vec<Module<'_>> {
    let mut modules: Vec<Module<'_>> = Vec::new();
    let mut is_after_module = false;
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (word, path, version) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let module = Module { path, version };
        match word {
            "mod" | "dep" => modules.push(module),
            "=>" if is_after_module && module.is_known() => drop(modules.pop().map(|_| modules.push(module))),
            _ => {}
        }
        is_after_module = matches!(word, "mod" | "dep");
    }
    modules.retain(Module::is_known);
    modules
}

/// Whether a program says its modules: not if it was built in the way of old (`GOPATH`), or by a build system of another kind.
///
/// Go's own commands say none, and need nothing but the library.
pub(super) fn are_said(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("mod\t") || line.starts_with("dep\t") || line.starts_with("path\tcmd/"))
}

/// The version of Go's own library, by what the compiler says of itself: `go1.22.3`, `go1.22.3 X:boringcrypto`, `devel go1.23-f5c7416 Thu …`.
pub(super) fn go_version(said: &str) -> Option<&str> {
    let number = said.split(' ').find_map(|word| word.strip_prefix("go").filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())))?;
    Some(number.split_once("-X:").map_or(number, |(number, _)| number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_those_that_are_in_the_program() {
        for (text, modules) in [
            ("path\tx\nmod\tx\tv1.0.0\th1:a=\ndep\ty\tv2.0.0\th1:b=\n", "x v1.0.0, y v2.0.0"),
            ("mod\tx\t(devel)\t\ndep\ty\tv2.0.0\n", "y v2.0.0"),
            ("dep\ty\tv2.0.0\n=>\tz\tv3.0.0\th1:c=\ndep\ta\tv1\n", "z v3.0.0, a v1"),
            ("dep\ty\tv2.0.0\n=>\t./y\t(devel)\t\n", "y v2.0.0"),
            ("dep\ty\tv2.0.0\nbuild\t-compiler=gc\n=>\tz\tv3\n", "y v2.0.0"),
            ("=>\tz\tv3\n\ndep\n", ""),
            ("", ""),
        ] {
            let said: Vec<String> = of(text).iter().map(|module| format!("{} {}", module.path, module.version)).collect();
            assert_eq!(said.join(", "), modules, "{text}");
        }
    }

    #[test]
    fn a_program_that_says_no_modules_is_told_apart_from_one_that_has_none() {
        for (text, said) in [("path\tx\nmod\tx\t(devel)\t\n", true), ("path\tcmd/go\nbuild\tGOOS=linux\n", true), ("path\tx\n", false), ("", false)] {
            assert_eq!(are_said(text), said, "{text}");
        }
    }

    #[test]
    fn the_library_has_the_compilers_version() {
        for (said, version) in [
            ("go1.22.3", Some("1.22.3")),
            ("go1.22.3 X:boringcrypto", Some("1.22.3")),
            ("go1.26.0-X:nodwarf5", Some("1.26.0")),
            ("go1.22.5 (Red Hat 1.22.5-1.el9)", Some("1.22.5")),
            ("devel go1.23-f5c7416511 Thu May 2 14:50:34 2024 +0000", Some("1.23-f5c7416511")),
            ("devel +a1b2c3 Thu", None),
            ("", None),
        ] {
            assert_eq!(go_version(said), version, "{said}");
        }
    }
}
