//! Sentences of the interface on a page: what stands between backticks is shown as code, and moments as the operator wants them.

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use serde_json::Value;

use crate::parts::Moment;

/// A sentence, or several.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% for part in parts %}{% match part %}{% when Part::Text(text) %}{{ text }}{% when Part::Code(text) %}<code>{{ text }}</code>\
              {% when Part::At(at) %}{{ at }}{% when Part::Absolute(text) %}<span class=\"absolute\">{{ text }}</span>{% endmatch %}{% endfor %}"
)]
pub(crate) struct Prose {
    parts: Vec<Part>,
}

impl HtmlSafe for Prose {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Code(String),
    At(Moment),
    /// What belongs to a moment in UTC or local time alone: the `at` before it, and how far it is from when the page was made. `at 3 min ago`
    /// is no English, and `3 min ago (3 min ago)` says it twice.
    Absolute(String),
}

impl Prose {
    /// Reads a text as the interface writes it. A backtick that has no other is one.
    pub(crate) fn of(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (code, after))) =
            rest.split_once('`').and_then(|(before, after)| Some((before, after.split_once('`')?)))
        {
            with_moments(before, &mut parts);
            parts.push(Part::Code(code.to_owned()));
            rest = after;
        }
        with_moments(rest, &mut parts);
        Self { parts }
    }
}

/// A text, and the moments in it.
fn with_moments(text: &str, parts: &mut Vec<Part>) {
    let mut rest = text;
    while let Some((before, moment, after)) = next_moment(rest) {
        let (before, at) = before.split_at(before.len() - length_of_at(before));
        push(before, parts);
        push_absolute(at, parts);
        parts.push(Part::At(Moment::of(&Value::from(moment))));
        let (away, after) = after.split_at(length_of_away(after));
        push_absolute(away, parts);
        rest = after;
    }
    push(rest, parts);
}

fn push(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn push_absolute(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Absolute(text.to_owned()));
    }
}

/// The first moment in a text, as RFC 3339 in UTC, and what stands before and behind it. What is quoted, or shows how one is written, stays.
fn next_moment(text: &str) -> Option<(&str, &str, &str)> {
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, '-' | ':' | '.' | 'T' | 'Z');
    let mut begin = 0;
    for word in text.split_inclusive(|letter| !is_part(letter)) {
        let moment = word.trim_end_matches(|letter| !is_part(letter)).trim_end_matches(['.', ':', '-']);
        let (before, rest) = text.split_at(begin);
        let is_told = !before.ends_with('"') && !before.ends_with("such as ");
        let is_one = moment.contains('T') && moment.ends_with('Z') && moment.parse::<Timestamp>().is_ok();
        if is_told && is_one {
            let (moment, after) = rest.split_at(moment.len());
            return Some((before, moment, after));
        }
        begin += word.len();
    }
    None
}

/// How long the `at ` is at the end of what stands before a moment; 0 where there is none.
fn length_of_at(before: &str) -> usize {
    let rest = before.strip_suffix("at ").or_else(|| before.strip_suffix("At "));
    let is_a_word = |rest: &str| !rest.ends_with(char::is_alphanumeric);
    rest.filter(|rest| is_a_word(rest)).map_or(0, |rest| before.len() - rest.len())
}

/// How long ` (in 5 min)` or ` (5 min ago)` is behind a moment; 0 where none stands there.
fn length_of_away(after: &str) -> usize {
    let within = after.strip_prefix(" (").and_then(|rest| rest.split_once(')')).map(|(within, _)| within);
    let within = within.filter(|within| within.starts_with("in ") || within.ends_with(" ago"));
    within.map_or(0, |within| within.len() + " ()".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_of_it_a_tag() {
        for (text, shown) in [
            ("Check it with `closeout config check`.", "Check it with <code>closeout config check</code>."),
            ("`a` and `b`", "<code>a</code> and <code>b</code>"),
            ("It's 5` wide", "It&#39;s 5` wide"),
            ("a `<b>` <i>", "a <code>&#60;b&#62;</code> &#60;i&#62;"),
            ("", ""),
        ] {
            assert_eq!(Prose::of(text).to_string(), shown);
        }
    }

    #[test]
    fn moments_in_sentences_are_shown_as_the_operator_wants_them() {
        let time = "<time datetime=\"2026-11-28T10:00:00.000Z\">2026-11-28 10:00:00 UTC</time>";
        for (text, shown) in [
            ("Until 2026-11-28T10:00:00.000Z.", format!("Until {time}.")),
            (
                "It is looked at 2026-11-28T10:00:00.000Z (in 5 min), 2026-11-28T10:00:00.000Z (3 h ago).",
                format!(
                    "It is looked <span class=\"absolute\">at </span>{time}<span class=\"absolute\"> (in 5 min)</span>, {time}\
                     <span class=\"absolute\"> (3 h ago)</span>."
                ),
            ),
            (
                "ann commented at 2026-11-28T10:00:00.000Z: at noon; it is read at 2026-11-28T10:00:00.000Z (in 5 min).",
                format!(
                    "ann commented <span class=\"absolute\">at </span>{time}: at noon; it is read \
                     <span class=\"absolute\">at </span>{time}<span class=\"absolute\"> (in 5 min)</span>."
                ),
            ),
            ("what 2026-11-28T10:00:00.000Z is", format!("what {time} is")),
            ("2026-11-28T10:00:00.000Z (by ann) ü", format!("{time} (by ann) ü")),
            ("ü2026-11-28T10:00:00.000Z", format!("ü{time}")),
            (
                "`closeout list --until 2026-11-28T10:00:00.000Z`",
                "<code>closeout list --until 2026-11-28T10:00:00.000Z</code>".to_owned(),
            ),
            (
                "a time such as 2026-11-28T10:00:00Z; it was \"2026-11-28T10:00:00Z\"",
                "a time such as 2026-11-28T10:00:00Z; it was &#34;2026-11-28T10:00:00Z&#34;".to_owned(),
            ),
            (
                "x2026-11-28 10:00:00 9999-99-99T10:00:00.000Z",
                "x2026-11-28 10:00:00 9999-99-99T10:00:00.000Z".to_owned(),
            ),
        ] {
            assert_eq!(Prose::of(text).to_string(), shown);
        }
    }
}
