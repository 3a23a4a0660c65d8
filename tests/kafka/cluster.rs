//! The cluster that the client library brings for its own tests: it keeps its messages while its brokers are away.

use std::sync::mpsc;

use rdkafka::mocking::MockCluster;
use tokio::net::TcpSocket;

use crate::shop::{PARTITIONS, TOPICS};

/// A cluster of one test's own. It cannot be sent between threads, so it has one to itself, which ends with this.
pub struct Cluster {
    pub brokers: String,
    ask: mpsc::SyncSender<(bool, mpsc::SyncSender<()>)>,
}

impl Cluster {
    pub fn begin() -> Self {
        let (told, hear) = mpsc::sync_channel(1);
        let (ask, asked) = mpsc::sync_channel::<(bool, mpsc::SyncSender<()>)>(1);
        std::thread::spawn(move || {
            let cluster = MockCluster::new(1).unwrap();
            for topic in TOPICS {
                cluster.create_topic(topic, PARTITIONS, 1).unwrap();
            }
            let brokers = cluster.bootstrap_servers();
            told.send(brokers.clone()).unwrap();
            let mut ports = Vec::new();
            while let Ok((is_up, done)) = asked.recv() {
                if is_up {
                    cluster.broker_up(-1).unwrap();
                    ports.clear();
                } else {
                    cluster.broker_down(-1).unwrap();
                    ports = kept(&brokers);
                }
                done.send(()).unwrap();
            }
        });
        Self { brokers: hear.recv().unwrap(), ask }
    }

    /// All brokers are away, and back after this time.
    pub async fn dies_for(&self, time: std::time::Duration) {
        self.set(false);
        tokio::time::sleep(time).await;
        self.set(true);
    }

    fn set(&self, is_up: bool) {
        let (done, wait) = mpsc::sync_channel(1);
        self.ask.send((is_up, done)).unwrap();
        wait.recv().unwrap();
    }
}

/// Keeps the ports of brokers that are away, lest another connection of this machine is given one of them meanwhile; a broker that
/// comes back listens there beside it.
fn kept(brokers: &str) -> Vec<TcpSocket> {
    let keep = |address: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        socket
    };
    brokers.split(',').map(keep).collect()
}
