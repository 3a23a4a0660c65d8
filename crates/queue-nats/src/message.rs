//! Messages and headers, from one form to the other.

use async_nats::{HeaderMap, HeaderName, HeaderValue, jetstream};
use queue::{Headers, Message, Outgoing, Receipt};

/// What JetStream knows repetitions by.
const ID: &str = "Nats-Msg-Id";

/// Where a producer waits for the ending: the reply subject of a message in a stream is not its own.
const REPLY_TO: &str = "Reply-To";

/// How the subjects begin by which messages are acknowledged.
pub(crate) const ACK_SUBJECT: &str = "$JS.ACK.";

/// A message as the port has it; nothing for one without an acknowledgement subject, which JetStream never sends.
pub(crate) fn received(message: jetstream::Message) -> Option<Message> {
    let info = message.info().ok()?;
    let place = format!("{}/{}", info.stream, info.stream_sequence);
    let deliveries = u32::try_from(info.delivered.max(1)).unwrap_or(u32::MAX);
    let receipt = Receipt(message.reply.as_ref()?.to_string());
    let mut read = Read::default();
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        values.iter().for_each(|value| read.note(name.as_ref(), value.as_str()));
    }
    let Read { id, reply_to, headers } = read;
    let body = message.message.payload;
    Some(Message { receipt, place, id, deliveries, headers, reply_to, body })
}

/// What headers say.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) id: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) headers: Headers,
}

impl Read {
    /// Takes in one header. Of an id and an address for the ending the first counts.
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case(ID) {
            self.id.get_or_insert_with(|| value.to_owned());
        } else if name.eq_ignore_ascii_case(REPLY_TO) {
            self.reply_to.get_or_insert_with(|| value.to_owned());
        } else {
            self.headers.push(name, value);
        }
    }
}

/// The headers of what is published; nothing where one cannot be a header of NATS.
pub(crate) fn headers(outgoing: &Outgoing) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    let mut put = |name: &str, value: &str| {
        let (name, value) = (name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?);
        map.append(name, value);
        Some(())
    };
    for (name, value) in outgoing.headers.iter() {
        put(name, value)?;
    }
    if let Some(id) = &outgoing.id {
        put(ID, id)?;
    }
    if let Some(reply_to) = &outgoing.reply_to {
        put(REPLY_TO, reply_to)?;
    }
    Some(map)
}

/// The subject by which a receipt is settled. A receipt that is none must not make this client publish anywhere.
pub(crate) fn ack_subject(receipt: &Receipt) -> Option<String> {
    let subject = &receipt.0;
    let plain = subject.bytes().all(|byte| byte.is_ascii_graphic());
    (subject.starts_with(ACK_SUBJECT) && plain).then(|| subject.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_acknowledgement_subject_is_published_to() {
        let of = |text: &str| ack_subject(&Receipt(text.to_owned()));
        assert!(of("$JS.ACK.CLOSURES.closeout.1.42.7.1700000000000000000.0").is_some());
        for text in ["", "nonsense", "closures.v1.close", "$JS.API.STREAM.DELETE.CLOSURES", "$JS.ACK. x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_header_is_not_sent() {
        let outgoing = |name: &str, value: &str| Outgoing {
            id: Some("e-1".to_owned()),
            headers: [(name, value)].into_iter().collect(),
            reply_to: None,
            body: bytes::Bytes::new(),
        };
        let sent = headers(&outgoing("correlation-id", "order 8812 – ü")).unwrap();
        assert_eq!(sent.get("correlation-id").unwrap().as_str(), "order 8812 – ü");
        assert_eq!(sent.get(ID).unwrap().as_str(), "e-1");
        assert!(headers(&outgoing("correlation-id", "a\r\nPUB x 0\r\n")).is_none());
        assert!(headers(&outgoing("a b", "c")).is_none());
    }
}
