//! The sources of the configuration as sources that run.

use std::{path::Path, sync::Arc};

use queue::Source;
use queue_amqp::AmqpSource;
use queue_kafka::KafkaSource;
use queue_nats::NatsSource;
use queue_sqs::SqsSource;

use crate::{
    config::source::{Broker, CommandSource, amqp, kafka},
    exit::Failure,
};

/// Opens every source. A broker that is away is no reason not to start.
///
/// # Errors
///
/// What no waiting mends: a file of credentials or certificates that cannot be read.
pub async fn open(sources: Vec<CommandSource>) -> Result<Vec<(intake::Setup, Arc<dyn Source>)>, Failure> {
    let mut opened = Vec::with_capacity(sources.len());
    for CommandSource { setup, broker } in sources {
        let source = open_one(&setup.name, broker).await?;
        opened.push((setup, source));
    }
    Ok(opened)
}

/// Opens one source.
///
/// # Errors
///
/// As [`open`].
pub async fn open_one(name: &str, broker: Broker) -> Result<Arc<dyn Source>, Failure> {
    match broker {
        Broker::Nats(setup) => {
            let source = NatsSource::open(setup).await.map_err(|error| refused(name, &error))?;
            Ok(Arc::new(source))
        }
        Broker::Sqs(setup) => Ok(Arc::new(SqsSource::open(setup).await)),
        Broker::Kafka(kafka::Setup { settings, ca_file }) => {
            let authorities = certificates(name, ca_file.as_deref()).await?;
            let setup = queue_kafka::Setup { authorities, ..settings };
            let source = KafkaSource::open(setup).map_err(|error| refused(name, &error))?;
            Ok(Arc::new(source))
        }
        Broker::Amqp(amqp::Setup { settings, ca_file }) => {
            let settings = match certificates(name, ca_file.as_deref()).await? {
                Some(pem) => settings.with_authorities(pem),
                None => settings,
            };
            Ok(Arc::new(AmqpSource::new(settings)))
        }
    }
}

/// What a file of certificates holds, where one is named.
async fn certificates(name: &str, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let pem = tokio::fs::read_to_string(file).await;
    match pem.ok().filter(|pem| pem.contains("-----BEGIN CERTIFICATE-----")) {
        Some(pem) => Ok(Some(pem)),
        None => {
            let file = file.display();
            Err(Failure::usage(format!(
                "the source {name} cannot be opened: {file} holds no certificates in PEM"
            )))
        }
    }
}

fn refused(name: &str, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::usage(format!("the source {name} cannot be opened: {error}{cause}"))
}
