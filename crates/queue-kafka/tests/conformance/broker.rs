//! Against a broker as a process, which `tests/kafka/run` starts. It keeps its data in memory, so it is not killed here; each
//! case has topics and a group of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use queue::{
    Outgoing, Source,
    conformance::{Manners, Place},
};
use queue_kafka::{KafkaSource, Setup};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::FutureProducer,
};

use crate::place;

const PARTITIONS: i32 = 3;
const HELD: Duration = Duration::from_secs(5);

fn broker() -> String {
    std::env::var("CLOSEOUT_TEST_KAFKA").expect("tests/kafka/run starts a broker and runs these tests")
}

/// Topics of its own.
pub struct Broker {
    topic: String,
    ended: String,
    producer: FutureProducer,
}

impl Broker {
    pub async fn begin() -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = format!("{}-{}", std::process::id(), PLACES.fetch_add(1, Ordering::Relaxed));
        let (topic, ended) = (format!("closures-{number}"), format!("ended-{number}"));
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", broker()).create().unwrap();
        let topics = [(&topic, PARTITIONS), (&ended, 1)]
            .map(|(name, partitions)| NewTopic::new(name, partitions, TopicReplication::Fixed(1)));
        let options = AdminOptions::new().operation_timeout(Some(place::BOUND));
        for made in admin.create_topics(&topics, &options).await.unwrap() {
            made.unwrap();
        }
        Self { topic, ended, producer: place::producer(&broker()) }
    }

    fn setup(&self) -> Setup {
        Setup {
            brokers: vec![broker()],
            topic: self.topic.clone(),
            group: format!("of-{}", self.topic),
            held: HELD,
            tls: false,
            authorities: None,
            login: None,
        }
    }
}

impl Place for Broker {
    fn manners(&self) -> Manners {
        Manners { held: HELD, lanes: true, dies: false }
    }

    async fn open(&self) -> Arc<dyn Source> {
        Arc::new(KafkaSource::open(self.setup()).unwrap())
    }

    async fn publish(&self, outgoing: Outgoing) {
        place::publish(&self.producer, &self.topic, outgoing).await;
    }

    fn address(&self) -> String {
        self.ended.clone()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        let ended = self.ended.clone();
        tokio::task::spawn_blocking(move || place::ended(&broker(), &ended, most)).await.unwrap()
    }

    async fn kill(&self) {
        unreachable!("its manners say that it does not die");
    }

    async fn restart(&self) {
        unreachable!("its manners say that it does not die");
    }
}
