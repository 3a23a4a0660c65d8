//! The platform's API as a client meets it: answers, refusals, headers, quota.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use genesys_simulator::{
    AgentPresence, JournalQuery, NewConversation, OauthClient, Quota, RepeatedDisconnect, ServiceWrapUp,
    Simulator,
};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Remote, assert_same_shape, eventually, quick, read, sample};
use uuid::Uuid;

const WRAP_UP_CODE: &str = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06";

#[tokio::test]
async fn a_login_answers_as_documented() {
    let remote = Remote::start_logged_out(quick().client(OauthClient::new("c", "s"))).await;
    let form = "grant_type=client_credentials";
    let granted = remote.ask_for_token("c", "s", form).await;
    assert_eq!(granted.status, 200);
    assert_same_shape(&sample("rest/oauth-token-200.json"), &granted.json(), &[], "token");
    let unknown = remote.ask_for_token("x", "s", form).await;
    assert_eq!((unknown.status, unknown.json()), (400, sample("rest/oauth-token-400-unknown-client.json")));
    let wrong = remote.ask_for_token("c", "x", form).await;
    assert_eq!((wrong.status, wrong.json()), (401, sample("rest/oauth-token-401-bad-secret.json")));
    let other = remote.ask_for_token("c", "s", "grant_type=password").await;
    assert_eq!((other.status, other.json()["error"].clone()), (400, json!("unsupported_grant_type")));
}

#[tokio::test]
async fn a_refused_login_is_a_call_of_no_conversation() {
    let remote = Remote::start_logged_out(quick().client(OauthClient::new("c", "s"))).await;
    let made = remote.make(&NewConversation::default());
    assert_eq!(remote.ask_for_token("c", "x", "grant_type=client_credentials").await.status, 401);
    let entries = remote.simulator.journal(&JournalQuery::default()).entries;
    let [login] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((login.what.as_str(), login.status), ("POST /oauth/token", Some(401)));
    assert_eq!(login.conversation_id, None);
    assert_eq!(remote.simulator.verdict().calls, 0);
    assert_eq!(remote.simulator.conversation(made.conversation_id).unwrap()["calls"], 0);
}

#[tokio::test]
async fn the_reads_have_the_shape_of_their_samples() {
    let remote = Remote::start(quick().analytics_lag(Duration::ZERO)).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::Connected));
    let id = made.conversation_id;

    let connected = remote.read(id).await.json();
    assert_same_shape(&sample("rest/conversation-connected.json"), &connected, &[], "conversation");
    assert_eq!(connected.get("state"), None);
    assert_eq!(connected["participants"][0]["messages"][0]["id"], json!(made.communication_id));
    let messages = remote.get(&format!("/api/v2/conversations/messages/{id}")).await.json();
    assert_same_shape(&sample("rest/message-conversation-connected.json"), &messages, &["peer"], "messages");

    remote.close_guest(&made).await;
    remote.until_the_guest_is_gone(id).await;
    remote.close_wrapper(id).await;
    let ended = remote.read(id).await.json();
    assert_same_shape(&sample("rest/conversation-ended.json"), &ended, &[], "conversation");
    let record = remote.get(&format!("/api/v2/analytics/conversations/{id}/details")).await.json();
    assert_same_shape(&sample("rest/analytics-ended-after-transfer.json"), &record, &["peerId"], "record");
}

#[tokio::test]
async fn a_closed_participant_is_answered_with_202_and_gone_later() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let answer = remote.close_guest(&made).await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    remote.until_the_guest_is_gone(made.conversation_id).await;
    let talk = remote.read(made.conversation_id).await.json();
    assert_eq!(talk["participants"][0]["messages"][0]["disconnectType"], "client");
    assert_eq!(talk.get("endTime"), None, "the queue's leg keeps it open");
}

#[tokio::test]
async fn a_communication_is_closed_at_once_and_only_to_disconnected() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let path = format!(
        "/api/v2/conversations/messages/{}/participants/{}/communications/{}",
        made.conversation_id, made.participant_id, made.communication_id
    );
    let refused = remote.call(Method::PATCH, &path, Some(json!({ "state": "connected" }))).await;
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (400, json!("communication.state.required"))
    );
    let closed = remote.call(Method::PATCH, &path, Some(json!({ "state": "disconnected" }))).await;
    assert_eq!((closed.status, closed.json()), (200, json!({})));
    assert!(!remote.guest_is_connected(made.conversation_id));
}

#[tokio::test]
async fn the_three_ways_to_end_the_whole_answer_differently() {
    let remote = Remote::start(quick()).await;
    let patched = remote.make(&NewConversation::default()).conversation_id;
    let answer = remote.close_wrapper(patched).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["endTime"].is_string());

    let deleted = remote.make(&NewConversation::default()).conversation_id;
    let answer = remote.call(Method::DELETE, &format!("/api/v2/conversations/{deleted}"), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(remote.read(deleted).await.json()["endTime"].is_string());

    let torn = remote.make(&NewConversation::default().agent(AgentPresence::WrapUp)).conversation_id;
    let answer = remote.call(Method::POST, &format!("/api/v2/conversations/{torn}/disconnect"), None).await;
    assert_eq!(answer.status, 202);
    assert!(answer.json().is_string());
    eventually("torn down", || async { remote.read(torn).await.json()["endTime"].is_string() }).await;
}

#[tokio::test]
async fn an_owed_wrap_up_keeps_the_end_away_until_it_is_given() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default().agent(AgentPresence::WrapUp));
    let id = made.conversation_id;
    assert_eq!(remote.close_wrapper(id).await.json().get("endTime"), None);
    let talk = remote.read(id).await.json();
    let agent = talk["participants"].as_array().unwrap().iter().find(|p| p["purpose"] == "agent").unwrap();
    assert_eq!((&agent["wrapupRequired"], &agent["wrapupPrompt"]), (&json!(true), &json!("mandatory")));
    let (participant, leg) = (agent["id"].as_str().unwrap(), agent["messages"][0]["id"].as_str().unwrap());
    let path = format!("/api/v2/conversations/messages/{id}/participants/{participant}");
    let wrap_up = format!("{path}/communications/{leg}/wrapup");

    let empty = remote.call(Method::POST, &wrap_up, Some(json!({}))).await;
    assert_eq!(
        (empty.status, empty.json()["code"].clone()),
        (400, json!("conversation.error.wrapup.code.required"))
    );
    assert_eq!(remote.get(&wrap_up).await.status, 404);
    let given = remote.call(Method::POST, &wrap_up, Some(json!({ "code": WRAP_UP_CODE }))).await;
    assert_eq!((given.status, given.text.as_str()), (202, ""));
    assert_eq!(remote.get(&wrap_up).await.json()["code"], WRAP_UP_CODE);
    assert_eq!(remote.get(&format!("{path}/wrapupcodes")).await.json()[0]["id"], WRAP_UP_CODE);
    assert!(remote.read(id).await.json()["endTime"].is_string());
}

#[tokio::test]
async fn after_call_work_ends_when_its_time_is_up() {
    let remote = Remote::start(quick()).await;
    let wanted = NewConversation {
        wrap_up_required: true,
        wrap_up_timeout_ms: Some(60_000),
        ..NewConversation::default().agent(AgentPresence::Connected)
    };
    let id = remote.make(&wanted).conversation_id;
    assert_eq!(remote.close_wrapper(id).await.json().get("endTime"), None);
    remote.simulator.advance_clock(Duration::from_secs(61));
    eventually("timed out", || async { remote.read(id).await.json()["endTime"].is_string() }).await;
}

#[tokio::test]
async fn a_missing_wrap_up_can_block_the_close_of_the_whole() {
    let remote = Remote::start(quick()).await;
    let blocking = NewConversation { wrap_up_blocks: true, ..NewConversation::default() };
    let id = remote.make(&blocking.agent(AgentPresence::WrapUp)).conversation_id;
    let refused = remote.close_wrapper(id).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (400, &json!("conversation.error.wrapup.code.required"))
    );
}

#[tokio::test]
async fn a_service_may_not_be_allowed_to_wrap_up() {
    let remote = Remote::start(quick().service_wrap_up(ServiceWrapUp::Refused)).await;
    let made = remote.make(&NewConversation::default());
    let path = format!(
        "/api/v2/conversations/messages/{}/participants/{}",
        made.conversation_id, made.participant_id
    );
    let body = json!({ "wrapup": { "code": WRAP_UP_CODE } });
    assert_eq!(remote.call(Method::PATCH, &path, Some(body)).await.status, 403);
}

#[tokio::test]
async fn disconnecting_somebody_gone_is_answered_as_configured() {
    let answers = [
        (RepeatedDisconnect::BadRequest, 400),
        (RepeatedDisconnect::Accepted, 202),
        (RepeatedDisconnect::NotFound, 404),
        (RepeatedDisconnect::Conflict, 409),
    ];
    for (answer, status) in answers {
        let remote = Remote::start(quick().repeated_disconnect(answer)).await;
        let made = remote.make(&NewConversation::default());
        remote.close_guest(&made).await;
        remote.until_the_guest_is_gone(made.conversation_id).await;
        assert_eq!(remote.close_guest(&made).await.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let (id, nobody) = (made.conversation_id, Uuid::from_u128(1));
    let messages = format!("/api/v2/conversations/messages/{id}");
    let stranger = format!("{messages}/participants/{nobody}");
    let disconnect = || Some(json!({ "state": "disconnected" }));
    let large = Some(json!({ "state": "x".repeat(600_000) }));
    let cases = [
        (
            Method::GET,
            format!("/api/v2/conversations/{nobody}"),
            None,
            404,
            "conversation.error.conversation.not.found",
        ),
        (Method::PATCH, stranger, disconnect(), 404, "conversation.error.not.conversation.participant"),
        (Method::GET, "/api/v2/conversations/not-an-id".into(), None, 400, "bad.request"),
        (Method::GET, "/api/v2/elsewhere".into(), None, 404, "not.found"),
        (Method::PUT, messages.clone(), disconnect(), 405, "method.not.allowed"),
        (Method::PATCH, messages.clone(), Some(json!({ "state": "closed" })), 400, "invalid.value"),
        (Method::PATCH, messages.clone(), Some(json!(["no object"])), 400, "bad.request"),
        (Method::PATCH, messages.clone(), large, 413, "request.entity.too.large"),
        (Method::PATCH, messages.clone(), None, 415, "unsupported.media.type"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = remote.call(method.clone(), &path, body).await;
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["code"], &told["status"]),
            (status, &json!(code), &json!(status)),
            "{path}"
        );
        assert_eq!(
            told["contextId"],
            json!(answer.header("inin-correlation-id").unwrap()),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_told_why() {
    let remote = Remote::start(quick().token_lifetime(Duration::from_secs(600))).await;
    let url = format!("{}/api/v2/tokens/me", remote.base);
    let none = read(remote.http.get(&url)).await;
    assert_eq!((none.status, &none.json()["code"]), (401, &json!("authentication.required")));
    let unknown = read(remote.http.get(&url).bearer_auth("made-up")).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (401, &json!("bad.credentials")));
    assert_eq!(remote.get("/api/v2/tokens/me").await.status, 200);
    remote.simulator.advance_clock(Duration::from_secs(601));
    let expired = remote.get("/api/v2/tokens/me").await;
    assert_eq!((expired.status, &expired.json()["code"]), (401, &json!("credentials.expired")));
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let reader = OauthClient::new("r", "s").with_permissions(["conversation:communication:view"]);
    let mut remote = Remote::start_logged_out(quick().client(reader)).await;
    remote.token = remote.log_in("r", "s").await;
    let made = remote.make(&NewConversation::default());
    assert_eq!(remote.read(made.conversation_id).await.status, 200);
    let refused = remote.close_guest(&made).await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("missing.any.permissions")));
    assert!(refused.json()["message"].as_str().unwrap().contains("conversation:communication:disconnect"));
    assert!(remote.guest_is_connected(made.conversation_id));
}

#[tokio::test]
async fn the_quota_is_told_on_every_answer_and_holds() {
    let quota = Quota { requests: Some(3), window: Duration::from_secs(60) };
    let remote = Remote::start(Simulator::builder().quota(quota)).await;
    for count in ["1", "2", "3"] {
        let answer = remote.get("/api/v2/tokens/me").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("inin-ratelimit-count"), Some(count));
        assert_eq!(answer.header("inin-ratelimit-allowed"), Some("3"));
        assert!(answer.header("inin-ratelimit-reset").is_some());
    }
    let refused = remote.get("/api/v2/tokens/me").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too.many.requests.retry.after")));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(refused.json()["limit"]["value"], 3);
    remote.simulator.advance_clock(Duration::from_secs(wait));
    assert_eq!(remote.get("/api/v2/tokens/me").await.status, 200);
    assert_eq!(remote.simulator.verdict().rate_limited, 1);
}

#[tokio::test]
async fn each_token_has_a_quota_of_its_own() {
    let quota = Quota { requests: Some(1), window: Duration::from_secs(60) };
    let mut remote = Remote::start(Simulator::builder().quota(quota)).await;
    assert_eq!(remote.get("/api/v2/tokens/me").await.status, 200);
    assert_eq!(remote.get("/api/v2/tokens/me").await.status, 429);
    remote.token = remote.log_in("simulator-client", "simulator-secret").await;
    assert_eq!(remote.get("/api/v2/tokens/me").await.status, 200);
}

#[tokio::test]
async fn analytics_lag_behind_and_find_what_is_open() {
    let remote = Remote::start(quick().analytics_lag(Duration::from_secs(30))).await;
    let open = remote.make(&NewConversation::default()).conversation_id;
    let closed = remote.make(&NewConversation::default()).conversation_id;
    let mut query = sample("rest/request-analytics-open-web-messaging.json")["body"].clone();
    query["interval"] = json!("2000-01-01T00:00:00.000Z/2100-01-01T00:00:00.000Z");
    let path = "/api/v2/analytics/conversations/details/query";
    let hits = async || -> Vec<Value> {
        let answer = remote.call(Method::POST, path, Some(query.clone())).await.json();
        answer["conversations"].as_array().cloned().unwrap_or_default()
    };
    assert!(hits().await.is_empty(), "nothing shows before the lag is over");
    remote.simulator.advance_clock(Duration::from_secs(31));
    assert_eq!(hits().await.len(), 2);
    remote.close_wrapper(closed).await;
    assert_eq!(hits().await.len(), 2, "the close does not show yet");
    remote.simulator.advance_clock(Duration::from_secs(31));
    let left = hits().await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["conversationId"], json!(open));
}

#[tokio::test]
async fn analytics_page_and_filter_by_id() {
    let remote = Remote::start(quick().analytics_lag(Duration::ZERO)).await;
    let all = remote.simulator.create(&NewConversation::default().count(5)).unwrap();
    let path = "/api/v2/analytics/conversations/details/query";
    let interval = "2000-01-01T00:00:00.000Z/2100-01-01T00:00:00.000Z";
    let paged = json!({ "interval": interval, "paging": { "pageSize": 2, "pageNumber": 3 } });
    let answer = remote.call(Method::POST, path, Some(paged)).await.json();
    assert_eq!((&answer["totalHits"], answer["conversations"].as_array().unwrap().len()), (&json!(5), 1));
    let named: Vec<Value> = all[..2]
        .iter()
        .map(|made| json!({ "type": "dimension", "dimension": "conversationId", "value": made.conversation_id }))
        .collect();
    let filtered =
        json!({ "interval": interval, "conversationFilters": [{ "type": "or", "predicates": named }] });
    let answer = remote.call(Method::POST, path, Some(filtered)).await.json();
    assert_eq!(answer["totalHits"], 2);
    let missing = remote.call(Method::POST, path, Some(json!({}))).await;
    assert_eq!((missing.status, &missing.json()["code"]), (400, &json!("invalid.value")));
}

#[tokio::test]
async fn wrap_up_codes_are_listed_for_all_and_for_a_queue() {
    let remote = Remote::start(quick()).await;
    let queue = Uuid::from_u128(5);
    for path in
        ["/api/v2/routing/wrapupcodes".to_owned(), format!("/api/v2/routing/queues/{queue}/wrapupcodes")]
    {
        let listing = remote.get(&format!("{path}?pageSize=2&pageNumber=1")).await.json();
        assert_eq!(listing["entities"].as_array().unwrap().len(), 2, "{path}");
        assert_eq!((&listing["total"], &listing["pageCount"]), (&json!(3), &json!(2)));
    }
}

#[tokio::test]
async fn a_queue_can_have_codes_of_its_own_and_takes_no_others() {
    let remote = Remote::start(quick()).await;
    let (queue, own) = (Uuid::from_u128(5), Uuid::from_u128(6));
    let set = json!({ "codes": [{ "id": own, "name": "Sold" }] });
    let answer =
        remote.call(Method::PUT, &format!("/_sim/queues/{queue}/wrapupcodes"), Some(set.clone())).await;
    assert_eq!((answer.status, answer.json()), (200, set));
    let names = async |path: String| {
        let listing = remote.get(&path).await.json();
        let names = listing["entities"].as_array().unwrap().iter().map(|code| code["name"].clone());
        names.collect::<Vec<Value>>()
    };
    assert_eq!(names(format!("/api/v2/routing/queues/{queue}/wrapupcodes")).await, [json!("Sold")]);
    assert_eq!(names("/api/v2/routing/wrapupcodes".to_owned()).await.len(), 4);
    let other = Uuid::from_u128(7);
    assert_eq!(names(format!("/api/v2/routing/queues/{other}/wrapupcodes")).await.len(), 3);

    let wanted = NewConversation { queue: Some(queue), ..NewConversation::default() };
    let id = remote.make(&wanted.agent(AgentPresence::WrapUp)).conversation_id;
    let shown = remote.read(id).await.json();
    let agent = shown["participants"].as_array().unwrap().iter().find(|p| p["purpose"] == "agent").unwrap();
    assert_eq!(agent["queueId"], json!(queue));
    let (participant, leg) = (agent["id"].as_str().unwrap(), agent["messages"][0]["id"].as_str().unwrap());
    let path =
        format!("/api/v2/conversations/messages/{id}/participants/{participant}/communications/{leg}/wrapup");
    let give =
        async |code: String| remote.call(Method::POST, &path, Some(json!({ "code": code }))).await.status;
    assert_eq!(give(WRAP_UP_CODE.to_owned()).await, 400);
    assert_eq!(give(own.to_string()).await, 202);
}
