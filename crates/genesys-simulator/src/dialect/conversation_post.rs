//! `conversation-post`: one POST ends the whole conversation for everybody.
//!
//! | method and path | does | pitfall |
//! | --- | --- | --- |
//! | `POST {conversation}` | ends it for everybody; 200 | the guest may be typing |
//!
//! The body is `{}`, or there is none. The answer shows the conversation as the platform's own close does.

use http::Method;
use serde_json::Value;

use super::conversation;
use super::route::{Ids, Route};
use crate::ledger::CloseTarget;
use crate::operation::{DISCONNECT, RequestBody};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::views;
use crate::whole_close::WholeClose;
use crate::world::World;

pub(super) static ROUTES: &[Route] = &[Route {
    method: Method::POST,
    path: "{conversation}",
    permissions: DISCONNECT,
    body: RequestBody::Optional,
    closes: Some(|_, _| Some(CloseTarget::Wrapper)),
    act: end,
}];

fn end(world: &World, ids: Ids, _: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
    let mut talk = conversation(world, ids.conversation)?;
    let fault = world.close_whole(&mut talk, WholeClose::AllAtOnce, early)?;
    Ok(Reply::ok(views::conversation(&talk)).fault(fault))
}
