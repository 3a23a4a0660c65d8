//! The connection breaks at each message to the server in turn, before the server sees it and after.

use store::conformance::witness::Told;

use super::{
    breaker::{BREAKS, Break, Breaker},
    scene::Scene,
};
use crate::server;

/// More messages than a connection begins with: its greeting, the lock, and thirteen statements of three messages each.
const AFTER: u64 = 70;

#[tokio::test]
async fn one_message_is_lost_or_unanswered_and_all_that_was_answered_is_there() {
    let (breaker, mut scene, messages) = begin().await;
    for how in BREAKS {
        let mut refused = 0;
        for message in 0..messages {
            let told = breaks(&breaker, &mut scene, &[message], how).await;
            assert!(
                told.late <= 1,
                "{how:?} at message {message}: {} late refusals, at last \"{}\"",
                told.late,
                told.why
            );
            refused += told.refused;
            assert!(breaker.is_sound(), "{how:?} at message {message} never came");
        }
        // What is known to be rolled back is written again; of all else whoever asked is told.
        assert!(refused > 0, "{how:?} is noticed");
        println!("{messages} messages, each of which was {how:?}: {refused} refusals, nothing lost");
    }
    breaker.plan([], Break::Lost);
    scene.end().await;
}

#[tokio::test]
async fn the_connection_that_follows_breaks_at_each_of_its_messages_and_the_next_one_is_made() {
    let (breaker, mut scene, messages) = begin().await;
    let first = messages / 3;
    for (gap, how) in (1..=AFTER).zip(BREAKS.into_iter().cycle()) {
        breaks(&breaker, &mut scene, &[first, first + gap], how).await;
        assert!(breaker.is_sound(), "message {gap} after the first one never came");
    }
    breaker.plan([], Break::Lost);
    scene.end().await;
}

/// A scene with a proxy before its store, and how many messages a work takes where nothing fails.
async fn begin() -> (Breaker, Scene, u64) {
    let (breaker, schema) = (Breaker::begin(&server::host()).await, server::schema());
    let mut scene = Scene::begin(&breaker.address_of(&schema), &schema).await;
    breaks(&breaker, &mut scene, &[], Break::Lost).await;
    let messages = breaker.seen();
    assert!(messages > 80, "the work asks for much: {messages}");
    (breaker, scene, messages)
}

async fn breaks<'a>(breaker: &Breaker, scene: &'a mut Scene, at: &[u64], how: Break) -> &'a Told {
    breaker.plan(at.iter().copied(), how);
    scene.works(&|| breaker.is_sound(), &format!("{how:?} at {at:?}")).await
}
