//! The `[[source]]` tables: by which queues commands come. What each kind of broker needs is read in a file of its own.

pub mod amqp;
pub mod kafka;
mod nats;
mod sqs;

use std::{collections::BTreeSet, path::PathBuf};

use genesys_types::Organisation;
use intake::{Allowed, Decoder, PointerMap, Replies, Setup};
use secrecy::SecretString;

use super::{
    environment::Variables,
    keys::kind_refused,
    layers::{Reader, numbers},
    origin::Problem,
};

/// The names of sources that every service has.
const TAKEN: [&str; 2] = ["http", "batch"];

/// The keys of each kind of broker. In a table of a kind that has them not they would be believed to do something.
const KEYS_OF_KINDS: [(&str, &[&str]); 4] = [
    (
        nats::KIND,
        &["url", "stream", "subject", "consumer", "user", "password", "token", "credentials_file", "ca_file"],
    ),
    (amqp::KIND, &["url", "queue", "user", "password", "ca_file"]),
    (sqs::KIND, &["queue_url", "region", "endpoint", "visibility_timeout"]),
    (kafka::KIND, &["brokers", "topic", "group", "tls", "ca_file", "sasl", "user", "password"]),
];

/// One source.
#[derive(Debug, Clone)]
pub struct CommandSource {
    /// What its messages are taken for.
    pub setup: Setup,
    /// Where they are.
    pub broker: Broker,
}

/// Where the messages of a source are.
#[derive(Debug, Clone)]
pub enum Broker {
    /// In a stream of NATS JetStream.
    Nats(queue_nats::Setup),
    /// In a queue of RabbitMQ.
    Amqp(amqp::Setup),
    /// In a queue of Amazon SQS.
    Sqs(queue_sqs::Setup),
    /// In a topic of Kafka.
    Kafka(kafka::Setup),
}

impl Broker {
    /// Where it is, for people, without credentials.
    pub fn place(&self) -> String {
        match self {
            Self::Nats(setup) => format!("{} of {}", setup.stream, setup.servers.join(", ")),
            Self::Amqp(setup) => format!("{} of {}", setup.settings.queue(), setup.settings.broker()),
            Self::Sqs(setup) => setup.queue_url.clone(),
            Self::Kafka(kafka::Setup { settings, .. }) => {
                format!("{} of {}", settings.topic, settings.brokers.join(", "))
            }
        }
    }

    /// What no two sources may share: each would get a part of the messages, and read them in its own way.
    fn share(&self) -> String {
        match self {
            Self::Nats(setup) => format!("nats {:?} {} {}", setup.servers, setup.stream, setup.consumer),
            Self::Amqp(_) => self.place(),
            Self::Sqs(_) => self.place(),
            Self::Kafka(kafka::Setup { settings, .. }) => {
                format!("kafka {:?} {} {}", settings.brokers, settings.topic, settings.group)
            }
        }
    }

    /// The kind; the key of what no two sources may share, and how they can do without.
    const fn kind(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Nats(_) => (nats::KIND, "stream", "with the same consumer: name another"),
            Self::Amqp(_) => (amqp::KIND, "queue", "too: each needs a queue of its own"),
            Self::Sqs(_) => (sqs::KIND, "queue_url", "too: each needs a queue of its own"),
            Self::Kafka(_) => (kafka::KIND, "topic", "with the same group: name another"),
        }
    }
}

/// Reads every table. HTTP needs none, and one of this kind says nothing.
pub(super) fn read(
    reader: &mut Reader<'_>,
    variables: &Variables,
    known: &[Organisation],
) -> Vec<CommandSource> {
    let mut sources: Vec<CommandSource> = Vec::new();
    for number in numbers(&reader.layers.settings, "source") {
        let path = format!("source.{number}.kind");
        let Some(kind) = reader.text(&path) else {
            reader.problems.push(Problem(format!("{path} is missing")));
            continue;
        };
        if let Some(why) = kind_refused("source", &kind) {
            reader.refuse(&path, why);
            continue;
        }
        refuse_keys_of_other_kinds(reader, number, &kind);
        let Some(source) = one(reader, number, &kind, variables, known) else { continue };
        if sources.iter().any(|other| other.setup.name == source.setup.name) {
            let name = &source.setup.name;
            reader.refuse(&format!("source.{number}.name"), format_args!("{name:?} stands there twice"));
        }
        if let Some(other) = sources.iter().find(|other| other.broker.share() == source.broker.share()) {
            let name = &other.setup.name;
            let (_, key, instead) = source.broker.kind();
            let why = format_args!("is taken from by the source {name:?} {instead}");
            reader.refuse(&format!("source.{number}.{key}"), why);
        }
        sources.push(source);
    }
    sources
}

fn one(
    reader: &mut Reader<'_>,
    number: usize,
    kind: &str,
    variables: &Variables,
    known: &[Organisation],
) -> Option<CommandSource> {
    if !KEYS_OF_KINDS.iter().any(|(one, _)| *one == kind) {
        return None;
    }
    let name = name(reader, number);
    let organisation = organisation(reader, &format!("source.{number}.organisation"), known);
    let decoder = decoder(reader, number);
    let replies = replies(reader, number);
    let broker = match kind {
        amqp::KIND => amqp::read(reader, number, variables).map(Broker::Amqp),
        sqs::KIND => sqs::read(reader, number).map(Broker::Sqs),
        kafka::KIND => kafka::read(reader, number, variables).map(Broker::Kafka),
        _ => nats::read(reader, number, variables).map(Broker::Nats),
    }?;
    let setup = Setup {
        name: name?,
        kind: broker.kind().0,
        organisation: organisation?,
        decoder: decoder?,
        replies: replies?,
    };
    Some(CommandSource { setup, broker })
}

fn refuse_keys_of_other_kinds(reader: &mut Reader<'_>, number: usize, kind: &str) {
    let own = KEYS_OF_KINDS.into_iter().find(|(one, _)| *one == kind).map_or(&[][..], |(_, keys)| keys);
    let others: BTreeSet<&str> = KEYS_OF_KINDS.into_iter().flat_map(|(_, keys)| keys).copied().collect();
    for key in others.into_iter().filter(|key| !own.contains(key)) {
        let path = format!("source.{number}.{key}");
        let given = reader.layers.setting(&path).is_some_and(|setting| setting.origin.rank() > 0);
        if given {
            let with = KEYS_OF_KINDS.into_iter().filter(|(_, keys)| keys.contains(&key));
            let kinds = with.map(|(one, _)| format!("{one:?}")).collect::<Vec<_>>().join(" or ");
            let why = format_args!("has a use with kind = {kinds} only, and this table is of kind {kind:?}");
            reader.refuse(&path, why);
        }
    }
}

/// A text without which there is no source.
fn needed(reader: &mut Reader<'_>, path: &str, why: &str) -> Option<String> {
    if reader.layers.setting(path).is_none() {
        reader.missing(path, why);
        return None;
    }
    reader.text(path)
}

/// A file, beside the configuration that names it.
fn file(reader: &mut Reader<'_>, path: &str) -> Option<PathBuf> {
    let text = reader.text(path)?;
    let setting = reader.layers.setting(path)?;
    Some(reader.layers.path_of(setting, &text))
}

/// User and password, both or none.
#[expect(clippy::option_option, reason = "the outer one is for what was refused")]
fn user(
    reader: &mut Reader<'_>,
    number: usize,
    variables: &Variables,
) -> Option<Option<(String, SecretString)>> {
    let path = |key: &str| format!("source.{number}.{key}");
    let has = |reader: &Reader<'_>, key: &str| reader.layers.setting(&path(key)).is_some();
    match (has(reader, "user"), has(reader, "password")) {
        (false, false) => Some(None),
        (true, false) => {
            reader.missing(&path("password"), "is missing: there is a user");
            None
        }
        (false, true) => {
            reader.refuse(&path("password"), "needs a user beside it");
            None
        }
        (true, true) => {
            let user = reader.text(&path("user"))?;
            let password = reader.secrets(&path("password"), variables).into_iter().next()?;
            Some(Some((user, password)))
        }
    }
}

fn name(reader: &mut Reader<'_>, number: usize) -> Option<String> {
    let path = &format!("source.{number}.name");
    if reader.layers.setting(path).is_none() {
        reader.missing(path, "is missing: listings, metrics and closures call the source by it");
        return None;
    }
    reader.parsed(path, |text| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if TAKEN.contains(&text) {
            Err("is the name of a source that is always there".to_owned())
        } else if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("must have 1 to 64 characters, each of a-z, 0-9, - and _".to_owned())
        }
    })
}

fn organisation(reader: &mut Reader<'_>, path: &str, known: &[Organisation]) -> Option<Organisation> {
    // The default is `main`; the only organisation that there is is meant too.
    let by_default = reader.layers.setting(path).is_some_and(|setting| setting.origin.rank() == 0);
    if let ([only], true) = (known, by_default) {
        return Some(only.clone());
    }
    reader.parsed(path, |text| {
        known
            .iter()
            .find(|organisation| organisation.as_str() == text)
            .cloned()
            .ok_or_else(|| format!("is not an organisation of this configuration; {}", super::it_has(known)))
    })
}

fn decoder(reader: &mut Reader<'_>, number: usize) -> Option<Decoder> {
    let (path, fields_path) = (format!("source.{number}.decoder"), format!("source.{number}.fields"));
    let word = reader.choice(&path)?;
    let fields = reader.texts(&fields_path);
    if word != "jsonpath" {
        if !fields.is_empty() {
            reader.refuse(&fields_path, "has a use with decoder = \"jsonpath\" only");
        }
        return word.parse().map_err(|why: intake::UnknownDecoder| reader.refuse(&path, why)).ok();
    }
    let mut pairs = Vec::with_capacity(fields.len());
    for field in &fields {
        let Some((name, pointer)) = field.split_once('=') else {
            let why = format_args!("holds {field:?}: write FIELD=/POINTER, as conversationId=/detail/id");
            reader.refuse(&fields_path, why);
            return None;
        };
        pairs.push((name.trim().to_owned(), pointer.trim().to_owned()));
    }
    PointerMap::new(pairs)
        .map(Decoder::JsonPath)
        .map_err(|why| reader.refuse(&fields_path, format_args!("cannot be used: {why}")))
        .ok()
}

fn replies(reader: &mut Reader<'_>, number: usize) -> Option<Replies> {
    let path = format!("source.{number}.replies");
    let mut allowed = Vec::new();
    for text in reader.texts(&path) {
        match text.parse::<Allowed>() {
            Ok(one) => allowed.push(one),
            Err(why) => {
                reader.refuse(&path, format_args!("{text:?} {why}"));
                return None;
            }
        }
    }
    Some(Replies { results: reader.text(&format!("source.{number}.results")), allowed })
}
