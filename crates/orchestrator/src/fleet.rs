//! Working beside other processes on one store.
//!
//! Each closure is worked on by the process that committed it last. When that one is gone, whoever comes first takes over what
//! it has left. There is no leader and no lock that could be lost: two that work on one closure are told apart by its version.

use std::{sync::Arc, time::Duration};

use closure_machine::{Reply, Turn};
use tracing::{debug, info};

use crate::{
    advance::Orchestrator,
    record::Record,
    remote::{CallFacts, Outcome, Permit},
};

/// How often is looked for closures whose process is gone, and for what operators have set elsewhere.
const LOOK: Duration = Duration::from_millis(500);

/// How many are taken over at once.
const AT_ONCE: usize = 1_024;

/// The longest time between the permit of a call and its sending. A process that stood still for longer may have been taken for gone,
/// and its call for lost; it had better not make it any more. Shorter than that after which a store tells that a process is gone.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// Whether this process stood still since the permit was taken.
pub(crate) fn stood_still(permit: &Permit) -> bool {
    permit.age() > LONGEST_STEP
}

/// What comes of a call that is not made for that.
pub(crate) fn not_sent() -> Outcome {
    let message =
        Some("this process stood still before it made the call, and another may have made it".to_owned());
    Outcome { reply: Reply::NotSent, facts: CallFacts { message, ..CallFacts::default() } }
}

impl Orchestrator {
    /// Takes over what others have left, and takes up what operators have set, until the stop.
    pub(crate) async fn work_with_others(&self) {
        while !self.inner.stopping.is_cancelled() {
            if let Err(unavailable) = self.read_pauses().await {
                debug!(%unavailable, "what operators have set elsewhere cannot be seen now");
            }
            while self.take_over_some().await {}
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Takes over some closures; whether there may be more.
    async fn take_over_some(&self) -> bool {
        if self.inner.stopping.is_cancelled() {
            return false;
        }
        let Ok(rows) = self.inner.store.take_over(AT_ONCE).await else { return false };
        let mut lost = Vec::new();
        for row in &rows {
            let _guard = self.inner.registry.lock(row.key).await;
            match Record::from_row(row) {
                Ok(mut record) => {
                    self.inner.registry.share_names(&mut record);
                    // Its process being gone, the answer is lost.
                    if matches!(record.closure.turn, Turn::InFlight { .. }) {
                        lost.push(record.key);
                    }
                    self.inner.registry.put(Arc::new(record));
                }
                Err(why) => {
                    // What cannot be set aside now stays this process's, and is looked at again when it is due.
                    let _ = self.set_aside(row.key, why).await;
                }
            }
        }
        if !rows.is_empty() {
            info!(closures = rows.len(), in_flight = lost.len(), "took over what another process had left");
        }
        self.take_calls_for_lost(lost);
        rows.len() == AT_ONCE
    }
}
