//! The adapter over real sockets against the simulated Genesys, with the true driver behind it.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod cuts;
mod evidence;
mod world;
