//! Publishes over a connection of its own, and waits until the broker has taken it.

use lapin::{
    Channel, Confirmation, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use queue::{Action, Fault, FaultKind, Outgoing};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    dial::Dial,
    fault::{During, fault, of, unreachable},
    message::{properties, short},
    session::{ANSWER_WITHIN, answer},
    settings::Settings,
};

/// Publishes to queues by the default exchange.
#[derive(Debug)]
pub(crate) struct Publisher {
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    dial: Dial,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    channel: Channel,
}

impl Publisher {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { line: Mutex::new(Line { dial: Dial::new(settings, "endings of"), open: None }) }
    }

    /// Publishes to a queue; `Ok` after the broker has it, or has nobody to hand it to.
    pub(crate) async fn publish(&self, to: &str, outgoing: &Outgoing) -> Result<(), Fault> {
        let Some(queue) = short(to).filter(|_| !to.is_empty()) else {
            let cause = "the address is not the name of a queue: it has 1 to 255 bytes";
            return Err(of(Action::Publish, FaultKind::Undeliverable, cause));
        };
        let channel = self.line.lock().await.channel().await?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let asked = async {
            let confirm = channel
                .basic_publish("".into(), queue, options, &outgoing.body, properties(outgoing))
                .await?;
            confirm.await
        };
        match timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => {
                tracing::debug!(to, "nobody listens at an address any more: what was for it is dropped");
                Ok(())
            }
            Ok(Ok(Confirmation::Nack(_))) => {
                Err(of(Action::Publish, FaultKind::Throttled, "the broker refused it: the queue is full"))
            }
            Ok(Ok(Confirmation::NotRequested)) => {
                Err(of(Action::Publish, FaultKind::Other, "the broker does not confirm what is published"))
            }
            Ok(Err(error)) => Err(fault(Action::Publish, During::Publishing, &error)),
            Err(_) => Err(unreachable(Action::Publish, "the broker does not confirm what was published")),
        }
    }

    /// Ends the connection.
    pub(crate) async fn close(&self) {
        let mut line = self.line.lock().await;
        line.dial.give_up();
        line.open = None;
    }
}

impl Line {
    /// A channel that confirms. One that the broker closed is opened anew, as is a connection.
    async fn channel(&mut self) -> Result<Channel, Fault> {
        if let Some(Open { connection, channel }) = &self.open
            && connection.status().connected()
        {
            if channel.status().connected() {
                return Ok(channel.clone());
            }
        } else {
            self.open = None;
        }
        let connection = match self.open.take() {
            Some(open) => open.connection,
            None => self.dial.connect(Action::Publish).await?,
        };
        let channel = answer(Action::Publish, async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        })
        .await?;
        self.open = Some(Open { connection, channel: channel.clone() });
        Ok(channel)
    }
}
