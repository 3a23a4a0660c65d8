//! Brings commands out of a stream of NATS JetStream, by a durable pull consumer.
//!
//! ```text
//!  receive ─► pull what is there (no wait) ─► nothing? pull one, and wait ─► messages, each with its acknowledgement subject
//!  settle  ─► +ACK, -NAK with a delay, or +TERM on that subject ─► the server confirms each (double acknowledgement)
//! ```
//!
//! - The consumer is made where it is not there, and used as it stands where it is: operators may set it otherwise.
//! - The connection is made in the background and made again by itself, for ever.
//! - The reply subject of a message in a stream is its acknowledgement's; where a producer waits for the ending stands in the header
//!   `Reply-To`.
//! - How often a server's files are synced (`sync_interval`) cannot be asked: what it acknowledged to a producer within that time
//!   can be lost with the power of the machine. A stream with three replicas loses it only with two of them.
//! - Nothing here needs a server later than 2.9.

mod check;
mod connection;
mod fault;
mod message;
mod pull;
mod setup;
mod source;
mod unreadable;

pub use setup::{Auth, OpenError, Setup};
pub use source::NatsSource;
