//! What stands beside the body arrives: of Celery, of CloudEvents, and of the broker itself.

use lapin::{BasicProperties, types::AMQPValue};
use queue::{Settlement, conformance::Place};

use crate::{
    place::{Kind, RabbitMq, channel, table, text},
    taker::{one, settle},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_celery_arrives_with_task_id_and_content_type() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    let headers = table(&[
        ("lang", text("py")),
        ("task", text("closeout.close")),
        ("id", text("8f1c")),
        ("eta", AMQPValue::Void),
        ("expires", AMQPValue::Void),
        ("retries", AMQPValue::ShortShortInt(0)),
        ("timelimit", AMQPValue::FieldArray(vec![AMQPValue::Void, AMQPValue::Void].into())),
        ("argsrepr", text("()")),
    ]);
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_correlation_id("8f1c".into())
        .with_reply_to("endings".into())
        .with_headers(headers);
    place.publish_to(&channel().await, properties, b"[[], {}, {}]").await;
    let message = one(&*source).await;
    let first = |name| message.headers.first(name);
    assert_eq!(first("task"), Some("closeout.close"));
    assert_eq!(first("id"), Some("8f1c"));
    assert_eq!(first("content-type"), Some("application/json"));
    assert_eq!(first("correlation-id"), Some("8f1c"));
    assert_eq!((first("eta"), first("timelimit"), first("retries")), (None, None, Some("0")));
    assert_eq!((message.id, message.reply_to.as_deref()), (None, Some("endings")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_message_goes_to_the_dead_letter_exchange() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    let channel = channel().await;
    let properties = BasicProperties::default().with_message_id("order-1".into());
    place.publish_to(&channel, properties, b"nonsense").await;
    let message = one(&*source).await;
    assert!(settle(&*source, &[message], Settlement::Poison).await);
    let until = tokio::time::Instant::now() + crate::place::BOUND;
    let dead = loop {
        if let Some(dead) = place.fetch(&channel, &place.dead).await {
            break dead;
        }
        assert!(tokio::time::Instant::now() < until, "no dead letter comes");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(dead.delivery.data, b"nonsense");
    assert_eq!(dead.delivery.properties.message_id().as_ref().unwrap().as_str(), "order-1");
}

/// An operator who moves dead letters back sees how often they came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_went_round_by_a_dead_letter_exchange_is_the_same_and_counted() {
    let place = RabbitMq::empty(Kind::Classic).await;
    let source = place.open().await;
    let channel = channel().await;
    let properties = BasicProperties::default().with_message_id("order-1".into());
    place.publish_to(&channel, properties, b"{}").await;
    let first = one(&*source).await;
    assert!(settle(&*source, std::slice::from_ref(&first), Settlement::Poison).await);
    let dead = loop {
        if let Some(dead) = place.fetch(&channel, &place.dead).await {
            break dead;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    place.publish_to(&channel, dead.delivery.properties.clone(), &dead.delivery.data).await;
    let again = one(&*source).await;
    assert_eq!((&again.place, &again.id, again.deliveries), (&first.place, &first.id, 2));
}
