//! Replies to calls that change something. None of them is evidence.

use genesys_types::ParticipantId;

use crate::{
    closure::{BlockReason, GhostReason, Proof, ProofSource, Request, Step, WrapperStage},
    draft::Draft,
    event::Reply,
    mutation::Mutation,
    policy::Order,
};

impl Draft<'_> {
    /// The guest's close was answered.
    pub(crate) fn participant_answered(&mut self, request: Request, reply: &Reply) {
        let Request::CloseParticipant(participant) = request else {
            return;
        };
        match reply {
            Reply::Accepted(_) | Reply::Saw(_) => {
                self.next.faults = 0;
                for leg in self.next.guests.iter_mut().filter(|leg| leg.participant == participant) {
                    leg.accepted |= leg.asked_at.is_some();
                }
                if self.policy.has(Mutation::ReplyIsEvidence) {
                    let proof = Proof { source: ProofSource::Webhook, at: self.now, before_asking: false };
                    self.next.guests.iter_mut().for_each(|leg| leg.gone = Some(proof));
                    return self.close_the_rest(false);
                }
                if self.policy.has(Mutation::WrapperWithoutProof) {
                    return self.go(Step::ClosingWrapper(WrapperStage::Ask));
                }
                self.close_next_guest_or_wait();
            }
            // Whether it was taken is soon seen, and no event will come for what was not.
            Reply::LookedUp(_) | Reply::Unknown | Reply::Failed => {
                let at = self.now + self.backoff(self.next.refused.saturating_add(1));
                let step = self.after_asking_the_guest();
                self.go_at(step, at);
            }
            Reply::NotFound
            | Reply::Conflict
            | Reply::Rejected
            | Reply::WrapUpRequired
            | Reply::NoWrapUpCode => {
                self.refused(request);
                self.read_or_give_up(Step::Verifying, GhostReason::Rejected);
            }
            Reply::RateLimited(pause) => {
                if !self.policy.has(Mutation::TooManyRequestsAreCharged) {
                    self.unmark_asked(request);
                }
                self.pause(*pause);
            }
            Reply::NotSent => self.not_sent(request),
            Reply::Forbidden(_) | Reply::Unauthenticated => self.not_allowed(request, reply),
        }
    }

    /// The conversation's close was answered.
    pub(crate) fn wrapper_answered(&mut self, request: Request, reply: &Reply) {
        match reply {
            Reply::Saw(snapshot) | Reply::Accepted(Some(snapshot)) => {
                self.wrapper_was_accepted();
                self.answer_showed(snapshot);
            }
            Reply::Accepted(None) => {
                self.wrapper_was_accepted();
                self.wrapper_is_done();
            }
            Reply::NotFound if self.next.guest_is_proven_gone(self.policy) => self.close(),
            Reply::WrapUpRequired => self.wrap_up_demanded(request),
            Reply::LookedUp(_) | Reply::Unknown | Reply::Failed => self.wrapper_outcome_unclear(),
            Reply::NotFound | Reply::Conflict | Reply::Rejected | Reply::NoWrapUpCode => {
                self.refused(request);
                self.read_or_give_up(Step::ClosingWrapper(WrapperStage::Look), GhostReason::Rejected);
            }
            Reply::RateLimited(pause) => {
                self.unmark_asked(request);
                self.pause(*pause);
            }
            Reply::NotSent => self.not_sent(request),
            Reply::Forbidden(_) | Reply::Unauthenticated => self.not_allowed(request, reply),
        }
    }

    /// Whether the wrapper was closed is not known, and read before it is asked again. While the guest is not proven gone
    /// (`conversation_first`) its legs count as asked, and the reads that judge them also charge the attempt.
    fn wrapper_outcome_unclear(&mut self) {
        let look = Step::ClosingWrapper(WrapperStage::Look);
        if self.next.guest_is_proven_gone(self.policy) {
            self.next.refused = self.next.refused.saturating_add(1);
            return self.read_or_give_up(look, GhostReason::Unreachable);
        }
        let at = self.now + self.backoff(self.next.refused.saturating_add(1));
        self.go_at(look, at);
    }

    /// A wrap-up was given or skipped, and the wrapper's close is tried once more. Where it is not known whether it was, a read comes
    /// first, as after every call of an unclear outcome; whether it is to be given again is for Genesys to demand.
    pub(crate) fn wrap_up_answered(&mut self, request: Request, reply: &Reply) {
        match reply {
            Reply::Accepted(_) | Reply::Saw(_) | Reply::LookedUp(_) | Reply::Conflict => {
                self.go(Step::ClosingWrapper(WrapperStage::Ask));
            }
            Reply::Unknown => {
                self.next.wrap_up_tried = false;
                self.wrapper_outcome_unclear();
            }
            Reply::NotFound | Reply::WrapUpRequired | Reply::NoWrapUpCode | Reply::Rejected => {
                self.haunt(GhostReason::WrapUpPending);
            }
            Reply::RateLimited(pause) => self.pause(*pause),
            Reply::NotSent | Reply::Failed => self.not_sent(request),
            Reply::Forbidden(_) | Reply::Unauthenticated => self.not_allowed(request, reply),
        }
    }

    /// The forced teardown was answered.
    pub(crate) fn disconnect_answered(&mut self, request: Request, reply: &Reply) {
        match reply {
            Reply::Accepted(_) | Reply::Saw(_) => {
                self.wrapper_was_accepted();
                self.next.guests.iter_mut().for_each(|leg| leg.accepted |= leg.asked_at.is_some());
                let at = self.now + self.policy.backoff.first;
                self.go_at(Step::AwaitingConfirmation, at);
            }
            Reply::LookedUp(_) | Reply::Unknown | Reply::Failed | Reply::Conflict | Reply::NotFound => {
                self.next.refused = self.next.refused.saturating_add(1);
                let at = self.now + self.backoff(self.next.refused);
                self.go_at(Step::AwaitingConfirmation, at);
            }
            Reply::Rejected | Reply::WrapUpRequired | Reply::NoWrapUpCode => {
                self.unmark_asked(request);
                self.haunt(GhostReason::Rejected);
            }
            Reply::RateLimited(pause) => {
                self.unmark_asked(request);
                self.pause(*pause);
            }
            Reply::NotSent => self.not_sent(request),
            Reply::Forbidden(_) | Reply::Unauthenticated => self.not_allowed(request, reply),
        }
    }

    /// Closes the guest's next participant that is still to be asked, else waits for proof.
    pub(crate) fn close_next_guest_or_wait(&mut self) {
        let step = self.after_asking_the_guest();
        let at =
            if step == Step::AwaitingConfirmation { self.now + self.policy.confirm_within } else { self.now };
        self.go_at(step, at);
    }

    /// The next guest's close, or a read where a guest who was asked came back on another leg, or else the wait.
    fn after_asking_the_guest(&self) -> Step {
        let mut to_be_asked = self.next.guests.iter().filter(|leg| leg.may_be_asked()).peekable();
        if to_be_asked.peek().is_none() {
            Step::AwaitingConfirmation
        } else if to_be_asked.any(|leg| self.was_asked(leg.participant)) {
            Step::Verifying
        } else {
            Step::ClosingParticipant
        }
    }

    /// Whether the participant's close was asked already, for another leg: then a read comes before it is asked again.
    fn was_asked(&self, participant: ParticipantId) -> bool {
        self.next.guests.iter().any(|leg| leg.participant == participant && leg.asked_at.is_some())
    }

    fn wrapper_was_accepted(&mut self) {
        self.next.faults = 0;
        self.next.wrapper_accepted = true;
        if self.policy.order == Order::ConversationFirst {
            self.next.guests.iter_mut().for_each(|leg| leg.accepted |= leg.asked_at.is_some());
        }
    }

    /// A close was refused: the round does not count.
    fn refused(&mut self, request: Request) {
        self.next.refused = self.next.refused.saturating_add(1);
        let wrapper_asks = self.next.wrapper_asks;
        self.unmark_asked(request);
        self.next.wrapper_asks = wrapper_asks;
        self.round_was_void(request);
    }

    /// A close of the guest was not looked at, or refused: the round that it began does not count.
    pub(crate) fn round_was_void(&mut self, request: Request) {
        let of_the_guest = match request {
            Request::CloseParticipant(_) => true,
            Request::CloseWrapper(_) => self.policy.order == Order::ConversationFirst,
            Request::LookUp | Request::Read | Request::GiveWrapUp { .. } | Request::Disconnect => false,
        };
        if of_the_guest {
            self.next.rounds = self.next.rounds.saturating_sub(1);
        }
    }

    /// Reads, by way of `step`, after a wait that grows; holds the closure when that was tried often enough.
    fn read_or_give_up(&mut self, step: Step, reason: GhostReason) {
        if self.next.refused >= self.policy.max_attempts && !self.policy.has(Mutation::RefusalsWithoutEnd) {
            return self.haunt(reason);
        }
        self.next.still_there_at = None;
        let at = self.now + self.backoff(self.next.refused);
        self.go_at(step, at);
    }

    /// The call never left, so nothing was asked; it is made again after a wait.
    fn not_sent(&mut self, request: Request) {
        self.unmark_asked(request);
        self.next.faults = self.next.faults.saturating_add(1);
        if self.next.faults >= self.policy.max_attempts {
            self.round_was_void(request);
            return self.haunt(GhostReason::Unreachable);
        }
        let at = self.now + self.backoff(self.next.faults);
        self.due(at);
    }

    /// The organisation may not do this: nothing was asked, and nothing is charged to the closure.
    pub(crate) fn not_allowed(&mut self, request: Request, reply: &Reply) {
        if self.policy.has(Mutation::BlockIsARefusal) {
            self.next.refused = self.next.refused.saturating_add(1);
        }
        self.unmark_asked(request);
        self.block(match reply {
            Reply::Forbidden(missing) => BlockReason::Permission(missing.clone()),
            Reply::Saw(_)
            | Reply::Accepted(_)
            | Reply::LookedUp(_)
            | Reply::NotFound
            | Reply::Conflict
            | Reply::WrapUpRequired
            | Reply::NoWrapUpCode
            | Reply::Rejected
            | Reply::Unauthenticated
            | Reply::RateLimited(_)
            | Reply::NotSent
            | Reply::Failed
            | Reply::Unknown => BlockReason::Credential,
        });
    }
}
