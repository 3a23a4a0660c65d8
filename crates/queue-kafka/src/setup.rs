//! What a source is made of.

use std::{error::Error, fmt, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError};

use crate::security::{Login, secure};

/// Where commands stand, and as whom they are taken.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Some brokers of the cluster, each as `host:9092`.
    pub brokers: Vec<String>,
    /// The topic that holds commands.
    pub topic: String,
    /// The consumer group. All replicas of a service share one.
    pub group: String,
    /// How long a message is held for whoever received it, before this member gives it out again.
    pub held: Duration,
    /// Whether brokers are spoken to by TLS; only where [`SPEAKS_TLS`](crate::SPEAKS_TLS).
    pub tls: bool,
    /// Certificates in PEM to trust beside those of the machine.
    pub authorities: Option<String>,
    /// How this client proves who it is; nothing where brokers do not ask.
    pub login: Option<Login>,
}

impl Setup {
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", "closeout")
            // A broker that is back is found within a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.nagle.disable", "true");
        secure(&mut config, self.tls, self.authorities.as_deref(), self.login.as_ref());
        config
    }

    /// Offsets are committed by hand, and only what was settled.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            // While a member waits for the others to join again, it can commit nothing: they hear of it by their heartbeats.
            .set("heartbeat.interval.ms", "1000")
            // The shortest that brokers allow by default: what a member that died had in hand comes again that soon.
            .set("session.timeout.ms", "6000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A group that is new takes the commands that are there.
            .set("auto.offset.reset", "earliest")
            // What is received ahead of the lanes: 16 MiB at most.
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    /// For questions about a topic's settings.
    pub(crate) fn admin(&self) -> ClientConfig {
        self.client()
    }

    /// An ending is published when all replicas that are in step have it, and once.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // Below what the port allows.
            .set("message.timeout.ms", "8000")
            .set("topic.metadata.propagation.max.ms", "3000")
            .set("linger.ms", "5");
        config
    }
}

/// Why a source cannot be opened, however long one waits: the setup is none that the client library takes.
#[derive(Debug)]
pub struct OpenError(pub(crate) KafkaError);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client library of Kafka refuses the setup")
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
