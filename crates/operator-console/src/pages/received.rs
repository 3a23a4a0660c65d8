//! What came in as evidence, and why it was not taken.

use askama::Template;
use serde_json::Value;

use crate::{
    form,
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, State, items, query, some, text},
};

/// What came of a request, for the filter; those first that an operator looks for.
const RESULTS: [&str; 9] = [
    "refused",
    "undecodable",
    "unmatched",
    "foreign",
    "conflict",
    "duplicate",
    "not_an_ending",
    "nothing_new",
    "taken",
];

#[derive(Debug, Template)]
#[template(path = "received.html")]
struct Received {
    frame: Frame,
    hook: String,
    results: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    hook: String,
    result: State,
    why: String,
    conversation: Option<String>,
    event: String,
}

/// `GET /console/received`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let asked = form::fields(visitor.uri.query().unwrap_or_default().as_bytes());
    let value =
        |name: &str| asked.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim());
    let data = format!(
        "/v1/hooks/received?{}",
        query([("limit", "200"), ("hook", value("hook")), ("result", value("result"))])
    );
    let found = visitor.get(&data).await?;
    let chosen = value("result");
    let shown = Received {
        frame: visitor.frame("received", "Received", &data).await,
        hook: value("hook").to_owned(),
        results: RESULTS.map(|name| (name, name.replace('_', " "), chosen == name)).into(),
        rows: items(&found).iter().map(Row::of).collect(),
    };
    Ok(frame::show(&shown))
}

impl Row {
    fn of(item: &Value) -> Self {
        Self {
            at: Moment::of(&item["at"]),
            hook: text(&item["hook"]),
            result: State::of(&item["result"]),
            why: some(&item["why"]).unwrap_or_default(),
            conversation: some(&item["conversationId"]),
            event: some(&item["eventType"]).unwrap_or_default(),
        }
    }
}
