//! The five dialects, end to end: the same machine, the same proof, other calls.

use closeout_tests::{Scene, SceneOptions, run};
use genesys_simulator::{
    AgentPresence, ChaosSpec, ConversationDisconnect, Dialect, DisconnectNotice, MessengerSetting,
    NewConversation, Preset,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::page::guest_state;

const WRAP_UP: &str = "wrap_up = { id = \"6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06\" }\n";

/// A scene in which simulator and service speak the same dialect.
async fn speaking(dialect: Dialect, closing: &str) -> Scene {
    slowly_speaking(dialect, closing, None).await
}

/// The same with so many requests in two seconds.
async fn slowly_speaking(dialect: Dialect, closing: &str, requests: Option<u32>) -> Scene {
    let genesys = format!("dialect = \"{}\"", dialect.name());
    let mut options = SceneOptions { genesys, requests, ..SceneOptions::default() };
    options.closing.push_str(closing);
    Scene::begin_with(options, |builder| builder.dialect(dialect)).await
}

/// The calls that the closure made, as its timeline tells them: verb, and what stands behind the conversations.
async fn calls(scene: &Scene, closure: &Value) -> Vec<String> {
    let id = closure["id"].as_str().unwrap();
    let (_, timeline) = scene.ask("GET", &format!("/v1/closures/{id}/timeline"), None).await;
    let lines = timeline["items"].as_array().unwrap();
    let calls = lines.iter().filter_map(|line| line["asks"]["http"].as_str());
    calls.map(|call| call.replace("/api/v2/conversations/", "")).collect()
}

/// What is said of a closure.
async fn explanation_of(scene: &Scene, closure: &Value) -> Value {
    let path = format!("/v1/closures/{}/explain", closure["id"].as_str().unwrap());
    scene.ask("GET", &path, None).await.1
}

/// The calls of a clean closure in each dialect.
fn expected(dialect: Dialect, conversation: Uuid, guest: Uuid, session: Uuid) -> Vec<String> {
    let published = format!("GET {conversation}");
    match dialect {
        Dialect::WebmessagingParticipantEnd => vec![
            published.clone(),
            format!("POST webmessaging/{conversation}/participants/{guest}/end"),
            published,
        ],
        Dialect::WebchatParticipants => vec![
            published,
            format!("POST webchat/{conversation}/participants/{guest}"),
            format!("PATCH webchat/{conversation}"),
        ],
        Dialect::WebmessagingSessions => vec![
            format!("GET webmessaging/{conversation}"),
            format!("PATCH webmessaging/{conversation}/sessions/{session}"),
            format!("GET webmessaging/{conversation}"),
        ],
        Dialect::MessagingVersionedPut => {
            vec![format!("GET messaging/{conversation}"), format!("PUT messaging/{conversation}")]
        }
        Dialect::ConversationPost => vec![published, format!("POST {conversation}")],
    }
}

#[tokio::test]
async fn in_every_dialect_a_session_ends_closed_with_evidence_and_the_guest_sees_it() {
    for dialect in Dialect::ALL {
        let scene = speaking(dialect, WRAP_UP).await;
        for (kind, shows) in
            [(DisconnectNotice::Send, "disconnected"), (DisconnectNotice::ReadOnly, "read-only")]
        {
            let messenger =
                MessengerSetting { conversation_disconnect: ConversationDisconnect { enabled: true, kind } };
            let wanted = NewConversation { messenger, ..NewConversation::default() };
            let made = scene.simulator.create(&wanted).unwrap()[0];
            assert_eq!(guest_state(&scene, made.conversation_id).await, "connected");
            let closure = scene.close(made.conversation_id, "20s").await;
            assert_eq!(closure["state"], "closed", "{}: {closure} {}", dialect.name(), scene.log());
            assert_eq!(closure["confirmedBy"]["kind"], "webhook", "{}: {closure}", dialect.name());
            assert_eq!(guest_state(&scene, made.conversation_id).await, shows, "{}", dialect.name());
            let calls = calls(&scene, &closure).await;
            assert_eq!(
                calls,
                expected(dialect, made.conversation_id, made.participant_id, made.communication_id)
            );
            assert_eq!(closure["apiCalls"], calls.len(), "{}", dialect.name());
        }
        let verdict = scene.simulator.verdict();
        assert!(verdict.clean, "{}: {verdict:?}", dialect.name());
        let warned = scene.log().matches("which is not the published API").count();
        assert_eq!(warned, 1, "{}", scene.log());
    }
}

#[tokio::test]
async fn in_every_dialect_each_fault_ends_as_its_story_demands_and_nothing_is_closed_early() {
    let mut all = tokio::task::JoinSet::new();
    for dialect in Dialect::ALL {
        all.spawn(meets_every_fault(dialect));
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

async fn meets_every_fault(dialect: Dialect) {
    let scene = speaking(dialect, WRAP_UP).await;
    let mut waiting = Vec::new();
    for preset in Preset::ALL {
        let wanted = NewConversation { chaos: Some(ChaosSpec::of(preset)), ..NewConversation::default() };
        for made in scene.simulator.create(&wanted.count(2)).unwrap() {
            let closure = scene.close(made.conversation_id, "0s").await;
            waiting.push((preset, made.conversation_id, closure["id"].as_str().unwrap().to_owned()));
        }
    }
    for (preset, conversation, id) in waiting {
        let closure = scene.settled(&id, &["closed", "failed", "ghost", "already_closed"]).await;
        let expected = if preset == Preset::AgentConnected { "failed" } else { "closed" };
        let told = format!("{}, {}: {closure}", dialect.name(), preset.name());
        assert_eq!(closure["state"], expected, "{told}");
        if expected == "closed" {
            assert_ne!(guest_state(&scene, conversation).await, "connected", "{told}");
        }
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{}: {verdict:?}", dialect.name());
}

#[tokio::test]
async fn killed_between_a_read_and_its_close_the_service_reads_again_and_goes_on() {
    for dialect in [Dialect::MessagingVersionedPut, Dialect::WebmessagingSessions] {
        let mut scene = slowly_speaking(dialect, WRAP_UP, Some(40)).await;
        let made = scene.simulator.create(&NewConversation::default().count(40)).unwrap();
        let mut closures = Vec::new();
        for one in &made {
            closures.push(scene.close(one.conversation_id, "0s").await);
        }
        scene.kill();
        scene.start().await;
        for closure in closures {
            scene.settled(closure["id"].as_str().unwrap(), &["closed"]).await;
        }
        let verdict = scene.simulator.verdict();
        assert!(verdict.clean, "{}: {verdict:?}", dialect.name());
        assert_eq!(verdict.conversations_open, 0, "{}", dialect.name());
    }
}

#[tokio::test]
async fn a_conversation_is_purged_after_the_proof_where_that_is_configured() {
    let scene = speaking(
        Dialect::WebmessagingParticipantEnd,
        "wrapper_close = \"delete\"\nparticipant_grace = \"2s\"\n",
    )
    .await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closure = scene.close(made.conversation_id, "20s").await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("closed"), &json!(3)), "{closure}");
    let state = format!("{}/_sim/conversations/{}", scene.genesys, made.conversation_id);
    let state: Value = reqwest::get(state).await.unwrap().json().await.unwrap();
    assert_eq!(state["wrapper"], "purged", "{state}");
    assert_eq!(guest_state(&scene, made.conversation_id).await, "disconnected");

    let again = scene.close(made.conversation_id, "20s").await;
    assert_eq!((&again["state"], &again["reason"]), (&json!("failed"), &json!("not_found")), "{again}");
    let told = explanation_of(&scene, &again).await["headline"].to_string();
    let by = format!("Nothing is left to do: {} closed and deleted it at", closure["id"].as_str().unwrap());
    assert!(told.contains(&by), "{told}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn an_agent_who_stays_is_no_close_that_was_asked_where_there_is_none_to_ask() {
    let closing = "agent_connected = \"allow\"\n";
    let scene = speaking(Dialect::WebmessagingParticipantEnd, closing).await;
    let wanted = NewConversation::default().agent(AgentPresence::Connected);
    let made = scene.simulator.create(&wanted).unwrap()[0];
    let ghost = scene.close(made.conversation_id, "0s").await;
    let ghost = scene.settled(ghost["id"].as_str().unwrap(), &["ghost"]).await;
    let explained = explanation_of(&scene, &ghost).await;
    let told = explained["text"].as_str().unwrap();
    assert!(told.contains("There is no call for the conversation's close here."), "{told}");
    assert!(!told.contains("accepted the conversation's close"), "{told}");
    let headline = explained["headline"].as_str().unwrap();
    assert!(headline.contains("There is no call here that closes it"), "{headline}");
}

#[tokio::test]
async fn every_session_of_the_guest_is_closed_and_the_agent_goes_with_the_last_one() {
    let scene = speaking(Dialect::WebmessagingSessions, "agent_connected = \"allow\"\n").await;
    let wanted = NewConversation { guest_legs: Some(3), ..NewConversation::default() };
    let made = scene.simulator.create(&wanted.agent(AgentPresence::Connected)).unwrap()[0];
    let closure = scene.close(made.conversation_id, "20s").await;
    assert_eq!(closure["state"], "closed", "{closure}");
    assert_eq!(guest_state(&scene, made.conversation_id).await, "disconnected");
    let patches = calls(&scene, &closure).await.iter().filter(|call| call.starts_with("PATCH")).count();
    assert_eq!((patches, &closure["apiCalls"]), (3, &json!(5)), "one call for each session: {closure}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn a_guest_is_found_by_the_dialects_own_search_and_several_are_never_guessed_from() {
    let scene = speaking(Dialect::WebmessagingSessions, "").await;
    let known_as =
        |id: &str| NewConversation { external_id: Some(id.to_owned()), ..NewConversation::default() };
    let made = scene.simulator.create(&known_as("customer-7")).unwrap()[0];
    scene.simulator.create(&known_as("customer-8").count(2)).unwrap();
    let target = |id: &str| Some(json!({ "target": { "externalId": id } }));
    let (status, closed) = scene.ask("POST", "/v1/closures?wait=20s", target("customer-7")).await;
    assert_eq!((status, &closed["state"]), (200, &json!("closed")), "{closed}");
    assert_eq!(closed["conversationId"], json!(made.conversation_id));
    let calls = calls(&scene, &closed).await;
    assert_eq!(calls[0], "POST query");
    assert_eq!(
        calls[1..],
        expected(
            Dialect::WebmessagingSessions,
            made.conversation_id,
            made.participant_id,
            made.communication_id
        )
    );
    let (status, refused) = scene.ask("POST", "/v1/closures", target("customer-8")).await;
    assert_eq!(status, 422, "{refused}");
    assert!(scene.simulator.verdict().clean);
}

#[tokio::test]
async fn a_close_that_needs_a_wrap_up_code_is_held_with_that_reason_until_there_is_one() {
    let scene = speaking(Dialect::MessagingVersionedPut, "").await;
    let made = scene.simulator.create(&NewConversation::default().count(4)).unwrap();
    let ghost = scene.close(made[0].conversation_id, "0s").await;
    let ghost = scene.settled(ghost["id"].as_str().unwrap(), &["ghost"]).await;
    assert_eq!(ghost["reason"], "wrapup_pending");
    let id = ghost["id"].as_str().unwrap();
    let (_, explained) = scene.ask("GET", &format!("/v1/closures/{id}/explain"), None).await;
    assert!(explained.to_string().contains("this dialect closes with a wrap-up code"), "{explained}");
    assert_eq!(guest_state(&scene, made[0].conversation_id).await, "connected");
    let body =
        json!({ "conversationId": made[1].conversation_id, "policy": { "wrapUp": { "name": "Closd" } } });
    let (_, misspelt) = scene.ask("POST", "/v1/closures", Some(body)).await;
    let misspelt = scene.settled(misspelt["id"].as_str().unwrap(), &["ghost"]).await;
    assert_eq!(misspelt["reason"], "wrapup_pending");
    let told = explanation_of(&scene, &misspelt).await["headline"].to_string();
    assert!(told.contains("no wrap-up code named"), "{told}");
    assert!(told.contains("Closd") && told.contains("it has"), "{told}");
    let by_id = json!({ "id": "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06" });
    for (made, wrap_up) in made[2..].iter().zip([by_id, json!({ "name": "Closed by backend" })]) {
        let body = json!({ "conversationId": made.conversation_id, "policy": { "wrapUp": wrap_up } });
        let (_, closed) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
        assert_eq!(closed["state"], "closed", "{wrap_up}: {closed}");
        assert_eq!(closed["effectivePolicy"]["order"], "conversation_first");
    }
}

#[tokio::test]
async fn a_plan_shows_the_calls_of_the_dialect() {
    let scene = speaking(Dialect::ConversationPost, "").await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let conversation = made.conversation_id;
    let body = json!({ "conversationId": conversation, "dryRun": true });
    let (status, plan) = scene.ask("POST", "/v1/closures", Some(body)).await;
    assert_eq!(status, 200, "{plan}");
    let calls: Vec<_> = plan["calls"].as_array().unwrap().iter().map(|call| call["http"].clone()).collect();
    let base = format!("/api/v2/conversations/{conversation}");
    assert_eq!(calls, [json!(format!("GET {base}")), json!(format!("POST {base}"))]);
    assert_eq!(
        (&plan["state"], &plan["effectivePolicy"]["order"]),
        (&json!("closed"), &json!("conversation_first"))
    );
}

#[test]
fn no_dialect_is_spoken_to_genesys_unless_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let text = |more: &str| {
        format!(
            "[store]\nurl = \"memory:\"\n[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"client\"\n\
             client_secret = \"secret\"\ndialect = \"webchat-participants\"\n{more}"
        )
    };
    let initialised = run(folder.path(), &["config", "init"], &[]);
    assert_eq!(initialised.code, 0, "{initialised:?}");
    let configured = |more: &str, arguments: &[&str]| {
        std::fs::write(folder.path().join("closeout.toml"), text(more)).unwrap();
        run(folder.path(), arguments, &[])
    };
    for arguments in [&["config", "check"], &["serve"] as &[&str]] {
        let refused = configured("", arguments);
        assert_eq!(refused.code, 2, "{refused:?}");
        for words in ["line 7: genesys.main.dialect", "is at Genesys", "allow_unpublished = true"] {
            assert!(refused.stderr.contains(words), "{refused:?}");
        }
    }
    let meant = configured("allow_unpublished = true\n", &["config", "check"]);
    assert_eq!(meant.code, 0, "{meant:?}");
    let warning = "warning: main speaks webchat-participants, which is not the published API";
    assert!(meant.stderr.contains(warning), "{meant:?}");
    let shown = configured("allow_unpublished = true\n", &["config", "show", "--origin"]);
    for words in ["genesys.main.dialect", "webchat-participants", "genesys.main.allow_unpublished"] {
        assert!(shown.stdout.contains(words), "{shown:?}");
    }
}
