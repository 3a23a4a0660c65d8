//! Where commands come from, and those that could not be taken.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::Value;

use crate::{
    form::Sent,
    frame::{self, Frame, Page, Visitor},
    pages::{
        asked::{self, Asked, Known},
        pause::Pause,
    },
    parts::{Moment, State, items, next_page, query, segment, some, text, words},
    prose::Prose,
    refusal::Refusal,
};

#[derive(Debug, Template)]
#[template(path = "sources.html")]
struct Sources {
    frame: Frame,
    sources: Vec<Source>,
    letters: Vec<Letter>,
    /// Why what was asked for cannot be used.
    wrong: Option<String>,
    /// The states of letters to choose from, in words, and whether they are shown.
    states: Vec<(&'static str, &'static str, bool)>,
    /// Whether only those are shown that wait for somebody.
    of_held: bool,
    next: Option<String>,
}

/// Which letters can be shown. Those that wait for somebody come first: they are what the first page counts.
const STATES: [(&str, &str); 4] =
    [("held", "held"), ("redriven", "given again"), ("discarded", "let go"), ("any", "any")];

/// What can be asked for.
const KNOWN: Known = Known { one: &["letters"], several: &[], has_pages: true };

#[derive(Debug)]
struct Source {
    name: String,
    kind: String,
    state: State,
    paused: bool,
    /// Who paused it, as far as the interface tells.
    paused_by: Option<Pause>,
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
    let asked = Asked::of(&visitor, KNOWN);
    let (letters, cursor) = (asked.value("letters"), asked.cursor());
    let chosen = if letters.is_empty() { STATES[0].0 } else { letters };
    let state = if chosen == "any" { "" } else { chosen };
    let data =
        format!("/v1/dead-letters?{}", query([("state", state), ("limit", "100"), ("cursor", cursor)]));
    let (letters, wrong) = asked::look(&visitor, &data, asked.wrong.as_deref()).await?;
    let status = asked::status(wrong.as_ref());
    let frame = visitor.frame("sources", "Sources", "/v1/sources").await.showing([&data]);
    let shown = Sources {
        frame: if cursor.is_empty() && wrong.is_none() { frame.watching(&data, &letters) } else { frame },
        sources: items(&sources).iter().map(Source::of).collect(),
        letters: items(&letters).iter().map(Letter::of).collect(),
        states: STATES.map(|(name, words)| (name, words, name == chosen)).into(),
        of_held: chosen == STATES[0].0,
        next: next_page("/console/sources", &letters, [("letters", chosen)])
            .map(|next| format!("{next}#letters")),
        wrong,
    };
    Ok((status, frame::show(&shown)).into_response())
}

impl Source {
    fn of(one: &Value) -> Self {
        let warning = |warning: &Value| (text(&warning["detail"]), text(&warning["fix"]));
        Self {
            name: text(&one["name"]),
            kind: text(&one["kind"]),
            state: State::of(&one["state"]),
            paused: one["paused"] == true,
            paused_by: Pause::of(&one["pausedBy"]),
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
