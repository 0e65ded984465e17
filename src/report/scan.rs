//! A scan for people: the tree from bases to leaves, then what is odd, then the templates that were not read.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::table::plain;
use crate::scan::{Oddity, OddityKind, Root, Row, Scan};

/// So many further images are named behind a Dockerfile before the rest is counted.
const ALSO_SHOWN_MAX: usize = 3;

/// The whole text, without a line end behind it. `colour` makes headings bold; nothing depends on it.
pub fn scan(scan: &Scan, colour: bool) -> String {
    let bold = |text: &str| if colour { console::style(text).force_styling(true).bold().to_string() } else { text.to_owned() };
    let mut out = String::new();
    let (trees, alone): (Vec<Root>, Vec<Root>) = scan.forest().roots.into_iter().partition(|root| !root.rows.is_empty());
    for root in &trees {
        tree(&mut out, root, &bold(&root.name));
    }
    // Builder stages, COPY --from, mounts: a move of these rebuilds as well.
    if !alone.is_empty() {
        let _ = writeln!(out, "{}", bold(&format!("Used only while building ({})", alone.len())));
        for root in &alone {
            let _ = writeln!(out, "  {}  {}", root.name, fan_out(root));
        }
        out.push('\n');
    }
    let oddities = scan.oddities();
    if !oddities.is_empty() {
        let _ = writeln!(out, "{}", bold(&format!("Oddities ({})", oddities.len())));
        odd(&mut out, &oddities);
        out.push('\n');
    }
    if !scan.templates.is_empty() {
        let _ = writeln!(out, "{}", bold(&format!("Templates, not read ({})", scan.templates.len())));
        for template in &scan.templates {
            let _ = writeln!(out, "  {}", plain(template));
        }
        out.push('\n');
    }
    out + &summary(scan, oddities.len())
}

fn tree(out: &mut String, root: &Root, name: &str) {
    let _ = writeln!(out, "{name}  {}", fan_out(root));
    let mut last_of: Vec<bool> = Vec::new();
    for row in &root.rows {
        last_of.truncate(row.depth);
        for last in &last_of {
            *out += if *last { "   " } else { "│  " };
        }
        *out += if row.last { "└─ " } else { "├─ " };
        last_of.push(row.last);
        let _ = writeln!(out, "{}", row_text(row));
    }
    out.push('\n');
}

/// How many need it themselves, and how many are rebuilt when it moves.
fn fan_out(root: &Root) -> String {
    let direct = count(root.direct, "Dockerfile");
    if root.direct == root.all { direct } else { format!("{direct}, {} in all", root.all) }
}

fn row_text(row: &Row) -> String {
    let mut text = plain(&row.path);
    if row.all > 0 {
        let _ = write!(text, "  ({} above)", row.all);
    }
    if !row.also.is_empty() {
        let shown = row.also.iter().take(ALSO_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let _ = write!(text, "  + {shown}");
        if row.also.len() > ALSO_SHOWN_MAX {
            let _ = write!(text, " and {} more", row.also.len() - ALSO_SHOWN_MAX);
        }
    }
    text
}

/// What stops something first, one by one; then images that change, by image, because one habit makes many of them.
fn odd(out: &mut String, oddities: &[Oddity]) {
    let mut mutable: BTreeMap<&str, Vec<&Oddity>> = BTreeMap::new();
    for oddity in oddities {
        match &oddity.kind {
            OddityKind::Mutable(image) => mutable.entry(image).or_default().push(oddity),
            _ => {
                let _ = writeln!(out, "  {}", plain(&oddity.to_string()));
            }
        }
    }
    for places in mutable.values() {
        let _ = writeln!(out, "  {} ({})", places[0].kind, places.len());
        for place in places {
            let _ = writeln!(out, "    {}:{}", plain(&place.path), place.line.unwrap_or_default());
        }
    }
}

fn summary(scan: &Scan, oddities: usize) -> String {
    if scan.dockerfiles.is_empty() {
        return "no Dockerfiles here".to_owned();
    }
    let refused = scan.dockerfiles.iter().filter(|file| file.error.is_some()).count();
    let mut text = format!("{}, {} between them", count(scan.dockerfiles.len(), "Dockerfile"), count(scan.edges.len(), "edge"));
    if refused > 0 {
        let _ = write!(text, ", {refused} refused");
    }
    match oddities {
        0 => text + ", nothing odd",
        1 => text + ", 1 oddity",
        n => text + &format!(", {n} oddities"),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::ReadOptions;
    use crate::scan::file;

    fn shown(files: &[(&str, &str)], templates: &[&str]) -> String {
        let files = files.iter().map(|(path, text)| file((*path).to_owned(), text.as_bytes(), &ReadOptions::default())).collect();
        scan(&crate::scan::scan(files, templates.iter().map(|t| (*t).to_owned()).collect(), "shop"), false)
    }

    #[test]
    fn a_scan_is_a_tree_and_what_is_odd() {
        let text = shown(
            &[
                ("images/base/Dockerfile", "FROM debian:bookworm-slim"),
                ("images/python/Dockerfile", "FROM base"),
                (
                    "web/Dockerfile",
                    "FROM golang:1.22 AS build\nFROM base\nCOPY --from=build a b\nCOPY --from=a:1 x y\nCOPY --from=b:1 x y\nCOPY --from=c:1 x y",
                ),
                ("api/Dockerfile", "FROM shop/python:3"),
                ("worker/Dockerfile", "FROM shop/python:3"),
                ("tools/Dockerfile", "FROM debian"),
                ("lint/Dockerfile", "ARG V\nFROM $V"),
                ("old/Dockerfile", "FROM debian\nRUM x"),
                ("static/Dockerfile", "FROM scratch"),
            ],
            &["web/Dockerfile.j2"],
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_cycle_is_shown_once() {
        insta::assert_snapshot!(shown(&[("a/Dockerfile", "FROM b:1"), ("b/Dockerfile", "FROM a:1"), ("c/Dockerfile", "FROM a:1")], &[]));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(shown(&[], &[]), "no Dockerfiles here");
    }
}
