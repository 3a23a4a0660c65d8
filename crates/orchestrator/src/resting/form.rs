//! Which parts a record has, in the order in which they are written. A part that is missing here does not compile.

use closure_machine::{
    AgentConnected, Block, BlockReason, CallId, Candidate, Closure, End, Ending, Evidence, FailReason, Ghost,
    GhostReason, GuestLeg, GuestReturn, GuestReturns, Order, OtherClosure, Proof, ProofSource, Request,
    Resume, Sought, Step, Target, Turn, WrapUpPolicy, WrapperClose, WrapperStage,
};
use genesys_types::{
    CommunicationId, ConversationId, ParticipantId, QueueId, Span, UserId, WrapUp, WrapUpCodeId,
};
use uuid::Uuid;

use super::bytes::{Packed, Reader, Writer};
use crate::{
    handling::{Handling, Word},
    record::{Callback, ConfirmedBy, Overrides, ReplyTo, Said},
    trace_parent::TraceParent,
};

/// Writes the parts of a struct one after the other.
macro_rules! packs {
    ($name:ident { $($part:ident),+ $(,)? }) => {
        impl Packed for $name {
            fn write(&self, to: &mut Writer) {
                let Self { $($part),+ } = self;
                $($part.write(to);)+
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                $(let $part = Packed::read(from)?;)+
                Some(Self { $($part),+ })
            }
        }
    };
}

/// Writes a number for each variant of an enum, and the variant's parts after it. The most frequent has the number 0.
macro_rules! packs_one_of {
    ($name:ident {
        $($number:literal => $variant:ident $(($($item:ident),+))? $({ $($part:ident),+ })?),+ $(,)?
    }) => {
        impl Packed for $name {
            fn write(&self, to: &mut Writer) {
                match self {
                    $(Self::$variant $(($($item),+))? $({ $($part),+ })? => {
                        <u8 as Packed>::write(&$number, to);
                        $($($item.write(to);)+)?
                        $($($part.write(to);)+)?
                    })+
                }
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                match <u8 as Packed>::read(from)? {
                    $($number => {
                        $($(let $item = Packed::read(from)?;)+)?
                        $($(let $part = Packed::read(from)?;)+)?
                        Some(Self::$variant $(($($item),+))? $({ $($part),+ })?)
                    })+
                    _ => None,
                }
            }
        }
    };
}

macro_rules! packs_ids {
    ($($id:ident),+ $(,)?) => {$(
        impl Packed for $id {
            fn write(&self, to: &mut Writer) {
                self.uuid().write(to);
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                Uuid::read(from).map(Self::from_uuid)
            }
        }
    )+};
}

packs_ids!(CommunicationId, ConversationId, ParticipantId, QueueId, UserId, WrapUpCodeId);

// What a glance needs stands first.
packs!(Closure {
    accepted_at,
    calls,
    step,
    turn,
    conversation,
    sequence,
    sought,
    named,
    guests,
    ended,
    wrap_up,
    agent,
    agent_queue,
    first_asked_at,
    rounds,
    refused,
    faults,
    wrapper_asks,
    wrapper_accepted,
    wrap_up_tried,
    forced,
    doubtful,
    still_there_at,
    missed_at,
    haunted,
    follows,
    returned,
});

packs_one_of!(Step {
    0 => AwaitingConfirmation,
    1 => Scheduled,
    2 => Verifying,
    3 => ClosingParticipant,
    4 => ClosingWrapper(stage),
    5 => Forcing,
    6 => Blocked(block),
    7 => Ghost(ghost),
    8 => Ended(ending),
    9 => Resolving,
});

packs_one_of!(Turn {
    0 => Due { at },
    1 => InFlight { call, request, until },
    2 => Over,
});

packs_one_of!(Request {
    0 => Read,
    1 => CloseParticipant(participant),
    2 => CloseWrapper(close),
    3 => GiveWrapUp { participant, communication },
    4 => Disconnect,
    5 => LookUp,
});

packs_one_of!(WrapperStage { 0 => Ask, 1 => Look, 2 => WrapUp });

packs!(Block { why, resume, since });

packs_one_of!(BlockReason { 0 => Permission(missing), 1 => Credential });

packs_one_of!(Resume {
    0 => Verifying,
    1 => ClosingParticipant,
    2 => ClosingWrapper(stage),
    3 => Forcing,
    4 => Resolving,
});

packs!(Ghost { reason, since, looks });

packs_one_of!(GhostReason {
    0 => NoConfirmation,
    1 => ConversationOpen,
    2 => AgentStillConnected,
    3 => WrapUpPending,
    4 => ConfirmationMismatch,
    5 => ReopenedByGuest,
    6 => Rejected,
    7 => Unreachable,
});

packs!(Ending { end, at });

packs_one_of!(End {
    0 => Closed,
    1 => AlreadyClosed,
    2 => Failed(reason),
    3 => Cancelled,
    4 => Resolved,
});

packs_one_of!(FailReason {
    0 => NotFound,
    1 => ParticipantNotFound,
    2 => ParticipantNotGuest,
    3 => AgentConnected,
    4 => Abandoned,
    5 => AmbiguousTarget,
    6 => OpenElsewhere,
});

packs!(Sought { target, candidates, other });

packs_one_of!(Target { 0 => ExternalId(id), 1 => Attribute { name, value } });

packs!(Candidate { conversation, started_at, queue });

packs!(GuestLeg { participant, communication, asked_at, accepted, gone });

packs!(Proof { source, at, before_asking });

packs_one_of!(ProofSource {
    0 => Webhook,
    1 => Notification,
    2 => QueueEvent,
    3 => ReadBack,
    4 => Operator,
});

packs_one_of!(WrapUp { 0 => NotRequired, 1 => Pending, 2 => Done });

packs!(Said { reason, overrides, labels, callback, reply, trace });

packs!(TraceParent { trace, span, flags });

packs!(Handling { claimed, snoozed, comment });

packs!(Word { by, at, text });

packs!(Callback { url, on });

packs!(ReplyTo { address, correlation, trace });

packs!(Overrides {
    evidence,
    order,
    wrapper_close,
    agent_connected,
    wrap_up,
    guest_returns,
    wrap_up_notes,
    deadline
});

packs_one_of!(Evidence { 0 => WebhookOrReadBack, 1 => WebhookOnly });

packs_one_of!(Order { 0 => GuestFirst, 1 => ConversationFirst });

packs_one_of!(WrapperClose { 0 => Patch, 1 => Delete });

packs_one_of!(AgentConnected { 0 => Refuse, 1 => Wait, 2 => Allow });

packs_one_of!(GuestReturns { 0 => Never, 1 => Once, 2 => UpToThree });

packs!(GuestReturn { at, participant, communication, reopens });

packs_one_of!(WrapUpPolicy { 0 => None, 1 => Skip, 2 => Code(code), 3 => Named(name) });

packs!(ConfirmedBy { kind, adapter, event_type, event_id, at });

impl Packed for OtherClosure {
    fn write(&self, to: &mut Writer) {
        Uuid::from_u128(self.0).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Uuid::read(from).map(|other| Self(other.as_u128()))
    }
}

impl Packed for CallId {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Packed::read(from).map(Self)
    }
}

impl Packed for Span {
    fn write(&self, to: &mut Writer) {
        self.millis().write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Packed::read(from).map(Self::from_millis)
    }
}
