//! What the guest sees: a small chat that learns of the end only when the Messenger setting lets it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

const PAGE: &str = include_str!("guest_page.html");

/// The page itself. It asks for the state twice a second.
pub(crate) async fn page(State(world): State<Arc<World>>, Path(id): Path<Uuid>) -> Response {
    match shown(&world, id) {
        Some(state) => {
            let first = state["guestState"].as_str().unwrap_or("connected").to_owned();
            let page = PAGE.replace("{{conversation}}", &id.to_string()).replace("{{state}}", &first);
            ([(CACHE_CONTROL, "no-store")], Html(page)).into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, Html("<!doctype html><title>No chat</title><p>There is no such chat."))
                .into_response()
        }
    }
}

/// What the page shows, as JSON.
pub(crate) async fn state(State(world): State<Arc<World>>, Path(id): Path<Uuid>) -> Response {
    match shown(&world, id) {
        Some(state) => ([(CACHE_CONTROL, "no-store")], Json(state)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn shown(world: &World, id: Uuid) -> Option<Value> {
    let talk = world.find(id)?;
    Some(json!({ "guestState": talk.guest_state(), "lines": talk.guest_lines }))
}
