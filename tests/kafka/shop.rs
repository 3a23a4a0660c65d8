//! A shop that asks for closures by a topic, and hears of them by others; by no code of the service.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::Value;

use crate::gate::{Gated, PASSWORD, USER};

/// Far longer than anything here takes; a first join alone takes a broker half a minute.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub const PARTITIONS: i32 = 3;

/// The topics, without what a test puts in front: of commands, of endings, and of the shop's own endings.
pub const TOPICS: [&str; 3] = ["closures", "closures.ended", "closures.reply-7"];

/// A shop before some brokers.
pub struct Shop {
    brokers: String,
    /// What stands in front of the names of its topics and of its group.
    own: String,
    /// Whether its brokers ask who is there.
    is_asked: bool,
    producer: FutureProducer,
}

/// An ending, with the id by which the shop knows the command.
pub struct Told {
    pub event: Value,
    pub correlation: Option<String>,
}

impl Shop {
    /// Before a cluster with the topics.
    pub fn before(brokers: &str) -> Self {
        Self::new(brokers, "", false)
    }

    fn new(brokers: &str, own: &str, is_asked: bool) -> Self {
        let mut config = client(brokers, is_asked);
        config.set("acks", "all").set("message.timeout.ms", "30000").set("reconnect.backoff.max.ms", "500");
        let producer = config.create().unwrap();
        Self { brokers: brokers.to_owned(), own: own.to_owned(), is_asked, producer }
    }

    /// Before a broker that asks who is there.
    pub async fn behind(gated: &Gated) -> Self {
        let shop = Self::new(&gated.address, "", true);
        shop.make_topics().await;
        shop
    }

    /// Before the broker that `tests/kafka/run` starts, with topics of one test's own.
    pub async fn of(test: &str) -> Self {
        let brokers = std::env::var("CLOSEOUT_TEST_KAFKA")
            .expect("tests/kafka/run starts a broker and runs these tests");
        let shop = Self::new(&brokers, &format!("{test}-{}-", std::process::id()), false);
        shop.make_topics().await;
        shop
    }

    async fn make_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers, self.is_asked).create().unwrap();
        let names = TOPICS.map(|topic| self.topic(topic));
        let topics = names.each_ref().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1)));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for made in admin.create_topics(&topics, &options).await.unwrap() {
            made.unwrap();
        }
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.own)
    }

    /// Where the shop waits for its own endings.
    pub fn reply_to(&self) -> String {
        self.topic(TOPICS[2])
    }

    /// A service that takes the shop's commands, read in this way.
    pub async fn scene(&self, decoder: &str) -> Scene {
        Scene::begin(self.options(decoder)).await
    }

    /// The options of such a service.
    pub fn options(&self, decoder: &str) -> SceneOptions {
        let brokers: Vec<_> = self.brokers.split(',').collect();
        let (own, [topic, ended, _]) = (&self.own, TOPICS);
        let login = if self.is_asked {
            format!("user = \"{USER}\"\npassword = \"env:BROKER_PASSWORD\"\nsasl = \"plain\"\n")
        } else {
            String::new()
        };
        let table = format!(
            "[[source]]\nname = \"orders\"\nkind = \"kafka\"\nbrokers = {brokers:?}\ntopic = \"{own}{topic}\"\n\
             group = \"{own}closeout\"\ndecoder = \"{decoder}\"\nresults = \"{own}{ended}\"\n\
             replies = [\"{own}closures.reply-*\"]\n{login}"
        );
        SceneOptions {
            closing: "confirm_within = \"2s\"\ndeadline = \"5m\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            callbacks: table,
            environment: vec![("BROKER_PASSWORD".to_owned(), PASSWORD.to_owned())],
            ..SceneOptions::default()
        }
    }

    /// Sends a command as a careful producer does: again, until the brokers have it.
    pub async fn send(&self, headers: &[(&str, &str)], body: &str) {
        let until = Instant::now() + PATIENCE;
        let topic = self.topic(TOPICS[0]);
        let mut all = OwnedHeaders::new();
        for &(key, value) in headers {
            all = all.insert(Header { key, value: Some(value) });
        }
        loop {
            let record: FutureRecord<'_, str, str> =
                FutureRecord::to(&topic).payload(body).headers(all.clone());
            match self.producer.send(record, PATIENCE).await {
                Ok(_) => return,
                Err((error, _)) => assert!(Instant::now() < until, "{error}"),
            }
        }
    }

    /// What was told by a topic from its beginning, as soon as it is enough.
    pub async fn told(&self, topic: &str, is_enough: impl Fn(&[Told]) -> bool + Send + 'static) -> Vec<Told> {
        let (client, topic) = (client(&self.brokers, self.is_asked), self.topic(topic));
        tokio::task::spawn_blocking(move || read(client, &topic, is_enough)).await.unwrap()
    }

    /// Whether the service's group has come to the end of each partition of commands, as the brokers know it.
    pub async fn has_no_command_left(&self) -> bool {
        let (mut client, topic) = (client(&self.brokers, self.is_asked), self.topic(TOPICS[0]));
        client.set("group.id", format!("{}closeout", self.own));
        let look = move || {
            let reader: BaseConsumer = client.create().unwrap();
            let mut all = TopicPartitionList::new();
            all.add_partition_range(&topic, 0, PARTITIONS - 1);
            let committed = reader.committed_offsets(all, PATIENCE).unwrap();
            committed.elements().iter().all(|partition| {
                let (_, end) = reader.fetch_watermarks(&topic, partition.partition(), PATIENCE).unwrap();
                partition.offset() == Offset::Offset(end) || end == 0
            })
        };
        tokio::task::spawn_blocking(look).await.unwrap()
    }
}

fn client(brokers: &str, is_asked: bool) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    if is_asked {
        config.set("security.protocol", "sasl_plaintext").set("sasl.mechanisms", "PLAIN");
        config.set("sasl.username", USER).set("sasl.password", PASSWORD);
    }
    config
}

fn read(mut client: ClientConfig, topic: &str, is_enough: impl Fn(&[Told]) -> bool) -> Vec<Told> {
    client.set("group.id", "reader").set("enable.auto.commit", "false");
    let reader: BaseConsumer = client.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&list).unwrap();
    let (mut all, until) = (Vec::new(), Instant::now() + PATIENCE);
    while !is_enough(&all) {
        assert!(Instant::now() < until, "{} in {topic} are not enough", all.len());
        let Some(Ok(message)) = reader.poll(Duration::from_millis(200)) else { continue };
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let correlation =
            headers.filter(|header| header.key == "correlation-id").find_map(|header| header.value);
        let correlation = correlation.map(|id| String::from_utf8_lossy(id).into_owned());
        let event = serde_json::from_slice(message.payload().unwrap_or_default()).unwrap();
        all.push(Told { event, correlation });
    }
    all
}

/// The conversations that were told to be closed.
pub fn closed(told: &[Told]) -> BTreeSet<String> {
    let endings = told.iter().filter(|told| told.event["type"] == "closeout.closure.closed.v1");
    endings.map(|told| told.event["data"]["conversationId"].as_str().unwrap().to_owned()).collect()
}

/// The ids by which the shop knows what it was told of.
pub fn known(told: &[Told]) -> BTreeSet<String> {
    told.iter().filter_map(|told| told.correlation.clone()).collect()
}
