//! The trace that a command belongs to, as its producer's `traceparent` names it.

use std::fmt;

/// The length of a `traceparent` of version 00, which later versions begin with too.
const LENGTH: usize = 55;

/// The flag that says that the producer's trace is recorded.
const SAMPLED: u8 = 1;

/// A span of a producer: trace, span and flags of W3C Trace Context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) flags: u8,
}

impl TraceParent {
    /// Reads the header's value. Nothing for what the specification calls invalid, which is to be passed over without a word.
    ///
    /// Of a version that is later than 00 only what 00 has is read, as the specification wants it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let known = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f' | b'-');
        let head = bytes.get(..LENGTH)?;
        if !head.iter().all(known) || [2, 35, 52].iter().any(|dash| head[*dash] != b'-') {
            return None;
        }
        // All of it is ASCII, so no place lies within a letter.
        let version = u8::from_str_radix(&text[..2], 16).ok()?;
        let ends = match version {
            0 => bytes.len() == LENGTH,
            u8::MAX => false,
            _ => bytes.get(LENGTH).is_none_or(|next| *next == b'-'),
        };
        let trace = u128::from_str_radix(&text[3..35], 16).ok()?;
        let span = u64::from_str_radix(&text[36..52], 16).ok()?;
        let flags = u8::from_str_radix(&text[53..LENGTH], 16).ok()?;
        (ends && trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// The same out of the values of a request's headers: several contradict each other, and count as none.
    pub fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let only = values.next()?;
        if values.next().is_some() { None } else { Self::parse(only) }
    }

    /// The id of the trace.
    pub const fn trace_id(self) -> [u8; 16] {
        self.trace.to_be_bytes()
    }

    /// The id of the span in it.
    pub const fn span_id(self) -> [u8; 8] {
        self.span.to_be_bytes()
    }

    /// The flags as they were given.
    pub const fn flags(self) -> u8 {
        self.flags
    }

    /// Whether the producer records its trace.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// The header's value, in version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_valid_is_read_and_written_again() {
        let read = TraceParent::parse(GIVEN).unwrap();
        assert_eq!(read.to_string(), GIVEN);
        assert_eq!((read.trace_id()[0], read.span_id()[0], read.is_sampled()), (0x0a, 0xb7, true));
        assert!(!TraceParent::parse(&GIVEN.replace("-01", "-02")).unwrap().is_sampled());
    }

    #[test]
    fn of_later_versions_what_is_known_is_read() {
        for given in [GIVEN.replace("00-0a", "cc-0a"), format!("{}-more", GIVEN.replace("00-0a", "cc-0a"))] {
            assert_eq!(TraceParent::parse(&given), TraceParent::parse(GIVEN), "{given}");
        }
    }

    #[test]
    fn what_is_invalid_is_none() {
        for given in [
            String::new(),
            "00".to_owned(),
            GIVEN.replace("00-0a", "ff-0a"),
            GIVEN.to_uppercase(),
            format!("{GIVEN}-more"),
            format!("{GIVEN}0"),
            format!(" {GIVEN}"),
            format!("{}0", GIVEN.replace("00-0a", "cc-0a")),
            GIVEN.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            GIVEN.replace("b7ad6b7169203331", "0000000000000000"),
            GIVEN.replace('-', "0"),
            GIVEN.replace("9c-", "-9c"),
            GIVEN.replace("dd", "ä"),
        ] {
            assert_eq!(TraceParent::parse(&given), None, "{given}");
        }
    }

    #[test]
    fn two_of_them_count_as_none() {
        assert!(TraceParent::only([GIVEN].into_iter()).is_some());
        assert_eq!(TraceParent::only([GIVEN, GIVEN].into_iter()), None);
        assert_eq!(TraceParent::only([].into_iter()), None);
    }
}
