//! Tells the service manager how the service stands (`NOTIFY_SOCKET`, sd_notify(3)).

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What is told.
#[derive(Debug, Clone, Copy)]
pub enum State {
    /// Requests are taken.
    Ready,
    /// The stop has begun.
    Stopping,
}

/// Tells the service manager, if there is one. That it cannot be reached is no reason to stop.
pub fn tell(state: State) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let text: &[u8] = match state {
        State::Ready => b"READY=1",
        State::Stopping => b"STOPPING=1",
    };
    let sent = address(&place).and_then(|address| UnixDatagram::unbound()?.send_to_addr(text, &address));
    if let Err(error) = sent {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

fn address(place: &std::ffi::OsStr) -> std::io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt as _;
    match place.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name),
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        None => SocketAddr::from_pathname(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_abstract_name_are_both_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let address = address(path.as_os_str()).unwrap();
        UnixDatagram::unbound().unwrap().send_to_addr(b"READY=1", &address).unwrap();
        let mut heard = [0; 16];
        assert_eq!(manager.recv(&mut heard).unwrap(), 7);
        assert_eq!(&heard[..7], b"READY=1");
    }
}
