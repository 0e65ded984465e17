//! `refit inventory show`: what is in one image.

use crate::journal::{ImageContents, PackageIn};

/// The packages of an image as a table, and a line that sums it up.
pub fn contents(contents: &ImageContents) -> Vec<String> {
    let row = |found: &PackageIn| {
        let package = &found.package;
        [
            package.kind.to_string(),
            package.name.clone(),
            package.version.clone(),
            package.license.clone().unwrap_or_else(|| "-".to_owned()),
            found.brought_by.to_string(),
            format!("/{}", found.path),
        ]
    };
    let header = ["KIND", "PACKAGE", "VERSION", "LICENSE", "BROUGHT IN BY", "FOUND IN"];
    let mut lines = if contents.packages.is_empty() { Vec::new() } else { crate::report::table(header, contents.packages.iter().map(row)) };
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let distro = contents.distro.as_ref().map_or_else(|| "of no known distribution".to_owned(), |distro| format!("on {distro}"));
    lines.push(format!("{} {distro}", crate::report::count(contents.packages.len(), "package")));
    lines
}
