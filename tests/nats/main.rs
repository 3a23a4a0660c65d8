//! Commands through NATS JetStream: the service as a process, a simulated Genesys, and true servers of NATS that `tests/nats/run`
//! brings.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod canaries;
mod crash_points;
mod crashes;
mod operators;
