//! The notification WebSocket as a way of evidence.
//!
//! ```text
//! channel, socket, subscriptions ─► frames ─► event-bodies ─► Orchestrator::deliver
//!        ▲                            │
//!        └──────── Life (pure) ◄──────┘ heartbeats, closing, silence, end
//!                    └─ listens again after a gap ─► Orchestrator::look_back
//! ```
//!
//! - When to open, ping, renew, give up and read back is decided by [`Life`], without I/O or clock.
//! - Genesys keeps nothing for whoever does not listen. Every time that nobody did, also before the start, ends with a
//!   look back at all closures that waited meanwhile (ADR 13).
//! - It never takes silence for good news: a connection that says nothing is a gap.
//! - Bodies and the addresses of sockets are never logged.

mod adapter;
mod frame;
mod life;
mod link;
mod standing;

pub use adapter::{Adapter, Settings};
pub use life::{Act, Input, Life, Limits, LinkId};
pub use standing::{RefusedTopic, Standing, StandingBoard};
