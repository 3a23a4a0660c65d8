//! The store in PostgreSQL: one pipelined writer, group commit, the same guarantees.
//!
//! ```text
//! commit ─┐               ┌────────────────────── writer task ─────────────────────────┐
//! commit ─┼─► queue ─────►│ BEGIN, lock, read what the checks need ─► judge in memory  │─► answers
//! commit ─┘   (bounded)   │ ─► one statement a table ─► COMMIT                         │
//!                         └────────────────────────────────────────────────────────────┘
//! load, list, … ─► a few connections that only read
//! ```
//!
//! A transaction costs two round trips, whatever the number of commits in it. It never decides: it keeps rows, lines, inbox entries
//! and keys as [`store`] describes them. It never answers before the server has said that the transaction is durable.

mod address;
mod audit;
mod batches;
mod dead_letters;
mod deliveries;
mod failure;
mod fleet;
mod import;
mod judge;
mod listing;
mod metrics;
mod patience;
mod periods;
mod postgres_store;
mod query;
mod read;
mod readers;
mod record;
mod rolled_back;
mod schema;
mod session;
mod statements;
mod text;
mod tls;
mod upkeep;
mod writer;

pub use address::Address;
pub use failure::OpenError;
pub use import::{Import, ImportError};
pub use periods::Periods;
pub use postgres_store::PostgresStore;
pub use schema::{Looked, OLDEST_SERVER, look};
