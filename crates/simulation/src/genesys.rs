//! What Genesys does with calls, and what goes wrong on the way.

use closure_machine::{Candidate, Findings, Reply, Request, WrapperClose};
use genesys_client::{RateHeaders, Sent};
use genesys_types::{ConversationId, ParticipantId, Span};
use store::Millis;

use crate::{
    Mistake,
    conversation::Conversation,
    happening::{Answered, Happening, Waiter},
    hooks::Word,
    trace::Told,
    world::World,
};

/// Requests of a window, and its length: those of one OAuth client (API.md §4).
const WINDOW: (u32, Millis) = (300, 60_000);

/// The longest time that a call or a reply is late.
pub(crate) const LATE: Millis = 9_000;

/// A call on its way.
pub(crate) struct Call {
    pub(crate) conversation: ConversationId,
    pub(crate) request: Request,
    /// Who waits; nobody for the second copy of a call.
    waiter: Option<Waiter>,
}

impl World {
    /// A call leaves a replica; `false` where it does not get out.
    pub(crate) fn call_leaves(
        &mut self,
        at: Millis,
        replica: usize,
        conversation: ConversationId,
        request: Request,
        waiter: Waiter,
    ) -> bool {
        // Whatever the clock of the replica says, it is not earlier than that.
        let at = at.max(self.now);
        let chances = self.plan.chances;
        if self.fails(chances.not_sent) {
            self.witness.stays(conversation, request);
            self.note(at, Told::NotSent { replica, conversation, request });
            return false;
        }
        self.note(at, Told::Left { replica, conversation, request });
        // A lookup changes nothing: one that is made for a producer who waits is written down with what it found, and
        // nobody holds the others against their intents.
        if let Some(truth) = self.conversations.get(&conversation).filter(|_| request != Request::LookUp) {
            self.witness.leaves(at, truth, request);
        }
        if self.fails(chances.call_lost) {
            return true;
        }
        if self.fails(chances.call_doubled) {
            let again = at + self.some(LATE);
            self.plan(again, Happening::Arrives(Call { conversation, request, waiter: None }));
        }
        let takes = if self.fails(chances.call_late) { self.dice.i64(0..LATE) } else { self.some(60) };
        self.plan(at + 1 + takes, Happening::Arrives(Call { conversation, request, waiter: Some(waiter) }));
        true
    }

    /// A call reaches Genesys.
    pub(crate) fn call_arrives(&mut self, call: Call) {
        let Call { conversation, request, .. } = call;
        self.note(self.now, Told::Arrived { conversation, request });
        let rate = self.counted();
        let chances = self.plan.chances;
        if let Some(retry_after) = rate.refuses() {
            return self.answers(call, with_rate(Reply::RateLimited(retry_after), rate));
        }
        if self.fails(chances.refused) {
            let reply = self.some_refusal();
            return self.answers(call, with_rate(reply, rate));
        }
        let misreported = self.fails(chances.misreported);
        let reply = self.performs(&call);
        let reply = if misreported { self.some_failure() } else { reply };
        self.answers(call, with_rate(reply, rate));
    }

    /// Does what a call asks; answers as an honest Genesys would.
    fn performs(&mut self, call: &Call) -> Reply {
        let chances = self.plan.chances;
        let Some(truth) = self.conversations.get(&call.conversation) else { return Reply::NotFound };
        let shown = truth.snapshot();
        if call.request == Request::LookUp {
            let open = Candidate { conversation: truth.id, started_at: None, queue: None };
            let found = !truth.is_over() && !self.fails(chances.stale_read);
            return Reply::LookedUp(Findings::Open(found.then_some(open).into_iter().collect()));
        }
        if call.request == Request::Read {
            if !self.fails(chances.stale_read) {
                return Reply::Saw(shown);
            }
            let ago = self.dice.usize(0..3);
            let stale = self.conversations.get(&call.conversation).map(|truth| truth.stale_snapshot(ago));
            return Reply::Saw(stale.unwrap_or(shown));
        }
        if matches!(call.request, Request::CloseWrapper(_)) && shown.pending_wrap_up().is_some() {
            return Reply::WrapUpRequired;
        }
        let ignored = self.fails(chances.ignored);
        if !ignored {
            let late = if self.fails(chances.effect_late) { self.dice.i64(0..LATE) } else { 0 };
            let copy = Call { conversation: call.conversation, request: call.request, waiter: None };
            if late == 0 {
                self.takes_effect(&copy);
            } else {
                self.plan(self.now + late, Happening::Effect(copy));
            }
        }
        match call.request {
            Request::CloseWrapper(WrapperClose::Patch) => {
                let after = self.conversations.get(&call.conversation).map(Conversation::snapshot);
                Reply::Accepted(after)
            }
            Request::CloseWrapper(WrapperClose::Delete)
            | Request::CloseParticipant(_)
            | Request::GiveWrapUp { .. }
            | Request::Disconnect => Reply::Accepted(None),
            Request::Read | Request::LookUp => Reply::Rejected,
        }
    }

    /// A close takes effect.
    pub(crate) fn takes_effect(&mut self, call: &Call) {
        let Some(truth) = self.conversations.get_mut(&call.conversation) else { return };
        match call.request {
            Request::CloseParticipant(_) | Request::CloseWrapper(_) if truth.stuck => {}
            Request::CloseParticipant(who) => self.guest_leaves(call.conversation, Some(who)),
            Request::CloseWrapper(_) | Request::Disconnect => self.conversation_ends(call.conversation),
            Request::GiveWrapUp { .. } => truth.agent_changes(|agent| agent.owes_a_wrap_up = false),
            Request::Read | Request::LookUp => {}
        }
    }

    pub(crate) fn guest_leaves(&mut self, conversation: ConversationId, who: Option<ParticipantId>) {
        let now = self.now;
        let Some(truth) = self.conversations.get_mut(&conversation) else { return };
        let ended = truth.guests_leave(who, now);
        self.tell_of_legs(conversation, &ended);
    }

    pub(crate) fn conversation_ends(&mut self, conversation: ConversationId) {
        let now = self.now;
        let Some(truth) = self.conversations.get_mut(&conversation).filter(|truth| !truth.is_over()) else {
            return;
        };
        let ended = truth.ends(now);
        self.note(now, Told::Ended { conversation });
        self.tell_of_legs(conversation, &ended);
    }

    pub(crate) fn guest_comes(&mut self, conversation: ConversationId) {
        let same = self.dice.bool();
        let Some(truth) = self.conversations.get_mut(&conversation) else { return };
        let leg = truth.guest_comes(same);
        self.note(self.now, Told::GuestCame { conversation, leg });
        self.tell(conversation, leg, Word::Came);
    }

    fn tell_of_legs(&mut self, conversation: ConversationId, legs: &[u32]) {
        for leg in legs {
            self.note(self.now, Told::LegEnded { conversation, leg: *leg });
            self.tell(conversation, *leg, Word::Left);
        }
    }

    /// Counts a request in the present window.
    pub(crate) fn counted(&mut self) -> Counted {
        let (allowed, length) = WINDOW;
        let (began, count) = self.window;
        let present = self.now - self.now % length;
        self.window = if began == present { (began, count + 1) } else { (present, 1) };
        let left = present + length - self.now;
        Counted { count: self.window.1, allowed, reset_seconds: u32::try_from(left / 1_000 + 1).ok() }
    }

    /// Refusals without an effect.
    pub(crate) fn some_refusal(&mut self) -> Reply {
        match self.dice.u8(..16) {
            0..=2 => Reply::RateLimited(Span::from_secs(self.dice.u32(1..8))),
            3..=6 => Reply::Failed,
            7..=8 => Reply::Conflict,
            9..=10 => Reply::NotFound,
            11 => Reply::Rejected,
            12 => Reply::Forbidden(Some("conversation:communication:disconnect".into())),
            13 => Reply::Unauthenticated,
            _ => Reply::Unknown,
        }
    }

    /// Answers that deny what was done.
    fn some_failure(&mut self) -> Reply {
        match self.dice.u8(..4) {
            0 => Reply::Conflict,
            1 => Reply::NotFound,
            2 => Reply::Failed,
            _ => Reply::Unknown,
        }
    }

    /// Sends an answer on its way.
    fn answers(&mut self, call: Call, answered: Answered) {
        let chances = self.plan.chances;
        if call.waiter.is_none() || self.fails(chances.reply_lost) {
            return;
        }
        let takes = if self.fails(chances.reply_late) { self.dice.i64(0..LATE) } else { self.some(60) };
        self.plan(self.now + 1 + takes, Happening::Answers(call, answered));
    }

    /// An answer reaches whoever waits for it.
    pub(crate) fn answer_arrives(&mut self, mut call: Call, answered: Answered) {
        let Call { conversation, request, .. } = call;
        let reply = answered.reply.clone();
        let heard = call.waiter.take().is_some_and(|waiter| waiter.send(answered).is_ok());
        self.note(self.now, Told::Answered { conversation, request, reply: name(&reply), heard });
        if heard {
            self.trace.saw(name(&reply));
            self.reply_was_heard(conversation, request, &reply);
        }
        if let (Reply::Accepted(_), Request::CloseParticipant(who)) = (&reply, request)
            && self.plan.mistake == Some(Mistake::ReplyTakenForProof)
        {
            self.tells_too_early(conversation, who);
        }
    }

    fn reply_was_heard(&mut self, conversation: ConversationId, request: Request, reply: &Reply) {
        match reply {
            Reply::Saw(snapshot) => {
                self.witness.was_read(conversation);
                self.witness.shown(conversation, snapshot);
            }
            Reply::Accepted(Some(snapshot)) => self.witness.shown(conversation, snapshot),
            Reply::NotFound if request == Request::Read => self.witness.was_read(conversation),
            Reply::RateLimited(_) | Reply::NotSent | Reply::Forbidden(_) | Reply::Unauthenticated => {
                self.witness.forget_asked(conversation, request);
            }
            Reply::WrapUpRequired => self.witness.forget_asked(conversation, request),
            Reply::Accepted(None)
            | Reply::LookedUp(_)
            | Reply::NotFound
            | Reply::Conflict
            | Reply::NoWrapUpCode
            | Reply::Rejected
            | Reply::Failed
            | Reply::Unknown => {}
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Counted {
    count: u32,
    allowed: u32,
    reset_seconds: Option<u32>,
}

impl Counted {
    /// After which time to ask again, where no more is allowed.
    pub(crate) fn refuses(self) -> Option<Span> {
        (self.count > self.allowed).then(|| Span::from_secs(self.reset_seconds.unwrap_or(1)))
    }
}

/// An answer with what the quota learns of it.
pub(crate) fn with_rate(reply: Reply, rate: Counted) -> Answered {
    let headers = RateHeaders {
        count: Some(rate.count),
        allowed: Some(rate.allowed),
        reset_seconds: rate.reset_seconds,
    };
    let sent = match &reply {
        Reply::RateLimited(after) => Sent::Throttled { retry_after: after.duration() },
        Reply::Failed => Sent::Failed(headers),
        Reply::Unknown => Sent::Unanswered,
        Reply::NotSent => Sent::NotSent,
        Reply::LookedUp(_)
        | Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::NotFound
        | Reply::Conflict
        | Reply::WrapUpRequired
        | Reply::NoWrapUpCode
        | Reply::Rejected
        | Reply::Forbidden(_)
        | Reply::Unauthenticated => Sent::Answered(headers),
    };
    Answered { reply, sent }
}

pub(crate) fn name(reply: &Reply) -> &'static str {
    match reply {
        Reply::LookedUp(Findings::Open(found)) if found.is_empty() => "found nothing",
        Reply::LookedUp(_) => "found the conversation",
        Reply::Saw(snapshot) if snapshot.ended_at.is_some() => "saw its end",
        Reply::Saw(snapshot) if snapshot.guest_legs().all(|leg| leg.state.is_over()) => "saw no guest",
        Reply::Saw(_) => "saw a guest",
        Reply::Accepted(_) => "accepted",
        Reply::NotFound => "404",
        Reply::Conflict => "409",
        Reply::WrapUpRequired => "400 wrap-up",
        Reply::NoWrapUpCode => "no code",
        Reply::Rejected => "400",
        Reply::Forbidden(_) => "403",
        Reply::Unauthenticated => "401",
        Reply::RateLimited(_) => "429",
        Reply::NotSent => "not sent",
        Reply::Failed => "5xx",
        Reply::Unknown => "cut off",
    }
}
