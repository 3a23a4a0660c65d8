//! Tells a collector of closures: one OpenTelemetry trace each, made of its journal.
//!
//! ```text
//!  journal ──► reader ──► spans ──► batch ──► POST /v1/traces ──► moved cursor
//!  (cursor)    (which?)   (pure)              again, or dropped
//! ```
//!
//! - No closure pays for it: what is told is read from the journal after the fact, by one process of a store.
//! - What is told of a line is the same whenever and by whomever it is told: ids follow from the closure and the line, and
//!   nothing that comes later changes it. So a crash sends again, and never otherwise.
//! - The queue is the journal itself. A collector that is away costs no memory; what it misses for too long is dropped and
//!   counted.
//! - No bodies, no tokens, no words of people, no names: ids, states, times and what Genesys' support asks for.

mod fate;
mod ids;
mod metrics;
mod part;
mod post;
mod reader;
mod sample;
mod service;
mod setup;
mod spans;
mod values;

#[cfg(test)]
mod tests;

pub use part::{Part, parts};
pub use service::Traces;
pub use setup::{InvalidHeaders, Place, Setup, endpoint, headers};
pub use spans::spans;
