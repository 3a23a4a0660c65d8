//! Between messages of Kafka and those of the port: pure.

use bytes::Bytes;
use queue::{Headers, Message, Outgoing, Receipt};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};

/// The header in which CloudEvents carry their id in Kafka, and the one that other queues and HTTP know.
const ID_NAMES: [&str; 2] = ["ce_id", "idempotency-key"];

/// Where a producer waits for the ending. The last is what Spring's template for replies writes.
const REPLY_TO_NAMES: [&str; 3] = ["reply-to", "replyto", "kafka_replytopic"];

/// The longest name of a topic, as brokers have it.
const LONGEST_TOPIC: usize = 249;

/// A message as the port wants it. Receipt and count are the lane's to give.
pub(crate) fn message(received: &BorrowedMessage<'_>) -> Message {
    let headers = headers(received.headers());
    let first = |names: &[&str]| names.iter().find_map(|name| headers.first(name)).map(str::to_owned);
    let (id, reply_to) = (first(&ID_NAMES), first(&REPLY_TO_NAMES));
    Message {
        receipt: Receipt(String::new()),
        place: format!("{}/{}/{}", received.topic(), received.partition(), received.offset()),
        id,
        deliveries: 0,
        headers,
        reply_to,
        body: Bytes::copy_from_slice(received.payload().unwrap_or_default()),
    }
}

/// Values that are no text are left out.
fn headers(received: Option<&rdkafka::message::BorrowedHeaders>) -> Headers {
    let all = received.into_iter().flat_map(|headers| headers.iter());
    all.filter_map(|header| Some((header.key, std::str::from_utf8(header.value?).ok()?))).collect()
}

/// What stands beside the body of what is published.
pub(crate) fn sent_headers(outgoing: &Outgoing) -> OwnedHeaders {
    let own = [(ID_NAMES[1], outgoing.id.as_deref()), (REPLY_TO_NAMES[0], outgoing.reply_to.as_deref())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let all = outgoing.headers.iter().filter(|(name, _)| !name.contains('\0')).chain(own);
    all.fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// What keeps the endings of one command in order: one key has one partition.
pub(crate) fn key(outgoing: &Outgoing) -> Option<&str> {
    outgoing.headers.first("correlation-id").or(outgoing.id.as_deref())
}

/// Whether a text can be the name of a topic.
pub(crate) fn is_a_topic(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_TOPIC).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_name_of_a_topic() {
        for name in ["ended", "closures.v1_ended-2"] {
            assert!(is_a_topic(name), "{name}");
        }
        for wrong in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(!is_a_topic(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_sent_has_its_id_its_address_and_a_key() {
        let outgoing = Outgoing {
            id: Some("ev_1".to_owned()),
            headers: [("correlation-id", "order-1")].into_iter().collect(),
            reply_to: Some("answers".to_owned()),
            body: Bytes::new(),
        };
        let sent = sent_headers(&outgoing);
        let texts: Vec<_> = sent.iter().map(|header| (header.key, header.value.unwrap())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("correlation-id", b"order-1"), ("idempotency-key", b"ev_1"), ("reply-to", b"answers")];
        assert_eq!(texts, expected);
        assert_eq!(key(&outgoing), Some("order-1"));
        assert_eq!(key(&Outgoing { headers: Headers::default(), ..outgoing }), Some("ev_1"));
    }
}
