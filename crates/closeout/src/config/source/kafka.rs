//! What a source in Kafka needs.

use std::{path::PathBuf, time::Duration};

use queue_kafka::{Login, Mechanism, SPEAKS_TLS};

use super::super::{environment::Variables, layers::Reader};

/// The kind.
pub(super) const KIND: &str = "kafka";

/// What is said where this build has not what is asked for.
const BUILT_WITHOUT: &str = "cannot be had: this program was built without TLS and SCRAM for Kafka; build it with \
                             --features kafka-tls (docs/sources-kafka.md)";

/// How long a message is held for whoever received it. A commit takes milliseconds; a store that stalls longer than this makes
/// the message come again, which has no effect.
const HELD: Duration = Duration::from_secs(30);

/// Where a topic is, and whom to believe that it is there.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The topic.
    pub settings: queue_kafka::Setup,
    /// Certificates to trust beside those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// Reads the table of this number.
pub(super) fn read(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<Setup> {
    let path = |key: &str| format!("source.{number}.{key}");
    let brokers = brokers(reader, &path("brokers"));
    let topic =
        super::needed(reader, &path("topic"), "is missing: it names the topic that holds the commands");
    let topic = topic.and_then(|topic| name(reader, &path("topic"), topic));
    let group = reader.text(&path("group")).and_then(|group| name(reader, &path("group"), group));
    let tls = reader.flag(&path("tls"));
    if tls && !SPEAKS_TLS {
        reader.refuse(&path("tls"), BUILT_WITHOUT);
    }
    let ca_file = super::file(reader, &path("ca_file"));
    if ca_file.is_some() && !tls {
        reader.refuse(&path("ca_file"), "has a use with tls = true only");
    }
    let login = login(reader, number, variables);
    let settings = queue_kafka::Setup {
        brokers: brokers?,
        topic: topic?,
        group: group?,
        held: HELD,
        tls,
        authorities: None,
        login: login?,
    };
    Some(Setup { settings, ca_file })
}

/// How this client proves who it is, where it does.
#[expect(clippy::option_option, reason = "the outer one is for what was refused")]
fn login(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<Option<Login>> {
    let path = format!("source.{number}.sasl");
    let given = reader.layers.setting(&path).is_some();
    let Some((user, password)) = super::user(reader, number, variables)? else {
        if given {
            reader.refuse(&path, "needs a user beside it");
        }
        return Some(None);
    };
    if !given {
        reader.missing(&path, "is missing: there is a user; it is plain, scram-sha-256 or scram-sha-512");
        return None;
    }
    let mechanism = match reader.choice(&path)?.as_str() {
        "plain" => Mechanism::Plain,
        "scram-sha-256" => Mechanism::ScramSha256,
        _ => Mechanism::ScramSha512,
    };
    if mechanism.needs_openssl() && !SPEAKS_TLS {
        reader.refuse(&path, BUILT_WITHOUT);
        return None;
    }
    Some(Some(Login { mechanism, user, password }))
}

fn brokers(reader: &mut Reader<'_>, path: &str) -> Option<Vec<String>> {
    let brokers = reader.texts(path);
    if brokers.is_empty() {
        reader.missing(path, "is missing: say where the brokers are, as [\"kafka-1.example:9092\"]");
        return None;
    }
    for broker in &brokers {
        if !is_a_broker(broker) {
            reader.refuse(path, format_args!("holds {broker:?}: write HOST:PORT, without a scheme"));
            return None;
        }
    }
    Some(brokers)
}

/// A host and a port. The client library would take more, and options with it.
fn is_a_broker(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    let host_and_port = text.rsplit_once(':');
    host_and_port.is_some_and(|(host, port)| {
        !host.is_empty() && host.bytes().all(allowed) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The name of a topic or a group, as brokers have it for topics.
fn name(reader: &mut Reader<'_>, path: &str, text: String) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=249).contains(&text.len()) && text.bytes().all(allowed) {
        return Some(text);
    }
    reader.refuse(
        path,
        format_args!("{text:?} must have 1 to 249 characters, each of A-Z, a-z, 0-9, ., _ and -"),
    );
    None
}
