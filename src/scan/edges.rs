//! Which Dockerfile builds what another one needs, guessed from names.
//!
//! A Dockerfile is taken to build the image that is called as its variant is (`Dockerfile.web`: `web`), or else as its folder is; a reference is
//! taken for it by its last part. Only what one Dockerfile alone is called counts, and never a name that this Dockerfile itself is based
//! on: `python/Dockerfile` with `FROM python:3` extends the python of others. A pipeline file says it for certain.

use std::collections::{BTreeSet, HashMap};

use super::Edge;
use super::file::FileScan;
use super::file_name::variant;

/// Sets which file builds what the files need, and lists it as edges.
pub(super) fn link(files: &mut [FileScan], root: &str) -> Vec<Edge> {
    let builders = builders(files, root);
    let mut edges = BTreeSet::new();
    for dependent in 0..files.len() {
        for used in 0..files[dependent].images.len() {
            let image = &files[dependent].images[used].image;
            let Some(&Some(base)) = builders.get(last_part(image)) else { continue };
            if base == dependent || files[base].images.iter().any(|own| repository(&own.image) == repository(image)) {
                continue;
            }
            edges.insert((dependent, base));
            files[dependent].images[used].built_by = Some(base);
        }
    }
    edges.into_iter().map(|(dependent, base)| Edge { dependent: files[dependent].path.clone(), base: files[base].path.clone() }).collect()
}

/// What each name is built by; `None` where it cannot be told because several would.
fn builders(files: &[FileScan], root: &str) -> HashMap<String, Option<usize>> {
    let mut builders = HashMap::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        builders.entry(built_name(&file.path, root)).and_modify(|builder| *builder = None).or_insert(Some(index));
    }
    builders
}

/// What a Dockerfile builds, as far as its path tells: its variant, or its folder.
pub(super) fn built_name(path: &str, root: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let variant = variant(name);
    let name = if !variant.is_empty() {
        variant
    } else if folder.is_empty() {
        root
    } else {
        folder.rsplit('/').next().unwrap_or(folder)
    };
    name.to_ascii_lowercase()
}

/// Registry and repository, without tag and digest.
pub(super) fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    image[last..].find(':').map_or(image, |colon| &image[..last + colon])
}

/// The last part of the repository.
pub(super) fn last_part(image: &str) -> &str {
    let repository = repository(image);
    repository.rsplit('/').next().unwrap_or(repository)
}
