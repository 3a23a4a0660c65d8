//! Commands in, once each.

use std::{sync::Arc, task::Poll};

use closure_machine::{Command, Heard, Order, ProofSource, Subject, What};
use genesys_types::{ParticipantId, Span};
use orchestrator::{Delivery, Overrides, ProducerKey, Said, Submission, SubmitError, Submitted, names};
use uuid::Uuid;

use crate::world::{World, delivery, organisation, submission};

fn keyed(world: &World, key: &str, digest: u8) -> Submission {
    let conversation = world.guest();
    let key = ProducerKey { scope: "shop".to_owned(), key: key.to_owned(), digest: [digest; 32] };
    Submission { key: Some(key), ..submission(conversation) }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_and_command_answer_with_the_same_closure() {
    let world = World::begin().await;
    let command = keyed(&world, "order-8812", 1);
    let Ok(Submitted::Accepted(first)) = world.driver.submit(command.clone()).await else {
        panic!("not accepted")
    };
    let Ok(Submitted::Repeated { record, attached: false }) = world.driver.submit(command.clone()).await
    else {
        panic!("not repeated while open");
    };
    assert_eq!(record.key, first.key);
    world.closed(first.key).await;
    let Ok(Submitted::Repeated { record, .. }) = world.driver.submit(command).await else {
        panic!("not repeated after the end");
    };
    assert_eq!((record.key, names::state(&record.closure)), (first.key, "closed"));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_not_taken_for_another_command() {
    let world = World::begin().await;
    world.driver.submit(keyed(&world, "order-1", 1)).await.unwrap();
    assert_eq!(world.driver.submit(keyed(&world, "order-1", 2)).await, Err(SubmitError::KeyReused));
}

#[tokio::test(start_paused = true)]
async fn a_second_command_for_the_conversation_is_attached_and_opens_nothing() {
    let world = World::begin().await;
    let conversation = world.guest();
    let first = world.submit(conversation).await;
    let key = ProducerKey { scope: "shop".to_owned(), key: "two".to_owned(), digest: [2; 32] };
    let second = Submission { key: Some(key), ..submission(conversation) };
    let Ok(Submitted::Attached(record)) = world.driver.submit(second.clone()).await else {
        panic!("not attached")
    };
    assert_eq!(record.key, first.key);
    let repeated = world.driver.submit(second).await;
    assert!(matches!(repeated, Ok(Submitted::Repeated { attached: true, .. })), "{repeated:?}");
    assert_eq!(world.driver.open_closures(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_wants_something_else_is_refused() {
    let world = World::begin().await;
    let conversation = world.guest();
    let open = world.submit(conversation).await;
    let overrides = Overrides { order: Some(Order::ConversationFirst), ..Overrides::default() };
    let other = Submission { said: Said { overrides, ..Said::default() }, ..submission(conversation) };
    let refused = world.driver.submit(other).await;
    assert_eq!(refused, Err(SubmitError::Contradicts { closure: open.key, what: "order" }));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_says_what_holds_anyway_is_attached() {
    let world = World::begin().await;
    let conversation = world.guest();
    world.submit(conversation).await;
    let overrides = Overrides { order: Some(world.policy.order), ..Overrides::default() };
    let same = Submission { said: Said { overrides, ..Said::default() }, ..submission(conversation) };
    let attached = world.driver.submit(same).await;
    assert!(matches!(attached, Ok(Submitted::Attached(_))), "{attached:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_while_the_commit_is_under_way_leaves_nothing_half_done() {
    // One poll leaves before the commit is durable, two leave after it and before its answer.
    for polls in 1..=2 {
        let world = World::begin().await;
        let conversation = world.guest();
        let mut asked = Box::pin(world.driver.submit(submission(conversation)));
        for _ in 0..polls {
            let polled = std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
            assert!(polled.is_pending());
        }
        drop(asked);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let Ok(Submitted::Attached(record)) = world.driver.submit(submission(conversation)).await else {
            panic!("the command was lost after {polls} polls")
        };
        assert_eq!(names::state(&world.closed(record.key).await.closure), "closed");
        world.truth(conversation, |truth| assert_eq!(truth.calls.len(), 3));
        assert_eq!((world.driver.open_closures(), world.driver.status()[0].open), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_racing_commands_open_one_closure() {
    let world = Arc::new(World::begin().await);
    let conversation = world.guest();
    let race = (0..100).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.driver.submit(submission(conversation)).await.unwrap() })
    });
    let mut keys = std::collections::BTreeSet::new();
    for racer in race.collect::<Vec<_>>() {
        let (Submitted::Accepted(record) | Submitted::Attached(record) | Submitted::Repeated { record, .. }) =
            racer.await.unwrap();
        keys.insert(record.key);
    }
    assert_eq!(keys.len(), 1);
    world.closed(*keys.first().unwrap()).await;
    world.truth(conversation, |truth| assert_eq!(truth.calls.len(), 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_organisation_says_when_to_come_back() {
    let world = World::begin().await;
    world.remote.limit_permits(0);
    let first = keyed(&world, "order-1", 1);
    world.driver.submit(first.clone()).await.unwrap();
    for _ in 1..1_000 {
        world.submit(world.guest()).await;
    }
    let refused = world.driver.submit(submission(world.guest())).await;
    assert!(
        matches!(refused, Err(SubmitError::Full { retry_after }) if retry_after > Span::ZERO),
        "{refused:?}"
    );
    let repeated = world.driver.submit(first).await;
    assert!(matches!(repeated, Ok(Submitted::Repeated { .. })), "{repeated:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_for_later_is_not_begun_before() {
    let world = World::begin().await;
    let conversation = world.guest();
    let later = world.driver.now() + Span::from_secs(3_600);
    let command = Command {
        subject: Subject::Conversation(conversation),
        participant: None,
        not_before: Some(later),
        follows: 0,
    };
    let Ok(Submitted::Accepted(record)) =
        world.driver.submit(Submission { command, ..submission(conversation) }).await
    else {
        panic!("not accepted");
    };
    assert_eq!(names::state(&record.closure), "scheduled");
    tokio::time::sleep(std::time::Duration::from_secs(3_590)).await;
    assert_eq!(world.remote.calls(), 0);
    let closed = world.closed(record.key).await;
    assert_eq!(names::state(&closed.closure), "closed");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_fails_with_its_name() {
    let world = World::begin().await;
    let unknown = genesys_types::ConversationId::from_uuid(Uuid::new_v4());
    let failed = world.closed(world.submit(unknown).await.key).await;
    assert_eq!(names::reason(&failed.closure), Some("not_found"));

    let stranger = Some(ParticipantId::from_uuid(Uuid::new_v4()));
    let conversation = world.guest();
    let command = Command {
        subject: Subject::Conversation(conversation),
        participant: stranger,
        not_before: None,
        follows: 0,
    };
    let Ok(Submitted::Accepted(record)) =
        world.driver.submit(Submission { command, ..submission(conversation) }).await
    else {
        panic!("not accepted");
    };
    let failed = world.closed(record.key).await;
    assert_eq!(names::reason(&failed.closure), Some("participant_not_found"));
    world.truth(conversation, |truth| assert!(truth.calls.iter().all(|call| !call.is_write())));

    let nowhere = Submission { organisation: "elsewhere".parse().unwrap(), ..submission(conversation) };
    assert_eq!(world.driver.submit(nowhere).await, Err(SubmitError::UnknownOrganisation));
    assert_eq!(organisation().as_str(), "main");
}

#[tokio::test(start_paused = true)]
async fn all_events_past_their_retention_are_forgotten_also_when_no_row_is() {
    let world = World::begin().await;
    for number in 0..2_500 {
        let event = Delivery {
            event_id: number.to_string(),
            conversation: None,
            heard: None,
            ..delivery(world.guest(), unheard(&world), "unknown")
        };
        world.driver.deliver(event).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(49 * 3_600)).await;
    assert_eq!(world.driver.inbox(10).await.unwrap(), []);
}

fn unheard(world: &World) -> Heard {
    Heard {
        source: ProofSource::Webhook,
        occurred_at: world.driver.now(),
        what: What::GuestLeft { participant: None, communication: None },
    }
}
