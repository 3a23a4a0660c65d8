//! Channels and subscriptions: the requests that leave, and what is made of the answers.

use genesys_client::{Client, FaultKind, Region};
use serde_json::{Value, json};

use crate::stub::{Stub, permit, reply, sample};

const QUEUE: &str = "v2.routing.queues.9bfb36aa-cde3-4706-9744-70f0645754cf.conversations.messages";
const USER: &str = "v2.users.5f0f2a1c-9c55-4a63-8e2a-2a0d1c7f6b04.conversations.messages";

fn channel(uri: &str) -> String {
    json!({ "id": "streaming-5-example", "connectUri": uri, "expires": "2026-11-22T09:00:00.000Z" })
        .to_string()
}

#[tokio::test]
async fn topics_are_subscribed_as_the_sample_asks_and_refusals_name_the_permission() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, channel("ws://127.0.0.1:7/channels/streaming-5-example")));
    let made = client.create_channel(permit(&client)).await.unwrap().value;
    assert_eq!(made.expires.unwrap().millis(), 1_795_338_000_000);
    stub.answers(reply(200, sample("notification-subscriptions-200.json")));
    let topics: Vec<Box<str>> = [QUEUE, USER, "v2.unknown"].map(Into::into).into();
    let told = client.subscribe(permit(&client), &made, &topics).await.unwrap();
    assert_eq!(told.permitted, 1);
    let refused: Vec<_> =
        told.refused.iter().map(|one| (&*one.topic, one.missing_permissions.len())).collect();
    assert_eq!(refused, [(USER, 1), ("v2.unknown", 0)], "what is not told of is not sent");
    assert_eq!(&*told.refused[0].missing_permissions[0], "conversation:communication:view");
    let asked = &stub.asked()[1];
    let wanted: Value = serde_json::from_str(&sample("request-notification-subscribe.json")).unwrap();
    assert_eq!(asked.method.as_str(), wanted["method"].as_str().unwrap());
    assert_eq!(asked.path, format!("{}?ignoreErrors=true", wanted["path"].as_str().unwrap()));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body[0], wanted["body"][0]);
}

#[tokio::test]
async fn many_topics_go_in_batches_of_which_the_first_replaces_and_a_thousand_are_asked_for() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, channel("ws://127.0.0.1:7/c")));
    let made = client.create_channel(permit(&client)).await.unwrap().value;
    let topics: Vec<Box<str>> = (0..1_200).map(|number| format!("v2.topic.{number}").into()).collect();
    for _ in 0..2 {
        stub.answers(reply(200, r#"{"entities": []}"#));
    }
    let told = client.subscribe(permit(&client), &made, &topics).await.unwrap();
    assert_eq!((told.permitted, told.refused.len()), (0, 1_000));
    let methods: Vec<_> = stub.asked()[1..].iter().map(|asked| asked.method.to_string()).collect();
    assert_eq!(methods, ["PUT", "POST"]);
}

#[tokio::test]
async fn a_socket_at_a_strangers_is_refused() {
    let stub = Stub::start().await;
    let client = stub.client();
    for stranger in ["ws://streaming.mypurecloud.de/c", "wss://elsewhere.example/c", "http://127.0.0.1/c"] {
        stub.answers(reply(200, channel(stranger)));
        let fault = client.create_channel(permit(&client)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Rejected, "{stranger}");
    }
    for body in ["[]", "{}", r#"{"id": "../x", "connectUri": "ws://127.0.0.1/c"}"#, "<html>"] {
        stub.answers(reply(200, body));
        let fault = client.create_channel(permit(&client)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::OutcomeUnknown, "{body}");
    }
    assert_eq!(Client::new(stub.config()).unwrap().organisation().as_str(), "main");
}

#[test]
fn a_socket_belongs_to_the_domain_of_the_api() {
    let holds =
        |region: &str, socket: &str| Region::parse(region).unwrap().holds_socket(&socket.parse().unwrap());
    assert!(holds("eu-central-1", "wss://streaming.mypurecloud.de/channels/x"));
    assert!(holds("https://gateway.example/genesys", "wss://gateway.example/channels/x"));
    assert!(holds("http://127.0.0.1:8081", "ws://127.0.0.1:8081/channels/x"));
    assert!(!holds("eu-central-1", "ws://streaming.mypurecloud.de/channels/x"));
    assert!(!holds("eu-central-1", "wss://evilmypurecloud.de/channels/x"));
    assert!(!holds("eu-central-1", "wss://streaming.mypurecloud.com/channels/x"));
    assert!(!holds("eu-central-1", "wss://u:p@streaming.mypurecloud.de/channels/x"));
    assert!(!holds("eu-central-1", "ws://127.0.0.1/channels/x"));
}
