//! What fuzzers feed.

pub mod doors;
