//! Commands from a queue of RabbitMQ, over AMQP 0-9-1.
//!
//! ```text
//!  RabbitMQ ─ basic.deliver ─► pump ─► ahead ─ receive ─► given ─ settle ─► basic.ack, basic.reject
//!                                        │                  │
//!                                        │ rest             └─ later, or never settled ─► held ─ its time ─► basic.nack, requeue
//!                                        └─► basic.nack, requeue
//! ```
//!
//! - **It declares nothing.** Queue, exchanges and users are the operator's; what is unsafe in them is told by
//!   [`check`](queue::Source::check), which reads the settings that AMQP shows.
//! - **A message that is for later stays with this connection**, unacknowledged, and is given back when its time has come (ADR 21).
//!   A connection that breaks gives it back at once; this process then still keeps to the time.
//! - **Which message it is**: RabbitMQ gives messages no position, so the place of a message is a digest of what its producer
//!   wrote. Two messages that agree in everything are one; a `message_id` tells them apart.
//! - **Settled means that the broker has got it**: AMQP acknowledges no acknowledgement, so a request follows on the same channel,
//!   and RabbitMQ answers that after it has worked off what came before.
//! - Two connections: one to consume, one to publish. RabbitMQ stops reading from who publishes when it runs out of memory, and
//!   acknowledgements must not be stuck behind that.

mod dial;
mod fault;
mod hand;
mod holds;
mod inspect;
mod message;
mod publisher;
mod seen;
mod session;
mod settings;
mod shown;
mod source;

pub use settings::{InvalidSettings, Settings};
pub use source::AmqpSource;
