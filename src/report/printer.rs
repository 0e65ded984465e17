//! The one place that writes to the terminal.

use std::io::{self, IsTerminal, Write};

/// Writes results to stdout and everything else to stderr; knows whether colours and live lines are wanted.
pub struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether stderr is a terminal on which lines may be redrawn.
    pub live: bool,
    /// Whether stdout takes colours.
    pub colour: bool,
}

impl Printer {
    /// The process's own stdout and stderr. `colour` overrides what the terminal suggests.
    pub fn standard(colour: Option<bool>) -> Self {
        let colour = colour.unwrap_or_else(console::colors_enabled);
        Self { out: Box::new(io::BufWriter::new(io::stdout())), err: Box::new(io::stderr()), live: io::stderr().is_terminal(), colour }
    }

    /// Two given sinks, without colour: for tests.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err, live: false, colour: false }
    }

    /// Writes a line of the result.
    ///
    /// A reader that went away (`refit … | head`) is no error: what it did not want is not written.
    pub fn out(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Writes a line about the work.
    pub fn err(&mut self, line: &str) {
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{line}");
    }

    /// Writes a value as one JSON document.
    pub fn json(&mut self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.out(&text),
            Err(error) => self.err(&format!("the result could not be written as JSON: {error}")),
        }
    }

    /// Writes a large value as one JSON document on one line, without holding its text in memory.
    pub fn json_line(&mut self, value: &impl serde::Serialize) {
        // As with `out`, a reader that went away is no error; a value that cannot be written is a mistake of its type.
        if let Err(error) = serde_json::to_writer(&mut self.out, value)
            && !error.is_io()
        {
            self.err(&format!("the result could not be written as JSON: {error}"));
        }
        let _ = writeln!(self.out);
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        let _ = self.out.flush();
    }
}
