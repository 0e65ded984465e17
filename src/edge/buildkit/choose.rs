//! Which entries of a context a build asks for.
//!
//! BuildKit names the paths that the Dockerfile's COPY and ADD reach for (`followpaths`), so that a large context is sent only in part.
//! Sending more than was asked is harmless, sending less is not: whatever is not plain here means everything.

use std::collections::{BTreeSet, VecDeque};

use crate::edge::{ContextEntry, EntryKind};

/// Links that lead to links come to an end here; the whole context is sent then.
const PATTERNS_MAX: usize = 1000;

/// Keeps the entries at or below one of `paths`, what links among them lead to, and the folders on the way. No paths: all entries.
pub(super) fn choose(entries: Vec<ContextEntry>, paths: &[String]) -> Vec<ContextEntry> {
    if paths.is_empty() {
        return entries;
    }
    let Some(patterns) = follow(&entries, paths) else { return entries };
    let mut wanted = BTreeSet::new();
    for entry in &entries {
        let parts: Vec<&str> = entry.path.split('/').collect();
        if patterns.iter().any(|pattern| pattern.len() <= parts.len() && matches(pattern, &parts)) {
            (1..=parts.len()).for_each(|depth| {
                wanted.insert(parts[..depth].join("/"));
            });
        }
    }
    entries.into_iter().filter(|entry| wanted.contains(&entry.path)).collect()
}

/// The patterns, by parts, with those added that links lead to. `None` stands for the whole context.
fn follow(entries: &[ContextEntry], paths: &[String]) -> Option<BTreeSet<Vec<String>>> {
    let links: Vec<(Vec<&str>, &str)> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Link(target) => Some((entry.path.split('/').collect(), target.as_str())),
            _ => None,
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut queue: VecDeque<Vec<String>> = paths.iter().map(|path| clean(&[], path)).collect();
    while let Some(pattern) = queue.pop_front() {
        if pattern.is_empty() || pattern.iter().any(|part| part.contains("**")) || seen.len() > PATTERNS_MAX {
            return None;
        }
        if !seen.insert(pattern.clone()) {
            continue;
        }
        for (link, target) in links.iter().filter(|(link, _)| link.len() <= pattern.len() && matches(&pattern[..link.len()], link)) {
            // The link itself is needed as well as what it leads to.
            seen.insert(link.iter().map(|&part| part.to_owned()).collect());
            let mut leads_to = clean(&link[..link.len() - 1], target);
            leads_to.extend_from_slice(&pattern[link.len()..]);
            queue.push_back(leads_to);
        }
    }
    Some(seen)
}

/// A path's parts from the context's root; `..` stops there, as it does in a build.
fn clean(folder: &[&str], path: &str) -> Vec<String> {
    let mut parts: Vec<String> = if path.starts_with('/') { Vec::new() } else { folder.iter().map(|&part| part.to_owned()).collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.to_owned()),
        }
    }
    parts
}

/// Whether a pattern's parts match the first parts of a path. Anything but plain text and `*` counts as a match.
fn matches(pattern: &[String], path: &[&str]) -> bool {
    pattern.iter().zip(path).all(|(pattern, part)| {
        if pattern.contains(['?', '[', '\\']) {
            return true;
        }
        match pattern.split_once('*') {
            None => pattern == part,
            Some((head, tail)) => {
                let tail = tail.rsplit('*').next().unwrap_or(tail);
                part.len() >= head.len() + tail.len() && part.starts_with(head) && part.ends_with(tail)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(paths: &[&str]) -> Vec<ContextEntry> {
        let entry = |text: &&str| {
            let (path, kind) = match text.split_once("->") {
                Some((path, target)) => (path, EntryKind::Link(target.to_owned())),
                None if text.ends_with('/') => (text.trim_end_matches('/'), EntryKind::Folder),
                None => (*text, EntryKind::File),
            };
            ContextEntry { path: path.to_owned(), kind, mode: 0o644, size: 0 }
        };
        paths.iter().map(entry).collect()
    }

    #[test]
    fn only_what_is_asked_for_is_sent() {
        let all = ["a", "app/", "app/src/", "app/src/main.c", "app/x.txt", "b->app/src", "c->/d", "d->c", "z.txt"];
        let check = |paths: &[&str], expected: &str| {
            let paths: Vec<String> = paths.iter().map(|&path| path.to_owned()).collect();
            let chosen: Vec<String> = choose(entries(&all), &paths).into_iter().map(|entry| entry.path).collect();
            assert_eq!(chosen.join(" "), expected, "{paths:?}");
        };
        let everything = "a app app/src app/src/main.c app/x.txt b c d z.txt";
        check(&[], everything);
        check(&["/"], everything);
        check(&["."], everything);
        check(&["**/x.txt"], everything);
        check(&["a"], "a");
        check(&["/app/src"], "app app/src app/src/main.c");
        check(&["*.txt"], "z.txt");
        check(&["a*/*.txt", "a"], "a app app/x.txt");
        check(&["b/main.c"], "app app/src app/src/main.c b");
        check(&["c"], "c d");
        check(&["nothing"], "");
    }
}
