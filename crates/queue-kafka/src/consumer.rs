//! The member of the group: what the client library tells, brought into the lanes.

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use queue::{Action, Fault, FaultKind};
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
    types::RDKafkaErrorCode,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{fault, lanes::Lanes, look::beside, message::message, setup::Setup};

/// How long a commit that a rebalance refused waits before it is tried again.
const BALANCING: Duration = Duration::from_millis(200);

/// What poller, callbacks and source share, of one consumer.
pub(crate) struct Shared {
    topic: String,
    lanes: Mutex<Lanes>,
    /// Something came, or went wrong.
    pub(crate) changed: Notify,
    /// What went wrong last, as long as nothing shows that it is over.
    trouble: Mutex<Option<Fault>>,
    is_resting: AtomicBool,
    /// The consumer has left its group.
    pub(crate) left: Notify,
    /// Held by the commit that is under way.
    committing: Arc<tokio::sync::Mutex<()>>,
}

impl Shared {
    /// Of the consumer of this number. No broker has answered yet.
    pub(crate) fn new(setup: &Setup, number: u32) -> Self {
        Self {
            topic: setup.topic.clone(),
            lanes: Mutex::new(Lanes::of_consumer(number, setup.held)),
            changed: Notify::new(),
            trouble: Mutex::new(Some(fault::timed_out(Action::Receive))),
            is_resting: AtomicBool::new(false),
            left: Notify::new(),
            committing: Arc::default(),
        }
    }

    pub(crate) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trouble(&self) -> MutexGuard<'_, Option<Fault>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn received(&self, received: &BorrowedMessage<'_>) {
        self.lanes().push(received.partition(), received.offset(), message(received));
        *self.trouble() = None;
        self.changed.notify_waiters();
    }

    fn failed(&self, error: &KafkaError) {
        self.failed_because(error, "");
    }

    /// The library's words tell the broker's address, and the error of the operating system, where there are any.
    fn failed_because(&self, error: &KafkaError, words: &str) {
        tracing::debug!(%error, "the client of Kafka reports a fault");
        let mut trouble = self.trouble();
        // Brokers that refuse this client, or cannot be reached, are away for it too, and the library says that after the reason.
        let is_told = trouble
            .as_ref()
            .is_some_and(|fault| matches!(fault.kind, FaultKind::Credentials | FaultKind::Unreachable));
        if !(is_told && error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown)) {
            let fault = fault::of(Action::Receive, error);
            let cause = if words.is_empty() { fault.cause } else { words.to_owned() };
            *trouble = Some(Fault { cause, ..fault });
        }
        drop(trouble);
        self.changed.notify_waiters();
    }

    /// Nothing more is fetched, or everything that has room again.
    pub(crate) fn rest(&self, consumer: &Consumer, is_resting: bool) {
        self.is_resting.store(is_resting, Ordering::SeqCst);
        self.flow(consumer);
    }

    /// Pauses and resumes partitions as their lanes want it.
    pub(crate) fn flow(&self, consumer: &Consumer) {
        let mut lanes = self.lanes();
        let (pause, resume) = lanes.flow(self.is_resting.load(Ordering::SeqCst));
        let partitions = |numbers: Vec<i32>| {
            let mut list = TopicPartitionList::new();
            for number in numbers {
                list.add_partition(&self.topic, number);
            }
            list
        };
        let paused = if pause.is_empty() { Ok(()) } else { consumer.pause(&partitions(pause)) };
        let resumed = if resume.is_empty() { Ok(()) } else { consumer.resume(&partitions(resume)) };
        // A partition that was taken away meanwhile; what comes of it is turned away by its lane.
        if let Err(error) = paused.and(resumed) {
            tracing::debug!(%error, "a partition could not be paused or resumed");
        }
    }
}

/// Commits of each lane what is done, and waits for the broker's answer; the library's own call for this blocks, and gives up
/// only with the session of the group. What is not confirmed within the bound comes again; a later confirmation ends that.
pub(crate) async fn commit(
    consumer: Arc<Consumer>,
    shared: Arc<Shared>,
    bound: Duration,
) -> Result<(), Fault> {
    let until = Instant::now() + bound;
    let turn = timeout_at(until, Arc::clone(&shared.committing).lock_owned()).await;
    let offsets = shared.lanes().to_commit();
    if offsets.is_empty() {
        return Ok(());
    }
    let Ok(turn) = turn else {
        shared.lanes().not_committed(&offsets);
        return Err(fault::timed_out(Action::Settle));
    };
    let told = Arc::clone(&shared);
    let committing = beside(move || {
        let _turn = turn;
        commit_through_a_rebalance(&consumer, &told, until)
    });
    match timeout_at(until, committing).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => {
            let fault = fault::of(Action::Settle, &error);
            tracing::debug!(%error, "offsets are not committed");
            // A member whose partitions are being taken away is answered, too.
            if fault.kind == FaultKind::Unreachable { Err(fault) } else { Ok(()) }
        }
        Ok(Err(_)) | Err(_) => {
            shared.lanes().not_committed(&offsets);
            shared.changed.notify_waiters();
            Err(fault::timed_out(Action::Settle))
        }
    }
}

/// A group that is being balanced anew refuses commits: what is this member's still is committed when that is over.
fn commit_through_a_rebalance(consumer: &Consumer, shared: &Shared, until: Instant) -> KafkaResult<()> {
    loop {
        let offsets = shared.lanes().to_commit();
        if offsets.is_empty() {
            return Ok(());
        }
        let Err(error) = commit_now(&**consumer, &shared.topic, &offsets) else {
            let mut lanes = shared.lanes();
            offsets.iter().for_each(|(partition, offset)| lanes.committed(*partition, *offset));
            return Ok(());
        };
        let is_balancing = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::RebalanceInProgress | RDKafkaErrorCode::IllegalGeneration)
        );
        if !is_balancing || Instant::now() + BALANCING >= until {
            shared.lanes().not_committed(&offsets);
            shared.changed.notify_waiters();
            return Err(error);
        }
        std::thread::sleep(BALANCING);
    }
}

fn commit_now<C: ConsumerContext>(
    consumer: &impl rdkafka::consumer::Consumer<C>,
    topic: &str,
    offsets: &[(i32, i64)],
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.commit(&list, CommitMode::Sync)
}

/// What the client library calls.
pub(crate) struct Context(pub(crate) Arc<Shared>);

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, words: &str) {
        self.0.failed_because(&error, words);
    }
}

impl Context {
    /// What is done is committed while the partitions are this member's still. What fails comes again, to whoever gets them.
    fn commit_before_it_goes(&self, consumer: &BaseConsumer<Self>) {
        let offsets = self.0.lanes().to_commit();
        if offsets.is_empty() {
            return;
        }
        match commit_now(consumer, &self.0.topic, &offsets) {
            Ok(()) => {
                let mut lanes = self.0.lanes();
                offsets.iter().for_each(|(partition, offset)| lanes.committed(*partition, *offset));
            }
            Err(error) => tracing::debug!(%error, "offsets are not committed before their partitions go"),
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                if !consumer.assignment_lost() {
                    self.commit_before_it_goes(consumer);
                }
                let mut lanes = self.0.lanes();
                list.elements().iter().for_each(|one| lanes.revoke(one.partition()));
            }
            Rebalance::Assign(_) => {}
            Rebalance::Error(error) => self.0.failed(error),
        }
        self.0.changed.notify_waiters();
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let mut lanes = self.0.lanes();
                list.elements().iter().for_each(|one| lanes.assign(one.partition()));
            }
            Rebalance::Revoke(_) | Rebalance::Error(_) => {}
        }
    }
}

/// A consumer that leaves its group on a thread of its own, wherever it is dropped: that takes a while.
pub(crate) struct Consumer(Option<StreamConsumer<Context>>, Arc<Shared>);

impl Consumer {
    pub(crate) fn new(consumer: StreamConsumer<Context>, shared: Arc<Shared>) -> Self {
        Self(Some(consumer), shared)
    }
}

impl Deref for Consumer {
    type Target = StreamConsumer<Context>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is taken out at the end only")
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let (consumer, shared) = (self.0.take(), Arc::clone(&self.1));
        std::thread::spawn(move || {
            drop(consumer);
            shared.left.notify_one();
        });
    }
}

/// Brings into the lanes what comes, until the stop. Callbacks run in here as well.
pub(crate) async fn poll(consumer: Arc<Consumer>, shared: Arc<Shared>, stop: Arc<Notify>) {
    let mut stopped = std::pin::pin!(stop.notified());
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => return,
            received = consumer.recv() => match received {
                Ok(received) => shared.received(&received),
                Err(error) => shared.failed(&error),
            },
        }
        shared.flow(&consumer);
        tokio::task::consume_budget().await;
    }
}
