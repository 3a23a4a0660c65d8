//! The options of a policy as texts, by the names under which commands set them.

use closure_machine::{Policy, WrapUpPolicy};
use orchestrator::Overrides;

use crate::{options, spans};

/// The options that a command sets, by name.
pub(crate) fn option_texts(set: &Overrides) -> Vec<(&'static str, String)> {
    let mut texts: Vec<(&'static str, String)> = Vec::new();
    if let Some(value) = &set.evidence {
        texts.push(("evidence", options::name(options::EVIDENCE, value).to_owned()));
    }
    if let Some(value) = &set.order {
        texts.push(("order", options::name(options::ORDER, value).to_owned()));
    }
    if let Some(value) = &set.agent_connected {
        texts.push(("agentConnected", options::name(options::AGENT_CONNECTED, value).to_owned()));
    }
    if let Some(value) = &set.wrapper_close {
        texts.push(("wrapperClose", options::name(options::WRAPPER_CLOSE, value).to_owned()));
    }
    match &set.wrap_up {
        None => {}
        Some(WrapUpPolicy::None) => texts.push(("wrapUp", "none".to_owned())),
        Some(WrapUpPolicy::Skip) => texts.push(("wrapUp", "skip".to_owned())),
        Some(WrapUpPolicy::Code(code)) => texts.push(("wrapUp", code.to_string())),
        Some(WrapUpPolicy::Named(name)) => texts.push(("wrapUp", format!("name: {name}"))),
    }
    if let Some(value) = &set.guest_returns {
        texts.push(("guestReturns", options::name(options::GUEST_RETURNS, value).to_owned()));
    }
    if let Some(notes) = &set.wrap_up_notes {
        texts.push(("wrapUpNotes", notes.clone()));
    }
    if let Some(deadline) = set.deadline {
        texts.push(("deadline", spans::iso(deadline)));
    }
    texts
}

/// The policy that holds, by the names of the options; two more that no command sets follow them.
pub(crate) fn policy_texts(policy: &Policy, set: Option<&Overrides>) -> Vec<(&'static str, String)> {
    let mut texts = option_texts(&Overrides {
        evidence: Some(policy.evidence),
        order: Some(policy.order),
        wrapper_close: Some(policy.wrapper_close),
        agent_connected: Some(policy.agent_connected),
        wrap_up: Some(policy.wrap_up.clone()),
        guest_returns: Some(policy.guest_returns),
        wrap_up_notes: set.and_then(|set| set.wrap_up_notes.clone()),
        deadline: Some(policy.deadline),
    });
    texts.push(("confirmWithin", spans::iso(policy.confirm_within)));
    texts.push(("giveUpAfter", spans::iso(policy.give_up_after)));
    texts
}
