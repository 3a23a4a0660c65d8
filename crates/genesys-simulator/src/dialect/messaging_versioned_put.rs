//! `messaging-versioned-put`: the whole is closed by one PUT that brings a wrap-up code and the current version.
//!
//! | method and path | does | pitfall |
//! | --- | --- | --- |
//! | `GET messaging/{conversation}` | shows state and version; 200 | the version grows with every change |
//! | `PUT messaging/{conversation}` | closes it for everybody; 200 | 400 without a wrap-up code, 409 without the version |
//! | `POST messaging/{conversation}` | `{"action": "close"}`: 200 | and nothing else |

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::route::{Ids, Route};
use super::{conversation, shown};
use crate::clock::timestamp;
use crate::conversation::{Conversation, Participant, Purpose};
use crate::ledger::CloseTarget;
use crate::operation::{DISCONNECT, RequestBody, VIEW};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::views::Object;
use crate::whole_close::WholeClose;
use crate::world::World;
use crate::wrap_up_codes::WrapUpCode;

pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "messaging/{conversation}",
        permissions: VIEW,
        body: RequestBody::None,
        closes: None,
        act: |world, ids, _, _| world.read_with(ids.conversation, |talk| whole(world, talk)),
    },
    Route {
        method: Method::PUT,
        path: "messaging/{conversation}",
        permissions: DISCONNECT,
        body: RequestBody::Needed,
        closes: Some(|_, body| (body["state"] == "closed").then_some(CloseTarget::Wrapper)),
        act: put,
    },
    Route {
        method: Method::POST,
        path: "messaging/{conversation}",
        permissions: DISCONNECT,
        body: RequestBody::Needed,
        closes: Some(|_, body| (body["action"] == "close").then_some(CloseTarget::Wrapper)),
        act: close_to_no_effect,
    },
];

/// The conversation as it is to be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    state: Option<String>,
    version: Option<u64>,
    wrap_up_code_id: Option<String>,
    wrap_up_code_name: Option<String>,
}

fn put(world: &World, ids: Ids, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    let put = Put::deserialize(body).map_err(|_| Refusal::bad_request())?;
    if put.state.as_deref() != Some("closed") {
        return Err(Refusal::invalid_value("state"));
    }
    let mut talk = conversation(world, ids.conversation)?;
    if talk.ended_at.is_some() {
        return Err(Refusal::conflict_because(
            "Invalid conversation state transition. Current state 'closed' cannot transition to 'closed'.",
        ));
    }
    let code = put.wrap_up_code(world, talk.queue)?.id.to_string();
    match put.version {
        Some(version) if version == talk.version => {}
        Some(version) => {
            let message = format!("Version [{version}] is not the current version of the conversation.");
            return Err(Refusal::conflict_because(message));
        }
        None => return Err(Refusal::conflict_because("The version of the conversation is missing.")),
    }
    let agents = talk.participants.iter().filter(|p| p.purpose == Purpose::Agent);
    let owing: Vec<Uuid> = agents.filter(|p| p.owes_wrap_up()).map(|p| p.id).collect();
    for agent in owing {
        world.wrap_up_with(&mut talk, agent, &code)?;
    }
    let fault = world.close_whole(&mut talk, WholeClose::AllAtOnce, early)?;
    Ok(Reply::ok(whole(world, &talk)).fault(fault))
}

impl Put {
    /// Answers the queue's code that is named by id, by name, or by both.
    fn wrap_up_code(&self, world: &World, queue: Uuid) -> Result<WrapUpCode, Refusal> {
        let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        let by_name = |name: &str| {
            let code = world.wrap_up_codes.by_name(queue, name);
            code.ok_or_else(|| Refusal::invalid_value("wrapUpCodeName"))
        };
        match (given(&self.wrap_up_code_id), given(&self.wrap_up_code_name)) {
            (None, None) => Err(Refusal::disposition_required()),
            (None, Some(name)) => by_name(&name),
            (Some(id), name) => {
                let known = world.wrap_up_codes.by_id(queue, &id);
                let known = known.ok_or_else(|| Refusal::invalid_value("wrapUpCodeId"))?;
                match name {
                    Some(name) if name != known.name => Err(Refusal::invalid_value("wrapUpCodeName")),
                    Some(_) | None => Ok(known),
                }
            }
        }
    }
}

/// Answers as if all were well. The attempt is judged as the close that it was meant to be.
fn close_to_no_effect(world: &World, ids: Ids, body: &Value, _: &mut Waiting) -> Result<Reply, Refusal> {
    if body["action"] != "close" {
        return Err(Refusal::invalid_value("action"));
    }
    let talk = conversation(world, ids.conversation)?;
    world.judge_whole_close(&talk, WholeClose::AllAtOnce);
    Ok(Reply::ok(json!({})))
}

fn whole(world: &World, talk: &Conversation) -> Value {
    let mut whole = Object::default();
    whole.put("id", talk.id);
    whole.put("state", shown::state(talk.ended_at.is_none()));
    whole.put("version", talk.version);
    whole.put("startTime", timestamp(talk.started_at));
    whole.put_some("endTime", talk.ended_at.map(timestamp));
    whole.put("participants", shown::participants(talk));
    if let Some(code) = talk.participants.iter().find_map(given_code) {
        let known = world.wrap_up_codes.by_id(talk.queue, &code);
        whole.put_some("wrapUpCodeName", known.map(|known| known.name));
        whole.put("wrapUpCodeId", code);
    }
    whole.into()
}

fn given_code(participant: &Participant) -> Option<String> {
    participant.wrap_up.given.as_ref().map(|given| given.code.clone())
}
