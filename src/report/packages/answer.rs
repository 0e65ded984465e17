//! `refit who-has`.

use std::collections::BTreeSet;

use super::SUBSCRIBERS;
use crate::inquiry::{Answer, Container, Fix, NotRead, Unknown};
use crate::report::Column;

/// The answer as a table, with a line that sums it up, and what nobody can say.
pub fn answer(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if !answer.containers.is_empty() {
        let is_past = answer.containers.iter().any(|container| container.until.is_some());
        // A column in which nothing stands is left out: mostly what runs now is asked for.
        let columns: Vec<Column<Container>> = SHOWN.into_iter().filter(|(header, _)| is_past || *header != UNTIL).collect();
        lines = crate::report::table_of(&columns, &answer.containers);
        lines.push(String::new());
    }
    lines.push(summary(answer));
    lines
}

/// What an answer does not tell, one line each; for stderr, in whatever form the answer itself is shown.
pub fn not_told(answer: &Answer) -> Vec<String> {
    let mut lines = not_read(&answer.not_read);
    if answer.without_license > 0 {
        let packages = crate::report::count(answer.without_license, "package");
        lines.push(format!("{packages} of these images state no licence that can be read, so nobody can say whether {} is theirs", answer.asked));
    }
    if answer.left_out > 0 {
        let more = crate::report::count(answer.left_out, "more package");
        lines.push(format!(
            "left out of this answer: {more} in containers; ask for less at once, a version (`NAME<VERSION`) or an ecosystem (`deb:NAME`)"
        ));
    }
    lines
}

/// What could not be looked into, one line each; for stderr.
pub fn not_read(all: &[NotRead]) -> Vec<String> {
    let line = |not: &NotRead| {
        let name = not.tag.as_ref().map(crate::model::ImageRef::familiar).or_else(|| not.image.clone());
        let name = name.or_else(|| not.id.map(|id| id.short())).unwrap_or_else(|| "an image that no release in the journal tells".to_owned());
        match not.why {
            Unknown::NotRead => format!("{name} was not read, so nobody can say what is in it; `refit inventory scan` reads what is missing"),
            Unknown::ReadInPart => {
                format!("{name} could be read only in part, so there may be more in it; `refit inventory show` tells what could not be read")
            }
            Unknown::NoDistribution => {
                format!("{name} does not say which distribution it is, so no advisory holds for its packages; give it an /etc/os-release")
            }
            Unknown::Undetermined => {
                format!("{name} has a package of which its distribution has not looked yet whether it has the problem; read its tracker again later")
            }
        }
    };
    all.iter().map(line).collect()
}

/// The columns of the table, for people.
const SHOWN: [Column<Container>; 11] = [
    ("SERVICE", |one| one.service.to_string()),
    ("HOST", |one| one.host.to_string()),
    ("SLOT", |one| one.slot.to_string()),
    ("CONTAINER", |one| one.container.as_deref().map_or_else(|| "-".to_owned(), |id| id.chars().take(12).collect())),
    ("IMAGE", |one| one.tag.as_ref().map(crate::model::ImageRef::familiar).or_else(|| one.image.clone()).unwrap_or_else(|| "-".to_owned())),
    ("PACKAGE", |one| one.package.name.clone()),
    ("VERSION", |one| one.package.version.clone()),
    ("BROUGHT IN BY", |one| one.brought_by.clone()),
    ("SINCE", |one| crate::report::moment(one.since)),
    (UNTIL, |one| one.until.map_or_else(|| "now".to_owned(), crate::report::moment)),
    ("FIX", |one| match &one.fix {
        Fix::Known(version) => version.clone(),
        Fix::Subscribers(version) => format!("{version} ({SUBSCRIBERS})"),
        Fix::None => "none known".to_owned(),
        Fix::NoAdvisory => "-".to_owned(),
    }),
];

/// The column that only what is over has.
const UNTIL: &str = "UNTIL";

fn summary(answer: &Answer) -> String {
    let distinct = |of: fn(&Container) -> String| answer.containers.iter().map(of).collect::<BTreeSet<_>>().len();
    let slots = distinct(|one| format!("{}@{}/{} {}", one.service, one.host, one.slot, one.since));
    let count = crate::report::count;
    if answer.is_nobody() {
        return format!("no container has {}", answer.asked);
    }
    if slots == 0 {
        return format!("containers have {}: {} in them, none of which is told here", answer.asked, count(answer.left_out, "package"));
    }
    let (services, hosts) = (distinct(|one| one.service.to_string()), distinct(|one| one.host.to_string()));
    let more = if answer.left_out == 0 { String::new() } else { format!(", and {} more packages in containers", answer.left_out) };
    let has = if slots == 1 { "has" } else { "have" };
    format!("{} of {} on {} {has} {}{more}", count(slots, "container"), count(services, "service"), count(hosts, "host"), answer.asked)
}

/// The columns of the comma-separated form.
const COLUMNS: [&str; 19] = [
    "service",
    "host",
    "slot",
    "container",
    "image",
    "tag",
    "image_id",
    "release",
    "kind",
    "package",
    "version",
    "arch",
    "license",
    "purl",
    "brought_by",
    "since",
    "until",
    "fixed_in",
    "fixed_for",
];

/// The answer as comma-separated values (RFC 4180), with a header. One line for each package in each container.
pub fn answer_as_csv(answer: &Answer) -> Vec<String> {
    let line = |one: &Container| {
        let package = &one.package;
        let fields = [
            one.service.to_string(),
            one.host.to_string(),
            one.slot.to_string(),
            one.container.clone().unwrap_or_default(),
            one.image.clone().unwrap_or_default(),
            one.tag.as_ref().map(ToString::to_string).unwrap_or_default(),
            one.image_id.map(|id| id.to_string()).unwrap_or_default(),
            one.release.to_string(),
            package.kind.to_string(),
            package.name.clone(),
            package.version.clone(),
            package.arch.clone().unwrap_or_default(),
            package.license.clone().unwrap_or_default(),
            one.purl.clone(),
            one.brought_by.clone(),
            one.since.to_string(),
            one.until.map(|until| until.to_string()).unwrap_or_default(),
            if let Fix::Known(version) | Fix::Subscribers(version) = &one.fix { version.clone() } else { String::new() },
            if let Fix::Subscribers(_) = &one.fix { "subscribers".to_owned() } else { String::new() },
        ];
        fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",")
    };
    std::iter::once(COLUMNS.join(",")).chain(answer.containers.iter().map(line)).collect()
}

/// A field as RFC 4180 has it. What begins as a formula does is no formula: spreadsheets would carry it out, and packages name themselves.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if is_formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        for (field, expected) in [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("=1+1", "'=1+1"), ("-", "'-"), ("", "")] {
            assert_eq!(quoted(field), expected);
        }
    }
}
