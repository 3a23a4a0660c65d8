//! The service on a machine whose clock is set, while closures wait and between two runs. `tests/clocks/run` brings libfaketime.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod between_runs;
mod machine;
mod while_running;
