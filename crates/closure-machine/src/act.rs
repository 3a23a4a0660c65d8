//! What operators do.

use genesys_types::Time;

use crate::{
    closure::{End, Step, Turn},
    draft::Draft,
    event::Act,
    mutation::Mutation,
    transition::Rejected,
};

impl Draft<'_> {
    /// An operator acted. The reason is kept by the journal.
    pub(crate) fn acted(&mut self, act: Act) -> Result<(), Rejected> {
        match act {
            Act::Retry => self.retry(),
            Act::Verify => self.verify(),
            Act::Force => self.force(),
            Act::Cancel => {
                self.end(End::Cancelled);
                Ok(())
            }
            Act::Resolve => {
                self.end(End::Resolved);
                Ok(())
            }
            Act::Note => self.noted(),
        }
    }

    /// Lets an operator say something about a ghost, whatever is under way; all stays as it is.
    fn noted(&mut self) -> Result<(), Rejected> {
        match self.next.step {
            Step::Ghost(_) if self.policy.has(Mutation::NoteMoves) => self.verify(),
            Step::Ghost(_) => Ok(()),
            Step::Scheduled
            | Step::Resolving
            | Step::Verifying
            | Step::ClosingParticipant
            | Step::AwaitingConfirmation
            | Step::ClosingWrapper(_)
            | Step::Forcing
            | Step::Blocked(_)
            | Step::Ended(_) => Err(Rejected::Unexpected),
        }
    }

    /// Begins again, where nothing is under way. The read that comes first is the one between two closes.
    fn retry(&mut self) -> Result<(), Rejected> {
        match (&self.next.step, self.next.turn) {
            (
                Step::Ghost(_) | Step::Blocked(_) | Step::Scheduled | Step::Resolving | Step::Verifying,
                Turn::Due { .. },
            ) => {}
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
            ) => return Err(Rejected::Unexpected),
        }
        let closure = &mut self.next;
        closure.rounds = 0;
        closure.faults = 0;
        // That the wrapper was asked is not forgotten: a read comes before it is asked again.
        closure.wrapper_asks = closure.wrapper_asks.min(1);
        closure.refused = closure.wrapper_asks;
        closure.wrapper_accepted = false;
        closure.wrap_up_tried = false;
        closure.forced = false;
        closure.doubtful = false;
        closure.still_there_at = None;
        closure.missed_at = None;
        closure.haunted = None;
        closure.first_asked_at = closure.first_asked_at.map(|_| self.now);
        for leg in closure.guests.iter_mut().filter(|leg| leg.gone.is_none()) {
            leg.asked_at = None;
            leg.accepted = false;
        }
        let first = self.next.first_step();
        self.go(first);
        Ok(())
    }

    /// Reads, or looks up, now instead of later. The intervals between two looks at a ghost begin anew: an operator who looks often
    /// does not put off the next look that comes by itself.
    fn verify(&mut self) -> Result<(), Rejected> {
        match (&self.next.step, self.next.turn) {
            (
                Step::Resolving | Step::Verifying | Step::AwaitingConfirmation | Step::Ghost(_),
                Turn::Due { at },
            ) => {
                if let Step::Ghost(ghost) = &mut self.next.step {
                    ghost.looks = 0;
                    self.next.haunted = Some(*ghost);
                }
                self.due(Time::min(at, self.now));
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
            ) => Err(Rejected::Unexpected),
        }
    }

    /// Tears down. A call in flight is left to itself; its reply will be stale. What was not found cannot be torn down.
    fn force(&mut self) -> Result<(), Rejected> {
        if self.next.step == Step::Forcing || self.next.conversation.is_none() {
            return Err(Rejected::Unexpected);
        }
        for leg in self.next.guests.iter_mut().filter(|leg| leg.gone.is_none()) {
            leg.asked_at = None;
            leg.accepted = false;
        }
        self.next.still_there_at = None;
        self.next.faults = 0;
        self.go(Step::Forcing);
        Ok(())
    }
}
