//! Leasing requests of the quota that several processes share (`store::Budget`).

use std::{sync::Arc, time::Duration};

use genesys_client::{LeaseAsk, LeaseHeard, Leased, Quota};
use store::{Ask, Heard, Lease, Store};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::advance::Orchestrator;

/// How often the budget is asked though nobody wants anything: what was leased in vain goes back, and pauses become known.
const IDLE: Duration = Duration::from_secs(1);

/// The shortest time between two questions. Answers that come together are told together.
const SHORTEST: Duration = Duration::from_millis(5);

/// The longest time after which it is asked again, whatever was said.
const LONGEST: Duration = Duration::from_secs(1);

impl Orchestrator {
    /// Lets the quota of every organisation be one of all processes, where it has one.
    pub(crate) fn share_quotas(&self) {
        for (name, org) in &self.inner.organisations {
            let Some(quota) = org.setup.remote.quota() else { continue };
            let (quota, budget) = (quota.clone(), format!("quota:{name}"));
            let (store, stop) = (Arc::clone(&self.inner.store), self.inner.stopping.clone());
            self.inner.tasks.spawn(async move { lease_from(store, budget, quota, stop).await });
        }
    }
}

/// Leases for a quota from the budget of this name, until the stop. While the store is away nothing is leased, and nothing sent.
pub async fn lease_from(store: Arc<dyn Store>, budget: String, quota: Quota, stop: CancellationToken) {
    quota.share();
    while !stop.is_cancelled() {
        let pause = match quota.lease_ask() {
            None => IDLE,
            Some(ask) => match store.lease(&budget, asked(ask)).await {
                Ok(lease) => {
                    quota.leased(given(lease));
                    match (ask.wants, lease.requests) {
                        // Nobody is helped by asking before that.
                        (1.., 0) => millis(lease.retry).clamp(SHORTEST, LONGEST),
                        (_, _) => Duration::ZERO,
                    }
                }
                Err(unavailable) => {
                    debug!(%unavailable, budget, "nothing can be leased now");
                    quota.not_leased(&ask);
                    LONGEST
                }
            },
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause.max(SHORTEST)) => {}
        }
        if pause.is_zero() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = quota.hungry() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }
}

fn asked(ask: LeaseAsk) -> Ask {
    let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    let heard = |heard: LeaseHeard| Heard {
        ends_in: heard.ends_in.map(|(earliest, latest)| (signed(earliest), signed(latest))),
        count: heard.count,
    };
    Ask {
        wants: ask.wants,
        limit: ask.limit,
        length: signed(ask.length),
        back: ask.back,
        heard: ask.heard.map(heard),
        pause: ask.pause.map(signed),
    }
}

fn given(lease: Lease) -> Leased {
    let unsigned = |millis: i64| u64::try_from(millis).unwrap_or_default();
    Leased {
        window: lease.window,
        requests: lease.requests,
        lasts: unsigned(lease.lasts),
        paused: unsigned(lease.paused),
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
