//! All orders: whatever the order in which up to five events of a closure come, and however often each comes up to three
//! times, the effect is that of once and in order.
//!
//! Every order of first copies is a path in a tree, and every node of the tree is held against the end that an honest remote
//! side leads it to. A further copy, of any event that came before, is tried at every node: where it changes nothing, as
//! nearly everywhere, every sequence with such a copy at that place is the one without it. Where it changes something, the
//! path with it is followed too. So all sequences are covered, and few have to be walked.

use closure_machine::{
    Announcement, Closure, Effect, End, Event, Moment, Order, Policy, Reply, Request, Step, Turn, What,
    WrapperClose, check_transition, step,
};
use genesys_types::{Snapshot, Time};

use crate::language::*;

/// So many different events come.
const EVENTS: usize = 5;

/// So often each may come.
const COPIES: u8 = 3;

/// What may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A webhook: the guest's communication ended.
    CommunicationEnded,
    /// A webhook: the guest's participant ended.
    ParticipantEnded,
    /// A webhook: somebody's end, which names nobody.
    SomebodyEnded,
    /// A webhook or notification: the second guest's communication ended.
    FriendEnded,
    /// A notification of the conversation: no guest is there.
    NoGuestIsThere,
    /// A notification of the conversation: the wrapper has ended.
    WrapperEnded,
    /// An old notification: the guest was there.
    GuestWasThere,
    /// The call in flight is answered.
    Answered,
    /// The time comes to look: the read-back.
    ReadBack,
    /// It turns out that events may have been lost.
    Missed,
}

const KINDS: [Kind; 10] = [
    Kind::CommunicationEnded,
    Kind::ParticipantEnded,
    Kind::SomebodyEnded,
    Kind::FriendEnded,
    Kind::NoGuestIsThere,
    Kind::WrapperEnded,
    Kind::GuestWasThere,
    Kind::Answered,
    Kind::ReadBack,
    Kind::Missed,
];

/// One life under way, and the truth beside it: the guests are gone.
#[derive(Clone)]
struct Life {
    closure: Closure,
    policy: Policy,
    now: Time,
    two_guests: bool,
    wrapper_ended: bool,
    asked: Vec<Request>,
    told: Vec<Announcement>,
    /// What came, and how often.
    came: Vec<(Kind, Event, u8)>,
}

/// How much was tried.
#[derive(Debug, Default)]
struct Counts {
    orders: u64,
    /// Sequences of first and further copies that these orders stand for.
    sequences: u64,
    copies: u64,
    copies_with_an_effect: u64,
}

impl Life {
    fn of(story: Story, two_guests: bool) -> Self {
        let Story { closure, policy, now, told, .. } = story;
        Self {
            closure,
            policy,
            now,
            two_guests,
            wrapper_ended: false,
            asked: Vec::new(),
            told,
            came: Vec::new(),
        }
    }

    fn truth(&self) -> Snapshot {
        let guests = if self.two_guests { guest_is_gone().friend_left() } else { guest_is_gone() };
        if self.wrapper_ended { guests.ended() } else { guests }
    }

    /// What an honest remote side answers to the call in flight.
    fn answer(&mut self) -> Option<Event> {
        let Turn::InFlight { call, request, .. } = self.closure.turn else { return None };
        let reply = match request {
            Request::Read => Reply::Saw(self.truth()),
            Request::CloseWrapper(WrapperClose::Patch) => {
                self.wrapper_ended = true;
                Reply::Accepted(Some(self.truth()))
            }
            Request::CloseWrapper(WrapperClose::Delete) => {
                self.wrapper_ended = true;
                Reply::Accepted(None)
            }
            Request::CloseParticipant(_) | Request::GiveWrapUp { .. } | Request::Disconnect => {
                Reply::Accepted(None)
            }
            Request::LookUp => fit(&[CONVERSATION]),
        };
        Some(Event::Replied { call, reply })
    }

    /// The event of a kind as it would come now; `None` where there is none of it.
    fn event(&mut self, kind: Kind) -> Option<Event> {
        let now = self.now;
        let heard = |word: Word| Some(Event::Heard(word.at(now)));
        match kind {
            Kind::CommunicationEnded => heard(guest_left(TAB)),
            Kind::ParticipantEnded => heard(participant_left(GUEST)),
            Kind::SomebodyEnded => heard(somebody_left()),
            Kind::FriendEnded if self.two_guests => heard(friend_left_the_tab()),
            Kind::FriendEnded => None,
            Kind::NoGuestIsThere => {
                let gone = if self.two_guests { guest_is_gone().friend_left() } else { guest_is_gone() };
                heard(conversation(gone))
            }
            Kind::WrapperEnded => {
                self.wrapper_ended = true;
                heard(conversation(self.truth()))
            }
            Kind::GuestWasThere if self.two_guests => heard(conversation(guest_is_on().friend_on())),
            Kind::GuestWasThere => heard(conversation(guest_is_on())),
            Kind::Answered => self.answer(),
            Kind::ReadBack => {
                let Turn::Due { at } = self.closure.turn else { return None };
                self.now = self.now.max(at);
                Some(Event::Woke)
            }
            Kind::Missed => Some(Event::Missed),
        }
    }

    /// Lets an event happen; answers whether it had an effect.
    fn takes(&mut self, event: &Event) -> bool {
        let moment = Moment { now: self.now, may_call: true };
        let Ok(transition) = step(&self.closure, event, &self.policy, moment) else { return false };
        check_transition(Some(&self.closure), &transition, &self.policy)
            .unwrap_or_else(|broken| panic!("{broken}\nafter {:?}\nat {event:?}", self.kinds()));
        for effect in &transition.effects {
            match effect {
                Effect::Call(call) => self.asked.push(call.request),
                Effect::Announce(told) => self.told.push(*told),
                Effect::Follow => panic!("something follows, after {:?}", self.kinds()),
            }
        }
        self.closure = transition.next;
        true
    }

    fn kinds(&self) -> Vec<(Kind, u8)> {
        self.came.iter().map(|(kind, _, copies)| (*kind, *copies)).collect()
    }

    /// The life as it ends where the remote side is honest and no further event comes.
    fn to_the_end(&self) -> Self {
        let mut life = self.clone();
        for _ in 0..60 {
            let event = match life.closure.turn {
                Turn::Over => return life,
                Turn::Due { at } => {
                    life.now = life.now.max(at);
                    Event::Woke
                }
                Turn::InFlight { .. } => life.answer().expect("a call is in flight"),
            };
            assert!(life.takes(&event), "{event:?} changes nothing, after {:?}", life.kinds());
        }
        panic!("it does not end, after {:?}: {:#?}", life.kinds(), life.closure)
    }

    /// The effect of once and in order: closed once with proof of every leg, and nothing asked that was not owed.
    fn has_the_effect_of_once(&self) {
        let ended = self.to_the_end();
        let after = || format!("after {:?}: {:#?}", self.kinds(), ended.closure);
        let closed = matches!(ended.closure.step, Step::Ended(ending) if ending.end == End::Closed);
        assert!(closed, "it is not closed {}", after());
        assert!(ended.closure.guests.iter().all(|leg| leg.gone.is_some()), "a leg is not proven {}", after());
        let told = |what| ended.told.iter().filter(|told| **told == what).count();
        let healed = usize::from(told(Announcement::GhostDetected) > 0);
        assert_eq!(told(Announcement::Confirmed), 1, "{}", after());
        assert_eq!(told(Announcement::Closed), 1, "{}", after());
        assert_eq!(told(Announcement::GhostCleared), healed, "{}", after());
        let writes = ended.asked.iter().filter(|request| request.is_write());
        let writes: Vec<_> = writes.collect();
        let owed = writes.iter().all(|request| matches!(request, Request::CloseWrapper(_)));
        assert!(owed && writes.len() <= 1, "asked {writes:?} {}", after());
    }

    /// Visits every order of up to `left` further events.
    fn visit(&self, left: usize, counts: &mut Counts) {
        if self.came.iter().all(|(.., copies)| *copies == 1) {
            counts.orders += 1;
            counts.sequences += sequences(self.came.len());
        }
        self.has_the_effect_of_once();
        for which in 0..self.came.len() {
            let (_, event, copies) = self.came[which].clone();
            if copies == COPIES {
                continue;
            }
            counts.copies += 1;
            let mut with_a_copy = self.clone();
            with_a_copy.came[which].2 += 1;
            if with_a_copy.takes(&event) {
                counts.copies_with_an_effect += 1;
                with_a_copy.visit(left, counts);
            }
        }
        if left == 0 {
            return;
        }
        for kind in KINDS {
            if self.came.iter().any(|(came, ..)| *came == kind) {
                continue;
            }
            let mut next = self.clone();
            if let Some(event) = next.event(kind) {
                next.came.push((kind, event.clone(), 1));
                next.takes(&event);
                next.visit(left - 1, counts);
            }
        }
    }
}

/// In how many sequences so many events come first in a given order, each up to [`COPIES`] times.
fn sequences(events: usize) -> u64 {
    let mut copies = vec![1; events];
    let mut all = 0;
    loop {
        // All sequences with these numbers of copies, of which one in as many as there are orders begins in this one.
        let total: u64 = copies.iter().sum();
        let ways = (1..=total).product::<u64>()
            / copies.iter().map(|copies| (1..=*copies).product::<u64>()).product::<u64>();
        all += ways;
        let Some(more) = copies.iter().position(|copies| *copies < u64::from(COPIES)) else { break };
        copies[more] += 1;
        copies[..more].fill(1);
    }
    all / (1..=u64::try_from(events).expect("there are few")).product::<u64>()
}

fn every_order(name: &str, story: Story, two_guests: bool) {
    let mut counts = Counts::default();
    Life::of(story, two_guests).visit(EVENTS, &mut counts);
    let Counts { orders, sequences, copies, copies_with_an_effect } = counts;
    println!(
        "{name}: {orders} orders of up to {EVENTS} events, each with up to {COPIES} copies: {sequences} sequences; \
         {copies} copies tried, {copies_with_an_effect} with an effect"
    );
    assert!(orders > 7_000 && copies > orders, "too little was tried: {counts:?}");
}

/// An event of the second guest's end.
fn friend_left_the_tab() -> Word {
    let what = What::GuestLeft { participant: Some(FRIEND), communication: Some(FRIENDS_TAB) };
    Word { what, ..guest_left(FRIENDS_TAB) }
}

#[test]
fn while_the_guests_close_is_in_flight() {
    every_order("close in flight", Story::begin().sees(guest_is_on()).asked(CLOSE_GUEST), false);
}

#[test]
fn while_proof_is_awaited() {
    every_order("proof awaited", Story::begin().closes_the_guest(), false);
}

#[test]
fn while_two_guests_are_awaited() {
    let story = Story::begin().sees(guest_is_on().friend_on()).asked(CLOSE_GUEST).accepted();
    every_order("two guests", story.asked(CLOSE_FRIEND).accepted().is("awaiting_confirmation"), true);
}

#[test]
fn while_it_is_a_ghost() {
    every_order("ghost", Story::begin().becomes_a_ghost(), false);
}

#[test]
fn while_the_wrapper_is_to_be_deleted() {
    let deleted = |policy: &mut Policy| policy.wrapper_close = WrapperClose::Delete;
    every_order("wrapper deleted", Story::under(deleted).closes_the_guest(), false);
}

#[test]
fn while_the_conversation_is_closed_first() {
    let first = |policy: &mut Policy| policy.order = Order::ConversationFirst;
    every_order("conversation first", Story::under(first).sees(guest_is_on()).asked(CLOSE_WRAPPER), false);
}
