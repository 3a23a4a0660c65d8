//! What a client may hold, and for how long.

use std::time::Duration;

/// What a client may hold, and for how long. [`Limits::default`] is meant for an open port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more takes the place of the earliest that has been here for half a second and has not sent a whole request;
    /// where each has, it is accepted and closed at once, so that it does not wait in the kernel's queue. Default: 4,096.
    pub connections: usize,
    /// Time from the start of a connection, or from the end of the last answer on it, until the next request's head
    /// is there as a whole. It also ends idle connections. Default: 9 s, so that a crowd which takes a second to be accepted is
    /// gone within ten.
    pub head_within: Duration,
    /// Time from a request's head until its body is there as a whole, counted while somebody reads it. Default: 8 s: it begins after the head.
    pub body_within: Duration,
    /// How long a client may leave an answer unread before the connection is cut; any byte that it takes starts the
    /// time anew. Default: 30 s.
    pub write_stalls_for: Duration,
    /// Bytes of a request's line and headers. More is answered with 431, which hyper writes without a body. Default: 16 KiB.
    pub head_bytes: usize,
    /// Headers of a request. More are answered with 431, as above. Default: 64.
    pub headers: usize,
    /// How long requests may still run after the stop. Default: 20 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_within: Duration::from_secs(9),
            body_within: Duration::from_secs(8),
            write_stalls_for: Duration::from_secs(30),
            head_bytes: 16 * 1_024,
            headers: 64,
            grace: Duration::from_secs(20),
        }
    }
}
