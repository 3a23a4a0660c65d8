//! The usual misreadings of a delivery: bodies that were re-written, keys that were decoded or not, tags in another
//! spelling. Only the diagnosis uses them; no delivery is ever taken because of one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{
    STANDARD_NO_PAD_INDIFFERENT, STANDARD_PAD_INDIFFERENT, URL_SAFE_NO_PAD_INDIFFERENT,
};
use secrecy::zeroize::Zeroizing;

use crate::encoding::Tag;
use crate::secret::SHARED_SECRET_PREFIX;
use crate::{Encoding, KeyForm};

/// A way in which the text that was signed differs from the body that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyChange {
    /// The signed text lacks the line break at the end of the body.
    WithoutFinalNewline,
    /// The signed text has a line break after the body.
    WithFinalNewline,
    /// The signed text ends its lines with a line feed alone.
    UnixLineEnds,
    /// The signed text ends its lines with carriage return and line feed.
    WindowsLineEnds,
    /// The signed text lacks the byte order mark that the body starts with.
    WithoutByteOrderMark,
    /// The signed text has a byte order mark before the body.
    WithByteOrderMark,
    /// The same JSON without white space, as `JSON.stringify` writes it.
    CompactJson,
    /// The same JSON with a space after each comma and colon.
    SpacedJson,
    /// The same JSON without white space and with non-ASCII characters escaped.
    CompactAsciiJson,
    /// The same JSON with a space after each comma and colon and with non-ASCII characters escaped, as Python's
    /// `json.dumps` writes it.
    SpacedAsciiJson,
    /// Nothing was signed in place of the body.
    Empty,
}

impl fmt::Display for BodyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithoutFinalNewline => "the body without the line break at its end",
            Self::WithFinalNewline => "the body with one more line break at its end",
            Self::UnixLineEnds => "the body with LF in place of CRLF",
            Self::WindowsLineEnds => "the body with CRLF in place of LF",
            Self::WithoutByteOrderMark => "the body without its byte order mark",
            Self::WithByteOrderMark => "the body with a byte order mark before it",
            Self::CompactJson => "the same JSON without white space, as `JSON.stringify` writes it",
            Self::SpacedJson => "the same JSON with a space after each comma and colon",
            Self::CompactAsciiJson => "the same JSON without white space, non-ASCII characters escaped",
            Self::SpacedAsciiJson => {
                "the same JSON with spaces and escaped non-ASCII characters, as Python's `json.dumps` writes it"
            }
            Self::Empty => "an empty body",
        })
    }
}

/// A way of reading a configured secret other than the scheme's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyReading {
    /// The whole text is the key.
    Text,
    /// The text behind `whsec_` is the key, without being decoded.
    TextWithoutPrefix,
    /// `whsec_` and the text together are the key.
    TextWithPrefix,
    /// The text, behind an optional `whsec_`, is decoded from base64.
    Base64,
    /// The text is decoded from hexadecimal.
    Hex,
    /// White space around the text is left out.
    Trimmed,
    /// A line break stands after the text, as in a file written by an editor.
    WithNewline,
}

impl fmt::Display for KeyReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "its text itself is the key",
            Self::TextWithoutPrefix => "its text without `whsec_` is the key",
            Self::TextWithPrefix => "`whsec_` is put before it",
            Self::Base64 => "it is decoded from base64",
            Self::Hex => "it is decoded from hexadecimal",
            Self::Trimmed => "the white space around it is removed",
            Self::WithNewline => "a line break follows it",
        })
    }
}

/// All readings of a body, the body as it came first.
pub(crate) fn readings_of_body(body: &[u8]) -> Vec<(Option<BodyChange>, Vec<u8>)> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let without_newline = body.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    let unix: Vec<u8> = replace_line_ends(body, b"\n");
    let windows = replace_line_ends(body, b"\r\n");
    let json = |spaced, escapes| rewrite_json(body, spaced, escapes);
    let changed = [
        (BodyChange::WithoutFinalNewline, without_newline.map(<[u8]>::to_vec)),
        (BodyChange::WithFinalNewline, Some([body, b"\n"].concat())),
        (BodyChange::UnixLineEnds, Some(unix)),
        (BodyChange::WindowsLineEnds, Some(windows)),
        (BodyChange::WithoutByteOrderMark, body.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec)),
        (BodyChange::WithByteOrderMark, Some([BYTE_ORDER_MARK, body].concat())),
        (BodyChange::CompactJson, json(false, Escapes::Kept)),
        (BodyChange::CompactJson, json(false, Escapes::Resolved)),
        (BodyChange::SpacedJson, json(true, Escapes::Kept)),
        (BodyChange::SpacedJson, json(true, Escapes::Resolved)),
        (BodyChange::CompactAsciiJson, json(false, Escapes::ForAllButAscii)),
        (BodyChange::SpacedAsciiJson, json(true, Escapes::ForAllButAscii)),
        (BodyChange::Empty, Some(Vec::new())),
    ];
    let mut readings = vec![(None, body.to_vec())];
    for (change, bytes) in changed {
        if let Some(bytes) = bytes.filter(|bytes| readings.iter().all(|(_, known)| known != bytes)) {
            readings.push((Some(change), bytes));
        }
    }
    readings
}

/// All readings of a secret's text as key bytes, the scheme's own first.
pub(crate) fn readings_of_key(text: &str, form: KeyForm) -> Vec<(Option<KeyReading>, Zeroizing<Vec<u8>>)> {
    let own = match form {
        KeyForm::Text => Some(text.as_bytes().to_vec()),
        KeyForm::Base64 => decode_base64_leniently(text),
    };
    let with_prefix = !text.starts_with(SHARED_SECRET_PREFIX);
    let changed = [
        (KeyReading::Text, Some(text.as_bytes().to_vec())),
        (KeyReading::TextWithoutPrefix, text.strip_prefix(SHARED_SECRET_PREFIX).map(|rest| rest.into())),
        (
            KeyReading::TextWithPrefix,
            with_prefix.then(|| format!("{SHARED_SECRET_PREFIX}{text}").into_bytes()),
        ),
        (KeyReading::Base64, decode_base64_leniently(text)),
        (KeyReading::Hex, decode_hex_of_any_length(text)),
        (KeyReading::Trimmed, Some(text.trim().as_bytes().to_vec())),
        (KeyReading::WithNewline, Some(format!("{text}\n").into_bytes())),
    ];
    let changed = changed.map(|(reading, bytes)| (Some(reading), bytes));
    let mut readings: Vec<(Option<KeyReading>, Zeroizing<Vec<u8>>)> = Vec::new();
    for (reading, bytes) in [(None, own)].into_iter().chain(changed) {
        let bytes = Zeroizing::new(bytes.unwrap_or_default());
        if !bytes.is_empty() && readings.iter().all(|(_, known)| *known != bytes) {
            readings.push((reading, bytes));
        }
    }
    readings
}

/// Every full tag that stands somewhere in a signature header, in whatever spelling, with the spelling's name. A tag
/// that can be read in the scheme's own encoding is.
pub(crate) fn readings_of_tags(value: &[u8], own: Encoding) -> Vec<(Tag, &'static str)> {
    let mut readings = Vec::new();
    for piece in value.split(|byte| b" ,;".contains(byte)) {
        let after_name = piece.iter().position(|byte| *byte == b'=' || *byte == b':');
        for text in [Some(piece), after_name.map(|at| &piece[at + 1..])].into_iter().flatten() {
            readings.extend(read_tag_leniently(text, own));
        }
    }
    // As many as a header within limits can hold; a header of nothing but tags must not cost more.
    readings.truncate(32);
    readings
}

fn read_tag_leniently(text: &[u8], own: Encoding) -> Option<(Tag, &'static str)> {
    let exactly = |encoding: Encoding| encoding.decode(text).map(|tag| (tag, encoding.name()));
    let upper_case = || Some((Encoding::Hex.decode(&text.to_ascii_lowercase())?, "upper-case hex"));
    let unpadded = || Some((Encoding::Base64.decode(&[text, b"="].concat())?, "base64 without padding"));
    exactly(own)
        .or_else(|| exactly(Encoding::Hex))
        .or_else(upper_case)
        .or_else(|| exactly(Encoding::Base64))
        .or_else(unpadded)
        .or_else(|| exactly(Encoding::Base64Url))
        .or_else(|| exactly(Encoding::Base64UrlPadded))
}

fn decode_base64_leniently(text: &str) -> Option<Vec<u8>> {
    let encoded = text.strip_prefix(SHARED_SECRET_PREFIX).unwrap_or(text).trim();
    [STANDARD_PAD_INDIFFERENT, STANDARD_NO_PAD_INDIFFERENT, URL_SAFE_NO_PAD_INDIFFERENT]
        .into_iter()
        .find_map(|engine| engine.decode(encoded).ok())
}

fn decode_hex_of_any_length(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn replace_line_ends(body: &[u8], line_end: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    lines.join(line_end)
}

/// What happens to characters in JSON strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// They stay as they are.
    Kept,
    /// Escapes of printable characters become the characters.
    Resolved,
    /// Everything outside ASCII becomes an escape.
    ForAllButAscii,
}

/// Writes a JSON text again with other white space and escapes. Numbers and the order of members stay.
///
/// It takes the text apart only as far as strings and white space; a body that does not start as an object or array
/// is not JSON here.
fn rewrite_json(body: &[u8], spaced: bool, escapes: Escapes) -> Option<Vec<u8>> {
    let text = str::from_utf8(body).ok()?.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => {
                written.push('"');
                rewrite_string(&mut rest, escapes, &mut written);
            }
            ',' | ':' => {
                written.push(next);
                if spaced {
                    written.push(' ');
                }
            }
            ' ' | '\t' | '\r' | '\n' => {}
            other => written.push(other),
        }
    }
    Some(written.into_bytes())
}

/// Copies the rest of a string, the closing quote included.
fn rewrite_string(rest: &mut std::str::Chars<'_>, escapes: Escapes, written: &mut String) {
    while let Some(next) = rest.next() {
        match next {
            '"' => {
                written.push('"');
                return;
            }
            '\\' if escapes == Escapes::Resolved => resolve_escape(rest, written),
            '\\' => {
                written.push('\\');
                written.extend(rest.next());
            }
            other if !other.is_ascii() && escapes == Escapes::ForAllButAscii => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    written.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => written.push(other),
        }
    }
}

/// Writes the character for `\u....` and `\/`; every other escape stays.
fn resolve_escape(rest: &mut std::str::Chars<'_>, written: &mut String) {
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let ahead = rest.as_str();
    let first = unit(ahead);
    let second = ahead.get(5..).and_then(|later| later.strip_prefix('\\')).and_then(unit);
    let pair = first.zip(second).and_then(|(high, low)| decode_units(&[high, low]));
    let single = first.and_then(|unit| decode_units(&[unit]));
    let (character, length) = match (single, pair) {
        (Some(character), _) if !character.is_ascii() => (character, 5),
        (None, Some(character)) => (character, 11),
        _ => {
            let escaped = rest.next();
            if escaped != Some('/') {
                written.push('\\');
            }
            written.extend(escaped);
            return;
        }
    };
    written.push(character);
    // All characters of an escape are ASCII, so bytes and characters are the same here.
    for _ in 0..length {
        rest.next();
    }
}

/// Reads UTF-16 units that make exactly one character.
fn decode_units(units: &[u16]) -> Option<char> {
    let mut decoded = char::decode_utf16(units.iter().copied());
    let character = decoded.next()?.ok()?;
    decoded.next().is_none().then_some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str, spaced: bool, escapes: Escapes) -> String {
        String::from_utf8(rewrite_json(text.as_bytes(), spaced, escapes).unwrap()).unwrap()
    }

    #[test]
    fn json_is_rewritten_outside_strings_only() {
        let text = "{ \"a : ,\\\"\" :\r\n [1, 2.0 ,true] }\n";
        assert_eq!(json(text, false, Escapes::Kept), r#"{"a : ,\"":[1,2.0,true]}"#);
        assert_eq!(json(text, true, Escapes::Kept), r#"{"a : ,\"": [1, 2.0, true]}"#);
    }

    #[test]
    fn escapes_are_resolved_and_made() {
        let escaped = r#"{"a":"caf\u00e9 \u2665 \ud83d\ude00 \n \u001b \\u0041"}"#;
        let plain = r#"{"a":"café ♥ 😀 \n \u001b \\u0041"}"#;
        assert_eq!(json(escaped, false, Escapes::Resolved), plain);
        assert_eq!(json(plain, false, Escapes::ForAllButAscii), escaped);
    }

    #[test]
    fn broken_json_is_rewritten_without_a_panic() {
        for text in
            [r#"{"\"#, r#"{"\u"#, r#"{"\ud83d"#, r#"{"\ud83d\u12"#, r#"{"\u00é9"#, "[", r#"{"\ud83d\ud83d""#]
        {
            for escapes in [Escapes::Kept, Escapes::Resolved, Escapes::ForAllButAscii] {
                assert!(rewrite_json(text.as_bytes(), true, escapes).is_some());
            }
        }
    }

    #[test]
    fn no_reading_stands_twice() {
        let bodies = readings_of_body(b"{\"a\": 1}\n");
        for (index, (_, bytes)) in bodies.iter().enumerate() {
            assert!(bodies[..index].iter().all(|(_, earlier)| earlier != bytes));
        }
        assert_eq!(bodies[0].0, None);
    }
}
