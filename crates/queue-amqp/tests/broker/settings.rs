//! Settings of a queue that are unsafe for commands, and what goes wrong with a queue, as the broker says it.

use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use queue::{FaultKind, Source, conformance::Place};
use queue_amqp::{AmqpSource, Settings};
use secrecy::SecretString;

use crate::{
    place::{BOUND, Kind, RabbitMq, channel, table, text, url},
    taker::WAIT,
};

async fn warned_of(queue: &str) -> Vec<&'static str> {
    let source = AmqpSource::new(Settings::new(&SecretString::from(url()), queue).unwrap());
    let warnings = source.check().await.unwrap();
    source.close().await;
    warnings.into_iter().map(|warning| warning.setting).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_settings_of_a_queue_are_found() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let channel = channel().await;
    let durable = QueueDeclareOptions::durable();
    let dead = || ("x-dead-letter-exchange", text("dead"));
    let whole = AMQPValue::LongInt;
    let cases: [(QueueDeclareOptions, FieldTable, &[&str]); 9] = [
        (durable, FieldTable::default(), &["x-dead-letter-exchange"]),
        (QueueDeclareOptions::default(), table(&[dead()]), &["durable"]),
        (durable.auto_delete(), table(&[dead(), ("x-expires", whole(600_000))]), &["auto-delete"]),
        (durable, table(&[dead(), ("x-expires", whole(600_000))]), &["x-expires"]),
        (
            durable,
            table(&[dead(), ("x-max-length", whole(10)), ("x-message-ttl", AMQPValue::LongLongInt(60_000))]),
            &["x-max-length", "x-message-ttl"],
        ),
        (
            durable,
            table(&[
                dead(),
                ("x-max-length", whole(10)),
                ("x-overflow", text("reject-publish")),
                ("x-max-priority", whole(5)),
            ]),
            &[],
        ),
        (durable, table(&[("x-queue-type", text("quorum"))]), &["x-dead-letter-exchange"]),
        (
            durable,
            table(&[
                dead(),
                ("x-queue-type", text("quorum")),
                ("x-max-length", whole(10)),
                ("x-delivery-limit", whole(50)),
            ]),
            &["x-max-length"],
        ),
        (durable, table(&[("x-queue-type", text("stream"))]), &["x-queue-type", "x-dead-letter-exchange"]),
    ];
    for (n, (options, arguments, expected)) in cases.into_iter().enumerate() {
        let queue = format!("{}-{n}", place.queue);
        channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        assert_eq!(warned_of(&queue).await, expected, "case {n}");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

/// Looking at it declares it, but with something that no queue can have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_missing_is_said_and_not_made() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let missing = format!("{}-missing", place.queue);
    let source = AmqpSource::new(Settings::new(&SecretString::from(url()), &missing).unwrap());
    for kind in [
        source.check().await.unwrap_err().kind,
        source.standing().await.unwrap_err().kind,
        source.receive(1, WAIT).await.unwrap_err().kind,
        source.check().await.unwrap_err().kind,
    ] {
        assert_eq!(kind, FaultKind::Missing);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_and_virtual_hosts_that_are_wrong_are_said_without_the_secret() {
    let place = RabbitMq::empty(Kind::Classic).await;
    for (from, to, expected) in [
        ("guest:guest@", "guest:hunter2@", FaultKind::Credentials),
        ("guest:guest@", "nobody:hunter2@", FaultKind::Credentials),
    ] {
        let source = AmqpSource::new(place.settings_at(&url().replace(from, to)));
        let fault = source.receive(1, WAIT).await.unwrap_err();
        assert_eq!(fault.kind, expected, "{fault}");
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
    let source = AmqpSource::new(place.settings_at(&format!("{}/elsewhere", url())));
    let fault = source.receive(1, WAIT).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
}

/// The broker tells its consumers when their queue goes away; the source goes on when it is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_is_said_at_once_and_one_in_its_place_is_read() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    assert_eq!(source.receive(1, WAIT).await, Ok(Vec::new()));
    let channel = channel().await;
    let asked = tokio::spawn({
        let source = std::sync::Arc::clone(&source);
        async move { source.receive(1, BOUND).await }
    });
    channel.queue_delete(place.queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let fault = tokio::time::timeout(BOUND / 2, asked).await.unwrap().unwrap().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Missing, "{fault}");
    channel
        .queue_declare(place.queue.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    place.publish_to(&channel, lapin::BasicProperties::default(), b"{}").await;
    assert_eq!(&crate::taker::one(&*source).await.body[..], b"{}");
}
