//! Commands through Kafka: the service as a process and a simulated Genesys, before a cluster in this process that dies and comes
//! back, and before a broker as a process that `tests/kafka/run` starts.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod cluster;
mod commands;
mod crash_points;
mod gate;
mod operators;
mod proving;
mod shop;
