//! Wrap-ups outside the machine: what the call that gives one needs, and what a plan foresees of it.

use closure_machine::{Policy, WrapUpPolicy};
use genesys_client::{Class, WrapUpCode};
use genesys_types::Snapshot;

use crate::{organisation::Org, plan::Guard, record::Record, remote::CallDetails};

/// What a name means, as far as it can be foreseen: a code, or in words why none would be given.
pub(crate) type Foreseen = Result<WrapUpCode, String>;

/// What a call may need beyond its request: the code to give, by id or by name. Dialects give it with other calls.
pub(crate) fn details(record: &Record, policy: &Policy) -> CallDetails {
    let (code, name) = match &policy.wrap_up {
        WrapUpPolicy::Code(code) => (Some(*code), None),
        WrapUpPolicy::Named(name) => (None, Some(name.clone())),
        WrapUpPolicy::None | WrapUpPolicy::Skip => (None, None),
    };
    CallDetails {
        wrap_up_code: code,
        wrap_up_name: name,
        wrap_up_queue: record.closure.agent_queue,
        wrap_up_notes: record.overrides().and_then(|overrides| overrides.wrap_up_notes.clone()),
    }
}

/// Finds out which code the policy's name means, where a wrap-up is owed or an agent is there who may come to owe one.
pub(crate) async fn foreseen(org: &Org, policy: &Policy, snapshot: Option<&Snapshot>) -> Option<Foreseen> {
    let WrapUpPolicy::Named(name) = &policy.wrap_up else { return None };
    let snapshot = snapshot.filter(|snapshot| snapshot.ended_at.is_none())?;
    let agent = snapshot.pending_wrap_up().or_else(|| snapshot.connected_agent())?;
    let Some(permit) = org.permit_at_once(Class::Verify) else {
        return Some(Err("no call is free to list the wrap-up codes".to_owned()));
    };
    let found = org.setup.remote.wrap_up_code(permit, agent.queue, name).await;
    org.nudge();
    let silent = || "Genesys did not say which wrap-up codes there are".to_owned();
    Some(found.map_err(|outcome| outcome.facts.message.unwrap_or_else(silent)))
}

/// What a plan says of the wrap-up.
pub(crate) fn guard(snapshot: &Snapshot, policy: &Policy, code: Option<&Foreseen>) -> Guard {
    let owed = snapshot.pending_wrap_up().is_some();
    let first = if owed { "An agent owes a wrap-up" } else { "No wrap-up is owed yet" };
    let (holds, found) = match (&policy.wrap_up, code) {
        (_, Some(Ok(code))) => {
            let WrapUpCode { id, name } = code;
            (true, format!("{first}; where Genesys demands it, the code \"{name}\" ({id}) is given."))
        }
        (_, Some(Err(why))) => {
            (false, format!("{first}; where Genesys demands it, none would be given: {why}."))
        }
        (WrapUpPolicy::Skip, None) if owed => {
            (true, format!("{first}; where Genesys demands it, it is skipped."))
        }
        (WrapUpPolicy::Code(code), None) if owed => {
            (true, format!("{first}; where Genesys demands it, the code {code} is given."))
        }
        (WrapUpPolicy::None | WrapUpPolicy::Named(_), None) if owed => {
            (false, format!("{first}; it may keep the conversation open."))
        }
        (WrapUpPolicy::None | WrapUpPolicy::Skip | WrapUpPolicy::Code(_) | WrapUpPolicy::Named(_), None) => {
            (true, "No wrap-up is owed.".to_owned())
        }
    };
    Guard { name: "wrap_up", holds, found }
}
