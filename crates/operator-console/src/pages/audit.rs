//! What operators did.

use askama::Template;
use axum::response::IntoResponse as _;
use serde_json::Value;

use crate::{
    frame::{self, Frame, Page, Visitor},
    pages::asked::{self, Asked, Known},
    parts::{Moment, State, items, next_page, query, segment, some, text},
    prose::Prose,
};

#[derive(Debug, Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    asked: Asked,
    /// Why it cannot be used.
    wrong: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    by: String,
    role: String,
    action: String,
    subject: String,
    /// Where the subject has a page.
    link: Option<String>,
    why: String,
    before: String,
    after: String,
    outcome: State,
    code: String,
}

/// What can be asked for.
const KNOWN: Known =
    Known { one: &["since", "until"], several: &["by", "action", "subject"], has_pages: true };

/// `GET /console/audit`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let asked = Asked::of(&visitor, KNOWN);
    let pairs = [("limit", "100")].into_iter().chain(asked.pairs()).chain([("cursor", asked.cursor())]);
    let data = format!("/v1/audit?{}", query(pairs));
    let (found, wrong) = asked::look(&visitor, &data, asked.wrong.as_deref()).await?;
    let status = asked::status(wrong.as_ref());
    let shown = Audit {
        frame: visitor.frame("audit", "Audit", &data).await,
        rows: items(&found).iter().map(Row::of).collect(),
        next: next_page("/console/audit", &found, asked.pairs()),
        wrong,
        asked,
    };
    Ok((status, frame::show(&shown)).into_response())
}

impl Row {
    fn of(item: &Value) -> Self {
        let subject = text(&item["subject"]);
        let place = ["cl_", "bt_"].into_iter().zip(["closures", "batches"]);
        let place = place.into_iter().find(|(prefix, _)| subject.starts_with(prefix));
        Self {
            at: Moment::of(&item["at"]),
            by: text(&item["by"]),
            role: text(&item["role"]),
            action: text(&item["action"]),
            link: place.map(|(_, place)| format!("/console/{place}/{}", segment(&subject))),
            subject,
            why: some(&item["why"]).unwrap_or_default(),
            before: standing(&item["before"]),
            after: standing(&item["after"]),
            outcome: State::of(&item["outcome"]),
            code: some(&item["code"]).unwrap_or_default(),
        }
    }
}

/// How something stood, in a few words.
fn standing(value: &Value) -> String {
    let Some(fields) = value.as_object() else { return String::new() };
    let word = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("state" | "result" | "reason", Value::String(text)) => Some(text.replace('_', " ")),
        ("effect", Value::String(effect)) if effect == "none" => Some("no effect".to_owned()),
        ("claimedBy", Value::String(name)) => Some(format!("seen to by {name}")),
        ("executedBy", Value::String(name)) => Some(format!("executed by {name}")),
        ("snoozedUntil", Value::String(until)) => Some(format!("snoozed until {until}")),
        ("paused", Value::Bool(paused)) => Some(if *paused { "paused" } else { "running" }.to_owned()),
        _ => None,
    };
    let mut words: Vec<_> = fields.iter().filter_map(word).collect();
    // The state first: what it has as a reason explains it.
    if fields.contains_key("reason") {
        words.reverse();
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::standing;

    #[test]
    fn a_standing_is_told_in_words() {
        assert_eq!(
            standing(&json!({ "state": "ghost", "reason": "no_confirmation", "version": 3 })),
            "ghost, no confirmation"
        );
        assert_eq!(standing(&json!({ "paused": true })), "paused");
        assert_eq!(standing(&json!({ "state": "running", "effect": "none" })), "no effect, running");
        assert_eq!(standing(&json!(null)), "");
    }
}
