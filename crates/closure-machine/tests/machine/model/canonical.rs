//! States that differ only in what no decision looks at are one state.

use closure_machine::{CallId, Closure, Evidence, Proof, ProofSource, Step, Turn};

use super::casts::Cast;
use genesys_types::{Span, Time};

use crate::language::START;

/// The moment at which every state of the model stands.
pub const NOW: Time = START;

/// Moves `closure` from `now` to [`NOW`], forgets what is past deciding, and lets no age grow beyond the longest wait that
/// it is compared with.
pub fn canonical(mut closure: Closure, now: Time, cast: &Cast) -> Closure {
    let policy = &cast.policy;
    let aged = |at: Time, most: Span| NOW - now.since(at).min(most);
    let ahead = |at: Time| if at > now { NOW + at.since(now) } else { NOW };
    closure.sequence = 1;
    closure.accepted_at = NOW;
    // More refusals than are borne, and more asks than rounds, decide nothing further.
    let beyond = closure.refused.saturating_sub(policy.max_attempts);
    closure.refused -= beyond;
    closure.wrapper_asks = closure.wrapper_asks.saturating_sub(beyond).max(closure.wrapper_asks.min(1));
    closure.wrapper_asks = closure.wrapper_asks.min(closure.refused + policy.max_rounds + 1);
    let calls = closure.calls.min(1);
    closure.turn = match closure.turn {
        Turn::Due { at } => Turn::Due { at: ahead(at) },
        Turn::InFlight { call, request, until } => {
            let call = CallId(call.0 + calls - closure.calls);
            Turn::InFlight { call, request, until: ahead(until) }
        }
        Turn::Over => Turn::Over,
    };
    closure.calls = calls;
    for leg in &mut closure.guests {
        let age = if leg.gone.is_none() { policy.confirm_within } else { Span::ZERO };
        leg.asked_at = leg.asked_at.map(|at| aged(at, age));
        leg.gone = leg.gone.map(|gone| proof(gone, cast));
    }
    closure.ended = closure.ended.map(|ended| proof(ended, cast));
    closure.first_asked_at = closure.first_asked_at.map(|at| aged(at, policy.deadline));
    closure.still_there_at = closure.still_there_at.map(|at| aged(at, policy.stale_read_gap));
    let longest = policy.deadline.max(policy.participant_grace).max(policy.lookup_grace);
    closure.missed_at = closure.missed_at.map(|at| aged(at, longest));
    if let Some(ghost) = &mut closure.haunted {
        ghost.since = aged(ghost.since, policy.give_up_after);
        ghost.looks = 0;
    }
    match &mut closure.step {
        Step::Ghost(ghost) => {
            ghost.since = aged(ghost.since, policy.give_up_after);
            ghost.looks = 0;
        }
        Step::Blocked(block) => block.since = NOW,
        Step::Ended(ending) => ending.at = NOW,
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing => {}
    }
    if closure.has_ended() {
        closure.guests.iter_mut().for_each(|leg| leg.asked_at = None);
        closure.first_asked_at = None;
        closure.still_there_at = None;
        closure.missed_at = None;
        closure.haunted = None;
    }
    closure
}

/// A proof without what only journals tell.
fn proof(proof: Proof, cast: &Cast) -> Proof {
    let by_event_only = cast.policy.evidence == Evidence::WebhookOnly;
    let source = match proof.source {
        source if cast.tells_sources => source,
        ProofSource::ReadBack if by_event_only => ProofSource::ReadBack,
        ProofSource::Webhook
        | ProofSource::Notification
        | ProofSource::QueueEvent
        | ProofSource::ReadBack
        | ProofSource::Operator => ProofSource::Webhook,
    };
    Proof { source, at: NOW, before_asking: by_event_only && proof.before_asking }
}

/// The age from which ends and asks of legs are no longer told apart; only their order decides.
pub const LEG_AGE: Span = Span::from_millis(1);
