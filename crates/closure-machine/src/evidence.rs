//! Events that arrive by themselves, and how far they prove anything.

use genesys_types::{CommunicationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Span, Time, WrapUp};

use crate::{
    closure::{Block, GuestLeg, Proof, Request, Resume, Step, Turn, WrapperStage},
    draft::Draft,
    event::{Heard, What},
    mutation::Mutation,
    transition::Rejected,
};

/// How much older than our intent an event's own time may be and still count as its effect: clocks of two services
/// differ (design §3, "replayed genuine event").
pub(crate) const CLOCKS_DIFFER: Span = Span::from_secs(60);

/// How far an event concerns a closure.
enum Bearing {
    /// It names a leg, or a participant after our intent.
    Proves,
    /// It speaks of a guest's end without naming what is waited for: a read has to confirm it.
    Hints,
    /// It is about something else, or about what is known.
    Nothing,
}

impl Draft<'_> {
    /// An event arrived. It counts in whatever state the closure is, and leads on as soon as the case is complete.
    pub(crate) fn heard(&mut self, heard: &Heard) -> Result<(), Rejected> {
        if self.next.conversation.is_none() {
            // No event can be about a conversation that is still looked for; the read that follows shows what it told.
            return Err(Rejected::NothingNew);
        }
        match &heard.what {
            What::GuestLeft { participant, communication } => {
                match self.bearing(heard, *participant, *communication) {
                    Bearing::Proves => self.go_on_if_proven(false),
                    Bearing::Hints => self.confirm_by_reading()?,
                    Bearing::Nothing => return Err(Rejected::NothingNew),
                }
            }
            What::GuestCame { participant: Some(participant), communication: Some(communication) } => {
                self.conversation_heard(heard, &one_guest(*participant, *communication))?;
            }
            // Which leg is there is not said: the reads find it.
            What::GuestCame { .. } => return Err(Rejected::NothingNew),
            What::Conversation(snapshot) => self.conversation_heard(heard, snapshot)?,
        }
        Ok(())
    }

    fn bearing(
        &mut self,
        heard: &Heard,
        who: Option<ParticipantId>,
        leg: Option<CommunicationId>,
    ) -> Bearing {
        let proof =
            Proof { source: heard.source, at: self.now, before_asking: self.next.first_asked_at.is_none() };
        if let Some(communication) = leg
            && self.next.guests.iter().any(|known| known.communication == Some(communication))
        {
            let named = |known: &GuestLeg| known.communication == Some(communication);
            return self.prove(named, proof);
        }
        if self.policy.has(Mutation::OtherLegProves) && leg.is_some() {
            return self.prove(|known| who.is_none_or(|who| known.participant == who), proof);
        }
        if let Some(participant) = who
            && (leg.is_none() || self.knows_no_communication_of(participant))
        {
            let at = self.asked_by(participant, heard.occurred_at);
            let meant = |known: &GuestLeg| known.participant == participant && !known.proven(self.policy);
            let mut legs = self.next.guests.iter().filter(|known| meant(known));
            // Of several legs, the end of the participant does not say which one ended.
            let several = self.policy.has(Mutation::ParticipantProvesAllLegs);
            if several && legs.clone().any(|known| known.asked_before(at)) {
                return self.prove(|known| known.participant == participant, proof);
            }
            if let (Some(only), None) = (legs.next(), legs.next())
                && only.asked_before(at)
            {
                let communication = only.communication;
                return self.prove(
                    |known| known.participant == participant && known.communication == communication,
                    proof,
                );
            }
        }
        let latest = heard.occurred_at + CLOCKS_DIFFER;
        let meant = |known: &GuestLeg| who.is_none_or(|participant| known.participant == participant);
        let waits_for = |known: &GuestLeg| !known.proven(self.policy) && known.asked_before(latest);
        let waits = self.next.guests.iter().any(|known| meant(known) && waits_for(known));
        if waits { Bearing::Hints } else { Bearing::Nothing }
    }

    /// Until when the close of a participant must have been asked for its end at `occurred_at` to be an effect of it. Where
    /// an earlier leg of the participant ended, no difference of the clocks is allowed for: the end of that leg must not
    /// be taken for the end of the present one.
    fn asked_by(&self, participant: ParticipantId, occurred_at: Time) -> Time {
        if self.policy.has(Mutation::OldEventProves) {
            return Time::from_millis(i64::MAX);
        }
        let mut legs = self.next.guests.iter().filter(|known| known.participant == participant);
        if legs.any(|known| known.proven(self.policy)) {
            occurred_at - Span::from_millis(1)
        } else {
            occurred_at + CLOCKS_DIFFER
        }
    }

    fn knows_no_communication_of(&self, participant: ParticipantId) -> bool {
        self.next.guests.iter().all(|known| known.participant != participant || known.communication.is_none())
    }

    /// Records the proof for every leg that `named` picks.
    fn prove(&mut self, named: impl Fn(&GuestLeg) -> bool, proof: Proof) -> Bearing {
        let mut bearing = Bearing::Nothing;
        for leg in self.next.guests.iter_mut().filter(|leg| named(leg)) {
            if proof.adds_to(leg.gone, self.policy) {
                leg.gone = Some(proof);
                bearing = Bearing::Proves;
            }
        }
        bearing
    }

    fn conversation_heard(&mut self, heard: &Heard, snapshot: &Snapshot) -> Result<(), Rejected> {
        let before = self.next.clone();
        let proof =
            Proof { source: heard.source, at: self.now, before_asking: self.next.first_asked_at.is_none() };
        for leg in snapshot.guest_legs().filter(|leg| leg.state.is_over()) {
            let at = leg.disconnected_at.unwrap_or(heard.occurred_at);
            let ended = Heard { source: heard.source, occurred_at: at, what: heard.what.clone() };
            self.bearing(&ended, Some(leg.participant), leg.communication);
        }
        let was_read = !self.next.guests.is_empty();
        let is_ours = was_read || self.next.first_asked_at.is_some();
        if snapshot.ended_at.is_some() && is_ours && proof.adds_to(self.next.ended, self.policy) {
            self.next.ended = Some(proof);
        }
        if snapshot.pending_wrap_up().is_some() {
            self.next.wrap_up = WrapUp::Pending;
        }
        let came_back = self.guest_came_back(snapshot);
        if self.next == before {
            return Err(Rejected::NothingNew);
        }
        if came_back {
            self.verify_instead();
        } else {
            self.go_on_if_proven(self.nothing_is_left(snapshot));
        }
        Ok(())
    }

    /// Notes the guest's legs that are there and were never seen. Reads show all legs that ever were, so such a leg is
    /// younger than the last read. While the wrapper's close is in flight it is left to the answer and the next event:
    /// that close ends it too.
    fn guest_came_back(&mut self, snapshot: &Snapshot) -> bool {
        let closing = matches!(self.next.turn, Turn::InFlight { request: Request::CloseWrapper(_), .. });
        if self.next.guests.is_empty() || closing {
            return false;
        }
        let known = self.next.guests.len();
        for leg in snapshot.guest_legs().filter(|leg| !leg.state.is_over()) {
            self.learn_leg(leg, None);
        }
        self.next.guests.len() > known
    }

    /// What was to be done next no longer fits: back to a read, unless one is owed or a call is in flight.
    fn verify_instead(&mut self) {
        let due = matches!(self.next.turn, Turn::Due { .. });
        match &mut self.next.step {
            Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(WrapperStage::Ask | WrapperStage::WrapUp)
                if due =>
            {
                self.go(Step::Verifying);
            }
            Step::ClosingWrapper(WrapperStage::Look) | Step::Ghost(_) => self.look_now(),
            Step::Blocked(Block { resume, .. }) => match resume {
                Resume::ClosingParticipant
                | Resume::ClosingWrapper(WrapperStage::Ask | WrapperStage::WrapUp) => {
                    *resume = Resume::Verifying;
                }
                Resume::Resolving
                | Resume::Verifying
                | Resume::ClosingWrapper(WrapperStage::Look)
                | Resume::Forcing => {}
            },
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Ended(_) => {}
        }
    }

    /// Leads on when the guest is proven gone; until then the closure goes on waiting as it does.
    fn go_on_if_proven(&mut self, nothing_is_left: bool) {
        if !self.next.guest_is_proven_gone(self.policy) {
            return self.wait_if_all_were_asked();
        }
        match &self.next.step {
            // What else there is to close is not known before the first read.
            Step::Scheduled | Step::Resolving | Step::Ended(_) => {}
            _ if nothing_is_left => self.close_the_rest(true),
            // A read is owed, and decides.
            Step::Verifying => self.look_now(),
            Step::Ghost(ghost) if ghost.reason.outlasts_proof() || self.read_is_owed() => self.look_now(),
            Step::AwaitingConfirmation if self.read_is_owed() => self.look_now(),
            // Its answer shows whether the guest is back on a leg that no event has told of.
            Step::AwaitingConfirmation if self.read_is_on_its_way() => self.proof_heals(),
            Step::ClosingParticipant if self.read_is_owed() => self.go(Step::Verifying),
            Step::ClosingParticipant | Step::AwaitingConfirmation | Step::Ghost(_) => {
                self.close_the_rest(false);
            }
            // The wrapper's own close is under way; its outcome matters.
            Step::ClosingWrapper(WrapperStage::Ask | WrapperStage::WrapUp) => {
                self.close_if_wrapper_was_accepted();
            }
            Step::ClosingWrapper(WrapperStage::Look) | Step::Forcing => {}
            Step::Blocked(block) => match block.resume {
                Resume::Resolving | Resume::ClosingWrapper(_) | Resume::Forcing => {}
                Resume::Verifying | Resume::ClosingParticipant
                    if self.next.first_asked_at.is_none() || self.read_is_owed() => {}
                Resume::Verifying | Resume::ClosingParticipant => self.close_the_rest(false),
            },
        }
    }

    /// Whether a read was asked that is not answered yet.
    fn read_is_on_its_way(&self) -> bool {
        matches!(self.next.turn, Turn::InFlight { request: Request::Read, .. })
            && !self.policy.has(Mutation::ProofOvertakesARead)
    }

    /// Whether the proof came while a read was on its way, and that read is all that is still waited for.
    pub(crate) fn proof_came_meanwhile(&self) -> bool {
        self.next.step == Step::AwaitingConfirmation
            && !self.read_is_owed()
            && self.next.guest_is_proven_gone(self.policy)
    }

    /// Whether the wrapper's close must not be asked before a read: it was asked before, without success as far as is
    /// known, or the last read showed an agent who is not to be cut off.
    fn read_is_owed(&self) -> bool {
        (self.next.wrapper_asks > 0 && !self.next.wrapper_accepted) || self.next.missed_at.is_some()
    }

    /// The guest whose close was due left by itself, and others are still waited for.
    fn wait_if_all_were_asked(&mut self) {
        let due = matches!(self.next.turn, Turn::Due { .. });
        let none_left = !self.next.guests.iter().any(GuestLeg::may_be_asked);
        if self.next.step == Step::ClosingParticipant && due && none_left {
            self.close_next_guest_or_wait();
        }
    }

    /// The read that waits for its time is due now.
    fn look_now(&mut self) {
        if matches!(self.next.turn, Turn::Due { at } if at > self.now) {
            self.due(self.now);
        }
    }

    fn close_if_wrapper_was_accepted(&mut self) {
        if self.next.wrapper_accepted {
            self.close();
        }
    }

    /// A read is due now instead of at the deadline.
    fn confirm_by_reading(&mut self) -> Result<(), Rejected> {
        match (&self.next.step, self.next.turn) {
            (Step::AwaitingConfirmation | Step::Ghost(_), Turn::Due { at }) if at > self.now => {
                self.next.doubtful = true;
                self.due(self.now);
                Ok(())
            }
            _ if !self.next.doubtful => {
                self.next.doubtful = true;
                Ok(())
            }
            _ => Err(Rejected::NothingNew),
        }
    }
}

/// A conversation of which only one leg of the guest is known.
fn one_guest(participant: ParticipantId, communication: CommunicationId) -> Snapshot {
    let leg = Leg {
        participant,
        communication: Some(communication),
        purpose: Purpose::Customer,
        state: LegState::Connected,
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: None,
    };
    Snapshot { ended_at: None, legs: vec![leg] }
}
