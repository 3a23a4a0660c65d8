//! The model: its states, what can happen in each, and what follows.

use closure_machine::{
    Act, Closure, Command, Event, Heard, Moment, Reply, Request, Step, Subject, Transition, Turn, What,
    accept, step,
};
use genesys_types::{Span, Time};
use stateright::Property;

use super::{
    canonical::{LEG_AGE, NOW, canonical},
    casts::Cast,
    remote::{News, Remote},
    watch::{GOALS, INVARIANTS, Witness},
};
use crate::language::{CONVERSATION, OTHER_CONVERSATION, fit, taken, target};

/// One cast's world, to be explored.
pub struct Model {
    cast: Cast,
}

/// Everything that is so at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The durable row.
    pub row: Closure,
    /// The truth.
    pub remote: Remote,
    /// What an outsider saw.
    pub witness: Witness,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The time comes for which the closure waits. If a call is in flight, its answer is lost, or we crashed.
    TimePasses,
    /// The call in flight is answered, and we hold a permit for the next one, or not.
    Answer(Answer, Permit),
    /// Something arrives.
    Arrives(News, Permit),
    /// An operator acts.
    Operator(Act),
    /// It turns out that nobody listened for a while.
    EventsAreMissed(Permit),
    /// A guest's leg ends, for whatever reason.
    LegEnds(usize),
    /// The guest comes back on a new leg.
    GuestReturns,
    /// The agent and the queue leave.
    OthersLeave,
    /// An agent takes part again.
    AgentJoins,
    /// The whole conversation ends.
    ConversationEnds,
}

/// Whether there is quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permit {
    Held,
    Missing,
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    Truth,
    Stale,
    Fits(u8),
    Taken,
    Accepted,
    AcceptedAndShown,
    NotFound,
    Conflict,
    WrapUpRequired,
    NoWrapUpCode,
    RateLimited,
    Forbidden,
    NotSent,
    Failed,
    Unknown,
}

impl Model {
    pub fn new(cast: Cast) -> Self {
        Self { cast }
    }

    fn answers(&self, request: Request) -> &'static [Answer] {
        use Answer::{
            Accepted, AcceptedAndShown, Conflict, Failed, Fits, Forbidden, NoWrapUpCode, NotFound, NotSent,
            RateLimited, Stale, Taken, Truth, Unknown, WrapUpRequired,
        };
        match request {
            Request::LookUp => &[
                Fits(0),
                Fits(1),
                Fits(2),
                Taken,
                Conflict,
                RateLimited,
                Forbidden,
                NotSent,
                Failed,
                Unknown,
            ],
            Request::Read => &[Truth, Stale, NotFound, RateLimited, Forbidden, NotSent, Failed, Unknown],
            Request::CloseParticipant(_) => {
                &[Accepted, NotFound, Conflict, RateLimited, Forbidden, NotSent, Failed, Unknown]
            }
            Request::CloseWrapper(_) => &[
                Accepted,
                AcceptedAndShown,
                NotFound,
                Conflict,
                WrapUpRequired,
                RateLimited,
                Forbidden,
                NotSent,
                Failed,
                Unknown,
            ],
            Request::GiveWrapUp { .. } => &[
                Accepted,
                Conflict,
                NotFound,
                WrapUpRequired,
                NoWrapUpCode,
                RateLimited,
                Forbidden,
                NotSent,
                Failed,
                Unknown,
            ],
            Request::Disconnect => &[
                Accepted,
                Conflict,
                NotFound,
                WrapUpRequired,
                RateLimited,
                Forbidden,
                NotSent,
                Failed,
                Unknown,
            ],
        }
    }

    fn reply(&self, answer: Answer, remote: &Remote) -> Reply {
        match answer {
            Answer::Truth => Reply::Saw(remote.snapshot()),
            Answer::Stale => Reply::Saw(remote.stale_snapshot(&self.cast)),
            Answer::Fits(number) => fit(&[CONVERSATION, OTHER_CONVERSATION][..usize::from(number)]),
            Answer::Taken => taken(),
            Answer::Accepted => Reply::Accepted(None),
            Answer::AcceptedAndShown => Reply::Accepted(Some(remote.snapshot())),
            Answer::NotFound => Reply::NotFound,
            Answer::Conflict => Reply::Conflict,
            Answer::WrapUpRequired => Reply::WrapUpRequired,
            Answer::NoWrapUpCode => Reply::NoWrapUpCode,
            Answer::RateLimited => Reply::RateLimited(Span::from_millis(1)),
            Answer::Forbidden => Reply::Forbidden(None),
            Answer::NotSent => Reply::NotSent,
            Answer::Failed => Reply::Failed,
            Answer::Unknown => Reply::Unknown,
        }
    }

    /// Lets `event` happen to the row at `now`: one replica commits, and another one, which loaded the same row, comes late.
    fn advance(&self, world: &World, event: &Event, now: Time, permit: Permit) -> Option<World> {
        let moment = Moment { now, may_call: permit == Permit::Held };
        let transition = step(&world.row, event, &self.cast.policy, moment).ok()?;
        let mut next = world.clone();
        if let Event::Heard(Heard { what: What::Conversation(snapshot), .. }) = event
            && !world.row.guests.is_empty()
            && !matches!(world.row.turn, Turn::InFlight { request: Request::CloseWrapper(_), .. })
        {
            next.witness.shown(snapshot, &world.remote);
        }
        if let Event::Replied { reply, .. } = event
            && let Turn::InFlight { request, .. } = world.row.turn
        {
            next.witness.reply_came(&self.cast, request, reply, &world.remote);
        }
        if *event == Event::Act(Act::Force) {
            // An operator's word stands for a read.
            next.witness.asked &= !8;
            next.witness.cut_off |= self.cast.agent;
        }
        if *event == Event::Act(Act::Note) {
            next.witness.noted(&world.row, &transition);
        }
        next.witness.committed(&self.cast, &world.row, &transition, &world.remote);
        self.second_replica_comes_late(world, event, &transition, moment, &mut next.witness);
        self.same_input_again(event, &transition, moment, &mut next.witness);
        if world.row.has_ended() && transition.next.step != world.row.step {
            next.witness.breaks("I6", "an end was left");
        }
        if let Step::Ended(ending) = transition.next.step {
            next.witness.ended(ending.end, &world.remote);
        }
        next.row = transition.next;
        Some(self.settle(next, now))
    }

    /// A replica that still holds the old row tries the same, and a wake-up; its commits compare the version.
    fn second_replica_comes_late(
        &self,
        world: &World,
        event: &Event,
        committed: &Transition,
        moment: Moment,
        witness: &mut Witness,
    ) {
        for event in [event, &Event::Woke, &Event::Act(Act::Verify)] {
            let Ok(late) = step(&world.row, event, &self.cast.policy, moment) else { continue };
            // The row's version is that of what was committed; the late replica compares the one it loaded.
            if world.row.sequence == committed.next.sequence && late != *committed {
                witness.breaks("I5", "a stale replica's commit was taken");
            }
        }
    }

    fn same_input_again(&self, event: &Event, committed: &Transition, moment: Moment, witness: &mut Witness) {
        let again = match event {
            Event::Woke | Event::Replied { .. } | Event::Heard(_) | Event::Missed => {
                step(&committed.next, event, &self.cast.policy, moment).is_ok()
            }
            Event::Act(_) => false,
        };
        if again {
            witness.breaks("I9", "the same input had an effect twice");
        }
    }

    fn settle(&self, mut world: World, now: Time) -> World {
        let passed = if self.cast.returns > 0 { now.since(NOW) } else { Span::ZERO };
        for leg in &mut world.remote.legs {
            leg.ended = leg.ended.map(|ago| Span::from_millis(ago.millis() + passed.millis()).min(LEG_AGE));
        }
        world.row = canonical(world.row, now, &self.cast);
        if world.row.has_ended() {
            let Witness { healed, broken, .. } = world.witness;
            world.witness = Witness { healed, broken, ..Witness::default() };
            world.remote = Remote::new(&self.cast);
        }
        if !self.ends_when_all_goes_well(&world) {
            world.witness.breaks("liveness", "it does not end although everybody is honest from here on");
        }
        world
    }

    /// From here on the remote does what it is asked and reads are true: the closure must come to an end.
    fn ends_when_all_goes_well(&self, world: &World) -> bool {
        let (mut row, mut remote, mut now) = (world.row.clone(), world.remote.clone(), NOW);
        for _ in 0..60 {
            let event = match row.turn {
                Turn::Over => return true,
                Turn::Due { at } => {
                    now = now.max(at);
                    Event::Woke
                }
                Turn::InFlight { call, request, .. } => {
                    Event::Replied { call, reply: honestly(request, &mut remote) }
                }
            };
            match step(&row, &event, &self.cast.policy, Moment { now, may_call: true }) {
                Ok(transition) => row = transition.next,
                Err(_) => return false,
            }
        }
        false
    }

    fn news(&self, remote: &Remote) -> Vec<News> {
        let mut news = vec![News::Conversation, News::OldConversation, News::Stranger, News::LongAgo];
        if self.cast.hints {
            news.extend([News::SomebodyEnded, News::UnknownLeg]);
        }
        for (which, leg) in remote.legs.iter().enumerate() {
            if leg.ended.is_some() {
                news.extend([News::LegEnded(which), News::ParticipantEnded(which)]);
            }
        }
        news
    }
}

fn honestly(request: Request, remote: &mut Remote) -> Reply {
    match request {
        Request::LookUp => fit(&[CONVERSATION]),
        Request::Read => Reply::Saw(remote.snapshot()),
        Request::CloseParticipant(participant) => {
            let legs = remote.legs.iter_mut().filter(|leg| leg.participant == participant);
            legs.for_each(|leg| leg.ended = leg.ended.or(Some(Span::ZERO)));
            Reply::Accepted(None)
        }
        Request::CloseWrapper(_) => {
            remote.end_all();
            Reply::Accepted(Some(remote.snapshot()))
        }
        Request::GiveWrapUp { .. } => {
            remote.agent_owes = false;
            Reply::Accepted(None)
        }
        Request::Disconnect => {
            remote.end_all();
            Reply::Accepted(None)
        }
    }
}

/// One property for each number: the checker takes plain functions, which cannot carry a name.
macro_rules! numbered {
    ($property:ident: $($number:literal)*) => { vec![$($property::<$number>()),*] };
}

fn invariant<const NUMBER: usize>() -> Property<Model> {
    Property::always(INVARIANTS[NUMBER], |_, world: &World| {
        world.witness.broken.as_ref().is_none_or(|broken| broken.invariant != INVARIANTS[NUMBER])
    })
}

fn goal<const NUMBER: usize>() -> Property<Model> {
    Property::sometimes(GOALS[NUMBER].0, |_, world| GOALS[NUMBER].1(world))
}

impl stateright::Model for Model {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        let subject = match self.cast.sought {
            true => Subject::Sought(target()),
            false => Subject::Conversation(CONVERSATION),
        };
        let command = Command { subject, participant: None, not_before: None, follows: 0 };
        let first = accept(&command, &self.cast.policy, Moment { now: NOW, may_call: true });
        let world = World { row: first.next, remote: Remote::new(&self.cast), witness: Witness::default() };
        vec![self.settle(world, NOW)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        if world.witness.broken.is_some() {
            return;
        }
        let permits: &[Permit] =
            if self.cast.short_of_quota { &[Permit::Held, Permit::Missing] } else { &[Permit::Held] };
        if world.row.has_ended() {
            // Nothing may move it; that it does not is tried with everything that could.
            actions.extend([
                Happening::TimePasses,
                Happening::Operator(Act::Retry),
                Happening::Operator(Act::Force),
            ]);
            actions.extend(
                self.news(&world.remote).into_iter().map(|news| Happening::Arrives(news, Permit::Held)),
            );
            return;
        }
        actions.push(Happening::TimePasses);
        for &permit in permits {
            if let Turn::InFlight { request, .. } = world.row.turn {
                actions.extend(self.answers(request).iter().map(|answer| Happening::Answer(*answer, permit)));
            }
            actions.extend(self.news(&world.remote).into_iter().map(|news| Happening::Arrives(news, permit)));
        }
        if self.cast.hints || self.cast.operators {
            actions.extend(permits.iter().map(|permit| Happening::EventsAreMissed(*permit)));
        }
        if self.cast.operators {
            let acts = [Act::Retry, Act::Cancel, Act::Verify, Act::Force, Act::Resolve, Act::Note];
            actions.extend(acts.map(Happening::Operator));
        }
        let legs = world.remote.legs.iter().enumerate();
        actions
            .extend(legs.filter(|(_, leg)| leg.ended.is_none()).map(|(which, _)| Happening::LegEnds(which)));
        if world.remote.returns_left > 0 && !world.remote.ended && world.remote.legs[0].ended.is_some() {
            actions.push(Happening::GuestReturns);
        }
        if world.remote.queue_on || world.remote.agent_on {
            actions.push(Happening::OthersLeave);
        }
        if self.cast.agent && !world.remote.agent_on && !world.remote.ended {
            actions.push(Happening::AgentJoins);
        }
        if world.remote.all_off() && !world.remote.ended {
            actions.push(Happening::ConversationEnds);
        }
    }

    fn next_state(&self, world: &World, action: Happening) -> Option<World> {
        match action {
            Happening::TimePasses => {
                let now = world.row.wake_at().unwrap_or(NOW).max(NOW);
                self.advance(world, &Event::Woke, now, Permit::Held)
            }
            Happening::Answer(answer, permit) => {
                let Turn::InFlight { call, .. } = world.row.turn else { return None };
                let event = Event::Replied { call, reply: self.reply(answer, &world.remote) };
                self.advance(world, &event, NOW, permit)
            }
            Happening::Arrives(news, permit) => {
                let (what, occurred_at) = news.word(&world.remote, &self.cast, NOW)?;
                let mut world = world.clone();
                for which in news.proves(&world.remote) {
                    world.witness.evidence |= 1 << which;
                }
                let heard = Heard { source: news.source(), occurred_at, what };
                self.advance(&world, &Event::Heard(heard), NOW, permit)
            }
            Happening::Operator(act) => self.advance(world, &Event::Act(act), NOW, Permit::Held),
            Happening::EventsAreMissed(permit) => self.advance(world, &Event::Missed, NOW, permit),
            Happening::LegEnds(_)
            | Happening::GuestReturns
            | Happening::OthersLeave
            | Happening::AgentJoins
            | Happening::ConversationEnds => {
                let mut world = world.clone();
                change_truth(&mut world.remote, action);
                Some(world)
            }
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = numbered!(invariant: 0 1 2 3 4 5 6 7 8 9 10 11);
        assert_eq!(properties.len(), INVARIANTS.len());
        properties.extend(numbered!(goal: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24));
        assert_eq!(properties.len(), INVARIANTS.len() + GOALS.len());
        properties
    }
}

fn change_truth(remote: &mut Remote, action: Happening) {
    match action {
        Happening::LegEnds(which) => remote.end_leg(which),
        Happening::GuestReturns => remote.guest_returns(),
        Happening::OthersLeave => {
            remote.queue_on = false;
            remote.agent_on = false;
        }
        Happening::AgentJoins => remote.agent_on = true,
        Happening::ConversationEnds => remote.ended = true,
        Happening::TimePasses
        | Happening::Answer(..)
        | Happening::Arrives(..)
        | Happening::Operator(_)
        | Happening::EventsAreMissed(_) => {}
    }
}
