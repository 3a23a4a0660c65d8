//! Every way × everything that can happen to an event: the same end, and the evidence of that way.

use genesys_simulator::{ChaosSpec, GuestState, NewConversation, Preset, Trigger, TriggerKind};
use serde_json::{Value, json};

use crate::ways::{Stage, Tale, Way};

/// What becomes of the event of the guest's end, by the simulator's name for it.
const FATES: [Option<Preset>; 5] = [
    None,
    Some(Preset::LateWebhook),
    Some(Preset::DuplicateWebhook),
    Some(Preset::Reordered),
    Some(Preset::EarlyWebhook),
];

/// The states in which nothing more happens.
const SETTLED: [&str; 4] = ["closed", "already_closed", "failed", "ghost"];

async fn all_of(way: Way) {
    let stage = Stage::of(way).await;
    tokio::join!(told_somehow(&stage), never_told(&stage), told_tales(&stage));
    told_once_more(&stage).await;
    let verdict = stage.scene.simulator.verdict();
    assert_eq!(verdict.wrapper_closes_before_guest_gone, 0, "{way:?}: {verdict:?}");
}

#[tokio::test]
async fn by_webhook() {
    all_of(Way::Webhook).await;
}

#[tokio::test]
async fn by_notification_socket() {
    all_of(Way::Socket).await;
}

#[tokio::test]
async fn by_queue() {
    all_of(Way::Queue).await;
}

/// In time, late, three times over, out of order, or before the reply: closed with three calls, by the event.
async fn told_somehow(stage: &Stage) {
    let Stage { way, scene, .. } = stage;
    let mut waiting = Vec::new();
    for fate in FATES {
        let wanted = NewConversation { chaos: fate.map(ChaosSpec::of), ..NewConversation::default() };
        for made in scene.simulator.create(&wanted.count(2)).unwrap() {
            waiting.push((fate, scene.close(made.conversation_id, "0s").await));
        }
    }
    for (fate, closure) in waiting {
        let closure = scene.settled(id(&closure), &SETTLED).await;
        assert_eq!(closure["state"], "closed", "{way:?} {fate:?}: {closure}");
        assert_eq!(closure["confirmedBy"]["kind"], way.kind(), "{way:?} {fate:?}: {closure}");
        assert_eq!(closure["apiCalls"], 3, "{way:?} {fate:?}: {closure}");
    }
}

/// Lost for good: a read proves it.
async fn never_told(stage: &Stage) {
    let Stage { way, scene, .. } = stage;
    let wanted =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::LostWebhook)), ..NewConversation::default() };
    for made in scene.simulator.create(&wanted.count(2)).unwrap() {
        let body = json!({ "conversationId": made.conversation_id });
        let (_, closure) = scene.ask("POST", "/v1/closures", Some(body)).await;
        let closure = scene.settled(id(&closure), &SETTLED).await;
        assert_eq!(closure["state"], "closed", "{way:?}: {closure}");
        assert_eq!(closure["confirmedBy"]["kind"], "read-back", "{way:?}: {closure}");
    }
}

/// Of another organisation, of a transfer, of an old leg: none of them is a proof. The first close has no effect here, so a
/// guest who counted as gone by a tale would be left behind; they are asked to leave a second time, and that is proven.
async fn told_tales(stage: &Stage) {
    tokio::join!(told(stage, Tale::Foreign), told(stage, Tale::Transfer), told(stage, Tale::OldLeg));
}

async fn told(stage: &Stage, tale: Tale) {
    let Stage { way, scene, .. } = stage;
    let stays =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::AcceptedButOpen)), ..NewConversation::default() };
    let made = scene.simulator.create(&stays).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    scene.settled(id(&closure), &["awaiting_confirmation"]).await;
    stage.tell(tale, &made).await;
    let closure = scene.settled(id(&closure), &SETTLED).await;
    assert_eq!(closure["state"], "closed", "{way:?} {tale:?}: {closure}");
    assert_eq!(closure["attempts"], 2, "{way:?} {tale:?}: {closure}");
    assert_eq!(closure["confirmedBy"]["kind"], way.kind(), "{way:?} {tale:?}: {closure}");
    let shown = scene.simulator.guest_state(made.conversation_id);
    assert_eq!(shown, Some(GuestState::Disconnected), "{way:?} {tale:?}");
}

/// The event of an end that was taken comes again: nothing changes.
async fn told_once_more(stage: &Stage) {
    let Stage { way, scene, .. } = stage;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closed = scene.close(made.conversation_id, "30s").await;
    assert_eq!(closed["state"], "closed", "{way:?}: {closed}");
    let replayed = Trigger {
        conversation_id: Some(made.conversation_id),
        kind: TriggerKind::Replayed,
        ..Trigger::default()
    };
    match way {
        Way::Webhook | Way::Queue => drop(scene.simulator.trigger(&replayed).await.unwrap()),
        Way::Socket => stage.tell_again(&made),
    }
    // What comes after it has been taken, so it has been too.
    let next = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    assert_eq!(scene.close(next.conversation_id, "30s").await["state"], "closed");
    let (_, still) = scene.ask("GET", &format!("/v1/closures/{}", id(&closed)), None).await;
    for field in ["state", "version", "apiCalls", "confirmedBy"] {
        assert_eq!(still[field], closed[field], "{way:?} {field}: {still}");
    }
}

fn id(closure: &Value) -> &str {
    closure["id"].as_str().unwrap_or_else(|| panic!("{closure}"))
}
