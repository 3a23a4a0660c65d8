//! A queue of its own for each test, at a RabbitMQ that can be killed and started again.

#![allow(dead_code, reason = "each of the two suites uses a part")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};
use queue::{
    Headers, Outgoing, Source,
    conformance::{Manners, Place},
};
use queue_amqp::{AmqpSource, Settings};
use secrecy::SecretString;
use tokio::{
    sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::Instant,
};

/// How long a message is held in tests.
pub const HELD: Duration = Duration::from_secs(2);

/// No test waits longer for a state.
pub const BOUND: Duration = Duration::from_secs(90);

/// Some tests kill the broker: each of these has it for itself, the others have it together.
static BROKER: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// One at a time looks whether it runs, and starts it if not.
static STARTING: Mutex<()> = Mutex::const_new(());

/// The modules whose tests kill the broker.
const KILLERS: [&str; 2] = ["outages", "deaths"];

/// What a test has of the broker.
enum Hold {
    Alone(OwnedRwLockWriteGuard<()>),
    Together(OwnedRwLockReadGuard<()>),
}

impl Hold {
    /// A test is known by its path, which is the name of its thread.
    async fn take() -> Self {
        let broker = Arc::clone(&BROKER);
        let thread = std::thread::current();
        let path = thread.name().unwrap_or_default();
        if KILLERS.iter().any(|module| path.contains(module)) {
            Self::Alone(broker.write_owned().await)
        } else {
            Self::Together(broker.read_owned().await)
        }
    }
}

static QUEUES: AtomicU32 = AtomicU32::new(0);

/// A kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Classic,
    Quorum,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }
}

pub struct RabbitMq {
    pub queue: String,
    pub endings: String,
    pub dead: String,
    broker: String,
    hold: Hold,
}

/// What the script that starts this suite says.
pub fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is missing: this suite is started by tests/amqp/run"))
}

/// The address of the broker.
pub fn url() -> String {
    setting("CLOSEOUT_TEST_AMQP")
}

/// A table of arguments.
pub fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

pub fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// A channel of a producer, which confirms. It keeps its connection.
pub async fn channel() -> Channel {
    let connection =
        Connection::connect(&url(), ConnectionProperties::default()).await.expect("the broker is there");
    let channel = connection.create_channel().await.expect("it gives a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("it confirms");
    channel
}

impl RabbitMq {
    /// A durable queue with a dead-letter exchange, and a queue for endings.
    pub async fn empty(kind: Kind) -> Self {
        let hold = Hold::take().await;
        let broker = setting("CLOSEOUT_TEST_RABBITMQ");
        // A test that failed may have left it dead.
        let starting = STARTING.lock().await;
        broker_does(&broker, "start").await;
        drop(starting);
        let number = QUEUES.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("{what}-{}-{number}", std::process::id());
        let place =
            Self { queue: name("orders"), endings: name("endings"), dead: name("dead"), broker, hold };
        place.declare(kind).await;
        place
    }

    async fn declare(&self, kind: Kind) {
        let channel = channel().await;
        let durable = QueueDeclareOptions::durable();
        let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let dead = self.dead.as_str();
        channel
            .exchange_declare(dead.into(), lapin::ExchangeKind::Fanout, exchange, FieldTable::default())
            .await
            .expect("the dead-letter exchange is declared");
        for queue in [&self.dead, &self.endings] {
            channel
                .queue_declare(queue.as_str().into(), durable, FieldTable::default())
                .await
                .expect("a queue beside is declared");
        }
        channel
            .queue_bind(
                dead.into(),
                dead.into(),
                "".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .expect("the dead letters are bound");
        let arguments = table(&[("x-dead-letter-exchange", text(dead)), ("x-queue-type", text(kind.name()))]);
        channel
            .queue_declare(self.queue.as_str().into(), durable, arguments)
            .await
            .expect("the queue is declared");
        if kind == Kind::Quorum || matches!(self.hold, Hold::Alone(_)) {
            self.is_on_disk(kind).await;
        }
    }

    /// Waits until the broker has written down that there is the queue. It answers the declaration up to two seconds before: if it
    /// dies in between, a classic queue is gone, and a quorum queue is there and cannot be used.
    async fn is_on_disk(&self, kind: Kind) {
        let until = Instant::now() + BOUND;
        let is_in = |kind| {
            let registers = registers(kind, Path::new(&self.broker));
            registers.iter().any(|register| holds(kind, register, &self.queue))
        };
        // Every queue is one of Mnesia's, and a quorum queue has a register of its own beside.
        while !(is_in(Kind::Classic) && (kind == Kind::Classic || is_in(kind))) {
            assert!(Instant::now() < until, "the queue is not written down");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn settings(&self) -> Settings {
        self.settings_at(&url())
    }

    pub fn settings_at(&self, url: &str) -> Settings {
        Settings::new(&SecretString::from(url), &self.queue).expect("the address is one").with_held(HELD)
    }

    /// Publishes as a producer does.
    pub async fn publish_to(&self, channel: &Channel, properties: BasicProperties, body: &[u8]) {
        let confirmed = channel
            .basic_publish(
                "".into(),
                self.queue.as_str().into(),
                BasicPublishOptions::default(),
                body,
                properties.with_delivery_mode(2),
            )
            .await
            .expect("it is sent")
            .await
            .expect("it is answered");
        assert!(confirmed.is_ack(), "{confirmed:?}");
    }

    /// Takes a message out of a queue beside.
    pub async fn fetch(&self, channel: &Channel, queue: &str) -> Option<BasicGetMessage> {
        channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("the queue is there")
    }
}

/// A test that fails shows what the broker logged last.
impl Drop for RabbitMq {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let entries = std::fs::read_dir(Path::new(&self.broker).join("log")).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let log = std::fs::read(&path).unwrap_or_default();
            let last = &log[log.len().saturating_sub(4_000)..];
            eprintln!("{}:\n{}", path.display(), String::from_utf8_lossy(last));
        }
    }
}

/// The files below a folder in which the broker writes down what queues there are: Mnesia's, or those of quorum queues alone.
fn registers(kind: Kind, folder: &Path) -> Vec<PathBuf> {
    let names: &[&str] = match kind {
        Kind::Classic => &["LATEST.LOG", "rabbit_durable_queue.DCD", "rabbit_durable_queue.DCL"],
        Kind::Quorum => &["names.dets"],
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| match path.file_name() {
            Some(name) if names.iter().any(|one| name == *one) => vec![path],
            _ if path.is_dir() => registers(kind, &path),
            _ => Vec::new(),
        })
        .collect()
}

/// Whether a register holds a queue for good. In the log of Mnesia the declaration alone is not enough: without the line after it that
/// says `committed`, it is undone when the node starts again. The register of quorum queues must have come to rest, too: it was not
/// written for longer than the broker collects what it writes there (500 ms).
fn holds(kind: Kind, register: &Path, queue: &str) -> bool {
    let bytes = std::fs::read(register).unwrap_or_default();
    let Some(declared) = last(&bytes, queue) else {
        return false;
    };
    match kind {
        Kind::Classic => !register.ends_with("LATEST.LOG") || last(&bytes[declared..], "committed").is_some(),
        Kind::Quorum => {
            let rest = register.metadata().and_then(|file| file.modified()).ok().map(|at| at.elapsed());
            matches!(rest, Some(Ok(rest)) if rest > Duration::from_secs(1))
        }
    }
}

/// Where a text stands last.
fn last(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).rposition(|part| part == text.as_bytes())
}

async fn broker_does(folder: &str, act: &'static str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/amqp/broker");
    let folder = folder.to_owned();
    let done = tokio::task::spawn_blocking(move || Command::new(script).args([act, &folder]).output()).await;
    let output = done.expect("no panic").expect("the script is there");
    assert!(output.status.success(), "{act}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The properties by which a test says the same as an [`Outgoing`].
pub fn properties(outgoing: &Outgoing) -> BasicProperties {
    let mut properties = BasicProperties::default();
    if let Some(id) = &outgoing.id {
        properties = properties.with_message_id(id.as_str().into());
    }
    if let Some(address) = &outgoing.reply_to {
        properties = properties.with_reply_to(address.as_str().into());
    }
    let headers = outgoing
        .headers
        .iter()
        .map(|(name, value)| (name.into(), AMQPValue::LongString(LongString::from(value))));
    properties.with_headers(headers.collect::<std::collections::BTreeMap<_, _>>().into())
}

impl Place for RabbitMq {
    fn manners(&self) -> Manners {
        Manners { held: HELD, lanes: false, dies: true }
    }

    async fn open(&self) -> Arc<dyn Source> {
        Arc::new(AmqpSource::new(self.settings()))
    }

    async fn publish(&self, outgoing: Outgoing) {
        self.publish_to(&channel().await, properties(&outgoing), &outgoing.body).await;
    }

    fn address(&self) -> String {
        self.endings.clone()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        let channel = channel().await;
        let until = Instant::now() + Duration::from_secs(5);
        let mut came = Vec::new();
        while came.len() < most && Instant::now() < until {
            let Some(message) = self.fetch(&channel, &self.endings).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let properties = &message.delivery.properties;
            let correlation =
                properties.correlation_id().iter().map(|id| ("correlation-id", id.as_str().to_owned()));
            came.push(Outgoing {
                id: properties.message_id().as_ref().map(|id| id.as_str().to_owned()),
                headers: correlation.collect::<Headers>(),
                reply_to: None,
                body: message.delivery.data.clone().into(),
            });
        }
        came
    }

    async fn kill(&self) {
        assert!(
            matches!(self.hold, Hold::Alone(_)),
            "a test that kills the broker belongs into one of {KILLERS:?}"
        );
        broker_does(&self.broker, "kill").await;
    }

    async fn restart(&self) {
        broker_does(&self.broker, "start").await;
    }
}
