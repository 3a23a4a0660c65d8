//! Something between a client and its server that can be made to fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All passes.
    Open,
    /// Connections are closed, and new ones as well. What was not passed on by then never is.
    Closed,
    /// Connections stand, and nothing passes.
    Silent,
    /// What the server says is kept back for as long as this lasts; what it is told passes.
    Deaf,
    /// What the client says passes [`LATE`], all together, and an error that the server tells is lost with the connection.
    Late,
}

/// More than the server lets a writer stand still at first.
const LATE: Duration = Duration::from_millis(600);

/// The first byte of an error that the server tells (PostgreSQL's manual, "Message Formats").
const ERROR: u8 = b'E';

/// The proxy. It ends with the runtime of its test.
pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// How many errors were lost with their connection.
    lost: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands between a free port and a server, `host:port`.
    pub async fn begin(server: &str) -> Self {
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (mode, mode_of_all) = watch::channel(Mode::Open);
        let lost = Arc::new(AtomicUsize::new(0));
        let lost_of_all = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), mode_of_all.clone(), Arc::clone(&lost_of_all)));
            }
        });
        Self { address, mode, lost }
    }

    /// How many errors that the server told were lost with their connection.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Behaves so from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn pass(client: TcpStream, server: String, mut mode: watch::Receiver<Mode>, lost: Arc<AtomicUsize>) {
    if *mode.borrow_and_update() == Mode::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (one, other) = (mode.clone(), mode.clone());
    let closed = async { mode.wait_for(|mode| *mode == Mode::Closed).await.is_ok() };
    tokio::select! {
        _ = closed => {}
        () = copy(Side::Client, from_client, to_server, one, &lost) => {}
        () = copy(Side::Server, from_server, to_client, other, &lost) => {}
    }
}

/// Whose words are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Passes on what comes, as the mode wants it.
async fn copy(
    who: Side,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    lost: &AtomicUsize,
) {
    let held = match who {
        Side::Client => &[Mode::Silent][..],
        Side::Server => &[Mode::Silent, Mode::Deaf],
    };
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let Ok(mut length @ 1..) = from.read(&mut bytes).await else { return };
        if *mode.borrow() == Mode::Late {
            if who == Side::Server && bytes[0] == ERROR {
                lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if who == Side::Client {
                tokio::time::sleep(LATE).await;
                length += from.try_read(&mut bytes[length..]).unwrap_or_default();
            }
        }
        match mode.wait_for(|mode| !held.contains(mode)).await {
            Ok(mode) if *mode != Mode::Closed => {}
            _ => return,
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
