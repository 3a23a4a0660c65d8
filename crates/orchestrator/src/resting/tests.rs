//! Every record is read back as it was, and one that waits is small.

use closure_machine::{
    AgentConnected, Block, BlockReason, CallId, Candidate, Closure, End, Ending, Evidence, FailReason, Ghost,
    GhostReason, GuestLeg, GuestReturn, GuestReturns, Order, OtherClosure, Proof, ProofSource, Request,
    Resume, Sought, Target, WrapUpPolicy, WrapperClose, WrapperStage,
};
use genesys_types::{
    CommunicationId, ConversationId, ParticipantId, QueueId, Span, UserId, WrapUp, WrapUpCodeId,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

use super::*;
use crate::handling::{Handling, Word};
use crate::record::{Callback, ConfirmedBy, Overrides, ReplyTo, Said};
use crate::trace_parent::TraceParent;

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was(record in records()) {
        let names = Shared::default();
        let resting = Resting::of(&record, &names);
        let glance = Glance { snooze_ends: None, ..Glance::from(&record) };
        prop_assert_eq!(resting.glance(&names), Some(glance));
        prop_assert_eq!(resting.record(record.key, &names), Some(record));
    }

    #[test]
    fn whatever_form_it_is_kept_in_it_is_woken_at_the_same_time(record in records()) {
        let names = Shared::default();
        let wakes = record.wake_at();
        let kept = Kept::of(Arc::new(record), &names);
        prop_assert_eq!(kept.glance(&names).and_then(|glance| glance.wake_at()), wakes);
    }

    #[test]
    fn a_glance_names_the_state(record in records()) {
        prop_assert_eq!(Glance::from(&record).state(), names::state(&record.closure));
    }

    #[test]
    fn bytes_that_end_too_early_are_no_record(record in records(), cut in 1_usize..40) {
        let names = Shared::default();
        let Resting(bytes) = Resting::of(&record, &names);
        let cut = Resting(Box::from(&bytes[..bytes.len().saturating_sub(cut)]));
        prop_assert_eq!(cut.record(record.key, &names), None);
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let names = Shared::default();
        names.organisations.number(&"main".parse().unwrap());
        names.sources.number(&Arc::from("api"));
        let resting = Resting(bytes.into_boxed_slice());
        let _ = resting.record(Uuid::nil(), &names);
        let _ = resting.glance(&names);
    }
}

/// What most closures are that wait: accepted, read, the guest asked to leave, an hour's patience.
fn waiting() -> Record {
    let accepted_at = Time::from_millis(1_795_000_000_000);
    let at = |millis| accepted_at + Span::from_millis(millis);
    let leg = GuestLeg {
        participant: ParticipantId::from_uuid(Uuid::from_u128(u128::MAX / 3)),
        communication: Some(CommunicationId::from_uuid(Uuid::from_u128(u128::MAX / 5))),
        asked_at: Some(at(220)),
        accepted: true,
        gone: None,
    };
    let closure = Closure {
        sequence: 4,
        accepted_at,
        conversation: Some(ConversationId::from_uuid(Uuid::from_u128(u128::MAX / 7))),
        sought: None,
        named: None,
        step: Step::AwaitingConfirmation,
        turn: Turn::Due { at: at(3_600_000) },
        guests: vec![leg],
        ended: None,
        wrap_up: WrapUp::NotRequired,
        agent: None,
        agent_queue: None,
        calls: 2,
        first_asked_at: Some(at(220)),
        rounds: 1,
        refused: 0,
        faults: 0,
        wrapper_asks: 0,
        wrapper_accepted: false,
        wrap_up_tried: false,
        forced: false,
        doubtful: false,
        still_there_at: None,
        missed_at: None,
        haunted: None,
        follows: 0,
        returned: None,
    };
    Record {
        key: Uuid::from_u128(1),
        organisation: "main".parse().unwrap(),
        closure,
        said: None,
        source: Arc::from("api"),
        updated_at: at(310),
        confirmed_by: None,
        participant_closed_at: Some(at(310)),
        follows: None,
        followed_by: None,
        further_requests: 300,
        handling: None,
        seen_in: None,
        correlations: None,
    }
}

#[test]
fn a_closure_that_waits_is_small() {
    let names = Shared::default();
    let Kept::Resting(Resting(bytes)) = Kept::of(Arc::new(waiting()), &names) else { panic!("it waits") };
    assert!(bytes.len() <= 80, "{} bytes", bytes.len());
    assert!(size_of::<(ClosureKey, Kept)>() <= 32);
}

#[test]
fn a_record_with_a_call_in_flight_is_kept_as_it_is() {
    let names = Shared::default();
    let mut record = waiting();
    record.closure.turn =
        Turn::InFlight { call: CallId(3), request: Request::Read, until: record.closure.accepted_at };
    let record = Arc::new(record);
    let Kept::Awake(kept) = Kept::of(Arc::clone(&record), &names) else { panic!("it is at work") };
    assert!(Arc::ptr_eq(&kept, &record));
}

fn records() -> impl Strategy<Value = Record> {
    let organisation = select(vec!["main", "other-2"]).prop_map(|name| name.parse().unwrap());
    let source = select(vec!["api", "queue", ""]).prop_map(Arc::from);
    let around = (said(), confirmed_by(), option::of(times()), times(), any::<u32>(), handlings());
    let correlations =
        option::of(vec(select(vec!["", "c-1"]).prop_map(str::to_owned), 0..3).prop_map(Vec::into));
    let links = (option::of(uuids()), option::of(uuids()), option::of(ids(QueueId::from_uuid)), correlations);
    (uuids(), organisation, closures(), source, around, links).prop_map(
        |(key, organisation, closure, source, around, (follows, followed_by, seen_in, correlations))| {
            let (said, confirmed_by, participant_closed_at, updated_at, further_requests, handling) = around;
            Record {
                key,
                organisation,
                closure,
                said,
                source,
                updated_at,
                confirmed_by,
                participant_closed_at,
                follows,
                followed_by,
                further_requests,
                handling,
                seen_in,
                correlations,
            }
        },
    )
}

fn handlings() -> impl Strategy<Value = Option<Box<Handling>>> {
    let word = || {
        let text = option::of(select(vec!["", "seen in Genesys"]).prop_map(str::to_owned));
        (select(vec!["ops", ""]).prop_map(str::to_owned), times(), text).prop_map(|(by, at, text)| Word {
            by,
            at,
            text,
        })
    };
    let parts = (option::of(word()), option::of((times(), word())), option::of(word()));
    option::of(parts.prop_map(|(claimed, snoozed, comment)| Box::new(Handling { claimed, snoozed, comment })))
}

fn closures() -> impl Strategy<Value = Closure> {
    let seen =
        (option::of(ids(ParticipantId::from_uuid)), vec(legs(), 0..4), option::of(proofs()), wrap_ups());
    let counts = (any::<u64>(), any::<u32>(), any::<[u8; 4]>(), any::<[bool; 4]>());
    let moments = (times(), [option::of(times()), option::of(times()), option::of(times())]);
    let agent = option::of((
        ids(ParticipantId::from_uuid),
        option::of(ids(CommunicationId::from_uuid)),
        option::of(ids(UserId::from_uuid)),
    ));
    let agent = (agent, option::of(ids(QueueId::from_uuid)));
    let conversation = (option::of(ids(ConversationId::from_uuid)), option::of(targets().prop_map(Box::new)));
    let returns = (any::<u8>(), option::of(returns()));
    let life = (steps(), turns(), option::of(ghosts()), agent, conversation, returns);
    (seen, counts, moments, life).prop_map(|(seen, counts, moments, life)| {
        let (named, guests, ended, wrap_up) = seen;
        let (sequence, calls, [rounds, refused, faults, wrapper_asks], flags) = counts;
        let [wrapper_accepted, wrap_up_tried, forced, doubtful] = flags;
        let (accepted_at, [first_asked_at, still_there_at, missed_at]) = moments;
        let (step, turn, haunted, (agent, agent_queue), (conversation, sought), (follows, returned)) = life;
        Closure {
            sequence,
            accepted_at,
            conversation,
            sought,
            named,
            step,
            turn,
            guests,
            ended,
            wrap_up,
            agent,
            agent_queue,
            calls,
            first_asked_at,
            rounds,
            refused,
            faults,
            wrapper_asks,
            wrapper_accepted,
            wrap_up_tried,
            forced,
            doubtful,
            still_there_at,
            missed_at,
            haunted,
            follows,
            returned,
        }
    })
}

fn returns() -> impl Strategy<Value = GuestReturn> {
    let parts = (
        times(),
        option::of(ids(ParticipantId::from_uuid)),
        option::of(ids(CommunicationId::from_uuid)),
        any::<bool>(),
    );
    parts.prop_map(|(at, participant, communication, reopens)| GuestReturn {
        at,
        participant,
        communication,
        reopens,
    })
}

fn targets() -> impl Strategy<Value = Sought> {
    let text = || ".{0,20}".prop_map(String::into_boxed_str);
    let target = prop_oneof![
        text().prop_map(Target::ExternalId),
        (text(), text()).prop_map(|(name, value)| Target::Attribute { name, value }),
    ];
    let candidate =
        (ids(ConversationId::from_uuid), option::of(times()), option::of(ids(QueueId::from_uuid)))
            .prop_map(|(conversation, started_at, queue)| Candidate { conversation, started_at, queue });
    let other = option::of(any::<u128>().prop_map(OtherClosure));
    (target, vec(candidate, 0..3), other).prop_map(|(target, candidates, other)| Sought {
        target,
        candidates,
        other,
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let why = prop_oneof![
        Just(BlockReason::Credential),
        option::of(".{0,20}".prop_map(String::into_boxed_str)).prop_map(BlockReason::Permission),
    ];
    let resume = prop_oneof![
        select(vec![Resume::Resolving, Resume::Verifying, Resume::ClosingParticipant, Resume::Forcing]),
        stages().prop_map(Resume::ClosingWrapper),
    ];
    let end = prop_oneof![
        select(vec![End::Closed, End::AlreadyClosed, End::Cancelled, End::Resolved]),
        select(vec![
            FailReason::NotFound,
            FailReason::AmbiguousTarget,
            FailReason::OpenElsewhere,
            FailReason::ParticipantNotFound,
            FailReason::ParticipantNotGuest,
            FailReason::AgentConnected,
            FailReason::Abandoned,
        ])
        .prop_map(End::Failed),
    ];
    prop_oneof![
        select(vec![
            Step::Scheduled,
            Step::Resolving,
            Step::Verifying,
            Step::ClosingParticipant,
            Step::AwaitingConfirmation,
            Step::Forcing,
        ]),
        stages().prop_map(Step::ClosingWrapper),
        (why, resume, times()).prop_map(|(why, resume, since)| Step::Blocked(Block { why, resume, since })),
        ghosts().prop_map(Step::Ghost),
        (end, times()).prop_map(|(end, at)| Step::Ended(Ending { end, at })),
    ]
}

fn turns() -> impl Strategy<Value = Turn> {
    let give_wrap_up = (ids(ParticipantId::from_uuid), option::of(ids(CommunicationId::from_uuid)))
        .prop_map(|(participant, communication)| Request::GiveWrapUp { participant, communication });
    let request = prop_oneof![
        select(vec![
            Request::LookUp,
            Request::Read,
            Request::Disconnect,
            Request::CloseWrapper(WrapperClose::Patch),
            Request::CloseWrapper(WrapperClose::Delete),
        ]),
        ids(ParticipantId::from_uuid).prop_map(Request::CloseParticipant),
        give_wrap_up,
    ];
    prop_oneof![
        times().prop_map(|at| Turn::Due { at }),
        (any::<u32>(), request, times()).prop_map(|(call, request, until)| Turn::InFlight {
            call: CallId(call),
            request,
            until
        }),
        Just(Turn::Over),
    ]
}

fn stages() -> impl Strategy<Value = WrapperStage> {
    select(vec![WrapperStage::Ask, WrapperStage::Look, WrapperStage::WrapUp])
}

fn ghosts() -> impl Strategy<Value = Ghost> {
    let reason = select(vec![
        GhostReason::NoConfirmation,
        GhostReason::ConversationOpen,
        GhostReason::AgentStillConnected,
        GhostReason::WrapUpPending,
        GhostReason::ConfirmationMismatch,
        GhostReason::ReopenedByGuest,
        GhostReason::Rejected,
        GhostReason::Unreachable,
    ]);
    (reason, times(), any::<u16>()).prop_map(|(reason, since, looks)| Ghost { reason, since, looks })
}

fn legs() -> impl Strategy<Value = GuestLeg> {
    let communication = option::of(ids(CommunicationId::from_uuid));
    let parts = (
        ids(ParticipantId::from_uuid),
        communication,
        option::of(times()),
        any::<bool>(),
        option::of(proofs()),
    );
    parts.prop_map(|(participant, communication, asked_at, accepted, gone)| GuestLeg {
        participant,
        communication,
        asked_at,
        accepted,
        gone,
    })
}

fn proofs() -> impl Strategy<Value = Proof> {
    (sources(), times(), any::<bool>()).prop_map(|(source, at, before_asking)| Proof {
        source,
        at,
        before_asking,
    })
}

fn sources() -> impl Strategy<Value = ProofSource> {
    select(vec![
        ProofSource::Webhook,
        ProofSource::Notification,
        ProofSource::QueueEvent,
        ProofSource::ReadBack,
        ProofSource::Operator,
    ])
}

fn wrap_ups() -> impl Strategy<Value = WrapUp> {
    select(vec![WrapUp::NotRequired, WrapUp::Pending, WrapUp::Done])
}

fn said() -> impl Strategy<Value = Option<Box<Said>>> {
    let callback = (".{0,9}", vec(".{0,9}", 0..3)).prop_map(|(url, on)| Callback { url, on });
    let reply = (".{0,9}", option::of(".{0,9}"), option::of(".{0,9}"))
        .prop_map(|(address, correlation, trace)| ReplyTo { address, correlation, trace });
    let labels = vec((".{0,9}", ".{0,9}"), 0..4);
    let trace = (any::<u128>(), any::<u64>(), any::<u8>()).prop_map(|(trace, span, flags)| TraceParent {
        trace,
        span,
        flags,
    });
    let (callback, reply, trace) = (option::of(callback), option::of(reply), option::of(trace));
    let parts = (option::of(".{0,200}"), overrides(), labels, callback, reply, trace);
    option::of(parts.prop_map(|(reason, overrides, labels, callback, reply, trace)| {
        Box::new(Said { reason, overrides, labels, callback, reply, trace })
    }))
    // On the heap: all parts of a record together outgrow the stack of a test.
    .boxed()
}

fn overrides() -> impl Strategy<Value = Overrides> {
    let wrap_up = prop_oneof![
        select(vec![WrapUpPolicy::None, WrapUpPolicy::Skip]),
        ids(WrapUpCodeId::from_uuid).prop_map(WrapUpPolicy::Code),
        "[a-zß ]{1,20}".prop_map(|name| WrapUpPolicy::Named(name.into())),
    ];
    let parts = (
        option::of(select(vec![Evidence::WebhookOrReadBack, Evidence::WebhookOnly])),
        option::of(select(vec![Order::GuestFirst, Order::ConversationFirst])),
        option::of(select(vec![WrapperClose::Patch, WrapperClose::Delete])),
        option::of(select(vec![AgentConnected::Refuse, AgentConnected::Wait, AgentConnected::Allow])),
        option::of(wrap_up),
        option::of(select(vec![GuestReturns::Never, GuestReturns::Once, GuestReturns::UpToThree])),
        option::of(".{0,20}"),
        option::of(any::<u32>().prop_map(Span::from_millis)),
    );
    parts.prop_map(
        |(evidence, order, wrapper_close, agent_connected, wrap_up, guest_returns, notes, deadline)| {
            Overrides {
                evidence,
                order,
                wrapper_close,
                agent_connected,
                wrap_up,
                guest_returns,
                wrap_up_notes: notes,
                deadline,
            }
        },
    )
}

fn confirmed_by() -> impl Strategy<Value = Option<Box<ConfirmedBy>>> {
    let text = || option::of(".{0,20}");
    let parts = (sources(), text(), text(), text(), times());
    option::of(parts.prop_map(|(kind, adapter, event_type, event_id, at)| {
        Box::new(ConfirmedBy { kind, adapter, event_type, event_id, at })
    }))
}

fn times() -> impl Strategy<Value = Time> {
    prop_oneof![any::<i64>(), 1_795_000_000_000..1_795_100_000_000_i64].prop_map(Time::from_millis)
}

fn uuids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn ids<T: std::fmt::Debug>(id: impl Fn(Uuid) -> T) -> impl Strategy<Value = T> {
    uuids().prop_map(id)
}
