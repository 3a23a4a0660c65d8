//! What holds for the spans of any life that the machine makes.

use std::collections::BTreeSet;

use closure_machine::{Act, Event, Heard, ProofSource, Reply, Turn, What};
use genesys_types::{Snapshot, Span as Length};
use proptest::prelude::*;
use uuid::Uuid;

use super::life::{Life, guest_on, over};

#[derive(Debug, Clone)]
enum Kind {
    Wake,
    Answer(Reply, u64),
    Hear(Snapshot),
    Act(Act),
    Miss,
}

fn replies() -> impl Strategy<Value = Reply> {
    let seen = || prop_oneof![3 => Just(guest_on()), 1 => Just(over()), 1 => Just(Snapshot::default())];
    prop_oneof![
        4 => seen().prop_map(Reply::Saw),
        4 => Just(Reply::Accepted(None)),
        1 => Just(Reply::NotFound),
        1 => Just(Reply::Conflict),
        1 => Just(Reply::Rejected),
        1 => Just(Reply::Forbidden(None)),
        1 => Just(Reply::Unauthenticated),
        1 => Just(Reply::RateLimited(Length::from_secs(3))),
        1 => Just(Reply::NotSent),
        1 => Just(Reply::Failed),
        1 => Just(Reply::Unknown),
    ]
}

fn kinds() -> impl Strategy<Value = Kind> {
    let act = prop_oneof![
        3 => Just(Act::Retry),
        3 => Just(Act::Verify),
        1 => Just(Act::Force),
        1 => Just(Act::Note),
        1 => Just(Act::Cancel),
        1 => Just(Act::Resolve),
    ];
    prop_oneof![
        6 => Just(Kind::Wake),
        8 => (replies(), 0_u64..30_000).prop_map(|(reply, took)| Kind::Answer(reply, took)),
        1 => prop_oneof![Just(guest_on()), Just(over())].prop_map(Kind::Hear),
        1 => act.prop_map(Kind::Act),
        1 => Just(Kind::Miss),
    ]
}

fn live(life: &mut Life, inputs: &[(i32, bool, Kind)]) {
    for (after, may_call, kind) in inputs {
        // A clock that is set right may go back.
        life.now = genesys_types::Time::from_millis(life.now.millis() + i64::from(*after));
        let facts = match kind {
            Kind::Answer(_, took) => (200, *took),
            Kind::Wake | Kind::Hear(_) | Kind::Act(_) | Kind::Miss => (0, 0),
        };
        let event = match kind {
            Kind::Wake => {
                if let Some(at) = life.record.closure.wake_at() {
                    life.now = life.now.max(at);
                }
                Event::Woke
            }
            Kind::Answer(reply, _) => match life.record.closure.turn {
                Turn::InFlight { call, .. } => Event::Replied { call, reply: reply.clone() },
                Turn::Due { .. } | Turn::Over => continue,
            },
            Kind::Hear(seen) => Event::Heard(Heard {
                source: ProofSource::Webhook,
                occurred_at: life.now,
                what: What::Conversation(seen.clone()),
            }),
            Kind::Act(act) => Event::Act(*act),
            Kind::Miss => Event::Missed,
        };
        life.happen(&event, *may_call, facts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn spans_lie_within_their_part_and_every_call_is_one(
        inputs in prop::collection::vec((-2_000_i32..60_000, any::<bool>(), kinds()), 1..80),
        may_call in any::<bool>(),
    ) {
        let mut life = Life::of(Uuid::from_u128(9), None, may_call);
        let mut before = Vec::new();
        for input in inputs.chunks(10) {
            live(&mut life, input);
            let told = life.told();
            prop_assert!(told.starts_with(&before), "what was told is told otherwise later");
            before = told;
        }
        let journal = life.journal();
        let mut ids = BTreeSet::new();
        for (spans, part) in before.iter().zip(crate::parts(&journal)) {
            let own = &spans[0];
            prop_assert!(own.start_time_unix_nano <= own.end_time_unix_nano);
            for span in &spans[1..] {
                prop_assert!(own.start_time_unix_nano <= span.start_time_unix_nano, "{span:?}");
                prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
                prop_assert!(span.end_time_unix_nano <= own.end_time_unix_nano, "{span:?}");
                prop_assert_eq!(&span.parent_span_id, &own.span_id);
            }
            for span in spans {
                prop_assert!(ids.insert(span.span_id.clone()), "an id is given twice: {span:?}");
                prop_assert_eq!(span.trace_id[15], 9);
            }
            let times: Vec<_> = own.events.iter().map(|event| event.time_unix_nano).collect();
            prop_assert!(times.is_sorted());
            // The call that the last line asks belongs to the next part.
            let asked = part.before.into_iter().chain(&part.lines[..part.lines.len() - 1]);
            let asked = asked.filter(|line| line.entry.asks.is_some()).count();
            let calls = spans.iter().filter(|span| span.name.starts_with("GET ")).count();
            prop_assert_eq!(calls, asked);
        }
    }
}
