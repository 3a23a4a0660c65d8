//! The port, by the client library of Kafka.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use queue::{Action, Fault, FaultKind, Message, Outgoing, Receipt, Settlement, Source, Standing, Warning};
use rdkafka::{
    config::FromClientConfig,
    consumer::Consumer as _,
    producer::{FutureProducer, FutureRecord},
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    check,
    consumer::{Consumer, Context, Shared, commit, poll},
    fault, look,
    message::{is_a_topic, key, sent_headers},
    setup::{OpenError, Setup},
};

/// How long a commit may take: below what the port allows.
const COMMIT: Duration = Duration::from_secs(8);

/// How long an ending may take to be with the brokers; the client library gives up before.
const PUBLISH: Duration = Duration::from_secs(9);

/// How long leaving the group may take at the end. What does not get through is noticed by the brokers later.
const LEAVE: Duration = Duration::from_secs(3);

/// A member of a consumer group of Kafka.
pub struct KafkaSource {
    setup: Setup,
    producer: FutureProducer,
    member: Mutex<Option<Member>>,
    /// How many consumers there were.
    consumers: AtomicU32,
}

struct Member {
    consumer: Arc<Consumer>,
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    polling: JoinHandle<()>,
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { topic, group, .. } = &self.setup;
        f.debug_struct("KafkaSource").field("topic", topic).field("group", group).finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Opens a source. Connections are made in the background.
    ///
    /// # Errors
    ///
    /// What no waiting mends: a setup that the client library refuses.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn open(setup: Setup) -> Result<Self, OpenError> {
        let producer = FutureProducer::from_config(&setup.producer()).map_err(OpenError)?;
        let source = Self { setup, producer, member: Mutex::default(), consumers: AtomicU32::new(0) };
        let member = source.join().map_err(OpenError)?;
        *source.member() = Some(member);
        Ok(source)
    }

    fn member(&self) -> MutexGuard<'_, Option<Member>> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a consumer that joins the group as soon as a broker is there.
    fn join(&self) -> rdkafka::error::KafkaResult<Member> {
        let number = self.consumers.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::new(Shared::new(&self.setup, number));
        let context = Context(Arc::clone(&shared));
        let consumer = self.setup.consumer().create_with_context(context)?;
        let consumer = Arc::new(Consumer::new(consumer, Arc::clone(&shared)));
        consumer.subscribe(&[&self.setup.topic])?;
        let stop = Arc::new(Notify::new());
        let polling = tokio::spawn(poll(Arc::clone(&consumer), Arc::clone(&shared), Arc::clone(&stop)));
        Ok(Member { consumer, shared, stop, polling })
    }

    /// Leaves the group.
    async fn leave(&self) {
        let Some(Member { consumer, shared, stop, polling }) = self.member().take() else { return };
        stop.notify_one();
        drop(consumer);
        let left = async {
            let _ = polling.await;
            shared.left.notified().await;
        };
        if timeout(LEAVE, left).await.is_err() {
            tracing::debug!("the brokers have not confirmed that this member leaves");
        }
    }

    fn open_member(&self, action: Action) -> Result<(Arc<Consumer>, Arc<Shared>), Fault> {
        let member = self.member();
        let member = member.as_ref().ok_or_else(|| fault::closed(action))?;
        Ok((Arc::clone(&member.consumer), Arc::clone(&member.shared)))
    }

    /// Whether anybody is there, when nothing came and something was wrong.
    async fn probe(&self, consumer: Arc<Consumer>, shared: &Shared) -> Result<Vec<Message>, Fault> {
        let Some(trouble) = shared.trouble().take() else { return Ok(Vec::new()) };
        if trouble.kind != FaultKind::Unreachable {
            return Err(trouble);
        }
        let name = self.setup.topic.clone();
        let found = look::ask(Action::Receive, consumer, move |consumer| {
            look::topic(Action::Receive, consumer, &name)
        });
        match found.await {
            Ok(_) => Ok(Vec::new()),
            Err(fault) => {
                *shared.trouble() = Some(trouble);
                Err(fault)
            }
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        if let Some(member) = self.member().take() {
            member.stop.notify_one();
        }
    }
}

#[async_trait]
impl Source for KafkaSource {
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Message>, Fault> {
        let (consumer, shared) = self.open_member(Action::Receive)?;
        shared.rest(&consumer, false);
        let deadline = Instant::now() + wait;
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            let now = Instant::now();
            let (taken, next) = {
                let mut lanes = shared.lanes();
                (lanes.take(most, now), lanes.next())
            };
            if !taken.is_empty() {
                return Ok(taken);
            }
            if now >= deadline {
                return self.probe(consumer, &shared).await;
            }
            // Whichever comes first: something came, a hold is over, or the time is.
            let _ = timeout_at(next.map_or(deadline, |next| next.min(deadline)), changed).await;
        }
    }

    async fn settle(&self, settlements: Vec<(Receipt, Settlement)>) -> Result<usize, Fault> {
        let (consumer, shared) = self.open_member(Action::Settle)?;
        let (mut spots, mut unconfirmed) = (Vec::new(), 0);
        {
            let (mut lanes, now) = (shared.lanes(), Instant::now());
            for (receipt, settlement) in &settlements {
                match (lanes.settle(receipt, *settlement, now), settlement) {
                    (Some(spot), Settlement::Taken | Settlement::Poison) => spots.push(spot),
                    // Nothing is asked of the broker.
                    (Some(_), Settlement::Later(_)) => {}
                    (None, _) => unconfirmed += 1,
                }
            }
        }
        commit(Arc::clone(&consumer), Arc::clone(&shared), COMMIT).await?;
        let lanes = shared.lanes();
        unconfirmed += spots.iter().filter(|spot| !lanes.is_committed(**spot)).count();
        drop(lanes);
        shared.flow(&consumer);
        Ok(unconfirmed)
    }

    async fn publish(&self, to: &str, outgoing: Outgoing) -> Result<(), Fault> {
        if !is_a_topic(to) {
            return Err(fault::undeliverable("the address is no name of a topic"));
        }
        self.open_member(Action::Publish)?;
        let mut record: FutureRecord<'_, str, [u8]> =
            FutureRecord::to(to).payload(&outgoing.body[..]).headers(sent_headers(&outgoing));
        if let Some(key) = key(&outgoing) {
            record = record.key(key);
        }
        match timeout(PUBLISH, self.producer.send(record, Duration::ZERO)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(fault::of(Action::Publish, &error)),
            Err(_) => Err(fault::timed_out(Action::Publish)),
        }
    }

    async fn standing(&self) -> Result<Standing, Fault> {
        let (consumer, shared) = self.open_member(Action::Look)?;
        let name = self.setup.topic.clone();
        let all =
            look::ask(Action::Look, consumer, move |consumer| look::uncommitted(consumer, &name)).await?;
        let in_hand = shared.lanes().in_hand().min(all);
        Ok(Standing { waiting: all - in_hand, in_hand })
    }

    async fn check(&self) -> Result<Vec<Warning>, Fault> {
        let (consumer, _) = self.open_member(Action::Look)?;
        let name = self.setup.topic.clone();
        let topic =
            look::ask(Action::Look, consumer, move |consumer| look::topic(Action::Look, consumer, &name))
                .await?;
        let mut all = check::warnings(&topic, &check::settings(&self.setup).await);
        all.extend(check::password_in_the_clear(&self.setup));
        Ok(all)
    }

    /// What was received ahead stays in its lanes.
    async fn rest(&self) {
        if let Ok((consumer, shared)) = self.open_member(Action::Receive) {
            shared.rest(&consumer, true);
        }
    }

    async fn reopen(&self) {
        if self.member().is_none() {
            return;
        }
        self.leave().await;
        match self.join() {
            Ok(member) => *self.member() = Some(member),
            Err(error) => tracing::warn!(%error, "the consumer of Kafka cannot be made anew"),
        }
    }

    async fn close(&self) {
        self.leave().await;
    }
}
