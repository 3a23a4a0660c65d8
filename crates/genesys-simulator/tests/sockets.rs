//! Channels of notifications: who may listen, what is heard, and how connections end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use genesys_simulator::{DEFAULT_QUEUE, NewConversation};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Remote, assert_same_shape, eventually, quick, sample};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn queue() -> String {
    format!("v2.routing.queues.{DEFAULT_QUEUE}.conversations.messages")
}

async fn channel(remote: &Remote) -> Value {
    let made = remote.call(Method::POST, "/api/v2/notifications/channels", None).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()
}

async fn subscribe(remote: &Remote, channel: &Value, topics: &[&str]) -> Value {
    let path = format!(
        "/api/v2/notifications/channels/{}/subscriptions?ignoreErrors=true",
        channel["id"].as_str().unwrap()
    );
    let wanted: Vec<Value> = topics.iter().map(|topic| json!({ "id": topic })).collect();
    remote.call(Method::PUT, &path, Some(json!(wanted))).await.json()
}

async fn open(channel: &Value) -> Socket {
    connect_async(channel["connectUri"].as_str().unwrap()).await.unwrap().0
}

/// The next frame; `None` when the connection has ended.
async fn next(socket: &mut Socket) -> Option<Value> {
    let heard = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
    match heard {
        Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).unwrap()),
        Some(Ok(_) | Err(_)) | None => None,
    }
}

#[tokio::test]
async fn answers_and_frames_have_the_shape_of_the_samples() {
    let remote = Remote::start(quick()).await;
    let made = channel(&remote).await;
    assert_same_shape(&sample("rest/notification-channel-200.json"), &made, &[], "channel");
    let told = subscribe(&remote, &made, &[&queue(), "v2.nothing"]).await;
    assert_eq!(
        (&told["entities"][0]["state"], &told["entities"][1]["state"]),
        (&json!("Permitted"), &json!("Rejected"))
    );
    let mut socket = open(&made).await;
    socket.send(Message::text(r#"{"message":"ping"}"#)).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), sample("notifications/channel-metadata-pong.json"));
    remote.simulator.advance_clock(Duration::from_secs(30));
    assert_eq!(next(&mut socket).await.unwrap(), sample("notifications/channel-metadata-heartbeat.json"));
    let talk = remote.make(&NewConversation::default());
    remote.close_guest(&talk).await;
    let heard = next(&mut socket).await.unwrap();
    assert_eq!(heard["topicName"], queue());
    assert_eq!(heard["eventBody"]["id"], json!(talk.conversation_id));
    let guest = &heard["eventBody"]["participants"][0];
    assert_eq!((&guest["purpose"], &guest["state"]), (&json!("customer"), &json!("disconnected")));
}

#[tokio::test]
async fn what_happens_while_nobody_listens_is_lost() {
    let remote = Remote::start(quick()).await;
    let made = channel(&remote).await;
    subscribe(&remote, &made, &[&queue()]).await;
    let talk = remote.make(&NewConversation::default());
    remote.close_guest(&talk).await;
    eventually("the event is lost", || async { remote.simulator.verdict().events_lost == 1 }).await;
    let mut socket = open(&made).await;
    socket.send(Message::text(r#"{"message":"ping"}"#)).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["eventBody"]["message"], "pong", "nothing was kept");
}

#[tokio::test]
async fn a_second_socket_drops_the_first_and_the_21st_channel_the_oldest() {
    let remote = Remote::start(quick()).await;
    let made = channel(&remote).await;
    let mut first = open(&made).await;
    let _second = open(&made).await;
    assert!(next(&mut first).await.is_none());
    let oldest = channel(&remote).await;
    for _ in 0..19 {
        channel(&remote).await;
    }
    let known =
        |channel: &Value| format!("/api/v2/notifications/channels/{}", channel["id"].as_str().unwrap());
    assert_eq!(remote.call(Method::HEAD, &known(&oldest), None).await.status, 404);
    assert_eq!(remote.call(Method::HEAD, &known(&made), None).await.status, 200, "it has a socket");
}

#[tokio::test]
async fn a_channel_tells_of_its_end_and_ends_after_a_day() {
    let remote = Remote::start(quick()).await;
    let made = channel(&remote).await;
    let mut socket = open(&made).await;
    remote.simulator.advance_clock(Duration::from_secs(24 * 3_600 - 30));
    let mut told = Vec::new();
    while !told.contains(&json!("v2.system.socket_closing")) {
        told.push(next(&mut socket).await.unwrap()["topicName"].take());
    }
    remote.simulator.advance_clock(Duration::from_secs(31));
    while next(&mut socket).await.is_some() {}
    assert!(connect_async(made["connectUri"].as_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn the_control_shows_and_cuts_sockets() {
    let remote = Remote::start(quick()).await;
    let made = channel(&remote).await;
    let mut socket = open(&made).await;
    eventually("it is open", || async { remote.simulator.channels()[0].open }).await;
    let struck = remote.call(Method::POST, "/_sim/sockets", Some(json!({ "act": "cut" }))).await;
    assert_eq!(struck.json()["sockets"], 1);
    assert!(next(&mut socket).await.is_none());
    let shown = remote.get("/_sim/sockets").await.json();
    assert_eq!(shown["channels"][0]["id"], made["id"]);
    let refused = remote.call(Method::POST, "/_sim/sockets", Some(json!({ "act": "tickle" }))).await;
    assert_eq!(refused.status, 400);
}
