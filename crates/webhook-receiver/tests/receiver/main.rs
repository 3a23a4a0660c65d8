//! Webhooks from their bytes to what they do: a router, a driver, a store and a scripted remote side.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod confirmations;
mod order_of_checks;
mod redaction;
mod repeats;
mod signatures;
mod world;
