//! What came in as evidence, and why it was not taken.

use askama::Template;
use axum::response::IntoResponse as _;
use serde_json::Value;

use crate::{
    frame::{self, Frame, Page, Visitor},
    pages::asked::{self, Asked, Choice, Known},
    parts::{Moment, State, items, query, some, text},
    prose::Prose,
};

/// What came of a request, for the filter; those first that an operator looks for.
const RESULTS: [&str; 15] = [
    "refused",
    "undecodable",
    "unmatched",
    "foreign",
    "conflict",
    "duplicate",
    "not_an_ending",
    "nothing_new",
    "taken",
    "wrong_type",
    "too_large",
    "incomplete",
    "wrong_method",
    "unavailable",
    "unknown_hook",
];

/// What is refused before anything of it is read, so that no closure is known. What has to be done about it is told where hooks are described.
const UNREAD: [&str; 6] =
    ["refused", "unknown_hook", "wrong_type", "too_large", "wrong_method", "incomplete"];

/// What a hook takes and what it refuses, on the page of the HTTP API.
const HOOKS: &str = "/docs#post_hooks_name";

/// What can be asked for.
const KNOWN: Known = Known { one: &["hook"], several: &["result"], has_pages: false };

#[derive(Debug, Template)]
#[template(path = "received.html")]
struct Received {
    frame: Frame,
    hook: String,
    /// Why what was asked for cannot be used.
    wrong: Option<String>,
    results: Vec<Choice>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    hook: String,
    result: State,
    why: String,
    /// Where it is told what a hook takes, for what it did not.
    taken: Option<&'static str>,
    conversation: Option<String>,
    event: String,
}

/// `GET /console/received`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let asked = Asked::of(&visitor, KNOWN);
    let data = format!("/v1/hooks/received?{}", query([("limit", "200")].into_iter().chain(asked.pairs())));
    let (found, wrong) = asked::look(&visitor, &data, asked.wrong.as_deref()).await?;
    let status = asked::status(wrong.as_ref());
    let shown = Received {
        frame: visitor.frame("received", "Received", &data).await,
        hook: asked.value("hook").to_owned(),
        wrong,
        results: asked::choices(asked.value("result"), &RESULTS),
        rows: items(&found).iter().map(Row::of).collect(),
    };
    Ok((status, frame::show(&shown)).into_response())
}

impl Row {
    fn of(item: &Value) -> Self {
        Self {
            at: Moment::of(&item["at"]),
            hook: text(&item["hook"]),
            result: State::of(&item["result"]),
            why: some(&item["why"]).unwrap_or_default(),
            taken: UNREAD.iter().any(|name| item["result"] == *name).then_some(HOOKS),
            conversation: some(&item["conversationId"]),
            event: some(&item["eventType"]).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_refused_looks_like_that_and_nothing_as_if_it_went_on() {
        for result in RESULTS {
            let shown = State::of(&json!(result)).to_string();
            assert!(!shown.contains("busy") && !shown.contains('?'), "{shown}");
            assert!(!UNREAD.contains(&result) || shown.contains("state alarm"), "{shown}");
        }
    }
}
