//! How events reach a webhook: forms, signatures, repeats, and events on demand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use genesys_simulator::{
    AgentPresence, BodyFormat, JournalKind, JournalQuery, NewConversation, Signing, Trigger, TriggerKind,
    WebhookAdapter,
};
use http::HeaderMap;
use serde_json::{Value, json};
use support::{Receiver, Remote, SECRET, assert_same_shape, eventually, quick, sample};
use webhook_signature::{Scheme, WebhookSignature};

async fn with_format(format: BodyFormat) -> (Remote, Receiver) {
    let receiver = Receiver::start().await;
    let remote = Remote::start(quick().webhook(receiver.webhook().format(format))).await;
    (remote, receiver)
}

#[tokio::test]
async fn an_eventbridge_body_has_the_shape_of_its_samples() {
    let (remote, receiver) = with_format(BodyFormat::Eventbridge).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::Connected));
    remote.close_wrapper(made.conversation_id).await;
    receiver.until(2).await;
    let bodies: Vec<Value> = receiver.received().iter().map(support::Received::json).collect();
    for (topic, file) in [("customer.end", "customer-end"), ("user.end", "user-end-peer")] {
        let template = format!("v2.detail.events.conversation.{{id}}.{topic}");
        let body = bodies.iter().find(|body| body["detail-type"] == json!(template)).unwrap();
        assert_same_shape(&sample(&format!("eventbridge/{file}.json")), body, &[], topic);
        let real = format!("v2.detail.events.conversation.{}.{topic}", made.conversation_id);
        assert_eq!(body["detail"]["topicName"], json!(real));
    }
}

#[tokio::test]
async fn a_notification_has_the_shape_of_its_sample() {
    let (remote, receiver) = with_format(BodyFormat::GenesysNotification).await;
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    let body = receiver.until(1).await[0].json();
    assert_same_shape(&sample("notifications/detail-customer-end.json"), &body, &[], "notification");
    assert_eq!(body["eventBody"]["sessionId"], json!(made.communication_id));
    assert_eq!(body["eventBody"]["disconnectType"], "CLIENT");
}

#[tokio::test]
async fn a_wrap_up_is_told_with_its_after_call_work() {
    let (remote, receiver) = with_format(BodyFormat::GenesysNotification).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::WrapUp));
    let talk = remote.read(made.conversation_id).await.json();
    let agent = talk["participants"].as_array().unwrap().iter().find(|p| p["purpose"] == "agent").unwrap();
    let path = format!(
        "/api/v2/conversations/messages/{}/participants/{}",
        made.conversation_id,
        agent["id"].as_str().unwrap()
    );
    let body = json!({ "wrapup": { "code": "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06", "notes": "done" } });
    assert_eq!(remote.call(reqwest::Method::PATCH, &path, Some(body)).await.status, 202);
    let bodies: Vec<Value> = receiver.until(2).await.iter().map(support::Received::json).collect();
    for (topic, file) in [("wrapup", "detail-wrapup"), ("acw", "detail-acw")] {
        let name = format!("v2.detail.events.conversation.{}.{topic}", made.conversation_id);
        let body = bodies.iter().find(|body| body["topicName"] == json!(name)).unwrap();
        assert_same_shape(&sample(&format!("notifications/{file}.json")), body, &[], topic);
    }
}

#[tokio::test]
async fn the_queue_is_told_the_whole_conversation_when_asked_for() {
    let receiver = Receiver::start().await;
    let mut webhook = receiver.webhook().format(BodyFormat::GenesysNotification);
    webhook.queue_topic = true;
    let remote = Remote::start(quick().webhook(webhook)).await;
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    let bodies: Vec<Value> = receiver.until(2).await.iter().map(support::Received::json).collect();
    let whole = bodies.iter().find(|body| body["eventBody"]["participants"].is_array()).unwrap();
    let documented = sample("notifications/queue-conversation-messages-customer-disconnected.json");
    assert_same_shape(&documented, whole, &["peer"], "queue");
    assert_eq!(whole["eventBody"]["participants"][0]["state"], "disconnected");
}

#[tokio::test]
async fn a_cloud_event_is_structured() {
    let (remote, receiver) = with_format(BodyFormat::Cloudevents).await;
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    let received = receiver.until(1).await[0].clone();
    assert_eq!(received.headers["content-type"], "application/cloudevents+json");
    let body = received.json();
    assert_eq!((&body["specversion"], &body["subject"]), (&json!("1.0"), &json!(made.conversation_id)));
    assert_eq!(body["data"]["participantId"], json!(made.participant_id));
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_the_same_event() {
    let (remote, receiver) = with_format(BodyFormat::Closeout).await;
    receiver.answer_next(&[503, 500, 204]);
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    let told = receiver.until_about(made.participant_id, 3).await;
    assert!(told.iter().all(|body| *body == told[0]));
    let query = JournalQuery { kind: Some(JournalKind::Delivery), ..JournalQuery::default() };
    eventually("journaled", || async { remote.simulator.journal(&query).entries.len() == 3 }).await;
    let statuses: Vec<_> =
        remote.simulator.journal(&query).entries.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(503), Some(500), Some(204)]);
}

#[tokio::test]
async fn a_relay_gives_up_in_the_end() {
    let (remote, receiver) = with_format(BodyFormat::Closeout).await;
    receiver.answer_next(&[500; 9]);
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    eventually("given up", || async { remote.simulator.verdict().deliveries_given_up == 1 }).await;
    assert_eq!(receiver.about(made.participant_id).len(), 5);
}

#[tokio::test]
async fn a_receiver_that_refuses_is_not_asked_again() {
    let (remote, receiver) = with_format(BodyFormat::Closeout).await;
    receiver.answer_next(&[400]);
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    receiver.until_about(made.participant_id, 1).await;
    remote.close_wrapper(made.conversation_id).await;
    receiver.until(2).await;
    assert_eq!(receiver.about(made.participant_id).len(), 1);
    assert_eq!(remote.simulator.verdict().deliveries_given_up, 0);
}

#[tokio::test]
async fn each_scheme_is_signed_so_that_its_verifier_takes_it() {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr";
    let schemes = [
        (Signing::HubSha256Base64 { secret: SECRET.into() }, Scheme::HubSha256Base64, SECRET),
        (Signing::StandardWebhooks { secret: key.into() }, Scheme::StandardWebhooks, key),
        (Signing::Bearer { secret: SECRET.into() }, Scheme::Bearer, SECRET),
    ];
    for (signing, scheme, secret) in schemes {
        let receiver = Receiver::start().await;
        let webhook = WebhookAdapter::new("one", format!("http://{}/", receiver.address), signing);
        let remote = Remote::start(quick().webhook(webhook)).await;
        let made = remote.make(&NewConversation::default());
        remote.close_guest(&made).await;
        let received = receiver.until(1).await[0].clone();
        let hook = WebhookSignature::new(scheme.clone(), vec![secret.into()]).unwrap();
        let lines = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        assert!(hook.verify(lines, &received.body, signed_at(&received.headers)).is_ok(), "{scheme}");
    }
}

#[tokio::test]
async fn events_on_demand_are_genuine_or_not_as_asked() {
    let (remote, receiver) = with_format(BodyFormat::Closeout).await;
    let made = remote.make(&NewConversation::default());
    let on_demand =
        |kind| Trigger { conversation_id: Some(made.conversation_id), kind, ..Trigger::default() };
    assert!(
        remote.simulator.trigger(&on_demand(TriggerKind::Replayed)).await.is_err(),
        "nothing to replay yet"
    );
    for (kind, status) in [
        (TriggerKind::Genuine, 204),
        (TriggerKind::Replayed, 204),
        (TriggerKind::Forged, 401),
        (TriggerKind::Unsigned, 401),
        (TriggerKind::Altered, 401),
        (TriggerKind::Foreign, 204),
    ] {
        let results = remote.simulator.trigger(&on_demand(kind)).await.unwrap();
        assert_eq!(results[0].status, Some(status), "{kind:?}");
    }
    let received = receiver.received();
    assert_eq!(received[0].body, received[1].body, "a replay is the same byte for byte");
    assert_eq!(received[0].headers["x-hub-signature-256"], received[1].headers["x-hub-signature-256"]);
    assert_ne!(received[5].json()["conversationId"], json!(made.conversation_id));
    let verdict = remote.simulator.verdict();
    assert_eq!((verdict.forged_sent, verdict.deliveries), (3, 6));
    let journal = remote.simulator.journal(&JournalQuery::default()).entries;
    let told = journal.iter().filter(|entry| entry.kind == JournalKind::Delivery).map(|entry| entry.status);
    assert_eq!(told.collect::<Vec<_>>(), [204, 204, 401, 401, 401, 204].map(Some), "each is in the journal");
    assert!(remote.guest_is_connected(made.conversation_id), "an event on demand changes nothing");
}

/// Answers the time in the headers of Standard Webhooks, or 0 where there is none.
fn signed_at(headers: &HeaderMap) -> i64 {
    headers.get("webhook-timestamp").map_or(0, |value| value.to_str().unwrap().parse().unwrap())
}
