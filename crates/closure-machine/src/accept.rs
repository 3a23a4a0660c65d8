//! The first transition: a command becomes a closure.

use genesys_types::{ConversationId, ParticipantId, Time, WrapUp};

use crate::{
    closure::{Closure, Step, Turn},
    draft::Draft,
    event::Moment,
    lookup::{Sought, Target},
    policy::Policy,
    transition::Transition,
};

/// What a producer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What to close.
    pub subject: Subject,
    /// The guest participant, where the producer names it.
    pub participant: Option<ParticipantId>,
    /// The moment before which nothing is to be done.
    pub not_before: Option<Time>,
    /// How many closures came before because the guest came back; 0 for what a producer asks.
    pub follows: u8,
}

/// How a command says what to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// By the conversation's id.
    Conversation(ConversationId),
    /// By something that is to be looked up.
    Sought(Target),
}

impl Subject {
    /// The conversation, where the command names it.
    pub const fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Conversation(conversation) => Some(*conversation),
            Self::Sought(_) => None,
        }
    }

    /// What is to be looked up, where the command names that.
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Conversation(_) => None,
            Self::Sought(target) => Some(target),
        }
    }
}

/// Accepts a command. With a permit, and unless it is for later, the first read or lookup is in flight at once: neither
/// needs a durable intent, so acceptance and the call are one commit.
pub fn accept(command: &Command, policy: &Policy, moment: Moment) -> Transition {
    let closure = Closure {
        sequence: 0,
        accepted_at: moment.now,
        conversation: command.subject.conversation(),
        sought: command.subject.target().cloned().map(|target| Box::new(Sought::new(target))),
        named: command.participant,
        step: Step::Verifying,
        turn: Turn::Due { at: moment.now },
        guests: Vec::new(),
        ended: None,
        wrap_up: WrapUp::NotRequired,
        agent: None,
        agent_queue: None,
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
        follows: command.follows,
        returned: None,
    };
    let mut draft = Draft::new(closure, policy, moment);
    match command.not_before {
        Some(until) if until > moment.now => draft.go_at(Step::Scheduled, until),
        Some(_) | None => {
            let first = draft.next.first_step();
            draft.go(first);
        }
    }
    draft.finish(None)
}
