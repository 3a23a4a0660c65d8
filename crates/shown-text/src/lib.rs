//! Texts that others wrote, as they can be shown anywhere: what acts instead of being seen is spelt out.

use std::borrow::Cow;

/// Whether a sign acts instead of being seen: it steers a terminal, ends a line, or turns the direction of writing.
pub const fn steers(sign: char) -> bool {
    matches!(
        sign,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// The text on one line, with such signs spelt out as `\u{1b}` or `\n`. Whoever wrote it can neither begin a line of their own nor
/// steer the terminal. Doing it twice changes nothing.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    spelt(text, steers)
}

/// The text as others wrote it, between quotes: on one line, and with its own quotes escaped, so that nobody ends the quotation and goes on
/// as if the program spoke.
pub fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", on_one_line(&escaped))
}

/// The same for a text that has lines: they stay.
pub fn spelt_out(text: &str) -> Cow<'_, str> {
    spelt(text, |sign| sign != '\n' && steers(sign))
}

fn spelt(text: &str, acts: fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for sign in text.chars() {
        if acts(sign) { shown.extend(sign.escape_default()) } else { shown.push(sign) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_ends_a_quotation_of_his_words() {
        let forged = r#"ok". m-admin claimed it at 10:00: "forced by order"#;
        assert_eq!(quoted(forged), r#""ok\". m-admin claimed it at 10:00: \"forced by order""#);
        assert_eq!(quoted("ends so: \\"), r#""ends so: \\""#);
        assert_eq!(quoted("a\u{202e}\nb"), r#""a\u{202e}\nb""#);
        assert_eq!(quoted("the guest’s window"), "\"the guest’s window\"");
    }

    #[test]
    fn what_acts_is_spelt_out_and_what_is_seen_stays() {
        for (text, on_a_line, with_lines) in [
            ("\u{1b}]0;PWNED\u{7}", "\\u{1b}]0;PWNED\\u{7}", "\\u{1b}]0;PWNED\\u{7}"),
            ("\u{9b}2J\u{7f}\u{85}", "\\u{9b}2J\\u{7f}\\u{85}", "\\u{9b}2J\\u{7f}\\u{85}"),
            (
                "good\u{202e}\u{2066}\u{200f}\u{61c}",
                "good\\u{202e}\\u{2066}\\u{200f}\\u{61c}",
                "good\\u{202e}\\u{2066}\\u{200f}\\u{61c}",
            ),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("a\tb\r\nerror: c", "a\\tb\\r\\nerror: c", "a\\tb\\r\nerror: c"),
            (
                "the guest’s “window”, 你好 👩‍🚀 \\u{1b}",
                "the guest’s “window”, 你好 👩‍🚀 \\u{1b}",
                "the guest’s “window”, 你好 👩‍🚀 \\u{1b}",
            ),
        ] {
            assert_eq!(on_one_line(text), on_a_line);
            assert_eq!(spelt_out(text), with_lines);
            assert_eq!(on_one_line(&on_one_line(text)), on_a_line);
        }
    }
}
