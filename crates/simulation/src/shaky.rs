//! The store as one replica reaches it: the double in memory, whose every request may fail before or after it was done, or take
//! its time, and which knows what lives.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use closure_machine::Turn;
use futures_util::FutureExt as _;
use store::{
    Ask, AuditFilter, AuditRow, BatchFilter, BatchItem, BatchRow, ClosureKey, Commit, CommitRefused,
    DeadLetterFilter, DeadLetterRow, DeliveryFilter, DeliveryRow, Filter, InboxEntry, KeyEntry, Lease, Line,
    MemoryStore, Millis, Order, PlacedLine, Quarantined, QueueTally, Row, Store, StoreUnavailable, Tally,
};
use uuid::Uuid;

use crate::{
    Mistake,
    clock::ReplicaClock,
    happening::Happening,
    story::LONGEST_SLICE,
    trace::Told,
    world::{Life, Shared, World},
};

/// The longest time that a slow request takes.
const SLOW: Millis = 4_000;

/// One life of a replica, before the store.
pub(crate) struct ShakyStore {
    pub(crate) world: Shared,
    pub(crate) clock: Arc<ReplicaClock>,
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) life: Life,
}

/// What becomes of a request.
struct Fate {
    before: Millis,
    after: Millis,
    /// Whether it fails, and then whether it was done.
    fails: Option<bool>,
}

impl ShakyStore {
    fn draw(&self) -> Fate {
        let mut world = self.world.lock();
        let (at, chances) = (self.clock.at(), world.plan.chances);
        if world.is_cut_off(self.life.0, at) {
            return Fate { before: world.some(20), after: 0, fails: Some(false) };
        }
        let fails = if world.fails(chances.store_fails) {
            Some(false)
        } else if world.fails(chances.store_answer_lost) {
            Some(true)
        } else {
            None
        };
        let mut takes =
            || if world.fails(chances.store_slow) { world.dice.i64(0..SLOW) } else { world.some(8) };
        Fate { before: takes(), after: takes(), fails }
    }

    /// A request goes to the store.
    async fn goes(&self, what: &'static str) -> Result<Fate, StoreUnavailable> {
        let fate = self.draw();
        waits(fate.before).await;
        if fate.fails == Some(false) { Err(self.lost(what, false)) } else { Ok(fate) }
    }

    /// Its answer comes back.
    async fn comes(&self, fate: Fate, what: &'static str) -> Result<(), StoreUnavailable> {
        waits(fate.after).await;
        if fate.fails == Some(true) { Err(self.lost(what, true)) } else { Ok(()) }
    }

    fn lost(&self, what: &'static str, applied: bool) -> StoreUnavailable {
        let mut world = self.world.lock();
        world.note(self.clock.at(), Told::StoreFailed { replica: self.life.0, what, applied });
        StoreUnavailable { why: "the simulation lost it".to_owned() }
    }

    async fn ask<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, StoreUnavailable>>,
    ) -> Result<T, StoreUnavailable> {
        let fate = self.goes(what).await?;
        let done = work.await;
        self.comes(fate, what).await?;
        done
    }

    /// Writes, and lets the witness see it in the same moment.
    fn write(&self, commit: Commit) -> Result<(), CommitRefused> {
        let mut world = self.world.lock();
        let mistake = world.plan.mistake;
        if mistake == Some(Mistake::AnsweredBeforeTheWrite) && world.dice.u8(..16) == 0 {
            return Ok(());
        }
        let given = commit.clone();
        let spoilt = spoilt(commit, mistake);
        let done = match at_once(self.inner.commit(spoilt.clone())) {
            Err(CommitRefused::Version(stored)) if mistake == Some(Mistake::StaleWriterWins) => {
                at_once(self.inner.commit(written_over(spoilt, stored)))
            }
            done => done,
        };
        match &done {
            Ok(()) => self.written(&mut world, &given),
            Err(CommitRefused::Version(_)) => world.trace.saw("a stale writer refused"),
            Err(CommitRefused::SameEvent) => world.trace.saw("an event known"),
            Err(CommitRefused::KeyUsed(_)) => world.trace.saw("a key known"),
            Err(CommitRefused::OpenClosure(_)) => world.trace.saw("a conversation taken"),
            Err(CommitRefused::NotOpen | CommitRefused::OtherBody | CommitRefused::Unavailable(_)) => {}
        }
        done
    }

    fn written(&self, world: &mut World, commit: &Commit) {
        let at = self.clock.at();
        let state = world.witness.committed(at, commit);
        if let (Some((row, _)), Some(state)) = (&commit.closure, state) {
            world.owners.insert(row.key, self.life);
            world.trace.saw(state);
            if commit.lines.iter().any(|line| line.kind == "heard" && says(line, READ_TOGETHER)) {
                world.trace.saw("proof by a read together");
            }
            let told =
                Told::Committed { replica: self.life.0, closure: row.key, version: row.version, state };
            world.note(at, told);
        }
    }

    /// What lurks strikes a replica between its intent and its call; answers how long the store's answer takes because of it.
    fn is_lain_in_wait_for(&self, key: Option<ClosureKey>) -> Millis {
        let mut world = self.world.lock();
        let row = key.and_then(|key| world.witness.rows.get(&key));
        let asks = row.is_some_and(|row| matches!(row.closure.turn, Turn::InFlight { .. }));
        if !asks || !world.faults {
            return 0;
        }
        let Some(strike) = world.lurking.pop() else { return 0 };
        let at = self.clock.at();
        world.plan(at, Happening::IsStruck(self.life.0, strike));
        world.dice.i64(LONGEST_SLICE..LONGEST_SLICE + 400)
    }

    fn take_over_now(&self, limit: usize) -> Vec<Row> {
        let mut world = self.world.lock();
        let (at, me) = (self.clock.at(), self.life.0);
        if !world.may_take_over(me, at) {
            return Vec::new();
        }
        let open = world.witness.open_closures().map(|(key, _)| key);
        let left: Vec<_> = open.filter(|key| world.is_orphan(*key, me, at)).take(limit).collect();
        if left.is_empty() {
            return Vec::new();
        }
        world.trace.saw("a closure taken over");
        world.owners.extend(left.iter().map(|key| (*key, self.life)));
        world.note(at, Told::TakenOver { replica: me, closures: left.len() });
        left.into_iter().filter_map(|key| at_once(self.inner.load(key)).ok().flatten()).collect()
    }
}

async fn waits(millis: Millis) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
    }
}

fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("the double in memory does not wait")
}

/// A commit as a store with a mistake takes it.
fn spoilt(mut commit: Commit, mistake: Option<Mistake>) -> Commit {
    match mistake {
        Some(Mistake::InboxForgets) => commit.inbox = None,
        Some(Mistake::KeysForgotten) if commit.closure.is_some() => commit.key = None,
        _ => {}
    }
    commit
}

/// The type of an event that a read of many conversations brought.
const READ_TOGETHER: &str = "analytics/conversations/details/query";

fn says(line: &Line, text: &str) -> bool {
    line.body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What a stale writer writes over the version that is stored.
fn written_over(mut commit: Commit, stored: u64) -> Commit {
    if let Some((row, expected)) = &mut commit.closure {
        for (number, line) in (stored + 1..).zip(&mut commit.lines) {
            line.sequence = number;
            row.version = number;
        }
        *expected = stored;
    }
    commit
}

#[async_trait]
impl Store for ShakyStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitRefused> {
        let key = commit.closure.as_ref().map(|(row, _)| row.key);
        let mut fate = self.goes("commit").await.map_err(CommitRefused::Unavailable)?;
        let done = self.write(commit);
        if done.is_ok() {
            fate.after += self.is_lain_in_wait_for(key);
        }
        self.comes(fate, "commit").await.map_err(CommitRefused::Unavailable)?;
        done
    }

    async fn load(&self, key: ClosureKey) -> Result<Option<Row>, StoreUnavailable> {
        self.ask("load", self.inner.load(key)).await
    }

    async fn open_of(&self, organisation: &str, conversation: Uuid) -> Result<Option<Row>, StoreUnavailable> {
        self.ask("open_of", self.inner.open_of(organisation, conversation)).await
    }

    async fn due(
        &self,
        now: Millis,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        let mut rows = self.ask("due", self.inner.due(now, after, limit)).await?;
        let world = self.world.lock();
        rows.retain(|row| world.owners.get(&row.key) == Some(&self.life));
        Ok(rows)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn holds(&self, office: &str) -> Result<bool, StoreUnavailable> {
        let fate = self.goes("holds").await?;
        let holds = self.world.lock().holds(self.life, office, self.clock.at());
        self.comes(fate, "holds").await?;
        Ok(holds)
    }

    async fn take_over(&self, limit: usize) -> Result<Vec<Row>, StoreUnavailable> {
        let fate = self.goes("take_over").await?;
        let rows = self.take_over_now(limit);
        self.comes(fate, "take_over").await?;
        Ok(rows)
    }

    async fn lease(&self, budget: &str, ask: Ask) -> Result<Lease, StoreUnavailable> {
        let fate = self.goes("lease").await?;
        let now = self.clock.at();
        let lease = self.world.lock().budgets.entry(budget.to_owned()).or_default().lease(now, &ask);
        self.comes(fate, "lease").await?;
        Ok(lease)
    }

    async fn open_after(
        &self,
        after: Option<ClosureKey>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.ask("open_after", self.inner.open_after(after, limit)).await
    }

    async fn list(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<(Millis, ClosureKey)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreUnavailable> {
        self.ask("list", self.inner.list(filter, order, after, limit)).await
    }

    async fn tally(&self, filter: &Filter) -> Result<Vec<Tally>, StoreUnavailable> {
        self.ask("tally", self.inner.tally(filter)).await
    }

    async fn tally_by_queue(&self, organisations: &[String]) -> Result<Vec<QueueTally>, StoreUnavailable> {
        self.ask("tally_by_queue", self.inner.tally_by_queue(organisations)).await
    }

    async fn journal(&self, key: ClosureKey) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.ask("journal", self.inner.journal(key)).await
    }

    async fn announcements(&self, after: u64, limit: usize) -> Result<Vec<PlacedLine>, StoreUnavailable> {
        self.ask("announcements", self.inner.announcements(after, limit)).await
    }

    async fn last_line(&self, up_to: u64) -> Result<Option<(u64, Millis)>, StoreUnavailable> {
        self.ask("last_line", self.inner.last_line(up_to)).await
    }

    async fn cursor(&self, name: &str) -> Result<u64, StoreUnavailable> {
        self.ask("cursor", self.inner.cursor(name)).await
    }

    async fn move_cursor(&self, name: &str, position: u64) -> Result<(), StoreUnavailable> {
        self.ask("move_cursor", self.inner.move_cursor(name, position)).await
    }

    async fn owe(
        &self,
        reader: &str,
        position: u64,
        deliveries: Vec<DeliveryRow>,
    ) -> Result<(), StoreUnavailable> {
        self.ask("owe", self.inner.owe(reader, position, deliveries)).await
    }

    async fn due_deliveries(
        &self,
        now: Millis,
        per_lane: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.ask("due_deliveries", self.inner.due_deliveries(now, per_lane)).await
    }

    async fn put_delivery(&self, delivery: DeliveryRow) -> Result<(), StoreUnavailable> {
        self.ask("put_delivery", self.inner.put_delivery(delivery)).await
    }

    async fn delivery(&self, key: Uuid) -> Result<Option<DeliveryRow>, StoreUnavailable> {
        self.ask("delivery", self.inner.delivery(key)).await
    }

    async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreUnavailable> {
        self.ask("deliveries", self.inner.deliveries(filter, before, limit)).await
    }

    async fn put_batch(&self, batch: BatchRow, items: Vec<BatchItem>) -> Result<(), StoreUnavailable> {
        self.ask("put_batch", self.inner.put_batch(batch, items)).await
    }

    async fn change_batch(
        &self,
        from: &str,
        batch: BatchRow,
        items: Vec<BatchItem>,
    ) -> Result<bool, StoreUnavailable> {
        self.ask("change_batch", self.inner.change_batch(from, batch, items)).await
    }

    async fn batch(&self, key: Uuid) -> Result<Option<BatchRow>, StoreUnavailable> {
        self.ask("batch", self.inner.batch(key)).await
    }

    async fn batches(
        &self,
        filter: &BatchFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreUnavailable> {
        self.ask("batches", self.inner.batches(filter, before, limit)).await
    }

    async fn batch_items(
        &self,
        batch: Uuid,
        state: Option<&str>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BatchItem>, StoreUnavailable> {
        self.ask("batch_items", self.inner.batch_items(batch, state, after, limit)).await
    }

    async fn batch_tally(&self, batch: Uuid) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.ask("batch_tally", self.inner.batch_tally(batch)).await
    }

    async fn bury(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.ask("bury", self.inner.bury(letter)).await
    }

    async fn put_dead_letter(&self, letter: DeadLetterRow) -> Result<(), StoreUnavailable> {
        self.ask("put_dead_letter", self.inner.put_dead_letter(letter)).await
    }

    async fn dead_letter(&self, key: Uuid) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.ask("dead_letter", self.inner.dead_letter(key)).await
    }

    async fn dead_letter_marked(&self, mark: [u8; 32]) -> Result<Option<DeadLetterRow>, StoreUnavailable> {
        self.ask("dead_letter_marked", self.inner.dead_letter_marked(mark)).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, StoreUnavailable> {
        self.ask("dead_letters", self.inner.dead_letters(filter, before, limit)).await
    }

    async fn dead_letter_tally(&self) -> Result<Vec<(String, u64)>, StoreUnavailable> {
        self.ask("dead_letter_tally", self.inner.dead_letter_tally()).await
    }

    async fn put_audit(&self, act: AuditRow) -> Result<(), StoreUnavailable> {
        self.ask("put_audit", self.inner.put_audit(act)).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreUnavailable> {
        self.ask("audit", self.inner.audit(filter, before, limit)).await
    }

    async fn switch(&self, name: &str) -> Result<bool, StoreUnavailable> {
        self.ask("switch", self.inner.switch(name)).await
    }

    async fn set_switch(&self, name: &str, on: bool) -> Result<(), StoreUnavailable> {
        self.ask("set_switch", self.inner.set_switch(name, on)).await
    }

    async fn key(&self, scope: &str, key: &str) -> Result<Option<KeyEntry>, StoreUnavailable> {
        self.ask("key", self.inner.key(scope, key)).await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<InboxEntry>, StoreUnavailable> {
        self.ask("inbox", self.inner.inbox(limit)).await
    }

    async fn quarantine(&self, record: Quarantined) -> Result<(), StoreUnavailable> {
        self.ask("quarantine", self.inner.quarantine(record)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreUnavailable> {
        self.ask("quarantined", self.inner.quarantined()).await
    }

    async fn prune(
        &self,
        rows_before: Millis,
        inbox_before: Millis,
        limit: usize,
    ) -> Result<u64, StoreUnavailable> {
        self.ask("prune", self.inner.prune(rows_before, inbox_before, limit)).await
    }

    async fn close(&self) -> Result<(), StoreUnavailable> {
        self.ask("close", self.inner.close()).await
    }

    async fn check(&self) -> Result<(), StoreUnavailable> {
        self.ask("check", self.inner.check()).await
    }
}
