//! Durations and numbers in flags, as BuildKit's language reads them: `1m30s`, `1.5h`, `100ms`.

/// Nanoseconds of a duration; `None` if it is none or too long.
pub(super) fn nanoseconds(text: &[u8]) -> Option<i128> {
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix(b".") {
            Some(after) => digits(after),
            None => (&[][..], after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.iter().position(|b| *b == b'.' || b.is_ascii_digit()).unwrap_or(after.len());
        let unit = unit(&after[..end])?;
        total = total.checked_add(number(whole)?.checked_mul(unit)?)?;
        // Digits beyond the nanosecond say nothing.
        let fraction = &fraction[..fraction.len().min(18)];
        total += number(fraction)? * unit / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        rest = &after[end..];
        let limit = i128::from(i64::MAX) + i128::from(negative);
        if total > limit {
            return None;
        }
    }
    Some(if negative { -total } else { total })
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len()))
}

fn number(digits: &[u8]) -> Option<i128> {
    let mut value: i128 = 0;
    for digit in digits {
        value = value * 10 + i128::from(digit - b'0');
        if value > i128::from(i64::MAX) + 1 {
            return None;
        }
    }
    Some(value)
}

fn unit(name: &[u8]) -> Option<i128> {
    Some(match name {
        b"ns" => 1,
        b"us" | b"\xC2\xB5s" | b"\xCE\xBCs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A whole number of 32 bits, sign allowed.
pub(super) fn int32(text: &[u8]) -> Option<i32> {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, value) in [
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("100µs", Some(100_000)),
            ("-1s", Some(-1_000_000_000)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1 s", None),
            ("1d", None),
            ("9999999999h", None),
        ] {
            assert_eq!(nanoseconds(text.as_bytes()), value, "{text}");
        }
        assert_eq!((int32(b"+3"), int32(b"-1"), int32(b"3.0"), int32(b"9999999999")), (Some(3), Some(-1), None, None));
    }
}
