//! What is told of whole lives.

use closure_machine::{Act, Event, Reply};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::life::{Life, START, attribute, guest_on, over};
use crate::{ids, parts, spans};

/// Each span as one line: name, beginning and length in milliseconds, reply, and whether it is an error.
fn drawn(spans: &[Span]) -> Vec<String> {
    let start = u64::try_from(START.millis()).unwrap();
    let line = |span: &Span| {
        let (begins, ends) = (span.start_time_unix_nano / 1_000_000, span.end_time_unix_nano / 1_000_000);
        let reply = attribute(&span.attributes, "closeout.call.reply");
        let error = if is_error(span) { "!" } else { "" };
        format!("{} +{} {} {reply}{error}", span.name, begins - start, ends - begins)
    };
    spans.iter().map(line).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == i32::from(StatusCode::Error))
}

fn event_names(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn a_clean_closure_is_its_calls_and_the_wait_for_confirmation() {
    let life = Life::closed(7);
    let [told] = life.told().try_into().unwrap();
    assert_eq!(
        drawn(&told),
        [
            "close session +0 540 ",
            "GET /api/v2/conversations/{id}/read +10 40 saw",
            "GET /api/v2/conversations/{id}/close_participant +55 55 accepted",
            "wait for confirmation +110 400 ",
            "GET /api/v2/conversations/{id}/close_wrapper +515 25 accepted",
        ]
    );
    let root = &told[0];
    assert_eq!(
        (root.trace_id.as_slice(), root.parent_span_id.len()),
        (&ids::trace_id(life.record.key)[..], 0)
    );
    assert!(
        told[1..].iter().all(|span| span.parent_span_id == root.span_id && span.trace_id == root.trace_id)
    );
    assert_eq!(attribute(&root.attributes, "closeout.state"), "closed");
    assert_eq!(attribute(&root.attributes, "closeout.confirmed_by"), "webhook");
    assert_eq!(
        event_names(root),
        [
            "closeout.closure.participant-closed.v1",
            "evidence",
            "closeout.closure.confirmed.v1",
            "closeout.closure.closed.v1"
        ]
    );
    assert!(!is_error(root));
}

#[test]
fn the_producers_span_and_the_closure_before_are_linked() {
    let mut life = Life::closed(7);
    life.record.follows = Some(uuid::Uuid::from_u128(6));
    let [told] = life.told().try_into().unwrap();
    let [producer, before] = &told[0].links[..] else { panic!("{:?}", told[0].links) };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&producer.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((hex(&producer.span_id).as_str(), producer.flags), ("b7ad6b7169203331", 0x301));
    let root_before = Life::closed(6).told()[0][0].span_id.clone();
    assert_eq!((before.trace_id[15], &before.span_id), (6, &root_before));
}

#[test]
fn calls_carry_the_conventions_of_http_clients_and_nothing_personal() {
    let mut life = Life::closed(7);
    life.after(1);
    let [told] = life.told().try_into().unwrap();
    let call = &told[1];
    assert_eq!(call.kind, i32::from(SpanKind::Client));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.template", "/api/v2/conversations/{id}/read"),
        ("http.response.status_code", "200"),
        ("server.address", "api.example"),
        ("server.port", "443"),
        ("genesys.correlation_id", "corr-1"),
    ] {
        assert_eq!(attribute(&call.attributes, key), value, "{key}");
    }
    assert!(!format!("{told:?}").contains("planted"));
}

#[test]
fn one_that_has_ended_before_is_one_call() {
    let mut life = Life::new(7);
    life.after(50).answer(Reply::Saw(over()), 200, 50);
    let [told] = life.told().try_into().unwrap();
    assert_eq!(drawn(&told), ["close session +0 50 ", "GET /api/v2/conversations/{id}/read +0 50 saw"]);
    assert_eq!(attribute(&told[0].attributes, "closeout.state"), "already_closed");
}

#[test]
fn one_that_fails_says_why() {
    let mut life = Life::new(7);
    life.after(50).answer(Reply::NotFound, 404, 50);
    while !life.record.closure.has_ended() {
        match life.record.closure.turn {
            closure_machine::Turn::Due { .. } => life.woken(),
            closure_machine::Turn::InFlight { .. } | closure_machine::Turn::Over => {
                life.after(50).answer(Reply::NotFound, 404, 50)
            }
        };
    }
    let told = life.told();
    let root = &told.last().unwrap()[0];
    assert!(is_error(root));
    assert_eq!(root.status.as_ref().unwrap().message, "failed: not_found");
    assert_eq!(attribute(&told[0][1].attributes, "error.type"), "404");
}

#[test]
fn lost_calls_are_errors_that_end_when_nobody_waits_any_more() {
    let mut life = Life::new(7);
    // The first reply never comes; of the second it is known that it is lost, as after a crash.
    life.woken();
    while !matches!(life.record.closure.turn, closure_machine::Turn::InFlight { .. }) {
        life.woken();
    }
    life.after(500).answer(Reply::Unknown, 0, 0);
    life.woken().after(40).answer(Reply::Saw(over()), 200, 40);
    let [told] = life.told().try_into().unwrap();
    let drawn = drawn(&told);
    assert!(drawn[1].ends_with("+0 20000 lost!"), "{drawn:?}");
    assert!(drawn[2].ends_with(" 500 unknown!"), "{drawn:?}");
    assert!(drawn[3].ends_with(" 40 saw"), "{drawn:?}");
    assert_eq!((drawn.len(), is_error(&told[0])), (4, false));
}

#[test]
fn evidence_overtakes_a_call() {
    let mut life = Life::new(7);
    life.after(50).answer(Reply::Saw(guest_on()), 200, 40);
    life.after(5).guest_left();
    life.after(30).answer(Reply::Accepted(None), 200, 25);
    let [told] = life.told().try_into().unwrap();
    assert!(
        drawn(&told).contains(&"GET /api/v2/conversations/{id}/close_participant +50 5 overtaken".to_owned())
    );
}

#[test]
fn a_ghost_is_told_when_it_becomes_one_and_again_when_it_is_settled() {
    let mut life = Life::ghost(7);
    let [first] = life.told().try_into().unwrap();
    assert!(is_error(&first[0]));
    let message = &first[0].status.as_ref().unwrap().message;
    assert!(message.starts_with("ghost: "), "{message}");
    assert!(first.iter().filter(|span| span.name == "wait for confirmation").count() > 1);

    life.after(60_000).acted(Act::Retry).after(40).answer(Reply::Saw(over()), 200, 40);
    assert!(life.record.closure.has_ended(), "{:?}", life.record.closure);
    let [again, second] = life.told().try_into().unwrap();
    assert_eq!(again, first, "what was told of a part stays");
    let [own, call] = &second[..] else { panic!("{second:?}") };
    assert_eq!((own.name.as_str(), &own.parent_span_id), ("ghost", &first[0].span_id));
    assert_eq!(own.start_time_unix_nano, first[0].end_time_unix_nano);
    assert_eq!(call.parent_span_id, own.span_id);
    assert_eq!(event_names(own)[0], "operator");
    assert!(!is_error(own) && own.links.is_empty());
}

#[test]
fn what_happens_after_the_end_changes_nothing_of_what_is_told() {
    let life = Life::closed(7);
    let mut longer = life.journal();
    let mut after = longer.last().unwrap().clone();
    after.sequence += 1;
    after.entry.announces = vec!["closeout.closure.guest-returned.v1".to_owned()];
    longer.push(after);
    let parts = parts(&longer);
    assert_eq!(parts.len(), 1);
    let journal = life.journal();
    let of_end = &crate::parts(&journal)[0];
    assert_eq!(spans(&life.record, &parts[0], None), spans(&life.record, of_end, None));
}

#[test]
fn a_snooze_that_is_over_ends_no_part() {
    let life = Life::ghost(7);
    let mut journal = life.journal();
    let mut told_anew = journal.last().unwrap().clone();
    (told_anew.sequence, told_anew.kind) = (told_anew.sequence + 1, "snooze_over".to_owned());
    journal.push(told_anew);
    assert_eq!(parts(&journal).len(), 1);
}

#[test]
fn a_ghost_that_is_looked_at_for_weeks_is_told_in_part() {
    let mut life = Life::ghost(7);
    for _ in 0..1_100 {
        life.after(1_000).happen(&Event::Act(Act::Verify), true, (0, 0));
        life.after(40).answer(Reply::Saw(guest_on()), 200, 40);
    }
    life.after(1_000).acted(Act::Resolve);
    let told = life.told().pop().unwrap();
    assert_eq!(told.len(), 1_001);
    assert_ne!(attribute(&told[0].attributes, "closeout.spans_left_out"), "");
    assert_eq!(told[0].events.len(), 128);
    assert!(told[0].dropped_events_count > 900);
}
