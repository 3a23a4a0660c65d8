//! What is under way, as stored.

use closure_machine::{
    Block, BlockReason, CallId, End, Ending, FailReason, Ghost, GhostReason, Request, Resume, Step, Turn,
    WrapperClose, WrapperStage,
};
use genesys_types::{CommunicationId, ParticipantId, Time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::same_names;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredStep {
    Scheduled,
    Resolving,
    Verifying,
    ClosingParticipant,
    AwaitingConfirmation,
    ClosingWrapper(StoredStage),
    Forcing,
    Blocked { why: StoredBlock, resume: StoredResume, since: i64 },
    Ghost(StoredGhost),
    Ended { end: StoredEnd, at: i64 },
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredStage {
    Ask,
    Look,
    WrapUp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredBlock {
    Permission(Option<Box<str>>),
    Credential,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredResume {
    Resolving,
    Verifying,
    ClosingParticipant,
    ClosingWrapper(StoredStage),
    Forcing,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct StoredGhost {
    pub(super) reason: StoredGhostReason,
    pub(super) since: i64,
    pub(super) looks: u16,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredGhostReason {
    NoConfirmation,
    ConversationOpen,
    AgentStillConnected,
    WrapupPending,
    ConfirmationMismatch,
    ReopenedByGuest,
    Rejected,
    Unreachable,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredEnd {
    Closed,
    AlreadyClosed,
    NotFound,
    AmbiguousTarget,
    OpenElsewhere,
    ParticipantNotFound,
    ParticipantNotGuest,
    AgentConnected,
    Abandoned,
    Cancelled,
    Resolved,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredTurn {
    Due(i64),
    InFlight { call: u32, request: StoredRequest, until: i64 },
    Over,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredRequest {
    LookUp,
    Read,
    CloseParticipant(Uuid),
    PatchWrapper,
    DeleteWrapper,
    GiveWrapUp(Uuid, Option<Uuid>),
    Disconnect,
}

same_names!(WrapperStage, StoredStage { Ask => Ask, Look => Look, WrapUp => WrapUp });

same_names!(GhostReason, StoredGhostReason {
    NoConfirmation => NoConfirmation,
    ConversationOpen => ConversationOpen,
    AgentStillConnected => AgentStillConnected,
    WrapUpPending => WrapupPending,
    ConfirmationMismatch => ConfirmationMismatch,
    ReopenedByGuest => ReopenedByGuest,
    Rejected => Rejected,
    Unreachable => Unreachable,
});

impl From<&Step> for StoredStep {
    fn from(step: &Step) -> Self {
        match step {
            Step::Scheduled => Self::Scheduled,
            Step::Resolving => Self::Resolving,
            Step::Verifying => Self::Verifying,
            Step::ClosingParticipant => Self::ClosingParticipant,
            Step::AwaitingConfirmation => Self::AwaitingConfirmation,
            Step::ClosingWrapper(stage) => Self::ClosingWrapper((*stage).into()),
            Step::Forcing => Self::Forcing,
            Step::Blocked(block) => Self::Blocked {
                why: match &block.why {
                    BlockReason::Permission(missing) => StoredBlock::Permission(missing.clone()),
                    BlockReason::Credential => StoredBlock::Credential,
                },
                resume: match block.resume {
                    Resume::Resolving => StoredResume::Resolving,
                    Resume::Verifying => StoredResume::Verifying,
                    Resume::ClosingParticipant => StoredResume::ClosingParticipant,
                    Resume::ClosingWrapper(stage) => StoredResume::ClosingWrapper(stage.into()),
                    Resume::Forcing => StoredResume::Forcing,
                },
                since: block.since.millis(),
            },
            Step::Ghost(ghost) => Self::Ghost((*ghost).into()),
            Step::Ended(Ending { end, at }) => Self::Ended {
                end: match end {
                    End::Closed => StoredEnd::Closed,
                    End::AlreadyClosed => StoredEnd::AlreadyClosed,
                    End::Failed(FailReason::NotFound) => StoredEnd::NotFound,
                    End::Failed(FailReason::AmbiguousTarget) => StoredEnd::AmbiguousTarget,
                    End::Failed(FailReason::OpenElsewhere) => StoredEnd::OpenElsewhere,
                    End::Failed(FailReason::ParticipantNotFound) => StoredEnd::ParticipantNotFound,
                    End::Failed(FailReason::ParticipantNotGuest) => StoredEnd::ParticipantNotGuest,
                    End::Failed(FailReason::AgentConnected) => StoredEnd::AgentConnected,
                    End::Failed(FailReason::Abandoned) => StoredEnd::Abandoned,
                    End::Cancelled => StoredEnd::Cancelled,
                    End::Resolved => StoredEnd::Resolved,
                },
                at: at.millis(),
            },
        }
    }
}

impl From<StoredStep> for Step {
    fn from(stored: StoredStep) -> Self {
        match stored {
            StoredStep::Scheduled => Self::Scheduled,
            StoredStep::Resolving => Self::Resolving,
            StoredStep::Verifying => Self::Verifying,
            StoredStep::ClosingParticipant => Self::ClosingParticipant,
            StoredStep::AwaitingConfirmation => Self::AwaitingConfirmation,
            StoredStep::ClosingWrapper(stage) => Self::ClosingWrapper(stage.into()),
            StoredStep::Forcing => Self::Forcing,
            StoredStep::Blocked { why, resume, since } => Self::Blocked(Block {
                why: match why {
                    StoredBlock::Permission(missing) => BlockReason::Permission(missing),
                    StoredBlock::Credential => BlockReason::Credential,
                },
                resume: match resume {
                    StoredResume::Resolving => Resume::Resolving,
                    StoredResume::Verifying => Resume::Verifying,
                    StoredResume::ClosingParticipant => Resume::ClosingParticipant,
                    StoredResume::ClosingWrapper(stage) => Resume::ClosingWrapper(stage.into()),
                    StoredResume::Forcing => Resume::Forcing,
                },
                since: Time::from_millis(since),
            }),
            StoredStep::Ghost(ghost) => Self::Ghost(ghost.into()),
            StoredStep::Ended { end, at } => Self::Ended(Ending {
                end: match end {
                    StoredEnd::Closed => End::Closed,
                    StoredEnd::AlreadyClosed => End::AlreadyClosed,
                    StoredEnd::NotFound => End::Failed(FailReason::NotFound),
                    StoredEnd::AmbiguousTarget => End::Failed(FailReason::AmbiguousTarget),
                    StoredEnd::OpenElsewhere => End::Failed(FailReason::OpenElsewhere),
                    StoredEnd::ParticipantNotFound => End::Failed(FailReason::ParticipantNotFound),
                    StoredEnd::ParticipantNotGuest => End::Failed(FailReason::ParticipantNotGuest),
                    StoredEnd::AgentConnected => End::Failed(FailReason::AgentConnected),
                    StoredEnd::Abandoned => End::Failed(FailReason::Abandoned),
                    StoredEnd::Cancelled => End::Cancelled,
                    StoredEnd::Resolved => End::Resolved,
                },
                at: Time::from_millis(at),
            }),
        }
    }
}

impl From<Ghost> for StoredGhost {
    fn from(ghost: Ghost) -> Self {
        Self { reason: ghost.reason.into(), since: ghost.since.millis(), looks: ghost.looks }
    }
}

impl From<StoredGhost> for Ghost {
    fn from(stored: StoredGhost) -> Self {
        Self { reason: stored.reason.into(), since: Time::from_millis(stored.since), looks: stored.looks }
    }
}

impl From<&Turn> for StoredTurn {
    fn from(turn: &Turn) -> Self {
        match turn {
            Turn::Due { at } => Self::Due(at.millis()),
            Turn::InFlight { call, request, until } => Self::InFlight {
                call: call.0,
                request: match request {
                    Request::LookUp => StoredRequest::LookUp,
                    Request::Read => StoredRequest::Read,
                    Request::CloseParticipant(participant) => {
                        StoredRequest::CloseParticipant(participant.uuid())
                    }
                    Request::CloseWrapper(WrapperClose::Patch) => StoredRequest::PatchWrapper,
                    Request::CloseWrapper(WrapperClose::Delete) => StoredRequest::DeleteWrapper,
                    Request::GiveWrapUp { participant, communication } => StoredRequest::GiveWrapUp(
                        participant.uuid(),
                        communication.map(CommunicationId::uuid),
                    ),
                    Request::Disconnect => StoredRequest::Disconnect,
                },
                until: until.millis(),
            },
            Turn::Over => Self::Over,
        }
    }
}

impl From<StoredTurn> for Turn {
    fn from(stored: StoredTurn) -> Self {
        match stored {
            StoredTurn::Due(at) => Self::Due { at: Time::from_millis(at) },
            StoredTurn::InFlight { call, request, until } => Self::InFlight {
                call: CallId(call),
                request: match request {
                    StoredRequest::LookUp => Request::LookUp,
                    StoredRequest::Read => Request::Read,
                    StoredRequest::CloseParticipant(uuid) => {
                        Request::CloseParticipant(ParticipantId::from_uuid(uuid))
                    }
                    StoredRequest::PatchWrapper => Request::CloseWrapper(WrapperClose::Patch),
                    StoredRequest::DeleteWrapper => Request::CloseWrapper(WrapperClose::Delete),
                    StoredRequest::GiveWrapUp(participant, communication) => Request::GiveWrapUp {
                        participant: ParticipantId::from_uuid(participant),
                        communication: communication.map(CommunicationId::from_uuid),
                    },
                    StoredRequest::Disconnect => Request::Disconnect,
                },
                until: Time::from_millis(until),
            },
            StoredTurn::Over => Self::Over,
        }
    }
}
