//! A scan for stuck sessions that nobody asked to be closed: list, leave out with a reason, read, offer. It does nothing else.
//!
//! What was judged is stored page by page. A scan that was cut short lists again, and judges only what it has not judged.

use std::{collections::HashSet, sync::Arc};

use genesys_types::{ConversationId, Organisation, Time};
use orchestrator::{OPEN_PAGE, OpenOne, SurveyError};
use serde_json::json;
use store::{BatchItem, StoreUnavailable};
use uuid::Uuid;

use crate::{
    criteria::{Criteria, judged},
    herald::News,
    plan::{self, BatchState, Fate, RowState, Skip},
    run::OFFICE,
    service::{Batch, Inner},
    stored::Kept,
};

/// How often the list is gone through. Conversations that end while pages are asked for make others slip from a page that is still
/// to come to one that was seen, so it is gone through until it shows nothing new.
const PASSES: usize = 3;

/// The most pages of one pass: all rows that a batch can have, and as many that were judged before.
const MOST_PAGES: usize = 2 * crate::MOST_ROWS / OPEN_PAGE;

/// How many rows are read at once from the store.
const ROWS_AT_ONCE: usize = 500;

/// Why a scan did not come to its end.
enum Cut {
    /// The service stops, or an operator has called it off.
    Over,
    /// The store is away; the scan goes on later.
    Later(StoreUnavailable),
    /// It cannot be done.
    Failed(String),
}

impl From<StoreUnavailable> for Cut {
    fn from(unavailable: StoreUnavailable) -> Self {
        Self::Later(unavailable)
    }
}

/// Scans for one batch, until it can be looked at.
pub(crate) async fn scan(inner: Arc<Inner>, key: Uuid) {
    let id = orchestrator::batch_id(key);
    let done = match go(&inner, key).await {
        Ok(()) => Ok(()),
        Err(Cut::Over) => Ok(()),
        Err(Cut::Later(unavailable)) => Err(unavailable),
        Err(Cut::Failed(problem)) => {
            tracing::warn!(batch = id, problem, "a scan for stuck sessions could not be done");
            fail(&inner, key, &problem).await
        }
    };
    if let Err(unavailable) = done {
        tracing::debug!(batch = id, %unavailable, "a scan waits for the store");
        tokio::time::sleep(crate::run::STORE_AWAY).await;
    }
    inner.scanning().remove(&key);
    inner.wake.notify_one();
}

async fn go(inner: &Inner, key: Uuid) -> Result<(), Cut> {
    let Some(batch) = inner.store.batch(key).await?.as_ref().and_then(Batch::read) else { return Ok(()) };
    let Some(scan) = batch.plan.scan.clone() else { return Ok(()) };
    let Ok(organisation) = batch.organisation.parse::<Organisation>() else { return Ok(()) };
    let mut known = Known::of(inner, key).await?;
    let search = Search { inner, key, by: &batch.plan.by, organisation, criteria: &scan.criteria };
    let query = scan.criteria.query(Time::from_millis(batch.plan.created_at));
    for _ in 0..PASSES {
        let before = known.conversations.len();
        let mut seen = 0;
        let mut pages = 0;
        loop {
            pages += 1;
            let page =
                search.inner.orchestrator.open_conversations(&search.organisation, &query, pages).await;
            let page = page.map_err(|error| match error {
                SurveyError::Stopping => Cut::Over,
                SurveyError::UnknownOrganisation | SurveyError::NotShown { .. } => Cut::Failed(told(&error)),
            })?;
            seen += page.rows as u64;
            let more_are_left = search.judge(&page.shown, page.promised, &mut known).await?;
            if !more_are_left {
                return search.finish().await;
            }
            let more_is_promised = page.promised.is_some_and(|promised| seen < promised);
            if page.rows == 0 || (page.rows < OPEN_PAGE && !more_is_promised) || pages == MOST_PAGES {
                break;
            }
        }
        if pages == 1 || known.conversations.len() == before {
            break;
        }
    }
    search.finish().await
}

/// What was judged before.
struct Known {
    conversations: HashSet<Uuid>,
    next: u32,
}

impl Known {
    async fn of(inner: &Inner, key: Uuid) -> Result<Self, StoreUnavailable> {
        let (mut conversations, mut after) = (HashSet::new(), None);
        loop {
            let rows = inner.store.batch_items(key, None, after, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.number);
            conversations.extend(rows.iter().filter_map(|row| Kept::of(row).conversation));
        }
        Ok(Self { conversations, next: after.map_or(1, |last| last + 1) })
    }
}

struct Search<'a> {
    inner: &'a Inner,
    key: Uuid,
    by: &'a str,
    organisation: Organisation,
    criteria: &'a Criteria,
}

impl Search<'_> {
    /// Judges what a page shows and was not judged before, and stores that. Answers whether the limit leaves room for more.
    async fn judge(&self, shown: &[OpenOne], promised: Option<u64>, known: &mut Known) -> Result<bool, Cut> {
        let mut items = Vec::with_capacity(shown.len());
        let mut full = false;
        for one in shown {
            if known.conversations.contains(&one.conversation.uuid()) {
                continue;
            }
            full = known.next > self.criteria.limit;
            if full {
                break;
            }
            known.conversations.insert(one.conversation.uuid());
            items.push(self.row(known.next, one).await?);
            known.next += 1;
        }
        self.note(items, |batch| {
            if let Some(scan) = &mut batch.plan.scan {
                scan.listed = promised.or(scan.listed);
                scan.more = full;
            }
            BatchState::Scanning
        })
        .await?;
        Ok(!full)
    }

    /// The row of a listed conversation. What this service knows of it is asked first: it costs no request.
    async fn row(&self, number: u32, one: &OpenOne) -> Result<BatchItem, Cut> {
        let kept = Kept { conversation: Some(one.conversation.uuid()), ..Kept::default() };
        let skipped = |kept: Kept, fate: Fate, detail: Option<String>| {
            let (state, kept) = kept.with(fate);
            Ok(Kept { detail, ..kept }.item(number, state))
        };
        let left_out = self.criteria.left_out(one, self.inner.orchestrator.now());
        // What moved lately has often moved by a closure of ours, and then that is what is said.
        let may_be_ours = |why: &Skip| matches!(why, Skip::TooYoung | Skip::ActiveLately);
        if let Some(why) = left_out.filter(|why| !may_be_ours(why)) {
            return skipped(kept, Fate::skipped(why, None), None);
        }
        let standing = self.inner.standing_by_closures(&self.organisation, one.conversation.uuid()).await?;
        if let Some(fate) = plan::shown(standing) {
            return skipped(kept, fate, None);
        }
        if let Some(why) = left_out {
            return skipped(kept, Fate::skipped(why, None), None);
        }
        let read = self.inner.orchestrator.conversation(&self.organisation, one.conversation).await;
        let judged = match read {
            Ok(snapshot) => judged(snapshot.as_ref(), one, self.inner.orchestrator.now()),
            Err(SurveyError::Stopping) => return Err(Cut::Over),
            Err(error @ SurveyError::NotShown { of_all: true, .. }) => return Err(Cut::Failed(told(&error))),
            Err(error @ (SurveyError::UnknownOrganisation | SurveyError::NotShown { .. })) => {
                return skipped(kept, Fate::skipped(Skip::NotShown, None), Some(told(&error)));
            }
        };
        match judged {
            Ok(said) => {
                let kept = Kept { row: row_of(one.conversation), detail: Some(said), ..kept };
                Ok(kept.item(number, RowState::Queued))
            }
            Err(why) => skipped(kept, Fate::skipped(why, None), None),
        }
    }

    /// Stores rows, and how the batch stands after `change`; nothing of it where somebody has called the scan off.
    async fn note(
        &self,
        items: Vec<BatchItem>,
        change: impl FnOnce(&mut Batch) -> BatchState,
    ) -> Result<(), Cut> {
        note(self.inner, self.key, items, change).await?.then_some(()).ok_or(Cut::Over)
    }

    /// Tells of what a schedule has found. Whoever asked for a scan looks for its end.
    async fn tell(&self, found: usize) -> Result<(), StoreUnavailable> {
        let batch = self.inner.store.batch(self.key).await?.as_ref().and_then(Batch::read);
        let scheduled = |batch: &Batch| batch.plan.scan.as_ref().is_some_and(|scan| scan.schedule.is_some());
        match batch.filter(|batch| found > 0 && batch.state == BatchState::Scanning && scheduled(batch)) {
            Some(mut batch) => {
                // It is told before it is written, so that a death in between tells twice and never not at all.
                let closes = batch.plan.scan.as_ref().is_some_and(|scan| scan.closes);
                batch.state = if closes { BatchState::Running } else { BatchState::Preview };
                let progress = self.inner.progress(self.key).await?;
                self.inner.herald.tell(News::Found, &batch, progress).await
            }
            None => Ok(()),
        }
    }

    /// Makes a preview of what was found; a schedule that says so begins to close it.
    async fn finish(&self) -> Result<(), Cut> {
        let mut accepted = Vec::new();
        let (queued, mut after) = (Some(RowState::Queued.name()), None);
        loop {
            let rows = self.inner.store.batch_items(self.key, queued, after, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.number);
            accepted.extend(rows.iter().map(|row| (row.number, Kept::of(row).row)));
        }
        let rows = accepted.iter().map(|(number, row)| (*number, row.as_str()));
        let token = plan::token(self.key, self.organisation.as_str(), rows);
        let now = self.inner.now();
        let found = accepted.len();
        self.tell(found).await?;
        self.note(Vec::new(), |batch| {
            batch.plan.token = token;
            let Some(scan) = &batch.plan.scan else { return BatchState::Preview };
            batch.plan.expires_at = now.saturating_add(scan.lasts);
            if !scan.closes || found == 0 {
                return BatchState::Preview;
            }
            batch.plan.reason = Some(format!("found by {}", self.by));
            batch.plan.executed_by = Some(self.by.to_owned());
            BatchState::Running
        })
        .await?;
        tracing::info!(batch = orchestrator::batch_id(self.key), found, "a scan for stuck sessions is done");
        Ok(())
    }
}

async fn fail(inner: &Inner, key: Uuid, problem: &str) -> Result<(), StoreUnavailable> {
    let change = |batch: &mut Batch| {
        if let Some(scan) = &mut batch.plan.scan {
            scan.problem = Some(problem.to_owned());
        }
        BatchState::Failed
    };
    note(inner, key, Vec::new(), change).await.map(|_| ())
}

/// Answers whether the batch was still scanning.
async fn note(
    inner: &Inner,
    key: Uuid,
    items: Vec<BatchItem>,
    change: impl FnOnce(&mut Batch) -> BatchState,
) -> Result<bool, StoreUnavailable> {
    // Another process that took the office scans for it.
    if !inner.store.holds(OFFICE).await? {
        return Ok(false);
    }
    let _writing = inner.writing.lock().await;
    let batch = inner.store.batch(key).await?.as_ref().and_then(Batch::read);
    let Some(mut batch) = batch.filter(|batch| batch.state == BatchState::Scanning) else {
        return Ok(false);
    };
    batch.state = change(&mut batch);
    batch.updated_at = inner.now();
    let active = matches!(batch.state, BatchState::Scanning | BatchState::Running);
    inner.store.change_batch(BatchState::Scanning.name(), batch.row(active), items).await
}

/// The row by which an offered conversation is closed. Its closure reads before it closes, and leaves it alone where an agent has
/// come meanwhile, whatever the organisation's configuration says.
fn row_of(conversation: ConversationId) -> String {
    json!({ "conversationId": conversation.to_string(), "policy": { "agentConnected": "refuse" } })
        .to_string()
}

/// Why Genesys showed nothing, in one sentence.
fn told(error: &SurveyError) -> String {
    let SurveyError::NotShown { reply, permission, facts, of_all: _ } = error else {
        return "the organisation is not configured here".to_owned();
    };
    let mut told = format!("Genesys answered {reply}");
    if let Some(status) = facts.status {
        told.push_str(&format!(" (status {status})"));
    }
    match (permission, &facts.message) {
        (Some(permission), _) => told.push_str(&format!("; the client's role lacks {permission}")),
        (None, Some(message)) => told.push_str(&format!(": {message}")),
        (None, None) => {}
    }
    if let Some(id) = &facts.correlation_id {
        told.push_str(&format!("; correlation id {id}"));
    }
    told
}
