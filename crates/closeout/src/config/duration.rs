//! Durations as people write them: `500ms`, `20s`, `5m`, `72h`, `30d`, `1h30m`.

use std::time::Duration;

/// The longest duration of a setting: what fits 32 bits of milliseconds, in whole days.
const LONGEST: Duration = Duration::from_secs(49 * 86_400);

/// Units from the longest to the shortest, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: numbers with units, the longest unit first.
///
/// # Errors
///
/// Half a sentence that goes on from the text that was given.
pub fn parse(text: &str) -> Result<Duration, String> {
    let unreadable = || "is not a duration; write 500ms, 20s, 5m, 72h or 30d".to_owned();
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return Err(unreadable());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
        if length >= last_unit {
            return Err(unreadable());
        }
        last_unit = length;
        millis = number.checked_mul(length).and_then(|part| millis.checked_add(part)).ok_or_else(too_long)?;
        rest = behind;
    }
    let duration = Duration::from_millis(millis);
    if duration > LONGEST { Err(too_long()) } else { Ok(duration) }
}

fn too_long() -> String {
    longer_than(49)
}

fn longer_than(days: u64) -> String {
    format!("is too long; at most {days}d are possible")
}

/// Reads a duration of at most so many days.
///
/// # Errors
///
/// The half sentence says what is wrong, as by [`parse`].
pub fn parse_up_to(text: &str, days: u64) -> Result<Duration, String> {
    let read = parse(text);
    let longest = Duration::from_secs(days * 86_400);
    match read {
        Ok(duration) if duration > longest => Err(longer_than(days)),
        Err(why) if why == too_long() => Err(longer_than(days)),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("5m", 300_000),
            ("72h", 259_200_000),
            ("30d", 2_592_000_000),
            ("1h30m", 5_400_000),
            (" 2m ", 120_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_examples() {
        for text in ["", "20", "s", "-1s", "1.5s", "20 s", "5M", "30m1h", "1s1s", "99999999999999999999s"] {
            let said = parse(text).unwrap_err();
            assert!(said.contains("20s"), "{text}: {said}");
        }
    }

    #[test]
    fn more_than_49_days_is_refused() {
        assert!(parse("49d").is_ok());
        assert!(parse("50d").unwrap_err().contains("49d"));
        assert_eq!(parse_up_to("30d", 30), parse("30d"));
        for text in ["31d", "18446744073709551615d"] {
            assert!(parse_up_to(text, 30).unwrap_err().contains("at most 30d"), "{text}");
        }
        assert!(parse("18446744073709551615d").unwrap_err().contains("49d"));
    }
}
