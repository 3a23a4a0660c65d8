//! A guest who comes back after the end. The end stays an end: it is marked, and the policy says whether a closure that
//! follows this one is opened.

use genesys_types::{CommunicationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Time};

use crate::{
    closure::{Closure, End, Ending, GuestLeg, Step},
    draft::Draft,
    event::{Event, Heard, Moment, What},
    evidence::CLOCKS_DIFFER,
    mutation::Mutation,
    policy::Policy,
    transition::{Rejected, Transition},
};

/// A guest as an event names it: participant and communication.
type Whom = (Option<ParticipantId>, Option<CommunicationId>);

/// A guest who was seen connected after the closure had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GuestReturn {
    /// When, in the event's own words.
    pub at: Time,
    /// The participant, where the event named it.
    pub participant: Option<ParticipantId>,
    /// The communication, where the event named it.
    pub communication: Option<CommunicationId>,
    /// Whether a closure that follows this one is opened for it.
    pub reopens: bool,
}

impl Heard {
    /// Whether it shows a guest who is there: then it concerns closures that have ended too.
    pub fn shows_a_guest(&self) -> bool {
        match &self.what {
            What::GuestLeft { .. } => false,
            What::GuestCame { .. } => true,
            What::Conversation(snapshot) => {
                let may_be_a_guest = |leg: &Leg| matches!(leg.purpose, Purpose::Customer | Purpose::Other);
                there(snapshot).any(may_be_a_guest)
            }
        }
    }
}

/// The legs that are there. A conversation that has ended has none.
fn there(snapshot: &Snapshot) -> impl Iterator<Item = &Leg> {
    let open = snapshot.ended_at.is_none();
    snapshot.legs.iter().filter(move |leg| {
        open && match leg.state {
            LegState::Connected | LegState::Parked | LegState::Alerting => true,
            // A state that is not known here may be a new word for an end.
            LegState::Other | LegState::Disconnected => false,
        }
    })
}

impl Closure {
    /// Since when it claims that the guest is gone, so that a guest who is there contradicts it.
    pub fn claims_an_end(&self) -> Option<Time> {
        match self.step {
            Step::Ended(Ending { end: End::Closed | End::AlreadyClosed, at }) => Some(at),
            Step::Ended(Ending { end: End::Failed(_) | End::Cancelled | End::Resolved, .. })
            | Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ghost(_) => None,
        }
    }

    /// Whether a leg that was seen there at `seen` is one on which the guest came back after the end at `ended`.
    ///
    /// A leg that this closure knows is one whose end is proven: word of it is late. A leg, or a participant, that it does
    /// not know is younger than the last read, and counts when the event is younger than the end. A participant that it
    /// knows, on a leg without a name here or there, counts when the event is younger by more than two clocks differ.
    fn is_a_return(&self, (participant, leg): Whom, seen: Time, ended: Time, policy: &Policy) -> bool {
        if policy.has(Mutation::LateWordIsAReturn) {
            return true;
        }
        if self.agent.is_some_and(|(agent, ..)| participant == Some(agent)) {
            return false;
        }
        let nameless = |known: &GuestLeg| {
            known.communication.is_none() && participant.is_none_or(|who| known.participant == who)
        };
        let knows_leg = leg.is_some() && self.guests.iter().any(|known| known.communication == leg);
        let is_new = |who| self.guests.iter().all(|known| known.participant != who);
        match (participant, leg) {
            (_, Some(_)) if knows_leg => false,
            (_, Some(_)) if self.guests.iter().any(nameless) => seen > ended + CLOCKS_DIFFER,
            (_, Some(_)) => seen > ended,
            (Some(who), None) if !self.guests.is_empty() && is_new(who) => seen > ended,
            (_, None) => seen > ended + CLOCKS_DIFFER,
        }
    }
}

/// What follows when something happens to a closure that has ended.
pub(crate) fn after_the_end(
    closure: &Closure,
    event: &Event,
    policy: &Policy,
    moment: Moment,
) -> Result<Transition, Rejected> {
    match event {
        Event::Heard(heard) => {
            let mut draft = Draft::new(closure.clone(), policy, moment);
            draft.heard_after_the_end(heard)?;
            Ok(draft.finish(Some(closure)))
        }
        Event::Woke | Event::Replied { .. } | Event::Missed | Event::Act(_) => Err(Rejected::Ended),
    }
}

impl Draft<'_> {
    fn heard_after_the_end(&mut self, heard: &Heard) -> Result<(), Rejected> {
        let ended = self.next.claims_an_end().ok_or(Rejected::Ended)?;
        if heard.occurred_at > self.now + CLOCKS_DIFFER {
            // A time that has not come orders nothing.
            return Err(Rejected::Ended);
        }
        let returns = |whom: &Whom| self.next.is_a_return(*whom, heard.occurred_at, ended, self.policy);
        let back = match &heard.what {
            What::GuestLeft { .. } => None,
            What::GuestCame { participant, communication } => {
                Some((*participant, *communication)).filter(returns)
            }
            What::Conversation(snapshot) => {
                let guests = there(snapshot).filter(|leg| self.next.is_of_the_guest(leg));
                guests.map(|leg| (Some(leg.participant), leg.communication)).find(returns)
            }
        };
        let (participant, communication) = back.ok_or(Rejected::Ended)?;
        if self.next.returned.is_some() {
            return Err(Rejected::NothingNew);
        }
        let most = self.policy.guest_returns.most();
        let reopens = self.next.follows < most || self.policy.has(Mutation::ReturnsWithoutEnd);
        self.next.returned = Some(GuestReturn { at: heard.occurred_at, participant, communication, reopens });
        Ok(())
    }
}
