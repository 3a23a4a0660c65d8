//! The client over real HTTP against a stub on loopback: what goes out, and what is made of what comes back.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dialects;
mod hostile;
mod inspecting;
mod lookups;
mod lookups_attacked;
mod notifications;
mod operations;
mod outgoing;
mod read_many;
mod stub;
mod tokens;
mod wrap_ups;
