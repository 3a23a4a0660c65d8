//! The loop of one source: receives, takes, settles; rests when it is paused, when there is no room, and when the store is away;
//! stops with nothing in hand.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use orchestrator::Orchestrator;
use queue::{Action, Message, Receipt, Settlement, Source, Standing, Warning};
use store::Store;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    commands::Commands,
    fate::{Hold, Met, fate},
    metrics,
    pace::pause,
    sources::{Setup, SourceState},
    telling::Telling,
    watchdog::{Look, stands_still},
};

/// Messages of one receive. They are submitted at once, so that one write of the store carries them.
const BATCH: usize = 100;

/// How long a receive waits for the first message. A pause or a stop does not wait for it.
const WAIT: Duration = Duration::from_secs(5);

/// How often is looked how the queue stands.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// How often the broker's settings are looked at: they are changed rarely, and by hand.
const LOOKS_PER_CHECK: u32 = 40;

/// What all sources share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) public_url: Option<String>,
}

/// One source that runs.
pub(crate) struct Line {
    pub(crate) name: Arc<str>,
    pub(crate) setup: Setup,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) telling: Telling,
    pub(crate) stop: CancellationToken,
    /// Whether an operator paused it; nothing until the store has said so.
    pub(crate) paused: watch::Sender<Option<bool>>,
    facts: Mutex<Facts>,
}

/// How a source stands.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) state: SourceState,
    pub(crate) standing: Option<Standing>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) last_received: Option<genesys_types::Time>,
    /// Whether the broker has answered: with messages or without, or how the queue stands.
    answered: bool,
    /// Since when nothing was received although it was asked for.
    quiet_since: Instant,
}

impl Line {
    pub(crate) fn new(
        setup: Setup,
        source: Arc<dyn Source>,
        shared: Arc<Shared>,
        stop: CancellationToken,
    ) -> Self {
        let name: Arc<str> = Arc::from(setup.name.as_str());
        Self {
            telling: Telling::new(&name),
            name,
            setup,
            source,
            shared,
            stop,
            paused: watch::Sender::new(None),
            facts: Mutex::new(Facts {
                state: SourceState::Starting,
                standing: None,
                warnings: Vec::new(),
                last_received: None,
                answered: false,
                quiet_since: Instant::now(),
            }),
        }
    }

    /// The switch in the store that keeps a pause over a restart.
    pub(crate) fn switch(&self) -> String {
        format!("source:{}:paused", self.name)
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, state: SourceState) {
        self.facts().state = state;
    }

    /// Runs until the stop.
    pub(crate) async fn run(self: Arc<Self>) {
        if self.learn_whether_it_is_paused().await {
            let watching = tokio::spawn(Arc::clone(&self).watch());
            self.receive_always().await;
            if watching.await.is_err() {
                tracing::error!(source = &*self.name, "looking at a source ended in a panic");
            }
        }
        self.enter(SourceState::Stopped);
        self.source.close().await;
    }

    /// A source that an operator paused stays so over a restart, so nothing is received before that is known. `false` when the
    /// stop came first.
    async fn learn_whether_it_is_paused(&self) -> bool {
        let mut times = 0;
        loop {
            if let Ok(paused) = self.shared.store.switch(&self.switch()).await {
                metrics::paused(&self.name, paused);
                // An operator may have been faster.
                self.paused.send_if_modified(|known| known.is_none() && known.replace(paused).is_none());
                return true;
            }
            self.enter(SourceState::StoreAway);
            times += 1;
            if !self.slept(pause(times, fastrand::f64())).await {
                return false;
            }
        }
    }

    async fn receive_always(&self) {
        let mut paused = self.paused.subscribe();
        let mut faults = 0;
        loop {
            if *paused.borrow_and_update() == Some(true) {
                self.enter(SourceState::Paused);
                self.source.rest().await;
                if !self.until_resumed(&mut paused).await {
                    return;
                }
            }
            if !matches!(self.facts().state, SourceState::Unreachable) {
                self.begin_receiving();
            }
            let received = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                _ = paused.changed() => continue,
                received = self.source.receive(BATCH, WAIT) => received,
            };
            match received {
                Ok(messages) => {
                    self.telling.done(Action::Receive);
                    faults = 0;
                    self.note_received(&messages);
                    if let Some(hold) = self.settle(messages).await
                        && !self.held_up(hold).await
                    {
                        return;
                    }
                }
                Err(fault) => {
                    self.telling.failed(&fault);
                    self.enter(SourceState::Unreachable);
                    faults += 1;
                    if !self.slept(pause(faults, fastrand::f64())).await {
                        return;
                    }
                }
            }
        }
    }

    async fn until_resumed(&self, paused: &mut watch::Receiver<Option<bool>>) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            resumed = paused.wait_for(|paused| *paused != Some(true)) => resumed.is_ok(),
        }
    }

    /// It is asked for messages. Whether that is of any use, the first answer of the broker shows.
    fn begin_receiving(&self) {
        let mut facts = self.facts();
        let state = if facts.answered { SourceState::Running } else { SourceState::Starting };
        if facts.state != state {
            facts.state = state;
            facts.quiet_since = Instant::now();
        }
    }

    fn note_received(&self, messages: &[Message]) {
        let now = self.shared.orchestrator.now();
        let mut facts = self.facts();
        facts.answered = true;
        if facts.state != SourceState::Running {
            facts.state = SourceState::Running;
            facts.quiet_since = Instant::now();
        }
        if !messages.is_empty() {
            facts.last_received = Some(now);
            facts.quiet_since = Instant::now();
        }
    }

    fn note_standing(&self, standing: Standing) {
        let mut facts = self.facts();
        facts.standing = Some(standing);
        facts.answered = true;
        if facts.state == SourceState::Starting {
            facts.state = SourceState::Running;
        }
    }

    /// Takes a batch and settles each message of it; answers what holds up the source, if anything does.
    async fn settle(&self, messages: Vec<Message>) -> Option<Hold> {
        if messages.is_empty() {
            return None;
        }
        let met = if self.stop.is_cancelled() {
            vec![Met::NotBegun; messages.len()]
        } else {
            join_all(messages.iter().map(|message| self.take(message))).await
        };
        let mut settlements: Vec<(Receipt, Settlement)> = Vec::with_capacity(messages.len());
        let mut hold = None;
        for (message, met) in messages.into_iter().zip(met) {
            let fate = fate(met, message.deliveries);
            hold = hold.max(fate.hold);
            settlements.push((message.receipt, fate.settlement));
        }
        match self.source.settle(settlements).await {
            Ok(0) => self.telling.done(Action::Settle),
            // They come again, and are known then.
            Ok(left) => tracing::debug!(source = &*self.name, left, "messages could not be settled"),
            Err(fault) => self.telling.failed(&fault),
        }
        hold
    }

    /// Rests as long as something holds it up; `false` when the stop came.
    async fn held_up(&self, hold: Hold) -> bool {
        self.source.rest().await;
        match hold {
            Hold::For(time) => {
                self.enter(SourceState::NoRoom);
                self.slept(time).await
            }
            Hold::UntilTheStoreIsBack => {
                self.enter(SourceState::StoreAway);
                let mut times = 1;
                loop {
                    if !self.slept(pause(times, fastrand::f64())).await {
                        return false;
                    }
                    if self.shared.orchestrator.check_store().await.is_ok() {
                        return true;
                    }
                    times += 1;
                }
            }
        }
    }

    /// Looks now and then how the queue stands, and whether it stands still.
    async fn watch(self: Arc<Self>) {
        let mut looks_since_check = LOOKS_PER_CHECK;
        loop {
            self.look().await;
            looks_since_check += 1;
            // A broker that was away is checked as soon as it is there.
            if looks_since_check >= LOOKS_PER_CHECK && self.check().await {
                looks_since_check = 0;
            }
            if !self.slept(LOOK_EVERY).await {
                return;
            }
        }
    }

    async fn look(&self) {
        if let Ok(held) = self.held_letters().await {
            metrics::dead_letters(&self.name, held);
        }
        match self.source.standing().await {
            Ok(standing) => {
                self.telling.done(Action::Look);
                metrics::lag(&self.name, standing.waiting);
                self.note_standing(standing);
                self.reopen_if_it_stands_still(standing).await;
            }
            Err(fault) => self.telling.failed(&fault),
        }
    }

    /// Looks at the broker's settings; answers whether it could.
    async fn check(&self) -> bool {
        let Ok(warnings) = self.source.check().await else { return false };
        self.tell_warnings(&warnings);
        self.facts().warnings = warnings;
        true
    }

    fn tell_warnings(&self, warnings: &[Warning]) {
        let known = self.facts().warnings.clone();
        for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!(
                source = &*self.name,
                setting = warning.setting,
                detail = warning.detail,
                fix = warning.fix,
                "a setting of the broker is unsafe for commands"
            );
        }
    }

    async fn reopen_if_it_stands_still(&self, standing: Standing) {
        let look = {
            let facts = self.facts();
            Look {
                quiet_for: facts.quiet_since.elapsed(),
                waiting: standing.waiting,
                receiving: facts.state == SourceState::Running,
            }
        };
        if !stands_still(look) {
            return;
        }
        tracing::warn!(
            source = &*self.name,
            waiting = standing.waiting,
            seconds = look.quiet_for.as_secs(),
            "messages wait and none comes although the connection stands: it is opened anew"
        );
        metrics::reopened(&self.name);
        self.facts().quiet_since = Instant::now();
        self.source.reopen().await;
    }

    /// Sleeps; `false` when the stop came before.
    pub(crate) async fn slept(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}
