//! `webchat-participants`: the participant is closed by its status, then the wrapper by the same word.
//!
//! | method and path | does | pitfall |
//! | --- | --- | --- |
//! | `POST webchat/{conversation}/participants/{participant}` | ends the participant; 202 | |
//! | `PATCH webchat/{conversation}` | closes the wrapper; 200 | a guest who is still connected stays behind |
//!
//! The participant's body is `{"status": "closed"}` or `{"disposition": "closed"}`. Its end takes effect a little later.
//! A wrapper that is closed in the meantime wins the race: that end never comes, and the guest stays until it is asked
//! for again.

use http::Method;
use serde_json::{Value, json};

use super::conversation;
use super::route::{Ids, Route};
use crate::ledger::CloseTarget;
use crate::operation::{CLOSE, PARTICIPANT, RequestBody};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::whole_close::WholeClose;
use crate::world::World;

pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "webchat/{conversation}/participants/{participant}",
        permissions: PARTICIPANT,
        body: RequestBody::Needed,
        closes: Some(|ids, body| {
            closes_participant(body).then_some(CloseTarget::Participant(ids.participant))
        }),
        act: close_participant,
    },
    Route {
        method: Method::PATCH,
        path: "webchat/{conversation}",
        permissions: CLOSE,
        body: RequestBody::Needed,
        closes: Some(|_, body| (body["status"] == "closed").then_some(CloseTarget::Wrapper)),
        act: close_wrapper,
    },
];

fn closes_participant(body: &Value) -> bool {
    body["status"] == "closed" || body["disposition"] == "closed"
}

fn close_participant(world: &World, ids: Ids, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    if !closes_participant(body) {
        return Err(Refusal::invalid_value("status"));
    }
    world.disconnect_participant(ids.conversation, ids.participant, early)
}

fn close_wrapper(world: &World, ids: Ids, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    if body["status"] != "closed" {
        return Err(Refusal::invalid_value("status"));
    }
    let mut talk = conversation(world, ids.conversation)?;
    let fault = world.close_whole(&mut talk, WholeClose::AroundGuests, early)?;
    // The answer says so whoever is still connected: that is how ghosts are made.
    Ok(Reply::ok(json!({ "id": talk.id, "status": "closed" })).fault(fault))
}
