//! What a registry wants to see before it answers: the header `WWW-Authenticate`.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A way to prove who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from somebody else.
    Bearer {
        /// Where tokens are given out.
        realm: String,
        /// What to say for whom the token is.
        service: Option<String>,
        /// What the token must allow; mostly what was asked for.
        scope: Option<String>,
    },
    /// User and password with every question.
    Basic,
}

/// The best of what is offered: a token before a password. None if nothing of it is known here.
pub(super) fn best(headers: &HeaderMap) -> Option<Challenge> {
    let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<Challenge> = lines.flat_map(parse).collect();
    let bearer = offered.iter().find(|one| matches!(one, Challenge::Bearer { .. })).cloned();
    bearer.or_else(|| offered.into_iter().next())
}

/// Source of the form: RFC 9110, section 11.6.1: schemes with parameters, all of them separated by commas.
fn parse(line: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for piece in pieces(line) {
        match piece {
            Piece::Scheme(name) => challenges.extend(current.replace((name, Vec::new())).and_then(of)),
            Piece::Parameter(name, value) => {
                if let Some((_, parameters)) = &mut current {
                    parameters.push((name, value));
                }
            }
        }
    }
    challenges.extend(current.and_then(of));
    challenges
}

fn of((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    match scheme.as_str() {
        "bearer" => Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") }),
        "basic" => Some(Challenge::Basic),
        _ => None,
    }
}

enum Piece {
    Scheme(String),
    Parameter(String, String),
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = line.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let word = word.to_ascii_lowercase();
        rest = behind.trim_start_matches([' ', '\t']);
        match rest.strip_prefix('=') {
            Some(behind) => {
                let (value, behind) = value(behind.trim_start_matches([' ', '\t']));
                pieces.push(Piece::Parameter(word, value));
                rest = behind;
            }
            None => pieces.push(Piece::Scheme(word)),
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    pieces
}

/// A value with or without quotes, and what stands behind it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn offered(lines: &[&str]) -> Option<Challenge> {
        let headers = lines.iter().filter_map(|line| Some((WWW_AUTHENTICATE, HeaderValue::from_bytes(line.as_bytes()).ok()?)));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        best(&map)
    }

    fn bearer(realm: &str, service: &str, scope: &str) -> Option<Challenge> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Some(Challenge::Bearer { realm: realm.into(), service: some(service), scope: some(scope) })
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/debian:pull,push\"";
        let expected = bearer("https://auth.docker.io/token", "registry.docker.io", "repository:library/debian:pull,push");
        assert_eq!(offered(&[hub]), expected);
        assert_eq!(offered(&["Basic realm=\"lab\"", hub]), expected);
        assert_eq!(offered(&[&format!("Basic realm=\"a, b\", {hub}")]), expected);
        assert_eq!(offered(&["bearer REALM = https://a/b?c=d , error=invalid_token"]), bearer("https://a/b?c=d", "", ""));
        assert_eq!(offered(&["BASIC realm=\"\\\"lab\\\"\""]), Some(Challenge::Basic));
        assert_eq!(offered(&["Negotiate", "Basic"]), Some(Challenge::Basic));
        for nothing in ["", "Bearer service=x", "Digest realm=\"x\"", "=", ",,", "Negotiate abc==", "\"Basic"] {
            assert_eq!(offered(&[nothing]), None, "{nothing}");
        }
        assert_eq!(offered(&[]), None);
    }

    proptest! {
        #[test]
        fn any_header_is_answered(line in "([Bb]earer|basic|realm|=|\"|\\\\|,| |é|x){0,20}") {
            let _ = parse(&line);
        }
    }
}
