//! What follows when events may have been lost on their way.

use genesys_types::{Snapshot, Time};

use crate::{
    closure::{GuestLeg, Step, Turn},
    draft::Draft,
    transition::Rejected,
};

impl Draft<'_> {
    /// For a while nobody listened. Whoever waited for an event is read now instead of at its time, and nothing else
    /// changes: what was lost a read can show, and what was not may still come.
    pub(crate) fn missed(&mut self) -> Result<(), Rejected> {
        match (&self.next.step, self.next.turn) {
            (Step::AwaitingConfirmation, Turn::Due { at })
                if at > self.now && self.next.guests.iter().any(|leg| leg.gone.is_none()) =>
            {
                self.due(self.now);
                Ok(())
            }
            (Step::Ghost(_), Turn::Due { at }) if at > self.now && self.next.conversation.is_some() => {
                self.due(self.now);
                Ok(())
            }
            (
                Step::Scheduled
                | Step::Resolving
                | Step::Verifying
                | Step::ClosingParticipant
                | Step::AwaitingConfirmation
                | Step::ClosingWrapper(_)
                | Step::Forcing
                | Step::Blocked(_)
                | Step::Ghost(_)
                | Step::Ended(_),
                Turn::Due { .. } | Turn::InFlight { .. } | Turn::Over,
            ) => Err(Rejected::NothingNew),
        }
    }

    /// Until when an event is still to be waited for, where a read came before that time and shows the guest there: such
    /// a read tells nothing, as the close may not have taken effect yet. An event that nobody trusts shortens the wait.
    pub(crate) fn still_to_be_awaited(&self, shown: &Snapshot) -> Option<Time> {
        if self.next.step != Step::AwaitingConfirmation || self.next.doubtful || self.next.forced {
            return None;
        }
        let there = || self.next.guests.iter().filter(|leg| leg.gone.is_none());
        let shown_there = |leg: &GuestLeg| shown.names(leg.participant);
        if !there().all(|leg| leg.accepted && shown_there(leg)) {
            return None;
        }
        let asked = there().filter_map(|leg| leg.asked_at).max()?;
        Some(asked + self.policy.confirm_within).filter(|until| self.now < *until)
    }
}
