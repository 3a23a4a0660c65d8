//! Many conversations read with one request: what leaves, and what is made of answers that are none.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::Method;
use genesys_client::{Answer, Client, Fault, FaultKind, MOST_READ_TOGETHER, Over};
use genesys_types::ConversationId;
use serde_json::{Value, json};

use crate::stub::{CONVERSATION, Stub, permit, reply, reply_with, sample};

const ENDED: &str = "analytics-ended-after-transfer.json";

fn id(number: usize) -> ConversationId {
    format!("00000000-0000-4000-8000-{number:012}").parse().unwrap()
}

fn ended(conversation: &str) -> Value {
    let mut record: Value = serde_json::from_str(&sample(ENDED)).unwrap();
    record["conversationId"] = json!(conversation);
    record
}

async fn read(client: &Client, also: usize) -> Result<Answer<Vec<Over>>, Fault> {
    let ids: Vec<_> = std::iter::once(CONVERSATION.parse().unwrap()).chain((1..=also).map(id)).collect();
    client.read_many(permit(client), &ids).await
}

#[tokio::test]
async fn no_more_than_a_page_is_asked_for_by_id() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, json!({ "conversations": [ended(CONVERSATION)] }).to_string()));
    let over = read(&client, 40).await.unwrap().value;
    assert_eq!((over.len(), over[0].conversation.to_string().as_str()), (1, CONVERSATION));
    let asked = &stub.asked()[0];
    assert_eq!(
        (&asked.method, asked.path.as_str()),
        (&Method::POST, "/api/v2/analytics/conversations/details/query")
    );
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let filter = &body["conversationFilters"][0];
    assert_eq!(filter["type"], "or");
    let predicates = filter["predicates"].as_array().unwrap();
    assert_eq!(predicates.len(), MOST_READ_TOGETHER);
    let first = json!({ "type": "dimension", "dimension": "conversationId", "operator": "matches", "value": CONVERSATION });
    assert_eq!(predicates[0], first);
    assert_eq!(body["paging"], json!({ "pageSize": MOST_READ_TOGETHER, "pageNumber": 1 }));
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_and_once() {
    let stub = Stub::start().await;
    let client = stub.client();
    let (one, foreign) = (id(1).to_string(), id(99).to_string());
    let twice = [ended(&one), ended(CONVERSATION), ended(&one), ended(&foreign), ended("none"), json!({})];
    stub.answers(reply(200, json!({ "conversations": twice }).to_string()));
    let over = read(&client, 5).await.unwrap().value;
    let told: Vec<_> = over.iter().map(|over| over.conversation.to_string()).collect();
    assert_eq!(told, [CONVERSATION], "the others were shown twice, not asked for, or have no id");
}

#[tokio::test]
async fn a_refusal_keeps_its_kind_and_names_the_permission() {
    let stub = Stub::start().await;
    let client = stub.client();
    let missing = Some("analytics:conversationDetail:view".into());
    let pause = Duration::from_secs(7);
    for (answer, kind) in [
        (reply(400, "{}"), FaultKind::Rejected),
        (reply(403, "{}"), FaultKind::Forbidden { missing }),
        (reply(404, "{}"), FaultKind::NotFound),
        (reply(500, "{}"), FaultKind::Server),
        (reply(200, "[]"), FaultKind::OutcomeUnknown),
        (reply(200, "{\"conversations\": [7]}"), FaultKind::OutcomeUnknown),
        (reply(200, vec![b' '; 1024 * 1024 + 1]), FaultKind::OutcomeUnknown),
        (reply_with(429, &[("retry-after", "7")], "{}"), FaultKind::RateLimited { retry_after: pause }),
    ] {
        stub.answers(answer);
        let fault = read(&client, 5).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(!fault.message.contains(CONVERSATION), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_in_time() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.request_timeout = Duration::from_millis(200);
    let client = Client::new(config).unwrap();
    stub.delay_ms.store(30_000, Ordering::Relaxed);
    let answer = tokio::time::timeout(Duration::from_secs(10), read(&client, 5)).await;
    assert_eq!(answer.expect("in time").unwrap_err().kind, FaultKind::OutcomeUnknown);
}
