//! Closing the conversation itself.

use genesys_types::{Leg, Snapshot, Time, WrapUp};

use crate::{
    closure::{GhostReason, GuestLeg, Request, Step, WrapperStage},
    draft::Draft,
    mutation::Mutation,
    policy::WrapUpPolicy,
    read::Shown,
};

impl Draft<'_> {
    /// The guest is proven gone: closes what is left, which may be nothing.
    pub(crate) fn close_the_rest(&mut self, nothing_is_left: bool) {
        self.next.still_there_at = None;
        self.next.faults = 0;
        self.proof_heals();
        if nothing_is_left || self.next.wrapper_accepted {
            return self.close();
        }
        self.go(Step::ClosingWrapper(WrapperStage::Ask));
    }

    /// The answer to the wrapper's close showed the conversation. One that still shows somebody else than the guest is
    /// not believed; the guest's own legs are judged by their proof.
    pub(crate) fn answer_showed(&mut self, snapshot: &Snapshot) {
        let guests = |leg: &Leg| self.next.guests.iter().any(|known| known.participant == leg.participant);
        let shows_open = snapshot.ended_at.is_none()
            && snapshot.legs.iter().any(|leg| !leg.state.is_over() && !guests(leg));
        self.learn(snapshot, Shown::ByAnAnswer);
        if shows_open && self.next.guest_is_proven_gone(self.policy) {
            self.next.wrapper_accepted = false;
            let at = self.now + self.policy.stale_read_gap;
            return self.look_at_wrapper(at);
        }
        self.wrapper_is_done();
    }

    /// The wrapper's close is accepted, and nothing contradicts it.
    pub(crate) fn wrapper_is_done(&mut self) {
        if self.next.guest_is_proven_gone(self.policy) {
            return self.close();
        }
        if self.next.guests.iter().any(GuestLeg::may_be_asked) {
            return self.go(Step::Verifying);
        }
        self.close_next_guest_or_wait();
    }

    /// Reads at `at` what became of the wrapper's close.
    pub(crate) fn look_at_wrapper(&mut self, at: Time) {
        self.next.still_there_at = None;
        self.go_at(Step::ClosingWrapper(WrapperStage::Look), at);
    }

    /// A read showed the conversation after its close was asked, the guest proven gone and something still open.
    pub(crate) fn wrapper_still_open(&mut self) {
        let first = *self.next.still_there_at.get_or_insert(self.now);
        let settled = first + self.policy.stale_read_gap;
        if self.now < settled {
            return self.due(settled);
        }
        if self.next.wrapper_asks_in_effect() >= self.policy.max_rounds {
            return self.haunt(GhostReason::ConversationOpen);
        }
        self.next.still_there_at = None;
        self.go(Step::ClosingWrapper(WrapperStage::Ask));
    }

    /// Genesys demands a wrap-up before it closes. What is configured is given once.
    pub(crate) fn wrap_up_demanded(&mut self, request: Request) {
        self.unmark_asked(request);
        self.round_was_void(request);
        self.next.wrap_up = WrapUp::Pending;
        let configured = self.policy.wrap_up != WrapUpPolicy::None;
        if !configured
            || (self.next.wrap_up_tried && !self.policy.has(Mutation::WrapUpWithoutEnd))
            || self.next.agent.is_none()
        {
            return self.haunt(GhostReason::WrapUpPending);
        }
        self.next.wrap_up_tried = true;
        self.go(Step::ClosingWrapper(WrapperStage::WrapUp));
    }
}
