//! Stores that older versions left behind: this one goes on with what is open in them, and leaves alone what is over.
//!
//! `tests/fixtures/stored` has for each version that was released a store as text, as it was when its service was killed, and what was in
//! it. A release adds its own:
//!
//! ```sh
//! RECORD_STORED=1 cargo test -p closeout-tests --test process upgrade
//! ```

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use closeout_tests::{Scene, SceneOptions, database, stored};
use genesys_simulator::{ChaosSpec, FaultRule, NewConversation, Preset};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

/// The variable that has the store of this version written down.
const RECORD: &str = "RECORD_STORED";

/// States that a closure of the recording is in.
const STATES: [&str; 8] = [
    "scheduled",
    "awaiting_confirmation",
    "closing_wrapper",
    "ghost",
    "closed",
    "failed",
    "cancelled",
    "resolved",
];

fn options(points: Option<&Path>) -> SceneOptions {
    let closing = "confirm_within = \"10s\"\ndeadline = \"60s\"\nstale_read_gap = \"200ms\"\n".to_owned();
    let variable = |points: &Path| ("CLOSEOUT_CRASH_POINTS".to_owned(), points.display().to_string());
    SceneOptions {
        closing,
        environment: points.map(variable).into_iter().collect(),
        ..SceneOptions::default()
    }
}

#[tokio::test]
async fn a_store_of_each_released_version_is_gone_on_with() {
    if std::env::var_os(RECORD).is_some() {
        record().await;
    }
    for (store, kept) in stored::stores_like(".sqlite.sql") {
        println!("{}", store.display());
        let mut scene = Scene::begin(options(None)).await;
        scene.kill();
        let file = scene.folder.path().join("closeout.db");
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{ending}", file.display()));
        }
        database::restore(&file, &fs::read_to_string(store).unwrap());
        stored::meanwhile(&scene, &kept);
        scene.start().await;
        stored::has_gone_on(&scene, &kept).await;
    }
}

/// Lets this version come to every state that it can be killed in, kills it, and writes down what it left.
async fn record() {
    let points = tempfile::tempdir().unwrap();
    let mut scene = Scene::begin(options(Some(points.path()))).await;
    let conversation = |scene: &Scene, fault: Option<Preset>| {
        let chaos = fault.map(|preset| ChaosSpec::none().with(FaultRule::new(preset).times(u32::MAX)));
        let new = NewConversation { chaos, ..NewConversation::default() };
        scene.simulator.create(&new).unwrap()[0].conversation_id
    };
    let close = async |scene: &Scene, fault, more: Value, states: &[&str]| {
        let conversation = conversation(scene, fault);
        let mut body = json!({ "conversationId": conversation, "labels": { "team": "ops" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
        assert_eq!(status, 202, "{closure}");
        let id = closure["id"].as_str().unwrap().to_owned();
        scene.settled(&id, states).await;
        (id, conversation)
    };
    let act = async |scene: &Scene, path: String, body: Value| {
        let (status, answer) = scene.ask("POST", &path, Some(body)).await;
        assert!(matches!(status, 200 | 202), "{status} {answer}");
    };
    close(&scene, None, json!({}), &["closed"]).await;
    close(&scene, Some(Preset::AgentConnected), json!({}), &["failed"]).await;
    let later = json!({ "notBefore": (Timestamp::now() + 45.seconds()).to_string() });
    let (cancelled, _) = close(&scene, None, later.clone(), &["scheduled"]).await;
    act(&scene, format!("/v1/closures/{cancelled}/cancel"), json!({ "reason": "they came back" })).await;
    close(&scene, None, later, &["scheduled"]).await;
    let soon = json!({ "policy": { "deadline": "PT2S" } });
    let (resolved, _) = close(&scene, Some(Preset::AcceptedButOpen), soon.clone(), &["ghost"]).await;
    act(&scene, format!("/v1/closures/{resolved}/resolve"), json!({ "reason": "seen with the agent" })).await;
    let (ghost, _) = close(&scene, Some(Preset::AcceptedButOpen), soon, &["ghost"]).await;
    act(&scene, format!("/v1/ghosts/{ghost}/claim"), json!({ "reason": "on it" })).await;

    // Where the wrapper's close is intended, by the event or by the reply that comes second.
    let dies = conversation(&scene, None);
    scene.kill();
    let points_of =
        ["heard", "replied"].map(|kind| format!("{dies}\tcommit {kind} closing_wrapper, after\n"));
    fs::write(points.path().join("wanted"), points_of.concat()).unwrap();
    scene.start().await;
    close(&scene, Some(Preset::LostWebhook), json!({}), &["awaiting_confirmation"]).await;
    let before = scene.closures().await;
    let mut lines = BTreeMap::new();
    for closure in &before {
        let id = closure["id"].as_str().unwrap();
        lines.insert(id.to_owned(), stored::timeline(&scene, id).await);
    }
    // Whether it is answered before the process dies is of no account.
    let client = reqwest::Client::new();
    let asked = client.post(format!("{}/v1/closures", scene.base)).bearer_auth(scene.environment()[1].1);
    drop(asked.json(&json!({ "conversationId": dies })).send().await);
    let begun = std::time::Instant::now();
    while !scene.has_died() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not die: {}", scene.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text = database::dump(&scene.folder.path().join("closeout.db"));
    let stored = database::closures(&scene.folder.path().join("closeout.db"));
    let kept: Vec<stored::Kept> = stored
        .into_iter()
        .map(|(key, conversation_id, state, version)| {
            let known = before.iter().find(|closure| closure["conversationId"] == json!(conversation_id));
            let id = known.map(|closure| closure["id"].as_str().unwrap().to_owned());
            let id = id.unwrap_or_else(|| orchestrator::closure_id(key));
            stored::Kept {
                lines: lines.get(&id).copied().unwrap_or_default(),
                id,
                conversation_id,
                state,
                version,
            }
        })
        .collect();
    for state in STATES {
        assert!(kept.iter().any(|closure| closure.state == state), "none is {state}: {kept:#?}");
    }
    let version = env!("CARGO_PKG_VERSION");
    fs::write(stored::stores().join(format!("{version}.sqlite.sql")), text).unwrap();
    let kept = serde_json::to_string_pretty(&kept).unwrap();
    fs::write(stored::stores().join(format!("{version}.json")), format!("{kept}\n")).unwrap();
}
