//! Against the cluster in process that the client library brings for its own tests.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use queue::{
    Outgoing, Source,
    conformance::{Manners, Place},
};
use queue_kafka::{KafkaSource, Setup};
use rdkafka::{mocking::MockCluster, producer::FutureProducer};
use tokio::net::TcpSocket;

use crate::place;

const TOPIC: &str = "closures";
const ENDED: &str = "ended";

const PARTITIONS: i32 = 3;
const HELD: Duration = Duration::from_secs(5);

/// What the thread that owns the cluster is asked. The cluster cannot be sent between threads.
enum Ask {
    Down,
    Up,
}

/// A cluster of its own.
pub struct Mock {
    brokers: String,
    producer: FutureProducer,
    ask: mpsc::SyncSender<(Ask, mpsc::SyncSender<()>)>,
}

impl Mock {
    pub fn begin() -> Self {
        let (told, hear) = mpsc::sync_channel(1);
        let (ask, asked) = mpsc::sync_channel::<(Ask, mpsc::SyncSender<()>)>(1);
        // It ends with the place, which holds the other end.
        std::thread::spawn(move || {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
            cluster.create_topic(ENDED, 1, 1).unwrap();
            let brokers = cluster.bootstrap_servers();
            told.send(brokers.clone()).unwrap();
            let mut ports = Vec::new();
            while let Ok((ask, done)) = asked.recv() {
                match ask {
                    Ask::Down => {
                        cluster.broker_down(-1).unwrap();
                        ports = kept(&brokers);
                    }
                    Ask::Up => {
                        cluster.broker_up(-1).unwrap();
                        ports.clear();
                    }
                }
                done.send(()).unwrap();
            }
        });
        let brokers: String = hear.recv().unwrap();
        let producer = place::producer(&brokers);
        Self { brokers, producer, ask }
    }

    pub fn setup(&self) -> Setup {
        Setup {
            brokers: vec![self.brokers.clone()],
            topic: TOPIC.to_owned(),
            group: "closeout".to_owned(),
            held: HELD,
            tls: false,
            authorities: None,
            login: None,
        }
    }

    fn ask(&self, ask: Ask) {
        let (done, wait) = mpsc::sync_channel(1);
        self.ask.send((ask, done)).unwrap();
        wait.recv().unwrap();
    }
}

impl Place for Mock {
    fn manners(&self) -> Manners {
        Manners { held: HELD, lanes: true, dies: true }
    }

    async fn open(&self) -> Arc<dyn Source> {
        Arc::new(KafkaSource::open(self.setup()).unwrap())
    }

    async fn publish(&self, outgoing: Outgoing) {
        place::publish(&self.producer, TOPIC, outgoing).await;
    }

    fn address(&self) -> String {
        ENDED.to_owned()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        let brokers = self.brokers.clone();
        tokio::task::spawn_blocking(move || place::ended(&brokers, ENDED, most)).await.unwrap()
    }

    async fn kill(&self) {
        self.ask(Ask::Down);
    }

    async fn restart(&self) {
        self.ask(Ask::Up);
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
