//! Lookups: the requests that leave, the pages that are asked for, and what is made of hostile answers.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::Method;
use genesys_client::{Class, Client, ExternalIdDimension, FaultKind, QuotaConfig};
use serde_json::{Value, json};

use crate::stub::{CONVERSATION, Stub, permit, reply, sample};

const SEARCH: &str = "/api/v2/conversations/participants/attributes/search";

fn record(number: usize, tag: &str) -> Value {
    json!({ "conversationId": id(number), "conversationStart": "2026-11-18T08:00:00.000Z", "externalTag": tag,
            "participants": [{ "sessions": [{ "mediaType": "message" }] }] })
}

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn records(records: &[Value]) -> String {
    json!({ "conversations": records, "totalHits": records.len() }).to_string()
}

fn row(number: usize, order: &str) -> Value {
    json!({ "conversationId": id(number), "startTime": "2026-11-18T08:00:00.000Z",
            "participantData": [{ "participantPurpose": "customer", "participantAttributes": { "order": order } }] })
}

fn rows(rows: &[Value], cursor: Option<&str>) -> String {
    json!({ "types": [], "results": rows, "cursor": cursor }).to_string()
}

async fn found(client: &Client, tag: &str) -> Vec<String> {
    let answer = client.find_by_external_id(permit(client), tag).await.unwrap();
    answer.value.iter().map(|hit| hit.conversation.to_string()).collect()
}

async fn searched(client: &Client, order: &str) -> Vec<String> {
    let answer = client.find_by_attribute(permit(client), "order", order).await.unwrap();
    answer.value.iter().map(|hit| hit.conversation.to_string()).collect()
}

#[tokio::test]
async fn an_external_id_is_asked_for_as_the_sample_asks() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, records(&[record(1, "order-7")])));
    assert_eq!(found(&client, "order-7").await, [id(1)]);
    let asked = &stub.asked()[0];
    let sample: Value = serde_json::from_str(&sample("request-analytics-open-web-messaging.json")).unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        (sample["method"].as_str().unwrap(), sample["path"].as_str().unwrap())
    );
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let open = &sample["body"]["conversationFilters"][0]["predicates"][0];
    let filters = &body["conversationFilters"][0];
    assert_eq!((&filters["type"], &filters["predicates"][0]), (&json!("and"), open));
    let tag =
        json!({ "type": "dimension", "dimension": "externalTag", "operator": "matches", "value": "order-7" });
    assert_eq!(filters["predicates"][1], tag);
    let media = &sample["body"]["segmentFilters"][0]["predicates"][0];
    assert_eq!(body["segmentFilters"], json!([{ "type": "and", "predicates": [media] }]));
    for key in ["interval", "order", "orderBy", "paging"] {
        assert_eq!(body[key].is_object(), sample["body"][key].is_object(), "{key}");
    }
    let (from, until) = body["interval"].as_str().unwrap().split_once('/').unwrap();
    assert!(from.ends_with('Z') && from.len() == 24 && from < until, "{from} {until}");
}

#[tokio::test]
async fn a_dimension_of_sessions_is_asked_for_in_the_segments_and_seen_in_the_record() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.lookup.external_id = ExternalIdDimension::ExternalContactId;
    let client = Client::new(config).unwrap();
    let contact = "0c8f7b6a-5d4e-4c3b-8a29-1f0e9d8c7b07";
    stub.answers(reply(200, sample("analytics-ghost-session.json")));
    assert_eq!(found(&client, contact).await, [CONVERSATION]);
    let body: Value = serde_json::from_slice(&stub.asked()[0].body).unwrap();
    assert_eq!(body["segmentFilters"][0]["predicates"][1]["dimension"], "externalContactId");
    assert_eq!(body["conversationFilters"][0]["predicates"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_are_asked_for_until_one_is_not_full_and_no_conversation_counts_twice() {
    let stub = Stub::start().await;
    let client = stub.client();
    let full: Vec<Value> =
        (0..25).map(|number| record(number, if number == 3 { "x" } else { "y" })).collect();
    stub.answers(reply(200, records(&full))).answers(reply(200, records(&[record(3, "x"), record(40, "x")])));
    assert_eq!(found(&client, "x").await, [id(3), id(40)]);
    let asked = stub.asked();
    let queries = asked.iter().filter(|asked| asked.method == Method::POST);
    let pages: Vec<Value> = queries
        .map(|asked| serde_json::from_slice::<Value>(&asked.body).unwrap()["paging"]["pageNumber"].clone())
        .collect();
    assert_eq!(pages, [json!(1), json!(2)]);
    assert_eq!(client.quota().in_flight(), 0);
}

#[tokio::test]
async fn of_several_those_that_a_read_shows_ended_are_left_out() {
    let open = json!({ "participants": [{ "id": id(9), "purpose": "customer", "messages": [{ "state": "connected" }] }] });
    let over = json!({ "endTime": "2026-11-18T09:00:00.000Z", "participants": [] });
    let missing = || reply(404, sample("error-404-conversation-not-found.json"));
    let shown = |body: &Value| reply(200, body.to_string());
    for (reads, left) in [
        ([shown(&open), shown(&over)], vec![id(1)]),
        ([missing(), shown(&open)], vec![id(2)]),
        ([shown(&open), shown(&open)], vec![id(1), id(2)]),
        ([shown(&over), reply(503, "")], vec![id(2)]),
        ([shown(&over), shown(&over)], vec![id(2)]),
    ] {
        let stub = Stub::start().await;
        let client = stub.client();
        stub.answers(reply(200, records(&[record(1, "x"), record(2, "x")])));
        for read in reads {
            stub.answers(read);
        }
        assert_eq!(found(&client, "x").await, left);
        assert_eq!(stub.asked().len(), 3);
        assert_eq!(client.quota().in_flight(), 0);
    }
}

#[tokio::test]
async fn a_filter_that_is_not_honoured_finds_nothing_instead_of_everything() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, records(&[record(1, "somebody-else")])));
    assert!(found(&client, "order-7").await.is_empty());
    let full: Vec<Value> = (0..25).map(|number| record(number, "somebody-else")).collect();
    for _ in 0..4 {
        stub.answers(reply(200, records(&full)));
    }
    let fault = client.find_by_external_id(permit(&client), "order-7").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Rejected);
    assert!(fault.message.contains("lookup.within"), "{fault}");
    assert_eq!(stub.asked().len(), 5);
}

#[tokio::test]
async fn an_attribute_is_searched_for_by_time_and_compared_here() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.lookup.within = Duration::from_secs(30 * 3_600);
    let client = Client::new(config).unwrap();
    stub.answers(reply(200, rows(&[row(1, "7"), row(2, "8")], Some("more"))))
        .answers(reply(200, rows(&[row(3, "8"), row(1, "7")], None)))
        .answers(reply(200, rows(&[row(4, "70")], None)));
    assert_eq!(searched(&client, "7").await, [id(1)]);
    let asked = stub.asked();
    assert!(asked.iter().all(|asked| asked.path == SEARCH && asked.method == Method::POST));
    let bodies: Vec<Value> = asked.iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect();
    assert_eq!(bodies.len(), 3);
    let cursors: Vec<&Value> = bodies.iter().map(|body| &body["cursor"]).collect();
    assert_eq!(cursors, [&Value::Null, &json!("more"), &Value::Null]);
    let range = |which: usize| &bodies[which]["query"][0];
    assert_eq!((&range(0)["type"], &range(0)["fields"]), (&json!("DATE_RANGE"), &json!(["startTime"])));
    assert_eq!(range(0)["startValue"], range(2)["endValue"], "the days join");
    assert_eq!(bodies[0]["query"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cursor_without_end_is_given_up() {
    let stub = Stub::start().await;
    let client = stub.client();
    for _ in 0..50 {
        stub.answers(reply(200, rows(&[row(1, "8")], Some("again"))));
    }
    let fault = client.find_by_attribute(permit(&client), "order", "7").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Rejected);
    assert_eq!(stub.asked().len(), 40);
    // What is certain is told all the same: several fit, whatever else there is.
    let stub = Stub::start().await;
    let client = stub.client();
    for _ in 0..40 {
        stub.answers(reply(200, rows(&[row(1, "7"), row(2, "7")], Some("again"))));
    }
    let guest = r#"{"participants":[{"id":"5f7bf00a-0fc2-4d6a-9b56-92238191433e","purpose":"customer","messages":[{"state":"connected"}]}]}"#;
    stub.answers(reply(200, guest)).answers(reply(200, guest));
    assert_eq!(searched(&client, "7").await, [id(1), id(2)]);
    assert_eq!(stub.asked().iter().filter(|asked| asked.method == Method::POST).count(), 40);
}

#[tokio::test]
async fn a_missing_permission_is_named_also_where_genesys_does_not() {
    let stub = Stub::start().await;
    let client = stub.client();
    let forbidden = |name: &str| FaultKind::Forbidden { missing: Some(name.into()) };
    stub.answers(reply(403, "{}")).answers(reply(403, "{}"));
    let fault = client.find_by_external_id(permit(&client), "x").await.unwrap_err();
    assert_eq!(fault.kind, forbidden("analytics:conversationDetail:view"));
    let fault = client.find_by_attribute(permit(&client), "order", "7").await.unwrap_err();
    assert_eq!(fault.kind, forbidden("conversation:participant:attributesview"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_nothing() {
    let stub = Stub::start().await;
    let client = stub.client();
    for body in ["", "[]", "<html></html>", "{\"conversations\":[7]}"] {
        stub.answers(reply(200, body));
        let fault = client.find_by_external_id(permit(&client), "x").await.unwrap_err();
        assert_eq!((fault.kind, fault.status), (FaultKind::OutcomeUnknown, Some(200)), "{body}");
    }
}

#[tokio::test]
async fn a_lookup_that_waits_for_quota_ends_in_time() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.quota = QuotaConfig { requests_per_window: 2, ..QuotaConfig::default() };
    config.lookup.at_most = Duration::from_millis(300);
    let client = Client::new(config).unwrap();
    let full: Vec<Value> = (0..25).map(|number| record(number, "y")).collect();
    for _ in 0..4 {
        stub.answers(reply(200, records(&full)));
    }
    let permit = client.quota().try_take(Class::Verify).unwrap();
    let fault = client.find_by_external_id(permit, "x").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutcomeUnknown);
    assert!(fault.message.contains("in time"), "{fault}");
    assert!(stub.asked().len() <= 2, "{}", stub.asked().len());
    assert_eq!(client.quota().in_flight(), 0);
}

/// A page has the request time-out; so many pages together do not.
#[tokio::test]
async fn a_lookup_of_many_pages_takes_longer_than_one_request_may() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.request_timeout = Duration::from_millis(400);
    let client = Client::new(config).unwrap();
    stub.delay_ms.store(50, Ordering::Relaxed);
    for number in 0..20 {
        stub.answers(reply(200, rows(&[row(number, if number == 19 { "7" } else { "8" })], Some("more"))));
    }
    for _ in 0..4 {
        stub.answers(reply(200, rows(&[], None)));
    }
    let begun = std::time::Instant::now();
    let given = permit(&client);
    let requests = given.requests();
    let found = client.find_by_attribute(given, "order", "7").await.unwrap().value;
    assert_eq!(found.iter().map(|hit| hit.conversation.to_string()).collect::<Vec<_>>(), [id(19)]);
    assert_eq!(requests.made() as usize, stub.asked().len());
    assert!(begun.elapsed() > Duration::from_millis(1_000), "{:?}", begun.elapsed());
    assert_eq!(client.quota().in_flight(), 0);
}

/// Whatever its time, it is not cut in the middle of a request, so that the breaker learns of each that went unanswered.
#[tokio::test]
async fn a_page_that_nobody_answers_is_told_to_the_breaker() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.request_timeout = Duration::from_millis(150);
    config.lookup.at_most = Duration::from_millis(20);
    let client = Client::new(config).unwrap();
    assert!(
        client.whoami().await.is_err(),
        "a body that describes no token, and a token for all that follow"
    );
    stub.delay_ms.store(5_000, Ordering::Relaxed);
    let asked = (0..10).map(|_| client.find_by_attribute(permit(&client), "order", "7"));
    for outcome in futures_util::future::join_all(asked).await {
        assert_eq!(outcome.unwrap_err().kind, FaultKind::OutcomeUnknown);
    }
    assert!(client.quota().host_is_down());
}
