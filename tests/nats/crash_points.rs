//! The service dies before and after whatever it tells its broker: that a message is taken, that a closure has ended.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use closeout_tests::{CrashPoints, Nats, PATIENCE, Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;
use serde_json::json;

/// What a round passes whatever it does, or the test says too little.
const AT_LEAST: [&str; 6] = [
    "receive messages, after",
    "settle messages, before",
    "settle messages, after",
    "publish ending, before",
    "publish ending, after",
    "publish ending, after, 2",
];

/// How many commands a round sends, one of them malformed.
const COMMANDS: usize = 4;

/// Sends commands and waits until each came to its end, its ending was told, and the queue is empty.
async fn round(number: usize, nats: &Nats, points: &CrashPoints, scene: &mut Scene) {
    let good = COMMANDS - 1;
    let made = scene.simulator.create(&NewConversation::default().count(good.try_into().unwrap())).unwrap();
    for (place, made) in made.iter().enumerate() {
        let command = json!({ "conversationId": made.conversation_id });
        nats.publish(&format!("order-{number}-{place}"), None, &command).await;
    }
    nats.publish(&format!("malformed-{number}"), None, &json!({ "conversationId": "none" })).await;
    let rounds = number + 1;
    let give_up = Instant::now() + PATIENCE;
    loop {
        points.revive(scene).await;
        let closed = number_of("/v1/closures?state=closed&limit=500", scene).await;
        let letters = number_of("/v1/dead-letters?limit=500", scene).await;
        let told = nats.held("ENDED").await.unwrap_or_default();
        let left = nats.left().await;
        let standing = (closed, letters, told >= (rounds * good) as u64, left);
        if standing == (Some(rounds * good), Some(rounds), true, Some(0)) {
            return;
        }
        assert!(Instant::now() < give_up, "closed, dead letters, told, left: {standing:?} {}", scene.log());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// How many a list has on its first page, if the service lives to say so.
async fn number_of(list: &str, scene: &Scene) -> Option<usize> {
    let (_, page) = scene.try_ask("GET", list, None).await.ok()?;
    Some(page["items"].as_array()?.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_or_after_whatever_the_broker_is_told_loses_no_command_and_doubles_none() {
    let nats = Nats::begin().await;
    // What was received by a process that died is given out again after this time.
    nats.give_again_after(Duration::from_secs(2)).await;
    let points = CrashPoints::begin();
    let options = SceneOptions {
        callbacks: nats.source(),
        environment: vec![points.environment()],
        ..SceneOptions::default()
    };
    let mut scene = Scene::begin(options).await;
    round(0, &nats, &points, &mut scene).await;
    // What can be seen of a round may be there a moment before its last point is passed.
    let all_of_them = wait_until(PATIENCE, || async {
        let passed = points.passed();
        AT_LEAST.iter().all(|point| passed.iter().any(|one| one == point)).then_some(passed)
    });
    let passed = all_of_them.await.unwrap_or_else(|| panic!("not passed: {:#?}", points.passed()));
    let of_the_broker = |point: &&String| AT_LEAST.iter().any(|one| point.starts_with(one));
    let mut died = Vec::new();
    let mut rounds = 1;
    for point in passed.iter().filter(of_the_broker) {
        points.die_at(point);
        scene.kill();
        points.revive(&mut scene).await;
        round(rounds, &nats, &points, &mut scene).await;
        rounds += 1;
        if AT_LEAST.contains(&point.as_str()) {
            let dead = wait_until(PATIENCE, || async { points.died_at() });
            assert!(dead.await.is_some(), "{point} was not passed again");
        }
        died.extend(points.died_at());
    }
    // A life that is not to end, to be asked what became of all that.
    points.die_at("nowhere");
    scene.kill();
    points.revive(&mut scene).await;
    println!("died at {died:#?}");
    for point in AT_LEAST {
        assert!(died.iter().any(|one| one == point), "no death at {point}: {died:#?}");
    }
    let all = scene.closures().await;
    assert_eq!(all.len(), rounds * (COMMANDS - 1), "each command is one closure");
    let ended: BTreeSet<_> = nats
        .endings()
        .await
        .iter()
        .map(|one| one["data"]["conversationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ended.len(), rounds * (COMMANDS - 1), "each ending is told");
    let verdict = scene.simulator.verdict();
    assert!(verdict.clean, "{verdict:?}");
}
