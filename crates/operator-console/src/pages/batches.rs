//! Batches: what runs, what waits for somebody's word, and a preview of new ones.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    api::{CSV, TEXT},
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{
        asked::{self, Asked, Known},
        scope::Scope,
    },
    parts::{Moment, State, items, next_page, query, segment, some, text},
    prose::Prose,
    refusal::Refusal,
};

#[derive(Debug, Template)]
#[template(path = "batches.html")]
struct Batches {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    /// Why the list cannot be shown.
    wrong: Option<String>,
    /// Those of the key, where it has several to choose from.
    organisations: Vec<String>,
    typed: Typed,
}

/// What stands in the forms: where one is refused, nothing that was typed or pasted is lost.
#[derive(Debug)]
struct Typed {
    organisation: String,
    rows: String,
    hours: String,
    queue: String,
    message_type: String,
}

impl Default for Typed {
    fn default() -> Self {
        let none = String::new;
        Self {
            organisation: none(),
            rows: none(),
            hours: "24".to_owned(),
            queue: none(),
            message_type: none(),
        }
    }
}

impl Typed {
    fn of(sent: &Sent) -> Self {
        let field = |name| sent.field(name).to_owned();
        let usual = Self::default();
        Self {
            organisation: field("organisation"),
            rows: sent.lines("rows").to_owned(),
            hours: if sent.field("of") == "scan" { field("hours") } else { usual.hours },
            queue: field("queueId"),
            message_type: field("messageType"),
        }
    }
}

#[derive(Debug)]
struct Row {
    id: String,
    /// What it does, and of which organisation.
    what: String,
    state: State,
    total: String,
    settled: String,
    skipped: String,
    by: String,
    made: Moment,
    reason: Option<String>,
}

/// What the list can be narrowed by.
const KNOWN: Known = Known { one: &[], several: &["state"], has_pages: true };

/// `GET /console/batches`
pub(crate) async fn page(visitor: Visitor) -> Page {
    shown(&visitor, StatusCode::OK, Typed::default()).await
}

async fn shown(visitor: &Visitor, status: StatusCode, typed: Typed) -> Page {
    let asked = Asked::of(visitor, KNOWN);
    let cursor = asked.cursor();
    let data = format!("/v1/batches?{}", query(asked.pairs().chain([("limit", "50"), ("cursor", cursor)])));
    let (found, wrong) = asked::look(visitor, &data, asked.wrong.as_deref()).await?;
    let status = if wrong.is_some() { asked::status(wrong.as_ref()) } else { status };
    let frame = visitor.frame("batches", "Batches", &data).await;
    let organisations = match visitor.session.organisations.as_slice() {
        [_] => Vec::new(),
        several => several.to_vec(),
    };
    let shown = Batches {
        frame: if cursor.is_empty() { frame.watching(&data, &found) } else { frame },
        rows: items(&found).iter().map(Row::of).collect(),
        next: next_page("/console/batches", &found, asked.pairs()),
        wrong,
        organisations,
        typed,
    };
    Ok((status, frame::show(&shown)).into_response())
}

/// What a batch does, and of which organisation.
fn what(batch: &Value) -> String {
    let deed = match (batch["act"].as_str(), batch["scan"].is_object()) {
        (Some(act), _) => act,
        (None, true) => "scan",
        (None, false) => "close",
    };
    format!("{deed}, {}", text(&batch["organisation"]))
}

impl Row {
    fn of(batch: &Value) -> Self {
        let progress = &batch["progress"];
        let count = |name: &str| progress[name].as_u64().unwrap_or_default();
        Self {
            id: text(&batch["id"]),
            what: what(batch),
            state: State::of(&batch["state"]),
            total: text(&progress["total"]),
            settled: (count("closed") + count("ghost") + count("failed")).to_string(),
            skipped: text(&progress["skipped"]),
            by: text(&batch["by"]),
            made: Moment::of(&batch["createdAt"]),
            reason: some(&batch["reason"]),
        }
    }
}

/// `POST /console/batches`: previews rows, all that match a filter, those that were chosen, or a scan. Nothing is done until it is executed.
pub(crate) async fn preview(sent: Sent) -> Response {
    let visitor = &sent.visitor;
    let body = match wanted(&sent) {
        Ok(body) => body,
        Err(why) => {
            return refused(&sent, StatusCode::UNPROCESSABLE_ENTITY, &format!("{why} Nothing was done."))
                .await;
        }
    };
    let path = match sent.field("organisation") {
        "" => "/v1/batches".to_owned(),
        organisation => format!("/v1/batches?{}", query([("organisation", organisation)])),
    };
    let (api, key) = (&visitor.console.api, &visitor.session.key);
    let answered = match body {
        Wanted::Rows(rows) => api.post_text(key, &path, kind_of(rows), rows).await,
        Wanted::Other(body) => api.post(key, &path, &body, None).await,
    };
    match answered {
        Ok(batch) => {
            visitor.session.tell(true, "Nothing is done yet: this is what would be done.");
            Redirect::to(&format!("/console/batches/{}", segment(&text(&batch["id"])))).into_response()
        }
        Err(refusal @ Refusal { status: StatusCode::UNAUTHORIZED, .. }) => visitor.stumble(refusal),
        Err(Refusal { status, detail, filter, .. }) => {
            match Scope::of(&json!({ "organisation": sent.field("organisation"), "filter": filter })) {
                Some(narrower) => {
                    let detail = format!("{detail} Nothing was done.");
                    let says = "Show the earliest of them, as many as fit in one";
                    visitor.session.tell_way(detail, narrower.address, says);
                    sent.back()
                }
                None => refused(&sent, status, &detail).await,
            }
        }
    }
}

/// Says why, where the form stood: on this page with what was typed, and on others as they are.
async fn refused(sent: &Sent, status: StatusCode, why: &str) -> Response {
    sent.visitor.session.tell(false, why);
    match sent.field("of") {
        "rows" | "scan" => {
            shown(&sent.visitor, status, Typed::of(sent)).await.unwrap_or_else(|stumble| stumble)
        }
        _ => sent.back(),
    }
}

/// What a form asks for.
enum Wanted<'a> {
    /// Ids of conversations, or a table, as they were pasted: the interface reads them, and names the lines of those that are none.
    Rows(&'a str),
    /// Anything else, as the interface takes it.
    Other(Value),
}

/// What was pasted: a table begins with a heading that only a table has.
fn kind_of(rows: &str) -> &'static str {
    let says_something = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let first = rows.lines().find(says_something).unwrap_or_default();
    let mut headings = first.split(',').map(|heading| heading.trim().trim_matches('"'));
    if headings.any(|heading| heading == "conversationId") { CSV } else { TEXT }
}

/// What the form asks for, or why it cannot be asked for.
fn wanted(sent: &Sent) -> Result<Wanted<'_>, String> {
    match sent.field("of") {
        "rows" => Ok(Wanted::Rows(sent.lines("rows"))),
        "filter" => Ok(Wanted::Other(filter(sent))),
        "closures" => match sent.fields("closure").collect::<Vec<_>>() {
            ids if ids.is_empty() => Err("No closure was chosen.".to_owned()),
            ids => Ok(Wanted::Other(json!({ "closures": ids, "act": sent.field("act") }))),
        },
        "scan" => scan(sent).map(Wanted::Other),
        _ => Ok(Wanted::Other(Value::Null)),
    }
}

fn filter(sent: &Sent) -> Value {
    let mut filter = Map::new();
    for name in ["state", "closureReason", "queueId"] {
        let several: Vec<_> = sent.field(name).split(',').filter(|one| !one.is_empty()).collect();
        if !several.is_empty() {
            filter.insert(name.to_owned(), json!(several));
        }
    }
    for name in ["source", "since", "until"] {
        match sent.field(name) {
            "" => {}
            // The list takes `1h`, a batch the same as ISO 8601 writes it.
            value if value.ends_with(['h', 'm', 's']) => {
                filter.insert(name.to_owned(), json!(format!("PT{}", value.to_uppercase())));
            }
            value if value.ends_with('d') => {
                filter.insert(name.to_owned(), json!(format!("P{}", value.to_uppercase())));
            }
            value => {
                filter.insert(name.to_owned(), json!(value));
            }
        }
    }
    let labels: Map<_, _> =
        sent.prefixed("label.").map(|(name, value)| (name.to_owned(), json!(value))).collect();
    if !labels.is_empty() {
        filter.insert("labels".to_owned(), Value::Object(labels));
    }
    match sent.field("act") {
        "" => json!({ "filter": filter }),
        act => json!({ "filter": filter, "act": act }),
    }
}

fn scan(sent: &Sent) -> Result<Value, String> {
    let mut scan = Map::new();
    match (sent.field("hours"), sent.field("hours").parse::<u32>()) {
        ("", _) => {}
        (_, Ok(hours @ 1..)) => {
            scan.insert("olderThan".to_owned(), json!(format!("PT{hours}H")));
        }
        (given, _) => return Err(format!("The hours are a whole number from 1; it was \"{given}\".")),
    }
    for name in ["queueId", "messageType"] {
        if !sent.field(name).is_empty() {
            scan.insert(name.to_owned(), json!(sent.field(name)));
        }
    }
    Ok(json!({ "scan": scan }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told_from_ids_by_its_heading() {
        let id = "3fe5ae52-1b74-4dd3-a5a4-50d7b2a3e09f";
        for table in [
            "conversationId\n",
            "# stuck\n\n label.team , \"conversationId\"\r\n",
            "conversationId,label.team\na,b",
        ] {
            assert_eq!(kind_of(table), CSV, "{table:?}");
        }
        for ids in [id.to_owned(), format!("{id}, {id}"), format!("{id}\nconversationId"), String::new()] {
            assert_eq!(kind_of(&ids), TEXT, "{ids:?}");
        }
    }
}
