//! What was told to receivers and chats, and what came of it.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{
        asked::{self, Asked, Choice, Known},
        filter::line_of_event,
    },
    parts::{Moment, State, address_of, items, next_page, query, segment, some, text},
    prose::Prose,
};

#[derive(Debug, Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    closure: String,
    /// The only one that is shown; empty where more may be.
    id: String,
    /// Why what was asked for cannot be used.
    wrong: Option<String>,
    results: Vec<Choice>,
    rows: Vec<Row>,
    /// Whether it is narrowed, or a later page.
    is_part: bool,
    next: Option<String>,
}

/// What came of a delivery, for the filter; those first that an operator looks for.
const RESULTS: [&str; 8] =
    ["failed", "given_up", "gone", "refused", "waiting", "held", "withdrawn", "delivered"];

/// What can be asked for.
const KNOWN: Known = Known { one: &["closure", "id"], several: &["result"], has_pages: true };

/// Refuses an id beside what it would be narrowed by.
const ONE: &str = "An id names one delivery, so nothing narrows it further.";

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
    /// Its closure, and where that is shown, at the line that was told of.
    closure: Option<(String, String)>,
}

/// `GET /console/deliveries`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let asked = Asked::of(&visitor, KNOWN);
    let page_of = [("limit", "100"), ("cursor", asked.cursor())];
    let id = asked.value("id");
    let is_more = asked.pairs().count() > 1 || !asked.cursor().is_empty();
    let data = match id {
        "" => format!("/v1/deliveries?{}", query(asked.pairs().chain(page_of))),
        id => format!("/v1/deliveries/{}", segment(id)),
    };
    let one_of_many = (!id.is_empty() && is_more).then(|| ONE.to_owned());
    let wrong = asked.wrong.clone().or(one_of_many);
    let (found, wrong) = asked::look(&visitor, &data, wrong.as_deref()).await?;
    let one = Some(&found).filter(|found| found["id"].is_string());
    let status = asked::status(wrong.as_ref());
    let shown = Deliveries {
        frame: visitor.frame("deliveries", "Deliveries", &data).await,
        results: asked::choices(asked.value("result"), &RESULTS),
        rows: items(&found).iter().chain(one).map(Row::of).collect(),
        is_part: asked.pairs().next().is_some() || !asked.cursor().is_empty(),
        next: next_page("/console/deliveries", &found, asked.pairs()),
        closure: asked.value("closure").to_owned(),
        id: id.to_owned(),
        wrong,
    };
    Ok((status, frame::show(&shown)).into_response())
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
            closure: some(&item["closure"]).map(|closure| {
                let address = address_of(&closure, line_of_event(&text(&item["eventId"])));
                (closure, address)
            }),
        }
    }
}

/// `POST /console/deliveries/{id}/act`
pub(crate) async fn act(Path(id): Path<String>, sent: Sent) -> Response {
    let path = format!("/v1/deliveries/{}/redeliver", segment(&id));
    sent.act(&path, &sent.body(&["reason"]), "It is delivered again now.").await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_result_has_a_sign_of_its_own() {
        for name in RESULTS {
            let shown = State::of(&json!(name)).to_string();
            assert!(!shown.contains('?'), "{shown}");
        }
    }
}
