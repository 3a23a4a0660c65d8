//! The running adapter: receives, takes, settles; pauses when queue or store are away; stops with nothing in hand.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use evidence_log::ReceivedLog;
use futures_util::future::join_all;
use genesys_types::Organisation;
use orchestrator::Orchestrator;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    EventSource,
    fate::{Fate, Met, fate},
    fault::Action,
    metrics,
    pace::pause,
    queue::{Message, Queue, Redrive},
    seen::Seen,
    telling::Telling,
};
use event_bodies::Decoder;

mod take;

/// Messages of one receive: the most that SQS gives, and the most that one batch deletes or hides.
const BATCH: u8 = 10;

/// How long a receive waits for the first message: the longest that SQS allows, and the cheapest.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How long received messages are hidden. A commit takes milliseconds; one that takes longer than this comes again, which
/// has no effect.
const HIDDEN: Duration = Duration::from_secs(60);

/// Further receives at once while messages pile up, beside the one that always waits: at most 40 messages are in hand.
const HELPERS: usize = 3;

/// How often is looked how the queue stands. Twice a minute costs next to nothing and shows a backlog in time.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What an adapter is.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its name in metrics, listings and evidence.
    pub name: String,
    /// The organisation whose closures its events may move. It must be one of the orchestrator's.
    pub organisation: Organisation,
    /// The form of the bodies.
    pub decoder: Decoder,
    /// Whose events are taken; nothing for whatever stands in the queue.
    pub source: Option<EventSource>,
}

/// An adapter that runs until it is stopped. Dropped, it goes on until the stop that it was started with.
#[derive(Debug)]
pub struct Adapter {
    log: ReceivedLog,
    running: JoinHandle<()>,
}

impl Adapter {
    /// Starts to take what comes in by a queue, until `stop`.
    pub fn start(
        orchestrator: Orchestrator,
        queue: Arc<dyn Queue>,
        setup: Setup,
        stop: CancellationToken,
    ) -> Self {
        let name: Arc<str> = Arc::from(setup.name.as_str());
        let log = ReceivedLog::new([Arc::clone(&name)]);
        let intake = Intake {
            telling: Telling::new(&name),
            log: log.clone(),
            name,
            setup,
            orchestrator,
            queue,
            stop,
            redrive: Mutex::new(None),
            unreadable: Mutex::default(),
            helpers: Arc::new(Semaphore::new(HELPERS)),
            tasks: TaskTracker::new(),
        };
        Self { log, running: tokio::spawn(Arc::new(intake).run()) }
    }

    /// What came in lately.
    pub fn log(&self) -> ReceivedLog {
        self.log.clone()
    }

    /// Completes when the adapter has stopped: what it had in hand is settled or given back.
    pub async fn stopped(self) {
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the adapter of a queue ended in a panic");
        }
    }
}

/// Everything that taking messages needs.
struct Intake {
    name: Arc<str>,
    setup: Setup,
    orchestrator: Orchestrator,
    queue: Arc<dyn Queue>,
    log: ReceivedLog,
    telling: Telling,
    stop: CancellationToken,
    /// What the queue does with what nobody deletes; nothing until it was asked.
    redrive: Mutex<Option<Redrive>>,
    /// The unreadable messages that are noted, since they come again until the queue moves them.
    unreadable: Mutex<Seen>,
    helpers: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Intake {
    async fn run(self: Arc<Self>) {
        self.look().await;
        let watching = self.tasks.spawn(Arc::clone(&self).watch());
        Arc::clone(&self).receive_always(None).await;
        self.tasks.close();
        self.tasks.wait().await;
        drop(watching);
    }

    /// Looks now and then how the queue stands.
    async fn watch(self: Arc<Self>) {
        while self.slept(LOOK_EVERY).await {
            self.look().await;
        }
    }

    async fn look(&self) {
        let standing = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            standing = self.queue.standing() => standing,
        };
        match standing {
            Ok(standing) => {
                self.telling.done(Action::Look);
                metrics::waiting(&self.name, standing.waiting);
                *self.redrive.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing.redrive);
            }
            Err(fault) => self.telling.failed(&fault),
        }
    }

    /// Receives until the stop; with a permit, as a helper, only as long as there is something to do.
    async fn receive_always(self: Arc<Self>, helper: Option<OwnedSemaphorePermit>) {
        let mut faults = 0;
        loop {
            let received = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                received = self.queue.receive(BATCH, LONG_POLL, HIDDEN) => received,
            };
            match received {
                Ok(messages) => {
                    self.telling.done(Action::Receive);
                    faults = 0;
                    if messages.len() == usize::from(BATCH) {
                        self.call_a_helper();
                    }
                    if messages.is_empty() && helper.is_some() {
                        return;
                    }
                    if !self.settle(messages).await {
                        self.until_the_store_is_back().await;
                    }
                }
                Err(fault) => {
                    self.telling.failed(&fault);
                    faults += 1;
                    if helper.is_some() || !self.slept(pause(faults, fastrand::f64())).await {
                        return;
                    }
                }
            }
        }
    }

    /// Has one more receive under way, unless there are enough.
    fn call_a_helper(self: &Arc<Self>) {
        if let Ok(permit) = Arc::clone(&self.helpers).try_acquire_owned() {
            // Boxed, as a future cannot hold itself.
            let helping: futures_util::future::BoxFuture<'static, ()> =
                Box::pin(Arc::clone(self).receive_always(Some(permit)));
            self.tasks.spawn(helping);
        }
    }

    /// Takes a batch and deletes or hides each message of it; `false` when the store is away.
    async fn settle(&self, messages: Vec<Message>) -> bool {
        let met = if self.stop.is_cancelled() {
            vec![Met::NotBegun; messages.len()]
        } else {
            join_all(messages.iter().map(|message| self.take(message))).await
        };
        let redrive = *self.redrive.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, mut hidden) = (Vec::new(), Vec::new());
        for (message, met) in messages.into_iter().zip(&met) {
            match fate(*met, message.receives, redrive) {
                Fate::Delete => done.push(message.receipt),
                Fate::Hide(duration) => hidden.push((message.receipt, duration)),
            }
        }
        self.delete(&done).await;
        self.hide(&hidden).await;
        !met.contains(&Met::StoreAway)
    }

    async fn delete(&self, receipts: &[String]) {
        if receipts.is_empty() {
            return;
        }
        match self.queue.delete(receipts).await {
            Ok(0) => self.telling.done(Action::Delete),
            // They come again, and are known then.
            Ok(left) => tracing::debug!(adapter = &*self.name, left, "messages could not be deleted"),
            Err(fault) => self.telling.failed(&fault),
        }
    }

    async fn hide(&self, receipts: &[(String, Duration)]) {
        if receipts.is_empty() {
            return;
        }
        match self.queue.hide(receipts).await {
            Ok(0) => self.telling.done(Action::Hide),
            Ok(left) => tracing::debug!(adapter = &*self.name, left, "messages could not be hidden"),
            Err(fault) => self.telling.failed(&fault),
        }
    }

    /// Nothing is received meanwhile: what stays in the queue is safe there, and uses up no receives.
    async fn until_the_store_is_back(&self) {
        let mut times = 1;
        while self.slept(pause(times, fastrand::f64())).await {
            if self.orchestrator.check_store().await.is_ok() {
                return;
            }
            times += 1;
        }
    }

    /// Sleeps; `false` when the stop came before.
    async fn slept(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}
