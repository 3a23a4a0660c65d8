//! The true driver in a world of one process: virtual time, a store in memory, and a remote side whose truth is known.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod alarms;
mod budget;
mod clocks;
mod crashes;
mod deaf;
mod faults;
mod fleet;
mod held;
mod intake;
mod lifeline;
mod lookups;
mod operators;
mod orders;
mod paths;
mod quota;
mod remote;
mod replicas;
mod returning;
mod returning_attacked;
mod silence;
mod together;
mod whole;
mod world;
