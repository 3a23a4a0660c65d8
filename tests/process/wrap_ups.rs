//! An agent who owes a wrap-up, and a code that is given by its name.

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{
    AgentPresence, DEFAULT_QUEUE, GuestState, JournalQuery, NewConversation, OauthClient, WrapUpCode,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command_line::command;

/// The simulator's code "Closed by backend".
const CLOSED_BY_BACKEND: &str = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06";

/// An agent has left and owes a wrap-up, and Genesys insists on it before the conversation closes.
fn owing(scene: &Scene) -> Uuid {
    let wanted =
        NewConversation { wrap_up_required: true, wrap_up_blocks: true, ..NewConversation::default() };
    scene.simulator.create(&wanted.agent(AgentPresence::WrapUp)).unwrap()[0].conversation_id
}

fn named(name: &str) -> SceneOptions {
    let usual = SceneOptions::default();
    SceneOptions { closing: format!("{}wrap_up = {{ name = \"{name}\" }}\n", usual.closing), ..usual }
}

async fn close(scene: &Scene, conversation: Uuid, policy: Value) -> Value {
    let body = json!({ "conversationId": conversation, "policy": policy });
    let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
    assert_eq!(status, 202, "{closure}");
    scene.settled(closure["id"].as_str().unwrap(), &["closed", "ghost"]).await
}

/// The wrap-up that the agent has been given, as Genesys shows it.
fn given(scene: &Scene, conversation: Uuid) -> Value {
    let shown = scene.simulator.conversation(conversation).unwrap();
    let participants = shown["conversation"]["participants"].as_array().unwrap().clone();
    let agent = participants.iter().find(|participant| participant["purpose"] == "agent").unwrap();
    agent["wrapup"].clone()
}

async fn headline(scene: &Scene, closure: &Value) -> String {
    let path = format!("/v1/closures/{}/explain", closure["id"].as_str().unwrap());
    let (_, explanation) = scene.ask("GET", &path, None).await;
    explanation["headline"].as_str().unwrap().to_owned()
}

fn lists(scene: &Scene) -> usize {
    let query = JournalQuery { limit: Some(10_000), ..JournalQuery::default() };
    let entries = scene.simulator.journal(&query).entries;
    entries.iter().filter(|entry| entry.what.contains("/wrapupcodes")).count()
}

fn is_a_pending_ghost(closure: &Value) {
    assert_eq!(
        (&closure["state"], &closure["reason"]),
        (&json!("ghost"), &json!("wrapup_pending")),
        "{closure}"
    );
}

#[tokio::test]
async fn a_code_is_given_by_its_name_and_the_list_is_asked_for_once() {
    let scene = Scene::begin(named("closed by Backend")).await;
    let ids = [owing(&scene), owing(&scene), owing(&scene)];
    let policy = || json!({ "wrapUp": { "name": "Closed by backend", "notes": "order 8812" } });
    let closed = tokio::join!(
        close(&scene, ids[0], policy()),
        close(&scene, ids[1], policy()),
        close(&scene, ids[2], policy()),
    );
    for (closure, id) in [closed.0, closed.1, closed.2].iter().zip(ids) {
        assert_eq!(closure["state"], "closed", "{closure}");
        assert_eq!(closure["effectivePolicy"]["wrapUp"], "name: Closed by backend");
        assert_eq!(scene.simulator.guest_state(id), Some(GuestState::Disconnected));
        let wrap_up = given(&scene, id);
        assert_eq!((&wrap_up["code"], &wrap_up["notes"]), (&json!(CLOSED_BY_BACKEND), &json!("order 8812")));
    }
    let configured = close(&scene, owing(&scene), json!({})).await;
    assert_eq!(configured["state"], "closed", "{configured}");
    assert_eq!(lists(&scene), 1);
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn a_name_that_the_queue_does_not_know_is_a_ghost_that_lists_its_codes() {
    let scene = Scene::begin(named("Clsoed by backend")).await;
    let conversation = owing(&scene);
    let closure = close(&scene, conversation, json!({})).await;
    is_a_pending_ghost(&closure);
    let said = headline(&scene, &closure).await;
    let expected = format!(
        "the queue {DEFAULT_QUEUE} has no wrap-up code named \"Clsoed by backend\"; it has \"Closed by backend\", \
         \"Resolved\", \"Abandoned\"."
    );
    assert!(said.ends_with(&expected), "{said}");
    assert_eq!(scene.simulator.guest_state(conversation), Some(GuestState::Disconnected));
    // Put right in Genesys, it is tried once more when an operator says so: the name is looked for in a new list.
    let corrected = vec![WrapUpCode { id: Uuid::from_u128(9), name: "Resolved".to_owned() }];
    scene.simulator.set_wrap_up_codes(DEFAULT_QUEUE, corrected);
    let other = close(&scene, owing(&scene), json!({ "wrapUp": { "name": "Resolved" } })).await;
    assert_eq!(other["state"], "closed", "a code that changed behind the kept list: {other}");
}

#[tokio::test]
async fn two_codes_of_one_name_are_told_and_none_is_given() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let (first, second) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let code = |id, name: &str| WrapUpCode { id, name: name.to_owned() };
    scene.simulator.set_wrap_up_codes(DEFAULT_QUEUE, vec![code(first, "Done"), code(second, "Done")]);
    let conversation = owing(&scene);
    let closure = close(&scene, conversation, json!({ "wrapUp": { "name": "Done" } })).await;
    is_a_pending_ghost(&closure);
    let said = headline(&scene, &closure).await;
    for told in ["has 2 wrap-up codes named \"Done\"", &first.to_string(), &second.to_string()] {
        assert!(said.contains(told), "{said}");
    }
    assert_eq!(given(&scene, conversation), Value::Null);
}

#[tokio::test]
async fn a_list_that_may_not_be_read_blocks_nobody() {
    let permissions = [
        "conversation:communication:view",
        "conversation:communication:disconnect",
        "conversation:participant:wrapup",
    ];
    let client = OauthClient {
        permissions: Some(permissions.map(str::to_owned).into()),
        ..OauthClient::new(genesys_simulator::DEFAULT_CLIENT_ID, genesys_simulator::DEFAULT_CLIENT_SECRET)
    };
    let scene = Scene::begin_with(named("Resolved"), |builder| builder.client(client)).await;
    let closure = close(&scene, owing(&scene), json!({})).await;
    is_a_pending_ghost(&closure);
    let said = headline(&scene, &closure).await;
    assert!(said.contains("the permission routing:queue:view is missing"), "{said}");
    let usual = scene.simulator.create(&NewConversation::default()).unwrap()[0].conversation_id;
    let other = close(&scene, usual, json!({})).await;
    assert_eq!((&other["state"], &other["waitingFor"]), (&json!("closed"), &Value::Null), "{other}");
    let (_, ready) = scene.ask("GET", "/readyz?verbose", None).await;
    assert_eq!(ready["organisations"][0]["missingPermission"], Value::Null, "{ready}");
}

#[tokio::test]
async fn a_plan_says_which_code_would_be_given_or_why_none() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let conversation = owing(&scene);
    let plan = async |name: &str| {
        let body = json!({ "conversationId": conversation, "dryRun": true, "policy": { "wrapUp": { "name": name } } });
        let (status, plan) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!(status, 200, "{plan}");
        let guards = plan["guards"].as_array().unwrap().clone();
        guards.into_iter().find(|guard| guard["name"] == "wrap_up").unwrap()
    };
    let known = plan("resolved").await;
    assert_eq!(known["holds"], true, "{known}");
    assert!(known["found"].as_str().unwrap().contains("the code \"Resolved\" ("), "{known}");
    let unknown = plan("Lost").await;
    assert_eq!(unknown["holds"], false, "{unknown}");
    assert!(
        unknown["found"].as_str().unwrap().contains("no wrap-up code named \"Lost\"; it has"),
        "{unknown}"
    );
    assert_eq!(given(&scene, conversation), Value::Null);
}

#[tokio::test]
async fn the_command_line_names_a_code_or_skips_or_gives_an_id() {
    let scene = Scene::begin(SceneOptions::default()).await;
    for (arguments, code) in [
        (["--wrap-up", "Closed by backend"], Some(CLOSED_BY_BACKEND)),
        (["--wrap-up-id", CLOSED_BY_BACKEND], Some(CLOSED_BY_BACKEND)),
        (["--wrap-up", "skip"], None),
    ] {
        let conversation = owing(&scene);
        let id = conversation.to_string();
        let line = [&["close", &id, "--wait", "30s"][..], &arguments].concat();
        let ended = command(&scene, &line).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        assert_eq!(given(&scene, conversation)["code"], json!(code), "{arguments:?}");
    }
}
