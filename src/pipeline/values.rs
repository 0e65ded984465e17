//! Compose's value formats that are too small for a file of their own: sizes, cores, shell words, images' fields.

/// Reads a size in bytes as Compose does: `512`, `64k`, `1.5gb`. Units are powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("expected a size such as `512m`, `64k` or `1.5gb`, found `{text}`");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(refuse()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(refuse);
    }
    let bytes = number.parse::<f64>().map_err(|_| refuse())? * factor as f64;
    if (0.0..9e18).contains(&bytes) { Ok(bytes as u64) } else { Err(refuse()) }
}

/// Reads a number of cores, in billionths.
pub(super) fn cores(text: &str) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        Ok(cores) if cores > 0.0 && cores < 1e6 => Ok((cores * 1e9).round() as u64),
        _ => Err(format!("expected a number of cores such as `0.5`, found `{text}`")),
    }
}

/// Splits a line as a shell splits it into words, without substituting anything.
pub(super) fn shell_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a quote `'` is opened and never closed".to_owned()),
                    }
                }
            }
            '"' => quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("a backslash stands at the end with nothing behind it".to_owned()),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some('\n') => {}
                Some(c) => {
                    word.push('\\');
                    word.push(c);
                }
                None => return Err("a quote `\"` is opened and never closed".to_owned()),
            },
            Some(c) => word.push(c),
            None => return Err("a quote `\"` is opened and never closed".to_owned()),
        }
    }
}

/// Reads a restart policy as the engine knows it.
pub(super) fn restart(text: &str) -> Result<String, String> {
    let known = matches!(text, "no" | "always" | "unless-stopped" | "on-failure");
    let counted = text.strip_prefix("on-failure:").is_some_and(|n| n.parse::<u32>().is_ok());
    // YAML 1.1 readers make `no` a false; people quote it either way.
    if text == "false" {
        return Ok("no".to_owned());
    }
    if known || counted { Ok(text.to_owned()) } else { Err(format!("expected `no`, `always`, `unless-stopped` or `on-failure[:n]`, found `{text}`")) }
}

/// Reads what a probe asks for: `GET :8080/healthz`, `:8080`, `HEAD :80/`.
pub(super) fn http_probe(text: &str) -> Result<(String, u16, String), String> {
    let refuse = || format!("expected a request such as `GET :8080/healthz`, found `{text}`");
    let (method, rest) = match text.trim().split_once(' ') {
        Some((method, rest)) => (method, rest.trim()),
        None => ("GET", text.trim()),
    };
    if !matches!(method, "GET" | "HEAD") {
        return Err(refuse());
    }
    let rest = rest.strip_prefix(':').ok_or_else(refuse)?;
    let (port, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let port: u16 = port.parse().map_err(|_| refuse())?;
    if port == 0 || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(refuse());
    }
    Ok((method.to_owned(), port, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_compose_reads_them() {
        for (text, bytes) in [("512", 512), ("64k", 65_536), ("1m", 1 << 20), ("1.5gb", 1_610_612_736), ("2GB", 2 << 30), ("10b", 10)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "m", "-1", "1x", "1.2.3m", "99999999999999t"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cores_are_billionths() {
        assert_eq!(cores("0.5"), Ok(500_000_000));
        for bad in ["0", "-1", "x", "NaN", "inf"] {
            assert!(cores(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_split_as_a_shell_splits_them() {
        let words = |text: &str| shell_words(text).map(|words| words.join("|"));
        for (text, split) in [
            ("nginx -g 'daemon off;'", "nginx|-g|daemon off;"),
            (r#"sh -c "echo \"a b\" \$X""#, r#"sh|-c|echo "a b" $X"#),
            (r"a\ b c", "a b|c"),
            ("  ", ""),
            ("a '' b", "a||b"),
        ] {
            assert_eq!(words(text).as_deref(), Ok(split), "{text}");
        }
        for bad in ["a 'b", "a \"b", "a \\"] {
            assert!(shell_words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn probes_are_read() {
        assert_eq!(http_probe("GET :8080/healthz?x=1"), Ok(("GET".into(), 8080, "/healthz?x=1".into())));
        assert_eq!(http_probe(":80"), Ok(("GET".into(), 80, "/".into())));
        for bad in ["", "GET", "POST :80/", "GET 8080/", "GET :0/", "GET :x/", "http://x:80/"] {
            assert!(http_probe(bad).is_err(), "{bad}");
        }
    }
}
