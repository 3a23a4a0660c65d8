//! What the tests do beside the source: a producer, and a reader of endings, by no code of the adapter.

use std::time::Duration;

use queue::{Headers, Outgoing};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

pub const BOUND: Duration = Duration::from_secs(20);

pub fn producer(brokers: &str) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("acks", "all").set("message.timeout.ms", "30000");
    config.set("reconnect.backoff.max.ms", "500").create().unwrap()
}

/// Durable when it returns.
pub async fn publish(producer: &FutureProducer, topic: &str, outgoing: Outgoing) {
    let id = outgoing.id.as_deref().map(|id| ("ce_id", id));
    let reply_to = outgoing.reply_to.as_deref().map(|to| ("reply-to", to));
    let mut headers = OwnedHeaders::new();
    for (key, value) in outgoing.headers.iter().chain(id).chain(reply_to) {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let record: FutureRecord<'_, str, [u8]> =
        FutureRecord::to(topic).payload(&outgoing.body[..]).headers(headers);
    producer.send(record, BOUND).await.unwrap();
}

/// What stands in a topic of one partition, as soon as it is `most`.
pub fn ended(brokers: &str, topic: &str, most: usize) -> Vec<Outgoing> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "reader").set("enable.auto.commit", "false");
    let reader: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let (mut all, until) = (Vec::new(), std::time::Instant::now() + BOUND);
    while all.len() < most && std::time::Instant::now() < until {
        let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
        let headers: Headers = message.headers().into_iter().flat_map(|headers| headers.iter()).fold(
            Headers::default(),
            |mut headers, one| {
                headers.push(one.key, String::from_utf8_lossy(one.value.unwrap()));
                headers
            },
        );
        let body = message.payload().unwrap_or_default().to_vec().into();
        all.push(Outgoing { id: None, headers, reply_to: None, body });
    }
    all
}
