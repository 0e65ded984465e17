//! Heredocs: `<<EOF`, `<<-EOF`, `<<'EOF'`, several of them, anywhere among the words of a `RUN`, `COPY` or `ADD`.

use super::shell::{Lexer, Nothing, ShellError};

/// A heredoc that begins behind its instruction's line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heredoc {
    /// The line that ends it.
    pub(super) name: String,
    /// Whether tabs in front of that line count for nothing.
    pub(super) chomp: bool,
}

impl Heredoc {
    /// Whether a line, its line end taken off, ends the heredoc.
    pub(super) fn ends_at(&self, line: &[u8]) -> bool {
        let tabs = if self.chomp { line.iter().take_while(|b| **b == b'\t').count() } else { 0 };
        &line[tabs..] == self.name.as_bytes()
    }
}

/// The heredoc that a word begins, if it does.
pub(super) fn in_word(word: &str) -> Result<Option<Heredoc>, ShellError> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(rest) = rest.strip_prefix("<<") else { return Ok(None) };
    let (chomp, name) = rest.strip_prefix('-').map_or((false, rest), |name| (true, name));
    if name.is_empty() || name.contains('<') {
        return Ok(None);
    }
    let mut words = Lexer::for_heredocs(false, false).words(name.as_bytes(), &Nothing)?;
    match (words.pop(), words.pop()) {
        (Some(name), None) => Ok(Some(Heredoc { name, chomp })),
        _ => Ok(None),
    }
}

/// The heredocs that a line begins, in order.
pub(super) fn in_line(line: &[u8]) -> Result<Vec<Heredoc>, ShellError> {
    if memchr::memmem::find(line, b"<<").is_none() {
        return Ok(Vec::new());
    }
    // A line that cannot be cut into words (a quote is open) is the shell's business: it begins none.
    let words = Lexer::for_heredocs(true, true).words(line, &Nothing).unwrap_or_default();
    words.iter().filter_map(|word| in_word(word).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heredocs_begin_at_words() {
        for (line, names) in [
            ("RUN <<EOF", &["EOF"][..]),
            ("RUN cat <<EOF >/f", &["EOF"]),
            ("RUN 3<<-EOF cat", &["-EOF"]),
            ("COPY <<a <<'b c' <<\"d\" /x/", &["a", "b c", "d"]),
            ("RUN echo '<<EOF'", &[]),
            ("RUN echo \"<<EOF\"", &[]),
            ("RUN echo \\<<EOF", &[]),
            ("RUN cat <<<EOF", &[]),
            ("RUN echo $((1<<X))", &[]),
            ("RUN echo a<<EOF", &[]),
            ("RUN echo it's <<EOF", &[]),
            ("RUN <<", &[]),
            ("RUN <<E$X", &["E$X"]),
            ("RUN << EOF", &[]),
        ] {
            let got: Vec<String> =
                in_line(line.as_bytes()).unwrap().into_iter().map(|h| if h.chomp { format!("-{}", h.name) } else { h.name }).collect();
            assert_eq!(got, names, "{line}");
        }
    }
}
