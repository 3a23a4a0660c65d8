//! Finding the conversation of a command that names its guest in another way.
//!
//! A lookup is a read: it changes nothing at Genesys, and a crash in the middle of it only repeats it. What it finds is
//! never trusted: the conversation is read next, and that read decides.

use genesys_types::{ConversationId, QueueId, Time};

use crate::{
    closure::{BlockReason, End, FailReason, GhostReason, Step},
    draft::Draft,
    event::Reply,
    mutation::Mutation,
};

/// What a command names in place of the conversation's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The id under which another system knows the guest or the conversation.
    ExternalId(Box<str>),
    /// An attribute of a participant.
    Attribute {
        /// Its name, exactly as Genesys has it.
        name: Box<str>,
        /// Its whole value.
        value: Box<str>,
    },
}

/// An open conversation that fits a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The conversation.
    pub conversation: ConversationId,
    /// When it began, where the answer says so.
    pub started_at: Option<Time>,
    /// Its queue, where the answer says so.
    pub queue: Option<QueueId>,
}

/// A closure's target, and what became of looking for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sought {
    /// What the command named.
    pub target: Target,
    /// The conversations that fit, where none of them was taken over: several, or one that has an open closure.
    pub candidates: Vec<Candidate>,
    /// The closure that is open for the conversation that was found.
    pub other: Option<OtherClosure>,
}

/// What a lookup brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Findings {
    /// Every open conversation that fits the target; of very many not all.
    Open(Vec<Candidate>),
    /// This one fits, and it could not be taken over, as the other closure is open for it.
    Taken(Candidate, OtherClosure),
}

/// Another closure, by the key that the driver has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherClosure(pub u128);

impl Sought {
    /// A target for which nobody has looked yet.
    pub const fn new(target: Target) -> Self {
        Self { target, candidates: Vec::new(), other: None }
    }
}

/// So many doublings before the first repeat: what is not found at once has hardly begun, and a second later the answer
/// is the same. With the default backoff the target is looked for after 0, 4, 12, 28, 60 and 120 s at most.
const DOUBLINGS_AT_FIRST: u32 = 2;

impl Draft<'_> {
    /// A lookup was answered.
    pub(crate) fn lookup_answered(&mut self, reply: &Reply) {
        match reply {
            Reply::LookedUp(Findings::Open(candidates)) => {
                self.next.faults = 0;
                match candidates.as_slice() {
                    [] => self.nothing_fits(),
                    [only] => self.found(only.conversation),
                    [first, ..] if self.policy.has(Mutation::FirstOfSeveralIsTaken) => {
                        self.found(first.conversation);
                    }
                    several => {
                        if let Some(sought) = &mut self.next.sought {
                            sought.candidates = several.to_vec();
                        }
                        self.end(End::Failed(FailReason::AmbiguousTarget));
                    }
                }
            }
            Reply::LookedUp(Findings::Taken(candidate, other)) => {
                if let Some(sought) = &mut self.next.sought {
                    sought.candidates = vec![*candidate];
                    sought.other = Some(*other);
                }
                self.end(End::Failed(FailReason::OpenElsewhere));
            }
            Reply::RateLimited(pause) => self.pause(*pause),
            Reply::Forbidden(missing) => self.block(BlockReason::Permission(missing.clone())),
            Reply::Unauthenticated => self.block(BlockReason::Credential),
            // The question itself is refused, and asking it again at once would be too.
            Reply::Rejected
            | Reply::NotFound
            | Reply::Conflict
            | Reply::WrapUpRequired
            | Reply::NoWrapUpCode => {
                self.haunt(GhostReason::Rejected);
            }
            Reply::Saw(_) | Reply::Accepted(_) | Reply::NotSent | Reply::Failed | Reply::Unknown => {
                self.read_failed();
            }
        }
    }

    /// One conversation fits: it is read, as if the command had named it.
    fn found(&mut self, conversation: ConversationId) {
        self.next.conversation = Some(conversation);
        self.next.missed_at = None;
        self.go(Step::Verifying);
    }

    /// Nothing fits. The answer lags behind, so it is looked for a while, and then the closure fails.
    fn nothing_fits(&mut self) {
        let since = *self.next.missed_at.get_or_insert(self.now);
        let until = since + self.policy.lookup_grace;
        if self.now >= until && !self.policy.has(Mutation::LooksWithoutEnd) {
            return self.end(End::Failed(FailReason::NotFound));
        }
        let tries = self.next.calls.min(6) + DOUBLINGS_AT_FIRST;
        let at = self.now + self.backoff(u8::try_from(tries).unwrap_or(u8::MAX));
        self.go_at(
            Step::Resolving,
            if self.policy.has(Mutation::LooksWithoutEnd) { at } else { at.min(until) },
        );
    }
}
