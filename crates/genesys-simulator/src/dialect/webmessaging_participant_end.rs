//! `webmessaging-participant-end`: the participant is ended, then the conversation is deleted.
//!
//! | method and path | does | pitfall |
//! | --- | --- | --- |
//! | `POST webmessaging/{conversation}/participants/{participant}/end` | ends the participant; 202 | |
//! | `PATCH messaging/{conversation}` | 200 | and nothing else |
//! | `DELETE webmessaging/{conversation}` | purges it; 204 | 409 while a guest or an agent is connected |

use http::Method;
use serde_json::{Value, json};

use super::conversation;
use super::route::{Ids, Route};
use crate::conversation::Disconnect;
use crate::ledger::CloseTarget;
use crate::operation::{CLOSE, DISCONNECT, PARTICIPANT, RequestBody};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::whole_close::WholeClose;
use crate::world::World;

pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "webmessaging/{conversation}/participants/{participant}/end",
        permissions: PARTICIPANT,
        body: RequestBody::Needed,
        closes: Some(|ids, body| {
            wrong_field(body).is_none().then_some(CloseTarget::Participant(ids.participant))
        }),
        act: end_participant,
    },
    Route {
        method: Method::PATCH,
        path: "messaging/{conversation}",
        permissions: CLOSE,
        body: RequestBody::Needed,
        closes: Some(|_, _| Some(CloseTarget::Wrapper)),
        act: update_to_no_effect,
    },
    Route {
        method: Method::DELETE,
        path: "webmessaging/{conversation}",
        permissions: DISCONNECT,
        body: RequestBody::None,
        closes: Some(|_, _| Some(CloseTarget::Purge)),
        act: purge,
    },
];

/// Names what keeps a body from being an end.
fn wrong_field(body: &Value) -> Option<&'static str> {
    if body["ended"] != true {
        return Some("ended");
    }
    let odd_reason = body.get("endedReason").is_some_and(|reason| !reason.is_string());
    odd_reason.then_some("endedReason")
}

fn end_participant(world: &World, ids: Ids, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    if let Some(field) = wrong_field(body) {
        return Err(Refusal::invalid_value(field));
    }
    world.disconnect_participant(ids.conversation, ids.participant, early)
}

/// Answers as if all were well. The attempt is judged as the close that it was meant to be.
fn update_to_no_effect(world: &World, ids: Ids, _: &Value, _: &mut Waiting) -> Result<Reply, Refusal> {
    let talk = conversation(world, ids.conversation)?;
    world.judge_whole_close(&talk, WholeClose::LastOfAll);
    Ok(Reply::ok(json!({})))
}

fn purge(world: &World, ids: Ids, _: &Value, _: &mut Waiting) -> Result<Reply, Refusal> {
    let id = ids.conversation;
    drop(conversation(world, id)?);
    let idle = world.conversations.remove_if(&id, |_, talk| !talk.somebody_is_connected());
    let Some((_, mut talk)) = idle else {
        return Err(Refusal::conflict_because("Conversation cannot be deleted while active."));
    };
    world.judge_whole_close(&talk, WholeClose::LastOfAll);
    let happened = talk.purge(Disconnect::Client, world.clock.now());
    world.publish(&mut talk, &happened, &mut Vec::new());
    world.purged.insert(id, talk);
    Ok(Reply::empty(204))
}
