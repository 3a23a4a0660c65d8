//! What a source brings, and what it is told.

use std::{fmt, time::Duration};

use bytes::Bytes;

/// A message as it was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is settled by. It may be another one at every delivery.
    pub receipt: Receipt,
    /// Where it stands at the broker, in words that an operator can look up, for example `CLOSURES/42`. The same at every
    /// delivery, and no other message's as long as the broker's data live.
    pub place: String,
    /// The id that its producer gave it, where it gave one: `Nats-Msg-Id`, `message_id`, a deduplication id, `ce_id`.
    pub id: Option<String>,
    /// How often it was delivered, this time included: at least 1. An adapter whose broker does not count counts itself, from
    /// its own start on.
    pub deliveries: u32,
    /// What stands beside the body.
    pub headers: Headers,
    /// Where its producer wants to be told of the ending, as it says itself. Nobody has checked it.
    pub reply_to: Option<String>,
    /// What it says. It may hold personal data.
    pub body: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("place", &self.place)
            .field("deliveries", &self.deliveries)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a message is settled by: whatever the adapter needs, as text. Only the source that gave it, or one opened in its place,
/// understands it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// What stands beside the body of a message: names in lower case, in the order in which they came.
///
/// Adapters also put here what their broker has fields of its own for, under the names `content-type`, `correlation-id`,
/// `traceparent` and `tracestate`. Values that are no text are left out.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a header; its name is brought into lower case.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// The first value under a name in lower case.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut all = Self::default();
        headers.into_iter().for_each(|(name, value)| all.push(name.as_ref(), value));
        all
    }
}

/// Values may be credentials or personal data.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is done: what it asks is durable. It need not come again.
    Taken,
    /// It could not be taken yet. It comes again after this time, not before; zero for at once.
    Later(Duration),
    /// It never can be taken, and is kept elsewhere. It need not come again; a broker that keeps dead letters of its own may
    /// move it there.
    Poison,
}

/// What is published: an ending to whoever waits for it, or a command by a test.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id: a broker that knows ids of the last minutes takes a second one with the same id for a repetition.
    pub id: Option<String>,
    /// What stands beside the body.
    pub headers: Headers,
    /// Where an answer is wanted.
    pub reply_to: Option<String>,
    /// What it says.
    pub body: Bytes,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("id", &self.id)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}
