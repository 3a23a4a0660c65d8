//! What was told to receivers and chats, and what came of it.

use askama::Template;
use axum::{extract::Path, response::Response};
use serde_json::Value;

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, State, items, next_page, query, segment, some, text},
};

#[derive(Debug, Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    closure: String,
    results: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    /// Whether it is narrowed, or a later page.
    is_part: bool,
    next: Option<String>,
}

/// What came of a delivery, for the filter; those first that an operator looks for.
const RESULTS: [&str; 8] =
    ["failed", "given_up", "gone", "refused", "waiting", "held", "withdrawn", "delivered"];

#[derive(Debug)]
struct Row {
    id: String,
    at: Moment,
    event: String,
    receiver: String,
    result: State,
    attempt: String,
    why: String,
    next: Option<Moment>,
    closure: Option<String>,
}

/// `GET /console/deliveries`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let (result, closure, cursor) =
        (visitor.asked("result"), visitor.asked("closure"), visitor.asked("cursor"));
    let filter = [("result", result.as_str()), ("closure", closure.as_str())];
    let page_of = [("limit", "100"), ("cursor", cursor.as_str())];
    let data = format!("/v1/deliveries?{}", query(filter.into_iter().chain(page_of)));
    let found = visitor.get(&data).await?;
    let shown = Deliveries {
        frame: visitor.frame("deliveries", "Deliveries", &data).await,
        results: RESULTS.map(|name| (name, name.replace('_', " "), name == result)).into(),
        rows: items(&found).iter().map(Row::of).collect(),
        is_part: [&result, &closure, &cursor].into_iter().any(|value| !value.is_empty()),
        next: next_page("/console/deliveries", &found, filter),
        closure: closure.clone(),
    };
    Ok(frame::show(&shown))
}

impl Row {
    fn of(item: &Value) -> Self {
        let status = item["status"].as_u64().map(|status| status.to_string());
        let why = [status, some(&item["why"])].into_iter().flatten().collect::<Vec<_>>().join(": ");
        Self {
            id: text(&item["id"]),
            at: Moment::of(&item["at"]),
            event: text(&item["event"]),
            receiver: some(&item["receiver"]).unwrap_or_else(|| text(&item["url"])),
            result: State::of(&item["result"]),
            attempt: text(&item["attempt"]),
            why,
            next: item["nextTryAt"].is_string().then(|| Moment::of(&item["nextTryAt"])),
            closure: some(&item["closure"]),
        }
    }
}

/// `POST /console/deliveries/{id}/act`
pub(crate) async fn act(Path(id): Path<String>, sent: Sent) -> Response {
    let path = format!("/v1/deliveries/{}/redeliver", segment(&id));
    sent.act(&path, &sent.body(&["reason"]), "It is delivered again now.").await
}
