//! Messages that are taken, and what holds that up.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use queue::{Action, Fault, MemorySource, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::world::{World, conversation, until};
use crate::{Decoder, Replies, Setup, SourceState, Sources};

/// A source whose broker says nothing before it is let.
struct Silent {
    source: MemorySource,
    may_answer: watch::Sender<bool>,
}

impl Silent {
    async fn answers(&self) {
        self.may_answer.subscribe().wait_for(|may| *may).await.unwrap();
    }
}

#[async_trait]
impl Source for Silent {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        self.answers().await;
        self.source.receive(most, wait).await
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        self.source.settle(settlements).await
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        self.source.publish(to, outgoing).await
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        self.answers().await;
        self.source.standing().await
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        self.answers().await;
        self.source.check().await
    }

    async fn rest(&self) {
        self.source.rest().await;
    }

    async fn reopen(&self) {
        self.source.reopen().await;
    }

    async fn close(&self) {
        self.source.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_runs_from_the_first_answer_of_its_broker_on() {
    let world = World::begin().await;
    let may_answer = watch::Sender::new(false);
    let setup = Setup {
        name: "silent".to_owned(),
        kind: "memory",
        organisation: "main".parse().unwrap(),
        decoder: Decoder::Plain,
        replies: Replies::default(),
    };
    let source: Arc<dyn Source> =
        Arc::new(Silent { source: world.queue.source(), may_answer: may_answer.clone() });
    let sources = Sources::start(
        world.store.clone(),
        world.driver.clone(),
        world.commands.clone(),
        vec![(setup, source)],
        None,
        &CancellationToken::new(),
    );
    let state = async || sources.standings().await.unwrap()[0].state;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(state().await, SourceState::Starting, "its broker has not answered");
    assert_eq!(sources.pause("silent", true).await.unwrap().state, SourceState::Paused);
    sources.pause("silent", false).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(state().await, SourceState::Starting, "nor after a pause");
    may_answer.send_replace(true);
    until("it runs", async || (state().await == SourceState::Running).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn every_message_becomes_one_closure_and_then_goes() {
    let world = World::begin().await;
    (0..250).for_each(|number| world.command(number));
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    let closures = world.closures().await;
    assert_eq!(closures.len(), 250);
    assert!(closures.iter().all(|record| &*record.source == "orders"));
    let standing = world.standing().await;
    assert_eq!((standing.state, standing.dead_letters, standing.paused), (SourceState::Running, 0, false));
    assert!(standing.last_received_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_finds_its_closure() {
    let world = World::begin().await;
    // It is durable and the broker does not hear of it: it comes again after it was held.
    world.queue.fail(Action::Settle, 1);
    world.command(1);
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    // Sent once more long after that, by a producer that was not sure.
    until("it has ended", async || world.closures().await[0].closure.has_ended().then_some(())).await;
    world.command(1);
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert_eq!(world.closures().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn commands_for_one_conversation_join_its_open_closure() {
    let world = World::begin().await;
    world.command(1);
    world.publish(Some("order-other"), None, &conversation(1));
    world.publish(None, None, &conversation(1));
    until("they are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert_eq!(world.closures().await.len(), 1);
    assert_eq!(world.standing().await.dead_letters, 0);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_dies_in_the_midst_costs_no_message_and_doubles_no_closure() {
    let world = World::begin().await;
    for number in 0..300 {
        world.command(number);
        if number % 50 == 7 {
            world.queue.kill();
            sleep(Duration::from_millis(700)).await;
            world.queue.restart();
        }
    }
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert_eq!(world.closures().await.len(), 300);
    assert_eq!(world.standing().await.state, SourceState::Running);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_holds_the_source_up_and_loses_nothing() {
    let world = World::begin().await;
    world.command(0);
    until("it works", async || (world.queue.remaining() == 0).then_some(())).await;
    world.store.set_unavailable(true);
    (1..400).for_each(|number| world.command(number));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.queue.remaining(), 399, "nothing goes that is not durable");
    world.store.set_unavailable(false);
    let back = Instant::now();
    until("it goes on", async || (world.closures().await.len() > 1).then_some(())).await;
    assert!(back.elapsed() <= Duration::from_secs(6), "{:?}", back.elapsed());
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert_eq!(world.closures().await.len(), 400);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_messages_wait_at_the_broker() {
    let world = World::with(2, Default::default()).await;
    (0..5).for_each(|number| world.command(number));
    until("it is full", async || (world.standing().await.state == SourceState::NoRoom).then_some(())).await;
    assert_eq!((world.closures().await.len(), world.queue.remaining()), (2, 3));
    // Closures end by themselves, and make room.
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert_eq!(world.closures().await.len(), 5);
    assert_eq!(world.standing().await.dead_letters, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_over_a_restart() {
    let mut world = World::begin().await;
    assert!(world.sources.pause("orders", true).await.unwrap().paused);
    world.command(1);
    sleep(Duration::from_secs(300)).await;
    assert_eq!((world.queue.remaining(), world.standing().await.state), (1, SourceState::Paused));
    world.restart().await;
    sleep(Duration::from_secs(300)).await;
    assert_eq!((world.queue.remaining(), world.standing().await.paused), (1, true));
    assert!(!world.sources.pause("orders", false).await.unwrap().paused);
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    world.restart().await;
    world.command(2);
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert!(world.sources.pause("nobody", true).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_nothing_in_hand() {
    let mut world = World::begin().await;
    (0..1_000).for_each(|number| world.command(number));
    until("it works", async || (world.queue.remaining() < 1_000).then_some(())).await;
    world.stop_sources().await;
    let taken = world.closures().await.len();
    assert!((1..=1_000).contains(&taken));
    assert_eq!(world.queue.remaining(), 1_000 - taken, "what is durable is settled");
    assert_eq!(world.standing().await.state, SourceState::Stopped);
    let began = Instant::now();
    world.restart().await;
    until("all are taken", async || (world.queue.remaining() == 0).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(5), "what was given back comes at once");
    assert_eq!(world.closures().await.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stands_still_is_opened_anew() {
    let world = World::begin().await;
    world.queue.stall();
    world.command(1);
    let began = Instant::now();
    until("it is taken", async || (world.queue.remaining() == 0).then_some(())).await;
    let took = began.elapsed();
    assert!((60..200).contains(&took.as_secs()), "{took:?}");
    assert_eq!(world.closures().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_said_to_be() {
    let world = World::begin().await;
    world.queue.kill();
    let standing = until("it is noticed", async || {
        Some(world.standing().await).filter(|standing| standing.state == SourceState::Unreachable)
    })
    .await;
    assert_eq!(standing.fault.as_deref(), Some("the broker is away"));
    world.queue.restart();
    let running = async || (world.standing().await.state == SourceState::Running).then_some(());
    until("it is back", running).await;
    assert_eq!(world.standing().await.fault, None);
}
