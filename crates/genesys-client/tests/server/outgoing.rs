//! Regions, ids and addresses that would lead a call elsewhere: no request leaves to a host that was not meant, and no path
//! is left.

use genesys_client::{FaultKind, Region};
use serde_json::{Value, json};
use url::Url;

use crate::stub::{CONVERSATION, GUEST, Stub, permit, reply};

/// Texts that are no region and no address that may be called.
const REFUSED: [&str; 44] = [
    "",
    ".",
    "..",
    "de",
    "/",
    "//evil.example",
    "evil.example",
    "evil.example/mypurecloud.de",
    "evil.example?mypurecloud.de",
    "mypurecloud.de/",
    "mypurecloud.de:8443",
    "mypurecloud.de#",
    "mypurecloud.de@evil.example",
    "mypurecloud.de.evil.example",
    "evilmypurecloud.de",
    "api.api.mypurecloud.de",
    "mypurecloud.d\u{435}",
    "mypurecloud.de\r\nHost: evil.example",
    "mypurecloud.de\0",
    ".pure.cloud",
    "a.b.pure.cloud",
    "a/b.pure.cloud",
    "evil.example#.pure.cloud",
    "euc1.pure.cloud.evil.example",
    "eu-central-1.evil.example",
    "eu_central_1/../evil",
    "https:evil.example",
    "https://",
    "http://evil.example",
    "http://10.0.0.1",
    "http://169.254.169.254",
    "http://0.0.0.0:8081",
    "http://[::ffff:10.0.0.1]:8081",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1@evil.example",
    "https://user:secret@evil.example",
    "https://api.mypurecloud.de@evil.example",
    "https://evil.example/?@api.mypurecloud.de",
    "https://evil.example#@api.mypurecloud.de",
    "https://api.mypurecloud.de:99999",
    "ftp://api.mypurecloud.de",
    "file:///etc/passwd",
    "javascript://api.mypurecloud.de/%0aalert(1)",
];

#[test]
fn no_text_that_is_no_region_leads_anywhere() {
    for text in REFUSED {
        let refused = Region::parse(text).expect_err(text);
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    let frankfurt = || Region::parse("eu-central-1").unwrap();
    for text in REFUSED.into_iter().filter(|text| text.contains("://")) {
        assert!(frankfurt().with_api_base_url(text).is_err(), "{text}");
        assert!(frankfurt().with_login_base_url(text).is_err(), "{text}");
        assert!(Region::from_base_urls(text, "https://login.mypurecloud.de").is_err(), "{text}");
    }
}

/// An address that was spelt out is called as it was, also where it looks like another one.
#[test]
fn every_address_that_is_taken_leads_to_the_host_it_names() {
    for (text, api, login, at_genesys) in [
        ("mypurecloud.de", "api.mypurecloud.de", "login.mypurecloud.de", true),
        ("MyPureCloud.DE.", "api.mypurecloud.de", "login.mypurecloud.de", true),
        ("HTTPS://LOGIN.MYPURECLOUD.DE", "api.mypurecloud.de", "login.mypurecloud.de", true),
        (
            "https://api.mypurecloud.de.evil.example",
            "api.mypurecloud.de.evil.example",
            "api.mypurecloud.de.evil.example",
            false,
        ),
        ("https://evil.example\\@api.mypurecloud.de", "evil.example", "evil.example", false),
        ("https://evil.example/api.mypurecloud.de", "evil.example", "evil.example", false),
        ("https://evilmypurecloud.de", "evilmypurecloud.de", "evilmypurecloud.de", false),
        ("http://2130706433:8081", "127.0.0.1", "127.0.0.1", false),
        ("http://0x7f.1:8081", "127.0.0.1", "127.0.0.1", false),
    ] {
        let region = Region::parse(text).unwrap();
        assert_eq!(region.api().host_str(), Some(api), "{text}");
        assert_eq!(region.login().host_str(), Some(login), "{text}");
        assert_eq!(region.at_genesys().is_some(), at_genesys, "{text}");
    }
}

#[test]
fn no_socket_of_a_stranger_is_given_a_token() {
    let frankfurt = Region::parse("eu-central-1").unwrap();
    for (address, own) in [
        ("wss://streaming.mypurecloud.de/channels/1", true),
        ("wss://mypurecloud.de/channels/1", true),
        ("ws://streaming.mypurecloud.de/", false),
        ("https://streaming.mypurecloud.de/", false),
        ("wss://evilmypurecloud.de/", false),
        ("wss://streaming.mypurecloud.de.evil.example/", false),
        ("wss://streaming.mypurecloud.de@evil.example/", false),
        ("wss://token@streaming.mypurecloud.de/", false),
        ("wss://:secret@streaming.mypurecloud.de/", false),
        ("wss://evil.example\\@streaming.mypurecloud.de/", false),
        ("wss://evil.example/?streaming.mypurecloud.de", false),
        ("wss://streaming.mypurecloud.com/", false),
        ("wss://127.0.0.1/", false),
        ("ws://127.0.0.1/", false),
    ] {
        assert_eq!(frankfurt.holds_socket(&Url::parse(address).unwrap()), own, "{address}");
    }
}

/// Ids that an answer could hold, and texts that a command could look for.
const IDS: [&str; 16] = [
    "..",
    "../../../oauth/clients",
    "..%2f..%2foauth",
    "%2e%2e/%2e%2e/users/me",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e/..",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e?expand=all",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e#",
    "2f7bf00a-0fc2-4d6a-9b56-92238191433e\r\nHost: evil.example",
    "{2f7bf00a-0fc2-4d6a-9b56-92238191433e}",
    "2f7bf00a0fc24d6a9b5692238191433e",
    "https://evil.example/",
    "//evil.example/",
    "\\\\evil.example\\",
    "@evil.example",
    "\",\"type\":\"or\",\"x\":\"",
    "{conversationId}",
];

#[tokio::test]
async fn no_id_of_an_answer_becomes_a_part_of_a_path() {
    let stub = Stub::start().await;
    let client = stub.client();
    for id in IDS {
        let guest =
            json!({ "id": id, "purpose": "customer", "messages": [{ "id": GUEST, "state": "connected" }] });
        stub.answers(reply(200, json!({ "id": CONVERSATION, "participants": [guest] }).to_string()));
        let read = client.conversation(permit(&client), CONVERSATION.parse().unwrap()).await;
        assert_eq!(read.unwrap_err().kind, FaultKind::OutcomeUnknown, "{id}");
        let channel = json!({ "id": id, "connectUri": "ws://127.0.0.1:7/channels/1" });
        stub.answers(reply(200, channel.to_string()));
        // A channel's id is no UUID: letters and digits are harmless.
        let harmless = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert_eq!(client.create_channel(permit(&client)).await.is_ok(), harmless, "{id}");
    }
    let channel = json!({ "id": "streaming-1", "connectUri": "wss://evil.example/channels/1" });
    stub.answers(reply(200, channel.to_string()));
    assert_eq!(client.create_channel(permit(&client)).await.unwrap_err().kind, FaultKind::Rejected);
    let read = format!("/api/v2/conversations/{CONVERSATION}");
    for asked in stub.asked() {
        assert!(
            [read.as_str(), "/api/v2/notifications/channels"].contains(&asked.path.as_str()),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn what_is_looked_for_stays_a_value_of_the_body() {
    let stub = Stub::start().await;
    let client = stub.client();
    for id in IDS {
        let before = stub.asked().len();
        stub.answers(reply(200, r#"{"totalHits": 0}"#));
        client.find_by_external_id(permit(&client), id).await.ok();
        stub.answers(reply(200, r#"{"totalHits": 0}"#));
        client.find_by_attribute(permit(&client), id, id).await.ok();
        let asked = stub.asked().split_off(before);
        assert!(asked.len() >= 2, "{id}: {asked:?}");
        for asked in asked {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            match asked.path.as_str() {
                "/api/v2/analytics/conversations/details/query" => {
                    assert!(holds_as_a_value(&body, id), "{id}: {body}");
                }
                // Attributes are compared here and not sent.
                "/api/v2/conversations/participants/attributes/search" => {
                    assert!(!holds_as_a_value(&body, id), "{id}: {body}");
                }
                other => panic!("{id} led to {other}"),
            }
        }
    }
}

fn holds_as_a_value(body: &Value, text: &str) -> bool {
    match body {
        Value::String(value) => value == text,
        Value::Array(values) => values.iter().any(|value| holds_as_a_value(value, text)),
        Value::Object(fields) => fields.values().any(|value| holds_as_a_value(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
