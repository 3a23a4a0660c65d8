//! What the simulator answers to somebody who looks a conversation up.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod support;

use std::time::Duration;

use genesys_simulator::NewConversation;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Remote, quick};
use uuid::Uuid;

const DETAILS: &str = "/api/v2/analytics/conversations/details/query";
const SEARCH: &str = "/api/v2/conversations/participants/attributes/search";

fn ordering(order: &str) -> NewConversation {
    NewConversation {
        attributes: [("order".to_owned(), order.to_owned())].into(),
        ..NewConversation::default()
    }
}

fn range(from: &str, until: &str) -> Value {
    json!({ "type": "DATE_RANGE", "fields": ["startTime"], "startValue": from, "endValue": until })
}

fn today() -> Value {
    let now = jiff::Timestamp::now();
    let hours = |hours| jiff::SignedDuration::from_hours(hours);
    range(&(now - hours(22)).to_string(), &(now + hours(2)).to_string())
}

#[tokio::test]
async fn an_open_conversation_is_found_by_its_external_tag() {
    let remote = Remote::start(quick().analytics_lag(Duration::ZERO)).await;
    let tagged =
        |tag: &str| NewConversation { external_id: Some(tag.to_owned()), ..NewConversation::default() };
    let made = remote.make(&tagged("order-7"));
    remote.make(&tagged("order-70"));
    remote.make(&NewConversation { ended: true, ..tagged("order-7") });
    let query = |dimension: &str| {
        json!({
            "interval": "2000-01-01T00:00:00.000Z/2100-01-01T00:00:00.000Z",
            "conversationFilters": [{ "type": "and", "predicates": [
                { "dimension": "conversationEnd", "operator": "notExists" },
                { "type": "dimension", "dimension": dimension, "operator": "matches", "value": "order-7" },
            ] }],
        })
    };
    let answer = remote.call(Method::POST, DETAILS, Some(query("externalTag"))).await.json();
    assert_eq!(answer["totalHits"], 1);
    assert_eq!(answer["conversations"][0]["conversationId"], json!(made.conversation_id));
    assert_eq!(answer["conversations"][0]["externalTag"], "order-7");
    let refused = remote.call(Method::POST, DETAILS, Some(query("externalId"))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("invalid.value")));
}

#[tokio::test]
async fn a_search_by_time_shows_every_attribute_and_lags() {
    let remote = Remote::start(quick().analytics_lag(Duration::from_secs(30))).await;
    let made = remote.make(&ordering("7"));
    remote.make(&NewConversation::default());
    let rows = async || {
        let body = json!({ "query": [today()] });
        remote.call(Method::POST, SEARCH, Some(body)).await.json()["results"].clone()
    };
    assert_eq!(rows().await, json!([]));
    remote.simulator.advance_clock(Duration::from_secs(31));
    let shown = rows().await;
    assert_eq!(shown.as_array().unwrap().len(), 1, "only what has attributes is kept");
    assert_eq!(shown[0]["conversationId"], json!(made.conversation_id));
    let guest = &shown[0]["participantData"][0];
    assert_eq!(
        (&guest["participantPurpose"], &guest["participantAttributes"]),
        (&json!("customer"), &json!({ "order": "7" }))
    );
    assert_eq!(shown[0]["endTime"], Value::Null);
    remote.close_wrapper(made.conversation_id).await;
    remote.simulator.advance_clock(Duration::from_secs(31));
    assert!(rows().await[0]["endTime"].is_string());
}

#[tokio::test]
async fn a_search_goes_on_at_its_cursor_and_knows_few_fields() {
    let remote = Remote::start(quick().analytics_lag(Duration::ZERO)).await;
    remote.simulator.create(&ordering("7").count(70)).unwrap();
    let mut seen: Vec<Uuid> = Vec::new();
    let mut body = json!({ "query": [today()] });
    let mut pages = 0;
    loop {
        let answer = remote.call(Method::POST, SEARCH, Some(body.clone())).await.json();
        pages += 1;
        seen.extend(
            answer["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["conversationId"].as_str().unwrap().parse::<Uuid>().unwrap()),
        );
        let Some(cursor) = answer["cursor"].as_str() else { break };
        body["cursor"] = json!(cursor);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((pages, seen.len()), (2, 70));
    let exact = |field: &str| json!({ "query": [{ "type": "EXACT", "fields": [field], "value": seen[0] }] });
    let one = remote.call(Method::POST, SEARCH, Some(exact("conversationId"))).await.json();
    assert_eq!(one["results"].as_array().unwrap().len(), 1);
    let two_days = range("2026-11-20T00:00:00.000Z", "2026-11-22T00:00:00.000Z");
    for body in
        [exact("order"), exact("participantAttributes.order"), json!({}), json!({ "query": [two_days] })]
    {
        assert_eq!(remote.call(Method::POST, SEARCH, Some(body.clone())).await.status, 400, "{body}");
    }
}
