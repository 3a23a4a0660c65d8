//! The service as a process, with its state in PostgreSQL, on a real server that `tests/postgres/run` starts. Some of these stop
//! the server, so they run one after the other.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod away;
mod crash_points;
mod crashes;
mod fleet;
#[expect(dead_code, reason = "the store's own tests make more use of it")]
#[path = "../../crates/store-postgres/tests/trouble/proxy.rs"]
mod proxy;
mod setting;
mod stored;
mod words;
