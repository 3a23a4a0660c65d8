//! The paths of a closure, end to end.

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{AgentPresence, BodyFormat, ChaosSpec, GuestState, NewConversation, Preset};
use serde_json::{Value, json};

use crate::command_line::command;

#[tokio::test]
async fn a_clean_closure_costs_three_calls_and_the_guest_sees_the_end() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    assert_eq!(scene.simulator.guest_state(made.conversation_id), Some(GuestState::Connected));
    let closure = scene.close(made.conversation_id, "20s").await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("closed"), &json!(3)), "{closure}");
    assert_eq!(closure["confirmedBy"]["kind"], "webhook");
    assert_eq!(closure["confirmedBy"]["adapter"], "relay");
    assert_eq!(closure["participantId"], json!(made.participant_id));
    assert_eq!(scene.simulator.guest_state(made.conversation_id), Some(GuestState::Disconnected));
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn a_conversation_that_has_ended_costs_one_call() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let ended = NewConversation { ended: true, ..NewConversation::default() };
    let made = scene.simulator.create(&ended).unwrap()[0];
    let closure = scene.close(made.conversation_id, "20s").await;
    assert_eq!((&closure["state"], &closure["apiCalls"]), (&json!("already_closed"), &json!(1)), "{closure}");
}

#[tokio::test]
async fn every_body_format_is_understood() {
    for format in [
        BodyFormat::Closeout,
        BodyFormat::Eventbridge,
        BodyFormat::GenesysNotification,
        BodyFormat::Cloudevents,
    ] {
        let scene = Scene::begin(SceneOptions { format, ..SceneOptions::default() }).await;
        let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
        let closure = scene.close(made.conversation_id, "20s").await;
        assert_eq!(closure["confirmedBy"]["kind"], "webhook", "{format:?}: {closure}");
        assert_eq!(closure["apiCalls"], 3, "{format:?}");
    }
}

#[tokio::test]
async fn every_preset_ends_as_its_story_demands_and_nothing_is_closed_early() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let mut waiting = Vec::new();
    for preset in Preset::ALL {
        let wanted = NewConversation { chaos: Some(ChaosSpec::of(preset)), ..NewConversation::default() };
        for made in scene.simulator.create(&wanted.count(4)).unwrap() {
            let closure = scene.close(made.conversation_id, "0s").await;
            waiting.push((preset, closure["id"].as_str().unwrap().to_owned()));
        }
    }
    for (preset, id) in waiting {
        let closure = scene.settled(&id, &["closed", "failed", "ghost", "already_closed"]).await;
        let expected = if preset == Preset::AgentConnected { "failed" } else { "closed" };
        assert_eq!(closure["state"], expected, "{}: {closure}", preset.name());
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert!(verdict.forged_sent > 0 && verdict.forged_accepted == 0, "{verdict:?}");
}

#[tokio::test]
async fn an_agent_is_waited_for_refused_or_closed_as_the_command_says() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let with_agent = NewConversation::default().agent(AgentPresence::Connected);
    let made = scene.simulator.create(&with_agent.count(2)).unwrap();
    let refused = scene.close(made[0].conversation_id, "20s").await;
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("failed"), &json!("agent_connected")));
    let body = json!({ "conversationId": made[1].conversation_id, "policy": { "agentConnected": "allow" } });
    let (_, allowed) = scene.ask("POST", "/v1/closures?wait=20s", Some(body)).await;
    assert_eq!(allowed["state"], "closed", "{allowed}");
}

#[tokio::test]
async fn a_session_that_never_closes_becomes_a_ghost_with_a_reason_and_an_act_for_it() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let never =
        ChaosSpec::none().with(genesys_simulator::FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..NewConversation::default() };
    let made = scene.simulator.create(&stuck).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    let ghost = scene.settled(&id, &["ghost"]).await;
    assert_eq!(ghost["reason"], "no_confirmation");
    let (_, ghosts) = scene.ask("GET", "/v1/ghosts", None).await;
    assert_eq!(ghosts["items"][0]["id"], id.as_str());
    let (_, summary) = scene.ask("GET", "/v1/ghosts/summary", None).await;
    assert!(summary.to_string().contains("no_confirmation"), "{summary}");
    who_sees_to_it_is_shown_wherever_the_ghost_is(&scene, &id).await;
    the_command_line_and_the_service_report_the_same(&scene).await;
    let (status, _) = scene.ask("POST", &format!("/v1/closures/{id}/force"), Some(json!({}))).await;
    assert_eq!(status, 422, "force without a reason");
    let reason = json!({ "reason": "the guest called and asked for it" });
    let (status, _) = scene.ask("POST", &format!("/v1/closures/{id}/force"), Some(reason)).await;
    assert_eq!(status, 202);
    let forced = scene.settled(&id, &["closed"]).await;
    assert_eq!(forced["reason"], "forced");
}

async fn who_sees_to_it_is_shown_wherever_the_ghost_is(scene: &Scene, id: &str) {
    assert_eq!(scene.closeout(&["claim", id]).await.code, 0);
    assert_eq!(scene.closeout(&["comment", id, "asked the shop"]).await.code, 0);
    assert_eq!(scene.closeout(&["snooze", id, "--for", "2h"]).await.code, 0);
    let refused = scene.closeout(&["snooze", id, "--for", "31d"]).await;
    assert!(refused.code == 2 && refused.stderr.contains("at most 30d"), "{refused:?}");
    let list = scene.closeout(&["ghosts", "list", "-o", "wide"]).await.stdout;
    for heading in ["CLAIMED BY", "SNOOZED UNTIL", "COMMENT", "asked the shop"] {
        assert!(list.contains(heading), "{list}");
    }
    let one = scene.closeout(&["get", id]).await.stdout;
    assert!(one.contains("claimed by") && one.contains("asked the shop"), "{one}");
    let page = scene.closeout(&["ghosts", "report", "-o", "html"]).await.stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains("Who sees to it"), "{page}");
    let csv = scene.closeout(&["ghosts", "report", "-o", "csv"]).await.stdout;
    assert!(csv.contains(",waits_for,missing,claimed_by,") && csv.contains(",asked the shop,"), "{csv}");
    let refused = scene.closeout(&["list", "-o", "html"]).await;
    assert!(refused.code == 2 && refused.stderr.contains("closeout ghosts report"), "{refused:?}");
}

async fn the_command_line_and_the_service_report_the_same(scene: &Scene) {
    let [csv, json] = ["csv", "json"]
        .map(|form| async move { command(scene, &["ghosts", "report", "-o", form]).await.stdout });
    let [_, (_, key)] = scene.environment();
    let request = reqwest::Client::new().get(format!("{}/v1/ghosts/report?format=csv", scene.base));
    let answered = request.bearer_auth(key).send().await.unwrap().text().await.unwrap();
    assert_eq!((answered.lines().count(), &answered), (2, &csv.await));
    let (_, mut answered) = scene.ask("GET", "/v1/ghosts/report?format=json", None).await;
    let mut written: Value = serde_json::from_str(&json.await).unwrap();
    for report in [&mut answered, &mut written] {
        report["madeAt"] = Value::Null;
        // The command line writes the address, the service the host. Explanations tell how long ago things were.
        report["server"] = Value::Null;
        report["ghosts"][0]["explanation"] = Value::Null;
    }
    assert_eq!(answered, written);
}
