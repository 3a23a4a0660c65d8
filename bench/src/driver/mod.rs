//! Requests closures, keeps a fixed number of them unfinished, and measures each from its `POST` to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;
use uuid::Uuid;

mod latency;
mod submit;
mod verdict;

pub use latency::Latency;
pub use verdict::{StoreVerdict, closures_in_store};

use crate::stub::Ledger;
use submit::{Producer, Submitted};

/// The long poll that [`Completion::LongPoll`] asks for.
const LONG_POLL: &str = "30s";

/// When a closure counts as finished and makes room for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// When the stub has received the close of the wrapper.
    WrapperClosed,
    /// When `POST /v1/closures?wait=30s` has answered that the closure ended.
    LongPoll,
    /// As soon as it is accepted.
    Accepted,
}

/// One run of the driver.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Makes the conversations of this run different from those of other runs.
    pub seed: u64,
    /// How many closures to request.
    pub count: u64,
    /// How many may be unfinished at once.
    pub unfinished: usize,
    /// When a closure is finished.
    pub completion: Completion,
    /// How long to wait for one closure before it is left behind.
    pub patience: Duration,
    /// How long the run may take; then no more closures are requested.
    pub limit: Duration,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadOutcome {
    /// Closures requested.
    pub requested: u64,
    /// Closures that were accepted.
    pub accepted: u64,
    /// Closures that finished within the driver's patience.
    pub finished: u64,
    /// Requests sent again, with the same key, because there was no answer or a 429 or 503.
    pub repeated_requests: u64,
    /// Closures that were refused, or never accepted.
    pub errors: u64,
    /// What the first error said.
    pub first_error: Option<String>,
    /// From the first request to the last finish.
    pub seconds: f64,
    /// Closures finished per second.
    pub per_second: f64,
    /// From the `POST` of a closure to its finish.
    pub latency: Latency,
}

/// A run that is under way.
pub struct Load {
    shared: Arc<Shared>,
    slots: JoinSet<SlotOutcome>,
}

struct Shared {
    plan: LoadPlan,
    producer: Producer,
    ledger: Arc<Ledger>,
    begun: Instant,
    next: AtomicU64,
    go_on: AtomicBool,
}

#[derive(Default)]
struct SlotOutcome {
    accepted: u64,
    repeated_requests: u64,
    errors: u64,
    first_error: Option<String>,
    latencies_us: Vec<u32>,
    last_finish: Option<Instant>,
}

impl LoadPlan {
    /// The conversation of the closure with this number: the same for the same seed, and spread like a random UUID,
    /// so that the store's indexes meet the order that real ids have.
    pub fn conversation(&self, number: u64) -> Uuid {
        let high = mix(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let low = mix(high ^ number);
        uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that spreads neighbours.
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

impl Load {
    /// Begins a run against the program at `address`, whose remote side keeps `ledger`.
    pub fn begin(address: SocketAddr, token: &str, ledger: Arc<Ledger>, plan: LoadPlan) -> Self {
        let wait = match plan.completion {
            Completion::LongPoll => Some(LONG_POLL),
            Completion::WrapperClosed | Completion::Accepted => None,
        };
        let shared = Arc::new(Shared {
            producer: Producer::new(address, token, wait),
            ledger,
            begun: Instant::now(),
            next: AtomicU64::new(0),
            go_on: AtomicBool::new(false),
            plan,
        });
        let slots = (0..shared.plan.unfinished).map(|_| Arc::clone(&shared).fill_slot()).collect();
        Self { shared, slots }
    }

    /// Lets the run go past its count, until [`Load::end`] is called.
    pub fn go_on_until_ended(&self) {
        self.shared.go_on.store(true, Ordering::Relaxed);
    }

    /// Lets the run end when its count is reached, or at once when it is past it.
    pub fn end(&self) {
        self.shared.go_on.store(false, Ordering::Relaxed);
    }

    /// Waits for the end of the run.
    pub async fn outcome(mut self) -> anyhow::Result<LoadOutcome> {
        let mut whole = SlotOutcome::default();
        while let Some(slot) = self.slots.join_next().await {
            whole.add(slot.context("a slot of the driver failed")?);
        }
        let requested = self.shared.next.load(Ordering::Relaxed);
        let seconds = whole.last_finish.map_or(0.0, |at| (at - self.shared.begun).as_secs_f64());
        let finished = whole.latencies_us.len() as u64;
        Ok(LoadOutcome {
            requested,
            accepted: whole.accepted,
            finished,
            repeated_requests: whole.repeated_requests,
            errors: whole.errors,
            first_error: whole.first_error,
            seconds,
            per_second: if seconds > 0.0 { finished as f64 / seconds } else { 0.0 },
            latency: Latency::of(whole.latencies_us),
        })
    }
}

impl SlotOutcome {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.repeated_requests += other.repeated_requests;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.latencies_us.extend(other.latencies_us);
        self.last_finish = self.last_finish.max(other.last_finish);
    }

    fn finish(&mut self, since: Instant, at: Instant) {
        let taken = at.saturating_duration_since(since).as_micros();
        self.latencies_us.push(u32::try_from(taken).unwrap_or(u32::MAX));
        self.last_finish = self.last_finish.max(Some(at));
    }

    fn fail(&mut self, text: String) {
        self.errors += 1;
        self.first_error.get_or_insert(text);
    }
}

impl Shared {
    /// Requests one closure after the other.
    async fn fill_slot(self: Arc<Self>) -> SlotOutcome {
        let mut outcome = SlotOutcome::default();
        while let Some(number) = self.claim() {
            self.close(self.plan.conversation(number), &mut outcome).await;
        }
        outcome
    }

    /// Takes the number of the next closure, unless the run is over.
    fn claim(&self) -> Option<u64> {
        if self.begun.elapsed() >= self.plan.limit {
            return None;
        }
        let wanted = |next: u64| {
            let more = next < self.plan.count || self.go_on.load(Ordering::Relaxed);
            more.then_some(next + 1)
        };
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wanted).ok()
    }

    async fn close(&self, conversation: Uuid, outcome: &mut SlotOutcome) {
        let watch =
            (self.plan.completion == Completion::WrapperClosed).then(|| self.ledger.watch(conversation));
        let since = Instant::now();
        let submitted = self.producer.submit(conversation, &mut outcome.repeated_requests).await;
        let answered = Instant::now();
        match (submitted, watch) {
            (Submitted::Refused(text), _) => {
                self.ledger.unwatch(conversation);
                outcome.fail(text);
            }
            (Submitted::Accepted | Submitted::Ended, Some(watch)) => {
                outcome.accepted += 1;
                match tokio::time::timeout(self.plan.patience, watch).await {
                    Ok(Ok(at)) => outcome.finish(since, at),
                    // Left behind; whether it ends is judged at the end of the run.
                    Ok(Err(_)) | Err(_) => self.ledger.unwatch(conversation),
                }
            }
            (Submitted::Accepted, None) => {
                outcome.accepted += 1;
                if self.plan.completion == Completion::Accepted {
                    outcome.finish(since, answered);
                }
            }
            (Submitted::Ended, None) => {
                outcome.accepted += 1;
                outcome.finish(since, answered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(seed: u64) -> LoadPlan {
        LoadPlan {
            seed,
            count: 0,
            unfinished: 1,
            completion: Completion::Accepted,
            patience: Duration::ZERO,
            limit: Duration::ZERO,
        }
    }

    #[test]
    fn two_runs_never_share_a_conversation() {
        let ids: HashSet<Uuid> =
            (1..=4).flat_map(|seed| (0..5_000).map(move |number| plan(seed).conversation(number))).collect();
        assert_eq!(ids.len(), 20_000);
    }

    #[test]
    fn a_seed_names_the_same_conversations_again() {
        assert_eq!(plan(3).conversation(9), plan(3).conversation(9));
        assert_eq!(plan(3).conversation(9).get_version_num(), 4);
    }
}
