//! The nearest known name, for `did you mean`.

/// The known name that a person most likely meant, if one is near enough; ties go to the first by name.
pub fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // A third of the letters may be wrong: `retires` finds `retries`, `image` does not find `name`.
    let limit = (written.chars().count() / 3).clamp(1, 4);
    known.into_iter().map(|name| (distance(written, name), name)).filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// `did you mean …?`; if nothing is near, the names that exist and what else can be done.
pub(super) fn did_you_mean<'n>(written: &str, known: impl Iterator<Item = &'n str> + Clone, what: &str, else_do: &str) -> String {
    if let Some(name) = nearest(written, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let names: Vec<String> = known.clone().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    let more = if known.count() > SHOWN_MAX { " …" } else { "" };
    let known = if names.is_empty() { format!("the estate has no {what}") } else { format!("known {what}: {}{more}", names.join(", ")) };
    format!("{known}; {else_do}")
}

/// A list longer than this helps nobody.
const SHOWN_MAX: usize = 40;

/// Damerau's distance restricted to neighbours: insertions, deletions, changes, and two letters swapped.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).take(64).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["image", "retries", "interval", "web", "ports"];
        for (written, name) in
            [("retires", Some("retries")), ("Image", Some("image")), ("wbe", Some("web")), ("port", Some("ports")), ("x", None), ("", None)]
        {
            assert_eq!(nearest(written, known), name, "{written}");
        }
    }
}
