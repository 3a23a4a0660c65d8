//! Finds the scheme's header lines and reads times and ids. A line that repeats is refused, never chosen from.

use crate::Refused;

/// Longest message id in bytes: long enough for any id in use, short enough to be kept for days.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// What was found under one header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Absent,
    Once(&'a [u8]),
    Repeated,
}

impl<'a> Line<'a> {
    /// The value of a header that must be there.
    pub(crate) fn required(self) -> Result<&'a [u8], Refused> {
        self.optional()?.ok_or(Refused::MissingHeader)
    }

    /// The value of a header that may be missing, but not come twice.
    pub(crate) fn optional(self) -> Result<Option<&'a [u8]>, Refused> {
        match self {
            Self::Absent => Ok(None),
            Self::Once(value) => Ok(Some(value)),
            Self::Repeated => Err(Refused::RepeatedHeader),
        }
    }
}

/// Walks the header lines once and picks the wanted names, in the order wanted.
pub(crate) fn pick<'a, const N: usize>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    wanted: [Option<&str>; N],
) -> [Line<'a>; N] {
    let mut found = [Line::Absent; N];
    for (name, value) in headers {
        for (line, wanted) in found.iter_mut().zip(wanted) {
            if wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(name)) {
                *line = match line {
                    Line::Absent => Line::Once(value),
                    Line::Once(_) | Line::Repeated => Line::Repeated,
                };
            }
        }
    }
    found
}

/// Reads Unix seconds in canonical decimal: digits only, no leading zero, within 64 bits.
pub(crate) fn read_timestamp(text: &[u8]) -> Result<i64, Refused> {
    let canonical = match text {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return Err(Refused::MalformedTimestamp);
    }
    str::from_utf8(text).ok().and_then(|digits| digits.parse().ok()).ok_or(Refused::MalformedTimestamp)
}

/// Reads a message id: 1 to 256 visible ASCII characters without a full stop.
///
/// A full stop is refused because `a.1` with time `2` and `a` with time `1.2` would sign the same bytes.
pub(crate) fn read_message_id(value: &[u8]) -> Result<&str, Refused> {
    let fits = (1..=MAX_ID_BYTES).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
    if !fits {
        return Err(Refused::MalformedMessageId);
    }
    str::from_utf8(value).map_err(|_| Refused::MalformedMessageId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_found_in_any_case_and_repeats_are_told() {
        let headers = [("X-One", b"1".as_slice()), ("x-two", b"2"), ("X-TWO", b"2")];
        let found = pick(headers, [Some("x-one"), Some("X-Two"), Some("x-three"), None]);
        assert_eq!(found, [Line::Once(b"1"), Line::Repeated, Line::Absent, Line::Absent]);
    }

    #[test]
    fn only_canonical_decimal_is_a_timestamp() {
        assert_eq!(read_timestamp(b"0"), Ok(0));
        assert_eq!(read_timestamp(b"1614265330"), Ok(1_614_265_330));
        assert_eq!(read_timestamp(b"9223372036854775807"), Ok(i64::MAX));
        for wrong in ["", "00", "01", "+1", "-1", "1.0", "1e3", " 1", "1 ", "9223372036854775808", "١"] {
            assert_eq!(read_timestamp(wrong.as_bytes()), Err(Refused::MalformedTimestamp), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_id_has_1_to_256_visible_characters_without_a_full_stop() {
        assert!(read_message_id(&[b'a'; MAX_ID_BYTES]).is_ok());
        let too_long = [b'a'; MAX_ID_BYTES + 1];
        for wrong in [b"".as_slice(), b"a.b", b"a b", b"a\x00", b"\xff", &too_long] {
            assert_eq!(read_message_id(wrong), Err(Refused::MalformedMessageId), "{wrong:?}");
        }
    }
}
