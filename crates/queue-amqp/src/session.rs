//! One connection to consume over, from its opening to its end.

use std::{mem, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use lapin::{
    Channel, Connection, Error,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
        QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};
use queue::{Action, Fault, Message, Receipt, Settlement, Standing};
use tokio::{
    sync::Mutex,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    fault::{During, fault, unreachable},
    hand::{GIVE_BACK, Hand},
    message::{Read, read},
    seen::{Arrival, Seen},
    settings::Settings,
};

/// How long a broker has for one request of this crate, of which the port allows 10 s for all that belong together.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// How long an orderly end is waited for. Without it the broker sees a connection that breaks, which is as good.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The code for "without a fault" (AMQP 0-9-1, `reply-success`).
const SUCCESS: u16 = 200;

/// At most so many messages are held for later over a connection. Beyond it the window stays narrow, so less comes and in the end
/// nothing, until some are given back.
const MOST_HELD: usize = 10_000;

/// One connection, the channel that is consumed over, and what came by it.
#[derive(Debug)]
pub(crate) struct Session {
    number: u64,
    settings: Settings,
    connection: Connection,
    channel: Channel,
    hand: Arc<Hand>,
    consumer: Mutex<Option<Consuming>>,
    sweep: JoinHandle<()>,
}

#[derive(Debug)]
struct Consuming {
    tag: ShortString,
    pump: JoinHandle<()>,
}

/// The pump keeps the connection alive, so it ends with whoever reads from it.
impl Drop for Consuming {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sweep.abort();
    }
}

/// Waits for an answer of the broker.
pub(crate) async fn answer<T>(
    action: Action,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    match timeout(ANSWER_WITHIN, asked).await {
        Ok(answer) => answer.map_err(|error| fault(action, During::Asking, &error)),
        Err(_) => Err(unreachable(action, "the broker does not answer")),
    }
}

impl Session {
    /// Opens the channel of a new connection.
    pub(crate) async fn open(
        number: u64,
        settings: Settings,
        connection: Connection,
        action: Action,
    ) -> Result<Self, Fault> {
        let channel = answer(action, connection.create_channel()).await?;
        let hand = Arc::new(Hand::default());
        let sweep = tokio::spawn({
            let (hand, channel) = (Arc::clone(&hand), channel.clone());
            async move { hand.sweep(&channel).await }
        });
        Ok(Self { number, settings, connection, channel, hand, consumer: Mutex::new(None), sweep })
    }

    pub(crate) fn hand(&self) -> &Hand {
        &self.hand
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn is_number(&self, number: u64) -> bool {
        self.number == number
    }

    /// Whether it can be used, as far as is known.
    pub(crate) fn is_sound(&self) -> bool {
        self.connection.status().connected()
            && self.channel.status().connected()
            && self.hand.lock().broken.is_none()
    }

    /// Consumes, and with a window that is wide enough: messages that are held for later count against the window of the consumer
    /// that brought them, so another one takes its place when half of it is held.
    pub(crate) async fn consume(&self) -> Result<(), Error> {
        let mut consumer = self.consumer.lock().await;
        match &*consumer {
            Some(_) if !self.is_narrow() => return Ok(()),
            Some(_) => self.cancel(&mut consumer).await?,
            None => {}
        }
        let Settings { prefetch, queue, .. } = &self.settings;
        self.channel.basic_qos(*prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let name = ShortString::from(queue.as_str());
        let consuming = self.channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
        {
            let mut held = self.hand.lock();
            held.holds.begin_window();
            held.cancelling = false;
        }
        let hand = Arc::clone(&self.hand);
        *consumer = Some(Consuming {
            tag: consuming.tag(),
            pump: tokio::spawn(async move { hand.pump(consuming).await }),
        });
        Ok(())
    }

    fn is_narrow(&self) -> bool {
        let held = self.hand.lock();
        let half = usize::from(self.settings.prefetch).div_ceil(2);
        held.holds.narrowing() >= half && held.holds.held() < MOST_HELD
    }

    /// Whether [`consume`](Self::consume) has something to do.
    pub(crate) fn has_to_consume(&self) -> bool {
        self.consumer.try_lock().is_ok_and(|consumer| consumer.is_none()) || self.is_narrow()
    }

    /// Ends the consumer; what it had brought is ahead afterwards.
    async fn cancel(&self, consumer: &mut Option<Consuming>) -> Result<(), Error> {
        let Some(consuming) = consumer else { return Ok(()) };
        self.hand.lock().cancelling = true;
        self.channel.basic_cancel(consuming.tag.clone(), BasicCancelOptions::default()).await?;
        // It has ended by itself or is about to; a panic in it would show as a consumer that brings nothing.
        let _ = (&mut consuming.pump).await;
        *consumer = None;
        Ok(())
    }

    /// Ends the consumer, and gives back what was not handed out.
    pub(crate) async fn rest(&self) -> Result<(), Error> {
        self.cancel(&mut *self.consumer.lock().await).await?;
        let ahead = mem::take(&mut self.hand.lock().ahead);
        try_join_all(ahead.iter().map(|delivery| self.channel.basic_nack(delivery.delivery_tag, GIVE_BACK)))
            .await?;
        Ok(())
    }

    /// Hands out up to `most` of what came.
    pub(crate) fn hand_out(&self, most: usize, seen: &mut Seen) -> Result<Vec<Message>, Fault> {
        let mut held = self.hand.lock();
        if let Some(broken) = &held.broken {
            return Err(broken.clone());
        }
        let now = Instant::now();
        let mut messages = Vec::new();
        let mut is_held = false;
        while messages.len() < most
            && let Some(delivery) = held.ahead.pop_front()
        {
            let tag = delivery.delivery_tag;
            let Read { place, id, again, counted, headers, reply_to, body } =
                read(&self.settings.queue, delivery);
            match seen.arrives(&place, again, counted, now) {
                Arrival::Early(until) => {
                    held.holds.hold(tag, place, until);
                    is_held = true;
                }
                Arrival::Now(deliveries) => {
                    held.holds.give(tag, place.clone(), now + self.settings.held);
                    let receipt = Receipt(format!("{}/{tag}", self.number));
                    messages.push(Message { receipt, place, id, deliveries, headers, reply_to, body });
                }
            }
        }
        drop(held);
        if is_held || !messages.is_empty() {
            self.hand.changed.notify_waiters();
        }
        Ok(messages)
    }

    /// Settles messages by their tags, and waits until the broker has worked that off. Answers how many the taker did not have.
    pub(crate) async fn settle(
        &self,
        settlements: Vec<(u64, Settlement)>,
        seen: &std::sync::Mutex<Seen>,
    ) -> Result<usize, Error> {
        let mut unknown = 0;
        let mut acts = Vec::with_capacity(settlements.len());
        {
            let mut held = self.hand.lock();
            let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (tag, settlement) in settlements {
                let until = later(settlement).map(|delay| Instant::now() + delay);
                let place = match until {
                    Some(until) => held.holds.put_off(tag, until),
                    None => held.holds.settle(tag),
                };
                match (place, until) {
                    (None, _) => unknown += 1,
                    (Some(place), Some(until)) => seen.put_off(&place, until),
                    (Some(place), None) => {
                        if !matches!(settlement, Settlement::Later(_)) {
                            seen.forget(&place);
                        }
                        acts.push((tag, settlement));
                    }
                }
            }
        }
        self.hand.changed.notify_waiters();
        try_join_all(acts.into_iter().map(|(tag, settlement)| self.act(tag, settlement))).await?;
        // A channel is worked off in order, and only what is no acknowledgement is answered. This asks for what is so already.
        self.channel.basic_qos(self.settings.prefetch, BasicQosOptions::default()).await?;
        Ok(unknown)
    }

    async fn act(&self, tag: u64, settlement: Settlement) -> Result<(), Error> {
        match settlement {
            Settlement::Taken => self.channel.basic_ack(tag, BasicAckOptions { multiple: false }).await,
            Settlement::Poison => self.channel.basic_reject(tag, BasicRejectOptions { requeue: false }).await,
            Settlement::Later(_) => self.channel.basic_nack(tag, GIVE_BACK).await,
        }
    }

    /// How the queue stands, as far as AMQP says: what other consumers have in hand is not seen.
    pub(crate) async fn standing(&self) -> Result<Standing, Error> {
        let channel = self.connection.create_channel().await?;
        let queue = ShortString::from(self.settings.queue.as_str());
        let passive = QueueDeclareOptions::default().passive();
        let queue = channel.queue_declare(queue, passive, FieldTable::default()).await?;
        let held = self.hand.lock();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let waiting = u64::from(queue.message_count()) + count(held.ahead.len()) + count(held.holds.held());
        Ok(Standing { waiting, in_hand: count(held.holds.given()) })
    }

    /// Ends the connection, by which the broker takes back whatever is in hand.
    pub(crate) async fn end(&self) {
        self.sweep.abort();
        let closing = async {
            *self.consumer.lock().await = None;
            self.connection.close(SUCCESS, "".into()).await
        };
        // One that is gone, or does not answer, ends by being dropped.
        let _ = timeout(CLOSE_WITHIN, closing).await;
    }
}

/// The time for which a message is put off, where it is.
fn later(settlement: Settlement) -> Option<Duration> {
    match settlement {
        Settlement::Later(delay) if !delay.is_zero() => Some(delay),
        Settlement::Later(_) | Settlement::Taken | Settlement::Poison => None,
    }
}
