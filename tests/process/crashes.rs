//! Kill, restart, stop.

use std::{process::Command, time::Duration};

use closeout_tests::{CrashPoints, Scene, SceneOptions, database, wait_until};
use genesys_simulator::{AgentPresence, ChaosSpec, GuestState, NewConversation, Preset};
use serde_json::json;

#[tokio::test]
async fn killed_again_and_again_the_service_loses_nothing_and_closes_nothing_early() {
    let mut scene = Scene::begin(SceneOptions { requests: Some(60), ..SceneOptions::default() }).await;
    let clean = scene.simulator.create(&NewConversation::default().count(60)).unwrap();
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let lossy = scene.simulator.create(&lossy.count(20)).unwrap();
    let all: Vec<_> = clean.iter().chain(&lossy).map(|made| made.conversation_id).collect();
    for conversation in &all {
        scene.close(*conversation, "0s").await;
    }
    for _ in 0..4 {
        let (_, before) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        let closed = before["items"].as_array().unwrap().len();
        wait_until(Duration::from_secs(10), || async {
            let (_, now) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
            (now["items"].as_array()?.len() > closed).then_some(())
        })
        .await;
        scene.kill();
        scene.start().await;
    }
    let done = wait_until(Duration::from_secs(60), || async {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500&state=closed", None).await;
        (page["items"].as_array()?.len() == all.len()).then_some(())
    });
    if done.await.is_none() {
        let (_, page) = scene.ask("GET", "/v1/closures?limit=500", None).await;
        panic!("not all are closed: {page}");
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!(verdict.conversations_open, 0);
}

#[tokio::test]
async fn asked_to_stop_the_service_ends_well_and_goes_on_at_the_next_start() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let made = scene.simulator.create(&lossy).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
    scene.start().await;
    let closed = scene.settled(&id, &["closed"]).await;
    assert_eq!(closed["confirmedBy"]["kind"], "read-back");
}

#[tokio::test]
async fn the_same_key_after_a_crash_answers_with_the_same_closure() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let ask = |scene: &Scene| {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/closures", scene.base))
            .bearer_auth(scene.environment()[1].1)
            .header("Idempotency-Key", "order-8812")
            .json(&json!({ "conversationId": made.conversation_id }));
        async move { request.send().await.unwrap().json::<serde_json::Value>().await.unwrap() }
    };
    let first = ask(&scene).await;
    scene.kill();
    scene.start().await;
    let second = ask(&scene).await;
    assert_eq!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_set_aside_and_keeps_no_other_back() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    let made = scene.simulator.create(&lossy.count(10)).unwrap();
    let mut ids = Vec::new();
    for made in &made {
        ids.push(scene.close(made.conversation_id, "0s").await["id"].as_str().unwrap().to_owned());
    }
    scene.kill();
    database::spoil(&scene.folder.path().join("closeout.db"), made[3].conversation_id);
    scene.start().await;
    for (number, id) in ids.iter().enumerate() {
        if number != 3 {
            scene.settled(id, &["closed"]).await;
        }
    }
    for path in ["", "/timeline", "/explain"] {
        let (status, problem) = scene.ask("GET", &format!("/v1/closures/{}{path}", ids[3]), None).await;
        assert_eq!((status, &problem["code"]), (500, &json!("unreadable_record")), "{problem}");
    }
    let (_, readiness) = scene.ask("GET", "/readyz?verbose", None).await;
    assert!(readiness.to_string().contains("\"quarantined\":1"), "{readiness}");
    assert!(scene.log().contains(&ids[3]), "the log names it");
    // Whoever asks for its conversation again has a closure that begins with a read, and knows what is left to do.
    let again = scene.close(made[3].conversation_id, "20s").await;
    assert_eq!(again["state"], "closed", "{again}");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

#[tokio::test]
async fn a_death_while_a_record_is_set_aside_keeps_no_other_back_and_sets_it_aside_again() {
    let points = CrashPoints::begin();
    // Long enough for the closures to be open when the service is killed.
    let closing = "confirm_within = \"5s\"\ndeadline = \"30s\"\n".to_owned();
    let options =
        SceneOptions { closing, environment: vec![points.environment()], ..SceneOptions::default() };
    let mut scene = Scene::begin(options).await;
    let lossy =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    for (number, point) in (1..).zip(["quarantine, before", "quarantine, after"]) {
        let made = scene.simulator.create(&lossy.clone().count(2)).unwrap();
        let (spoilt, other) = (made[0].conversation_id, made[1].conversation_id);
        let spoilt_closure = scene.close(spoilt, "0s").await["id"].as_str().unwrap().to_owned();
        let other_closure = scene.close(other, "0s").await["id"].as_str().unwrap().to_owned();
        points.die_at(point);
        scene.kill();
        database::spoil(&scene.folder.path().join("closeout.db"), spoilt);
        points.revive(&mut scene).await;
        let died = points.death(&mut scene, Duration::from_secs(20)).await;
        assert_eq!(died.as_deref(), Some(point), "{}", scene.log());
        scene.settled(&other_closure, &["closed"]).await;
        let (status, problem) = scene.ask("GET", &format!("/v1/closures/{spoilt_closure}"), None).await;
        assert_eq!((status, &problem["code"]), (500, &json!("unreadable_record")), "{problem}");
        let (_, readiness) = scene.ask("GET", "/readyz?verbose", None).await;
        assert!(readiness.to_string().contains(&format!("\"quarantined\":{number}")), "{readiness}");
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}

/// Longer than the confirmation is waited for, a call may take (10 s), a request may take to come (10 s), and the deadline of each closure.
const STOPPED_FOR: Duration = Duration::from_secs(12);

#[tokio::test]
async fn stopped_past_every_time_out_and_woken_the_service_misses_no_ghost_and_makes_none() {
    let closing = "confirm_within = \"1s\"\ndeadline = \"8s\"\nstale_read_gap = \"500ms\"\n".to_owned();
    let scene = Scene::begin(SceneOptions { closing, requests: Some(60), ..SceneOptions::default() }).await;
    let make = |wanted: NewConversation| scene.simulator.create(&wanted.count(15)).unwrap();
    let chaos = |preset| NewConversation { chaos: Some(ChaosSpec::of(preset)), ..NewConversation::default() };
    let closing = [
        make(chaos(Preset::LostWebhook)),
        make(chaos(Preset::AcceptedButOpen)),
        make(NewConversation::default()),
    ];
    let owing =
        NewConversation { wrap_up_required: true, wrap_up_blocks: true, ..NewConversation::default() };
    let staying = make(owing.agent(AgentPresence::WrapUp));
    let mut ids = Vec::new();
    for made in closing.iter().flatten().chain(&staying) {
        let closure = scene.close(made.conversation_id, "0s").await;
        ids.push(closure["id"].as_str().unwrap().to_owned());
    }
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &scene.process().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    tokio::time::sleep(STOPPED_FOR).await;
    signal("-CONT");
    // What came on a connection whose time was over meanwhile is cut off, as any idle one.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let unfinished = scene.count(&["accepted", "verifying", "closing_participant", "awaiting_confirmation"]);
    assert!(unfinished.await > 0, "it was stopped in the midst of it");
    let mut ghosts = 0;
    for (made, id) in closing.iter().flatten().zip(&ids) {
        let closure = scene.settled(id, &["closed", "ghost"]).await;
        // Whose first close had no effect may have no time left for a second one: then the guest is there, and the ghost is right.
        let gone = scene.simulator.guest_state(made.conversation_id) == Some(GuestState::Disconnected);
        assert_eq!(closure["state"], if gone { "closed" } else { "ghost" }, "{closure}");
        ghosts += u64::from(!gone);
    }
    for id in &ids[ids.len() - staying.len()..] {
        let closure = scene.settled(id, &["closed", "ghost"]).await;
        assert_eq!(closure["reason"], "wrapup_pending", "{closure}");
        ghosts += 1;
    }
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    assert_eq!(verdict.conversations_open, ghosts, "{verdict:?}");
    assert!(ghosts <= 2 * 15, "those without a fault, and those whose event is lost, are closed");
}
