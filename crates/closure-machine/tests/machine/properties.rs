//! Properties of random lives.

use closure_machine::{
    Act, AgentConnected, CallId, Closure, Effect, Event, Evidence, FailReason, GuestReturns, Heard, Moment,
    Order, Policy, ProofSource, Reply, Request, Step, Turn, What, WrapUpPolicy, check, check_transition,
    step,
};
use genesys_types::{Snapshot, Span, Time};
use proptest::prelude::*;

use crate::language::*;

/// One input, with the time that passes before it and whether there is quota.
#[derive(Debug, Clone)]
struct Input {
    after: Span,
    permit: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The closure is woken at the moment that it waits for.
    Wake,
    /// The call in flight is answered.
    Answer(Reply),
    /// Some call is answered, in flight or not.
    Late(u32, Reply),
    Hear(ProofSource, Span, What),
    Act(Act),
    /// Events may have been lost.
    Miss,
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let state = || any::<bool>();
    let legs = (state(), proptest::option::of(state()), proptest::option::of(state()), any::<bool>());
    (legs, proptest::option::of(state()), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |((tab, reloaded, friend, queue), agent, owes, ended)| {
            let mut seen = if tab { scene().guest_on(TAB) } else { scene().guest_left(TAB) };
            seen = match reloaded {
                Some(true) => seen.guest_on(RELOADED),
                Some(false) => seen.guest_left(RELOADED),
                None => seen,
            };
            seen = match friend {
                Some(true) => seen.friend_on(),
                Some(false) => seen.friend_left(),
                None => seen,
            };
            seen = match agent {
                Some(true) => seen.agent_on(),
                Some(false) if owes => seen.agent_left().owing_a_wrap_up(),
                Some(false) => seen.agent_left(),
                None => seen,
            };
            if queue {
                seen = seen.queue_on();
            }
            if ended { seen.ended() } else { seen }
        },
    )
}

fn replies() -> impl Strategy<Value = Reply> {
    prop_oneof![
        4 => snapshots().prop_map(Reply::Saw),
        4 => Just(Reply::Accepted(None)),
        1 => prop::collection::vec(prop_oneof![Just(CONVERSATION), Just(OTHER_CONVERSATION)], 0..3)
            .prop_map(|fitting| fit(&fitting)),
        1 => Just(taken()),
        1 => snapshots().prop_map(|seen| Reply::Accepted(Some(seen))),
        1 => Just(Reply::NotFound),
        1 => Just(Reply::Conflict),
        1 => Just(Reply::WrapUpRequired),
        1 => Just(Reply::NoWrapUpCode),
        1 => Just(Reply::Rejected),
        1 => proptest::option::of(Just("conversation:communication:disconnect".into())).prop_map(Reply::Forbidden),
        1 => Just(Reply::Unauthenticated),
        1 => (0_u32..400).prop_map(|seconds| Reply::RateLimited(Span::from_secs(seconds))),
        1 => Just(Reply::NotSent),
        1 => Just(Reply::Failed),
        1 => Just(Reply::Unknown),
    ]
}

fn words() -> impl Strategy<Value = What> {
    let who = || proptest::option::of(prop_oneof![Just(GUEST), Just(FRIEND), Just(STRANGER), Just(AGENT)]);
    let unknown = leg(77);
    let leg =
        || proptest::option::of(prop_oneof![Just(TAB), Just(RELOADED), Just(FRIENDS_TAB), Just(unknown)]);
    prop_oneof![
        3 => (who(), leg()).prop_map(|(participant, communication)| What::GuestLeft { participant, communication }),
        1 => (who(), leg()).prop_map(|(participant, communication)| What::GuestCame { participant, communication }),
        1 => snapshots().prop_map(What::Conversation),
    ]
}

fn inputs() -> impl Strategy<Value = Input> {
    let source = prop_oneof![
        Just(ProofSource::Webhook),
        Just(ProofSource::Notification),
        Just(ProofSource::QueueEvent),
        Just(ProofSource::ReadBack)
    ];
    let act = prop_oneof![
        4 => Just(Act::Retry),
        4 => Just(Act::Verify),
        4 => Just(Act::Force),
        2 => Just(Act::Note),
        1 => Just(Act::Cancel),
        1 => Just(Act::Resolve),
    ];
    let kind = prop_oneof![
        4 => Just(Kind::Wake),
        8 => replies().prop_map(Kind::Answer),
        1 => (0_u32..6, replies()).prop_map(|(call, reply)| Kind::Late(call, reply)),
        3 => (source, 0_u32..120, words()).prop_map(|(source, ago, what)| Kind::Hear(source, Span::from_secs(ago), what)),
        1 => act.prop_map(Kind::Act),
        1 => Just(Kind::Miss),
    ];
    (0_u32..30_000, any::<bool>(), kind).prop_map(|(after, permit, kind)| Input {
        after: Span::from_millis(after),
        permit,
        kind,
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let evidence = prop_oneof![Just(Evidence::WebhookOrReadBack), Just(Evidence::WebhookOnly)];
    let order = prop_oneof![3 => Just(Order::GuestFirst), 1 => Just(Order::ConversationFirst)];
    let agent =
        prop_oneof![Just(AgentConnected::Refuse), Just(AgentConnected::Wait), Just(AgentConnected::Allow)];
    let named = WrapUpPolicy::Named("Closed by backend".into());
    let wrap_up = prop_oneof![Just(WrapUpPolicy::None), Just(WrapUpPolicy::Skip), Just(named)];
    let returns =
        prop_oneof![Just(GuestReturns::Never), Just(GuestReturns::Once), Just(GuestReturns::UpToThree)];
    (evidence, order, agent, wrap_up, returns).prop_map(
        |(evidence, order, agent_connected, wrap_up, guest_returns)| Policy {
            evidence,
            order,
            agent_connected,
            wrap_up,
            guest_returns,
            ..plain_policy()
        },
    )
}

/// A life under way.
struct Life {
    closure: Closure,
    policy: Policy,
    now: Time,
}

impl Life {
    fn begin(policy: Policy, seeking: bool) -> Self {
        let change = |given: &mut Policy| *given = policy;
        let story = if seeking { Story::seeking_under(change) } else { Story::under(change) };
        Self { closure: story.closure, policy: story.policy, now: story.now }
    }

    fn event(&self, kind: &Kind) -> Option<Event> {
        Some(match kind {
            Kind::Wake => Event::Woke,
            Kind::Answer(reply) => match self.closure.turn {
                Turn::InFlight { call, .. } => Event::Replied { call, reply: reply.clone() },
                Turn::Due { .. } | Turn::Over => return None,
            },
            Kind::Late(call, reply) => Event::Replied { call: CallId(*call), reply: reply.clone() },
            Kind::Hear(source, ago, what) => {
                Event::Heard(Heard { source: *source, occurred_at: self.now - *ago, what: what.clone() })
            }
            Kind::Act(act) => Event::Act(*act),
            Kind::Miss => Event::Missed,
        })
    }

    /// Takes one input and holds it against the invariants; what was called is returned.
    fn take(&mut self, input: &Input) -> Result<Option<Request>, TestCaseError> {
        self.now = self.now + input.after;
        if let (Kind::Wake, Some(at)) = (&input.kind, self.closure.wake_at()) {
            self.now = self.now.max(at);
        }
        let Some(event) = self.event(&input.kind) else { return Ok(None) };
        let moment = Moment { now: self.now, may_call: input.permit };
        let Ok(transition) = step(&self.closure, &event, &self.policy, moment) else { return Ok(None) };
        let ended = self.closure.has_ended();
        prop_assert!(!ended || self.closure.step == transition.next.step, "an end was left");
        check_transition(Some(&self.closure), &transition, &self.policy)
            .map_err(|broken| TestCaseError::fail(format!("{broken} at {event:?}: {:#?}", self.closure)))?;
        if !matches!(event, Event::Act(_)) {
            let again = step(&transition.next, &event, &self.policy, moment);
            prop_assert!(again.is_err(), "{event:?} has an effect twice: {:#?}", transition.next);
        }
        let call = transition.effects.iter().find_map(|effect| match effect {
            Effect::Call(call) => Some(call.request),
            Effect::Announce(_) | Effect::Follow => None,
        });
        self.closure = transition.next;
        Ok(call)
    }
}

/// From here on the remote is honest and quota is never short.
fn ends_in_time(life: &mut Life) -> Result<(), TestCaseError> {
    let haunted_since = life.closure.haunted.map_or(life.now, |ghost| ghost.since);
    for _ in 0..300 {
        let kind = match life.closure.turn {
            Turn::Over => {
                let abandoned = matches!(life.closure.step, Step::Ended(ending) if ending.end == closure_machine::End::Failed(FailReason::Abandoned));
                let most = Span::from_millis(life.policy.give_up_after.millis() + 3_600_000);
                prop_assert!(!abandoned || life.now.since(haunted_since) <= most, "given up too late");
                return Ok(());
            }
            Turn::Due { .. } => Kind::Wake,
            Turn::InFlight { request: Request::LookUp, .. } => Kind::Answer(fit(&[CONVERSATION])),
            Turn::InFlight { request: Request::Read, .. } => {
                Kind::Answer(Reply::Saw(guest_is_gone().ended()))
            }
            Turn::InFlight { .. } => Kind::Answer(Reply::Accepted(None)),
        };
        life.take(&Input { after: Span::from_millis(5), permit: true, kind })?;
    }
    Err(TestCaseError::fail(format!("it does not end: {:#?}", life.closure)))
}

/// Some thousand lives each, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_life_keeps_the_invariants_and_ends_when_the_remote_is_honest(
        policy in policies(),
        seeking in any::<bool>(),
        inputs in prop::collection::vec(inputs(), 0..60),
    ) {
        let mut life = Life::begin(policy, seeking);
        for input in &inputs {
            life.take(input)?;
            check(&life.closure, &life.policy).map_err(|broken| TestCaseError::fail(broken.to_string()))?;
            prop_assert_eq!(life.closure.wake_at().is_none(), life.closure.has_ended());
        }
        ends_in_time(&mut life)?;
    }

    #[test]
    fn no_close_is_asked_twice_between_two_reads(
        policy in policies(),
        seeking in any::<bool>(),
        inputs in prop::collection::vec(inputs(), 0..60),
    ) {
        let mut life = Life::begin(policy, seeking);
        let mut asked: Vec<Request> = Vec::new();
        for input in &inputs {
            let answered = match life.closure.turn {
                Turn::InFlight { request, .. } => Some(request),
                Turn::Due { .. } | Turn::Over => None,
            };
            let (before, call) = (life.closure.sequence, life.take(input)?);
            let taken = life.closure.sequence != before;
            if let (Kind::Answer(reply) | Kind::Late(_, reply), true, Some(request)) = (&input.kind, taken, answered) {
                forget_what_may_be_asked_again(&mut asked, request, reply);
            }
            if matches!(input.kind, Kind::Act(Act::Force)) && taken {
                asked.retain(|asked| *asked != Request::Disconnect);
            }
            if let Some(call) = call.filter(|call| matches!(call, Request::CloseParticipant(_) | Request::CloseWrapper(_) | Request::Disconnect)) {
                prop_assert!(!asked.contains(&call), "{call:?} is asked twice: {:#?}", life.closure);
                asked.push(call);
            }
        }
    }

    #[test]
    fn events_come_to_the_same_end_in_every_order_and_number(
        order in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle(),
        times in prop::collection::vec(1_usize..=3, 5),
        permit in any::<bool>(),
    ) {
        let events = [
            guest_left(TAB),
            guest_left(RELOADED),
            participant_left(FRIEND),
            participant_left(STRANGER),
            conversation(scene().guest_left(TAB).guest_left(RELOADED).queue_on()),
        ];
        let asked = || Story::begin()
            .sees(guest_is_on().guest_on(RELOADED).friend_on())
            .accepted()
            .accepted();
        let finish = |mut story: Story| {
            while !story.is_over() {
                story = match story.closure.turn {
                    Turn::InFlight { request: Request::Read, .. } => story.sees(guest_is_gone().friend_left()),
                    Turn::InFlight { .. } => story.accepted(),
                    Turn::Due { .. } | Turn::Over => story.wakes(),
                };
            }
            (story.closure.step, story.closure.calls)
        };
        let deliver = |mut story: Story, word: &Word| {
            let event = Event::Heard(word.clone().at(story.now));
            let moment = Moment { now: story.now, may_call: permit };
            if let Ok(transition) = step(&story.closure, &event, &story.policy, moment) {
                check_transition(Some(&story.closure), &transition, &story.policy).expect("the invariants hold");
                story.closure = transition.next;
            }
            story
        };
        let once = events.iter().fold(asked(), &deliver);
        let shuffled = order.iter().flat_map(|which| std::iter::repeat_n(&events[*which], times[*which]));
        let shuffled = shuffled.fold(asked(), &deliver);
        prop_assert_eq!(finish(once), finish(shuffled));
    }
}

fn forget_what_may_be_asked_again(asked: &mut Vec<Request>, request: Request, reply: &Reply) {
    match reply {
        Reply::Saw(_) | Reply::Accepted(Some(_)) | Reply::NotFound if request == Request::Read => {
            asked.clear();
        }
        Reply::RateLimited(_)
        | Reply::NotSent
        | Reply::Forbidden(_)
        | Reply::Unauthenticated
        | Reply::WrapUpRequired => asked.retain(|asked| *asked != request),
        Reply::Saw(_)
        | Reply::Accepted(_)
        | Reply::LookedUp(_)
        | Reply::NotFound
        | Reply::NoWrapUpCode
        | Reply::Conflict
        | Reply::Rejected
        | Reply::Failed
        | Reply::Unknown => {}
    }
}
