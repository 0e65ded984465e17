//! What a release changed in the packages of its images.

use crate::inquiry::{ImageDifference, ReleaseDifference};
use crate::inventory::{Changed, Difference, Package};
use crate::workshop::PackagesOfBases;

/// What changed from one release to another, image by image.
pub fn difference(difference: &ReleaseDifference) -> Vec<String> {
    let ReleaseDifference { before, after, images } = difference;
    if images.is_empty() {
        return vec![format!("{before} and {after} hold the same packages")];
    }
    let mut lines = Vec::new();
    for (image, changed) in images {
        match changed {
            ImageDifference::Packages(packages) => {
                lines.push(format!("{image}: {}", summary(packages)));
                lines.extend(each(packages).map(|line| format!("  {line}")));
            }
            ImageDifference::New { packages: Some(number) } => lines.push(format!("{image}: new, with {}", crate::report::count(*number, "package"))),
            ImageDifference::New { packages: None } => lines.push(format!("{image}: new, and not read")),
            ImageDifference::Gone => lines.push(format!("{image}: gone")),
            ImageDifference::NotRead { id } => {
                lines.push(format!("{image}: {} was not read; `refit inventory scan` reads what is missing", id.short()))
            }
        }
    }
    lines
}

/// So many changes of an image are told where it is told in short.
const SHORT_MAX: usize = 8;

/// The same, where it stands among other things: of an image with many changes only the first are told.
pub fn difference_in_short(whole: &ReleaseDifference) -> Vec<String> {
    if whole.images.is_empty() {
        return Vec::new();
    }
    let (mut lines, mut left_out, mut of_image) = (Vec::new(), false, 0);
    for line in difference(whole) {
        of_image = if line.starts_with(' ') { of_image + 1 } else { 0 };
        if of_image <= SHORT_MAX { lines.push(line) } else { left_out = true }
    }
    lines.extend(left_out.then(|| format!("`refit inventory diff {} {}` lists them all", whole.before, whole.after)));
    lines
}

/// What bases change that a plan takes anew, by their names: the first few of many.
pub fn of_bases(packages: &PackagesOfBases) -> Vec<String> {
    let mut lines = Vec::new();
    if !packages.is_empty() {
        lines.extend([String::new(), "Packages that come with the bases".to_owned()]);
    }
    for (base, difference) in packages {
        lines.push(format!("  {base}: {}", summary(difference)));
        lines.extend(each(difference).take(SHORT_MAX).map(|line| format!("    {line}")));
        if let more @ 1.. = each(difference).count().saturating_sub(SHORT_MAX) {
            lines.push(format!("    and {more} more"));
        }
    }
    lines
}

fn summary(difference: &Difference) -> String {
    let parts = [(difference.changed.len(), "changed"), (difference.added.len(), "added"), (difference.removed.len(), "removed")];
    let parts: Vec<String> = parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    parts.join(", ")
}

fn each(difference: &Difference) -> impl Iterator<Item = String> {
    let changed = |Changed { before, after, .. }: &Changed| format!("~ {} {} → {}", before.name, before.version, after.version);
    let one = |sign: &str, package: &Package| format!("{sign} {} {}", package.name, package.version);
    let lines: Vec<String> = (difference.changed.iter().map(changed))
        .chain(difference.added.iter().map(|package| one("+", package)))
        .chain(difference.removed.iter().map(|package| one("-", package)))
        .collect();
    lines.into_iter()
}
