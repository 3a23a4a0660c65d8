//! The trait that every source of commands implements.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    fault::Fault,
    message::{Message, Outgoing, Receipt, Settlement},
};

/// How much longer than its `wait` a [`receive`](Source::receive) may take, and how long every other request may take
/// altogether: a broker that has not answered by then is unreachable.
pub const GRACE: Duration = Duration::from_secs(10);

/// Where commands come from. See the crate's first lines for what is guaranteed.
///
/// One task receives and settles at a time; `publish`, `standing` and `check` may run beside it.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Receives up to `most` messages, waiting up to `wait` for the first. An empty list means that none came, and is no
    /// fault.
    ///
    /// How long a message that was received is held for this source, before it comes again, is a setting of the broker, and
    /// [`check`](Self::check) warns where it is too short.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached or does not give messages. Ask again after a pause: the source reconnects by itself.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault>;

    /// Says what became of messages. Answers for how many of them the broker did not confirm it: those may come again. A
    /// receipt that is no longer valid is one of them, and harmless.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached: any of them may come again.
    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault>;

    /// Publishes something to an address of the same broker. `Ok` after the broker has taken it. A broker that has nobody to
    /// hand it to may drop it: an address of which nobody listens any more is no fault.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Undeliverable`](crate::FaultKind::Undeliverable) or [`FaultKind::Denied`](crate::FaultKind::Denied) where
    /// trying again is of no use; else the broker cannot be reached.
    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault>;

    /// How the queue stands. Changes nothing.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached or does not say.
    async fn standing(&self) -> Result<Standing, Fault>;

    /// What of the broker's settings is unsafe for commands, as far as the broker shows its settings. Changes nothing.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached or does not say.
    async fn check(&self) -> Result<Vec<Warning>, Fault>;

    /// Nothing will be received for a while, because an operator paused the source or the store is away. What was received
    /// ahead, and not handed out by `receive` yet, is given back or stays safe, and nothing more comes; connection and membership in
    /// a group stay. The next `receive` goes on.
    async fn rest(&self);

    /// Throws connection and consumer away and begins anew at the next `receive`: for one that stands and brings nothing
    /// although the queue is not empty. What was received and not settled comes again.
    async fn reopen(&self);

    /// Ends: what was received and not settled is given back as far as the broker can, and the connection is closed. After
    /// that, every request answers [`FaultKind::Unreachable`](crate::FaultKind::Unreachable).
    async fn close(&self);
}

/// How a queue stands. Both figures may be some seconds old, and approximate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Messages that nobody was given yet, or that came back.
    pub waiting: u64,
    /// Messages that were given to somebody and are not settled.
    pub in_hand: u64,
}

/// A setting of a broker with which commands may be lost, or come late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The setting, in the broker's own words, for example `ack_wait`.
    pub setting: &'static str,
    /// How it stands, and what that means.
    pub detail: String,
    /// What to do.
    pub fix: String,
}
