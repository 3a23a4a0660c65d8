//! Between messages of SQS and those of the port: pure.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message as Received, MessageAttributeValue, MessageSystemAttributeName};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use queue::{Headers, Message, Outgoing, Receipt};
use sha2::{Digest, Sha256};

/// The attribute in which a producer gives its id, where the queue is not FIFO.
const ID: &str = "Idempotency-Key";

/// How a body that is no text is carried: as in mail and HTTP.
const ENCODING: &str = "Content-Transfer-Encoding";

/// The attribute in which a producer names the queue where it waits for the ending.
const REPLY_TO: &str = "ReplyTo";

/// Under which names a queue for the ending is looked for, in lower case. The last is what Amazon's client for temporary queues
/// writes.
const REPLY_TO_NAMES: [&str; 3] = ["replyto", "reply-to", "responsequeueurl"];

/// The most attributes that SQS carries beside a body.
const MOST_ATTRIBUTES: usize = 10;

/// A message as the port wants it. One without an id or a receipt could not be settled; SQS sends none.
pub(crate) fn message(received: Received, queue: &str) -> Option<Message> {
    let number = of_system(&received, &MessageSystemAttributeName::ApproximateReceiveCount);
    let deliveries = number.and_then(|text| text.parse().ok()).unwrap_or(1);
    let text = received.body.as_deref().unwrap_or_default();
    let deduplication = of_system(&received, &MessageSystemAttributeName::MessageDeduplicationId)
        .filter(|id| *id != digest(text))
        .map(str::to_owned);
    let headers = headers(received.message_attributes.as_ref());
    let body = body(text, &headers);
    Some(Message {
        place: format!("{queue}/{}", received.message_id?),
        receipt: Receipt(received.receipt_handle?),
        id: deduplication.or_else(|| headers.first("idempotency-key").map(str::to_owned)),
        deliveries,
        reply_to: REPLY_TO_NAMES.iter().find_map(|name| headers.first(name)).map(str::to_owned),
        headers,
        body,
    })
}

/// The message group, in a FIFO queue.
pub(crate) fn group(received: &Received) -> Option<&str> {
    of_system(received, &MessageSystemAttributeName::MessageGroupId)
}

fn of_system<'a>(received: &'a Received, name: &MessageSystemAttributeName) -> Option<&'a str> {
    received.attributes.as_ref()?.get(name).map(String::as_str)
}

/// The deduplication id that a queue makes by itself: the same for every command with this text, so it is no producer's.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SQS keeps no order of attributes; that of their names is the same every time.
fn headers(attributes: Option<&HashMap<String, MessageAttributeValue>>) -> Headers {
    let mut all: Vec<(&str, &str)> = attributes
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.string_value()?)))
        .collect();
    all.sort_unstable();
    all.into_iter().collect()
}

/// What claims to be base64 and is none stays as it is: whoever reads it will say so.
fn body(text: &str, headers: &Headers) -> Bytes {
    let is_encoded =
        headers.first("content-transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("base64"));
    let decoded = is_encoded.then(|| BASE64_STANDARD.decode(text).ok()).flatten();
    decoded.unwrap_or_else(|| text.as_bytes().to_vec()).into()
}

/// What is sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) body: String,
    pub(crate) attributes: HashMap<String, MessageAttributeValue>,
}

/// An ending, or another message, as SQS carries it; else why it cannot be carried.
pub(crate) fn sent(outgoing: &Outgoing) -> Result<Sent, &'static str> {
    let text = std::str::from_utf8(&outgoing.body).ok().filter(|text| text.chars().all(is_carried));
    let encoded = text.is_none().then_some((ENCODING, "base64"));
    let own = [
        encoded,
        outgoing.id.as_deref().map(|id| (ID, id)),
        outgoing.reply_to.as_deref().map(|to| (REPLY_TO, to)),
    ];
    let mut attributes = HashMap::new();
    // Its own come last: they are what this crate reads.
    for (name, value) in outgoing.headers.iter().chain(own.into_iter().flatten()) {
        if !is_a_name(name) || value.is_empty() || !value.chars().all(is_carried) {
            return Err("a header cannot be an attribute of a message of SQS");
        }
        attributes.retain(|other: &String, _| !other.eq_ignore_ascii_case(name));
        attributes.insert(name.to_owned(), attribute(value)?);
    }
    if attributes.len() > MOST_ATTRIBUTES {
        return Err("SQS carries ten attributes beside a body, and these are more");
    }
    if outgoing.body.is_empty() {
        return Err("SQS carries no empty body");
    }
    let body = text.map_or_else(|| BASE64_STANDARD.encode(&outgoing.body), str::to_owned);
    Ok(Sent { body, attributes })
}

fn attribute(value: &str) -> Result<MessageAttributeValue, &'static str> {
    let builder = MessageAttributeValue::builder().data_type("String").string_value(value);
    builder.build().map_err(|_| "a header cannot be an attribute of a message of SQS")
}

/// The characters that SQS carries, as its documentation of `SendMessage` lists them: those of XML.
const fn is_carried(character: char) -> bool {
    matches!(character, '\u{9}' | '\u{A}' | '\u{D}' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// As the documentation has it: letters, digits, `_`, `-` and `.`, of which none at an end or beside another; not reserved.
fn is_a_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    (1..=256).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.split('.').any(str::is_empty)
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(body: &str, attributes: &[(&str, &str)], system: &[(&str, &str)]) -> Received {
        let mut builder = Received::builder().message_id("m-1").receipt_handle("r-1").body(body);
        for (name, value) in attributes {
            builder = builder.message_attributes(*name, attribute(value).unwrap());
        }
        for (name, value) in system {
            builder = builder.attributes(MessageSystemAttributeName::from(*name), *value);
        }
        builder.build()
    }

    fn id(body: &str, attributes: &[(&str, &str)], system: &[(&str, &str)]) -> Option<String> {
        message(received(body, attributes, system), "closures").unwrap().id
    }

    #[test]
    fn the_id_is_what_the_producer_gave() {
        let key = [("Idempotency-Key", "order-1")];
        let deduplication = [("MessageDeduplicationId", "d-1")];
        let by_content = digest("{}");
        assert_eq!(id("{}", &[], &[]), None);
        assert_eq!(id("{}", &key, &[]).as_deref(), Some("order-1"));
        assert_eq!(id("{}", &key, &deduplication).as_deref(), Some("d-1"));
        // The queue made it out of the body: the same command a day later has the same, and is another command.
        let made = [("MessageDeduplicationId", by_content.as_str())];
        assert_eq!(id("{}", &[], &made), None);
        assert_eq!(id("{}", &key, &made).as_deref(), Some("order-1"));
        assert_eq!(by_content, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn place_count_and_address_are_found() {
        let attributes = [("ReplyTo", "https://sqs.example/1/ended"), ("traceparent", "00-1-2-01")];
        let found =
            message(received("{}", &attributes, &[("ApproximateReceiveCount", "3")]), "closures").unwrap();
        assert_eq!((found.place.as_str(), found.deliveries), ("closures/m-1", 3));
        assert_eq!(found.reply_to.as_deref(), Some("https://sqs.example/1/ended"));
        assert_eq!(found.headers.first("traceparent"), Some("00-1-2-01"));
        for name in ["reply-to", "Reply-To", "ResponseQueueUrl"] {
            let found = message(received("{}", &[(name, "q")], &[]), "closures").unwrap();
            assert_eq!(found.reply_to.as_deref(), Some("q"), "{name}");
        }
        assert_eq!(message(Received::builder().message_id("m").build(), "closures"), None);
    }

    fn outgoing(body: &'static [u8], headers: &[(&str, &str)]) -> Outgoing {
        let headers = headers.iter().copied().collect();
        Outgoing { id: Some("ev-1".to_owned()), headers, reply_to: Some("q".to_owned()), body: body.into() }
    }

    #[test]
    fn what_is_sent_comes_back_as_it_was() {
        let bodies: [&'static [u8]; 4] =
            [b"{\"a\": \"\xc3\xbc\"}", &[0xff, 0, 1], b"\x01", "\u{ffff}".as_bytes()];
        for body in bodies {
            let outgoing = outgoing(body, &[("correlation-id", "o-1")]);
            let sent = sent(&outgoing).unwrap();
            assert!(!sent.body.is_empty() && sent.body.chars().all(is_carried));
            let back = Received::builder()
                .message_id("m")
                .receipt_handle("r")
                .body(sent.body)
                .set_message_attributes(Some(sent.attributes))
                .build();
            let back = message(back, "closures").unwrap();
            assert_eq!(
                (&back.body, back.id, back.reply_to),
                (&outgoing.body, outgoing.id, outgoing.reply_to)
            );
            assert_eq!(back.headers.first("correlation-id"), Some("o-1"));
        }
    }

    #[test]
    fn what_sqs_does_not_carry_is_said_before_it_is_sent() {
        type Case<'a> = (&'static [u8], &'a [(&'a str, &'a str)]);
        let many: Vec<String> = (0..9).map(|n| format!("h-{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        let cases: [Case<'_>; 6] = [
            (b"", &[]),
            (b"{}", &[("a b", "v")]),
            (b"{}", &[("aws.x", "v")]),
            (b"{}", &[("a..b", "v")]),
            (b"{}", &[("a", "")]),
            (b"{}", &many),
        ];
        for (body, headers) in cases {
            assert!(sent(&outgoing(body, headers)).is_err(), "{headers:?}");
        }
        assert_eq!(sent(&outgoing(b"{}", &many[..8])).unwrap().attributes.len(), MOST_ATTRIBUTES);
    }

    #[test]
    fn what_only_claims_to_be_base64_stays_as_it_is() {
        let found = message(received("{}", &[("Content-Transfer-Encoding", "base64")], &[]), "q").unwrap();
        assert_eq!(&*found.body, b"{}");
    }
}
