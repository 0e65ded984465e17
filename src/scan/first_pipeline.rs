//! A first pipeline for a folder of Dockerfiles: every image by a name, edges left to the Dockerfiles, and the rest to fill in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::edges::{built_name, repository};
use super::file_name::variant;
use super::oddity::OddityKind;
use super::{FileScan, Scan};

/// Writes the text of a pipeline file that builds every Dockerfile of the scan that can be read.
///
/// `root` is what the scanned folder is called, and `folder` its path from the folder that holds `pipelines/` (`.` for that one itself).
pub fn first_pipeline(scan: &Scan, root: &str, folder: &str) -> String {
    let mut out = String::from(
        "# Written by `refit init` from the Dockerfiles that are there. Who inherits from whom is read from them; see it with `refit graph`.\n",
    );
    let images = names(scan, root);
    let unresolved = unresolved(scan);
    let (open, kept): (Vec<_>, Vec<_>) = images.iter().partition(|(_, index)| unresolved.contains_key(scan.dockerfiles[**index].path.as_str()));
    out += if kept.is_empty() { "images: {}\n" } else { "images:\n" };
    for (name, index) in &kept {
        out += &image(name, &scan.dockerfiles[**index], folder, "");
    }
    for (name, index) in &open {
        let file = &scan.dockerfiles[**index];
        let (why, argument) = &unresolved[file.path.as_str()];
        let _ = writeln!(out, "  # Left out until its argument is set: {}", plain(why));
        let text = image(name, file, folder, &format!(", args: {{ {argument}: VALUE }}"));
        text.lines().for_each(|line| {
            let _ = writeln!(out, "  # {}", line.strip_prefix("  ").unwrap_or(line));
        });
    }
    for file in scan.dockerfiles.iter().filter(|file| file.error.is_some()) {
        let _ = writeln!(out, "  # left out: {}: {}", plain(&file.path), plain(file.error.as_deref().unwrap_or_default()));
    }
    // What nothing stands on is what runs.
    let based_on: BTreeSet<usize> = scan.dockerfiles.iter().flat_map(|file| file.images.iter().filter_map(|used| used.built_by)).collect();
    let leaf = kept.iter().find(|(_, index)| !based_on.contains(index));
    let example = leaf.or(kept.first()).map_or("web", |(name, _)| name.as_str());
    let _ = write!(out, "{}", REST.replace("IMAGE", &scalar(example)));
    out
}

const REST: &str = r#"
# Where containers run. Take the `#` away and say which machines:
# hosts:
#   web-1: { endpoint: "ssh://deploy@10.0.0.11", labels: { pool: web } }

# What runs there, in Compose's words:
# services:
#   web:
#     image: IMAGE
#     ports: ["80:8080"]
#     healthcheck: { http: "GET :8080/healthz", interval: 2s, timeout: 1s, retries: 3 }
#     deploy:
#       hosts: "pool=web"
#       update_config: { parallelism: 1, monitor: 10s, failure_action: rollback }
"#;

/// What of a Dockerfile cannot be told, by its path, and the argument that would tell it.
fn unresolved(scan: &Scan) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    for oddity in scan.oddities() {
        if let OddityKind::Unresolved { raw, .. } = &oddity.kind {
            found.entry(oddity.path.clone()).or_insert_with(|| (oddity.to_string(), first_variable(raw).to_owned()));
        }
    }
    found
}

/// The first variable of a reference: `V` of `debian:${V:-x}`.
fn first_variable(raw: &str) -> &str {
    let behind = raw.split_once('$').map_or("", |(_, behind)| behind.trim_start_matches('{'));
    let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
    if end == 0 { "NAME" } else { &behind[..end] }
}

/// The lines of one image; `more` goes behind its context.
fn image(name: &str, file: &FileScan, folder: &str, more: &str) -> String {
    let (inner, dockerfile) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let context = match (folder, inner) {
        (folder, "") => folder.to_owned(),
        (".", inner) => inner.to_owned(),
        (folder, inner) => format!("{}/{inner}", folder.trim_end_matches('/')),
    };
    match dockerfile {
        "Dockerfile" => format!("  {}:\n    build: {{ context: {}{more} }}\n", scalar(name), scalar(&context)),
        other => format!("  {}:\n    build: {{ context: {}, dockerfile: {}{more} }}\n", scalar(name), scalar(&context), scalar(other)),
    }
}

/// A name for each Dockerfile: as others call it, else as its folder is called, with its variant and its upper folders where that is taken.
fn names(scan: &Scan, root: &str) -> BTreeMap<String, usize> {
    let mut called: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for used in scan.dockerfiles.iter().flat_map(|file| &file.images) {
        if let Some(base) = used.built_by {
            called.entry(base).or_default().insert(&used.image);
        }
    }
    let mut names = BTreeMap::new();
    let readable = || scan.dockerfiles.iter().enumerate().filter(|(_, file)| file.error.is_none());
    // What Dockerfiles call by a name must have it, so these choose first.
    for (index, _) in readable() {
        if let Some(name) = called.get(&index).and_then(key) {
            names.entry(name).or_insert(index);
        }
    }
    let taken: BTreeSet<usize> = names.values().copied().collect();
    for (index, file) in readable().filter(|(index, _)| !taken.contains(index)) {
        let name = candidates(&file.path, root).into_iter().find(|name| !names.contains_key(name));
        let name = name.unwrap_or_else(|| numbered(&names, &clean(&built_name(&file.path, root))));
        names.insert(name, index);
    }
    names
}

/// The key of an image as Dockerfiles call it. With its tag if all of them use the same one: a key without a tag means `latest`.
fn key(called: &BTreeSet<&str>) -> Option<String> {
    let first = called.first()?;
    let name = if called.len() == 1 && !first.contains('@') { first.strip_suffix(":latest").unwrap_or(first) } else { repository(first) };
    let short = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/")).unwrap_or(name);
    Some(short.to_owned())
}

/// Names for a Dockerfile, the shortest first.
fn candidates(path: &str, root: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts: Vec<&str> = std::iter::once(root).chain(folder.split('/').filter(|part| !part.is_empty())).collect();
    let variant = variant(file);
    let tail = if variant.is_empty() { String::new() } else { format!("-{variant}") };
    let mut names = Vec::new();
    let mut name = String::new();
    while let Some(part) = parts.pop() {
        name = if name.is_empty() { part.to_owned() } else { format!("{part}-{name}") };
        names.push(clean(&format!("{name}{tail}")));
    }
    names
}

fn numbered(names: &BTreeMap<String, usize>, name: &str) -> String {
    (2_u32..).map(|n| format!("{name}-{n}")).find(|name| !names.contains_key(name)).unwrap_or_default()
}

/// As a part of an image's name may be written: lower case letters, digits, and single separators between them.
fn clean(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            '.' | '_' if out.ends_with(|last: char| last.is_ascii_alphanumeric()) => out.push(c),
            _ if out.ends_with(|last: char| last.is_ascii_alphanumeric()) => out.push('-'),
            _ => {}
        }
    }
    let name = out.trim_end_matches(['.', '_', '-']);
    let name = &name[..name.len().min(100)];
    if name.is_empty() { "image".to_owned() } else { name.trim_end_matches(['.', '_', '-']).to_owned() }
}

/// On one line, for a comment.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A YAML scalar, in double quotes unless it can be nothing but a string.
fn scalar(text: &str) -> String {
    let safe =
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'));
    let keyword = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if safe && !keyword || text == "." {
        return text.to_owned();
    }
    // JSON's strings are YAML's.
    serde_json::to_string(text).unwrap_or_default()
}
