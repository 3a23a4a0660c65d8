//! How a tag is written in a header: hexadecimal or one of the base64 alphabets.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::UnknownName;

/// Length of an HMAC-SHA256 tag in bytes (FIPS 198-1 with SHA-256). Shorter tags are never taken.
pub(crate) const TAG_BYTES: usize = 32;

/// A full HMAC-SHA256 tag.
pub(crate) type Tag = [u8; TAG_BYTES];

/// The way a tag is written in a header. Each tag has exactly one accepted spelling per encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal, 64 characters.
    Hex,
    /// Base64 in the standard alphabet with padding, 44 characters (RFC 4648, section 4).
    Base64,
    /// Base64 in the URL-safe alphabet without padding, 43 characters (RFC 7515, section 2).
    Base64Url,
    /// Base64 in the URL-safe alphabet with padding, 44 characters (RFC 4648, section 5).
    Base64UrlPadded,
}

impl Encoding {
    /// Every encoding, in the order in which settings list them.
    pub const ALL: [Self; 4] = [Self::Hex, Self::Base64, Self::Base64Url, Self::Base64UrlPadded];

    /// The name used in settings: `hex`, `base64`, `base64url` or `base64url-padded`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Base64UrlPadded => "base64url-padded",
        }
    }

    pub(crate) fn encode(self, tag: &[u8]) -> String {
        match self.base64_engine() {
            Some(engine) => engine.encode(tag),
            None => tag.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 0x0f)]).collect(),
        }
    }

    /// Reads the one spelling of a full tag; every other length or spelling is `None`.
    pub(crate) fn decode(self, text: &[u8]) -> Option<Tag> {
        match self.base64_engine() {
            Some(engine) => decode_base64(&engine, text),
            None => decode_hex(text),
        }
    }

    fn base64_engine(self) -> Option<GeneralPurpose> {
        match self {
            Self::Hex => None,
            Self::Base64 => Some(STANDARD),
            Self::Base64Url => Some(URL_SAFE_NO_PAD),
            Self::Base64UrlPadded => Some(URL_SAFE),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.name() == text)
            .ok_or_else(|| UnknownName::new(text, &["hex", "base64", "base64url", "base64url-padded"]))
    }
}

fn decode_base64(engine: &GeneralPurpose, text: &[u8]) -> Option<Tag> {
    // 44 characters are the longest spelling of 32 bytes; the decoder may estimate up to 33 bytes for them.
    const LONGEST: usize = 44;
    if text.len() > LONGEST {
        return None;
    }
    let mut buffer = [0_u8; 36];
    let length = engine.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
}

fn decode_hex(text: &[u8]) -> Option<Tag> {
    if text.len() != 2 * TAG_BYTES {
        return None;
    }
    let mut tag = [0_u8; TAG_BYTES];
    for (byte, pair) in tag.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
    }
    Some(tag)
}

const fn hex_digit(nibble: u8) -> char {
    (if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }) as char
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_reads_back_what_it_wrote() {
        let tag: Tag = std::array::from_fn(|index| u8::try_from((index * 7 + 128) % 256).unwrap());
        for encoding in Encoding::ALL {
            assert_eq!(encoding.decode(encoding.encode(&tag).as_bytes()), Some(tag), "{encoding}");
            assert_eq!(encoding.name().parse::<Encoding>().unwrap(), encoding);
        }
    }

    #[test]
    fn no_encoding_reads_the_spelling_of_another() {
        // 0xfb makes `+`, `/`, `-` and `_` appear, so that the alphabets differ.
        let tag: Tag = [0xfb; TAG_BYTES];
        for written in Encoding::ALL {
            let text = written.encode(&tag);
            for read in Encoding::ALL.into_iter().filter(|read| *read != written) {
                assert_eq!(read.decode(text.as_bytes()), None, "{written} read as {read}");
            }
        }
    }

    #[test]
    fn a_tag_that_is_one_byte_short_or_long_is_not_read() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.decode(encoding.encode(&[7; TAG_BYTES - 1]).as_bytes()), None);
            assert_eq!(encoding.decode(encoding.encode(&[7; TAG_BYTES + 1]).as_bytes()), None);
            assert_eq!(encoding.decode(b""), None);
        }
    }

    #[test]
    fn upper_case_hex_is_not_read() {
        let text = Encoding::Hex.encode(&[0xab; TAG_BYTES]).to_uppercase();
        assert_eq!(Encoding::Hex.decode(text.as_bytes()), None);
    }
}
