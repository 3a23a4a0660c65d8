//! Listening sockets that do not distort a measurement.

use std::net::SocketAddr;

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// The length of the queue of connections that wait to be accepted.
///
/// A queue of 128 or 1,024 loses a SYN when hundreds of connections open at once, and its retransmission shows
/// as a latency of one second. The kernel lowers this to `net.core.somaxconn` (4,096 by default).
const BACKLOG: i32 = 4096;

/// Opens a listening socket with a deep queue; port 0 takes a free port.
///
/// Must be called inside a Tokio runtime. Fails when the address is taken or not allowed.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Where ports for services are looked for: below those that Linux hands out by itself (from 32,768 on, unless somebody has set it otherwise). One of those may go to any of
/// the connections that a load opens while the service is starting, or dead for a moment.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many of them are tried.
const TRIES: usize = 1_000;

/// Finds a loopback port that is free at this moment.
///
/// Another program may take it before it is used; the one who then fails to listen says so.
pub fn free_loopback_port() -> anyhow::Result<SocketAddr> {
    let tried = std::iter::repeat_with(|| SocketAddr::from(([127, 0, 0, 1], fastrand::u16(PORTS))));
    let free = tried.take(TRIES).find(|address| std::net::TcpListener::bind(address).is_ok());
    free.with_context(|| format!("none of {TRIES} loopback ports from {} on is free", PORTS.start))
}
