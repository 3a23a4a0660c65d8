//! The sources of the configuration as sources that run.

use std::sync::Arc;

use queue::Source;
use queue_amqp::AmqpSource;
use queue_kafka::KafkaSource;
use queue_nats::NatsSource;
use queue_sqs::SqsSource;

use crate::{
    config::source::{Broker, CommandSource},
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
        Broker::Kafka(setup) => {
            let source = KafkaSource::open(setup).map_err(|error| refused(name, &error))?;
            Ok(Arc::new(source))
        }
        Broker::Amqp(setup) => {
            let settings = match &setup.ca_file {
                None => setup.settings,
                Some(file) => {
                    let read = tokio::fs::read_to_string(file).await;
                    let pem = read.ok().filter(|pem| pem.contains("-----BEGIN CERTIFICATE-----"));
                    let pem = pem.ok_or_else(|| {
                        let file = file.display();
                        Failure::usage(format!(
                            "the source {name} cannot be opened: {file} holds no certificates in PEM"
                        ))
                    })?;
                    setup.settings.with_authorities(pem)
                }
            };
            Ok(Arc::new(AmqpSource::new(settings)))
        }
    }
}

fn refused(name: &str, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::usage(format!("the source {name} cannot be opened: {error}{cause}"))
}
