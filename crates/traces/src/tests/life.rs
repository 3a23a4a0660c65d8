//! The life of a closure as the real machine makes it, with its record and its journal.

use std::sync::Arc;

use closure_machine::{
    Act, CallId, Closure, Command, Effect, Event, Heard, Moment, Policy, ProofSource, Reply, Request,
    Subject, Turn, What, accept, step,
};
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Span, Time, WrapUp,
};
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    trace::v1,
};
use orchestrator::{
    Answered, Asks, Entry, HeardLine, OperatorLine, Record, Said, TimelineLine, TraceParent, names,
};
use store::{ClosureKey, Commit, Line, MemoryStore, PlacedLine, Store as _};
use uuid::Uuid;

use crate::{Place, parts, spans};

/// When every life begins.
pub(super) const START: Time = Time::from_millis(1_800_000_000_000);

/// The `traceparent` of the producer.
pub(super) const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const GUEST: ParticipantId = ParticipantId::from_uuid(Uuid::from_u128(0x61));
const TAB: CommunicationId = CommunicationId::from_uuid(Uuid::from_u128(0x62));

pub(super) struct Life {
    pub(super) record: Record,
    pub(super) lines: Vec<Line>,
    pub(super) now: Time,
    pub(super) policy: Policy,
}

impl Life {
    /// A closure whose first read is under way.
    pub(super) fn new(key: u128) -> Self {
        Self::of(Uuid::from_u128(key), Some(TRACE), true)
    }

    pub(super) fn of(key: ClosureKey, trace: Option<&str>, may_call: bool) -> Self {
        let conversation = ConversationId::from_uuid(Uuid::from_u128(0xc0 + key.as_u128()));
        let subject = Subject::Conversation(conversation);
        let command = Command { subject, participant: None, not_before: None, follows: 0 };
        let policy = Policy::default();
        let transition = accept(&command, &policy, Moment { now: START, may_call });
        let said = Said { trace: trace.and_then(TraceParent::parse), ..Said::default() };
        let record = Record {
            key,
            organisation: "main".parse().unwrap(),
            closure: transition.next,
            said: (said != Said::default()).then(|| Box::new(said)),
            source: Arc::from("http"),
            updated_at: START,
            confirmed_by: None,
            participant_closed_at: None,
            follows: None,
            followed_by: None,
            further_requests: 0,
            handling: None,
            seen_in: None,
            correlations: None,
        };
        let mut life = Self { record, lines: Vec::new(), now: START, policy };
        life.write(None, None, &transition.effects, (200, 0));
        life
    }

    /// Lets time pass.
    pub(super) fn after(&mut self, millis: u32) -> &mut Self {
        self.now = self.now + Span::from_millis(millis);
        self
    }

    /// Lets something happen; answers whether it changed anything.
    pub(super) fn happen(&mut self, event: &Event, may_call: bool, facts: (u16, u64)) -> bool {
        let before = self.record.closure.clone();
        let Ok(transition) = step(&before, event, &self.policy, Moment { now: self.now, may_call }) else {
            return false;
        };
        self.record.closure = transition.next;
        self.record.updated_at = self.now;
        self.write(Some(&before), Some(event), &transition.effects, facts);
        true
    }

    /// Answers the call that is in flight.
    pub(super) fn answer(&mut self, reply: Reply, status: u16, took_ms: u64) -> &mut Self {
        let Turn::InFlight { call, .. } = self.record.closure.turn else {
            panic!("no call is in flight: {:?}", self.record.closure)
        };
        assert!(self.happen(&Event::Replied { call, reply }, true, (status, took_ms)));
        self
    }

    pub(super) fn woken(&mut self) -> &mut Self {
        self.now = self.now.max(self.record.closure.wake_at().unwrap());
        assert!(self.happen(&Event::Woke, true, (0, 0)), "{:?}", self.record.closure);
        self
    }

    pub(super) fn acted(&mut self, act: Act) -> &mut Self {
        assert!(self.happen(&Event::Act(act), true, (0, 0)));
        self
    }

    /// A webhook says that the guest is gone.
    pub(super) fn guest_left(&mut self) -> &mut Self {
        let what = What::GuestLeft { participant: Some(GUEST), communication: Some(TAB) };
        let heard = Heard { source: ProofSource::Webhook, occurred_at: self.now, what };
        assert!(self.happen(&Event::Heard(heard), true, (0, 0)));
        self
    }

    /// Accepted, read, closed, confirmed, closed.
    pub(super) fn closed(key: u128) -> Self {
        let mut life = Self::new(key);
        life.after(50).answer(Reply::Saw(guest_on()), 200, 40);
        life.after(60).answer(Reply::Accepted(None), 202, 55);
        life.after(400).guest_left();
        life.after(30).answer(Reply::Accepted(None), 200, 25);
        assert!(life.record.closure.has_ended(), "{:?}", life.record.closure);
        life
    }

    /// Without proof until the deadline.
    pub(super) fn ghost(key: u128) -> Self {
        let mut life = Self::new(key);
        for _ in 0..100 {
            if names::state(&life.record.closure) == "ghost" {
                return life;
            }
            match life.record.closure.turn {
                Turn::InFlight { request: Request::Read, .. } => {
                    life.after(40).answer(Reply::Saw(guest_on()), 200, 40)
                }
                Turn::InFlight { .. } => life.after(40).answer(Reply::Accepted(None), 202, 40),
                Turn::Due { .. } | Turn::Over => life.woken(),
            };
        }
        panic!("no ghost: {:?}", life.record.closure)
    }

    fn write(
        &mut self,
        before: Option<&Closure>,
        event: Option<&Event>,
        effects: &[Effect],
        facts: (u16, u64),
    ) {
        let entry = entry(before, event, &self.record.closure, effects, facts);
        let kind = match event {
            None => "accepted",
            Some(Event::Woke) => "woke",
            Some(Event::Replied { .. }) => "replied",
            Some(Event::Heard(_)) => "heard",
            Some(Event::Act(_)) => "acted",
            Some(Event::Missed) => "missed",
        };
        self.lines.push(Line {
            sequence: self.record.closure.sequence,
            at: self.now.millis(),
            kind: kind.to_owned(),
            announcement: entry.announces.last().cloned(),
            body: serde_json::to_vec(&entry).unwrap().into(),
        });
    }

    /// The journal as it is read from a store.
    pub(super) fn journal(&self) -> Vec<TimelineLine> {
        let placed = |line: &Line| PlacedLine {
            position: line.sequence,
            closure: self.record.key,
            line: line.clone(),
        };
        self.lines.iter().map(|line| TimelineLine::of(placed(line)).unwrap()).collect()
    }

    /// The spans of each part that is over.
    pub(super) fn told(&self) -> Vec<Vec<v1::Span>> {
        let place = Place { host: "api.example".to_owned(), port: 443 };
        let journal = self.journal();
        parts(&journal).iter().map(|part| spans(&self.record, part, Some(&place))).collect()
    }

    /// Puts it into a store.
    pub(super) async fn keep(&self, store: &MemoryStore) {
        let closure = Some((self.record.row(), 0));
        let commit = Commit { closure, lines: self.lines.clone(), ..Commit::default() };
        store.commit(commit).await.unwrap();
    }
}

fn entry(
    before: Option<&Closure>,
    event: Option<&Event>,
    next: &Closure,
    effects: &[Effect],
    (status, took_ms): (u16, u64),
) -> Entry {
    let mut entry = Entry {
        from: before.map(|before| names::state(before).to_owned()),
        to: names::state(next).to_owned(),
        reason: names::reason(next).map(str::to_owned),
        wake_at: next.wake_at().map(Time::millis),
        ..Entry::default()
    };
    match event {
        Some(Event::Replied { call, reply }) => {
            entry.answered = Some(answered(before, *call, reply, status, took_ms));
        }
        Some(Event::Heard(heard)) => {
            entry.heard = Some(HeardLine {
                kind: names::proof_source(heard.source).to_owned(),
                adapter: "relay".to_owned(),
                event_type: "guest.left".to_owned(),
                event_id: "e-1".to_owned(),
                occurred_at: heard.occurred_at.millis(),
                participant: None,
                communication: None,
                saw: None,
            });
        }
        Some(Event::Act(act)) => {
            entry.operator = Some(OperatorLine {
                act: names::act(*act).to_owned(),
                by: "planted name".to_owned(),
                reason: Some("planted words".to_owned()),
                until: None,
                taken_over_from: None,
                batch: None,
            });
        }
        Some(Event::Woke | Event::Missed) | None => {}
    }
    for effect in effects {
        match effect {
            Effect::Announce(told) => entry.announces.push(names::announcement(*told).to_owned()),
            Effect::Call(call) => {
                let asked = names::request(&call.request);
                let path = format!("/api/v2/conversations/{}/{asked}?planted=1", Uuid::from_u128(0xc0));
                entry.asks = Some(Asks {
                    call: call.id.0,
                    request: asked.to_owned(),
                    participant: None,
                    http: format!("GET {path}"),
                });
            }
            Effect::Follow => {}
        }
    }
    entry
}

fn answered(before: Option<&Closure>, call: CallId, reply: &Reply, status: u16, took_ms: u64) -> Answered {
    let request = match before.map(|before| &before.turn) {
        Some(Turn::InFlight { request, .. }) => names::request(request),
        Some(Turn::Due { .. } | Turn::Over) | None => "read",
    };
    Answered {
        call: call.0,
        request: request.to_owned(),
        reply: names::reply(reply).to_owned(),
        status: Some(status).filter(|status| *status > 0),
        code: None,
        message: Some("planted words".to_owned()),
        correlation_id: Some("corr-1".to_owned()),
        missing_permission: None,
        took_ms,
        saw: None,
        found: None,
    }
}

/// The guest is there.
pub(super) fn guest_on() -> Snapshot {
    let leg = Leg {
        participant: GUEST,
        communication: Some(TAB),
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

/// Everything is over.
pub(super) fn over() -> Snapshot {
    let mut seen = guest_on();
    seen.legs[0].state = LegState::Disconnected;
    seen.ended_at = Some(START);
    seen
}

/// An attribute as a text; empty where there is none.
pub(super) fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|one| one.key == key);
    match found.and_then(|one| one.value.as_ref()?.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(_) | None => String::new(),
    }
}
