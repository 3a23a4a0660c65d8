//! The node, as producers and operators use it.

use std::{process::Command, time::Duration};

use closeout_tests::{Scene, SceneOptions, wait_until};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::time::{Instant, timeout};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long one request may take while the broker is about to die.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The queues of one test.
pub struct Queues {
    /// Plain commands and CloudEvents.
    pub orders: String,
    /// Tasks of Celery.
    pub tasks: String,
    /// Endings of whoever asks for them.
    pub endings: String,
    /// What could not be taken.
    pub dead: String,
}

/// A message of a producer.
#[derive(Clone)]
pub struct Sent {
    pub queue: String,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is missing: this suite is started by tests/amqp/run"))
}

/// Kills the node and starts it again on its data.
pub async fn the_broker_dies_and_comes_back() {
    for act in ["kill", "start"] {
        let folder = setting("CLOSEOUT_TEST_RABBITMQ");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/amqp/broker");
        let run = move || Command::new(script).args([act, &folder]).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        assert!(output.status.success(), "{act}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A channel that confirms.
pub async fn channel() -> Option<Channel> {
    let opened = async {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&setting("CLOSEOUT_TEST_AMQP"), properties).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.ok()?;
        Some(channel)
    };
    timeout(ANSWER_WITHIN, opened).await.ok()?
}

/// Publishes everything, each until it is confirmed, through deaths of the broker. What is not confirmed is published again, so a
/// message may come to stand in its queue twice.
pub async fn publish_all(messages: Vec<Sent>) {
    let mut open = None;
    let until = Instant::now() + PATIENCE;
    for message in messages {
        while !is_published(&mut open, &message).await {
            open = None;
            assert!(Instant::now() < until, "the broker does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn is_published(open: &mut Option<Channel>, message: &Sent) -> bool {
    if open.is_none() {
        *open = channel().await;
    }
    let Some(channel) = open else { return false };
    timeout(ANSWER_WITHIN, publish(channel, message)).await == Ok(true)
}

async fn publish(channel: &Channel, message: &Sent) -> bool {
    let Sent { queue, properties, body } = message;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let properties = properties.clone().with_delivery_mode(2);
    let Ok(sent) = channel.basic_publish("".into(), queue.as_str().into(), options, body, properties).await
    else {
        return false;
    };
    matches!(sent.await, Ok(Confirmation::Ack(None)))
}

impl Queues {
    /// Queues with a dead-letter exchange, all durable.
    pub async fn declare(test: &str) -> Self {
        let name = |what: &str| format!("{test}.{what}");
        let queues = Self {
            orders: name("orders"),
            tasks: name("tasks"),
            endings: name("endings"),
            dead: name("dead"),
        };
        let channel = channel().await.unwrap();
        let durable = QueueDeclareOptions::durable();
        let dead = queues.dead.as_str();
        let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(dead.into(), ExchangeKind::Fanout, exchange, FieldTable::default())
            .await
            .unwrap();
        for queue in [dead, &queues.endings] {
            channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
        }
        let options = QueueBindOptions::default();
        channel
            .queue_bind(dead.into(), dead.into(), "".into(), options, FieldTable::default())
            .await
            .unwrap();
        for queue in [&queues.orders, &queues.tasks] {
            let mut arguments = FieldTable::default();
            arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(dead.into()));
            channel.queue_declare(queue.as_str().into(), durable, arguments).await.unwrap();
        }
        queues
    }

    /// A service that takes commands out of both queues.
    pub async fn scene(&self) -> Scene {
        Scene::begin(self.options()).await
    }

    /// The options of such a service.
    pub fn options(&self) -> SceneOptions {
        let url = setting("CLOSEOUT_TEST_AMQP").replace("guest:guest@", "");
        let table = |name: &str, queue: &str, decoder: &str| {
            format!(
                "[[source]]\nname = \"{name}\"\nkind = \"amqp\"\nurl = \"{url}\"\nqueue = \"{queue}\"\nuser = \"guest\"\n\
                 password = \"env:BROKER_PASSWORD\"\ndecoder = \"{decoder}\"\nreplies = [\"{}\"]\n",
                self.endings
            )
        };
        let tables = [table("orders", &self.orders, "auto"), table("tasks", &self.tasks, "celery")];
        SceneOptions {
            closing: "confirm_within = \"1s\"\ndeadline = \"5m\"\nstale_read_gap = \"500ms\"\n".to_owned(),
            callbacks: tables.concat(),
            environment: vec![("BROKER_PASSWORD".to_owned(), "guest".to_owned())],
            ..SceneOptions::default()
        }
    }

    /// How many messages wait in a queue; nothing while the broker is away.
    pub async fn waiting(&self, queue: &str) -> Option<u32> {
        let passive = QueueDeclareOptions::default().passive();
        let channel = channel().await?;
        Some(channel.queue_declare(queue.into(), passive, FieldTable::default()).await.ok()?.message_count())
    }

    /// Waits until a queue holds so many messages, or more, and takes all.
    pub async fn taken_out(&self, queue: &str, at_least: usize) -> Vec<(BasicProperties, Vec<u8>)> {
        let enough = u32::try_from(at_least).unwrap();
        let there = wait_until(PATIENCE, || async { (self.waiting(queue).await? >= enough).then_some(()) });
        assert!(there.await.is_some(), "only {:?} of {at_least} in {queue}", self.waiting(queue).await);
        take_all(&channel().await.unwrap(), queue).await
    }
}

/// Takes all that is in a queue now.
pub async fn take_all(channel: &Channel, queue: &str) -> Vec<(BasicProperties, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    {
        all.push((message.delivery.properties.clone(), message.delivery.data.clone()));
    }
    all
}
