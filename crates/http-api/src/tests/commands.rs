//! `POST /v1/closures`.

use axum::body::Body;
use closure_machine::{Policy, Reply};
use orchestrator::{CallFacts, Outcome};
use serde_json::{Value, json};

use super::world::{Truth, World, request};

#[tokio::test(start_paused = true)]
async fn a_close_that_ends_within_the_wait_is_answered_with_its_proof() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let body = json!({
        "conversationId": conversation, "reason": "order_completed", "labels": { "team": "checkout" },
        "policy": { "deadline": "PT3M" },
    });
    let answer = world.post("/v1/closures?wait=30s", body).await;
    let mut closure = answer.ok(200);
    let id = closure["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/v1/closures/{id}"));
    assert_eq!(answer.header("etag"), format!("\"{}\"", closure["version"]));
    let timings = closure["timings"].take();
    for moment in ["acceptedAt", "participantClosedAt", "confirmedAt", "closedAt", "endedAt"] {
        let text = timings[moment].as_str().unwrap();
        assert!(text.len() == 24 && text.starts_with("2026-11-21T09:15:0") && text.ends_with('Z'), "{text}");
    }
    assert_eq!(
        closure,
        json!({
            "id": id, "organisation": "main", "conversationId": conversation,
            "participantId": "2f7b0010-0000-0000-0000-000000000001",
            "state": "closed", "outcome": "closed", "reason": null, "attached": false, "waitSatisfied": true,
            "confirmedBy": {
                "kind": "webhook", "adapter": "eventbridge",
                "eventType": "v2.detail.events.conversation.{id}.customer.end",
                "eventId": format!("event-of-{conversation}"), "receivedAt": timings["confirmedAt"],
            },
            "attempts": 1, "apiCalls": 3, "nextWakeAt": null, "waitingFor": null, "wrapUp": "not_required", "timings": null,
            "version": 5, "source": "http", "requestReason": "order_completed",
            "policy": { "deadline": "PT3M" }, "labels": { "team": "checkout" },
            "effectivePolicy": {
                "evidence": "webhook_or_read_back", "order": "guest_first", "agentConnected": "refuse",
                "wrapperClose": "patch", "wrapUp": "none", "deadline": "PT3M", "confirmWithin": "PT20S",
                "giveUpAfter": "PT72H", "guestReturns": "never",
            },
            "genesysPage": format!("https://apps.example/{conversation}"),
            "links": {
                "self": format!("/v1/closures/{id}"), "timeline": format!("/v1/closures/{id}/timeline"),
                "explain": format!("/v1/closures/{id}/explain"),
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_the_answer_is_202_and_says_where_to_look() {
    let world = World::new().await;
    let answer = world.post("/v1/closures", json!({ "conversationId": world.conversation(1) })).await;
    let closure = answer.ok(202);
    assert_eq!(closure["waitSatisfied"], Value::Null);
    assert_eq!(closure["outcome"], Value::Null);
    let found = world.get(answer.header("location")).await.ok(200);
    assert_eq!(found["id"], closure["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_short_is_answered_202() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let body = json!({ "conversationId": world.conversation(1), "policy": { "evidence": "webhook_only" } });
    for (path, headers) in [("/v1/closures?wait=5s", &[][..]), ("/v1/closures", &[("prefer", "wait=5")])] {
        let closure = world.post_as("admin", path, body.clone(), headers).await.ok(202);
        assert_eq!(
            (&closure["waitSatisfied"], &closure["state"]),
            (&json!(false), &json!("awaiting_confirmation"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_key_is_answered_with_the_same_closure() {
    let world = World::new().await;
    let key = [("idempotency-key", "order-8812")];
    let body = json!({ "conversationId": world.conversation(1), "labels": { "a": "1", "b": "2" } });
    let first = world.post_as("submit", "/v1/closures?wait=30s", body.clone(), &key).await.ok(200);
    let same = json!({ "labels": { "b": "2", "a": "1" }, "conversationId": world.conversation(1), "notBefore": null });
    let again = world.post_as("submit", "/v1/closures", same, &key).await.ok(200);
    assert_eq!((&again["id"], &again["state"]), (&first["id"], &json!("closed")));

    let other = json!({ "conversationId": world.conversation(2) });
    world.post_as("submit", "/v1/closures", other.clone(), &key).await.problem(422, "idempotency_key_reused");
    let of_another_producer = world.post_as("operate", "/v1/closures", other, &key).await.ok(202);
    assert_ne!(of_another_producer["id"], first["id"]);
}

/// A producer that repeats itself does so within another trace.
#[tokio::test(start_paused = true)]
async fn the_trace_is_kept_and_is_no_part_of_the_command() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1) });
    let trace = |span: char| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{span}-01");
    let mut ids = Vec::new();
    for span in ['1', '2'] {
        let headers = [("idempotency-key", "order-8812"), ("traceparent", &trace(span))];
        let answer = world.post_as("submit", "/v1/closures", body.clone(), &headers).await;
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(world.trace_of(&ids[0]).await, Some(trace('1')));

    let body = json!({ "conversationId": world.conversation(2) });
    for wrong in
        [&[("traceparent", "00-1-2-01")][..], &[("traceparent", &trace('1')), ("traceparent", &trace('2'))]]
    {
        let closure = world.post_as("submit", "/v1/closures", body.clone(), wrong).await.ok(202);
        assert_eq!(world.trace_of(closure["id"].as_str().unwrap()).await, None, "{wrong:?}");
    }
}

/// No command is "in progress": what is not committed has not been taken, and the first commit answers for all.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_twice_at_once_is_answered_with_one_closure() {
    let world = World::new().await;
    let key = [("idempotency-key", "order-8812")];
    let body = json!({ "conversationId": world.conversation(1) });
    let ask = || world.post_as("submit", "/v1/closures", body.clone(), &key);
    let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
    let statuses = answers.iter().filter(|answer| answer.status == 202).count();
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.json()["id"].to_string()).collect();
    assert_eq!((statuses, ids.len()), (1, 1), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_no_key_is_refused() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1) });
    for key in ["", "with space", "\u{e4}", &"x".repeat(256)] {
        let answer = world.post_as("submit", "/v1/closures", body.clone(), &[("idempotency-key", key)]).await;
        assert_eq!(answer.problem(400, "invalid_header")["field"], "Idempotency-Key", "{key}");
    }
    let longest = "x".repeat(255);
    world.post_as("submit", "/v1/closures", body, &[("idempotency-key", &longest)]).await.ok(202);
}

#[tokio::test(start_paused = true)]
async fn a_second_command_joins_the_open_closure_unless_it_contradicts() {
    let world = World::new().await;
    *world.remote.mute.lock().unwrap() = true;
    let conversation = world.conversation(1);
    let first = world.submit(&conversation).await;
    let second = world.post("/v1/closures", json!({ "conversationId": conversation })).await.ok(202);
    assert_eq!((&second["id"], &second["attached"]), (&json!(first), &json!(true)));
    let third = json!({ "conversationId": conversation, "policy": { "order": "conversation_first" } });
    let problem = world.post("/v1/closures", third).await.problem(409, "contradicting_options");
    assert_eq!((&problem["closure"], &problem["field"]), (&json!(first), &json!("policy.order")));
    assert!(problem["detail"].as_str().unwrap().contains("another policy.order"), "{problem}");
    world.until(&first, "awaiting_confirmation").await;
    let other =
        json!({ "conversationId": conversation, "participantId": "5f7bf00a-0fc2-4d6a-9b56-92238191433e" });
    let problem = world.post("/v1/closures", other).await.problem(409, "contradicting_options");
    assert_eq!(problem["field"], "participantId");
}

#[tokio::test(start_paused = true)]
async fn a_failed_end_says_why_and_what_to_do() {
    let world = World::new().await;
    let conversation = world.conversation_with(1, Truth { agent: true, ..Truth::default() });
    let closure =
        world.post("/v1/closures?wait=30s", json!({ "conversationId": conversation })).await.ok(200);
    assert_eq!((&closure["state"], &closure["reason"]), (&json!("failed"), &json!("agent_connected")));
    let problem = &closure["problem"];
    assert_eq!(problem["code"], "agent_connected");
    assert_eq!(problem["retryable"], false);
    assert!(problem["detail"].as_str().unwrap().contains("an agent is connected"), "{problem}");
    assert!(problem["fix"].as_str().unwrap().contains("closeout close"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn what_genesys_refused_stands_beside_the_state() {
    let world = World::new().await;
    world.remote.instead.lock().unwrap().push_back(Outcome {
        reply: Reply::Forbidden(Some("conversation:communication:view".into())),
        facts: CallFacts {
            status: Some(403),
            code: Some("missing.permissions".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            ..CallFacts::default()
        },
    });
    let id = world.submit(&world.conversation(1)).await;
    let closure = world.until(&id, "blocked").await;
    assert_eq!(closure["reason"], "permission");
    assert_eq!(
        closure["problem"]["genesys"],
        json!({ "status": 403, "code": "missing.permissions", "correlationId": "c-1" })
    );
    assert!(closure["problem"]["fix"].as_str().unwrap().contains("conversation:communication:view"));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_be_done_and_keeps_nothing() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let plan =
        world.post("/v1/closures", json!({ "conversationId": conversation, "dryRun": true })).await.ok(200);
    let guest = "2f7b0010-0000-0000-0000-000000000001";
    assert_eq!(plan["dryRun"], true);
    assert_eq!((&plan["policy"], &plan["effectivePolicy"]["order"]), (&json!({}), &json!("guest_first")));
    assert_eq!(plan["participantIds"], json!([guest]));
    assert_eq!((&plan["state"], &plan["reason"]), (&json!("closed"), &Value::Null));
    let calls: Vec<_> =
        plan["calls"].as_array().unwrap().iter().map(|call| call["http"].as_str().unwrap()).collect();
    assert_eq!(
        calls,
        [
            format!("GET /api/v2/conversations/{conversation}"),
            format!("PATCH /api/v2/conversations/messages/{conversation}/participants/{guest}"),
            format!("PATCH /api/v2/conversations/messages/{conversation}"),
        ]
    );
    assert!(plan["guards"].as_array().unwrap().iter().all(|guard| guard["holds"] == true), "{plan}");
    assert_eq!(world.get("/v1/closures").await.ok(200)["items"], json!([]));
    assert!(!world.remote.truth.lock().unwrap().values().any(|truth| truth.guest_left || truth.ended));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_names_what_stands_in_the_way() {
    let world = World::new().await;
    let failing = |plan: &Value| -> Vec<String> {
        let guards = plan["guards"].as_array().unwrap().iter();
        guards
            .filter(|guard| guard["holds"] == false)
            .map(|guard| guard["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let plan = |conversation: String| {
        let world = &world;
        async move { world.post("/v1/closures", json!({ "conversationId": conversation, "dryRun": true })).await }
    };
    let agent = plan(world.conversation_with(1, Truth { agent: true, ..Truth::default() })).await.ok(200);
    assert_eq!((failing(&agent), &agent["state"]), (vec!["agent".to_owned()], &json!("failed")));

    let ended = plan(world.conversation_with(2, Truth { ended: true, ..Truth::default() })).await.ok(200);
    assert_eq!((&ended["state"], ended["calls"].as_array().unwrap().len()), (&json!("already_closed"), 1));

    let unknown = plan("2f7bf00a-0fc2-4d6a-9b56-92238191433e".to_owned()).await.ok(200);
    assert_eq!(failing(&unknown), ["conversation_found"]);
    assert_eq!((&unknown["state"], &unknown["reason"]), (&json!("failed"), &json!("not_found")));

    *world.remote.mute.lock().unwrap() = true;
    let open = world.conversation(3);
    let id = world.submit(&open).await;
    let joining = plan(open).await.ok(200);
    assert_eq!((&joining["joins"], failing(&joining)), (&json!(id), vec!["no_open_closure".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_genesys_does_not_allow_says_what_it_answered() {
    let world = World::new().await;
    world.remote.instead.lock().unwrap().push_back(Outcome {
        reply: Reply::Failed,
        facts: CallFacts {
            status: Some(503),
            correlation_id: Some("c-2".to_owned()),
            ..CallFacts::default()
        },
    });
    let body = json!({ "conversationId": world.conversation(1), "dryRun": true });
    let problem = world.post("/v1/closures", body).await.problem(502, "genesys_refused");
    assert_eq!(problem["genesys"], json!({ "status": 503, "code": null, "correlationId": "c-2" }));

    for (reply, why, code, retryable) in [
        (Reply::NotSent, "connection refused", "genesys_unreachable", true),
        (Reply::Unauthenticated, "the OAuth client's secret is wrong", "genesys_credential", false),
        (Reply::Forbidden(None), "You are missing a permission", "genesys_permission", false),
    ] {
        let facts = CallFacts { message: Some(why.to_owned()), ..CallFacts::default() };
        world.remote.instead.lock().unwrap().push_back(Outcome { reply, facts });
        let body = json!({ "conversationId": world.conversation(1), "dryRun": true });
        let problem = world.post("/v1/closures", body).await.problem(502, code);
        assert_eq!((&problem["retryable"], &problem["genesys"]), (&json!(retryable), &Value::Null));
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_finds_no_call_says_which_of_three_is_in_the_way() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1), "dryRun": true });
    *world.remote.used_up.lock().unwrap() = true;
    let busy = world.post("/v1/closures", body.clone()).await;
    assert!(busy.problem(503, "no_quota")["detail"].as_str().unwrap().contains("quota"));
    assert_eq!(busy.header("retry-after"), "5");
    *world.remote.used_up.lock().unwrap() = false;

    let outcome = Outcome { reply: Reply::Unauthenticated, facts: CallFacts::default() };
    world.remote.instead.lock().unwrap().push_back(outcome);
    let blocked = world.submit(&world.conversation(2)).await;
    world.until(&blocked, "blocked").await;
    let answer = world.post("/v1/closures", body.clone()).await;
    let problem = answer.problem(503, "organisation_blocked");
    assert!(problem["detail"].as_str().unwrap().contains("does not accept the credential"), "{problem}");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 5, "{answer:?}");

    world.post("/v1/outgoing/pause", Value::Null).await.ok(200);
    let paused = world.post("/v1/closures", body).await;
    assert!(paused.problem(503, "organisation_paused")["fix"].as_str().unwrap().contains("outgoing resume"));
    assert!(!paused.headers.contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_used_is_refused_before_anything_is_kept() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    let good = format!("{{\"conversationId\":\"{conversation}\"}}");
    let padded = format!("{{\"conversationId\":\"{conversation}\",\"reason\":\"{}\"}}", "x".repeat(70_000));
    let twice = format!("{{\"conversationId\":\"{conversation}\",\"conversationId\":\"{conversation}\"}}");
    let json = "application/json";
    let gzip = Some(("content-encoding", "gzip"));
    let cases = [
        (good.as_str(), "text/plain", None, 415, "unsupported_media_type"),
        (&good, "application/json; charset=utf-16", None, 415, "unsupported_media_type"),
        (&good, json, gzip, 415, "unsupported_media_type"),
        (&padded, json, None, 413, "body_too_large"),
        ("", json, None, 400, "invalid_json"),
        ("{", json, None, 400, "invalid_json"),
        (&twice, json, None, 400, "invalid_json"),
        ("[]", json, None, 422, "invalid_field"),
        ("{\"conversationId\":\"x\"}", json, None, 422, "invalid_field"),
        ("{\"conversation\":\"x\"}", json, None, 422, "invalid_field"),
        ("{\"target\":{}}", json, None, 422, "invalid_field"),
        ("{}", json, None, 422, "invalid_field"),
    ];
    for (body, kind, more, status, code) in cases {
        let mut headers = vec![("content-type", kind)];
        headers.extend(more);
        let request = request("POST", "submit", "/v1/closures", &headers, Body::from(body.to_owned()));
        world.send(request).await.problem(status, code);
    }
    // Twenty chunks of 4 KiB, of a length that is not said before.
    let chunk = |_| Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b' '; 4_096]));
    let streamed = Body::from_stream(futures_util::stream::iter((0..20).map(chunk)));
    let request = request("POST", "submit", "/v1/closures", &[], streamed);
    world.send(request).await.problem(413, "body_too_large");
    assert_eq!(world.get("/v1/closures").await.ok(200)["items"], json!([]));
    let with_charset = [("content-type", "Application/JSON; charset=utf-8")];
    let request = super::world::request("POST", "submit", "/v1/closures", &with_charset, Body::from(good));
    world.send(request).await.ok(202);
}

#[tokio::test(start_paused = true)]
async fn too_many_open_closures_are_refused_with_a_time() {
    let world = World::with(Policy::default(), 1).await;
    *world.remote.mute.lock().unwrap() = true;
    world.submit(&world.conversation(1)).await;
    let answer = world.post("/v1/closures", json!({ "conversationId": world.conversation(2) })).await;
    assert_eq!(answer.problem(429, "too_many_open")["retryable"], true);
    assert_eq!(answer.header("retry-after"), "30");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_and_a_stopping_service_ask_to_come_back() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1) });
    world.store.set_unavailable(true);
    let answer = world.post("/v1/closures", body.clone()).await;
    answer.problem(503, "store_unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    world.store.set_unavailable(false);
    world.orchestrator.stop(std::time::Duration::from_secs(1)).await;
    let answer = world.post("/v1/closures", body).await;
    answer.problem(503, "stopping");
    assert_eq!(answer.header("retry-after"), "10");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_that_the_key_is_not_for_is_unknown() {
    let world = World::new().await;
    let body = json!({ "conversationId": world.conversation(1), "organisation": "other" });
    let problem =
        world.post_as("submit", "/v1/closures", body, &[]).await.problem(422, "unknown_organisation");
    assert_eq!(problem["field"], "organisation");
}
