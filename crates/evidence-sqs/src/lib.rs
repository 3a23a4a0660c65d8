//! Takes evidence from an Amazon SQS queue that EventBridge fills.
//!
//! ```text
//!                    ┌─ another organisation's ────────────────► counted ─────────────────────────► delete
//!  receive ─► read ──┼─ unreadable ────► dead letter ─► no redrive policy ────────────────────────► delete
//!   (long poll)      │                               └► the queue has one, or may have one ───────► hide a while
//!                    └─ an event ─► deliver ─► committed, whatever it turned out to be ───────────► delete
//!                                          └─► the store is away ─────────► hide, and wait for it
//! ```
//!
//! - A message is deleted only after what it says is durable. A crash in between makes it come again, which has no effect.
//! - What became of a message and how often it came decide alone what is done with it ([`fate`]).
//! - A store that is away stops the receiving: messages stay in the queue, and their receives are not used up.
//! - Bodies are never logged. Those that cannot be read are kept, bounded and in memory, as dead letters.
//! - Who may write into the queue is believed: its policy must let EventBridge alone do so.

mod adapter;
mod fate;
mod fault;
mod metrics;
mod pace;
mod queue;
mod reading;
mod seen;
mod sqs;
mod telling;

pub use adapter::{Adapter, Setup};
pub use event_bodies::{Decoder, UnknownDecoder};
pub use fate::{Fate, Met, fate};
pub use fault::{Action, Fault, FaultKind};
pub use queue::{Message, Queue, Redrive, Standing};
pub use reading::{EventSource, InvalidEventSource};
pub use sqs::{Place, SqsQueue};
