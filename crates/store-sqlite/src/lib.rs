//! The embedded store: one writer thread, full sync, group commit.
//!
//! ```text
//! commit ─┐                     ┌───────────── writer thread ──────────────┐
//! commit ─┼─► queue (bounded) ─►│ BEGIN … check, write … COMMIT (fdatasync)│─► answers
//! commit ─┘                     └──────────────────────────────────────────┘
//! load, list, … ─► a few read-only connections on blocking threads
//! ```
//!
//! It never decides: it keeps rows, lines, inbox entries and keys as [`store`] describes them. It never answers before
//! the write-ahead log is on the disk, never repairs a file, and never opens one that another process writes.

mod apply;
mod audit;
mod backup;
mod batches;
mod bloom;
mod dead_letters;
mod deliveries;
mod export;
mod failure;
mod file;
mod finder;
mod home;
mod listing;
mod metrics;
#[cfg(test)]
mod plans;
mod read;
mod readers;
mod record;
mod rows;
mod schema;
mod sqlite_store;
mod upkeep;
mod writer;

pub use backup::{BackupError, BackupProgress, backup_file};
pub use export::Export;
pub use failure::OpenError;
pub use sqlite_store::SqliteStore;
