//! `webmessaging-sessions`: conversations are found by the guest's external id, and each session is closed by itself.
//!
//! | method and path | does | pitfall |
//! | --- | --- | --- |
//! | `POST query` | finds conversations; 200 | it may find several |
//! | `GET webmessaging/{conversation}` | shows its sessions; 200 | a page that was reloaded has several |
//! | `PATCH webmessaging/{conversation}/sessions/{session}` | closes one; 204 | 409 when it is closed already |
//!
//! A session is a communication of the guest. With the last one the conversation is over for everybody.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::route::{Ids, Route};
use super::{conversation, shown};
use crate::clock::timestamp;
use crate::conversation::{Conversation, Disconnect, Leg, Participant};
use crate::ledger::CloseTarget;
use crate::operation::{DISCONNECT, RequestBody, VIEW};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::views::Object;
use crate::world::World;

/// The most conversations that one answer lists; `total` counts all of them.
const LARGEST_ANSWER: usize = 100;

pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "query",
        permissions: VIEW,
        body: RequestBody::Needed,
        closes: None,
        act: query,
    },
    Route {
        method: Method::GET,
        path: "webmessaging/{conversation}",
        permissions: VIEW,
        body: RequestBody::None,
        closes: None,
        act: read,
    },
    Route {
        method: Method::PATCH,
        path: "webmessaging/{conversation}/sessions/{session}",
        permissions: DISCONNECT,
        body: RequestBody::Needed,
        closes: Some(|ids, body| {
            (body["state"] == "closed").then_some(CloseTarget::Communication(ids.session))
        }),
        act: close_session,
    },
];

/// What a query may ask. Whatever is absent is not asked for, but for the external ids.
#[derive(Deserialize)]
struct Query {
    #[serde(rename = "type")]
    kind: Option<String>,
    state: Option<String>,
    #[serde(default)]
    participants: Vec<Wanted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    external_id: String,
}

impl Query {
    fn parsed(body: &Value) -> Result<Self, Refusal> {
        let query = Self::deserialize(body).map_err(|_| Refusal::bad_request())?;
        if query.participants.is_empty() {
            return Err(Refusal::invalid_value("participants"));
        }
        match query.state.as_deref() {
            None | Some("active" | "closed") => Ok(query),
            Some(_) => Err(Refusal::invalid_value("state")),
        }
    }

    fn fits(&self, talk: &Conversation) -> bool {
        let external_id = talk.external_id.as_ref();
        self.kind.as_deref().is_none_or(|kind| kind == "webmessaging")
            && self.state.as_deref().is_none_or(|state| state == state_of(talk))
            && self.participants.iter().any(|wanted| external_id == Some(&wanted.external_id))
    }
}

/// Finds conversations, the oldest first. It shows no sessions, so it counts as a read of none of them.
fn query(world: &World, _: Ids, body: &Value, _: &mut Waiting) -> Result<Reply, Refusal> {
    let query = Query::parsed(body)?;
    let fitting = world.conversations.iter().filter(|talk| query.fits(talk));
    let mut found: Vec<_> = fitting.map(|talk| (talk.started_at, talk.id, listed(&talk))).collect();
    found.sort_by_key(|(started_at, id, _)| (*started_at, *id));
    let total = found.len();
    let entities: Vec<Value> = found.into_iter().take(LARGEST_ANSWER).map(|(_, _, listed)| listed).collect();
    Ok(Reply::ok(json!({ "entities": entities, "total": total })))
}

fn read(world: &World, ids: Ids, _: &Value, _: &mut Waiting) -> Result<Reply, Refusal> {
    world.read_with(ids.conversation, |talk| {
        let mut whole = listed(talk);
        let sessions = talk.guests().flat_map(|guest| guest.legs.iter().map(move |leg| session(guest, leg)));
        whole["sessions"] = sessions.collect();
        whole
    })
}

fn close_session(world: &World, ids: Ids, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    if body["state"] != "closed" {
        return Err(Refusal::invalid_value("state"));
    }
    let mut talk = conversation(world, ids.conversation)?;
    let all = talk.guests().flat_map(|guest| guest.legs.iter().map(move |leg| (guest.id, leg)));
    let session = all.into_iter().find(|(_, leg)| leg.id == ids.session);
    let (guest, leg) = session.ok_or_else(Refusal::not_found)?;
    if !leg.is_connected() {
        return Err(Refusal::conflict_because("Session is already closed."));
    }
    let fault = world.close_leg(&mut talk, guest, ids.session, early);
    if !talk.guest_is_connected() {
        let happened = talk.end_everybody(Disconnect::Client, world.clock.now());
        world.publish(&mut talk, &happened, &mut Vec::new());
    }
    Ok(Reply::empty(204).fault(fault))
}

fn state_of(talk: &Conversation) -> &'static str {
    shown::state(talk.guest_is_connected())
}

fn listed(talk: &Conversation) -> Value {
    let mut whole = Object::default();
    whole.put("id", talk.id);
    whole.put("type", "webmessaging");
    whole.put("state", state_of(talk));
    whole.put("startTime", timestamp(talk.started_at));
    whole.put_some("endTime", talk.ended_at.map(timestamp));
    whole.put("participants", shown::participants(talk));
    whole.into()
}

fn session(guest: &Participant, leg: &Leg) -> Value {
    let mut session = Object::default();
    session.put("id", leg.id);
    session.put("state", shown::state(leg.is_connected()));
    session.put("participantId", guest.id);
    session.put("startTime", timestamp(leg.connected_at));
    session.put_some("endTime", leg.ended.map(|(at, _)| timestamp(at)));
    session.into()
}
