//! Something between a client and its server that can be made to fail.

use std::net::SocketAddr;

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
}

/// The proxy. It ends with the runtime of its test.
pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Stands between a free port and a server, `host:port`.
    pub async fn begin(server: &str) -> Self {
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (mode, mode_of_all) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), mode_of_all.clone()));
            }
        });
        Self { address, mode }
    }

    /// Behaves so from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn pass(client: TcpStream, server: String, mut mode: watch::Receiver<Mode>) {
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
        () = copy(from_client, to_server, one, &[Mode::Silent]) => {}
        () = copy(from_server, to_client, other, &[Mode::Silent, Mode::Deaf]) => {}
    }
}

/// Passes on what comes, but in one of these modes.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    held: &[Mode],
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        match mode.wait_for(|mode| !held.contains(mode)).await {
            Ok(mode) if *mode != Mode::Closed => {}
            _ => return,
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
