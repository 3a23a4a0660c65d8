//! What holds for the routes of every dialect: they are there when asked for, and behind the platform's own door.

use std::time::Duration;

use genesys_simulator::{
    ChaosSpec, Dialect, FaultRule, JournalKind, JournalQuery, NewConversation, OauthClient, Preset, Quota,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Remote, eventually, quick, read};
use crate::{call, page, speaking, speaking_of_one};

/// Each route with a body that it takes; `C`, `P` and `S` stand for the ids.
fn routes() -> Vec<(Dialect, Method, &'static str, Option<Value>)> {
    let closed = || Some(json!({ "state": "closed" }));
    let status = || Some(json!({ "status": "closed" }));
    let query = Some(json!({ "participants": [{ "externalId": "x" }] }));
    vec![
        (
            Dialect::WebmessagingParticipantEnd,
            Method::POST,
            "webmessaging/C/participants/P/end",
            Some(json!({ "ended": true, "endedReason": "agent" })),
        ),
        (Dialect::WebmessagingParticipantEnd, Method::PATCH, "messaging/C", closed()),
        (Dialect::WebmessagingParticipantEnd, Method::DELETE, "webmessaging/C", None),
        (Dialect::WebchatParticipants, Method::POST, "webchat/C/participants/P", status()),
        (Dialect::WebchatParticipants, Method::PATCH, "webchat/C", status()),
        (Dialect::WebmessagingSessions, Method::POST, "query", query),
        (Dialect::WebmessagingSessions, Method::GET, "webmessaging/C", None),
        (Dialect::WebmessagingSessions, Method::PATCH, "webmessaging/C/sessions/S", closed()),
        (Dialect::MessagingVersionedPut, Method::GET, "messaging/C", None),
        (Dialect::MessagingVersionedPut, Method::PUT, "messaging/C", closed()),
        (Dialect::MessagingVersionedPut, Method::POST, "messaging/C", Some(json!({ "action": "close" }))),
        (Dialect::ConversationPost, Method::POST, "C", Some(json!({}))),
    ]
}

/// The path of a route with the ids of a new conversation.
fn path_in(remote: &Remote, route: &str) -> String {
    let made = remote.make(&NewConversation::default());
    let word = |part: &str| match part {
        "C" => made.conversation_id.to_string(),
        "P" => made.participant_id.to_string(),
        "S" => made.communication_id.to_string(),
        other => other.to_owned(),
    };
    route.split('/').map(word).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn a_route_is_there_only_in_its_own_dialect() {
    for dialect in [None].into_iter().chain(Dialect::ALL.map(Some)) {
        let builder = dialect.map_or_else(quick, |dialect| quick().dialect(dialect));
        let remote = Remote::start(builder).await;
        for (own, method, route, body) in routes() {
            let status = call(&remote, method.clone(), &path_in(&remote, route), body).await.status;
            let there = !matches!(status, 400 | 404 | 405) || (dialect == Some(own) && status == 400);
            assert_eq!(there, dialect == Some(own), "{method} {route} in {dialect:?}: {status}");
            // Two of the paths fit the platform's own `{conversationId}`, which takes no POST.
            if dialect.is_none() {
                let expected = if matches!(route, "C" | "query") { 405 } else { 404 };
                assert_eq!(status, expected, "{method} {route}");
            }
        }
    }
}

#[tokio::test]
async fn the_control_tells_which_dialect_is_spoken() {
    let plain = Remote::start(quick()).await;
    assert_eq!(plain.get("/_sim").await.json()["dialect"], "platform");
    for dialect in Dialect::ALL {
        let (remote, _receiver) = speaking(dialect).await;
        assert_eq!(remote.get("/_sim").await.json()["dialect"], dialect.name());
    }
}

#[tokio::test]
async fn the_platform_stays_as_it_is_beside_each_dialect() {
    for dialect in Dialect::ALL {
        let (remote, receiver, made) = speaking_of_one(dialect).await;
        assert_eq!(remote.close_guest(&made).await.status, 202);
        receiver.until_about(made.participant_id, 1).await;
        assert_eq!(remote.close_wrapper(made.conversation_id).await.status, 200);
        assert!(remote.read(made.conversation_id).await.json()["endTime"].is_string());
        assert_eq!(page(&remote, made.conversation_id).await, "disconnected");
        let put = call(&remote, Method::PUT, &made.conversation_id.to_string(), Some(json!({}))).await;
        assert_eq!(put.status, 405);
        assert!(remote.simulator.verdict().clean);
    }
}

#[tokio::test]
async fn every_route_asks_for_a_token_and_for_a_permission() {
    for (dialect, method, route, body) in routes() {
        let stranger = OauthClient::new("c", "s").with_permissions(["routing:queue:view"]);
        let mut remote = Remote::start_logged_out(quick().dialect(dialect).client(stranger)).await;
        let path = path_in(&remote, route);
        let url = format!("{}/api/v2/conversations/{path}", remote.base);
        let nobody = read(remote.http.request(method.clone(), &url)).await;
        assert_eq!((nobody.status, &nobody.json()["code"]), (401, &json!("authentication.required")));
        remote.token = remote.log_in("c", "s").await;
        let refused = call(&remote, method.clone(), &path, body).await;
        let told = refused.json();
        assert_eq!(
            (refused.status, &told["code"]),
            (403, &json!("missing.any.permissions")),
            "{method} {route}"
        );
        assert_eq!(told["contextId"], refused.header("inin-correlation-id").unwrap());
        assert!(told["messageParams"]["permissions"].as_str().unwrap().contains("conversation:"), "{told}");
    }
}

#[tokio::test]
async fn every_route_answers_a_wrong_id_and_an_unknown_conversation_as_the_platform_does() {
    let nobody = "00000000-0000-4000-8000-000000000001";
    for (dialect, method, route, body) in routes().into_iter().filter(|(_, _, route, _)| *route != "query") {
        let remote = Remote::start(quick().dialect(dialect)).await;
        let with = |id: &str| {
            let word = |part: &str| if part.len() == 1 { id.to_owned() } else { part.to_owned() };
            route.split('/').map(word).collect::<Vec<_>>().join("/")
        };
        let body = if method == Method::PUT {
            Some(json!({ "state": "closed", "version": 1, "wrapUpCodeName": "Resolved" }))
        } else {
            body
        };
        let unknown = call(&remote, method.clone(), &with(nobody), body.clone()).await;
        let code = json!("conversation.error.conversation.not.found");
        assert_eq!((unknown.status, &unknown.json()["code"]), (404, &code), "{method} {route}");
        let wrong = call(&remote, method.clone(), &with("not-an-id"), body).await;
        assert_eq!(wrong.status, 400, "{method} {route}");
    }
}

#[tokio::test]
async fn a_dialects_calls_count_in_the_quota_and_in_the_journal() {
    let quota = Quota { requests: Some(2), window: Duration::from_secs(60) };
    let remote = Remote::start(quick().dialect(Dialect::MessagingVersionedPut).quota(quota)).await;
    let made = remote.make(&NewConversation::default());
    let path = format!("messaging/{}", made.conversation_id);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = call(&remote, Method::GET, &path, None).await;
        assert_eq!(answer.header("inin-ratelimit-allowed"), Some("2"));
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    let query = JournalQuery { conversation_id: Some(made.conversation_id), ..JournalQuery::default() };
    let calls = remote.simulator.journal(&query).entries;
    assert!(calls.iter().all(|entry| entry.kind == JournalKind::Call), "{calls:?}");
    assert_eq!(calls.iter().map(|entry| entry.status).collect::<Vec<_>>(), [Some(200), Some(200), Some(429)]);
    assert!(calls[0].what.ends_with(&path));
    assert_eq!(remote.simulator.verdict().rate_limited, 1);
}

#[tokio::test]
async fn faults_strike_a_dialects_calls_too() {
    let chaos = ChaosSpec::none().with(FaultRule::new(Preset::ConflictStorm).times(1));
    let remote = Remote::start(quick().dialect(Dialect::WebchatParticipants).chaos(chaos)).await;
    let made = remote.make(&NewConversation::default());
    let path = format!("webchat/{}/participants/{}", made.conversation_id, made.participant_id);
    let body = || Some(json!({ "status": "closed" }));
    assert_eq!(call(&remote, Method::POST, &path, body()).await.status, 409);
    remote.read(made.conversation_id).await;
    assert_eq!(call(&remote, Method::POST, &path, body()).await.status, 202);
    remote.until_the_guest_is_gone(made.conversation_id).await;

    let chaos = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(1));
    let remote = Remote::start(quick().dialect(Dialect::WebmessagingSessions).chaos(chaos)).await;
    let made = remote.make(&NewConversation::default());
    let path = format!("webmessaging/{}/sessions/{}", made.conversation_id, made.communication_id);
    let body = || Some(json!({ "state": "closed" }));
    assert_eq!(call(&remote, Method::PATCH, &path, body()).await.status, 204);
    assert_eq!(page(&remote, made.conversation_id).await, "connected");
    remote.read(made.conversation_id).await;
    assert_eq!(call(&remote, Method::PATCH, &path, body()).await.status, 204);
    eventually("over", || async { page(&remote, made.conversation_id).await == "disconnected" }).await;
}
