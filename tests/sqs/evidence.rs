//! What proves that a guest is gone, and what does not.

use closeout_tests::{run, wait_until};
use genesys_simulator::{ChaosSpec, NewConversation, Preset, Trigger};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    aws::{Aws, address},
    bridge::By,
    setting::{OURS, PATIENCE, begin, came_in, emptied, is_in, is_proven_by_the_queue, received, scene},
};

const CUSTOMER_END: &str = "v2.detail.events.conversation.{id}.customer.end";
const USER_END: &str = "v2.detail.events.conversation.{id}.user.end";

#[tokio::test]
async fn events_prove_the_end_in_time_late_early_twice_and_out_of_order() {
    let (aws, scene) = begin(By::EventBridge).await;
    let mut waiting = Vec::new();
    for preset in [
        None,
        Some(Preset::LateWebhook),
        Some(Preset::EarlyWebhook),
        Some(Preset::DuplicateWebhook),
        Some(Preset::Reordered),
    ] {
        let wanted = NewConversation { chaos: preset.map(ChaosSpec::of), ..NewConversation::default() };
        for made in scene.simulator.create(&wanted.count(3)).unwrap() {
            let closure = scene.close(made.conversation_id, "0s").await;
            waiting.push(closure["id"].as_str().unwrap().to_owned());
        }
    }
    for id in waiting {
        let closure = scene.settled(&id, &["closed", "failed", "ghost", "already_closed"]).await;
        is_proven_by_the_queue(&closure);
        assert_eq!(closure["apiCalls"], 3, "{closure}");
    }
    emptied(&aws, &scene).await;
    assert_eq!(aws.dead().await, 0);
    let types = received(&scene).await;
    assert!(
        types.iter().all(|item| item["eventType"] == CUSTOMER_END || item["eventType"] == USER_END),
        "{types:?}"
    );
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
    let (status, ready) = scene.ask("GET", "/readyz?verbose", None).await;
    assert_eq!((status, &ready["hooks"][0]["name"]), (200, &json!("eventbridge")), "{ready}");
    assert!(ready["hooks"][0]["lastEventAt"].is_string(), "{ready}");
}

#[tokio::test]
async fn three_messages_of_one_event_have_the_effect_of_one() {
    let (aws, scene) = begin(By::ThreeCopies).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let closure = scene.close(made.conversation_id, "30s").await;
    is_proven_by_the_queue(&closure);
    assert_eq!(closure["apiCalls"], 3, "{closure}");
    came_in(&scene, "duplicate", 2).await;
    emptied(&aws, &scene).await;
    let of_the_end: Vec<_> =
        received(&scene).await.into_iter().filter(|item| item["eventType"] == CUSTOMER_END).collect();
    let results = |wanted: &str| of_the_end.iter().filter(|item| item["result"] == wanted).count();
    assert_eq!((results("taken"), results("duplicate"), of_the_end.len()), (1, 2, 3), "{of_the_end:?}");
}

#[tokio::test]
async fn an_event_before_the_command_is_kept_and_proves_nothing_by_itself() {
    let (aws, scene) = begin(By::EventBridge).await;
    let made = scene.simulator.create(&NewConversation::default()).unwrap()[0];
    let trigger = Trigger { conversation_id: Some(made.conversation_id), ..Trigger::default() };
    scene.simulator.trigger(&trigger).await.unwrap();
    came_in(&scene, "unmatched", 1).await;
    emptied(&aws, &scene).await;
    let closure = scene.close(made.conversation_id, "30s").await;
    is_proven_by_the_queue(&closure);
    assert!(scene.simulator.verdict().clean, "{:?}", scene.simulator.verdict());
}

/// An event on EventBridge: whose, of what type, and its body.
async fn put(aws: &Aws, source: &str, topic: &str, body: Value) {
    let id = body["conversationId"].as_str().unwrap();
    let detail = json!({
        "topicName": topic.replace("{id}", id), "version": "2", "eventBody": body, "metadata": {},
    });
    aws.put_event(&format!("{source}/suffix"), topic, &detail).await;
}

#[tokio::test]
async fn nothing_else_proves_that_a_guest_is_gone() {
    let (aws, scene) = begin(By::EventBridge).await;
    let stays =
        NewConversation { chaos: Some(ChaosSpec::of(Preset::AcceptedButOpen)), ..NewConversation::default() };
    let made = scene.simulator.create(&stays).unwrap()[0];
    let closure = scene.close(made.conversation_id, "0s").await;
    let id = closure["id"].as_str().unwrap().to_owned();
    scene.settled(&id, &["awaiting_confirmation"]).await;
    let about = |conversation: Uuid, participant: Option<Uuid>, session: Option<Uuid>, at: i64| {
        json!({
            "eventTime": at, "conversationId": conversation, "participantId": participant, "sessionId": session,
            "mediaType": "MESSAGE", "disconnectType": "CLIENT",
        })
    };
    let (ours, guest, leg) = (made.conversation_id, Some(made.participant_id), Some(made.communication_id));
    // All of these are long before the close was asked.
    let long_ago = 1_700_000_000_000;

    let other = "aws.partner/genesys.com/cloud/11111111-2222-4333-8444-555555555555";
    put(&aws, other, CUSTOMER_END, about(ours, guest, leg, long_ago)).await;
    came_in(&scene, "foreign", 1).await;

    let mut transfer = about(ours, Some(Uuid::new_v4()), Some(Uuid::new_v4()), long_ago);
    transfer["disconnectType"] = "TRANSFER".into();
    put(&aws, OURS, USER_END, transfer).await;
    came_in(&scene, "not_an_ending", 1).await;

    put(&aws, OURS, CUSTOMER_END, about(Uuid::new_v4(), guest, leg, long_ago)).await;
    came_in(&scene, "unmatched", 1).await;
    is_in(&scene, &id, "awaiting_confirmation").await;

    // A leg that ended before, and the participant's end at another time: the first is nothing new, the second is looked into.
    put(&aws, OURS, CUSTOMER_END, about(ours, guest, Some(Uuid::new_v4()), long_ago)).await;
    put(&aws, OURS, CUSTOMER_END, about(ours, guest, None, long_ago)).await;
    emptied(&aws, &scene).await;

    aws.send("canary, and no JSON").await;
    came_in(&scene, "undecodable", 1).await;
    let moved = wait_until(PATIENCE, || async { (aws.dead().await == 1).then_some(()) });
    assert!(moved.await.is_some(), "it is not in the dead-letter queue: {}", scene.log());
    assert!(!scene.log().contains("canary"), "a body was logged");
    assert_eq!(received(&scene).await.iter().filter(|item| item["result"] == "undecodable").count(), 1);

    let (_, closure) = scene.ask("GET", &format!("/v1/closures/{id}"), None).await;
    assert!(closure["confirmedBy"].is_null() && closure["state"] != "closed", "{closure}");
    let verdict = scene.simulator.verdict();
    assert_eq!(verdict.conversations_open, 1, "{verdict:?}");
}

#[tokio::test]
async fn a_backlog_is_taken_and_doctor_and_metrics_tell_how_the_queue_stands() {
    let aws = Aws::begin().await;
    let source = format!("{OURS}/suffix");
    for _ in 0..60 {
        let detail = json!({ "topicName": USER_END.replace("{id}", &Uuid::new_v4().to_string()), "version": "2",
            "eventBody": { "conversationId": null, "disconnectType": "TRANSFER" }, "metadata": {} });
        aws.put_event(&source, USER_END, &detail).await;
    }
    assert_eq!(aws.left().await, 60);
    let mut scene = scene(&aws, By::EventBridge, &address()).await;
    emptied(&aws, &scene).await;
    // A queue may give a message twice, as this one does when two receive at the very same moment.
    let taken = received(&scene).await;
    let of = |result: &str| taken.iter().filter(|item| item["result"] == result).count();
    let (taken, none, again) = (taken.len(), of("not_an_ending"), of("duplicate"));
    assert!((60..70).contains(&taken) && aws.dead().await == 0, "{taken}: {}", scene.log());
    assert!(none >= 60 && none + again == taken, "{none} and {again} of {taken}: {}", scene.log());
    let page = reqwest::Client::new()
        .get(format!("{}/metrics", scene.base))
        .bearer_auth(scene.environment()[1].1)
        .send()
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    for line in [
        // As it stood when the service began; it is looked at again after half a minute.
        "closeout_source_lag_messages{source=\"eventbridge\"} 60",
        &format!("closeout_queue_messages_total{{adapter=\"eventbridge\",result=\"not_an_ending\"}} {none}"),
        "closeout_queue_messages_total{adapter=\"eventbridge\",result=\"foreign\"} 0",
        &format!("closeout_confirmations_total{{adapter=\"eventbridge\",result=\"not_an_ending\"}} {none}"),
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let environment = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID),
        ("GENESYSCLOUD_OAUTHCLIENT_SECRET", genesys_simulator::DEFAULT_CLIENT_SECRET),
    ];
    let doctor = |file: &str| {
        let arguments = ["doctor", "--online", "--config", file, "-o", "json"];
        let ended = run(scene.folder.path(), &arguments, &environment);
        let checks: Value = serde_json::from_str(&ended.stdout).unwrap();
        checks.as_array().unwrap().iter().find(|check| check["check"] == "queue").unwrap().clone()
    };
    let file = scene.configuration();
    let check = doctor(file.to_str().unwrap());
    assert_eq!((&check["result"], &check["about"]), (&json!("ok"), &json!("eventbridge")), "{check}");
    assert!(check["what"].as_str().unwrap().contains("after 3 receives"), "{check}");
    let text = std::fs::read_to_string(&file).unwrap().replace("/123456789012/", "/123456789012/no-");
    std::fs::write(scene.folder.path().join("other.toml"), text).unwrap();
    let check = doctor("other.toml");
    assert_eq!((&check["result"], &check["exit"]), (&json!("wrong"), &json!(2)), "{check}");
    assert!(check["fix"].as_str().unwrap().contains("check queue_url"), "{check}");
    assert_eq!(scene.terminate(), 0, "{}", scene.log());
}
