//! Ids and addresses that would lead a call elsewhere: none of them gets past the door.

use axum::body::Body;
use serde_json::{Value, json};

use super::world::{World, request};

/// Ids that would change the path, the host or the meaning of a call if they were put into it as they are.
const HOSTILE_IDS: [&str; 30] = [
    "",
    ".",
    "..",
    "../../../../oauth/clients/0000000000",
    "..%2f..%2f..%2foauth",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/users/me",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e/..",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e/participants",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e?expand=all",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e#",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e;x",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e\r\nHost: evil.example",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e\0",
    " 2f7bf00a-0fc2-4d6a-9b56-92238191433e",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e ",
    "2f7bf00a-0fc2-4d6a-9b56-9223819143/e",
    "2f7bf00a-0fc2-4d6a-9b56-9223819143%2e",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433\u{e9}",
    "2f7bf00a\u{2010}0fc2-4d6a-9b56-9223819143",
    "\u{ff12}f7bf00a-0fc2-4d6a-9b56-922381914",
    "2f7bf00a0fc24d6a9b5692238191433e",
    "{2f7bf00a-0fc2-4d6a-9b56-92238191433e}",
    "urn:uuid:2f7bf00a-0fc2-4d6a-9b56-92238191433e",
    "https://evil.example/2f7bf00a-0fc2-4d6a-9b56",
    "//evil.example/aaaaaaaaaaaaaaaaaaaaa",
    "\\\\evil.example\\aaaaaaaaaaaaaaaaaaaaa",
    "@evil.example/aaaaaaaaaaaaaaaaaaaaaaa",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e,2f7bf00a-0fc2-4d6a-9b56-92238191433e",
    "null",
    "*",
];

/// Addresses that a careless check would let pass, where only `shop.example` may be posted to.
const HOSTILE_URLS: [&str; 30] = [
    "",
    "shop.example",
    "//shop.example/",
    "http://shop.example/",
    "ftp://shop.example/",
    "file://shop.example/etc/passwd",
    "javascript://shop.example/%0aalert(1)",
    "https://shop.example@evil.example/",
    "https://shop.example:443@evil.example/",
    "https://evil.example\\@shop.example/",
    "https://evil.example/?https://shop.example/",
    "https://evil.example#@shop.example/",
    "https://evil.example/shop.example",
    "https://shop.example.evil.example/",
    "https://evilshop.example/",
    "https://a.shop.example/",
    "https://shop.example./",
    "https://shop.example:8443/",
    "https://shop.example%2eevil.example/",
    "https://shop%00.example/",
    "https://shop.ex\u{430}mple/",
    "https://user@shop.example/",
    "https://:secret@shop.example/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
];

async fn nothing_was_taken(world: &World) {
    let taken = world.get("/v1/closures").await.ok(200);
    assert_eq!(taken["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn no_hostile_id_becomes_a_command() {
    let world = World::new().await;
    let conversation = world.conversation(1);
    for id in HOSTILE_IDS {
        for body in [
            json!({ "conversationId": id }),
            json!({ "conversationId": conversation, "participantId": id }),
            json!({ "conversationId": conversation, "policy": { "wrapUp": { "id": id } } }),
            json!({ "conversationId": conversation, "organisation": id }),
            json!({ "conversationId": id, "dryRun": true }),
            json!({ "scan": { "queueId": id } }),
        ] {
            let path = if body["scan"].is_null() { "/v1/closures" } else { "/v1/batches" };
            let answer = world.post(path, body.clone()).await;
            assert!(answer.status.is_client_error(), "{body}: {} {}", answer.status, answer.text);
            assert_ne!(answer.status, 404, "{body} was looked for");
        }
    }
    nothing_was_taken(&world).await;
}

#[tokio::test(start_paused = true)]
async fn no_hostile_id_in_a_path_finds_anything() {
    let world = World::new().await;
    let ids = HOSTILE_IDS.iter().filter(|id| !["", ".", ".."].contains(id));
    for id in ids {
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (method, path) in [
            ("GET", format!("/v1/closures/{encoded}")),
            ("GET", format!("/v1/closures/{encoded}/timeline")),
            ("POST", format!("/v1/closures/{encoded}/verify")),
            ("GET", format!("/v1/conversations/{encoded}/closures")),
            ("POST", format!("/v1/ghosts/{encoded}/claim")),
            ("GET", format!("/v1/batches/{encoded}")),
            ("POST", format!("/v1/dead-letters/{encoded}/redrive")),
            ("POST", format!("/v1/deliveries/{encoded}/redeliver")),
            ("POST", format!("/v1/sources/{encoded}/pause")),
        ] {
            let answer = world.send(request(method, "admin", &path, &[], Body::from("{}"))).await;
            assert!(answer.status.is_client_error(), "{method} {path}: {} {}", answer.status, answer.text);
        }
    }
    nothing_was_taken(&world).await;
}

#[tokio::test(start_paused = true)]
async fn no_hostile_address_is_taken_for_a_callback() {
    let world = World::new().await;
    let of = |url: Value| json!({ "conversationId": world.conversation(1), "callback": { "url": url } });
    for url in HOSTILE_URLS {
        let problem = world.post("/v1/closures", of(json!(url))).await.problem(422, "invalid_field");
        assert_eq!(problem["field"], "callback.url", "{url}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    nothing_was_taken(&world).await;
    world.post("/v1/closures", of(json!("https://shop.example/hooks"))).await.ok(202);
}
