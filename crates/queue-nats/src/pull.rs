//! Pulls: what was asked for and is on its way. It is kept here and not in the future of a receive, so that a receive that is
//! dropped loses sight of nothing.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use async_nats::jetstream::consumer::{PullConsumer, pull::Batch};
use futures_util::StreamExt;
use queue::{Action, Fault, Message};
use tokio::time::{Instant, timeout};

use crate::{fault, message};

/// How long the server keeps what is asked without a wait: it answers at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What one source has asked for.
#[derive(Default)]
pub(crate) struct Pull {
    /// The consumer, once it is known to be there.
    pub(crate) consumer: Option<PullConsumer>,
    /// What was asked last, until all of it came or its time is over.
    under_way: Option<Batch>,
    /// What came and was not handed out.
    pub(crate) came: VecDeque<Message>,
    /// Whether the connection broke while something was on its way: perhaps by what came.
    pub(crate) broke: bool,
    /// The receipts of what was handed out and is not settled.
    pub(crate) in_hand: HashSet<String>,
}

impl Pull {
    /// Hands out up to `most` messages, waiting up to `wait` for the first.
    pub(crate) async fn hand_out(
        &mut self,
        consumer: &PullConsumer,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, Fault> {
        let deadline = Instant::now() + wait;
        if self.under_way.is_some() {
            // A receive was dropped: what it had asked for comes first.
            self.drain(deadline, most).await?;
        }
        if self.came.is_empty() {
            self.ask_at_once(consumer, most).await?;
        }
        if self.came.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let asked = consumer.batch().max_messages(1).expires(left).messages().await;
                self.under_way = Some(asked.map_err(|error| fault::other(Action::Receive, &error))?);
                self.drain(deadline, 1).await?;
            }
            if !self.came.is_empty() && self.came.len() < most {
                self.ask_at_once(consumer, most - self.came.len()).await?;
            }
        }
        let count = self.came.len().min(most);
        let handed: Vec<Message> = self.came.drain(..count).collect();
        self.in_hand.extend(handed.iter().map(|message| message.receipt.0.clone()));
        Ok(handed)
    }

    async fn ask_at_once(&mut self, consumer: &PullConsumer, most: usize) -> Result<(), Fault> {
        let asked = consumer.fetch().max_messages(most).expires(AT_ONCE).messages().await;
        self.under_way = Some(asked.map_err(|error| fault::other(Action::Receive, &error))?);
        self.drain(Instant::now() + AT_ONCE, usize::MAX).await
    }

    /// Takes in what is under way, until all of it came, so many came, or the time is over.
    async fn drain(&mut self, deadline: Instant, enough: usize) -> Result<(), Fault> {
        let Some(batch) = &mut self.under_way else { return Ok(()) };
        while self.came.len() < enough {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, batch.next()).await {
                Ok(Some(Ok(message))) => self.came.extend(message::received(message)),
                // The consumer is gone, or the server lost what was asked.
                Ok(Some(Err(error))) => {
                    self.forget();
                    self.broke = true;
                    return Err(fault::other(Action::Receive, &*error));
                }
                Ok(None) | Err(_) => break,
            }
        }
        self.under_way = None;
        Ok(())
    }

    /// Asks anew next time, also for the consumer. What came stays.
    pub(crate) fn forget(&mut self) {
        self.under_way = None;
        self.consumer = None;
    }
}
