//! The loop that submits rows and follows their closures.

use std::{collections::HashMap, sync::Arc, time::Duration};

use orchestrator::{ProducerKey, QueryError, Submission};
use store::{BatchFilter, BatchItem, StoreUnavailable};
use uuid::Uuid;

use crate::{
    acts,
    herald::News,
    plan::{self, BatchState, Fate, RowState, Skip},
    scan,
    service::{Batch, Inner},
    standing::scope_and_key,
    stored::Kept,
};

/// How often active batches are looked at.
const TICK: Duration = Duration::from_millis(200);

/// The pause after the store could not be reached.
pub(crate) const STORE_AWAY: Duration = Duration::from_secs(1);

/// How many rows of one batch are submitted in a tick: 50 a second. The organisation's quota bounds its calls beside that.
const ROWS_A_TICK: usize = 10;

/// How many closures of one batch are looked at in a tick.
const FOLLOWED_A_TICK: usize = 500;

/// How many active batches are read at once.
const AT_ONCE: usize = 100;

/// The office of whoever runs batches and scans, where several processes work on one store.
pub(crate) const OFFICE: &str = "batches";

/// The source of a batch's commands, in metrics and listings.
pub const SOURCE: &str = "batch";

/// Runs active batches until the stop.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut looked_up_to = HashMap::new();
    while !inner.stop.is_cancelled() {
        let pause = match tick_in_office(&inner, &mut looked_up_to).await {
            Ok(()) => TICK,
            Err(error) => {
                tracing::debug!(%error, "batches cannot go on now");
                STORE_AWAY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.wake.notified() => {}
            () = inner.stop.cancelled() => {}
        }
    }
}

/// Does the work of a tick, where no other process does.
async fn tick_in_office(
    inner: &Arc<Inner>,
    looked_up_to: &mut HashMap<Uuid, u32>,
) -> Result<(), StoreUnavailable> {
    if inner.store.holds(OFFICE).await? { tick(inner, looked_up_to).await } else { Ok(()) }
}

async fn tick(inner: &Arc<Inner>, looked_up_to: &mut HashMap<Uuid, u32>) -> Result<(), StoreUnavailable> {
    let active = BatchFilter { active: true, ..BatchFilter::default() };
    let mut before = None;
    loop {
        let page = inner.store.batches(&active, before, AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.key);
        for row in page {
            one(inner, row.key, looked_up_to).await?;
        }
    }
}

/// Does the work of a tick for one batch.
async fn one(
    inner: &Arc<Inner>,
    key: Uuid,
    looked_up_to: &mut HashMap<Uuid, u32>,
) -> Result<(), StoreUnavailable> {
    // Acts come between two batches, so what is read under the lock is what holds.
    let _writing = inner.writing.lock().await;
    let Some(mut batch) = inner.store.batch(key).await?.as_ref().and_then(Batch::read) else {
        return Ok(());
    };
    match batch.state {
        BatchState::Scanning => {
            begin_to_scan(inner, &batch);
            return Ok(());
        }
        BatchState::Running => submit_some(inner, &batch).await?,
        BatchState::Cancelled => call_off_some(inner, &batch).await?,
        BatchState::Paused | BatchState::Preview | BatchState::Finished | BatchState::Failed => {}
    }
    follow_some(inner, &batch, looked_up_to.entry(batch.key).or_default()).await?;
    let progress = inner.progress(batch.key).await?;
    if progress.queued == 0 && progress.submitted == 0 {
        let from = batch.state;
        if from != BatchState::Cancelled {
            batch.state = BatchState::Finished;
        }
        batch.updated_at = inner.now();
        inner.herald.tell(News::Finished, &batch, progress).await?;
        inner.store.change_batch(from.name(), batch.row(false), Vec::new()).await?;
        looked_up_to.remove(&batch.key);
        let id = orchestrator::batch_id(batch.key);
        tracing::info!(batch = id, state = batch.state.name(), ?progress, "a batch is done");
    }
    Ok(())
}

/// Begins to scan for a batch where nobody is at it. The list is asked, and conversations read, beside this loop.
fn begin_to_scan(inner: &Arc<Inner>, batch: &Batch) {
    if !inner.stop.is_cancelled() && inner.scanning().insert(batch.key) {
        inner.tasks.spawn(scan::scan(Arc::clone(inner), batch.key));
    }
}

/// Submits the next rows. What became of each is noted together; a crash before that finds each by its key.
async fn submit_some(inner: &Inner, batch: &Batch) -> Result<(), StoreUnavailable> {
    let queued = Some(RowState::Queued.name());
    let mut changed = Vec::new();
    for row in inner.store.batch_items(batch.key, queued, None, ROWS_A_TICK).await? {
        if inner.stop.is_cancelled() {
            break;
        }
        let kept = Kept::of(&row);
        let fate = match acts::act_of(batch) {
            Some(act) => inner.perform(batch, act, &kept).await,
            None => submit(inner, batch, row.number, &kept).await?,
        };
        let Some(fate) = fate else { break };
        let (state, kept) = kept.with(fate);
        changed.push(kept.item(row.number, state));
    }
    note(inner, batch, changed).await
}

/// Notes what became of rows, unless somebody has changed the batch meanwhile: what is not noted now is found by its keys.
async fn note(inner: &Inner, batch: &Batch, changed: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
    if !changed.is_empty() {
        inner.store.change_batch(batch.state.name(), batch.row(true), changed).await?;
    }
    Ok(())
}

/// Looks once more, and submits a row; nothing where it is to be tried again later.
async fn submit(
    inner: &Inner,
    batch: &Batch,
    number: u32,
    kept: &Kept,
) -> Result<Option<Fate>, StoreUnavailable> {
    let malformed = Some(Fate::skipped(Skip::Malformed, None));
    let Ok(organisation) = batch.organisation.parse() else { return Ok(malformed) };
    let Ok(mut asked) = inner.reader.read(&organisation, &kept.row) else { return Ok(malformed) };
    let by = &batch.plan.by;
    if let Some(fate) =
        plan::before_acting(inner.standing(&organisation, by, batch.key, number, &asked).await?)
    {
        return Ok(Some(fate));
    }
    let (scope, key) = scope_and_key(by, batch.key, number, &asked);
    asked.said.reason.clone_from(&batch.plan.reason);
    let submission = Submission {
        organisation,
        command: asked.command,
        said: asked.said,
        source: Arc::from(SOURCE),
        key: Some(ProducerKey { scope, key, digest: asked.digest }),
        follows: None,
    };
    Ok(plan::after_submission(&inner.orchestrator.submit(submission).await))
}

/// Settles the next rows of a batch that was called off.
async fn call_off_some(inner: &Inner, batch: &Batch) -> Result<(), StoreUnavailable> {
    let queued = Some(RowState::Queued.name());
    let mut changed = Vec::new();
    for row in inner.store.batch_items(batch.key, queued, None, FOLLOWED_A_TICK).await? {
        // A row that was submitted before a crash, and not noted, is found by its key.
        let kept = Kept::of(&row);
        let fate = match acts::act_of(batch) {
            Some(_) => None,
            None => submitted_before(inner, batch, row.number, &kept).await?,
        };
        let (state, kept) = kept.with(fate.unwrap_or_else(|| Fate::skipped(Skip::Cancelled, None)));
        changed.push(kept.item(row.number, state));
    }
    note(inner, batch, changed).await
}

async fn submitted_before(
    inner: &Inner,
    batch: &Batch,
    number: u32,
    kept: &Kept,
) -> Result<Option<Fate>, StoreUnavailable> {
    let Ok(organisation) = batch.organisation.parse() else { return Ok(None) };
    let Ok(asked) = inner.reader.read(&organisation, &kept.row) else { return Ok(None) };
    let standing = inner.standing(&organisation, &batch.plan.by, batch.key, number, &asked).await?;
    Ok(plan::before_acting(standing).filter(|fate| fate.state == RowState::Submitted))
}

/// Looks at the next closures of a batch, in turns: those under way, and those that are held without proof.
async fn follow_some(inner: &Inner, batch: &Batch, after: &mut u32) -> Result<(), StoreUnavailable> {
    let mut changed = Vec::new();
    for state in [RowState::Submitted, RowState::Ghost] {
        let page =
            inner.store.batch_items(batch.key, Some(state.name()), Some(*after), FOLLOWED_A_TICK).await?;
        if state == RowState::Submitted {
            *after = if page.len() < FOLLOWED_A_TICK { 0 } else { page.last().map_or(0, |row| row.number) };
        }
        for row in page {
            let kept = Kept::of(&row);
            let fate = follow(inner, batch, &kept).await?;
            if fate.state != state {
                let (state, kept) = kept.with(fate);
                changed.push(kept.item(row.number, state));
            }
        }
    }
    note(inner, batch, changed).await
}

async fn follow(inner: &Inner, batch: &Batch, kept: &Kept) -> Result<Fate, StoreUnavailable> {
    let found = match kept.closure {
        Some(closure) => inner.orchestrator.closure(closure).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(record)) => Ok(acts::followed(&record, acts::act_of(batch))),
        Ok(None) | Err(QueryError::Unreadable(_)) => {
            let reason = Some("unreadable_record".to_owned());
            Ok(Fate { state: RowState::Failed, closure: kept.closure, reason, detail: None })
        }
        Err(QueryError::Unavailable(unavailable)) => Err(unavailable),
    }
}
