//! Reads a message of AMQP, and writes one: pure.

use std::fmt::Write as _;

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use queue::{Headers, Outgoing};
use sha2::{Digest, Sha256};

use crate::settings::LONGEST_NAME;

/// Messages with this delivery mode are written to disk by a durable queue (AMQP 0-9-1, section 1.2).
const PERSISTENT: u8 = 2;

/// What a broker writes into the headers of a message on its way. It may differ from delivery to delivery.
const OF_THE_BROKER: [&str; 3] = ["x-death", "x-delivery-count", "x-acquired-count"];

/// As [`OF_THE_BROKER`]: `x-first-death-queue`, `x-last-death-reason`, ….
const OF_THE_BROKER_BEGIN: [&str; 2] = ["x-first-death-", "x-last-death-"];

/// A message as it was delivered, but for what this process remembers of it.
pub(crate) struct Read {
    pub(crate) place: String,
    pub(crate) id: Option<String>,
    /// Whether it was delivered before.
    pub(crate) again: bool,
    /// How many earlier deliveries the broker counts.
    pub(crate) counted: u32,
    pub(crate) headers: Headers,
    pub(crate) reply_to: Option<String>,
    pub(crate) body: Bytes,
}

/// Reads a message out of a queue.
pub(crate) fn read(queue: &str, delivery: Delivery) -> Read {
    let Delivery { redelivered, properties, data, .. } = delivery;
    let headers = headers(&properties);
    let id = properties.message_id().as_ref().map(text).filter(|id| !id.is_empty());
    let place = place(queue, &properties, &headers, &data);
    Read {
        place,
        id,
        again: redelivered,
        counted: properties.headers().as_ref().map_or(0, |table| counted(queue, table)),
        headers,
        reply_to: properties.reply_to().as_ref().map(text).filter(|address| !address.is_empty()),
        body: data.into(),
    }
}

fn text(short: &ShortString) -> String {
    short.as_str().to_owned()
}

/// What has fields of its own comes first, so that it wins over a header of the same name.
fn headers(properties: &BasicProperties) -> Headers {
    let mut headers = Headers::default();
    let own = [
        ("content-type", properties.content_type()),
        ("content-encoding", properties.content_encoding()),
        ("correlation-id", properties.correlation_id()),
    ];
    for (name, value) in own {
        if let Some(value) = value {
            headers.push(name, text(value));
        }
    }
    for (name, value) in properties.headers().iter().flatten() {
        if !is_of_the_broker(name.as_str())
            && let Some(value) = value_text(value)
        {
            headers.push(name.as_str(), value);
        }
    }
    headers
}

fn is_of_the_broker(name: &str) -> bool {
    OF_THE_BROKER.contains(&name) || OF_THE_BROKER_BEGIN.iter().any(|begin| name.starts_with(begin))
}

/// A value as text; nothing for tables, lists and bytes that are no text.
fn value_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(long) => std::str::from_utf8(long.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(short) => Some(text(short)),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        AMQPValue::Float(value) => Some(value.to_string()),
        AMQPValue::Double(value) => Some(value.to_string()),
        AMQPValue::Timestamp(value) => Some(value.to_string()),
        AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::LongLongInt(_) => whole(value).map(|number| number.to_string()),
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => None,
    }
}

/// A whole number of any width.
fn whole(value: &AMQPValue) -> Option<i64> {
    let narrow = [
        value.as_short_short_int().map(i64::from),
        value.as_short_short_uint().map(i64::from),
        value.as_short_int().map(i64::from),
        value.as_short_uint().map(i64::from),
        value.as_long_int().map(i64::from),
        value.as_long_uint().map(i64::from),
    ];
    value.as_long_long_int().or_else(|| narrow.into_iter().flatten().next())
}

/// How often a quorum queue gave a message out in vain, and how often a dead-letter exchange brought it back to this queue.
fn counted(queue: &str, headers: &FieldTable) -> u32 {
    let table = headers.inner();
    let in_vain = table.get("x-delivery-count").and_then(whole).unwrap_or(0);
    let deaths =
        table.get("x-death").and_then(AMQPValue::as_array).map_or(&[][..], |deaths| deaths.as_slice());
    let from_here =
        deaths.iter().filter_map(AMQPValue::as_field_table).map(FieldTable::inner).filter(|death| {
            let died_in = death.get("queue").and_then(value_text);
            died_in.as_deref() == Some(queue)
        });
    let died: i64 =
        from_here.filter_map(|death| death.get("count").and_then(whole)).fold(0, i64::saturating_add);
    u32::try_from(in_vain.saturating_add(died).clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX)
}

/// A digest of what the producer wrote, as RabbitMQ gives a message no position of its own.
fn place(queue: &str, properties: &BasicProperties, headers: &Headers, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    };
    let own = [properties.message_id(), properties.reply_to(), properties.kind(), properties.app_id()];
    for value in own {
        add(value.as_ref().map_or("", ShortString::as_str).as_bytes());
    }
    add(&properties.timestamp().unwrap_or(0).to_be_bytes());
    for (name, value) in headers.iter() {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    add(body);
    let digest = digest.finalize();
    digest[..16].iter().fold(format!("{queue}/"), |mut place, byte| {
        // Writing to a text cannot fail.
        let _ = write!(place, "{byte:02x}");
        place
    })
}

/// The properties of a message that is published: it is durable, and what has a field of its own is put there.
pub(crate) fn properties(outgoing: &Outgoing) -> BasicProperties {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(id) = outgoing.id.as_deref().and_then(short) {
        properties = properties.with_message_id(id);
    }
    if let Some(address) = outgoing.reply_to.as_deref().and_then(short) {
        properties = properties.with_reply_to(address);
    }
    let mut table = FieldTable::default();
    for (name, value) in outgoing.headers.iter() {
        match (name, short(value)) {
            ("content-type", Some(value)) => properties = properties.with_content_type(value),
            ("content-encoding", Some(value)) => properties = properties.with_content_encoding(value),
            ("correlation-id", Some(value)) => properties = properties.with_correlation_id(value),
            (name, _) => {
                if let Some(name) = short(name) {
                    table.insert(name, AMQPValue::LongString(LongString::from(value)));
                }
            }
        }
    }
    if table.inner().is_empty() { properties } else { properties.with_headers(table) }
}

/// A short text of AMQP; nothing where it is too long for one.
pub(crate) fn short(text: &str) -> Option<ShortString> {
    (text.len() <= LONGEST_NAME).then(|| ShortString::from(text))
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    fn delivery(properties: BasicProperties, again: bool, body: &[u8]) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "orders".into(), again, body.to_vec());
        delivery.properties = properties;
        delivery
    }

    fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in entries {
            table.insert((*name).into(), value.clone());
        }
        table
    }

    fn long(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn a_task_of_celery_keeps_its_headers() {
        let headers = table(&[
            ("task", long("closeout.close")),
            ("id", long("t-1")),
            ("eta", AMQPValue::Void),
            ("retries", AMQPValue::LongInt(0)),
            ("timelimit", AMQPValue::FieldArray(FieldArray::default())),
            ("bytes", AMQPValue::LongString(vec![0xff].into())),
        ]);
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_correlation_id("t-1".into())
            .with_reply_to("endings".into())
            .with_headers(headers);
        let read = read("orders", delivery(properties, false, b"[[], {}, {}]"));
        let expected = [
            ("content-type", "application/json"),
            ("content-encoding", "utf-8"),
            ("correlation-id", "t-1"),
            ("id", "t-1"),
            ("retries", "0"),
            ("task", "closeout.close"),
        ];
        assert_eq!(read.headers.iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (read.id, read.reply_to.as_deref(), read.again, read.counted),
            (None, Some("endings"), false, 0)
        );
        assert_eq!(&read.body[..], b"[[], {}, {}]");
    }

    #[test]
    fn the_broker_counts_in_quorum_queues_and_by_dead_letter_exchanges() {
        let death = |queue: &str, count| {
            AMQPValue::FieldTable(table(&[("queue", long(queue)), ("count", AMQPValue::LongLongInt(count))]))
        };
        let deaths = vec![death("orders", 2), death("orders.wait", 7), death("orders", 3), AMQPValue::Void];
        let headers = table(&[
            ("x-delivery-count", AMQPValue::LongInt(4)),
            ("x-death", AMQPValue::FieldArray(deaths.into())),
        ]);
        assert_eq!(counted("orders", &headers), 9);
        assert_eq!(counted("orders", &FieldTable::default()), 0);
        assert_eq!(counted("orders", &table(&[("x-delivery-count", AMQPValue::LongLongInt(-1))])), 0);
        assert_eq!(counted("orders", &table(&[("x-death", long("nonsense"))])), 0);
    }

    #[test]
    fn a_place_is_the_same_at_every_delivery_and_another_for_another_message() {
        let place = |id: &str, headers: &[(&str, AMQPValue)], again, body: &[u8]| {
            let properties =
                BasicProperties::default().with_message_id(id.into()).with_headers(table(headers));
            read("orders", delivery(properties, again, body)).place
        };
        let trace = ("traceparent", long("00-1"));
        let first = place("a", std::slice::from_ref(&trace), false, b"{}");
        let of_the_broker = [
            trace.clone(),
            ("x-death", AMQPValue::FieldArray(FieldArray::default())),
            ("x-delivery-count", AMQPValue::LongLongInt(3)),
            ("x-first-death-queue", long("orders")),
        ];
        assert_eq!(place("a", &of_the_broker, true, b"{}"), first);
        for other in [
            place("b", std::slice::from_ref(&trace), false, b"{}"),
            place("a", &[("traceparent", long("00-2"))], false, b"{}"),
            place("a", &[trace], false, b"{ }"),
            place("a", &[], false, b"{}"),
        ] {
            assert_ne!(other, first);
        }
        assert!(first.starts_with("orders/") && first.len() == "orders/".len() + 32, "{first}");
    }

    #[test]
    fn what_is_published_is_read_as_it_was_written() {
        let long_value = "v".repeat(300);
        let headers: Headers = [
            ("content-type", "application/json"),
            ("correlation-id", "order-1"),
            ("traceparent", "00-1"),
            ("x-long", &long_value),
        ]
        .into_iter()
        .collect();
        let outgoing = Outgoing {
            id: Some("ending-1".to_owned()),
            headers: headers.clone(),
            reply_to: Some("more".to_owned()),
            body: Bytes::from_static(b"{}"),
        };
        let written = properties(&outgoing);
        assert_eq!(*written.delivery_mode(), Some(PERSISTENT));
        let read = read("endings", delivery(written, false, &outgoing.body));
        assert_eq!((read.id, read.reply_to), (outgoing.id, outgoing.reply_to));
        assert_eq!(read.headers, headers);
    }

    #[test]
    fn what_is_too_long_for_a_field_breaks_nothing() {
        let long = "x".repeat(256);
        let headers: Headers =
            [("correlation-id", long.as_str()), (long.as_str(), "v")].into_iter().collect();
        let outgoing =
            Outgoing { id: Some(long.clone()), headers, reply_to: Some(long.clone()), body: Bytes::new() };
        let read = read("endings", delivery(properties(&outgoing), false, b""));
        assert_eq!((read.id, read.reply_to), (None, None));
        assert_eq!(read.headers.iter().collect::<Vec<_>>(), [("correlation-id", long.as_str())]);
    }
}
