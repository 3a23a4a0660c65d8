//! Where commands come from, and those that could not be taken.

use askama::Template;
use axum::{extract::Path, response::Response};
use http::StatusCode;
use serde_json::Value;

use crate::{
    api::Refusal,
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    parts::{Moment, State, items, segment, some, text, words},
};

#[derive(Debug, Template)]
#[template(path = "sources.html")]
struct Sources {
    frame: Frame,
    sources: Vec<Source>,
    letters: Vec<Letter>,
}

#[derive(Debug)]
struct Source {
    name: String,
    kind: String,
    state: State,
    paused: bool,
    waiting: String,
    in_hand: String,
    last: Moment,
    fault: Option<String>,
    warnings: Vec<(String, String)>,
}

#[derive(Debug)]
struct Letter {
    id: String,
    at: Moment,
    source: String,
    state: State,
    is_held: bool,
    reason: String,
    place: String,
    seen_to: Option<String>,
    closure: Option<String>,
}

/// `GET /console/sources`
pub(crate) async fn page(visitor: Visitor) -> Page {
    let sources = visitor.get("/v1/sources").await?;
    let letters = visitor.get("/v1/dead-letters?limit=100").await?;
    let shown = Sources {
        frame: visitor
            .frame("sources", "Sources", "/v1/sources")
            .await
            .watching("/v1/dead-letters?limit=100"),
        sources: items(&sources).iter().map(Source::of).collect(),
        letters: items(&letters).iter().map(Letter::of).collect(),
    };
    Ok(frame::show(&shown))
}

impl Source {
    fn of(one: &Value) -> Self {
        let warning = |warning: &Value| (text(&warning["detail"]), text(&warning["fix"]));
        Self {
            name: text(&one["name"]),
            kind: text(&one["kind"]),
            state: State::of(&one["state"]),
            paused: one["paused"] == true,
            waiting: text(&one["waiting"]),
            in_hand: text(&one["inHand"]),
            last: Moment::of(&one["lastReceivedAt"]),
            fault: some(&one["fault"]),
            warnings: one["warnings"].as_array().into_iter().flatten().map(warning).collect(),
        }
    }
}

impl Letter {
    fn of(one: &Value) -> Self {
        Self {
            id: text(&one["id"]),
            at: Moment::of(&one["at"]),
            source: text(&one["source"]),
            state: State::of(&one["state"]),
            is_held: one["state"] == "held",
            reason: words(&one["reason"]),
            place: text(&one["place"]),
            seen_to: some(&one["by"]),
            closure: some(&one["closure"]),
        }
    }
}

/// `POST /console/sources/{name}/act`
pub(crate) async fn act(Path(name): Path<String>, sent: Sent) -> Response {
    let path = format!("/v1/sources/{}/{}", segment(&name), sent.field("act"));
    match sent.field("act") {
        "pause" => {
            sent.act(
                &path,
                &sent.body(&["reason"]),
                "Nothing more is taken from it; what producers send waits there.",
            )
            .await
        }
        "resume" => sent.act(&path, &sent.body(&["reason"]), "It is read again.").await,
        _ => sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, "There is no such act.")),
    }
}

/// `POST /console/dead-letters/{id}/act`
pub(crate) async fn letter(Path(id): Path<String>, sent: Sent) -> Response {
    let path = format!("/v1/dead-letters/{}/{}", segment(&id), sent.field("act"));
    match sent.field("act") {
        "redrive" => sent.act(&path, &sent.body(&["reason"]), "It was given again as it stands.").await,
        "discard" => sent.act(&path, &sent.body(&["reason"]), "It is let go, with your reason.").await,
        _ => sent.visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, "There is no such act.")),
    }
}
