//! Scans at intervals. When the last one was is read from the batches that it left, so a restart neither repeats nor forgets one.

use std::time::Duration;

use genesys_types::Organisation;
use store::{BatchFilter, StoreUnavailable};

use crate::{
    criteria::Criteria,
    plan::BatchState,
    service::{Batch, Batches},
    stored::Scan,
};

/// How often is looked whether a scan is due.
const LOOK: Duration = Duration::from_secs(10);

/// The longest that a preview which nobody asked for can be executed: a week.
const LONGEST: i64 = 7 * 24 * 3_600_000;

/// How many batches are read at once, and how many pages of them at most, to find the last scan of a schedule.
const BATCHES_AT_ONCE: usize = 500;
const MOST_PAGES: usize = 20;

/// A scan that is made at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name: who made the batch, in lists.
    pub name: String,
    /// Whose conversations.
    pub organisation: Organisation,
    /// The time from one scan to the next, in milliseconds.
    pub every: i64,
    /// What is looked for.
    pub criteria: Criteria,
    /// Whether what is found is closed without anybody's look. Else it is a preview that lasts until the next scan, a week at most.
    pub closes: bool,
}

/// Scans when it is time, until the stop.
pub(crate) async fn run(batches: Batches, schedule: Schedule) {
    while !batches.0.stop.is_cancelled() {
        if let Err(unavailable) = look(&batches, &schedule).await {
            tracing::debug!(%unavailable, schedule = schedule.name, "whether a scan is due cannot be seen now");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = batches.0.stop.cancelled() => {}
        }
    }
}

async fn look(batches: &Batches, schedule: &Schedule) -> Result<(), StoreUnavailable> {
    if !batches.0.store.holds(crate::run::OFFICE).await? {
        return Ok(());
    }
    let last = last(batches, schedule).await?;
    if !is_due(
        last.as_ref().map(|batch| (batch.state, batch.plan.created_at)),
        schedule.every,
        batches.0.now(),
    ) {
        return Ok(());
    }
    let scan = Scan {
        criteria: schedule.criteria.clone(),
        schedule: Some(schedule.name.clone()),
        lasts: schedule.every.min(LONGEST),
        closes: schedule.closes,
        listed: None,
        more: false,
        problem: None,
    };
    let batch = batches.begin_scan(&schedule.organisation, &schedule.name, scan).await?;
    let id = orchestrator::batch_id(batch.key);
    tracing::info!(batch = id, schedule = schedule.name, "a scan for stuck sessions begins");
    Ok(())
}

/// The last batch of a schedule.
async fn last(batches: &Batches, schedule: &Schedule) -> Result<Option<Batch>, StoreUnavailable> {
    let organisations = vec![schedule.organisation.as_str().to_owned()];
    let filter = BatchFilter { organisations, ..BatchFilter::default() };
    let mut before = None;
    for _ in 0..MOST_PAGES {
        let rows = batches.0.store.batches(&filter, before, BATCHES_AT_ONCE).await?;
        let of_this = |batch: &Batch| {
            batch.plan.scan.as_ref().and_then(|scan| scan.schedule.as_deref()) == Some(&schedule.name)
        };
        if let Some(found) = rows.iter().filter_map(Batch::read).find(of_this) {
            return Ok(Some(found));
        }
        let Some(last) = rows.last() else { break };
        before = Some(last.key);
    }
    Ok(None)
}

/// Whether the next scan is due: its time has come, and nothing of the last is under way.
fn is_due(last: Option<(BatchState, i64)>, every: i64, now: i64) -> bool {
    let Some((state, at)) = last else { return true };
    let over = match state {
        BatchState::Scanning | BatchState::Running | BatchState::Paused => false,
        BatchState::Preview | BatchState::Cancelled | BatchState::Finished | BatchState::Failed => true,
    };
    over && now.saturating_sub(at) >= every
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_due_at_first_and_then_at_its_interval() {
        assert!(is_due(None, 100, 0));
        for state in BatchState::ALL {
            let over = !matches!(state, BatchState::Scanning | BatchState::Running | BatchState::Paused);
            assert!(!is_due(Some((*state, 1_000)), 100, 1_099), "{state:?}");
            assert_eq!(is_due(Some((*state, 1_000)), 100, 1_100), over, "{state:?}");
        }
    }
}
