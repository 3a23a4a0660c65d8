//! Serves a router on an open port, with the limits that an open port needs.
//!
//! ```text
//!  accept ─► room? ─no─► has anybody not asked yet? ─no─► close, count
//!               │                  └─yes─► close that one, count
//!               └─yes─► head whole in time? ─no─► close
//!                            └─yes─► body whole in time? ─no─► 408, close
//!                                         └─yes─► router ─► answer read in time? ─no─► close
//! ```
//!
//! What a client can hold without sending anything of use is bounded in number and in time. What a handler may take to
//! answer is not: a request may wait for its answer as long as it likes (`?wait=30s`), so there is no time-out on the
//! whole. HTTP/1.1 only, without TLS and without upgrades; both belong to a proxy in front.

mod bind;
mod body_deadline;
mod connection;
mod limits;
mod metrics;
mod newcomers;
mod serve;
mod write_stall;

pub use bind::{ACCEPT_BACKLOG, bind};
pub use body_deadline::BodyTooSlow;
pub use limits::Limits;
pub use serve::serve;
