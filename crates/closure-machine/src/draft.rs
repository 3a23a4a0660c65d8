//! The next closure while it is being worked out.

use genesys_types::{Span, Time};

use crate::{
    backoff::{doubled, jittered, lengthened},
    closure::{
        Block, BlockReason, Call, CallId, Closure, End, Ending, FailReason, Ghost, GhostReason, GuestLeg,
        Request, Resume, Step, Turn,
    },
    event::Moment,
    mutation::Mutation,
    policy::{Order, Policy},
    transition::{Announcement, Effect, Transition},
};

pub(crate) struct Draft<'a> {
    pub(crate) next: Closure,
    pub(crate) policy: &'a Policy,
    pub(crate) now: Time,
    /// Whether the guest was proven gone before.
    was_proven: bool,
    may_call: bool,
    call: Option<Call>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(closure: Closure, policy: &'a Policy, moment: Moment) -> Self {
        let was_proven = closure.guest_is_proven_gone(policy);
        Self { next: closure, policy, now: moment.now, was_proven, may_call: moment.may_call, call: None }
    }

    /// Completes the transition: one more in the sequence, the call, and what the difference announces.
    pub(crate) fn finish(mut self, before: Option<&Closure>) -> Transition {
        self.next.sequence += u64::from(!self.policy.has(Mutation::SequenceStands));
        let mut effects: Vec<Effect> =
            announcements(before, &self.next, self.policy).into_iter().map(Effect::Announce).collect();
        effects.extend(self.call.map(Effect::Call));
        if self.policy.has(Mutation::DoubleCall) {
            effects.extend(self.call.map(Effect::Call));
        }
        let had_returned = before.is_some_and(|before| before.returned.is_some());
        if !had_returned && self.next.returned.is_some_and(|back| back.reopens) {
            effects.push(Effect::Follow);
        }
        Transition { next: self.next, effects }
    }

    /// Goes on with `step` at once: its call is made if there is a permit, else it is due.
    pub(crate) fn go(&mut self, step: Step) {
        self.go_at(step, self.now);
    }

    /// Goes on with `step` at the moment `at`.
    pub(crate) fn go_at(&mut self, step: Step, at: Time) {
        self.next.step = step;
        self.due(at);
    }

    /// Makes the present step's call at `at`: right away where that is now and there is a permit.
    pub(crate) fn due(&mut self, at: Time) {
        self.next.turn = Turn::Due { at };
        if at <= self.now && self.may_call {
            self.call();
        }
    }

    /// Puts the step's call in flight.
    pub(crate) fn call(&mut self) {
        if !self.next.wrapper_may_be_asked(self.policy) {
            self.next.step = Step::Verifying;
        }
        let Some(request) = self.next.request(self.policy) else {
            return;
        };
        self.may_call = false;
        self.next.calls += 1;
        let id = CallId(self.next.calls);
        let until = self.now + self.policy.time_for(request);
        self.next.turn = Turn::InFlight { call: id, request, until };
        self.call = Some(Call { id, request });
        match request {
            Request::LookUp | Request::Read | Request::GiveWrapUp { .. } => {}
            Request::CloseParticipant(participant) => self.mark_asked(|leg| leg.participant == participant),
            Request::CloseWrapper(_) => {
                self.next.wrapper_asks = self.next.wrapper_asks.saturating_add(1);
                self.mark_asked(|_| self.policy.order == Order::ConversationFirst);
            }
            Request::Disconnect => {
                self.next.forced = true;
                self.next.wrapper_asks = self.next.wrapper_asks.saturating_add(1);
                self.mark_asked(|_| true);
            }
        }
    }

    fn mark_asked(&mut self, which: impl Fn(&GuestLeg) -> bool) {
        let now = self.now;
        self.next.first_asked_at.get_or_insert(now);
        for leg in self.next.guests.iter_mut().filter(|leg| leg.may_be_asked()) {
            if which(leg) {
                leg.asked_at = Some(now);
                leg.accepted = false;
            }
        }
    }

    /// Takes back that the latest closes were asked, because Genesys did not look at them.
    pub(crate) fn unmark_asked(&mut self, request: Request) {
        let asked_now = |leg: &&mut GuestLeg| leg.gone.is_none() && !leg.accepted;
        match request {
            Request::LookUp | Request::Read | Request::GiveWrapUp { .. } => {}
            Request::CloseParticipant(participant) => {
                for leg in self.next.guests.iter_mut().filter(asked_now) {
                    if leg.participant == participant {
                        leg.asked_at = None;
                    }
                }
            }
            Request::CloseWrapper(_) | Request::Disconnect => {
                self.next.wrapper_asks = self.next.wrapper_asks.saturating_sub(1);
                if self.policy.order == Order::ConversationFirst || request == Request::Disconnect {
                    self.next.guests.iter_mut().filter(asked_now).for_each(|leg| leg.asked_at = None);
                }
            }
        }
        let just_now = match self.next.turn {
            Turn::InFlight { until, request, .. } => Some(until - self.policy.time_for(request)),
            Turn::Due { .. } | Turn::Over => None,
        };
        let never = self.next.guests.iter().all(|leg| leg.asked_at.is_none());
        // A proof that came after a close tells of one that was asked before this.
        let told_of_earlier = |leg: &GuestLeg| leg.gone.is_some_and(|proof| !proof.before_asking);
        let first = self.next.first_asked_at == just_now && !self.next.guests.iter().any(told_of_earlier);
        if first && never && self.next.rounds <= 1 && self.next.wrapper_asks == 0 && self.next.refused == 0 {
            self.next.first_asked_at = None;
        }
    }

    /// Ends the closure.
    pub(crate) fn end(&mut self, end: End) {
        if !matches!(end, End::Failed(_)) {
            self.next.haunted = None;
        }
        self.next.step = Step::Ended(Ending { end, at: self.now });
        self.next.turn = Turn::Over;
    }

    /// Ends it as closed, or as found closed where nothing was ever asked.
    pub(crate) fn close(&mut self) {
        self.end(if self.next.first_asked_at.is_none() { End::AlreadyClosed } else { End::Closed });
    }

    /// Holds the closure as a ghost, or keeps holding it: the next look is set, and a ghost too old is given up.
    pub(crate) fn haunt(&mut self, reason: GhostReason) {
        let ghost = match self.next.haunted {
            Some(ghost) if !self.policy.has(Mutation::GhostAgesAnew) => {
                Ghost { reason, since: ghost.since, looks: ghost.looks.saturating_add(1) }
            }
            Some(_) | None => Ghost { reason, since: self.now, looks: 0 },
        };
        self.next.haunted = Some(ghost);
        let gives_up = ghost.since + self.policy.give_up_after;
        if self.now >= gives_up && !self.policy.has(Mutation::GhostNeverGivenUp) {
            return self.end(End::Failed(FailReason::Abandoned));
        }
        let interval = doubled(self.policy.look_again, u32::from(ghost.looks), self.policy.look_again_most);
        let look = self.now + lengthened(interval, &self.next);
        let at = if self.policy.has(Mutation::GhostNeverGivenUp) { look } else { look.min(gives_up) };
        self.next.faults = 0;
        self.next.still_there_at = None;
        self.go_at(Step::Ghost(ghost), at);
        if self.policy.has(Mutation::GhostWithoutWakeUp) {
            self.next.turn = Turn::Over;
        }
    }

    /// The guest is proven gone. What was held for want of that is healed, and refusals are counted anew for the
    /// wrapper. A ghost that lacks something else goes on ageing until its end, however often it is tried.
    pub(crate) fn proof_heals(&mut self) {
        if self.was_proven {
            return;
        }
        self.next.refused = 0;
        self.next.haunted = self.next.haunted.filter(|ghost| ghost.reason.outlasts_proof());
    }

    /// Waits until the organisation may do this again.
    pub(crate) fn block(&mut self, why: BlockReason) {
        let (resume, since) = match &self.next.step {
            Step::Blocked(block) => (block.resume, block.since),
            Step::ClosingParticipant => (Resume::ClosingParticipant, self.now),
            Step::ClosingWrapper(stage) => (Resume::ClosingWrapper(*stage), self.now),
            Step::Forcing => (Resume::Forcing, self.now),
            Step::Resolving => (Resume::Resolving, self.now),
            Step::Scheduled | Step::Ghost(_) if self.next.conversation.is_none() => {
                (Resume::Resolving, self.now)
            }
            Step::Scheduled
            | Step::Verifying
            | Step::AwaitingConfirmation
            | Step::Ghost(_)
            | Step::Ended(_) => (Resume::Verifying, self.now),
        };
        let at = self.now + self.policy.probe_blocked;
        self.go_at(Step::Blocked(Block { why, resume, since }), at);
    }

    /// Makes the same call again after `pause`, which Genesys asked for. Nothing is charged for it.
    pub(crate) fn pause(&mut self, pause: Span) {
        let at = self.now + lengthened(pause.max(Span::from_millis(1)), &self.next);
        self.due(at);
    }

    /// How long to wait after the failures so far.
    pub(crate) fn backoff(&self, failures: u8) -> Span {
        let times = u32::from(failures.saturating_sub(1));
        let most = self.policy.backoff.most;
        jittered(doubled(self.policy.backoff.first, times, most), &self.next)
    }
}

/// What the difference between two states of a closure announces. Every ghost is announced once, when it becomes one.
fn announcements(before: Option<&Closure>, next: &Closure, policy: &Policy) -> Vec<Announcement> {
    let mut told = Vec::new();
    let Some(before) = before else {
        told.push(Announcement::Accepted);
        return told;
    };
    let accepted_before = |leg: &GuestLeg| {
        let same = |known: &&GuestLeg| {
            known.participant == leg.participant && known.communication == leg.communication
        };
        before.guests.iter().find(same).is_some_and(|known| known.accepted)
    };
    if next.guests.iter().any(|leg| leg.accepted && !accepted_before(leg)) {
        told.push(Announcement::ParticipantClosed);
    }
    let found_closed = matches!(next.step, Step::Ended(Ending { end: End::AlreadyClosed, .. }));
    if !found_closed && !before.guest_is_proven_gone(policy) && next.guest_is_proven_gone(policy) {
        told.push(Announcement::Confirmed);
    }
    let was = before.haunted.map(|ghost| ghost.reason);
    match (was, next.haunted.map(|ghost| ghost.reason)) {
        (_, Some(reason)) if was != Some(reason) => {
            if !policy.has(Mutation::GhostNotAnnounced) {
                told.push(Announcement::GhostDetected);
            }
        }
        (Some(_), None) if policy.has(Mutation::GhostNotCleared) => {}
        (Some(_), None) => told.push(Announcement::GhostCleared),
        (Some(_), Some(_)) | (None, Some(_) | None) => {}
    }
    if matches!(next.step, Step::Blocked(_)) && !matches!(before.step, Step::Blocked(_)) {
        told.push(Announcement::Blocked);
    }
    if before.has_ended() {
        if before.returned.is_none() && next.returned.is_some() {
            told.push(Announcement::GuestReturned);
        }
    } else if let Step::Ended(ending) = next.step {
        told.push(match ending.end {
            End::Closed => Announcement::Closed,
            End::AlreadyClosed => Announcement::AlreadyClosed,
            End::Failed(_) => Announcement::Failed,
            End::Cancelled => Announcement::Cancelled,
            End::Resolved => Announcement::Resolved,
        });
    }
    told
}
