//! The names of states, reasons and steps: the same in the store, the API, metrics and pages. They never change.

use closure_machine::{
    Act, Announcement, BlockReason, Closure, End, FailReason, Findings, GhostReason, ProofSource, Reply,
    Request, Step, Turn,
};

/// The state of a closure as interfaces §1 spells it.
pub fn state(closure: &Closure) -> &'static str {
    state_of(&closure.step, &closure.turn, closure.calls)
}

/// The same of a closure of which only these are known: its step, its turn and how many calls were made.
pub(crate) fn state_of(step: &Step, turn: &Turn, calls: u32) -> &'static str {
    match step {
        Step::Scheduled => "scheduled",
        Step::Resolving => "resolving",
        Step::Verifying if calls == 0 && matches!(turn, Turn::Due { .. }) => "accepted",
        Step::Verifying => "verifying",
        Step::ClosingParticipant => "closing_participant",
        Step::AwaitingConfirmation => "awaiting_confirmation",
        Step::ClosingWrapper(_) | Step::Forcing => "closing_wrapper",
        Step::Blocked(_) => "blocked",
        Step::Ghost(_) => "ghost",
        Step::Ended(ending) => end(ending.end),
    }
}

/// Every state, in the order of a closure's life, ends last.
pub const STATES: [&str; 14] = [
    "accepted",
    "scheduled",
    "resolving",
    "verifying",
    "closing_participant",
    "awaiting_confirmation",
    "closing_wrapper",
    "blocked",
    "ghost",
    "closed",
    "already_closed",
    "failed",
    "cancelled",
    "resolved",
];

/// The end's name.
pub const fn end(end: End) -> &'static str {
    match end {
        End::Closed => "closed",
        End::AlreadyClosed => "already_closed",
        End::Failed(_) => "failed",
        End::Cancelled => "cancelled",
        End::Resolved => "resolved",
    }
}

/// Why the path is not the happy one; `None` on the happy one.
pub fn reason(closure: &Closure) -> Option<&'static str> {
    match &closure.step {
        Step::Blocked(block) => Some(match block.why {
            BlockReason::Permission(_) => "permission",
            BlockReason::Credential => "credential",
        }),
        Step::Ghost(ghost) => Some(ghost_reason(ghost.reason)),
        Step::Ended(ending) => match ending.end {
            End::Failed(reason) => Some(fail_reason(reason)),
            End::Closed | End::AlreadyClosed if closure.returned.is_some() => Some("guest_returned"),
            End::Closed if closure.forced => Some("forced"),
            End::Closed | End::AlreadyClosed | End::Cancelled | End::Resolved => None,
        },
        Step::Forcing => Some("forced"),
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_) => closure.haunted.map(|ghost| ghost_reason(ghost.reason)),
    }
}

/// The name of a ghost's reason.
pub const fn ghost_reason(reason: GhostReason) -> &'static str {
    match reason {
        GhostReason::NoConfirmation => "no_confirmation",
        GhostReason::ConversationOpen => "conversation_open",
        GhostReason::AgentStillConnected => "agent_still_connected",
        GhostReason::WrapUpPending => "wrapup_pending",
        GhostReason::ConfirmationMismatch => "confirmation_mismatch",
        GhostReason::ReopenedByGuest => "reopened_by_guest",
        GhostReason::Rejected => "rejected",
        GhostReason::Unreachable => "unreachable",
    }
}

/// The name of a failure's reason.
pub const fn fail_reason(reason: FailReason) -> &'static str {
    match reason {
        FailReason::NotFound => "not_found",
        FailReason::AmbiguousTarget => "ambiguous_target",
        FailReason::OpenElsewhere => "open_elsewhere",
        FailReason::ParticipantNotFound => "participant_not_found",
        FailReason::ParticipantNotGuest => "participant_not_guest",
        FailReason::AgentConnected => "agent_connected",
        FailReason::Abandoned => "abandoned",
    }
}

/// The name of a kind of evidence.
pub const fn proof_source(source: ProofSource) -> &'static str {
    match source {
        ProofSource::Webhook => "webhook",
        ProofSource::Notification => "notification",
        ProofSource::QueueEvent => "queue event",
        ProofSource::ReadBack => "read-back",
        ProofSource::Operator => "operator",
    }
}

/// What became of the event that an adapter should have told and did not: the end was read back.
pub const WEBHOOK_LOST: &str = "webhook_lost";

/// The name of a call.
pub const fn request(request: &Request) -> &'static str {
    match request {
        Request::LookUp => "look_up",
        Request::Read => "read",
        Request::CloseParticipant(_) => "close_participant",
        Request::CloseWrapper(_) => "close_wrapper",
        Request::GiveWrapUp { .. } => "give_wrap_up",
        Request::Disconnect => "disconnect",
    }
}

/// The name of what came of a call.
pub const fn reply(reply: &Reply) -> &'static str {
    match reply {
        Reply::LookedUp(Findings::Open(found)) => match found.as_slice() {
            [] => "none_found",
            [_] => "found",
            [_, _, ..] => "several_found",
        },
        Reply::LookedUp(Findings::Taken(..)) => "open_elsewhere",
        Reply::Saw(_) => "saw",
        Reply::Accepted(_) => "accepted",
        Reply::NotFound => "not_found",
        Reply::Conflict => "conflict",
        Reply::WrapUpRequired => "wrapup_required",
        Reply::NoWrapUpCode => "no_wrap_up_code",
        Reply::Rejected => "rejected",
        Reply::Forbidden(_) => "forbidden",
        Reply::Unauthenticated => "unauthenticated",
        Reply::RateLimited(_) => "rate_limited",
        Reply::NotSent => "not_sent",
        Reply::Failed => "failed",
        Reply::Unknown => "unknown",
    }
}

/// The name of an operator's act.
pub const fn act(act: Act) -> &'static str {
    match act {
        Act::Retry => "retry",
        Act::Cancel => "cancel",
        Act::Verify => "verify",
        Act::Force => "force",
        Act::Resolve => "resolve",
        Act::Note => "note",
    }
}

/// The type of the event that announces it (interfaces §7).
pub const fn announcement(announcement: Announcement) -> &'static str {
    match announcement {
        Announcement::Accepted => "closeout.closure.accepted.v1",
        Announcement::ParticipantClosed => "closeout.closure.participant-closed.v1",
        Announcement::Confirmed => "closeout.closure.confirmed.v1",
        Announcement::Closed => "closeout.closure.closed.v1",
        Announcement::AlreadyClosed => "closeout.closure.already-closed.v1",
        Announcement::Blocked => "closeout.closure.blocked.v1",
        Announcement::GhostDetected => "closeout.closure.ghost-detected.v1",
        Announcement::GhostCleared => "closeout.closure.ghost-cleared.v1",
        Announcement::Failed => "closeout.closure.failed.v1",
        Announcement::Cancelled => "closeout.closure.cancelled.v1",
        Announcement::Resolved => "closeout.closure.resolved.v1",
        Announcement::GuestReturned => "closeout.closure.guest-returned.v1",
    }
}

/// The type of every event of a closure that is told to the outside (interfaces §7).
pub const EVENTS: [&str; 12] = [
    announcement(Announcement::Accepted),
    announcement(Announcement::ParticipantClosed),
    announcement(Announcement::Confirmed),
    announcement(Announcement::Closed),
    announcement(Announcement::AlreadyClosed),
    announcement(Announcement::Blocked),
    announcement(Announcement::GhostDetected),
    announcement(Announcement::GhostCleared),
    announcement(Announcement::Failed),
    announcement(Announcement::Cancelled),
    announcement(Announcement::Resolved),
    announcement(Announcement::GuestReturned),
];

/// Every reason of a ghost, by name.
pub const GHOST_REASONS: [&str; 8] = [
    ghost_reason(GhostReason::NoConfirmation),
    ghost_reason(GhostReason::ConversationOpen),
    ghost_reason(GhostReason::AgentStillConnected),
    ghost_reason(GhostReason::WrapUpPending),
    ghost_reason(GhostReason::ConfirmationMismatch),
    ghost_reason(GhostReason::ReopenedByGuest),
    ghost_reason(GhostReason::Rejected),
    ghost_reason(GhostReason::Unreachable),
];
