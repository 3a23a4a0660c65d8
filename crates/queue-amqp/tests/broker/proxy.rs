//! A network that can be cut: a proxy between the source and the broker.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It carries.
    Carries,
    /// Connections stand, and nothing goes through: a firewall that forgot them.
    Silent,
    /// Connections break, and new ones too.
    Broken,
}

pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    accepted: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// A proxy to the broker at an address `amqp://…@127.0.0.1:port`.
    pub async fn to(url: &str) -> Self {
        let broker: SocketAddr = url.rsplit('@').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = watch::Sender::new(Network::Carries);
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, broker, network.subscribe(), Arc::clone(&accepted)));
        Self { address, network, accepted, _task: task }
    }

    /// The address of the broker by way of the proxy.
    pub fn url(&self, heartbeat: u16) -> String {
        format!("amqp://guest:guest@{}?heartbeat={heartbeat}", self.address)
    }

    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// How many connections were made.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    network: watch::Receiver<Network>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        connections.spawn(carry(client, broker, network.clone()));
    }
}

async fn carry(client: TcpStream, broker: SocketAddr, network: watch::Receiver<Network>) {
    let mut breaks = network.clone();
    let carried = async {
        let Ok(server) = TcpStream::connect(broker).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            copy(from_client, to_server, network.clone()),
            copy(from_server, to_client, network.clone()),
        );
    };
    tokio::select! {
        () = carried => {}
        _ = breaks.wait_for(|network| *network == Network::Broken) => {}
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if network.wait_for(|network| *network == Network::Carries).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
    let _ = to.shutdown().await;
}
