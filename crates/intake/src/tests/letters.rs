//! Messages that cannot be taken, and what operators do about them.

use std::{sync::atomic::Ordering, time::Duration};

use queue::Action;
use store::DeadLetterFilter;
use tokio::time::sleep;

use super::world::{World, conversation, until};
use crate::{ActError, Letter};

async fn letters(world: &World) -> Vec<Letter> {
    world.sources.letters(&DeadLetterFilter::default(), None, 100).await.unwrap()
}

async fn emptied(world: &World) {
    until("the queue is empty", async || (world.queue.remaining() == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_is_kept_and_then_goes() {
    let world = World::begin().await;
    world.publish(Some("order-1"), None, "nonsense");
    world.command(2);
    emptied(&world).await;
    let [letter] = letters(&world).await.try_into().unwrap();
    assert_eq!((letter.reason.as_str(), letter.state.as_str()), ("invalid_json", "held"));
    assert_eq!((letter.source.as_str(), letter.organisation.as_str()), ("orders", "main"));
    assert_eq!((letter.message_id.as_deref(), letter.place.as_str()), (Some("order-1"), "memory/1"));
    assert_eq!((&letter.body[..], letter.length), (&b"nonsense"[..], 8));
    assert_eq!(world.closures().await.len(), 1, "others go on");
    assert_eq!(world.standing().await.dead_letters, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_is_one_dead_letter() {
    let world = World::begin().await;
    world.queue.fail(Action::Settle, 2);
    world.publish(Some("order-1"), None, "nonsense");
    emptied(&world).await;
    assert_eq!(letters(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_stays_in_the_queue() {
    let world = World::begin().await;
    world.command(0);
    emptied(&world).await;
    world.store.set_unavailable(true);
    world.publish(Some("order-1"), None, "nonsense");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.queue.remaining(), 1);
    world.store.set_unavailable(false);
    emptied(&world).await;
    assert_eq!(letters(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_command_under_a_known_id_is_a_dead_letter_and_so_is_one_too_large() {
    let world = World::begin().await;
    world.publish(Some("order-1"), None, &conversation(1));
    emptied(&world).await;
    world.publish(Some("order-1"), None, &conversation(2));
    emptied(&world).await;
    world.publish(Some("order-2"), None, &"x".repeat(crate::LARGEST_COMMAND + 1));
    emptied(&world).await;
    world.publish(Some("order-3"), None, &"x".repeat(crate::LARGEST_MESSAGE + 1));
    emptied(&world).await;
    let letters = letters(&world).await;
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["body_too_large", "body_too_large", "idempotency_key_reused"]);
    assert_eq!((letters[0].is_whole(), letters[0].length), (false, crate::LARGEST_MESSAGE + 1));
    assert_eq!(world.sources.redrive(letters[0].key, "ops", None).await, Err(ActError::NotWhole));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_taken_after_all_once_its_cause_is_gone() {
    let world = World::begin().await;
    world.commands.refuses.store(true, Ordering::SeqCst);
    world.command(1);
    emptied(&world).await;
    let key = letters(&world).await[0].key;
    let refused = world.sources.redrive(key, "ops", None).await.unwrap_err();
    assert!(
        matches!(refused, ActError::Refused { ref reason, .. } if reason == "invalid_field"),
        "{refused:?}"
    );
    assert!(letters(&world).await[0].is_held());
    world.commands.refuses.store(false, Ordering::SeqCst);
    let letter = world.sources.redrive(key, "ops", Some("fixed".to_owned())).await.unwrap();
    let [closure] = world.closures().await.try_into().unwrap();
    assert_eq!((letter.state.as_str(), letter.closure), ("redriven", Some(closure.key)));
    let seen_to = letter.seen_to.clone().unwrap();
    assert_eq!((seen_to.by.as_str(), seen_to.reason.as_deref()), ("ops", Some("fixed")));
    assert_eq!(world.sources.letter(key).await.unwrap(), Some(letter));
    assert_eq!(world.standing().await.dead_letters, 0);
    let again = world.sources.redrive(key, "ops", None).await;
    assert_eq!(again, Err(ActError::SeenTo("redriven".to_owned())));
    // The message itself, were it to come again, asks for nothing new.
    world.command(1);
    emptied(&world).await;
    assert_eq!(world.closures().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_given_up_stays_given_up() {
    let world = World::begin().await;
    world.publish(Some("order-1"), None, "nonsense");
    emptied(&world).await;
    let key = letters(&world).await[0].key;
    let letter = world.sources.discard(key, "ops", Some("a test".to_owned())).await.unwrap();
    assert_eq!(letter.state, "discarded");
    let again = world.sources.discard(key, "ops", None).await;
    assert_eq!(again, Err(ActError::SeenTo("discarded".to_owned())));
    assert_eq!(world.sources.redrive(uuid::Uuid::nil(), "ops", None).await, Err(ActError::Missing));
    assert_eq!(world.standing().await.dead_letters, 0);
}
