//! Server-sent events as bytes: cuts a stream into messages. Source: the HTML standard, "Server-sent events", 9.2.6.

/// A line is no longer: the longest is the plan of an estate with tens of thousands of images.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// What it is; empty if it does not say.
    pub event: String,
    /// What it says.
    pub data: String,
    /// Its id; empty if it has none.
    pub id: String,
}

/// Cuts bytes into messages, however they come.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    line: Vec<u8>,
    /// The last byte was a carriage return, which a line feed may follow.
    after_return: bool,
    message: Message,
    has_data: bool,
}

/// A line that never ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Cutter {
    /// Takes in some bytes and gives the messages that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for byte in bytes {
            let was_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => messages.extend(self.end_of_line()),
                _ if self.line.len() == LINE_BYTES_MAX => return Err(TooLong),
                other => self.line.push(*other),
            }
        }
        Ok(messages)
    }

    fn end_of_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return std::mem::take(&mut self.has_data).then_some(message);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "id" => value.clone_into(&mut self.message.id),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // A comment, which says that the connection lives, or a field of no interest.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: &str, data: &str, id: &str) -> Message {
        Message { event: event.into(), data: data.into(), id: id.into() }
    }

    #[test]
    fn messages_are_told_however_their_bytes_are_cut() {
        let stream = ":\n\nevent: recorded\nid: 7\ndata: {\"a\":1}\n\nevent:waiting\r\ndata:one\r\ndata: two\r\n\r\nretry: 5\n\nid: 9\n\ndata\n\nevent: é\rdata: ü\r\r";
        let expected = [message("recorded", "{\"a\":1}", "7"), message("waiting", "one\ntwo", ""), message("", "", ""), message("é", "ü", "")];
        for size in 1..stream.len() {
            let mut cutter = Cutter::default();
            let found: Vec<Message> = stream.as_bytes().chunks(size).flat_map(|chunk| cutter.feed(chunk).unwrap()).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_none() {
        assert_eq!(Cutter::default().feed(b"event: recorded\ndata: {\"a\":"), Ok(Vec::new()));
        assert_eq!(Cutter::default().feed(b"data: whole\n"), Ok(Vec::new()));
    }
}
