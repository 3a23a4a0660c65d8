//! A closure's life, told step by step. Every step is checked against the invariants on the way.

use closure_machine::{
    Act, Announcement, Call, Closure, Command, Effect, Event, GhostReason, Moment, Policy, Rejected, Reply,
    Request, Step, Subject, Transition, Turn, accept, check_transition, step,
};
use genesys_types::{ParticipantId, Snapshot, Span, Time};

use super::{CONVERSATION, START, Word, plain_policy, step_name, target};

/// A closure, its policy, and the clock.
#[derive(Debug, Clone)]
pub struct Story {
    pub closure: Closure,
    pub policy: Policy,
    pub now: Time,
    permit: bool,
    steps: u32,
    calls: Vec<Call>,
    followed: bool,
    pub told: Vec<Announcement>,
}

impl Story {
    /// A command is accepted under the default policy.
    #[track_caller]
    pub fn begin() -> Self {
        Self::under(|_| {})
    }

    /// A command is accepted under another policy.
    #[track_caller]
    pub fn under(change: impl FnOnce(&mut Policy)) -> Self {
        Self::commanded(change, Subject::Conversation(CONVERSATION), None, None)
    }

    /// A closure is opened because the guest came back, after so many others.
    #[track_caller]
    pub fn following(follows: u8, change: impl FnOnce(&mut Policy)) -> Self {
        let command = Command {
            subject: Subject::Conversation(CONVERSATION),
            participant: None,
            not_before: None,
            follows,
        };
        Self::of(&command, change)
    }

    /// A command that names a participant is accepted.
    #[track_caller]
    pub fn naming(participant: ParticipantId) -> Self {
        Self::commanded(|_| {}, Subject::Conversation(CONVERSATION), Some(participant), None)
    }

    /// A command for later is accepted.
    #[track_caller]
    pub fn not_before(span: Span) -> Self {
        Self::commanded(|_| {}, Subject::Conversation(CONVERSATION), None, Some(START + span))
    }

    /// A command that names no conversation is accepted.
    #[track_caller]
    pub fn seeking() -> Self {
        Self::seeking_under(|_| {})
    }

    /// The same under another policy.
    #[track_caller]
    pub fn seeking_under(change: impl FnOnce(&mut Policy)) -> Self {
        Self::commanded(change, Subject::Sought(target()), None, None)
    }

    /// The same for later.
    #[track_caller]
    pub fn seeking_not_before(span: Span) -> Self {
        Self::commanded(|_| {}, Subject::Sought(target()), None, Some(START + span))
    }

    #[track_caller]
    fn commanded(
        change: impl FnOnce(&mut Policy),
        subject: Subject,
        participant: Option<ParticipantId>,
        not_before: Option<Time>,
    ) -> Self {
        Self::of(&Command { subject, participant, not_before, follows: 0 }, change)
    }

    #[track_caller]
    fn of(command: &Command, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = plain_policy();
        change(&mut policy);
        let first = accept(command, &policy, Moment { now: START, may_call: true });
        check_transition(None, &first, &policy).expect("acceptance keeps the invariants");
        let mut story = Self {
            closure: first.next.clone(),
            policy,
            now: START,
            permit: true,
            steps: 0,
            calls: Vec::new(),
            followed: false,
            told: Vec::new(),
        };
        story.take(first);
        story
    }

    fn take(&mut self, transition: Transition) {
        self.calls.clear();
        self.followed = false;
        self.steps += 1;
        assert!(self.steps < 1_000, "the story has no end: {:#?}", transition.next);
        for effect in transition.effects {
            match effect {
                Effect::Call(call) => self.calls.push(call),
                Effect::Announce(told) => self.told.push(told),
                Effect::Follow => self.followed = true,
            }
        }
        self.closure = transition.next;
    }

    /// Lets any event happen.
    #[track_caller]
    pub fn happens(mut self, event: &Event) -> Self {
        let moment = Moment { now: self.now, may_call: self.permit };
        match step(&self.closure, event, &self.policy, moment) {
            Ok(transition) => {
                check_transition(Some(&self.closure), &transition, &self.policy)
                    .unwrap_or_else(|broken| panic!("{broken}\nat {event:?}\nof {:#?}", self.closure));
                self.take(transition);
            }
            Err(rejected) => panic!("{event:?} changes nothing: {rejected}\n{:#?}", self.closure),
        }
        self
    }

    #[track_caller]
    fn refuses(self, event: &Event, expected: Rejected) -> Self {
        let moment = Moment { now: self.now, may_call: self.permit };
        match step(&self.closure, event, &self.policy, moment) {
            Ok(transition) => panic!("{event:?} should change nothing, and led to {:#?}", transition.next),
            Err(rejected) => assert_eq!(rejected, expected, "{event:?}"),
        }
        self
    }

    // What happens.

    /// The call in flight is answered.
    #[track_caller]
    pub fn answers(self, reply: Reply) -> Self {
        let Turn::InFlight { call, .. } = self.closure.turn else {
            panic!("no call is in flight: {:#?}", self.closure)
        };
        self.happens(&Event::Replied { call, reply })
    }

    /// A read is answered.
    #[track_caller]
    pub fn sees(self, snapshot: Snapshot) -> Self {
        self.answers(Reply::Saw(snapshot))
    }

    /// A write is answered with a plain 2xx.
    #[track_caller]
    pub fn accepted(self) -> Self {
        self.answers(Reply::Accepted(None))
    }

    /// An event arrives.
    #[track_caller]
    pub fn hears(self, word: Word) -> Self {
        let heard = word.at(self.now);
        self.happens(&Event::Heard(heard))
    }

    /// It turns out that events may have been lost.
    #[track_caller]
    pub fn misses_events(self) -> Self {
        self.happens(&Event::Missed)
    }

    /// That events may have been lost changes nothing.
    #[track_caller]
    pub fn misses_nothing(self) -> Self {
        self.refuses(&Event::Missed, Rejected::NothingNew)
    }

    /// An operator acts.
    #[track_caller]
    pub fn acts(self, act: Act) -> Self {
        self.happens(&Event::Act(act))
    }

    /// The moment that the closure waits for comes, and it is woken.
    #[track_caller]
    pub fn wakes(mut self) -> Self {
        self.now = self.closure.wake_at().expect("the closure is open").max(self.now);
        self.happens(&Event::Woke)
    }

    /// The organisation's block is lifted, and the closure is woken before its time.
    #[track_caller]
    pub fn lifted(self) -> Self {
        self.happens(&Event::Woke)
    }

    /// The closure waits so many seconds, exactly, and is woken.
    #[track_caller]
    pub fn wakes_after(self, seconds: u32) -> Self {
        self.wakes_between(seconds, seconds)
    }

    /// The closure waits so many seconds, at least and at most, and is woken.
    #[track_caller]
    pub fn wakes_between(self, least: u32, most: u32) -> Self {
        let wait = self.closure.wake_at().expect("the closure is open").since(self.now);
        let expected = Span::from_secs(least)..=Span::from_secs(most);
        assert!(expected.contains(&wait), "waits {wait} and not {least} to {most} s: {:#?}", self.closure);
        self.wakes()
    }

    /// No answer comes; the closure is woken when the call counts as lost. A crash looks the same.
    #[track_caller]
    pub fn gets_no_answer(self) -> Self {
        let Turn::InFlight { request, .. } = self.closure.turn else { panic!("{:#?}", self.closure) };
        let seconds = self.policy.time_for(request).millis() / 1_000;
        self.wakes_after(seconds)
    }

    /// Time passes in which nothing happens.
    pub fn later(mut self, seconds: u32) -> Self {
        self.now = self.now + Span::from_secs(seconds);
        self
    }

    /// From here on the quota is used up.
    pub fn without_permit(mut self) -> Self {
        self.permit = false;
        self
    }

    /// From here on there is quota again.
    pub fn with_permit(mut self) -> Self {
        self.permit = true;
        self
    }

    // What does not count.

    /// An event changes nothing.
    #[track_caller]
    pub fn ignores(self, word: Word) -> Self {
        let event = Event::Heard(word.at(self.now));
        self.refuses(&event, Rejected::NothingNew)
    }

    /// An act does not fit.
    #[track_caller]
    pub fn forbids(self, act: Act) -> Self {
        self.refuses(&Event::Act(act), Rejected::Unexpected)
    }

    /// A late reply to the `number`th call changes nothing.
    #[track_caller]
    pub fn finds_stale(self, number: u32, reply: Reply) -> Self {
        let event = Event::Replied { call: closure_machine::CallId(number), reply };
        self.refuses(&event, Rejected::Stale)
    }

    /// A wake-up before its time changes nothing.
    #[track_caller]
    pub fn sleeps_on(self) -> Self {
        self.refuses(&Event::Woke, Rejected::Early)
    }

    /// A wake-up without a permit changes nothing.
    #[track_caller]
    pub fn waits_for_a_permit(self) -> Self {
        self.refuses(&Event::Woke, Rejected::NoPermit)
    }

    /// Nothing moves it any more.
    #[track_caller]
    pub fn stays_over(self) -> Self {
        let heard = super::guest_left(super::TAB).at(self.now);
        let reply =
            Event::Replied { call: closure_machine::CallId(self.closure.calls), reply: Reply::Unknown };
        let mut story = self;
        for event in [Event::Woke, Event::Heard(heard), reply, Event::Act(Act::Retry), Event::Act(Act::Force)]
        {
            story = story.refuses(&event, Rejected::Ended);
        }
        story
    }

    // What is to be seen.

    /// The latest transition made this call and no other.
    #[track_caller]
    pub fn asked(self, request: Request) -> Self {
        let made: Vec<Request> = self.calls.iter().map(|call| call.request).collect();
        assert_eq!(made, [request], "{:#?}", self.closure);
        self
    }

    /// The latest transition asked for a closure that follows this one.
    #[track_caller]
    pub fn one_follows(self) -> Self {
        assert!(self.followed, "nothing follows: {:#?}", self.closure);
        self
    }

    /// The latest transition asked for none.
    #[track_caller]
    pub fn nothing_follows(self) -> Self {
        assert!(!self.followed, "something follows: {:#?}", self.closure);
        self
    }

    /// The event tells nothing that concerns an end.
    #[track_caller]
    pub fn stays_over_at(self, word: Word) -> Self {
        let heard = word.at(self.now);
        self.refuses(&Event::Heard(heard), Rejected::Ended)
    }

    /// The latest transition made no call.
    #[track_caller]
    pub fn asked_nothing(self) -> Self {
        assert!(self.calls.is_empty(), "made {:?}", self.calls);
        self
    }

    /// The closure is in this state, as [`step_name`] writes it.
    #[track_caller]
    pub fn is(self, state: &str) -> Self {
        assert_eq!(step_name(&self.closure), state, "{:#?}", self.closure);
        self
    }

    /// Exactly this was announced since the beginning, or since this was last asked.
    #[track_caller]
    pub fn told(mut self, expected: &[Announcement]) -> Self {
        assert_eq!(self.told, expected);
        self.told.clear();
        self
    }

    /// So many calls were made in all.
    #[track_caller]
    pub fn made_calls(self, calls: u32) -> Self {
        assert_eq!(self.closure.calls, calls, "{:#?}", self.closure);
        self
    }

    /// A fact about the closure.
    #[track_caller]
    pub fn where_it_holds(self, holds: impl FnOnce(&Closure) -> bool) -> Self {
        assert!(holds(&self.closure), "{:#?}", self.closure);
        self
    }

    // Chapters that many stories share.

    /// The guest was seen and its close is accepted.
    #[track_caller]
    pub fn closes_the_guest(self) -> Self {
        self.sees(super::guest_is_on()).asked(super::CLOSE_GUEST).accepted().is("awaiting_confirmation")
    }

    /// Reads show the guest there, twice, which ends the round.
    #[track_caller]
    pub fn finds_the_guest_still_there(self) -> Self {
        self.wakes_after(20)
            .asked(Request::Read)
            .sees(super::guest_is_on())
            .asked_nothing()
            .wakes_after(10)
            .asked(Request::Read)
            .sees(super::guest_is_on())
    }

    /// The guest's close is accepted in three rounds, and nothing follows.
    #[track_caller]
    pub fn becomes_a_ghost(self) -> Self {
        self.closes_the_guest()
            .finds_the_guest_still_there()
            .asked(super::CLOSE_GUEST)
            .accepted()
            .finds_the_guest_still_there()
            .asked(super::CLOSE_GUEST)
            .accepted()
            .finds_the_guest_still_there()
            .is("ghost: no_confirmation")
    }

    /// The reason and the age of the ghost that it is or was.
    pub fn haunted(&self) -> Option<(GhostReason, Span)> {
        self.closure.haunted.map(|ghost| (ghost.reason, self.now.since(ghost.since)))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.closure.step, Step::Ended(_))
    }
}
