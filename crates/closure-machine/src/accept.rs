//! The first transition: a command becomes a closure.

use genesys_types::{ConversationId, ParticipantId, Time, WrapUp};

use crate::{
    closure::{Closure, Step, Turn},
    draft::Draft,
    event::Moment,
    policy::Policy,
    transition::Transition,
};

/// What a producer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The conversation to close.
    pub conversation: ConversationId,
    /// The guest participant, where the producer names it.
    pub participant: Option<ParticipantId>,
    /// The moment before which nothing is to be done.
    pub not_before: Option<Time>,
}

/// Accepts a command. With a permit, and unless it is for later, the first read is in flight at once: a read needs no
/// durable intent, so acceptance and the read are one commit.
pub fn accept(command: &Command, policy: &Policy, moment: Moment) -> Transition {
    let closure = Closure {
        sequence: 0,
        accepted_at: moment.now,
        conversation: command.conversation,
        named: command.participant,
        step: Step::Verifying,
        turn: Turn::Due { at: moment.now },
        guests: Vec::new(),
        ended: None,
        wrap_up: WrapUp::NotRequired,
        agent: None,
        calls: 0,
        first_asked_at: None,
        rounds: 0,
        refused: 0,
        faults: 0,
        wrapper_asks: 0,
        wrapper_accepted: false,
        wrap_up_tried: false,
        forced: false,
        doubtful: false,
        still_there_at: None,
        missed_at: None,
        haunted: None,
    };
    let mut draft = Draft::new(closure, policy, moment);
    match command.not_before {
        Some(until) if until > moment.now => draft.go_at(Step::Scheduled, until),
        Some(_) | None => draft.go(Step::Verifying),
    }
    draft.finish(None)
}
