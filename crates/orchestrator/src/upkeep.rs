//! Keeping house: what is past its retention goes.

use std::time::Duration;

use genesys_types::Span;
use tracing::{debug, warn};

use crate::advance::Orchestrator;

/// How often old rows are looked for.
const INTERVAL: Duration = Duration::from_secs(600);

/// How many rows one sweep removes at most, so that the writer is never held up for long.
const AT_ONCE: usize = 1_000;

/// The office of whoever keeps house, where several processes work on one store.
const OFFICE: &str = "upkeep";

impl Orchestrator {
    pub(crate) async fn keep_house(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            if self.inner.store.holds(OFFICE).await.unwrap_or_default() {
                self.prune().await;
            }
        }
    }

    /// How long a closure that has ended is kept with its journal, at least.
    pub fn keeps_ended_for(&self) -> Span {
        // A key answers with its closure, so no row goes before the keys of its time.
        self.inner.retention.max(self.inner.inbox_retention)
    }

    async fn prune(&self) {
        loop {
            let now = self.now();
            let rows_before = (now - self.keeps_ended_for()).millis();
            let inbox_before = (now - self.inner.inbox_retention).millis();
            match self.inner.store.prune(rows_before, inbox_before, AT_ONCE).await {
                Ok(0) => return,
                Ok(gone) => debug!(gone, "rows, events and keys past their retention are gone"),
                Err(unavailable) => {
                    warn!(%unavailable, "old rows stay for now");
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}
