//! The port to where commands come from: its guarantees, a double in memory, and the suite that every adapter must pass.
//!
//! A source brings messages and is told what became of each. It never reads what a message says, and it decides nothing:
//! that is for whoever takes the messages.
//!
//! ```text
//!  producer ─► broker ─► Source::receive ─► taker: read, make durable ─► Source::settle ─► broker
//!                                                                    └─► Source::publish ─► who waits for the ending
//! ```
//!
//! What every source guarantees:
//!
//! - **Nothing is lost.** A message leaves the broker only after it was settled as [`Taken`](Settlement::Taken) or as
//!   [`Poison`](Settlement::Poison). What was received and never settled comes again: after a while by itself, and also
//!   after this process or the broker died.
//! - **At least once.** A message may come again although it was settled, for example when the broker died before it had
//!   noted that. Its [`place`](Message::place) and [`id`](Message::id) are the same every time, so whoever takes it knows it again.
//! - **Settled is settled.** When [`settle`](Source::settle) answers `Ok(0)`, the broker has confirmed every one of the
//!   settlements, where it can confirm.
//! - **Later is not at once.** A message settled as [`Later`](Settlement::Later) does not come before its time, so a
//!   transient failure does not spin. A broker that settles whole lanes (a partition of Kafka) holds back what stands behind it
//!   in its lane as well, and brings again what was received of it.
//! - **It reconnects by itself.** A broker that is away makes `receive` answer a [`Fault`]; asked again later, it goes on.
//!   Opening a source never waits for its broker.
//! - **It always answers.** `receive` answers within its `wait` and [`GRACE`], also when the connection stands and nothing comes.
//!   Whether that is right is judged from outside by [`standing`](Source::standing); [`reopen`](Source::reopen) begins anew.
//! - **Futures may be dropped.** A dropped `receive` loses no message: what was on its way comes again. A dropped
//!   `settle` or `publish` may have happened or not.
//!
//! What whoever takes messages owes: to settle only after it is durable what became of a message, to take the same message
//! twice with the effect of once, to keep a poisonous message in a place of its own before it is settled as such, and to call
//! [`rest`](Source::rest) before a long time without `receive`.

pub mod conformance;
mod fault;
mod memory;
mod message;
mod port;

pub use fault::{Action, Fault, FaultKind};
pub use memory::{MemoryQueue, MemorySource};
pub use message::{Headers, Message, Outgoing, Receipt, Settlement};
pub use port::{GRACE, Source, Standing, Warning};
