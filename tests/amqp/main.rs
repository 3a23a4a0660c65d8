//! Commands through RabbitMQ: the service as a process, a simulated Genesys, and a node that `tests/amqp/run` starts.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod commands;
mod crash_points;
mod rabbit;
