//! What a genuine webhook does.

use closure_machine::{ProofSource, Request as Call};
use http::StatusCode;

use crate::world::{
    CONVERSATION, GUEST, NOW, SECRET, SESSION, World, guest_left, hook, plain, signature, signed_by,
};

const END: &str = "v2.detail.events.conversation.{id}.customer.end";

fn eventbridge(detail: &str) -> String {
    format!(
        r#"{{"version": "0", "id": "58fb5dac-f077-4eec-a25f-c638dbdd4360", "detail-type": "{END}",
            "time": "2026-11-21T10:00:02Z", "detail": {detail}}}"#
    )
}

fn cloudevent(kind: &str, data: &str) -> String {
    format!(
        r#"{{"specversion": "1.0", "id": "ce-1", "source": "urn:relay", "type": "{kind}", "data": {data}}}"#
    )
}

/// The whole conversation as a queue's event tells it, with the guest in this state.
fn queue_event(state: &str) -> String {
    format!(
        r#"{{"topicName": "v2.routing.queues.9bfb36aa-cde3-4706-9744-70f0645754cf.conversations",
            "eventBody": {{"id": "{CONVERSATION}", "participants": [{{"id": "{GUEST}", "purpose": "customer",
            "messages": [{{"id": "{SESSION}", "state": "{state}"}}]}}]}}}}"#
    )
}

#[tokio::test]
async fn a_signed_webhook_closes_the_closure_and_is_its_evidence() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    let answer = world.post_signed(&eventbridge(&guest_left())).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
    let record = world.reaches(key, "closed").await;
    let by = record.confirmed_by.as_ref().unwrap();
    assert_eq!(by.kind, ProofSource::Webhook);
    assert_eq!(by.adapter.as_deref(), Some("signed"));
    assert_eq!(by.event_type.as_deref(), Some(END));
    assert_eq!(by.event_id.as_deref(), Some("58fb5dac-f077-4eec-a25f-c638dbdd4360"));
    let writes: Vec<Call> = world.calls().into_iter().filter(|call| call.is_write()).collect();
    assert!(matches!(writes[..], [Call::CloseParticipant(_), Call::CloseWrapper(_)]), "{writes:?}");
    let last = world.last();
    assert_eq!((last.result.name(), last.event_type.as_deref()), ("taken", Some(END)));
    assert_eq!(last.conversation, Some(CONVERSATION.parse().unwrap()));
}

#[tokio::test]
async fn the_guests_end_is_understood_in_every_form() {
    let bare = format!(
        r#"{{"eventTime": {NOW}000, "conversationId": "{CONVERSATION}", "participantId": "{GUEST}",
            "sessionId": "{SESSION}"}}"#
    );
    for body in [
        guest_left(),
        eventbridge(&guest_left()),
        eventbridge(&bare),
        cloudevent(END, &bare),
        cloudevent("relay.event", &guest_left()),
        cloudevent("relay.event", &eventbridge(&guest_left())),
        cloudevent("relay.event", &plain("e-1", "disconnected")),
        plain("e-1", "disconnected"),
        queue_event("disconnected"),
    ] {
        let world = World::begin().await;
        let key = world.closure_that_waits().await;
        assert_eq!(world.post_signed(&body).await.status, StatusCode::NO_CONTENT, "{body}");
        world.reaches(key, "closed").await;
        assert_eq!(world.results(), ["taken"], "{body}");
    }
}

#[tokio::test]
async fn what_ends_nothing_moves_nothing() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    let handed_on = guest_left().replace("CLIENT", "TRANSFER");
    let agent = guest_left().replace("customer.end", "user.end");
    for body in [
        handed_on.as_str(),
        agent.as_str(),
        &plain("e-1", "parked"),
        r#"{"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}"#,
    ] {
        assert_eq!(world.post_signed(body).await.status, StatusCode::NO_CONTENT, "{body}");
        assert_eq!(world.last().result.name(), "not_an_ending", "{body}");
    }
    for there in [queue_event("connected"), plain("e-2", "connected")] {
        assert_eq!(world.post_signed(&there).await.status, StatusCode::NO_CONTENT, "{there}");
        assert_eq!(world.last().result.name(), "nothing_new", "{there}");
    }
    assert_eq!(world.state(key).await, "awaiting_confirmation");
    assert_eq!(world.inbox().await.len(), 6, "all of them are remembered");
}

#[tokio::test]
async fn an_event_that_comes_before_its_command_is_kept_and_the_closure_still_verifies() {
    let world = World::begin().await;
    assert_eq!(world.post_signed(&guest_left()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.last().result.name(), "unmatched");
    assert_eq!(world.inbox().await[0].conversation, Some(CONVERSATION.parse().unwrap()));
    let key = world.closure_that_waits().await;
    assert_eq!(world.calls()[0], Call::Read);
    assert_eq!(world.state(key).await, "awaiting_confirmation");
}

#[tokio::test]
async fn an_event_of_another_organisation_never_matches() {
    let foreign = hook("foreign", "other", signature(&[SECRET]));
    let world = World::with(vec![foreign]).await;
    let key = world.closure_that_waits().await;
    let body = guest_left();
    let answer = world.post("foreign", &signed_by(&signature(&[SECRET]), &body), &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(world.last().result.name(), "unmatched");
    assert_eq!(world.state(key).await, "awaiting_confirmation");
    assert_eq!(world.inbox().await[0].organisation, "other");
}
