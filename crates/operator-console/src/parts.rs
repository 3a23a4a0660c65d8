//! Small things that every page shows in the same way: moments, states, ids.

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use serde_json::Value;

/// A moment, in UTC; the script turns it into local or relative time where the operator wants that.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{% if text.is_empty() %}<span class="none">–</span>{% else %}<time datetime="{{ text }}"{% if is_exact %} data-exact{% endif %}>{{ shown }}</time>{% endif %}"#
)]
pub(crate) struct Moment {
    text: String,
    shown: String,
    is_exact: bool,
}

impl HtmlSafe for Moment {}

impl Moment {
    /// The moment that stands at this place, if one does.
    pub(crate) fn of(value: &Value) -> Self {
        Self::with(value, false)
    }

    /// The same to the millisecond, where what comes first and what second matters; it is not shown as how long ago.
    pub(crate) fn exact(value: &Value) -> Self {
        Self::with(value, true)
    }

    fn with(value: &Value, is_exact: bool) -> Self {
        let text = value.as_str().unwrap_or_default().to_owned();
        let at: Option<Timestamp> = text.parse().ok();
        let written = |at: Timestamp| if is_exact { format!("{at:.3}") } else { format!("{at:.0}") };
        let shown = at.map_or_else(|| text.clone(), |at| written(at).replace('T', " ").replace('Z', " UTC"));
        Self { text, shown, is_exact }
    }
}

/// A state: a sign, a colour and the word, so that none of the three is needed alone.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="state {{ look }}"><span aria-hidden="true">{{ sign }}</span> {{ word }}</span>"#
)]
pub(crate) struct State {
    look: &'static str,
    sign: &'static str,
    word: String,
}

impl HtmlSafe for State {}

impl State {
    /// The state of a closure, a batch, a row, a delivery or a source by its name in the interface.
    pub(crate) fn of(value: &Value) -> Self {
        let name = value.as_str().unwrap_or("unknown");
        let (look, sign) = match name {
            "closed" | "already_closed" | "resolved" | "delivered" | "done" | "finished" | "taken"
            | "redriven" => ("good", "✓"),
            "ghost" | "silent" | "dead" | "given_up" | "gone" | "undecodable" | "unreachable"
            | "store_away" | "unavailable" | "refused" | "unknown_hook" | "wrong_type" | "too_large"
            | "wrong_method" | "incomplete" => ("alarm", "!"),
            "failed" | "conflict" => ("bad", "✕"),
            "cancelled" | "skipped" | "discarded" | "withdrawn" | "stopped" => ("quiet", "⊘"),
            "blocked" | "paused" | "held" | "no_room" => ("held", "‖"),
            "unmatched" | "nothing_new" | "not_an_ending" | "duplicate" | "foreign" => ("quiet", "·"),
            "accepted"
            | "scheduled"
            | "resolving"
            | "verifying"
            | "closing_participant"
            | "awaiting_confirmation"
            | "closing_wrapper"
            | "starting"
            | "running"
            | "scanning"
            | "preview"
            | "will_close"
            | "will_act"
            | "queued"
            | "submitted"
            | "waiting" => ("busy", "◔"),
            _ => ("quiet", "?"),
        };
        Self { look, sign, word: name.replace('_', " ") }
    }

    /// The same by another word.
    pub(crate) fn called(self, word: &str) -> Self {
        Self { word: word.to_owned(), ..self }
    }
}

/// A text as it stands in a JSON value; a dash where there is none.
pub(crate) fn text(value: &Value) -> String {
    if value.is_null() { "–".to_owned() } else { ghost_report::plain(value) }
}

/// A text, if one stands there.
pub(crate) fn some(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The items of a list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value["items"].as_array().map_or(&[], Vec::as_slice)
}

/// Where the next page of a list is: the same address with the cursor that the list answered with; nothing on the last page.
pub(crate) fn next_page<'a>(
    address: &str,
    found: &'a Value,
    filter: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    let cursor = found["nextCursor"].as_str()?;
    Some(format!("{address}?{}", query(filter.into_iter().chain([("cursor", cursor)]))))
}

/// A word of the interface as a person writes it: `no_confirmation` is "no confirmation".
pub(crate) fn words(value: &Value) -> String {
    text(value).replace('_', " ")
}

/// `name=value` as the query of an address, each part escaped.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    query.finish()
}

/// A part of a path. What is no id of ours has no place in one.
pub(crate) fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The page of a closure, at a line of its timeline where one is meant: the page marks it.
pub(crate) fn address_of(closure: &str, line: Option<&str>) -> String {
    let line = line.map(|line| format!("#{}", segment(line))).unwrap_or_default();
    format!("/console/closures/{}{line}", segment(closure))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_stranger_wrote_becomes_a_tag() {
        let hostile = json!("<b>\" onclick=\"x");
        for shown in [Moment::of(&hostile).to_string(), State::of(&hostile).to_string()] {
            assert!(!shown.contains("<b>") && !shown.contains("\" onclick"), "{shown}");
        }
        assert_eq!(segment("../a b?c"), "..%2Fa%20b%3Fc");
    }

    #[test]
    fn a_next_page_keeps_the_filter_and_the_last_has_none() {
        let found = json!({ "nextCursor": "dv_1" });
        let next = next_page("/console/deliveries", &found, [("result", "failed"), ("closure", "")]);
        assert_eq!(next.as_deref(), Some("/console/deliveries?result=failed&cursor=dv_1"));
        assert_eq!(next_page("/console/deliveries", &json!({ "nextCursor": null }), []), None);
    }

    #[test]
    fn a_state_is_told_by_sign_word_and_colour() {
        assert_eq!(
            State::of(&json!("already_closed")).to_string(),
            "<span class=\"state good\"><span aria-hidden=\"true\">✓</span> already closed</span>"
        );
        assert!(
            State::of(&json!("news"))
                .to_string()
                .contains("state quiet\"><span aria-hidden=\"true\">?</span>")
        );
        assert!(Moment::of(&Value::Null).to_string().contains('–'));
        assert!(
            Moment::of(&json!("2026-11-28T13:41:57.745Z")).to_string().contains(">2026-11-28 13:41:57 UTC<")
        );
        let exact = Moment::exact(&json!("2026-11-28T13:41:57.745Z")).to_string();
        assert!(exact.contains(" data-exact>2026-11-28 13:41:57.745 UTC<"), "{exact}");
    }
}
