//! What is remembered of what was really sent and really shown, and what must hold of it.

use closure_machine::{
    AgentConnected, Announcement, Broken, Closure, Effect, End, Evidence, FailReason, GhostReason, Order,
    ProofSource, Reply, Request, Step, Transition, check_transition,
};

use genesys_types::Snapshot;

use super::{casts::Cast, remote::Remote, world::World};
use crate::language::{FRIEND, GUEST};

/// The record of an outsider who sees every call, read and event, and knows nothing of the machine's inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The closes that were asked since the last read that came in, or whose refusal came back: guest, second guest,
    /// wrapper, disconnect.
    pub asked: u8,
    /// The legs that a read, or an event that could be taken in, ever showed.
    pub shown: u8,
    /// The legs for whose end evidence came in, of a kind that the policy takes.
    pub evidence: u8,
    /// Whether a close was ever asked, other than such as were refused before they were looked at. Kept where the policy
    /// wants an event.
    pub wrote: bool,
    /// The same before the latest call.
    pub wrote_before: bool,
    /// Whether the last read showed an agent who must not be cut off: neither the wrapper's close nor a force came before.
    pub agent_seen: bool,
    /// Whether the wrapper's close was asked, or an operator forced. Kept where there are agents.
    pub cut_off: bool,
    /// The ghost that listeners were told of.
    pub ghost: Option<GhostReason>,
    /// Whether the latest transition cleared a ghost.
    pub healed: bool,
    /// What went wrong.
    pub broken: Option<Broken>,
}

fn bit(request: Request) -> u8 {
    match request {
        Request::LookUp | Request::Read | Request::GiveWrapUp { .. } => 0,
        Request::CloseParticipant(who) if who == GUEST => 1,
        Request::CloseParticipant(who) => {
            assert_eq!(who, FRIEND);
            2
        }
        Request::CloseWrapper(_) => 4,
        Request::Disconnect => 8,
    }
}

impl Witness {
    pub fn breaks(&mut self, invariant: &'static str, found: &'static str) {
        self.broken.get_or_insert(Broken { invariant, found });
    }

    /// A reply came in, before the machine takes it.
    pub fn reply_came(&mut self, cast: &Cast, request: Request, reply: &Reply, remote: &Remote) {
        match reply {
            Reply::Saw(snapshot) if request == Request::Read => {
                self.asked = 0;
                self.agent_seen = snapshot.connected_agent().is_some();
                self.shown(snapshot, remote);
                for (which, leg) in remote.legs.iter().enumerate() {
                    let shown =
                        snapshot.legs.iter().find(|seen| seen.communication == Some(leg.communication));
                    if shown.is_some_and(|seen| seen.state.is_over()) || snapshot.ended_at.is_some() {
                        let counts = cast.policy.evidence == Evidence::WebhookOrReadBack || !self.wrote;
                        self.evidence |= u8::from(counts) << which;
                    }
                }
            }
            Reply::NotFound if request == Request::Read => self.asked = 0,
            Reply::RateLimited(_)
            | Reply::NotSent
            | Reply::Forbidden(_)
            | Reply::Unauthenticated
            | Reply::WrapUpRequired => {
                self.asked &= !bit(request);
                if bit(request) != 0 {
                    self.wrote = self.wrote_before;
                }
            }
            Reply::Saw(_)
            | Reply::Accepted(_)
            | Reply::LookedUp(_)
            | Reply::NotFound
            | Reply::Conflict
            | Reply::NoWrapUpCode
            | Reply::Rejected
            | Reply::Failed
            | Reply::Unknown => {}
        }
    }

    /// A snapshot came in: its legs are known from here on.
    pub fn shown(&mut self, snapshot: &Snapshot, remote: &Remote) {
        for (which, leg) in remote.legs.iter().enumerate() {
            let shown = snapshot.legs.iter().any(|seen| seen.communication == Some(leg.communication));
            self.shown |= u8::from(shown) << which;
        }
    }

    /// A transition was committed.
    pub fn committed(&mut self, cast: &Cast, before: &Closure, transition: &Transition, remote: &Remote) {
        if let Err(broken) = check_transition(Some(before), transition, &cast.policy) {
            self.broken.get_or_insert(broken);
        }
        self.healed = false;
        for effect in &transition.effects {
            match effect {
                Effect::Call(call) => self.call_made(cast, call.request, &transition.next, remote),
                Effect::Announce(told) => self.told(*told, &transition.next),
                Effect::Follow => {}
            }
        }
        if let Step::Ghost(ghost) = transition.next.step
            && self.ghost != Some(ghost.reason)
        {
            self.breaks("I8", "a ghost was not announced");
        }
    }

    /// Something was said of a ghost: but for its version the closure stays as it is, and nobody is asked or told.
    pub fn noted(&mut self, before: &Closure, transition: &Transition) {
        let stays = Closure { sequence: transition.next.sequence, ..before.clone() };
        if stays != transition.next || !transition.effects.is_empty() {
            self.breaks("note", "what was said of a ghost moved it");
        }
    }

    fn told(&mut self, told: Announcement, next: &Closure) {
        match told {
            Announcement::GhostDetected => {
                let reason = next.haunted.map(|ghost| ghost.reason);
                if self.ghost == reason {
                    self.breaks("I8", "a ghost was announced twice");
                }
                self.ghost = reason;
            }
            Announcement::GhostCleared => {
                if self.ghost.is_none() {
                    self.breaks("I8", "a ghost was cleared that was never announced");
                }
                self.ghost = None;
                self.healed = true;
            }
            Announcement::Accepted
            | Announcement::ParticipantClosed
            | Announcement::Confirmed
            | Announcement::Closed
            | Announcement::AlreadyClosed
            | Announcement::Blocked
            | Announcement::Failed
            | Announcement::Cancelled
            | Announcement::Resolved
            | Announcement::GuestReturned => {}
        }
    }

    fn call_made(&mut self, cast: &Cast, request: Request, next: &Closure, remote: &Remote) {
        if !request.is_write() {
            return;
        }
        if self.asked & bit(request) != 0 {
            self.breaks("ask", "a close was asked twice between two reads");
        }
        self.asked |= bit(request);
        let cuts_in = self.agent_seen && !self.cut_off;
        if cuts_in && cast.policy.agent_connected != AgentConnected::Allow && request != Request::Disconnect {
            self.breaks("agent", "something was closed although the last read showed an agent");
        }
        if matches!(request, Request::CloseWrapper(_)) {
            if cast.policy.order == Order::GuestFirst {
                self.wrapper_is_asked(next, remote);
            }
            self.cut_off |= cast.agent;
        }
        if cast.policy.evidence == Evidence::WebhookOnly {
            self.wrote_before = self.wrote;
            self.wrote |= bit(request) != 0;
        }
    }

    /// I1, by the truth and by what came in, for every leg that was ever shown and every leg that the closure knows.
    fn wrapper_is_asked(&mut self, next: &Closure, remote: &Remote) {
        for (which, leg) in remote.legs.iter().enumerate() {
            if self.shown & (1 << which) != 0 && leg.ended.is_none() {
                self.breaks("I1", "the wrapper is asked while a leg that was shown is still there");
            }
        }
        for known in &next.guests {
            let which = remote.legs.iter().position(|leg| Some(leg.communication) == known.communication);
            if which.is_none_or(|which| self.evidence & (1 << which) == 0) {
                self.breaks("I1", "the wrapper is asked without evidence for every leg");
            }
        }
        if next.guests.is_empty() {
            self.breaks("I1", "the wrapper is asked and no guest was ever seen");
        }
    }

    /// The closure was closed with proof: there must have been some.
    pub fn ended(&mut self, end: End, remote: &Remote) {
        if matches!(end, End::Closed) && self.evidence == 0 && !remote.ended {
            self.breaks("I1", "it was closed and nothing ever showed it");
        }
    }
}

/// What must never happen, by the name under which the witness notes it.
pub const INVARIANTS: [&str; 12] =
    ["I1", "I2", "I4", "I5", "I6", "I7", "I8", "I9", "ask", "agent", "note", "liveness"];

/// A name, and whether a world has it.
type Goal = (&'static str, fn(&World) -> bool);

/// What must be possible.
pub const GOALS: &[Goal] = &[
    ("closed after an event", |world| closed_by(world, ProofSource::Webhook)),
    ("closed after an event of the whole", |world| closed_by(world, ProofSource::QueueEvent)),
    ("closed after a read", |world| closed_by(world, ProofSource::ReadBack)),
    ("closed after the guest came back", |world| {
        ended(world, End::Closed) && world.row.guests.len() > 1 && world.row.rounds > 1
    }),
    ("healed of a ghost", |world| world.witness.healed),
    ("closed after an operator's force", |world| ended(world, End::Closed) && world.row.forced),
    ("closed after a wrap-up", |world| ended(world, End::Closed) && world.row.wrap_up_tried),
    ("found closed", |world| ended(world, End::AlreadyClosed)),
    ("found for a target and closed", |world| ended(world, End::Closed) && world.row.sought.is_some()),
    ("several fit the target", |world| ended(world, End::Failed(FailReason::AmbiguousTarget))),
    ("found, and open elsewhere", |world| ended(world, End::Failed(FailReason::OpenElsewhere))),
    ("not found", |world| ended(world, End::Failed(FailReason::NotFound))),
    ("refused for an agent", |world| ended(world, End::Failed(FailReason::AgentConnected))),
    ("abandoned", |world| ended(world, End::Failed(FailReason::Abandoned))),
    ("cancelled", |world| ended(world, End::Cancelled)),
    ("resolved", |world| ended(world, End::Resolved)),
    ("blocked", |world| matches!(world.row.step, Step::Blocked(_))),
    ("ghost: no confirmation", |world| ghost(world, GhostReason::NoConfirmation)),
    ("ghost: conversation open", |world| ghost(world, GhostReason::ConversationOpen)),
    ("ghost: agent still connected", |world| ghost(world, GhostReason::AgentStillConnected)),
    ("ghost: wrap-up pending", |world| ghost(world, GhostReason::WrapUpPending)),
    ("ghost: confirmation mismatch", |world| ghost(world, GhostReason::ConfirmationMismatch)),
    ("ghost: reopened by guest", |world| ghost(world, GhostReason::ReopenedByGuest)),
    ("ghost: rejected", |world| ghost(world, GhostReason::Rejected)),
    ("ghost: unreachable", |world| ghost(world, GhostReason::Unreachable)),
];

fn ended(world: &World, end: End) -> bool {
    matches!(world.row.step, Step::Ended(ending) if ending.end == end)
}

fn closed_by(world: &World, source: ProofSource) -> bool {
    ended(world, End::Closed)
        && world.row.guests.iter().all(|leg| leg.gone.is_some_and(|gone| gone.source == source))
}

fn ghost(world: &World, reason: GhostReason) -> bool {
    matches!(world.row.step, Step::Ghost(ghost) if ghost.reason == reason)
}
