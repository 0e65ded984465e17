//! A first pipeline for a folder of Dockerfiles: every image by a name, edges left to the Dockerfiles, and the rest to fill in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::edges::{built_name, repository};
use super::file_name::variant;
use super::{FileScan, Scan};

/// Writes the text of a pipeline file that builds every Dockerfile of the scan that can be read.
///
/// `root` is what the scanned folder is called, and `folder` its path from the folder that holds `pipelines/` (`.` for that one itself).
pub fn first_pipeline(scan: &Scan, root: &str, folder: &str) -> String {
    let mut out = String::from(
        "# Written by `refit init` from the Dockerfiles that are there. Who inherits from whom is read from them; see it with `refit graph`.\n",
    );
    let images = names(scan, root);
    out += if images.is_empty() { "images: {}\n" } else { "images:\n" };
    for (name, index) in &images {
        image(&mut out, name, &scan.dockerfiles[*index], folder);
    }
    for file in scan.dockerfiles.iter().filter(|file| file.error.is_some()) {
        let _ = writeln!(out, "  # left out: {}: {}", plain(&file.path), plain(file.error.as_deref().unwrap_or_default()));
    }
    let example = images.keys().next().map_or("web", String::as_str);
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
#       replicas: 2
#       update_config: { parallelism: 1, order: start-first, monitor: 10s, failure_action: rollback }
"#;

fn image(out: &mut String, name: &str, file: &FileScan, folder: &str) {
    let (inner, dockerfile) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let context = match (folder, inner) {
        (folder, "") => folder.to_owned(),
        (".", inner) => inner.to_owned(),
        (folder, inner) => format!("{}/{inner}", folder.trim_end_matches('/')),
    };
    let _ = writeln!(out, "  {}:", scalar(name));
    let _ = match dockerfile {
        "Dockerfile" => writeln!(out, "    build: {{ context: {} }}", scalar(&context)),
        other => writeln!(out, "    build: {{ context: {}, dockerfile: {} }}", scalar(&context), scalar(other)),
    };
}

/// A name for each Dockerfile: as others call it, else as its folder is called, with its variant and its upper folders where that is taken.
fn names(scan: &Scan, root: &str) -> BTreeMap<String, usize> {
    let mut called: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for used in scan.dockerfiles.iter().flat_map(|file| &file.images) {
        if let Some(base) = used.built_by {
            called.entry(base).or_default().insert(repository(&used.image));
        }
    }
    let mut names = BTreeMap::new();
    let readable = || scan.dockerfiles.iter().enumerate().filter(|(_, file)| file.error.is_none());
    // What Dockerfiles call by a name must have it, so these choose first.
    for (index, _) in readable() {
        if let Some(&name) = called.get(&index).and_then(|names| names.first()) {
            let name = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/")).unwrap_or(name);
            names.entry(name.to_owned()).or_insert(index);
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
