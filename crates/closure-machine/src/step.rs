//! The whole life in one match.

use crate::{
    closure::{Closure, Request, Resume, Step, Turn},
    draft::Draft,
    event::{Event, Moment, Reply},
    mutation::Mutation,
    policy::Policy,
    returning::after_the_end,
    transition::{Rejected, Transition},
};

/// Works out what follows when `event` happens to `closure` at `moment`.
///
/// # Errors
///
/// [`Rejected`] when the event changes nothing; the closure stays as it is and nothing is to be done.
pub fn step(
    closure: &Closure,
    event: &Event,
    policy: &Policy,
    moment: Moment,
) -> Result<Transition, Rejected> {
    if closure.has_ended() && !policy.has(Mutation::EndMoves) {
        return after_the_end(closure, event, policy, moment);
    }
    let mut draft = Draft::new(closure.clone(), policy, moment);
    match event {
        Event::Woke => draft.woke(moment)?,
        Event::Replied { call, reply } => match closure.turn {
            Turn::InFlight { call: awaited, request, .. }
                if awaited == *call || policy.has(Mutation::LateReplyIsTaken) =>
            {
                draft.replied(request, reply);
            }
            Turn::InFlight { .. } | Turn::Due { .. } | Turn::Over => return Err(Rejected::Stale),
        },
        Event::Heard(heard) => draft.heard(heard)?,
        Event::Act(act) => draft.acted(*act)?,
        Event::Missed => draft.missed()?,
    }
    Ok(draft.finish(Some(closure)))
}

impl Draft<'_> {
    fn woke(&mut self, moment: Moment) -> Result<(), Rejected> {
        match self.next.turn {
            Turn::Over => Err(Rejected::Ended),
            // A block that was lifted meanwhile holds nobody back until the next probe.
            Turn::Due { .. } if self.lifted(moment) => {
                self.call();
                Ok(())
            }
            Turn::Due { at } | Turn::InFlight { until: at, .. } if moment.now < at => Err(Rejected::Early),
            Turn::InFlight { request: request @ Request::CloseParticipant(_), .. }
                if self.policy.has(Mutation::TimeoutRepeatsTheWrite) =>
            {
                self.unmark_asked(request);
                self.go(Step::ClosingParticipant);
                Ok(())
            }
            Turn::InFlight { request, .. } => {
                self.replied(request, &Reply::Unknown);
                Ok(())
            }
            Turn::Due { .. } if !moment.may_call => Err(Rejected::NoPermit),
            Turn::Due { .. } => {
                if self.next.step == Step::Scheduled {
                    self.next.step = self.next.first_step();
                }
                self.call();
                Ok(())
            }
        }
    }

    /// Whether a blocked closure may call again: whoever has a permit for it knows that the organisation is not refused.
    fn lifted(&self, moment: Moment) -> bool {
        matches!(self.next.step, Step::Blocked(_)) && moment.may_call
    }

    /// Takes the reply to the call in flight.
    fn replied(&mut self, request: Request, reply: &Reply) {
        self.leave_block(reply);
        match request {
            Request::LookUp => self.lookup_answered(reply),
            Request::Read => self.read_answered(reply),
            Request::CloseParticipant(_) => self.participant_answered(request, reply),
            Request::CloseWrapper(_) => self.wrapper_answered(request, reply),
            Request::GiveWrapUp { .. } => self.wrap_up_answered(request, reply),
            Request::Disconnect => self.disconnect_answered(request, reply),
        }
    }

    /// A probe that was looked at and not refused again takes the closure back to where it was blocked.
    fn leave_block(&mut self, reply: &Reply) {
        let Step::Blocked(block) = &self.next.step else {
            return;
        };
        let still_blocked = matches!(
            reply,
            Reply::Forbidden(_) | Reply::Unauthenticated | Reply::RateLimited(_) | Reply::NotSent
        );
        if still_blocked {
            return;
        }
        self.next.step = match block.resume {
            Resume::Resolving => Step::Resolving,
            Resume::Verifying => Step::Verifying,
            Resume::ClosingParticipant => Step::ClosingParticipant,
            Resume::ClosingWrapper(stage) => Step::ClosingWrapper(stage),
            Resume::Forcing => Step::Forcing,
        };
    }
}
