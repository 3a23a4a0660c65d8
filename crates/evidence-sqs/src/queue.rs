//! What this crate needs of a queue.

use std::time::Duration;

use async_trait::async_trait;

use crate::fault::Fault;

/// A queue with the semantics of Amazon SQS: a message that is received is hidden for a while, and comes again unless it is
/// deleted meanwhile.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Receives up to `most` messages, waiting up to `wait` for the first, and hides them for `hidden`.
    ///
    /// Whoever drops this may lose sight of messages that were on their way: they come again once they are visible.
    async fn receive(&self, most: u8, wait: Duration, hidden: Duration) -> Result<Vec<Message>, Fault>;

    /// Deletes messages by their receipts, ten at most; answers how many could not be deleted and will come again.
    async fn delete(&self, receipts: &[String]) -> Result<usize, Fault>;

    /// Hides received messages for a time from now, ten at most, 0 for not at all; answers for how many that failed.
    async fn hide(&self, receipts: &[(String, Duration)]) -> Result<usize, Fault>;

    /// How the queue stands. Changes nothing.
    async fn standing(&self) -> Result<Standing, Fault>;
}

/// A message as it was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of the message; the same at every receive.
    pub id: String,
    /// What it is deleted and hidden by; another one at every receive.
    pub receipt: String,
    /// What it says. It may hold personal data.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("receives", &self.receives)
            .finish_non_exhaustive()
    }
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Messages that wait to be received, approximately.
    pub waiting: u64,
    /// Messages that were received and are neither deleted nor visible again, approximately.
    pub in_flight: u64,
    /// What happens to messages that nobody deletes.
    pub redrive: Redrive,
}

/// What a queue does by itself with messages that nobody deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrive {
    /// Keeps them until they are too old.
    Never,
    /// Moves them to a dead-letter queue after so many receives.
    After(u32),
}
