//! Takes commands out of queues: each once, acknowledged after it is durable.
//!
//! ```text
//!                         ┌─ durable (new, attached, repeated) ──────────────────────────► taken
//!  receive ─► decode ─► submit ─┼─ no room ────────────────────────► later, and a pause
//!                │        └─ the store is away ──────────────► later, and a pause until it is back
//!                └─ no command, or refused ─► dead letter ─► kept ─► poison
//!
//!  journal (outbox) ─► endings of this source's commands ─► published to who waits
//! ```
//!
//! - **Settled after the commit.** A crash in between makes a message come again; its key finds the closure that it opened.
//! - **One key for each message**, in a scope of its source: what its producer called it, else the event's id, else where it stands.
//! - **Nothing is dropped.** What cannot be taken is a dead letter in the store before its message is settled.
//! - **No spinning.** No room and a store that is away stop the receiving; what was in hand comes later.
//! - What is done with a message is a pure function of what became of it ([`fate`]).
//! - Bodies are never logged.

mod answer;
mod commands;
mod decode;
mod endings;
mod fate;
mod letter;
mod metrics;
mod pace;
mod replies;
mod run;
mod sources;
mod take;
mod telling;
#[cfg(test)]
mod tests;
mod watchdog;

pub use commands::{Asked, Commands, Refusal};
#[doc(hidden)]
pub use decode::command_in;
pub use decode::{COMMAND_TYPE, Decoder, InvalidFields, PointerMap, UnknownDecoder};
pub use fate::{Fate, Met, fate};
pub use letter::{LARGEST_KEPT, Letter, STATES, SeenTo};
pub use replies::{Allowed, InvalidPattern, Replies};
pub use sources::{ActError, Setup, SourceStanding, SourceState, Sources};

/// The largest message that is looked at. A command has at most 64 KiB; this leaves room for what is put around it.
pub const LARGEST_MESSAGE: usize = 256 * 1_024;

/// The largest command, as by HTTP.
pub const LARGEST_COMMAND: usize = 64 * 1_024;
