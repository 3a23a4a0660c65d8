//! States, calls and announcements by the names of the interface.

use closure_machine::{
    Announcement, Block, BlockReason, Closure, End, FailReason, GhostReason, Request, Step, WrapperClose,
    WrapperStage,
};

/// The state as the API names it, with the reason after a colon where there is one.
pub fn step_name(closure: &Closure) -> String {
    match &closure.step {
        Step::Scheduled => "scheduled".into(),
        Step::Resolving => "resolving".into(),
        Step::Verifying => "verifying".into(),
        Step::ClosingParticipant => "closing_participant".into(),
        Step::AwaitingConfirmation => "awaiting_confirmation".into(),
        Step::ClosingWrapper(WrapperStage::Ask) => "closing_wrapper".into(),
        Step::ClosingWrapper(WrapperStage::Look) => "closing_wrapper: look".into(),
        Step::ClosingWrapper(WrapperStage::WrapUp) => "closing_wrapper: wrap_up".into(),
        Step::Forcing => "closing_wrapper: forced".into(),
        Step::Blocked(block) => format!("blocked: {}", block_name(block)),
        Step::Ghost(ghost) => format!("ghost: {}", ghost_name(ghost.reason)),
        Step::Ended(ending) => end_name(ending.end).into(),
    }
}

/// Why a closure is blocked.
pub fn block_name(block: &Block) -> &'static str {
    match block.why {
        BlockReason::Permission(_) => "permission",
        BlockReason::Credential => "credential",
    }
}

fn ghost_name(reason: GhostReason) -> &'static str {
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

fn end_name(end: End) -> &'static str {
    match end {
        End::Closed => "closed",
        End::AlreadyClosed => "already_closed",
        End::Failed(FailReason::NotFound) => "failed: not_found",
        End::Failed(FailReason::AmbiguousTarget) => "failed: ambiguous_target",
        End::Failed(FailReason::OpenElsewhere) => "failed: open_elsewhere",
        End::Failed(FailReason::ParticipantNotFound) => "failed: participant_not_found",
        End::Failed(FailReason::ParticipantNotGuest) => "failed: participant_not_guest",
        End::Failed(FailReason::AgentConnected) => "failed: agent_connected",
        End::Failed(FailReason::Abandoned) => "failed: abandoned",
        End::Cancelled => "cancelled",
        End::Resolved => "resolved",
    }
}

/// A call in few words.
pub fn request_name(request: Request) -> &'static str {
    match request {
        Request::LookUp => "look up",
        Request::Read => "read",
        Request::CloseParticipant(_) => "close participant",
        Request::CloseWrapper(WrapperClose::Patch) => "close wrapper",
        Request::CloseWrapper(WrapperClose::Delete) => "delete wrapper",
        Request::GiveWrapUp { .. } => "give wrap-up",
        Request::Disconnect => "disconnect",
    }
}

/// An announcement by the name of its outgoing event.
pub fn told_name(told: Announcement) -> &'static str {
    match told {
        Announcement::Accepted => "accepted",
        Announcement::ParticipantClosed => "participant-closed",
        Announcement::Confirmed => "confirmed",
        Announcement::Closed => "closed",
        Announcement::AlreadyClosed => "already-closed",
        Announcement::Blocked => "blocked",
        Announcement::GhostDetected => "ghost-detected",
        Announcement::GhostCleared => "ghost-cleared",
        Announcement::Failed => "failed",
        Announcement::Cancelled => "cancelled",
        Announcement::Resolved => "resolved",
        Announcement::GuestReturned => "guest-returned",
    }
}
