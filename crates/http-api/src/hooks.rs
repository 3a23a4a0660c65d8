//! `GET /v1/hooks/received`: what came in by webhooks, queues and sockets, and why it was not taken.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::{Answer, Call, json_answer},
    listing::{check_known, known_names},
    spans::Stamp,
    state::{ReceivedHook, UNKNOWN_HOOK},
};

/// How many requests are shown, unless the caller says, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// The latest requests to the hooks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedList {
    items: Vec<ReceivedView>,
}

/// One request to a hook, as it was judged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReceivedHook)]
pub(crate) struct ReceivedView {
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    /// The hook's name.
    hook: String,
    organisation: Option<String>,
    /// What became of it.
    result: String,
    /// Why it was not taken.
    why: Option<String>,
    event_type: Option<String>,
    event_id: Option<String>,
    conversation_id: Option<String>,
}

/// Answers with the latest requests, the latest first.
pub(crate) async fn received(call: Call) -> Answer {
    let mut query = call.query()?;
    let log = &call.shared.api.received;
    let caller = call.caller();
    let results = known_names(&mut query, "result", &log.results())?;
    let hook = query.one("hook")?;
    if let Some(hook) = &hook {
        let standings = log.standings();
        let seen = standings.iter().filter(|standing| caller.sees(&standing.organisation));
        let known: Vec<_> = seen.map(|standing| standing.name.as_str()).chain([UNKNOWN_HOOK]).collect();
        check_known("hook", hook, &known)?;
    }
    let limit = query.limit(USUAL, MOST)?;
    query.finish()?;
    let wanted = |received: &ReceivedHook| {
        received.organisation.as_ref().is_none_or(|organisation| caller.sees(organisation))
            && (results.is_empty() || results.contains(&received.result))
            && hook.as_ref().is_none_or(|hook| *hook == received.hook)
    };
    let items = log.latest(&wanted, limit).into_iter().map(ReceivedView::of).collect();
    Ok(json_answer(StatusCode::OK, &ReceivedList { items }))
}

impl ReceivedView {
    fn of(received: ReceivedHook) -> Self {
        let ReceivedHook { at, hook, organisation, result, why, event_type, event_id, conversation } =
            received;
        Self {
            at: Stamp(at),
            hook,
            organisation: organisation.map(|organisation| organisation.as_str().to_owned()),
            result,
            why,
            event_type,
            event_id,
            conversation_id: conversation,
        }
    }
}
