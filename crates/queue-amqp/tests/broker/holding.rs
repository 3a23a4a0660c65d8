//! What is for later is held: it holds up nobody, and its time is kept over a connection that breaks.

use std::time::Duration;

use lapin::BasicProperties;
use queue::{Outgoing, Settlement, Source, conformance::Place};
use queue_amqp::AmqpSource;
use tokio::time::Instant;

use crate::{
    place::{BOUND, HELD, Kind, RabbitMq, channel},
    taker::{WAIT, one, settle, some},
};

fn named(id: &str) -> Outgoing {
    Outgoing {
        id: Some(id.to_owned()),
        headers: queue::Headers::default(),
        reply_to: None,
        body: "{}".into(),
    }
}

/// A window of four, and twenty that are for later: more than all windows of one consumer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_messages_for_later_than_the_window_hold_up_nobody() {
    for kind in [Kind::Classic, Kind::Quorum] {
        let place = RabbitMq::empty(kind).await;
        let source = AmqpSource::new(place.settings().with_prefetch(4).with_held(Duration::from_secs(60)));
        let channel = channel().await;
        for n in 0..21 {
            let properties = BasicProperties::default().with_message_id(format!("order-{n}").into());
            place.publish_to(&channel, properties, b"{}").await;
        }
        let until = Instant::now() + BOUND;
        let mut came = 0;
        while came < 21 {
            assert!(Instant::now() < until, "{kind:?}: only {came} came");
            let messages = source.receive(2, WAIT).await.unwrap();
            came += messages.len();
            assert!(settle(&source, &messages, Settlement::Later(Duration::from_secs(60))).await);
        }
        let standing = source.standing().await.unwrap();
        assert_eq!((standing.waiting, standing.in_hand), (21, 0), "{kind:?}");
        source.close().await;
    }
}

/// The connection breaks and the broker gives the message out at once; the source holds it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_is_kept_over_a_connection_that_breaks() {
    const DELAY: Duration = Duration::from_secs(4);
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    place.publish(named("order-1")).await;
    let first = one(&*source).await;
    let began = Instant::now();
    assert!(settle(&*source, &[first], Settlement::Later(DELAY)).await);
    source.reopen().await;
    let second = one(&*source).await;
    assert!(began.elapsed() >= DELAY - Duration::from_millis(100), "it came after {:?}", began.elapsed());
    assert_eq!(second.deliveries, 2, "an early one is not counted");
    assert!(settle(&*source, &[second], Settlement::Taken).await);
}

/// Nobody receives while a source rests; what is for later is given back to others at its time all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_rests_gives_back_what_is_for_later_at_its_time() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    place.publish(named("order-1")).await;
    let first = one(&*source).await;
    assert!(settle(&*source, &[first], Settlement::Later(HELD)).await);
    source.rest().await;
    let other = place.open().await;
    let began = Instant::now();
    assert_eq!(some(&*other, 1).await.len(), 1);
    assert!(began.elapsed() >= HELD / 2, "not before its time: {:?}", began.elapsed());
}

/// An id of the producer's is what makes two messages with the same body two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_messages_are_told_apart_by_their_ids() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    place.publish(named("order-1")).await;
    place.publish(named("order-2")).await;
    let (first, second) = (one(&*source).await, one(&*source).await);
    assert_ne!(first.place, second.place);
    assert_eq!((first.deliveries, second.deliveries), (1, 1));
}
