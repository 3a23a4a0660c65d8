//! Brokers that die again and again while messages flow, and networks that are cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{BasicProperties, Channel};
use queue::{Action, FaultKind, Headers, Outgoing, Settlement, Source, conformance::Place};
use queue_amqp::AmqpSource;
use tokio::time::{Instant, timeout};

use crate::{
    place::{BOUND, Kind, RabbitMq, channel, url},
    proxy::{Network, Proxy},
    taker::{Came, WAIT, one, settle},
};

/// How often the broker dies.
const DEATHS: usize = 2;

/// Publishes `order-0`, `order-1`, … until it is stopped, each until it is confirmed: so through deaths too, where one may come to
/// stand in the queue twice, as with every producer.
async fn produce(queue: String, published: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let Ok(connection) = lapin::Connection::connect(&url(), lapin::ConnectionProperties::default()).await
        else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(channel) = connection.create_channel().await else { continue };
        let _ = channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await;
        while !stop.load(Ordering::SeqCst) {
            let n = published.load(Ordering::SeqCst);
            match timeout(Duration::from_secs(5), publish(&channel, &queue, n)).await {
                Ok(true) => {
                    published.store(n + 1, Ordering::SeqCst);
                    // Some hundred a second: the broker has to live as well.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                refused => {
                    // An answer without a confirmation, or none; shown where the test fails.
                    eprintln!("order-{n} is not confirmed: {refused:?}");
                    break;
                }
            }
        }
    }
}

async fn publish(channel: &Channel, queue: &str, n: usize) -> bool {
    let properties =
        BasicProperties::default().with_message_id(format!("order-{n}").into()).with_delivery_mode(2);
    let options = lapin::options::BasicPublishOptions { mandatory: true, immediate: false };
    let sent = channel.basic_publish("".into(), queue.into(), options, b"{}", properties).await;
    let Ok(sent) = sent else { return false };
    matches!(sent.await, Ok(lapin::Confirmation::Ack(None)))
}

/// Every message that the broker confirmed to its producer is taken, with a confirmation, and at the end the queue is empty.
async fn dies_again_and_again(kind: Kind) {
    let place = RabbitMq::empty(kind).await;
    let source = place.open().await;
    let (published, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let producing = tokio::spawn(produce(place.queue.clone(), Arc::clone(&published), Arc::clone(&stop)));
    let mut came = Came::default();
    for death in 0..DEATHS {
        // It dies in the midst of the traffic, after some more was taken each time.
        came.take(&*source, came.confirmed() + 40).await;
        let (_, ()) = tokio::join!(source.receive(20, WAIT), place.kill());
        place.restart().await;
        eprintln!("{kind:?}: death {death}, {} are taken", came.confirmed());
    }
    stop.store(true, Ordering::SeqCst);
    producing.await.unwrap();
    let all = published.load(Ordering::SeqCst);
    came.take(&*source, all).await;
    for n in 0..all {
        let (confirmed, _) = came.taken[&format!("order-{n}")];
        assert!(confirmed >= 1, "{kind:?}: order-{n}");
    }
    empty(&*source).await;
    source.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_queue_loses_no_message_that_it_confirmed_when_its_broker_dies() {
    dies_again_and_again(Kind::Classic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_queue_loses_no_message_that_it_confirmed_when_its_broker_dies() {
    dies_again_and_again(Kind::Quorum).await;
}

/// Takes what comes again until the queue is empty.
async fn empty(source: &dyn Source) {
    let until = Instant::now() + BOUND;
    loop {
        let messages = source.receive(20, WAIT).await.unwrap_or_default();
        let is_settled = settle(source, &messages, Settlement::Taken).await;
        let standing = source.standing().await;
        if is_settled && messages.is_empty() && standing == Ok(queue::Standing::default()) {
            return;
        }
        assert!(Instant::now() < until, "it stays {standing:?}");
    }
}

/// Endings are confirmed: what was answered with `Ok` is there after a death, and what was not can be published again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_that_is_confirmed_outlives_the_broker() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    let ending = |n: usize| Outgoing {
        id: Some(format!("ending-{n}")),
        headers: [("correlation-id", format!("order-{n}"))].into_iter().collect::<Headers>(),
        reply_to: None,
        body: format!("{n}").into(),
    };
    for n in 0..20 {
        source.publish(&place.endings, ending(n)).await.unwrap();
    }
    place.kill().await;
    let refused = source.publish(&place.endings, ending(20)).await.unwrap_err();
    assert_eq!((refused.action, refused.kind), (Action::Publish, FaultKind::Unreachable), "{refused}");
    place.restart().await;
    let until = Instant::now() + BOUND;
    while let Err(fault) = source.publish(&place.endings, ending(20)).await {
        assert!(Instant::now() < until, "{fault}");
        tokio::time::sleep(WAIT).await;
    }
    let back = place.published_back(21).await;
    let bodies: Vec<String> =
        back.iter().map(|ending| String::from_utf8(ending.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies, (0..21).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(back[7].headers.first("correlation-id"), Some("order-7"));
    // Nobody listens there, which is no fault.
    assert_eq!(source.publish("nobody-listens-here", ending(21)).await, Ok(()));
}

/// A connection that breaks under a taker: what was in hand comes again, by another connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_gives_back_what_was_in_hand() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let proxy = Proxy::to(&url()).await;
    let source = AmqpSource::new(place.settings_at(&proxy.url(10)).with_held(BOUND));
    let channel = channel().await;
    for n in 0..10 {
        assert!(publish(&channel, &place.queue, n).await);
    }
    let had = one(&source).await;
    proxy.set(Network::Broken);
    assert!(!settle(&source, std::slice::from_ref(&had), Settlement::Taken).await, "nothing is confirmed");
    assert!(source.receive(1, WAIT).await.is_err());
    proxy.set(Network::Carries);
    let mut came = Came::default();
    came.take(&source, 10).await;
    assert!(came.taken.contains_key(had.id.as_deref().unwrap()), "what was in hand came again");
    empty(&source).await;
}

/// A firewall that forgets a connection leaves it standing. Heartbeats find that out, every request meanwhile ends within its
/// bound, attempts to connect do not pile up, and the source goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_falls_silent_is_found_out_by_heartbeats() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let proxy = Proxy::to(&url()).await;
    let source = AmqpSource::new(place.settings_at(&proxy.url(2)).with_held(BOUND));
    assert_eq!(source.receive(1, WAIT).await, Ok(Vec::new()));
    proxy.set(Network::Silent);
    let began = Instant::now();
    let fault = loop {
        // Nothing comes, and the connection seems to stand.
        match timeout(WAIT + queue::GRACE, source.receive(1, WAIT)).await.expect("it answers in time") {
            Ok(messages) => assert_eq!(messages, []),
            Err(fault) => break fault,
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is not found out");
    };
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    let before = proxy.accepted();
    for _ in 0..3 {
        let standing = timeout(queue::GRACE, source.standing()).await.expect("it answers in time");
        assert!(standing.is_err());
    }
    assert!(proxy.accepted() - before <= 2, "attempts pile up: {}", proxy.accepted() - before);
    proxy.set(Network::Carries);
    assert!(publish(&channel().await, &place.queue, 1).await);
    let message = one(&source).await;
    assert!(settle(&source, &[message], Settlement::Taken).await);
}
