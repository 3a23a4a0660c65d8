//! The handle by which the API makes batches, looks at them and acts on them.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use closure_machine::Command;
use genesys_types::Organisation;
use orchestrator::{Orchestrator, Said};
use store::{BatchFilter, BatchRow, ClosureKey, Filter, Order, Store, StoreUnavailable};
use tokio::sync::{Mutex, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    criteria::Criteria,
    herald::Herald,
    plan::{self, Ask, BatchState, Fate, RowState, Skip},
    rows::{self, Format, MOST_ROWS, Narrower, Row, Unreadable},
    run,
    schedule::{self, Schedule},
    standing::{Seen, conversation},
    stored::{Kept, Narrowing, Plan, Scan, bytes},
};

/// How long a preview can be executed: long enough to read it, short enough that it is still true.
pub(crate) const TOKEN_LASTS_MILLIS: i64 = 15 * 60 * 1_000;

/// How often an act is worked out anew because another process has changed the batch first.
const TRIES_AGAINST_OTHERS: u32 = 5;

/// How many closures are read at once for a batch of those that match.
pub(crate) const CLOSURES_AT_ONCE: usize = 500;

/// A row as a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What to close; always a conversation.
    pub command: Command,
    /// What else the row says.
    pub said: Said,
    /// The row's own idempotency key.
    pub key: Option<String>,
    /// SHA-256 over what the row means.
    pub digest: [u8; 32],
}

/// Reads rows: their fields are those of a command, and only the API knows them.
pub trait Reader: Send + Sync + 'static {
    /// Reads one row.
    ///
    /// # Errors
    ///
    /// Why it is no command, in one sentence.
    fn read(&self, organisation: &Organisation, row: &str) -> Result<Asked, String>;
}

/// A batch as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its key.
    pub key: Uuid,
    /// Its organisation.
    pub organisation: String,
    /// How it stands.
    pub state: BatchState,
    /// What else is kept of it.
    pub plan: Plan,
    /// When it changed last, in milliseconds since 1970.
    pub updated_at: i64,
}

/// How many rows of a batch stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// All rows.
    pub total: u64,
    /// Those to be submitted.
    pub queued: u64,
    /// Those whose closure is under way.
    pub submitted: u64,
    /// Those whose closure ended as it should.
    pub closed: u64,
    /// Those whose closure is held without proof.
    pub ghost: u64,
    /// Those whose closure failed.
    pub failed: u64,
    /// Those that nothing was done for.
    pub skipped: u64,
}

/// One row as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place among the rows, from 1.
    pub number: u32,
    /// How it stands.
    pub state: RowState,
    /// Its conversation, where it could be read.
    pub conversation: Option<Uuid>,
    /// The closure that answers for it, or stands in its way.
    pub closure: Option<ClosureKey>,
    /// Why it was skipped or failed.
    pub reason: Option<String>,
    /// What cannot be read in it.
    pub detail: Option<String>,
    /// The line of the file in which it begins, from 1, all lines counted; nothing where there was no file.
    pub line: Option<u32>,
    /// Where it cannot be read: the beginning of what was given, on one line, without signs that steer.
    pub text: Option<String>,
}

/// A batch that was acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// The batch as it stands now.
    pub batch: Batch,
    /// Whether this act brought it there; else it stood so before.
    pub has_effect: bool,
}

/// Why an act on a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActError {
    /// There is no such batch.
    Unknown,
    /// The act does not fit its state.
    Unfit(BatchState),
    /// The token is not that of this batch's rows.
    OtherToken,
    /// The token was not used in time.
    Expired,
    /// Nothing could be written.
    Unavailable(StoreUnavailable),
}

impl From<StoreUnavailable> for ActError {
    fn from(unavailable: StoreUnavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// Batches. A copy is the same service.
#[derive(Clone)]
pub struct Batches(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) herald: Arc<dyn Herald>,
    /// Held by whoever changes a batch: acts and the runner read before they write.
    pub(crate) writing: Mutex<()>,
    pub(crate) wake: Notify,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// The batches that are being scanned for.
    scanning: StdMutex<HashSet<Uuid>>,
}

impl Batches {
    /// Goes on with what is active, and scans when `schedules` say so, until `stop`.
    pub fn start(
        store: Arc<dyn Store>,
        orchestrator: Orchestrator,
        reader: Arc<dyn Reader>,
        herald: Arc<dyn Herald>,
        schedules: Vec<Schedule>,
        stop: CancellationToken,
    ) -> Self {
        let (writing, wake, tasks) = (Mutex::new(()), Notify::new(), TaskTracker::new());
        let scanning = StdMutex::default();
        let inner = Inner { store, orchestrator, reader, herald, writing, wake, stop, tasks, scanning };
        let batches = Self(Arc::new(inner));
        batches.0.tasks.spawn(run::run(Arc::clone(&batches.0)));
        for schedule in schedules {
            batches.0.tasks.spawn(schedule::run(batches.clone(), schedule));
        }
        batches.0.tasks.close();
        batches
    }

    /// Judges every row of a file and keeps the result. Nothing is done for any of them. `Ok(Err(_))` for a file that cannot be
    /// read as a whole.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn preview(
        &self,
        organisation: &Organisation,
        by: &str,
        format: Format,
        file: Bytes,
    ) -> Result<Result<Batch, Unreadable>, StoreUnavailable> {
        match beside(move || rows::read(format, &file)).await? {
            Ok(rows) => self.preview_rows(organisation, by, rows, None).await.map(Ok),
            Err(unreadable) => Ok(Err(unreadable)),
        }
    }

    /// The same for the conversations of closures that match, the earliest accepted first. `Ok(Err(_))` where none or too many do.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn preview_closures(
        &self,
        organisation: &Organisation,
        by: &str,
        filter: &Filter,
    ) -> Result<Result<Batch, Unreadable>, StoreUnavailable> {
        let filter = Filter { organisations: vec![organisation.as_str().to_owned()], ..filter.clone() };
        let (mut rows, mut accepted, mut after) = (Vec::<Row>::new(), Vec::new(), None);
        loop {
            let page = self.0.store.list(&filter, Order::OldestFirst, after, CLOSURES_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.key));
            // A closure whose lookup found nothing has no conversation that could be closed.
            for (at, id) in page.iter().filter_map(|row| Some((row.created_at, row.conversation?))) {
                accepted.push(at);
                rows.push(Row::made(serde_json::json!({ "conversationId": id }).to_string()));
            }
            if rows.len() > MOST_ROWS {
                return Ok(Err(Unreadable::TooManyMatch(Narrower::of(&filter, accepted))));
            }
        }
        if rows.is_empty() {
            return Ok(Err(Unreadable::Empty));
        }
        self.preview_rows(organisation, by, rows, Some(Narrowing::of(&filter))).await.map(Ok)
    }

    /// Begins to look for conversations that nobody asked to be closed and that are stuck. What it finds becomes a preview.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn scan(
        &self,
        organisation: &Organisation,
        by: &str,
        criteria: Criteria,
    ) -> Result<Batch, StoreUnavailable> {
        let scan = Scan {
            criteria,
            schedule: None,
            lasts: TOKEN_LASTS_MILLIS,
            closes: false,
            listed: None,
            more: false,
            problem: None,
        };
        self.begin_scan(organisation, by, scan).await
    }

    pub(crate) async fn begin_scan(
        &self,
        organisation: &Organisation,
        by: &str,
        scan: Scan,
    ) -> Result<Batch, StoreUnavailable> {
        let now = self.0.now();
        let batch = Batch {
            key: Uuid::now_v7(),
            organisation: organisation.as_str().to_owned(),
            state: BatchState::Scanning,
            plan: Plan { scan: Some(scan), ..Plan::new(by, now) },
            updated_at: now,
        };
        self.0.store.put_batch(batch.row(true), Vec::new()).await?;
        self.0.wake.notify_one();
        Ok(batch)
    }

    async fn preview_rows(
        &self,
        organisation: &Organisation,
        by: &str,
        rows: Vec<Row>,
        filter: Option<Narrowing>,
    ) -> Result<Batch, StoreUnavailable> {
        let key = Uuid::now_v7();
        let mut seen = Seen::default();
        let mut items = Vec::with_capacity(rows.len());
        for (number, Meant { line, given, read }) in (1u32..).zip(self.0.meant(organisation, rows).await?) {
            let (state, kept) = match read {
                Err(detail) => {
                    let text = Some(given).filter(|given| !given.is_empty());
                    let kept = Kept { detail: Some(detail), line, text, ..Kept::default() };
                    kept.with(Fate::skipped(Skip::Malformed, None))
                }
                Ok((row, asked)) => {
                    let conversation = conversation(&asked);
                    let kept = Kept { row, conversation, line, ..Kept::default() };
                    if seen.before(&asked, conversation) {
                        kept.with(Fate::skipped(Skip::Duplicate, None))
                    } else {
                        let standing = self.0.standing(organisation, by, key, number, &asked).await?;
                        match plan::shown(standing) {
                            Some(fate) => kept.with(fate),
                            None => (RowState::Queued, kept),
                        }
                    }
                }
            };
            items.push((number, state, kept));
        }
        let accepted = items.iter().filter(|(_, state, _)| *state == RowState::Queued);
        let token =
            plan::token(key, organisation.as_str(), accepted.map(|(number, _, kept)| (*number, &*kept.row)));
        let now = self.0.now();
        let batch = Batch {
            key,
            organisation: organisation.as_str().to_owned(),
            state: BatchState::Preview,
            plan: Plan {
                token,
                expires_at: now.saturating_add(TOKEN_LASTS_MILLIS),
                filter,
                ..Plan::new(by, now)
            },
            updated_at: now,
        };
        let items = items.iter().map(|(number, state, kept)| kept.item(*number, *state)).collect();
        self.0.store.put_batch(batch.row(false), items).await?;
        Ok(batch)
    }

    /// Begins to run a previewed batch, for whoever holds its token. A batch that runs already stays as it is.
    ///
    /// # Errors
    ///
    /// See [`ActError`].
    pub async fn execute(&self, key: Uuid, token: &str, reason: &str, by: &str) -> Result<Acted, ActError> {
        let now = self.0.now();
        let begin = |batch: &mut Batch| {
            if batch.plan.token != token {
                return Err(ActError::OtherToken);
            }
            if batch.state == BatchState::Preview {
                if batch.plan.expires_at <= now {
                    return Err(ActError::Expired);
                }
                batch.plan.reason = Some(reason.to_owned());
                batch.plan.executed_by = Some(by.to_owned());
            }
            Ok(())
        };
        self.act(key, Ask::Execute, begin).await
    }

    /// Submits no further row, until it is resumed, also over a restart.
    ///
    /// # Errors
    ///
    /// See [`ActError`].
    pub async fn pause(&self, key: Uuid) -> Result<Acted, ActError> {
        self.act(key, Ask::Pause, |_| Ok(())).await
    }

    /// Goes on with a batch that was paused.
    ///
    /// # Errors
    ///
    /// See [`ActError`].
    pub async fn resume(&self, key: Uuid) -> Result<Acted, ActError> {
        self.act(key, Ask::Resume, |_| Ok(())).await
    }

    /// Submits no row any more. What was submitted goes on.
    ///
    /// # Errors
    ///
    /// See [`ActError`].
    pub async fn cancel(&self, key: Uuid) -> Result<Acted, ActError> {
        self.act(key, Ask::Cancel, |_| Ok(())).await
    }

    async fn act(
        &self,
        key: Uuid,
        ask: Ask,
        change: impl Fn(&mut Batch) -> Result<(), ActError>,
    ) -> Result<Acted, ActError> {
        for _ in 0..TRIES_AGAINST_OTHERS {
            let _writing = self.0.writing.lock().await;
            let mut batch = self.one(key).await?.ok_or(ActError::Unknown)?;
            change(&mut batch)?;
            let from = batch.state;
            batch.state = plan::acted(from, ask).ok_or(ActError::Unfit(from))?;
            let has_effect = batch.state != from;
            if has_effect {
                batch.updated_at = self.0.now();
                if !self.0.store.change_batch(from.name(), batch.row(true), Vec::new()).await? {
                    continue;
                }
            }
            self.0.wake.notify_one();
            return Ok(Acted { batch, has_effect });
        }
        let why = "others kept changing the batch first".to_owned();
        Err(ActError::Unavailable(StoreUnavailable { why }))
    }

    /// One batch.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn one(&self, key: Uuid) -> Result<Option<Batch>, StoreUnavailable> {
        Ok(self.0.store.batch(key).await?.as_ref().and_then(Batch::read))
    }

    /// Batches of these organisations and in these states, or in any where there are none, the latest first, with keys less than `before`, at most `limit`.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn list(
        &self,
        organisations: Vec<String>,
        states: &[BatchState],
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreUnavailable> {
        let states = states.iter().map(|state| state.name().to_owned()).collect();
        let filter = BatchFilter { organisations, states, active: false };
        let rows = self.0.store.batches(&filter, before, limit).await?;
        Ok(rows.iter().filter_map(Batch::read).collect())
    }

    /// How many of its rows stand how.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn progress(&self, key: Uuid) -> Result<Progress, StoreUnavailable> {
        self.0.progress(key).await
    }

    /// Rows after this number, of this state where one is given, in order, at most `limit`.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot be reached.
    pub async fn items(
        &self,
        key: Uuid,
        state: Option<RowState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreUnavailable> {
        let rows = self.0.store.batch_items(key, state.map(RowState::name), after, limit).await?;
        let item = |row: &store::BatchItem| {
            let kept = Kept::of(row);
            Item {
                number: row.number,
                state: RowState::of(&row.state).unwrap_or(RowState::Failed),
                conversation: kept.conversation,
                closure: kept.closure,
                reason: kept.reason,
                detail: kept.detail,
                line: kept.line,
                text: kept.text,
            }
        };
        Ok(rows.iter().map(item).collect())
    }

    /// Waits, after the stop, for the row that is under way, at most `grace`.
    pub async fn stopped(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("a row of a batch was under way; it is looked at again at the next start");
        }
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").finish_non_exhaustive()
    }
}

impl Batch {
    pub(crate) fn read(row: &BatchRow) -> Option<Self> {
        Some(Self {
            key: row.key,
            organisation: row.organisation.clone(),
            state: BatchState::of(&row.state)?,
            plan: serde_json::from_slice(&row.body).ok()?,
            updated_at: row.updated_at,
        })
    }

    pub(crate) fn row(&self, active: bool) -> BatchRow {
        BatchRow {
            key: self.key,
            organisation: self.organisation.clone(),
            state: self.state.name().to_owned(),
            active,
            updated_at: self.updated_at,
            body: bytes(&self.plan),
        }
    }
}

/// A row that was read, or why it cannot be.
struct Meant {
    line: Option<u32>,
    given: String,
    read: Result<(String, Asked), String>,
}

/// Computes something that takes as long as its input wants, beside the threads that answer everybody else.
async fn beside<T: Send + 'static>(
    compute: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreUnavailable> {
    // It ends early by a panic, which was told already, or with the program.
    let ended = |_| StoreUnavailable { why: "the rows could not be read to their end".to_owned() };
    tokio::task::spawn_blocking(compute).await.map_err(ended)
}

impl Inner {
    /// Reads each row as a command.
    async fn meant(
        &self,
        organisation: &Organisation,
        rows: Vec<Row>,
    ) -> Result<Vec<Meant>, StoreUnavailable> {
        let (reader, organisation) = (Arc::clone(&self.reader), organisation.clone());
        let meant = move |Row { line, given, value }: Row| {
            let read = value.and_then(|row| reader.read(&organisation, &row).map(|asked| (row, asked)));
            Meant { line, given, read }
        };
        beside(move || rows.into_iter().map(meant).collect()).await
    }

    pub(crate) fn scanning(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.scanning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> i64 {
        self.orchestrator.now().millis()
    }

    pub(crate) async fn progress(&self, key: Uuid) -> Result<Progress, StoreUnavailable> {
        let mut progress = Progress::default();
        for (state, count) in self.store.batch_tally(key).await? {
            progress.total += count;
            match RowState::of(&state) {
                Some(RowState::Queued) => progress.queued += count,
                Some(RowState::Submitted) => progress.submitted += count,
                Some(RowState::Closed) => progress.closed += count,
                Some(RowState::Ghost) => progress.ghost += count,
                Some(RowState::Failed) | None => progress.failed += count,
                Some(RowState::Skipped) => progress.skipped += count,
            }
        }
        Ok(progress)
    }
}
