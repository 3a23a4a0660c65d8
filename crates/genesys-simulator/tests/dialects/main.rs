//! The five dialects as a client meets them: the recipe as people use it today fails as they tell, and the right order
//! ends with a guest who sees the end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conversation_post;
mod door;
mod messaging_versioned_put;
#[path = "../support/mod.rs"]
mod support;
mod webchat_participants;
mod webmessaging_participant_end;
mod webmessaging_sessions;

use genesys_simulator::{CreatedConversation, Dialect, NewConversation};
use reqwest::Method;
use serde_json::Value;
use support::{Answer, Receiver, Remote, quick};
use uuid::Uuid;

/// A simulator that speaks a dialect, and a receiver of its events.
async fn speaking(dialect: Dialect) -> (Remote, Receiver) {
    let receiver = Receiver::start().await;
    let remote = Remote::start(quick().dialect(dialect).webhook(receiver.webhook())).await;
    (remote, receiver)
}

/// The same with one conversation.
async fn speaking_of_one(dialect: Dialect) -> (Remote, Receiver, CreatedConversation) {
    let (remote, receiver) = speaking(dialect).await;
    let made = remote.make(&NewConversation::default());
    (remote, receiver, made)
}

/// Calls a route below `/api/v2/conversations/`.
async fn call(remote: &Remote, method: Method, path: &str, body: Option<Value>) -> Answer {
    remote.call(method, &format!("/api/v2/conversations/{path}"), body).await
}

/// What the guest's page shows.
async fn page(remote: &Remote, conversation: Uuid) -> String {
    let page = remote.get(&format!("/_sim/guest/{conversation}")).await;
    let (_, state) = page.text.split_once("data-testid=\"guest-state\">").unwrap();
    state.split_once('<').unwrap().0.to_owned()
}

/// What the guest's page tells of how things stand behind the scenes.
async fn truth(remote: &Remote, conversation: Uuid) -> String {
    let state = remote.get(&format!("/_sim/guest/{conversation}/state")).await.json();
    state["behindTheScenes"].as_str().unwrap().to_owned()
}

/// The names of the offences, in order.
fn offences(remote: &Remote) -> Vec<&'static str> {
    remote.simulator.verdict().offences.into_iter().map(|offence| offence.what).collect()
}

/// The message of an answer that is an `ErrorBody`.
fn message(answer: &Answer) -> String {
    let told = answer.json();
    assert_eq!(told["status"], answer.status, "{answer:?}");
    assert_eq!(told["contextId"], answer.header("inin-correlation-id").unwrap(), "{answer:?}");
    told["message"].as_str().unwrap().to_owned()
}
