//! Starting and stopping.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use closure_machine::{Event, Reply, Turn};
use genesys_types::{Span, Time};
use store::{ClosureKey, StoreUnavailable};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    adapters::Adapters,
    advance::{Inner, Orchestrator, Trigger},
    clock::Onward,
    config::{Config, StartError},
    held::HeldReplies,
    journal::Cause,
    operate::pause_switch,
    organisation::Org,
    processor::Processor,
    record::Record,
    registry::Registry,
    remote::CallFacts,
    under_way::UnderWay,
    writing::Writing,
};

/// How many rows one query of the start reads.
const PAGE: usize = 512;

/// EventBridge repeats an event for 24 hours (design §3); one more for clocks that differ.
const INBOX_AT_LEAST: Span = Span::from_secs(25 * 3_600);

/// From here on a clock that was set back is worth a word.
const CLOCK_IS_BACK: Span = Span::from_secs(2);

impl Orchestrator {
    /// Reads every open closure and goes on where each stands. Commands and events can be taken as soon as this returns.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        if config.inbox_retention < INBOX_AT_LEAST {
            return Err(StartError::InboxTooShort(config.inbox_retention.duration()));
        }
        let organisations: BTreeMap<_, _> = config
            .organisations
            .into_iter()
            .map(|setup| (setup.name.clone(), Arc::new(Org::new(setup))))
            .collect();
        let orchestrator = Self {
            inner: Arc::new(Inner {
                store: config.store,
                clock: Onward::new(config.clock),
                registry: Registry::new(organisations.keys().cloned()),
                organisations,
                held: HeldReplies::default(),
                under_way: UnderWay::default(),
                writing: Writing::default(),
                processor: Processor::default(),
                adapters: Adapters::default(),
                tasks: TaskTracker::new(),
                stopping: CancellationToken::new(),
                shared: !config.sole_owner,
                retention: config.retention,
                inbox_retention: config.inbox_retention,
            }),
        };
        orchestrator.read_pauses().await.map_err(StartError::Store)?;
        // What nobody works on is taken over when it is due.
        let lost = match config.sole_owner {
            true => orchestrator.read_open().await.map_err(StartError::Store)?,
            false => Vec::new(),
        };
        orchestrator.run();
        orchestrator.take_calls_for_lost(lost);
        Ok(orchestrator)
    }

    /// Takes up the pauses that operators have set.
    pub(crate) async fn read_pauses(&self) -> Result<(), StoreUnavailable> {
        for (name, org) in &self.inner.organisations {
            let _turn = org.pausing.lock().await;
            if org.pause_unwritten.load(Ordering::Relaxed) {
                // Who asked for it wants it to hold, whatever stands in the store.
                self.inner.store.set_switch(&pause_switch(name), true).await?;
                org.pause_unwritten.store(false, Ordering::Relaxed);
            }
            let paused = self.inner.store.switch(&pause_switch(name)).await?;
            if paused != org.is_paused() {
                warn!(organisation = %name, paused, "calls are paused or go on, as an operator has set it");
                org.pause(paused);
            }
        }
        Ok(())
    }

    /// Reads every open closure into memory; returns those with a call in flight that nobody can answer any more.
    async fn read_open(&self) -> Result<Vec<ClosureKey>, StoreUnavailable> {
        let mut lost = Vec::new();
        let mut after = None;
        let mut latest = None;
        loop {
            let rows = self.inner.store.open_after(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key);
            for row in &rows {
                match Record::from_row(row) {
                    Ok(mut record) => {
                        self.inner.registry.share_names(&mut record);
                        latest = latest.max(Some(record.updated_at));
                        if matches!(record.closure.turn, Turn::InFlight { .. }) {
                            lost.push(record.key);
                        }
                        if !self.inner.organisations.contains_key(&record.organisation) {
                            warn!(
                                organisation = %record.organisation,
                                "open closures belong to an organisation that is not configured: they wait"
                            );
                        }
                        self.inner.registry.put(Arc::new(record));
                    }
                    Err(why) => self.set_aside(row.key, why).await?,
                }
            }
        }
        if self.inner.registry.open() > 0 {
            info!(open = self.inner.registry.open(), in_flight = lost.len(), "open closures go on");
        }
        self.go_on_from(latest);
        Ok(lost)
    }

    /// Goes on from the latest moment that the run before wrote down, where the machine's clock was set back since.
    fn go_on_from(&self, latest: Option<Time>) {
        let behind = latest.map_or(0, |latest| self.inner.clock.not_before(latest));
        if behind >= CLOCK_IS_BACK.millis().into() {
            warn!(
                behind_seconds = behind / 1_000,
                "the machine's clock is behind what stands in the store: time goes on from there, so that no closure waits twice"
            );
        }
    }

    /// Settles calls that were in flight when the only owner of the store stopped: their replies are lost for certain.
    pub(crate) fn take_calls_for_lost(&self, lost: Vec<ClosureKey>) {
        let orchestrator = self.clone();
        self.inner.tasks.spawn(async move {
            for key in lost {
                let Some(record) = orchestrator.inner.registry.record(key) else { continue };
                let Turn::InFlight { call, .. } = record.closure.turn else { continue };
                let message = Some("the program stopped while the call was in flight".to_owned());
                let facts = CallFacts { message, ..CallFacts::default() };
                let event = Event::Replied { call, reply: Reply::Unknown };
                let cause = Cause { facts: Some(facts), ..Cause::default() };
                // What is refused or fails here is woken by the call's own time-out.
                let _ = orchestrator.advance(key, Trigger { cause, ..Trigger::new(event) }).await;
            }
        });
    }

    /// Brings the store to rest, after [`Orchestrator::stop`] and the last request.
    ///
    /// # Errors
    ///
    /// When it cannot. Nothing is lost by that.
    pub async fn close_store(&self) -> Result<(), StoreUnavailable> {
        self.inner.store.close().await
    }

    /// Stops: no more commands, no more wake-ups; calls in flight get `grace` to come home.
    ///
    /// Returns whether all of them did. What did not is found again at the next start.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_ok()
    }
}
