//! Many commands that are given together: shown first, then run at a bounded rate, each once.
//!
//! ```text
//! rows ─► read ─► judged, nothing done (preview, token) ─► execute ─► re-checked, submitted, followed ─► finished
//! ```
//!
//! - **Nothing before the token.** It is bound to the exact rows that would be closed, and to this batch.
//! - **Each row once.** A row is submitted under an idempotency key of its own; a crash between the submission and the note of it
//!   finds the key, and the closure behind it.
//! - **Rows that nobody gave** are those of closures that match a filter, or stuck sessions that a scan has found. They are shown first as
//!   every other; only a schedule that says so in so many words closes what it found.
//! - **No second way to a closure.** Rows go through the orchestrator's ordinary submission, which reads before it closes.

mod acts;
mod criteria;
mod herald;
mod plan;
mod rows;
mod run;
mod scan;
mod schedule;
mod service;
mod standing;
mod stored;

pub use acts::{ACTS, Chosen};
pub use criteria::Criteria;
pub use herald::{Herald, News, NoHerald};
pub use plan::{BatchState, RowState, Skip};
pub use rows::{Format, LARGEST_FILE, LARGEST_ROW, MOST_ROWS, Narrower, Unreadable};
pub use run::SOURCE;
pub use schedule::Schedule;
pub use service::{ActError, Acted, Asked, Batch, Batches, Item, Progress, Reader};
pub use stored::{Narrowing, Plan, Scan};
