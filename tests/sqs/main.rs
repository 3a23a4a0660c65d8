//! Evidence through EventBridge and Amazon SQS, and commands out of Amazon SQS: the service as a process, the events of a simulated
//! Genesys, and a double of the APIs of AWS that `tests/sqs/run` starts.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod aws;
mod bridge;
mod commands;
mod crash_points;
mod crashes;
mod evidence;
mod matrix;
mod orders;
mod setting;
mod ways;
