//! Ports for what is started, killed, and started again.

use std::fs::File;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Below 32,768, where Linux begins to hand out ports by itself: a port from there is soon given to a connection or
/// to another test's listener while its owner is still starting, or dead for a moment. From 20,000 on, because
/// `tests/free_ports` gives those below to the servers that the scripts start.
const FIRST: u16 = 20_000;
const PORTS: u16 = 12_000;

/// The next one to try in this process.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on loopback that nobody listens on, and that no other test gets as long as this process lives.
pub fn free_port() -> u16 {
    let locks = std::env::temp_dir().join("closeout-test-ports");
    std::fs::create_dir_all(&locks).unwrap();
    // Processes begin far from each other, so that they seldom meet at a lock.
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() ^ std::process::id();
    let begin = u16::try_from(begin % u32::from(PORTS)).unwrap();
    let _ = NEXT.compare_exchange(0, begin.max(1), Ordering::Relaxed, Ordering::Relaxed);
    for _ in 0..PORTS {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let lock = File::create(locks.join(port.to_string())).unwrap();
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            // The system lets go of it when this process ends, however it ends.
            std::mem::forget(lock);
            return port;
        }
    }
    panic!("no port from {FIRST} on is free");
}
