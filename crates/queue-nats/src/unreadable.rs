//! Messages whose headers the client library cannot read. With the first of them it gives the connection up, and all that was on its
//! way, each time anew: one such message in a stream would keep every other from being taken. They are fetched one by one instead, in
//! a form in which headers are bytes as any others; what can be read of these is handed out with the body, for the intake to judge.

use async_nats::{
    HeaderName,
    jetstream::{self, Context, consumer::PullConsumer, response::Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{StreamExt as _, stream};
use queue::{Message, Receipt};
use serde::{Deserialize, Serialize};

use crate::message::{ACK_SUBJECT, Read};

/// How many messages behind the first that is not settled are looked at. More cannot be in hand at once.
const LOOKED_AT: u64 = 1_000;

/// How many are asked for at once.
const TOGETHER: usize = 32;

/// How the headers of a message begin. What follows in this line is a word of the server, which a producer has none to say.
const FIRST_LINE: &str = "NATS/1.0";

#[derive(Serialize)]
struct Wanted {
    seq: u64,
}

#[derive(Deserialize)]
struct Answer {
    message: Stored,
}

/// A message as the stream keeps it.
#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// Those among the messages that were given out and are not settled. A message that cannot be fetched is left out; it comes again.
pub(crate) async fn unreadable(context: &Context, consumer: &PullConsumer) -> Vec<Message> {
    let info = consumer.cached_info();
    let first = info.ack_floor.stream_sequence + 1;
    let last = info.delivered.stream_sequence.min(first.saturating_add(LOOKED_AT - 1));
    let (stream, filter) = (info.stream_name.as_str(), info.config.filter_subject.as_str());
    let place = Place { stream, consumer: &info.name };
    let looked_at = stream::iter(first..=last).map(|seq| stored(context, stream, seq)).buffered(TOGETHER);
    let found: Vec<Message> = looked_at
        .filter_map(|stored| {
            let fits = stored.filter(|stored| fits(filter, &stored.subject));
            std::future::ready(fits.and_then(|stored| place.message(&stored)))
        })
        .collect()
        .await;
    if let Some(one) = found.first() {
        tracing::warn!(
            count = found.len(),
            place = one.place,
            "messages have headers that cannot be read; they are taken without these"
        );
    }
    found
}

async fn stored(context: &Context, stream: &str, seq: u64) -> Option<Stored> {
    let subject = format!("STREAM.MSG.GET.{stream}");
    match context.request::<_, _, Response<Answer>>(subject, &Wanted { seq }).await {
        Ok(Response::Ok(answer)) => Some(answer.message),
        Ok(Response::Err { error }) => {
            if error.error_code() != jetstream::ErrorCode::NO_MESSAGE_FOUND {
                tracing::warn!(%error, stream, "a message cannot be fetched by its number");
            }
            None
        }
        Err(error) => {
            tracing::warn!(%error, stream, "allow this client to publish to $JS.API.STREAM.MSG.GET of its stream");
            None
        }
    }
}

/// Where a consumer takes messages from.
struct Place<'a> {
    stream: &'a str,
    consumer: &'a str,
}

impl Place<'_> {
    /// The message, where its headers cannot be read as they are.
    fn message(&self, stored: &Stored) -> Option<Message> {
        let headers = STANDARD.decode(&stored.hdrs).ok()?;
        let (read, is_readable) = readable_part(&headers);
        if is_readable {
            return None;
        }
        let Read { id, reply_to, headers } = read;
        let Self { stream, consumer } = self;
        Some(Message {
            // Of the numbers in it the server goes by that of the message alone.
            receipt: Receipt(format!("{ACK_SUBJECT}{stream}.{consumer}.1.{}.1.0.0", stored.seq)),
            place: format!("{stream}/{}", stored.seq),
            id,
            deliveries: 1,
            headers,
            reply_to,
            body: STANDARD.decode(&stored.data).ok()?.into(),
        })
    }
}

/// What the client library would read, and whether it would read all of it. No headers at all are readable.
fn readable_part(bytes: &[u8]) -> (Read, bool) {
    let mut read = Read::default();
    if bytes.is_empty() {
        return (read, true);
    }
    let mut is_readable = str::from_utf8(bytes).is_ok();
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    is_readable &= lines.next().is_some_and(|line| line.trim_end() == FIRST_LINE);
    // Whether a line that begins with a blank is the rest of the value above it.
    let mut may_go_on = false;
    for line in lines {
        match line.split_once(':') {
            _ if line.is_empty() => may_go_on = false,
            _ if may_go_on && line.starts_with(char::is_whitespace) => {}
            Some((name, value)) if name.parse::<HeaderName>().is_ok() => {
                read.note(name, value.trim());
                may_go_on = true;
            }
            _ => is_readable = false,
        }
    }
    (read, is_readable)
}

/// Whether a subject is one that a filter lets through.
fn fits(filter: &str, subject: &str) -> bool {
    if filter.is_empty() {
        return true;
    }
    let mut tokens = subject.split('.');
    for wanted in filter.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_readable_or_what_can_be_is_read() {
        let of = |text: &[u8]| readable_part(text);
        assert!(of(b"").1 && of(b"NATS/1.0\r\n\r\n").1);
        let (read, is_readable) = of("NATS/1.0\r\nNats-Msg-Id: o-1\r\nX-Name: ü\r\n on\r\n\r\n".as_bytes());
        assert!(is_readable);
        assert_eq!((read.id.as_deref(), read.headers.first("x-name")), (Some("o-1"), Some("ü")));
        for broken in [
            &b"NATS/1.0\r\nX-Evil\x1b: a\r\nNats-Msg-Id: o-1\r\n\r\n"[..],
            b"NATS/1.0\r\nno colon\r\nNats-Msg-Id: o-1\r\n\r\n",
            b"NATS/1.0 503\r\nNats-Msg-Id: o-1\r\n\r\n",
            b"NATS/1.0\r\nNats-Msg-Id: o-1\r\nX: \xff\r\n\r\n",
            b"NATS/1.0\r\nNats-Msg-Id: o-1\r\na b: c\r\n\r\n",
            b"NATS/1.0\r\n X: begins as the rest of none\r\nNats-Msg-Id: o-1\r\n\r\n",
            b"NATS/1.0\r\nNats-Msg-Id: o-1\r\n\r\n X: comes after an end\r\n\r\n",
        ] {
            let (read, is_readable) = of(broken);
            assert!(!is_readable, "{}", String::from_utf8_lossy(broken));
            assert_eq!(read.id.as_deref(), Some("o-1"), "the rest is read");
        }
    }

    #[test]
    fn a_filter_is_read_as_the_server_reads_it() {
        for filter in ["", "a.b", "a.*", "*.b", "a.>", ">"] {
            assert!(fits(filter, "a.b"), "{filter}");
        }
        for filter in ["a", "a.b.c", "a.c", "*", "a.b.>", "b.>"] {
            assert!(!fits(filter, "a.b"), "{filter}");
        }
    }
}
