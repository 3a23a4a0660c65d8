//! The one task that tells.

use std::{fmt, mem, sync::Arc, time::Duration};

use genesys_types::Time;
use orchestrator::Clock;
use store::{Store, StoreUnavailable};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    fate::{Fate, Outcome, fate},
    metrics,
    post::Collector,
    reader::{self, Batch, READER},
    setup::Setup,
};

/// Of several processes on one store one tells.
const OFFICE: &str = "traces";

/// How often the journal is looked at. What ends within it shares a request.
const TICK: Duration = Duration::from_secs(1);

/// How long a store that is away is left alone.
const STORE_AWAY: Duration = Duration::from_secs(2);

/// How long it may not be written what was told: after a crash that much is told again.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// How long the end of the program may be held up to tell what ended last. What is not told by then is told at the next start.
const FLUSH: Duration = Duration::from_secs(3);

/// Tells traces in the background. Cheap to clone.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    setup: Setup,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Traces {
    /// Begins to tell; without an endpoint nothing is read or sent.
    ///
    /// # Errors
    ///
    /// When the machine has no certificates to trust, or no client can be made.
    pub fn start(setup: Setup, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        metrics::describe();
        let collector = match setup.endpoint.clone() {
            Some(endpoint) => Some(Collector::new(endpoint, &setup)?),
            None => None,
        };
        let inner = Inner { setup, store, clock, tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let traces = Self(Arc::new(inner));
        if let Some(collector) = collector {
            ["sent", "late", "refused"].into_iter().for_each(|result| metrics::told(result, 0));
            let teller = Teller { inner: Arc::clone(&traces.0), collector, weather: Weather::default() };
            traces.0.tasks.spawn(teller.tell());
        }
        traces.0.tasks.close();
        Ok(traces)
    }

    /// Stops, after the last closure has moved: what is over is told, for 3 seconds at most, and for `grace` at most.
    pub async fn stop(&self, grace: Duration) {
        self.0.stop.cancel();
        if tokio::time::timeout(FLUSH.min(grace), self.0.tasks.wait()).await.is_err() {
            tracing::debug!("what is not told to the collector of traces is told at the next start");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("setup", &self.0.setup).finish_non_exhaustive()
    }
}

/// Up to where the journal is told.
struct Place {
    position: u64,
    written: u64,
    written_at: Time,
    /// Whether it reads what was there before it was turned on, and nobody misses.
    is_new: bool,
}

impl Place {
    async fn read(inner: &Inner) -> Result<Self, StoreUnavailable> {
        let position = inner.store.cursor(READER).await?;
        Ok(Self { position, written: position, written_at: inner.clock.now(), is_new: position == 0 })
    }

    async fn write(&mut self, inner: &Inner) -> Result<(), StoreUnavailable> {
        if self.position > self.written {
            inner.store.move_cursor(READER, self.position).await?;
        }
        (self.written, self.written_at) = (self.position, inner.clock.now());
        Ok(())
    }
}

/// What was said of the collector in the log: once when it begins to fail, and once when it is well again.
#[derive(Debug, Default)]
struct Weather {
    is_bad: bool,
    dropped: usize,
}

/// What became of a batch.
enum Told {
    /// It is settled: sent, or dropped.
    Settled,
    /// It stays in the journal for the next start.
    Left,
}

struct Teller {
    inner: Arc<Inner>,
    collector: Collector,
    weather: Weather,
}

impl Teller {
    async fn tell(mut self) {
        let inner = Arc::clone(&self.inner);
        let mut place: Option<Place> = None;
        while !inner.stop.is_cancelled() {
            match inner.store.holds(OFFICE).await {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    // Another process tells; what is known here grows old.
                    place = None;
                    self.pause(STORE_AWAY).await;
                    continue;
                }
            }
            match self.one_page(&mut place).await {
                Ok(true) => {}
                Ok(false) => self.pause(TICK).await,
                Err(error) => {
                    tracing::debug!(%error, "the journal cannot be read now");
                    place = None;
                    self.pause(STORE_AWAY).await;
                }
            }
        }
        // A process that told nothing so far leaves it to the one that does.
        if place.is_some()
            && let Err(error) = self.flush(&mut place).await
        {
            tracing::debug!(%error, "what was told last is told again at the next start");
        }
    }

    /// Tells what ended while the program was stopping. The caller bounds the time.
    async fn flush(&mut self, place: &mut Option<Place>) -> Result<(), StoreUnavailable> {
        while self.one_page(place).await? {}
        if let Some(place) = place {
            place.write(&self.inner).await?;
        }
        Ok(())
    }

    /// Tells one page. Answers whether there may be more at once.
    async fn one_page(&mut self, place: &mut Option<Place>) -> Result<bool, StoreUnavailable> {
        let inner = Arc::clone(&self.inner);
        if place.is_none() {
            *place = Some(Place::read(&inner).await?);
        }
        let Some(place) = place else { return Ok(false) };
        let page = reader::page(&*inner.store, &inner.setup, place.position, inner.clock.now()).await?;
        if page.late > 0 && !place.is_new {
            self.dropped("late", page.late);
        }
        place.is_new &= page.is_full;
        for batch in page.batches {
            let position = batch.position;
            match self.send(batch).await {
                Told::Settled => place.position = position,
                Told::Left => return Ok(false),
            }
            self.write_now_and_then(place).await?;
        }
        metrics::behind(Duration::ZERO);
        place.position = page.position.unwrap_or(place.position);
        self.write_now_and_then(place).await?;
        Ok(page.is_full)
    }

    async fn write_now_and_then(&self, place: &mut Place) -> Result<(), StoreUnavailable> {
        let since = self.inner.clock.now().since(place.written_at).duration();
        if since >= WRITTEN_EVERY { place.write(&self.inner).await } else { Ok(()) }
    }

    /// Sends a batch, until it is there, can never be, or comes too late.
    async fn send(&mut self, batch: Batch) -> Told {
        let Batch { spans, parts, oldest, .. } = batch;
        let request = reader::request(&self.inner.setup, spans);
        let mut tries = 0;
        loop {
            let outcome = self.collector.post(&request).await;
            tries += 1;
            match fate(&outcome, tries, fastrand::f64()) {
                Fate::Sent => {
                    self.sent(parts, &outcome);
                    return Told::Settled;
                }
                Fate::Refused => {
                    self.trouble(&outcome);
                    self.dropped("refused", parts);
                    return Told::Settled;
                }
                Fate::Again(after) => {
                    self.trouble(&outcome);
                    let age = oldest.map_or(Duration::ZERO, |at| self.inner.clock.now().since(at).duration());
                    metrics::behind(age);
                    if self.inner.stop.is_cancelled() {
                        return Told::Left;
                    }
                    if age > self.inner.setup.keep {
                        self.dropped("late", parts);
                        return Told::Settled;
                    }
                    self.pause(after).await;
                }
            }
        }
    }

    fn sent(&mut self, parts: usize, outcome: &Outcome) {
        metrics::told("sent", parts);
        if let Outcome::Answered { rejected: rejected @ 1.., why, .. } = outcome {
            tracing::warn!(spans = rejected, why, "the collector of traces took a batch only in part");
        }
        let Weather { is_bad, dropped } = mem::take(&mut self.weather);
        if is_bad {
            tracing::info!(dropped, "the collector takes traces again");
        }
    }

    fn trouble(&mut self, outcome: &Outcome) {
        if mem::replace(&mut self.weather.is_bad, true) {
            return;
        }
        let (status, why) = match outcome {
            Outcome::Answered { status, .. } => (Some(*status), "it answered with this status"),
            Outcome::NoAnswer(why) => (None, *why),
        };
        tracing::warn!(
            status,
            why,
            "the collector does not take traces; no closure waits for it, and what is missing for too long is dropped"
        );
    }

    fn dropped(&mut self, result: &'static str, parts: usize) {
        metrics::told(result, parts);
        if self.weather.dropped == 0 {
            tracing::warn!(result, "traces are dropped; closeout_traces_total counts them");
        }
        self.weather.dropped += parts;
    }

    async fn pause(&self, span: Duration) {
        tokio::select! {
            () = sleep(span) => {}
            () = self.inner.stop.cancelled() => {}
        }
    }
}
