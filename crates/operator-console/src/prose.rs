//! Sentences of the interface on a page: what stands between backticks is shown as code.

use askama::{Template, filters::HtmlSafe};

/// A sentence, or several.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% for (is_code, text) in parts %}{% if *is_code %}<code>{{ text }}</code>{% else %}{{ text }}{% endif %}{% endfor %}"
)]
pub(crate) struct Prose {
    /// Each part, and whether it is code.
    parts: Vec<(bool, String)>,
}

impl HtmlSafe for Prose {}

impl Prose {
    /// Reads a text as the interface writes it. A backtick that has no other is one.
    pub(crate) fn of(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (code, after))) =
            rest.split_once('`').and_then(|(before, after)| Some((before, after.split_once('`')?)))
        {
            parts.push((false, before.to_owned()));
            parts.push((true, code.to_owned()));
            rest = after;
        }
        parts.push((false, rest.to_owned()));
        parts.retain(|(_, text)| !text.is_empty());
        Self { parts }
    }
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
}
