//! The two loops, and the handle by which the API asks and acts.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use genesys_types::Time;
use orchestrator::Clock;
use store::{DeliveryFilter, Store, StoreUnavailable};
use tokio::{sync::Notify, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;
use uuid::Uuid;

use crate::{
    adapters::ToldSilent,
    advice::Advisor,
    allowed::Forbidden,
    delivery::{Owed, counted},
    fate::{Outcome, fate},
    outbox::{Outbox, Place},
    post::{Letter, Post},
    setup::{Format, Setup},
    silence::{Ears, Held},
};

/// How many deliveries of one lane, that is to one receiver, are under way at once.
const PER_LANE: usize = 4;

/// How often the outbox is read, and deliveries that became due are looked for.
const TICK: Duration = Duration::from_millis(500);

/// The office of whoever tells, where several processes work on one store. Two that believe to hold it may tell the same twice, under
/// one `webhook-id`.
const OFFICE: &str = "callbacks";

/// The pause after the store could not be reached.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// Tells the outside. A copy is the same service.
#[derive(Clone)]
pub struct Callbacks(Arc<Inner>);

struct Inner {
    setup: Setup,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ears: Arc<dyn Ears>,
    advisor: Arc<dyn Advisor>,
    post: Arc<dyn Post>,
    under_way: Mutex<HashSet<Uuid>>,
    /// Something may be due.
    due: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Why a command's callback cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// No host is allowed, or there is no secret to sign with.
    NotConfigured,
    /// Nothing may be posted to its URL.
    Forbidden(Forbidden),
}

impl Callbacks {
    /// Begins to tell, until `stop`. Where no host is allowed nothing runs, and what is owed waits.
    pub fn start(
        setup: Setup,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ears: Arc<dyn Ears>,
        advisor: Arc<dyn Advisor>,
        post: Arc<dyn Post>,
        stop: CancellationToken,
    ) -> Self {
        crate::metrics::describe();
        let callbacks = Self(Arc::new(Inner {
            setup,
            store,
            clock,
            ears,
            advisor,
            post,
            under_way: Mutex::default(),
            due: Notify::new(),
            tasks: TaskTracker::new(),
            stop,
        }));
        if callbacks.0.setup.is_on() {
            let tasks = &callbacks.0.tasks;
            tasks.spawn(read_outbox(Arc::clone(&callbacks.0)));
            tasks.spawn(deliver(Arc::clone(&callbacks.0)));
        }
        callbacks.0.tasks.close();
        callbacks
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.0.setup
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.0.store.as_ref()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Something may be due.
    pub(crate) fn nudge(&self) {
        self.0.due.notify_one();
    }

    /// Checks the URL of a command's callback.
    ///
    /// # Errors
    ///
    /// See [`NotTaken`].
    pub fn check(&self, url: &str) -> Result<(), NotTaken> {
        if !self.0.setup.is_on() || self.0.setup.signature.is_none() {
            return Err(NotTaken::NotConfigured);
        }
        self.0.setup.allowed.check(url).map(drop).map_err(NotTaken::Forbidden)
    }

    /// Deliveries that match, the latest noted first, with keys less than `before`, at most `limit`. One that cannot be read is
    /// left out.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn list(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreUnavailable> {
        let rows = self.0.store.deliveries(filter, before, limit).await?;
        Ok(rows.iter().filter_map(Owed::read).collect())
    }

    /// One delivery.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn one(&self, key: Uuid) -> Result<Option<Owed>, StoreUnavailable> {
        Ok(self.0.store.delivery(key).await?.as_ref().and_then(Owed::read))
    }

    /// Begins the tries of a delivery anew, also of one that was delivered; one that is under way at this moment is left to it.
    /// Returns how it stands then; nothing where there is none.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn redeliver(&self, key: Uuid) -> Result<Option<Owed>, StoreUnavailable> {
        let Some(_claim) = Claim::take(&self.0, key) else { return self.one(key).await };
        let Some(mut owed) = self.one(key).await? else { return Ok(None) };
        owed.begin_again(self.0.clock.now());
        self.0.store.put_delivery(owed.row()).await?;
        Ok(Some(owed))
    }

    /// Looks at the outbox and at what is due without waiting for the next tick.
    pub fn look(&self) {
        self.0.due.notify_one();
    }

    /// Waits, after the stop, for what is under way, at most `grace`. What does not end is tried again at the next start.
    pub async fn stopped(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("callbacks that were still under way are posted again at the next start");
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("setup", &self.0.setup).finish_non_exhaustive()
    }
}

impl Inner {
    fn under_way(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pause(&self, span: Duration) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = sleep(span) => {}
        }
    }
}

/// The right to be the only one who changes a delivery. Given back when it is dropped.
struct Claim {
    inner: Arc<Inner>,
    key: Uuid,
}

impl Claim {
    fn take(inner: &Arc<Inner>, key: Uuid) -> Option<Self> {
        inner.under_way().insert(key).then(|| Self { inner: Arc::clone(inner), key })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.under_way().remove(&self.key);
        self.inner.due.notify_one();
    }
}

/// Passes the outbox on, page after page, lets go what was kept, and tells of adapters.
async fn read_outbox(inner: Arc<Inner>) {
    let mut memory: Option<Memory> = None;
    while !inner.stop.is_cancelled() {
        match inner.store.holds(OFFICE).await {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                // Another process tells; what is known here grows old.
                memory = None;
                inner.pause(STORE_AWAY).await;
                continue;
            }
        }
        match note_what_is_owed(&inner, &mut memory).await {
            Ok(true) => {}
            Ok(false) => inner.pause(TICK).await,
            Err(error) => {
                tracing::debug!(%error, "the outbox cannot be read now");
                // What was written is not known.
                memory = None;
                inner.pause(STORE_AWAY).await;
            }
        }
    }
    if let Some(mut memory) = memory
        && let Err(error) = memory.place.write(&*inner.store, inner.clock.now()).await
    {
        tracing::debug!(%error, "lines that owe nothing are read again at the next start");
    }
}

/// What the reader of the outbox knows beside the store.
struct Memory {
    place: Place,
    held: Held,
    told: ToldSilent,
}

/// Notes what is owed now. Answers whether there may be more at once.
async fn note_what_is_owed(inner: &Inner, memory: &mut Option<Memory>) -> Result<bool, StoreUnavailable> {
    let outbox = Outbox {
        store: &*inner.store,
        setup: &inner.setup,
        clock: &*inner.clock,
        ears: &*inner.ears,
        advisor: &*inner.advisor,
    };
    let now = inner.clock.now();
    if memory.is_none() {
        *memory = Some(Memory {
            place: Place::read(outbox.store, now).await?,
            held: outbox.read_held().await?,
            told: ToldSilent::read(outbox.store, outbox.ears).await?,
        });
    }
    let Some(Memory { place, held, told }) = memory else { return Ok(false) };
    // First, so that whoever waits for ghosts knows why none comes.
    let adapters = told.look(outbox.store, outbox.setup, outbox.ears, outbox.clock).await?;
    let passed = outbox.pass(place, held, now).await?;
    let let_go = outbox.let_go(held, now).await?;
    if passed.too_old > 0 {
        tracing::warn!(events = passed.too_old, "events of more than 72 hours ago are told to nobody");
    }
    if passed.owed + adapters + let_go > 0 {
        inner.due.notify_one();
    }
    Ok(passed.is_full() || let_go > 0)
}

/// Begins what is due, a few of every lane, and never waits for one of them.
async fn deliver(inner: Arc<Inner>) {
    let tries = TaskTracker::new();
    while !inner.stop.is_cancelled() {
        if !inner.store.holds(OFFICE).await.unwrap_or_default() {
            inner.pause(STORE_AWAY).await;
            continue;
        }
        match inner.store.due_deliveries(inner.clock.now().millis(), PER_LANE).await {
            Ok(rows) => {
                for row in rows {
                    let Some(claim) = Claim::take(&inner, row.key) else { continue };
                    tries.spawn(one_try(claim));
                }
                tokio::select! {
                    biased;
                    () = inner.stop.cancelled() => {}
                    () = inner.due.notified() => {}
                    () = sleep(TICK) => {}
                }
            }
            Err(error) => {
                tracing::debug!(%error, "what is owed cannot be read now");
                inner.pause(STORE_AWAY).await;
            }
        }
    }
    tries.close();
    tries.wait().await;
}

/// Tries one delivery, and notes what came of it before anybody else may touch it.
async fn one_try(claim: Claim) {
    let inner = &claim.inner;
    // It may have been settled between the look and the claim.
    let row = match inner.store.delivery(claim.key).await {
        Ok(Some(row)) if row.due_at.is_some_and(|at| at <= inner.clock.now().millis()) => row,
        Ok(_) => return,
        Err(_) => return inner.pause(STORE_AWAY).await,
    };
    let Some(mut owed) = Owed::read(&row) else {
        tracing::error!(delivery = %claim.key, "a delivery that cannot be read is settled as refused");
        let refused = store::DeliveryRow { result: "refused".to_owned(), due_at: None, ..row };
        return keep(inner, refused).await;
    };
    let outcome = match letter(&inner.setup, &owed, inner.clock.now()) {
        Ok(letter) => inner.post.post(letter).await,
        Err(why) => Outcome::NotSent(why),
    };
    let now = inner.clock.now();
    let tries = owed.count(&outcome);
    let fate = fate(&outcome, tries, now, fastrand::f64());
    crate::metrics::tried(counted(fate));
    owed.tried(outcome, fate, now);
    if owed.due_at.is_none() && owed.body.status.is_none_or(|status| !(200..300).contains(&status)) {
        tracing::warn!(
            closure = %orchestrator::closure_id(owed.closure), event = owed.body.event_type, host = owed.host(),
            result = owed.result, status = owed.body.status, why = owed.body.why,
            "a callback is not delivered; it can be tried again by POST /v1/deliveries/{{id}}/redeliver"
        );
    }
    keep(inner, owed.row()).await;
}

/// Writes how a delivery stands. Until it is written it is not tried again, however long the store is away: the receiver would
/// get it over and over.
async fn keep(inner: &Inner, row: store::DeliveryRow) {
    while let Err(error) = inner.store.put_delivery(row.clone()).await {
        tracing::debug!(%error, "what came of a callback cannot be written now");
        if inner.stop.is_cancelled() {
            return;
        }
        inner.pause(STORE_AWAY).await;
    }
}

/// What is posted; or why nothing may be. The rules are those of now, not those of the moment at which it was noted.
fn letter(setup: &Setup, owed: &Owed, now: Time) -> Result<Letter, String> {
    let (url, format, signature) = match &owed.body.receiver {
        Some(name) => {
            let Some(receiver) = setup.receiver(name) else {
                return Err(format!("there is no [[callback]] {name:?} any more"));
            };
            (receiver.url.as_str(), receiver.format, receiver.signature.as_ref())
        }
        None => {
            let Some(signature) = &setup.signature else {
                return Err("callbacks.secret is not set".to_owned());
            };
            (owed.body.url.as_deref().unwrap_or_default(), Format::CloudEvents, Some(signature))
        }
    };
    let url: Url = setup.allowed.check(url).map_err(|why| why.to_string())?;
    let signed = signature.map(|signature| {
        signature.sign(
            Some(&owed.body.event_id),
            now.millis().div_euclid(1_000),
            owed.body.payload.as_bytes(),
        )
    });
    Ok(Letter {
        url,
        content_type: match format {
            Format::CloudEvents => "application/cloudevents+json; charset=utf-8",
            Format::Chat => "application/json; charset=utf-8",
        },
        signature: signed
            .transpose()
            .map_err(|why| format!("it cannot be signed: {why}"))?
            .unwrap_or_default(),
        body: owed.body.payload.clone(),
    })
}
