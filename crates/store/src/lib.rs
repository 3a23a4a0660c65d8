//! The port to durable state: its guarantees, a double in memory, and the suite that every store must pass.
//!
//! A store keeps rows and journal lines; it never decides. What a closure's `body` means is known to the
//! orchestrator alone, so a store can be written and tested without the machine.
//!
//! ```text
//! orchestrator ── commit(one transition) ──► store ──► row, journal lines, inbox entry, key: all or nothing
//!              ◄─ Ok after it is durable ───┘
//! ```
//!
//! What every store guarantees:
//!
//! - **Durable, then answered.** `commit` returns `Ok` only when the transition survives loss of power.
//! - **All or nothing.** Row, journal lines, inbox entry and idempotency key of one commit are one unit.
//! - **Versions are compared.** A commit names the version that it read; a stale writer changes nothing.
//! - **One open closure for an organisation and conversation**, however many writers race.
//! - **In order of asking.** Commits of one caller are applied in the order in which `commit` was called, also
//!   when the futures are awaited in another order. A future that is dropped after its first poll is still
//!   applied: dropping stops the waiting, never the write.
//! - **Several processes, if the store can.** Each row is worked on by one of them, which the store knows; when it is gone, another
//!   one takes its rows over. Nothing hangs on that: a stale process is stopped by the version that it does not know.
//! - **Positions grow.** A journal line's position is larger than that of every line committed before it.

mod audit;
mod batches;
mod budget;
pub mod conformance;
mod dead_letters;
mod deliveries;
mod memory;
mod model;
mod parcel;
mod parts;
mod port;
mod shape;

pub use audit::{AuditFilter, AuditRow};
pub use batches::{BatchFilter, BatchItem, BatchRow};
pub use budget::{Ask, Budget, Heard, Lease};
pub use dead_letters::{DeadLetterFilter, DeadLetterRow};
pub use deliveries::{DeliveryFilter, DeliveryRow};
pub use memory::MemoryStore;
pub use model::*;
pub use parcel::{Counts, Parcel};
pub use parts::{Part, page, parts};
pub use port::*;
