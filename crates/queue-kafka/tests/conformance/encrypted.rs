//! Against a broker as a process behind TLS, which `tests/kafka/run --tls` starts. Its certificate is nobody's: it is believed where it
//! is named.

use std::time::{Duration, Instant};

use queue::{FaultKind, Outgoing, Settlement, Source as _};
use queue_kafka::{KafkaSource, Setup};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::FutureProducer,
};

use crate::place;

/// A first join takes a broker half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing: tests/kafka/run --tls sets it"))
}

/// The broker, and the file of its certificate.
struct Encrypted {
    address: String,
    certificate: String,
}

impl Encrypted {
    fn begin() -> Self {
        Self {
            address: setting("CLOSEOUT_TEST_KAFKA_TLS"),
            certificate: setting("CLOSEOUT_TEST_KAFKA_CERTIFICATE"),
        }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("security.protocol", "ssl");
        config.set("ssl.ca.location", &self.certificate);
        config
    }

    async fn make_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topics = ["closures", "ended"].map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for made in admin.create_topics(&topics, &options).await.unwrap() {
            made.unwrap();
        }
    }

    fn setup(&self, trusted: Option<&str>) -> Setup {
        Setup {
            brokers: vec![self.address.clone()],
            topic: "closures".to_owned(),
            group: "closeout".to_owned(),
            held: Duration::from_secs(5),
            tls: true,
            authorities: trusted.map(|file| std::fs::read_to_string(file).unwrap()),
            login: None,
        }
    }
}

fn outgoing(body: &'static str) -> Outgoing {
    Outgoing {
        id: Some("order-1".to_owned()),
        headers: queue::Headers::default(),
        reply_to: None,
        body: body.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_spoken_to_by_tls_where_its_certificate_is_believed() {
    let broker = Encrypted::begin();
    broker.make_topics().await;
    let producer: FutureProducer = broker.client().create().unwrap();
    place::publish(&producer, "closures", outgoing("{}")).await;
    let source = KafkaSource::open(broker.setup(Some(&broker.certificate))).unwrap();
    let until = Instant::now() + PATIENCE;
    let message = loop {
        let came = source.receive(1, Duration::from_secs(1)).await.unwrap_or_default();
        if let Some(message) = came.into_iter().next() {
            break message;
        }
        assert!(Instant::now() < until, "nothing came");
    };
    assert_eq!((&message.body[..], message.id.as_deref()), (&b"{}"[..], Some("order-1")));
    assert_eq!(source.settle(vec![(message.receipt, Settlement::Taken)]).await, Ok(0));
    source.publish("ended", outgoing("[]")).await.unwrap();
    source.close().await;

    let doubting = KafkaSource::open(broker.setup(None)).unwrap();
    let fault = doubting.check().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
}
