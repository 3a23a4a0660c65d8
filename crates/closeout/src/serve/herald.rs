//! What receivers of callbacks are told of batches.

use async_trait::async_trait;
use batches::{Batch, News, Progress};
use callbacks::Callbacks;
use orchestrator::batch_id;
use serde_json::json;
use store::StoreUnavailable;

/// Tells the tables that want to know.
pub(super) struct Herald(pub(super) Callbacks);

#[async_trait]
impl batches::Herald for Herald {
    async fn tell(&self, news: News, batch: &Batch, progress: Progress) -> Result<(), StoreUnavailable> {
        // What has no organisation that is configured has nobody who could be told.
        let Ok(organisation) = batch.organisation.parse() else { return Ok(()) };
        let id = batch_id(batch.key);
        let Progress { total, queued, submitted, closed, ghost, failed, skipped } = progress;
        let (word, event_type) = match news {
            News::Found => ("found", "closeout.batch.found.v1"),
            News::Finished => ("finished", "closeout.batch.finished.v1"),
        };
        let look = format!("{}/v1/batches/{id}", self.0.public_url());
        let line = match news {
            News::Found => format!(
                "{queued} sessions of {organisation} are stuck, and nobody asked to close them (scan {}). \
                 Look: closeout batch show {id} --rows",
                batch.plan.by
            ),
            News::Finished => format!(
                "The batch {id} of {organisation} is {}: {closed} of {total} closed, {ghost} ghosts, {failed} failed, \
                 {skipped} left out. Look: closeout batch show {id} --rows",
                batch.state.name()
            ),
        };
        let news = callbacks::News {
            organisation,
            id: format!("ev_{id}_{word}"),
            event_type,
            subject: id.clone(),
            data: json!({
                "id": id,
                "organisation": batch.organisation,
                "state": batch.state.name(),
                "by": batch.plan.by,
                "executedBy": batch.plan.executed_by,
                "reason": batch.plan.reason,
                "progress": { "total": total, "queued": queued, "submitted": submitted, "closed": closed,
                              "ghost": ghost, "failed": failed, "skipped": skipped },
                "links": { "self": look },
            }),
            line,
        };
        self.0.tell(&news).await
    }
}
