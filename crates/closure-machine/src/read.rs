//! Replies to reads: what they show, and what follows.

use genesys_types::{Leg, LegState, Purpose, Snapshot, WrapUp};

use crate::{
    closure::{BlockReason, End, FailReason, GhostReason, GuestLeg, Proof, ProofSource, Step, WrapperStage},
    draft::Draft,
    event::Reply,
    mutation::Mutation,
    policy::{AgentConnected, Evidence, Order, WrapUpPolicy},
};

/// By what a conversation was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A read, which is evidence.
    ByARead,
    /// The answer to a write, which is none.
    ByAnAnswer,
}

impl Draft<'_> {
    /// A read was answered.
    pub(crate) fn read_answered(&mut self, reply: &Reply) {
        match reply {
            Reply::Saw(snapshot) | Reply::Accepted(Some(snapshot)) => {
                self.next.faults = 0;
                self.learn(snapshot, Shown::ByARead);
                self.decide(snapshot);
            }
            Reply::NotFound => self.conversation_missing(),
            Reply::RateLimited(pause) => self.pause(*pause),
            Reply::Forbidden(missing) => self.block(BlockReason::Permission(missing.clone())),
            Reply::Unauthenticated => self.block(BlockReason::Credential),
            Reply::LookedUp(_)
            | Reply::Accepted(None)
            | Reply::Conflict
            | Reply::WrapUpRequired
            | Reply::NoWrapUpCode
            | Reply::Rejected
            | Reply::NotSent
            | Reply::Failed
            | Reply::Unknown => self.read_failed(),
        }
    }

    /// Takes over what `snapshot` shows. A leg proven gone stays gone: an older `connected` never undoes it.
    pub(crate) fn learn(&mut self, snapshot: &Snapshot, shown: Shown) {
        let before_asking = self.next.first_asked_at.is_none();
        let proof = match shown {
            Shown::ByARead => Some(Proof { source: ProofSource::ReadBack, at: self.now, before_asking }),
            Shown::ByAnAnswer => None,
        };
        for leg in &snapshot.legs {
            if self.next.is_of_the_guest(leg) {
                self.learn_leg(leg, proof);
            }
        }
        if snapshot.ended_at.is_some() {
            self.next.ended = self.next.ended.or(proof);
            self.next.guests.iter_mut().for_each(|leg| leg.gone = leg.gone.or(proof));
        }
        self.next.wrap_up = match snapshot.pending_wrap_up() {
            Some(_) => WrapUp::Pending,
            None if snapshot.legs.iter().any(|leg| leg.wrap_up == WrapUp::Done) => WrapUp::Done,
            None => self.next.wrap_up,
        };
        let agent = snapshot.pending_wrap_up().or_else(|| snapshot.connected_agent());
        if let Some(agent) = agent {
            self.learn_agent(agent);
        }
    }

    /// Takes over the agent's leg. What is not shown this time, of the same participant, is as it was: answers to writes
    /// leave out what reads tell.
    fn learn_agent(&mut self, seen: &Leg) {
        let known = self.next.agent.filter(|(participant, ..)| *participant == seen.participant);
        let queue = self.next.agent_queue.filter(|_| known.is_some());
        let (communication, user) =
            known.map_or((None, None), |(_, communication, user)| (communication, user));
        self.next.agent = Some((seen.participant, seen.communication.or(communication), seen.user.or(user)));
        self.next.agent_queue = seen.queue.or(queue);
    }

    /// Takes over one leg; `proof` is `None` where what is shown proves nothing.
    pub(crate) fn learn_leg(&mut self, seen: &Leg, proof: Option<Proof>) {
        let same = |known: &GuestLeg| {
            known.participant == seen.participant
                && (known.communication == seen.communication
                    || known.communication.is_none()
                    || seen.communication.is_none())
        };
        let over = seen.state == LegState::Disconnected;
        let mut known = false;
        for leg in self.next.guests.iter_mut().filter(|leg| same(leg)) {
            known = true;
            leg.communication = leg.communication.or(seen.communication);
            if over {
                leg.gone = leg.gone.or(proof);
            } else if self.policy.has(Mutation::OlderReadUndoesProof) {
                leg.gone = None;
            }
        }
        let overlooked = self.policy.has(Mutation::ReturnIsIgnored) && !self.next.guests.is_empty();
        if !known && !overlooked && (!over || proof.is_some()) {
            // Whatever closed the wrapper before does not cover a guest who came back.
            self.next.wrapper_accepted &= over;
            self.next.guests.push(GuestLeg {
                participant: seen.participant,
                communication: seen.communication,
                asked_at: None,
                accepted: false,
                gone: proof.filter(|_| over),
            });
        }
    }

    /// Decides what follows from what a read showed.
    fn decide(&mut self, snapshot: &Snapshot) {
        if self.next.ended.is_some_and(|proof| proof.counts(self.policy)) {
            return self.close();
        }
        if let Some(named) = self.next.named
            && snapshot.legs.iter().any(|leg| {
                leg.participant == named
                    && matches!(leg.purpose, Purpose::Agent | Purpose::Acd | Purpose::Flow)
            })
        {
            return self.end(End::Failed(FailReason::ParticipantNotGuest));
        }
        let named_is_missing = self.next.named.is_some_and(|named| !snapshot.names(named));
        if self.next.guests.is_empty() || (named_is_missing && self.next.first_asked_at.is_none()) {
            return self.missing(FailReason::ParticipantNotFound);
        }
        let proven = self.next.guest_is_proven_gone(self.policy);
        let to_be_asked = self.next.guests.iter().any(GuestLeg::may_be_asked);
        if proven && self.nothing_is_left(snapshot) {
            return self.close();
        }
        if (proven || to_be_asked) && self.agent_stands_in_the_way(snapshot) {
            return;
        }
        if !self.agent_is_to_be_spared(snapshot) {
            self.next.missed_at = None;
        } else {
            self.next.missed_at.get_or_insert(self.now);
        }
        match (proven, &self.next.step) {
            (true, Step::ClosingWrapper(WrapperStage::Look)) => self.wrapper_still_open(),
            (true, Step::Ghost(ghost)) if ghost.reason == GhostReason::ConversationOpen => {
                self.haunt(GhostReason::ConversationOpen);
            }
            (true, Step::Ghost(ghost)) if ghost.reason == GhostReason::WrapUpPending => {
                self.haunt(GhostReason::WrapUpPending);
            }
            (true, _) => self.close_the_rest(false),
            (false, _) if to_be_asked => self.ask_in_a_new_round(),
            (false, _) => self.nothing_proven(snapshot),
        }
    }

    /// Whether the wrapper needs no close: the conversation has ended; or every leg is over, and either its close was
    /// asked, or it was found so and only a wrap-up keeps it open that nobody configured. Once something was asked, the
    /// wrapper's own close tells whether that wrap-up is demanded: no order of events decides it.
    pub(crate) fn nothing_is_left(&self, snapshot: &Snapshot) -> bool {
        let closed_by_us = self.next.wrapper_asks_in_effect() > 0 || self.next.wrapper_accepted;
        let found_so = self.next.first_asked_at.is_none() && self.policy.wrap_up == WrapUpPolicy::None;
        let excused = closed_by_us || (found_so && snapshot.pending_wrap_up().is_some());
        snapshot.ended_at.is_some() || (snapshot.all_over() && excused)
    }

    /// Asks for the close of what was not asked yet, if there is a round left.
    fn ask_in_a_new_round(&mut self) {
        if self.next.rounds >= self.policy.max_rounds && !self.policy.has(Mutation::RoundsWithoutEnd) {
            return self.haunt(GhostReason::ReopenedByGuest);
        }
        self.next.rounds += 1;
        self.ask_again();
    }

    fn ask_again(&mut self) {
        self.next.still_there_at = None;
        match self.policy.order {
            Order::ConversationFirst if !self.next.wrapper_accepted => {
                self.go(Step::ClosingWrapper(WrapperStage::Ask));
            }
            Order::GuestFirst | Order::ConversationFirst => self.go(Step::ClosingParticipant),
        }
    }

    /// Every leg was asked and some are not proven gone. One read that shows a leg connected proves nothing; a second one,
    /// some time after it, ends the round.
    fn nothing_proven(&mut self, snapshot: &Snapshot) {
        let past_deadline = self.next.deadline(self.policy).is_some_and(|deadline| self.now >= deadline);
        let unclear = self.next.guests.iter().any(|leg| leg.gone.is_none() && !leg.accepted);
        let reason = self.reason_for_no_proof(unclear);
        if matches!(self.next.step, Step::Ghost(_)) && (!unclear || self.next.forced) {
            return self.haunt(reason);
        }
        if self.next.guests.iter().all(|leg| leg.gone.is_some()) {
            // Reads show the guest gone, and the policy wants an event: only time can tell.
            return match self.next.deadline(self.policy) {
                Some(deadline) if !past_deadline => self.go_at(Step::AwaitingConfirmation, deadline),
                Some(_) | None => self.haunt(reason),
            };
        }
        if let Some(until) = self.still_to_be_awaited(snapshot) {
            return self.go_at(Step::AwaitingConfirmation, until);
        }
        let first = *self.next.still_there_at.get_or_insert(self.now);
        let settled = first + self.policy.stale_read_gap;
        if self.now < settled && !self.policy.has(Mutation::OneReadSuffices) {
            return self.go_at(Step::AwaitingConfirmation, settled);
        }
        let tried_enough = if unclear {
            self.next.refused >= self.policy.max_attempts
        } else {
            self.next.rounds >= self.policy.max_rounds
        };
        if self.next.forced || past_deadline || tried_enough {
            if unclear && !self.next.forced {
                self.let_the_next_look_ask(unclear);
            }
            return self.haunt(reason);
        }
        if self.agent_is_to_be_spared(snapshot) {
            self.next.missed_at.get_or_insert(self.now);
            self.let_the_next_look_ask(unclear);
            return self.haunt(GhostReason::AgentStillConnected);
        }
        if unclear {
            self.next.refused += 1;
        } else {
            self.next.rounds += 1;
        }
        self.take_asks_back();
        if self.policy.order == Order::ConversationFirst {
            self.next.wrapper_accepted = false;
        }
        self.ask_again();
    }

    /// Two reads showed that the closes had no effect, so every leg that is not gone may be asked again.
    fn take_asks_back(&mut self) {
        for leg in self.next.guests.iter_mut().filter(|leg| leg.gone.is_none()) {
            leg.asked_at = None;
            leg.accepted = false;
        }
    }

    /// What stands in the way may pass, so the ghost asks once more when a look shows that it has; a round whose close was
    /// never accepted does not count.
    fn let_the_next_look_ask(&mut self, unclear: bool) {
        self.take_asks_back();
        if unclear {
            self.next.rounds = self.next.rounds.saturating_sub(1);
        }
    }

    fn reason_for_no_proof(&self, unclear: bool) -> GhostReason {
        let gone_by_read_only = self.policy.evidence == Evidence::WebhookOnly;
        if self.next.doubtful && !gone_by_read_only {
            GhostReason::ConfirmationMismatch
        } else if unclear {
            GhostReason::Unreachable
        } else {
            GhostReason::NoConfirmation
        }
    }

    /// Whether an agent is connected who must not be cut off, and was not yet.
    fn agent_is_to_be_spared(&self, snapshot: &Snapshot) -> bool {
        let wrapper_is_closing = matches!(self.next.step, Step::ClosingWrapper(_));
        let asked_already = self.next.forced || self.next.wrapper_asks > 0 || wrapper_is_closing;
        let allowed = asked_already
            || self.policy.has(Mutation::AgentIsIgnored)
            || self.policy.agent_connected == AgentConnected::Allow;
        !allowed && snapshot.connected_agent().is_some()
    }

    /// Whether a connected agent keeps the closure from going on; if so, what follows is set.
    fn agent_stands_in_the_way(&mut self, snapshot: &Snapshot) -> bool {
        if !self.agent_is_to_be_spared(snapshot) {
            return false;
        }
        let since = *self.next.missed_at.get_or_insert(self.now);
        if self.next.first_asked_at.is_some() || matches!(self.next.step, Step::Ghost(_)) {
            self.haunt(GhostReason::AgentStillConnected);
            return true;
        }
        match self.policy.agent_connected {
            AgentConnected::Refuse | AgentConnected::Allow => {
                self.end(End::Failed(FailReason::AgentConnected));
            }
            AgentConnected::Wait => {
                if self.now >= since + self.policy.deadline {
                    self.haunt(GhostReason::AgentStillConnected);
                } else {
                    let at = (self.now + self.policy.stale_read_gap).min(since + self.policy.deadline);
                    self.go_at(Step::Verifying, at);
                }
            }
        }
        true
    }

    /// The conversation cannot be found.
    fn conversation_missing(&mut self) {
        self.next.faults = 0;
        if self.next.guest_is_proven_gone(self.policy) {
            self.close();
        } else if self.next.guests.is_empty() {
            self.missing(FailReason::NotFound);
        } else {
            self.haunt(GhostReason::NoConfirmation);
        }
    }

    /// Something that should be there is not: it is looked for a while, and then the closure fails.
    fn missing(&mut self, reason: FailReason) {
        let since = *self.next.missed_at.get_or_insert(self.now);
        let until = since + self.policy.participant_grace;
        if self.now >= until {
            return self.end(End::Failed(reason));
        }
        let tries = self.next.calls.min(6);
        let at = self.now + self.backoff(u8::try_from(tries).unwrap_or(u8::MAX));
        self.go_at(Step::Verifying, at.min(until));
    }

    /// A read, or a lookup, failed in passing.
    pub(crate) fn read_failed(&mut self) {
        if self.proof_came_meanwhile() {
            return self.close_the_rest(false);
        }
        if let Step::Ghost(ghost) = self.next.step {
            return self.haunt(ghost.reason);
        }
        self.next.faults = self.next.faults.saturating_add(1);
        if self.next.faults >= self.policy.max_attempts {
            return self.haunt(GhostReason::Unreachable);
        }
        let at = self.now + self.backoff(self.next.faults);
        self.due(at);
    }
}
