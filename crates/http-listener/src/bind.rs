//! Takes a port.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// How many connections the kernel keeps that are not accepted yet. A burst beyond the usual 128 would wait a second
/// for the repeated SYN. Linux cuts it to `net.core.somaxconn`, which is 4,096 since 5.4.
pub const ACCEPT_BACKLOG: u32 = 4_096;

/// Takes a port and listens on it with a deep queue ([`ACCEPT_BACKLOG`]). Port 0 takes any free one.
///
/// # Errors
///
/// The message names the address and what to do, when the port is taken or needs rights. The kind is that of the
/// operating system's error.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    open(address).map_err(|error| explain(address, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it, a restart fails while connections of the last run linger. On Windows it would mean to share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        return io::Error::new(
            kind,
            format!("{address} is taken by another program: stop it or choose another port with --listen"),
        );
    }
    if kind == io::ErrorKind::PermissionDenied {
        return io::Error::new(
            kind,
            format!("{address} may not be used by this user: choose a port from 1024 on with --listen"),
        );
    }
    if kind == io::ErrorKind::AddrNotAvailable {
        return io::Error::new(
            kind,
            format!(
                "{address} is no address of this machine: choose another with --listen, for example 127.0.0.1:{}",
                address.port()
            ),
        );
    }
    io::Error::new(kind, format!("cannot listen on {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_in_plain_words() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!("{address} is taken by another program: stop it or choose another port with --listen")
        );
        drop(first);
        bind(address).unwrap();
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told_in_plain_words() {
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        let error = bind("192.0.2.1:8080".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("is no address of this machine"), "{error}");
    }
}
