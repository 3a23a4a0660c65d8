//! Stores that older versions left behind (`tests/fixtures/stored`), and what this one has to make of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use genesys_simulator::{GuestState, NewConversation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::scene::Scene;

/// States that are not left by themselves.
const OVER: [&str; 6] = ["closed", "already_closed", "failed", "cancelled", "resolved", "ghost"];

/// A closure of a store that was kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Its conversation.
    pub conversation_id: Uuid,
    /// Its state.
    pub state: String,
    /// Its version.
    pub version: u64,
    /// How many lines its timeline has.
    pub lines: usize,
}

/// Where the stores are.
pub fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stored")
}

/// The stores whose names end like this, each with what was in it.
pub fn stores_like(ending: &str) -> Vec<(PathBuf, Vec<Kept>)> {
    let names = fs::read_dir(stores()).unwrap().map(|entry| entry.unwrap().path());
    let kept = |path: PathBuf| {
        let version = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        let known = fs::read_to_string(stores().join(format!("{version}.json"))).unwrap();
        Some((path, serde_json::from_str(&known).unwrap()))
    };
    let found: Vec<_> = names.filter_map(kept).collect();
    assert!(!found.is_empty(), "no version has left a store like *{ending}");
    found
}

/// Gives the simulator the conversations of a store. The guests have left since, but for those whom nobody has asked to yet: this
/// version closes them from the beginning.
pub fn meanwhile(scene: &Scene, kept: &[Kept]) {
    for Kept { conversation_id, state, .. } in kept {
        let gone = NewConversation {
            conversation_id: Some(*conversation_id),
            ended: !is_untouched(state),
            ..NewConversation::default()
        };
        scene.simulator.create(&gone).unwrap();
    }
}

/// Waits until a service has gone on with all that was open in a store, and sees that it has left alone what was over.
pub async fn has_gone_on(scene: &Scene, kept: &[Kept]) {
    for Kept { id, state, version, lines, conversation_id } in kept {
        let was_over = OVER.contains(&state.as_str()) && state != "ghost";
        // A ghost that has been given up meanwhile stays one.
        let may_be = if was_over || state == "ghost" { &OVER[..] } else { &OVER[..2] };
        let closure = scene.settled(id, may_be).await;
        assert_eq!(closure["conversationId"], json!(conversation_id), "{closure}");
        let told = timeline(scene, id).await;
        if is_untouched(state) {
            assert_eq!(closure["state"], "closed", "{closure}");
            assert_eq!(scene.simulator.guest_state(*conversation_id), Some(GuestState::Disconnected));
        }
        if was_over {
            let now = (closure["state"].as_str().unwrap(), closure["version"].as_u64().unwrap(), told);
            assert_eq!(now, (state.as_str(), *version, *lines), "{closure}");
        } else if state != "ghost" {
            assert!(told > *lines, "its timeline goes on: {closure}");
        }
    }
    assert_eq!(scene.closures().await.len(), kept.len());
    let verdict = scene.simulator.verdict();
    assert_eq!(verdict.repeated_closes + verdict.repeated_wrapper_closes, 0, "{verdict:?}");
}

fn is_untouched(state: &str) -> bool {
    state == "scheduled"
}

/// How many lines the timeline of a closure has.
pub async fn timeline(scene: &Scene, id: &str) -> usize {
    let (status, timeline) = scene.ask("GET", &format!("/v1/closures/{id}/timeline"), None).await;
    assert_eq!(status, 200, "{timeline}");
    timeline["items"].as_array().unwrap().len()
}
