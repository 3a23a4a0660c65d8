//! What must hold of every closure and of every transition (design §2), for tests and for debug assertions.

use std::{error::Error, fmt};

use crate::{
    closure::{Closure, Request, Step, Turn},
    policy::{Order, Policy},
    transition::{Effect, Transition},
};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Its number in design §2, for example `I1`.
    pub invariant: &'static str,
    /// What was found.
    pub found: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken: {}", self.invariant, self.found)
    }
}

impl Error for Broken {}

fn hold(holds: bool, invariant: &'static str, found: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { invariant, found }) }
}

/// Checks one closure by itself.
///
/// # Errors
///
/// The first invariant that is broken.
pub fn check(closure: &Closure, policy: &Policy) -> Result<(), Broken> {
    let over = matches!(closure.turn, Turn::Over);
    hold(
        closure.has_ended() == over,
        "I7",
        "a closure is over without an end, or has an end and is not over",
    )?;
    hold(closure.wake_at().is_some() != closure.has_ended(), "I7", "an open closure has no wake-up")?;
    hold(closure.sequence > 0, "I5", "a closure has no version")?;
    hold(
        closure.conversation.is_some() || closure.sought.is_some(),
        "I4",
        "there is neither a conversation nor a target",
    )?;
    let guest_first = policy.order == Order::GuestFirst;
    if let Turn::InFlight { request, .. } = closure.turn {
        hold(!matches!(closure.step, Step::Scheduled), "I7", "a call is in flight before its time")?;
        hold(closure.calls > 0, "I2", "a call is in flight that was never counted")?;
        hold(
            (request == Request::LookUp) == closure.conversation.is_none(),
            "I4",
            "something is asked of a conversation that was not found, or one that was found is looked up",
        )?;
        hold(
            !matches!(request, Request::CloseWrapper(_))
                || !guest_first
                || closure.guest_is_proven_gone(policy),
            "I1",
            "the wrapper's close is in flight while nothing proves that the guest is gone",
        )?;
    }
    Ok(())
}

/// Checks a transition against the closure it began with (`None` for acceptance).
///
/// # Errors
///
/// The first invariant that is broken.
pub fn check_transition(
    before: Option<&Closure>,
    transition: &Transition,
    policy: &Policy,
) -> Result<(), Broken> {
    let next = &transition.next;
    check(next, policy)?;
    let calls = transition.effects.iter().filter_map(|effect| match effect {
        Effect::Call(call) => Some(call),
        Effect::Announce(_) | Effect::Follow => None,
    });
    let calls: Vec<_> = calls.collect();
    hold(calls.len() <= 1, "I2", "one transition makes two calls")?;
    let before_sequence = before.map_or(0, |before| before.sequence);
    hold(next.sequence == before_sequence + 1, "I5", "a transition does not count by one")?;
    let ended = before.filter(|before| before.has_ended());
    let stays = |before: &Closure| before.step == next.step && before.turn == next.turn;
    hold(ended.is_none_or(stays), "I6", "an end was left")?;
    hold(
        ended.is_none_or(|before| before.returned.is_none() && next.returned.is_some()),
        "I6",
        "something else happened to an end than that the guest came back",
    )?;
    let follow = transition.effects.contains(&Effect::Follow);
    hold(
        !follow || next.follows < policy.guest_returns.most(),
        "I9",
        "more closures follow one another than the policy allows",
    )?;
    let found = before.and_then(|before| before.conversation);
    hold(found.is_none() || next.conversation == found, "I4", "a closure went over to another conversation")?;
    if let Some(call) = calls.first() {
        let in_flight = matches!(next.turn, Turn::InFlight { call: id, request, .. } if id == call.id && request == call.request);
        hold(in_flight, "I2", "a call is made that the closure does not carry as in flight")?;
    }
    Ok(())
}
