//! Brings commands out of a queue of Amazon SQS, standard or FIFO.
//!
//! ```text
//!  receive ─► long poll for ten ─► ten came and more are wanted? up to nine further receives at once, without a wait
//!  settle  ─► DeleteMessageBatch (taken, poison) and ChangeMessageVisibilityBatch (later), ten in a request, side by side
//!  publish ─► SendMessage to the queue whose URL stands in the command's attribute `ReplyTo`
//! ```
//!
//! - A message is hidden for the queue's visibility timeout, or for the time that the setup names, and comes again unless it
//!   was deleted meanwhile.
//! - The queue needs no redrive policy: what can never be taken is a dead letter of the service, and is deleted here. With one,
//!   the queue moves what was received too often by itself.
//! - The id of a message is what its producer gave: its deduplication id (not the one that the queue makes out of the body),
//!   else its attribute `Idempotency-Key`. Its place is the queue and the queue's own id of it.
//! - SQS carries text alone. A body that is base64 has the attribute `Content-Transfer-Encoding: base64` beside it.
//! - In a FIFO queue, what waits for later holds up what stands behind it in its message group, and nothing else.
//! - Times are whole seconds, rounded up.

mod check;
mod fault;
mod message;
mod setup;
mod source;

pub use setup::Setup;
pub use source::SqsSource;
