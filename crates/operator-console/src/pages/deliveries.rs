//! What was told to receivers and chats, and what came of it.

use askama::Template;
use axum::{extract::Path, response::Response};
use serde_json::Value;

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, State, items, segment, some, text},
};

#[derive(Debug, Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    id: String,
    at: Moment,
    event: String,
    receiver: String,
    result: State,
    attempt: String,
    why: String,
    next: Moment,
    closure: Option<String>,
}

/// `GET /console/deliveries`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let data = "/v1/deliveries?limit=100";
    let found = visitor.get(data).await?;
    let frame = visitor.frame("deliveries", "Deliveries", data).await;
    Ok(frame::show(&Deliveries { frame, rows: items(&found).iter().map(Row::of).collect() }))
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
            next: Moment::of(&item["nextTryAt"]),
            closure: some(&item["closure"]),
        }
    }
}

/// `POST /console/deliveries/{id}/act`
pub(crate) async fn act(Path(id): Path<String>, sent: Sent) -> Response {
    let path = format!("/v1/deliveries/{}/redeliver", segment(&id));
    sent.act(&path, &Value::Null, "It is delivered again now.").await
}
