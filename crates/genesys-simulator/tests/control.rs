//! The control under `/_sim`, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use genesys_simulator::NewConversation;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Receiver, Remote, SECRET, eventually, quick, read};

#[tokio::test]
async fn an_empty_request_makes_a_conversation() {
    let remote = Remote::start(quick()).await;
    for body in [None, Some(json!({}))] {
        let answer = remote.call(Method::POST, "/_sim/conversations", body).await;
        assert_eq!(answer.status, 201);
        let made = answer.json();
        let id = made["conversationId"].as_str().unwrap();
        let talk = remote.get(&format!("/api/v2/conversations/{id}")).await.json();
        assert_eq!(talk["participants"][0]["id"], made["participantId"]);
        assert_eq!(talk["participants"][0]["messages"][0]["id"], made["communicationId"]);
    }
}

#[tokio::test]
async fn what_a_conversation_is_like_can_be_chosen() {
    let remote = Remote::start(quick()).await;
    let wanted = json!({
        "conversationId": "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11",
        "externalId": "order-1",
        "guestLegs": 2,
        "queue": "9bfb36aa-cde3-4706-9744-70f0645754c0",
        "attributes": { "orderId": "1" },
        "agent": "connected",
        "messenger": { "conversationDisconnect": { "enabled": true, "type": "ReadOnly" } },
        "presets": ["409-storm"],
    });
    let answer = remote.call(Method::POST, "/_sim/conversations", Some(wanted.clone())).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let talk = remote.get("/api/v2/conversations/7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11").await.json();
    let purposes: Vec<&Value> =
        talk["participants"].as_array().unwrap().iter().map(|p| &p["purpose"]).collect();
    assert_eq!(purposes, ["customer", "customer", "acd", "agent"]);
    assert_eq!(
        (&talk["externalTag"], &talk["participants"][0]["attributes"]["orderId"]),
        (&json!("order-1"), &json!("1"))
    );
    let guest = format!(
        "/api/v2/conversations/messages/7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11/participants/{}",
        answer.json()["participantId"].as_str().unwrap()
    );
    let stormy = remote.call(Method::PATCH, &guest, Some(json!({ "state": "disconnected" }))).await;
    assert_eq!(stormy.status, 409);
    let again = remote.call(Method::POST, "/_sim/conversations", Some(wanted)).await;
    assert_eq!(again.status, 409);
    let misspelt = remote.call(Method::POST, "/_sim/conversations", Some(json!({ "guests": 2 }))).await;
    assert_eq!(misspelt.status, 400);
    assert!(misspelt.json()["error"].as_str().unwrap().contains("guests"));
}

#[tokio::test]
async fn many_are_made_at_once_and_listed() {
    let remote = Remote::start(quick()).await;
    let answer = remote.call(Method::POST, "/_sim/conversations", Some(json!({ "count": 250 }))).await.json();
    assert_eq!(answer["conversations"].as_array().unwrap().len(), 250);
    let listed = remote.get("/_sim/conversations?open=true&limit=7").await.json();
    assert_eq!((&listed["total"], listed["conversations"].as_array().unwrap().len()), (&json!(250), 7));
}

#[tokio::test]
async fn a_conversation_may_have_ended_already() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation { ended: true, ..NewConversation::default() });
    assert!(remote.read(made.conversation_id).await.json()["endTime"].is_string());
}

#[tokio::test]
async fn chaos_is_set_shown_and_checked() {
    let remote = Remote::start(quick()).await;
    let wanted =
        json!({ "presets": ["lost-webhook", { "preset": "409-storm", "times": 1 }], "rate": 0.5, "seed": 9 });
    assert_eq!(remote.call(Method::POST, "/_sim/chaos", Some(wanted)).await.status, 200);
    let shown = remote.get("/_sim/chaos").await.json();
    assert_eq!((&shown["seed"], &shown["chaos"]["rate"]), (&json!(9), &json!(0.5)));
    assert_eq!(shown["chaos"]["presets"][1]["preset"], "409-storm");
    let unknown = remote.call(Method::POST, "/_sim/chaos", Some(json!({ "presets": ["earthquake"] }))).await;
    assert_eq!(unknown.status, 400);
    let nobody = json!({ "presets": [], "conversations": ["00000000-0000-4000-8000-000000000000"] });
    assert_eq!(remote.call(Method::POST, "/_sim/chaos", Some(nobody)).await.status, 404);
}

#[tokio::test]
async fn the_clock_is_moved_by_milliseconds_or_by_a_duration() {
    let remote = Remote::start(quick()).await;
    for body in [json!({ "advanceMs": 90_000 }), json!({ "advance": "PT1M30S" })] {
        assert_eq!(remote.call(Method::POST, "/_sim/clock", Some(body)).await.status, 200);
    }
    assert_eq!(remote.get("/_sim/clock").await.json()["offsetMs"], 180_000);
    for body in [json!({}), json!({ "advance": "soon" }), json!({ "advance": "-PT1S" })] {
        assert_eq!(remote.call(Method::POST, "/_sim/clock", Some(body.clone())).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn the_journal_tells_calls_changes_events_and_deliveries_in_order() {
    let receiver = Receiver::start().await;
    let remote = Remote::start(quick().webhook(receiver.webhook())).await;
    let made = remote.make(&NewConversation::default());
    remote.close_guest(&made).await;
    let path = format!("/_sim/journal?conversationId={}", made.conversation_id);
    eventually("the delivery is told", || async {
        remote.get(&path).await.json()["entries"].as_array().unwrap().len() >= 4
    })
    .await;
    let page = remote.get(&path).await.json();
    let entries = page["entries"].as_array().unwrap();
    let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["call", "change", "event", "delivery"]);
    assert_eq!((&entries[0]["status"], &entries[3]["status"]), (&json!(202), &json!(204)));
    assert!(entries[0]["what"].as_str().unwrap().starts_with("PATCH /api/v2/conversations/messages/"));
    let newest = page["newest"].as_u64().unwrap();
    let rest = remote.get(&format!("/_sim/journal?since={newest}")).await.json();
    assert!(rest["entries"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_guests_page_follows_the_setting() {
    let remote = Remote::start(quick()).await;
    for (setting, shown) in [
        (json!({ "enabled": true, "type": "Send" }), "disconnected"),
        (json!({ "enabled": true, "type": "ReadOnly" }), "read-only"),
        (json!({ "enabled": false }), "connected"),
    ] {
        let body = json!({ "messenger": { "conversationDisconnect": setting } });
        let made = remote.call(Method::POST, "/_sim/conversations", Some(body)).await.json();
        let id = made["conversationId"].as_str().unwrap();
        let page = remote.get(&format!("/_sim/guest/{id}")).await;
        assert!(page.text.contains("data-testid=\"guest-state\">connected<"), "{}", page.text);
        remote.close_wrapper(id.parse().unwrap()).await;
        let state = remote.get(&format!("/_sim/guest/{id}/state")).await.json();
        assert_eq!(state["guestState"], shown);
        let told = state["notice"].as_str().unwrap();
        assert_eq!(told.is_empty(), shown == "connected", "{told}");
        let truth = state["behindTheScenes"].as_str().unwrap();
        assert!(truth.starts_with("At Genesys the guest is gone and the conversation has ended."), "{truth}");
        assert_eq!(truth.contains("is not told"), shown == "connected", "{truth}");
        let page = remote.get(&format!("/_sim/guest/{id}")).await.text;
        assert!(page.contains(&format!("data-state=\"{shown}\"")) && page.contains(truth), "{page}");
        assert!(page.contains(&format!("data-testid=\"guest-notice\">{told}<")), "{page}");
    }
    for nobody in ["00000000-0000-4000-8000-000000000000", "nobody"] {
        let page = remote.get(&format!("/_sim/guest/{nobody}")).await;
        assert_eq!(page.status, 404);
        assert!(page.text.contains("There is no such chat"), "{}", page.text);
    }
}

#[tokio::test]
async fn the_guests_page_needs_no_script_to_type_and_trusts_nothing_typed() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let path = format!("/_sim/guest/{}", made.conversation_id);
    let typed = |text: &str| {
        let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let form = remote.http.post(format!("{}{path}", remote.base)).body(format!("text={text}"));
        read(form.header("content-type", "application/x-www-form-urlencoded"))
    };
    let page = typed("<script>alert('{{truth}}')</script> & more").await;
    assert_eq!(page.status, 200, "the form leads back to the page");
    assert!(
        page.text.contains("&lt;script&gt;alert(&#39;{{truth}}&#39;)&lt;/script&gt; &amp; more"),
        "{}",
        page.text
    );
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    assert!(!typed("  ").await.text.contains("</span></li>"), "an empty line is not taken");
    for asset in ["/_sim/guest-page.css", "/_sim/guest-page.js"] {
        assert!(page.text.contains(asset), "{}", page.text);
        assert_eq!(remote.get(asset).await.status, 200, "{asset}");
    }
}

#[tokio::test]
async fn a_chat_that_can_only_be_read_takes_no_line() {
    let remote = Remote::start(quick()).await;
    let setting = json!({ "enabled": true, "type": "ReadOnly" });
    let body = json!({ "messenger": { "conversationDisconnect": setting } });
    let made = remote.call(Method::POST, "/_sim/conversations", Some(body)).await.json();
    let id = made["conversationId"].as_str().unwrap();
    remote.close_wrapper(id.parse().unwrap()).await;
    read(remote.http.post(format!("{}/_sim/guest/{id}", remote.base)).body("text=hello")).await;
    let state = remote.get(&format!("/_sim/guest/{id}/state")).await.json();
    assert_eq!((&state["guestState"], &state["lines"]), (&json!("read-only"), &json!([])));
}

#[tokio::test]
async fn a_guest_reloads_types_leaves_and_returns() {
    let remote = Remote::start(quick()).await;
    let made = remote.make(&NewConversation::default());
    let path = format!("/_sim/conversations/{}/guest", made.conversation_id);
    let act = async |body: Value| -> Value {
        let answer = remote.call(Method::POST, &path, Some(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let guests = |shown: &Value| -> Vec<bool> {
        let all = shown["participants"].as_array().unwrap().iter().filter(|p| p["purpose"] == "customer");
        all.map(|p| p["connected"].as_bool().unwrap()).collect()
    };
    assert_eq!(guests(&act(json!({ "action": "reload" })).await), [false, true]);
    assert_eq!(guests(&act(json!({ "action": "type", "text": "hello" })).await), [false, true]);
    let left = act(json!({ "action": "leave" })).await;
    assert_eq!((guests(&left), &left["guestState"]), (vec![false, false], &json!("disconnected")));
    let back = act(json!({ "action": "return" })).await;
    assert_eq!((guests(&back), &back["guestState"]), (vec![false, false, true], &json!("connected")));
}

#[tokio::test]
async fn webhooks_and_clients_are_added_while_running() {
    let receiver = Receiver::start().await;
    let mut remote = Remote::start(quick()).await;
    let webhook = json!({
        "name": "late", "url": format!("http://{}/", receiver.address),
        "verify": "hub-sha256-hex", "secret": SECRET, "format": "closeout",
    });
    let answer = remote.call(Method::PUT, "/_sim/adapters", Some(json!({ "webhooks": [webhook] }))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.text.contains(SECRET));
    let weak = json!({ "webhooks": [{ "name": "w", "url": "http://x/", "verify": "hub-sha256-hex", "secret": "short" }] });
    assert_eq!(remote.call(Method::PUT, "/_sim/adapters", Some(weak)).await.status, 400);
    let client =
        json!({ "id": "new", "secret": "s", "permissions": ["conversation:communication:disconnect"] });
    assert_eq!(remote.call(Method::POST, "/_sim/clients", Some(client)).await.status, 204);
    remote.token = remote.log_in("new", "s").await;
    let made = remote.make(&NewConversation::default());
    assert_eq!(remote.read(made.conversation_id).await.status, 403);
    remote.close_guest(&made).await;
    assert!(receiver.until(1).await[0].genuine);
}

#[tokio::test]
async fn a_trigger_answers_what_the_receiver_said() {
    let receiver = Receiver::start().await;
    let remote = Remote::start(quick().webhook(receiver.webhook())).await;
    let made = remote.make(&NewConversation::default());
    let body = json!({ "conversationId": made.conversation_id, "kind": "forged" });
    let answer = remote.call(Method::POST, "/_sim/trigger", Some(body)).await.json();
    assert_eq!(answer["deliveries"], json!([{ "adapter": "receiver", "status": 401, "error": null }]));
    let nowhere = json!({ "conversationId": "00000000-0000-4000-8000-000000000000" });
    assert_eq!(remote.call(Method::POST, "/_sim/trigger", Some(nowhere)).await.status, 404);
    let wrong = json!({ "conversationId": made.conversation_id, "participantId": made.participant_id, "event": "user.end" });
    assert_eq!(remote.call(Method::POST, "/_sim/trigger", Some(wrong)).await.status, 400);
}

#[tokio::test]
async fn a_reset_forgets_and_repeats() {
    let remote = Remote::start(quick().seed(5)).await;
    let first = remote.make(&NewConversation::default());
    remote.close_wrapper(first.conversation_id).await;
    assert!(!remote.simulator.verdict().clean);
    assert_eq!(remote.call(Method::POST, "/_sim/reset", Some(json!({ "seed": 5 }))).await.status, 204);
    let verdict = remote.get("/_sim/verdict").await.json();
    assert_eq!((&verdict["clean"], &verdict["conversations"]), (&json!(true), &json!(0)));
    assert_eq!(remote.make(&NewConversation::default()), first, "the same seed makes the same ids");
}
