//! Each operation: the request that leaves, and the answers of API.md §1 and §4.

use std::time::Duration;

use axum::http::Method;
use genesys_client::{Client, Fault, FaultKind, QuotaConfig};
use genesys_types::{ConversationId, LegState};

use crate::stub::{COMMUNICATION, CONVERSATION, GUEST, Stub, permit, reply, reply_with, sample};

fn conversation() -> ConversationId {
    CONVERSATION.parse().unwrap()
}

async fn disconnect(client: &Client) -> Result<genesys_client::Answer<()>, Fault> {
    client.disconnect_participant(permit(client), conversation(), GUEST.parse().unwrap()).await
}

/// The request that a sample file describes.
fn expected(name: &str) -> (String, String, serde_json::Value) {
    let sample: serde_json::Value = serde_json::from_str(&sample(name)).unwrap();
    (
        sample["method"].as_str().unwrap().to_owned(),
        sample["path"].as_str().unwrap().to_owned(),
        sample["body"].clone(),
    )
}

#[tokio::test]
async fn a_conversation_is_read() {
    let stub = Stub::start().await;
    stub.answers(reply_with(
        200,
        &[("ININ-Correlation-Id", "corr-1"), ("content-type", "application/json")],
        sample("conversation-connected.json"),
    ));
    let client = stub.client();
    let answer = client.conversation(permit(&client), conversation()).await.unwrap();
    assert_eq!((answer.status, answer.correlation_id.as_deref()), (200, Some("corr-1")));
    assert_eq!(answer.value.guest_legs().next().unwrap().state, LegState::Connected);
    assert!(answer.took > Duration::ZERO);
    let asked = &stub.asked()[0];
    assert_eq!(
        (&asked.method, asked.path.as_str()),
        (&Method::GET, &*format!("/api/v2/conversations/{CONVERSATION}"))
    );
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("closeout/"));
    assert_eq!(asked.headers["authorization"], "Bearer canary-token-1");
    assert_eq!(asked.body.len(), 0);
}

#[tokio::test]
async fn every_write_leaves_as_its_sample_says() {
    let stub = Stub::start().await;
    let client = stub.client();
    let (guest, communication) = (GUEST.parse().unwrap(), COMMUNICATION.parse().unwrap());
    let agent = "a9e1d3f2-0b77-4c52-9d0f-6f6a5f0c7b02".parse().unwrap();
    let agent_leg = "11111111-aaaa-4aaa-8aaa-000000000002".parse().unwrap();
    let code = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06".parse().unwrap();
    stub.answers(reply(202, ""))
        .answers(reply(200, "{}"))
        .answers(reply(200, sample("conversation-ended.json")))
        .answers(reply(204, ""))
        .answers(reply(202, "\"accepted\""))
        .answers(reply(202, ""));
    let answer = client.disconnect_participant(permit(&client), conversation(), guest).await.unwrap();
    assert_eq!(answer.status, 202);
    let answer =
        client.disconnect_communication(permit(&client), conversation(), guest, communication).await.unwrap();
    assert_eq!(answer.status, 200);
    let answer = client.disconnect_conversation(permit(&client), conversation()).await.unwrap();
    assert!(answer.value.unwrap().ended_at.is_some());
    assert_eq!(client.delete_conversation(permit(&client), conversation()).await.unwrap().status, 204);
    assert_eq!(client.force_disconnect(permit(&client), conversation()).await.unwrap().status, 202);
    client
        .set_wrap_up(permit(&client), conversation(), agent, agent_leg, code, Some("closed by backend"))
        .await
        .unwrap();
    let asked = stub.asked();
    let samples = [
        "request-patch-participant-disconnect.json",
        "request-patch-communication-disconnect.json",
        "request-patch-conversation-disconnect.json",
        "request-delete-conversation.json",
        "request-post-conversation-disconnect.json",
        "request-post-communication-wrapup.json",
    ];
    assert_eq!(asked.len(), samples.len());
    for (asked, name) in asked.iter().zip(samples) {
        let (method, path, body) = expected(name);
        assert_eq!((asked.method.as_str(), asked.path.as_str()), (&*method, &*path), "{name}");
        let sent = serde_json::from_slice(&asked.body).unwrap_or(serde_json::Value::Null);
        assert_eq!(sent, body, "{name}");
        if !asked.body.is_empty() {
            assert_eq!(asked.headers["content-type"], "application/json");
        }
    }
}

#[tokio::test]
async fn skipping_a_wrap_up_says_only_that() {
    let stub = Stub::start().await;
    let client = stub.client();
    client.skip_wrap_up(permit(&client), conversation(), GUEST.parse().unwrap()).await.unwrap();
    let asked = &stub.asked()[0];
    assert_eq!(asked.path, format!("/api/v2/conversations/messages/{CONVERSATION}/participants/{GUEST}"));
    assert_eq!(&*asked.body, br#"{"wrapupSkipped":true}"#);
}

#[tokio::test]
async fn closing_the_wrapper_may_be_answered_by_nothing() {
    let stub = Stub::start().await;
    let client = stub.client();
    for (status, body) in [(200, "{}"), (202, ""), (204, ""), (200, "OK")] {
        stub.answers(reply(status, body));
        let answer = client.disconnect_conversation(permit(&client), conversation()).await.unwrap();
        assert_eq!((answer.status, answer.value), (status, None), "{status} {body}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_facts() {
    let stub = Stub::start().await;
    let client = stub.client();
    let forbidden = FaultKind::Forbidden { missing: Some("conversation:communication:disconnect".into()) };
    for (status, name, kind) in [
        (400, "error-400-wrapup-code-required.json", FaultKind::WrapUpRequired),
        (400, "error-400-no-active-conversations.json", FaultKind::Rejected),
        (403, "error-403-missing-any-permissions.json", forbidden),
        (404, "error-404-conversation-not-found.json", FaultKind::NotFound),
        (409, "error-409-conflict.json", FaultKind::Conflict),
        (503, "error-503-service-unavailable.json", FaultKind::Server),
    ] {
        stub.answers(reply_with(status, &[("inin-correlation-id", "from-header")], sample(name)));
        let fault = disconnect(&client).await.unwrap_err();
        assert_eq!((fault.kind, fault.status), (kind, Some(status)), "{name}");
        assert_eq!(fault.correlation_id.as_deref(), Some("from-header"));
    }
    assert_eq!(stub.asked().len(), 6, "no refusal is repeated");
}

#[tokio::test]
async fn a_429_pauses_the_whole_organisation() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply_with(429, &[("Retry-After", "12")], "{}"));
    let fault = disconnect(&client).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::RateLimited { retry_after: Duration::from_secs(12) });
    let paused = client.quota().paused().unwrap();
    assert!(paused > Duration::from_secs(11) && paused < Duration::from_secs(15), "{paused:?}");
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn the_headers_of_any_answer_correct_the_quota() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.quota = QuotaConfig::default();
    let client = Client::new(config).unwrap();
    let rate =
        [("inin-ratelimit-count", "120"), ("inin-ratelimit-allowed", "200"), ("inin-ratelimit-reset", "30")];
    stub.answers(reply_with(404, &rate, sample("error-404-conversation-not-found.json")));
    disconnect(&client).await.unwrap_err();
    assert_eq!(client.quota().remaining(), Some(80));
    assert_eq!(client.quota().in_flight(), 0);
}

#[tokio::test]
async fn whoami_tells_to_whom_the_token_belongs() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(
        200,
        r#"{"organization": {"id": "o-1", "name": "Shop"}, "OAuthClient": {"id": "c-1", "name": "closeout"}, "authorizedScope": []}"#,
    ));
    let identity = client.whoami().await.unwrap().value;
    assert_eq!(identity.organisation_name.as_deref(), Some("Shop"));
    assert_eq!(identity.oauth_client_id.as_deref(), Some("c-1"));
    assert_eq!(stub.asked()[0].path, "/api/v2/tokens/me");
}

#[tokio::test]
async fn a_base_address_with_a_path_is_kept() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.region = config.region.with_api_base_url(&format!("{}/genesys/", stub.address)).unwrap();
    let client = Client::new(config).unwrap();
    disconnect(&client).await.unwrap();
    assert!(stub.asked()[0].path.starts_with("/genesys/api/v2/conversations/messages/"));
}
