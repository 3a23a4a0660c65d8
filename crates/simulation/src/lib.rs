//! The true driver in virtual time.
//!
//! ```text
//!  producers ─► broker ─┐                                    ┌─► remote side: calls and replies lost, late, doubled,
//!  producers ── HTTP ───┤   ┌─ replica 0 ─┐                  │   refused; guests who leave, come back or stay for ever
//!  operators ───────────┼──►├─ replica 1 ─┤─► store ─────────┤
//!  webhooks, signed ────┘   └─ replica 2 ─┘   (one for all)  └─► events lost, late, doubled, forged, out of order
//!          each may crash, stand still and be cut off            │
//!                                                  witness ◄─────┘ holds every commit and call against I1 to I9
//! ```
//!
//! [`tell`] plays one story. All that happens in it follows from its seed: each replica is a runtime of its own on one
//! thread, whose clock is paused and moved on in slices, the replicas one after the other; what is drawn is drawn from one
//! generator. First comes a phase in which everything fails, and nothing wrong may happen; then one in which nothing fails
//! any more, and everything must come to its end.
//!
//! What is true code: the orchestrator, the machine, the quota and its leases, the intake, the callbacks, the webhook receiver with its
//! signatures. What stands in for the outside: the store's and the broker's doubles in memory behind wrappers that fail, and
//! the remote side at the driver's port. See docs/adr/0032.

mod broker;
mod chances;
mod clock;
mod conversation;
mod genesys;
mod happening;
mod hooks;
mod mistake;
mod people;
mod plan;
mod port;
mod replica;
mod reports;
mod shaky;
mod story;
mod together;
mod trace;
mod witness;
mod world;

pub use mistake::Mistake;
pub use story::{Ending, Failure, tell};
