//! What the guest sees: a small chat that learns of the end only when the Messenger setting lets it.
//!
//! The page works without JavaScript: it is written with all that is known, and its form is an ordinary one. The
//! script only keeps it up to date.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::conversation::{Conversation, GuestState, Wrapper};
use crate::journal::{JournalKind, Note};
use crate::population::GuestAct;
use crate::world::World;

const PAGE: &str = include_str!("guest_page.html");
const NO_CHAT: &str = include_str!("guest_page_missing.html");
const STYLE: &str = include_str!("guest_page.css");
const SCRIPT: &str = include_str!("guest_page.js");

/// What the page may load and do: its own style and script, and nothing that somebody typed.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'";

/// The page itself.
pub(crate) async fn page(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    let written = Uuid::try_parse(&id).ok().and_then(|id| world.remembered(id).map(|talk| written(&talk)));
    let status = if written.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)];
    (status, headers, Html(written.unwrap_or_else(|| NO_CHAT.to_owned()))).into_response()
}

/// What the page shows, as JSON.
pub(crate) async fn state(State(world): State<Arc<World>>, Path(id): Path<Uuid>) -> Response {
    match world.remembered(id) {
        Some(talk) => ([(CACHE_CONTROL, "no-store")], Json(shown(&talk))).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What a guest is told who had typed when the chat became one that can only be read, as Messenger does (code 409).
const READ_ONLY: &str = "Session is read-only, no new messages allowed";

/// Takes what the guest typed into the form, and leads back to the page. A chat that can only be read answers with an error.
pub(crate) async fn typed(State(world): State<Arc<World>>, Path(id): Path<Uuid>, form: Bytes) -> Response {
    let field = url::form_urlencoded::parse(&form).find(|(name, _)| name == "text");
    let text = field.map(|(_, text)| text.trim().to_owned()).unwrap_or_default();
    let Some(state) = world.remembered(id).map(|talk| talk.guest_state()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if state == GuestState::ReadOnly {
        world.note(Note::new(JournalKind::Control, Some(id), "guest types into a session that is read-only"));
        return (StatusCode::CONFLICT, READ_ONLY).into_response();
    }
    if !text.is_empty() && world.act_as_guest(id, GuestAct::Type { text }) {
        world.note(Note::new(JournalKind::Control, Some(id), "guest types"));
    }
    Redirect::to(&format!("/_sim/guest/{id}")).into_response()
}

/// How the page looks.
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], STYLE)
}

/// What keeps the page up to date.
pub(crate) async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "no-cache")], SCRIPT)
}

fn shown(talk: &Conversation) -> Value {
    json!({
        "guestState": talk.guest_state(),
        "lines": talk.guest_lines,
        "notice": notice(talk),
        "behindTheScenes": behind_the_scenes(talk),
    })
}

fn written(talk: &Conversation) -> String {
    let state = match talk.guest_state() {
        GuestState::Connected => "connected",
        GuestState::Disconnected => "disconnected",
        GuestState::ReadOnly => "read-only",
    };
    let line = |text: &String| {
        format!("\n      <li class=\"mine\"><span class=\"who\">Guest: </span>{}</li>", escaped(text))
    };
    let lines: String = talk.guest_lines.iter().map(line).collect();
    // What the guest typed comes last, so that nothing in it is taken for a place to fill.
    PAGE.replace("{{conversation}}", &talk.id.to_string())
        .replace("{{state}}", state)
        .replace("{{notice}}", notice(talk))
        .replace("{{truth}}", &behind_the_scenes(talk))
        .replace("{{lines}}", &lines)
}

/// What the widget tells of the end; nothing while the chat looks alive.
fn notice(talk: &Conversation) -> &'static str {
    match talk.guest_state() {
        GuestState::Connected => "",
        GuestState::Disconnected => "Your conversation has ended. Send a message to open it again.",
        GuestState::ReadOnly => "Your conversation has ended.",
    }
}

/// How things stand at Genesys, which the guest does not see.
fn behind_the_scenes(talk: &Conversation) -> String {
    let connected = talk.guest_is_connected();
    let guest = if connected { "connected" } else { "gone" };
    let whole = if talk.ended_at.is_some() { "has ended" } else { "is open" };
    let mut said = format!("At Genesys the guest is {guest} and the conversation {whole}.");
    if !connected && talk.guest_state() == GuestState::Connected {
        said.push_str(" The guest is not told, because conversationDisconnect is off.");
    }
    match (&talk.wrapper, connected) {
        (Wrapper::Open, _) => {}
        (Wrapper::Closed { .. }, true) => {
            said.push_str(" Its wrapper was closed all the same and left the guest behind: a ghost.");
        }
        (Wrapper::Closed { .. }, false) => said.push_str(" Its wrapper was closed."),
        (Wrapper::Purged, _) => said.push_str(" It was purged: reads answer 404."),
    }
    said
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
