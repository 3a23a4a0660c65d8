//! The adapter between a queue in memory and a true driver.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod queue;
mod settling;
mod stopping;
mod world;
