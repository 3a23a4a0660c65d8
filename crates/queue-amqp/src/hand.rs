//! What one connection has brought and not given back: shared by whoever receives, the pump and the sweep.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::StreamExt;
use lapin::{Channel, Consumer, message::Delivery, options::BasicNackOptions};
use queue::{Action, Fault, FaultKind};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    fault::{During, fault, of},
    holds::Holds,
};

/// To give a message back to its queue.
pub(crate) const GIVE_BACK: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };

#[derive(Debug, Default)]
pub(crate) struct Hand {
    held: Mutex<Held>,
    /// Something came, or broke.
    pub(crate) arrived: Notify,
    /// Something is to be given back earlier than what was known.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Delivered and not handed out yet, in the order of the queue.
    pub(crate) ahead: VecDeque<Delivery>,
    pub(crate) holds: Holds,
    /// Why nothing comes any more.
    pub(crate) broken: Option<Fault>,
    /// Whether it was this process that cancelled the consumer.
    pub(crate) cancelling: bool,
}

impl Hand {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is of no use any more; the first reason stays. What it brought comes again by another one.
    pub(crate) fn breaks(&self, why: Fault) {
        self.lock().broken.get_or_insert(why);
        self.arrived.notify_waiters();
    }

    /// Puts what a consumer brings where it is received from, until the consumer ends.
    pub(crate) async fn pump(&self, mut consumer: Consumer) {
        while let Some(next) = consumer.next().await {
            match next {
                Ok(delivery) => {
                    self.lock().ahead.push_back(delivery);
                    self.arrived.notify_waiters();
                }
                Err(error) => return self.breaks(fault(Action::Receive, During::Asking, &error)),
            }
        }
        if !self.lock().cancelling {
            let cause = "the broker cancelled the consumer: the queue was deleted, or its node went away";
            self.breaks(of(Action::Receive, FaultKind::Missing, cause));
        }
    }

    /// Gives back what is due, until the channel ends.
    pub(crate) async fn sweep(&self, channel: &Channel) {
        loop {
            let changed = self.changed.notified();
            let next = self.lock().holds.next_due();
            match next {
                None => changed.await,
                Some(until) if until > Instant::now() => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(until) => {}
                    }
                }
                Some(_) => {
                    let due = self.lock().holds.take_due(Instant::now());
                    for tag in due {
                        if let Err(error) = channel.basic_nack(tag, GIVE_BACK).await {
                            return self.breaks(fault(Action::Receive, During::Asking, &error));
                        }
                    }
                }
            }
        }
    }
}
