//! Reads the outbox, which is the journal, and notes who is owed what. The notes and the cursor are one write, so a line is
//! passed when all that it owes is durable, and never before.

use std::collections::{BTreeMap, BTreeSet};

use genesys_types::{Span, Time};
use orchestrator::{Clock, Record};
use serde_json::Value;
use store::{ClosureKey, DeliveryFilter, PlacedLine, Store, StoreUnavailable};
use uuid::Uuid;

use crate::{
    advice::{Advisor, Hint},
    delivery::{HELD, Occasion, Owed, To},
    event::Told,
    records::{self, Records},
    setup::{Format, Receiver, Setup},
    silence::{Ears, Held},
    wish::wants,
};

/// The name of the cursor.
pub(crate) const READER: &str = "callbacks";

/// A ghost was found, and it is none any more.
pub(crate) const GHOST: &str = "closeout.closure.ghost-detected.v1";
const CLEARED: &str = "closeout.closure.ghost-cleared.v1";

/// How many deliveries of one closure are looked at, the latest ones.
const OF_CLOSURE: usize = 500;

/// Lines in one page.
const PAGE: usize = 200;

/// What is older is passed over: a receiver that is configured today wants no history, and neither does one whose callbacks
/// were switched off for a month. Long enough for a service that stood still over a weekend.
const TOLD_WITHIN: Span = Span::from_secs(72 * 3_600);

/// How long it may not be written that lines were passed which owe nothing: closures that nobody is told of cost no write each.
/// After a crash these lines are read again.
const WRITTEN_EVERY: Span = Span::from_secs(60);

/// Up to where the outbox was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    position: u64,
    written: u64,
    written_at: Time,
}

impl Place {
    pub(crate) async fn read(store: &dyn Store, now: Time) -> Result<Self, StoreUnavailable> {
        let position = store.cursor(READER).await?;
        Ok(Self { position, written: position, written_at: now })
    }

    /// Writes it, where it moved.
    pub(crate) async fn write(&mut self, store: &dyn Store, now: Time) -> Result<(), StoreUnavailable> {
        if self.position > self.written {
            store.move_cursor(READER, self.position).await?;
        }
        (self.written, self.written_at) = (self.position, now);
        Ok(())
    }
}

/// What a page of the outbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// How many lines.
    pub(crate) lines: usize,
    /// How many deliveries they owe.
    pub(crate) owed: usize,
    /// How many lines were too old.
    pub(crate) too_old: usize,
}

impl Passed {
    /// Whether there may be more at once.
    pub(crate) const fn is_full(self) -> bool {
        self.lines == PAGE
    }
}

/// Reads the outbox page by page.
pub(crate) struct Outbox<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) setup: &'a Setup,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) ears: &'a dyn Ears,
    pub(crate) advisor: &'a dyn Advisor,
}

impl Outbox<'_> {
    /// Passes one page. What is kept for silence goes to `held`.
    pub(crate) async fn pass(
        &self,
        place: &mut Place,
        held: &mut Held,
        now: Time,
    ) -> Result<Passed, StoreUnavailable> {
        if now.since(place.written_at) >= WRITTEN_EVERY {
            place.write(self.store, now).await?;
        }
        let lines = self.store.announcements(place.position, PAGE).await?;
        let Some(last) = lines.last() else { return Ok(Passed::default()) };
        let position = last.position;
        let mut passed = Passed { lines: lines.len(), ..Passed::default() };
        let mut records = Records::new(tell_unreadable);
        let mut page = Page::default();
        for placed in &lines {
            if now.since(Time::from_millis(placed.line.at)) > TOLD_WITHIN {
                passed.too_old += 1;
                continue;
            }
            let Some(record) = records.of(self.store, placed.closure).await? else { continue };
            let Some(entry) = entry(placed) else { continue };
            let mut owed = self.owed_by(placed, &entry, record, now);
            let haunts = entry.announces.iter().any(|event| event == GHOST || event == CLEARED);
            if haunts && (!owed.is_empty() || held.has(&record.organisation)) {
                let filter = DeliveryFilter { closure: Some(placed.closure), ..DeliveryFilter::default() };
                let before = self.store.deliveries(&filter, None, OF_CLOSURE).await?;
                page.load(before.iter().filter_map(Owed::read));
                page.outdate(placed.closure, &mut owed, now);
            }
            let keeps = haunts && held.keeps(self.ears, record);
            for one in owed.iter_mut().filter(|one| keeps && one.body.event_type == GHOST) {
                one.hold();
            }
            page.put(owed);
        }
        passed.owed = page.changed.len();
        let rows: Vec<_> = page.changed.iter().map(|key| page.known[key].row()).collect();
        place.position = position;
        if !rows.is_empty() {
            self.store.owe(READER, position, rows).await?;
            (place.written, place.written_at) = (position, now);
        }
        note(held, page.changed.iter().map(|key| &page.known[key]));
        Ok(passed)
    }

    /// Lets go what was kept for a silence that is over: those that are ghosts still are told, each once; those that healed
    /// are withdrawn, and those that are snoozed too, as the end of the snooze tells them anew. Answers how many deliveries were settled so.
    pub(crate) async fn let_go(&self, held: &mut Held, now: Time) -> Result<usize, StoreUnavailable> {
        let keys = held.let_go(self.ears, PAGE);
        if keys.is_empty() {
            return Ok(0);
        }
        let mut rows = Vec::new();
        for key in &keys {
            let row = self.store.delivery(*key).await?;
            // An operator may have let it go already.
            let Some(mut owed) = row.as_ref().and_then(Owed::read).filter(Owed::is_held) else { continue };
            let closure = self.store.load(owed.closure).await?;
            if closure
                .and_then(|row| records::read(owed.closure, &row, tell_unreadable))
                .is_some_and(|record| is_ghost(&record) && !record.is_snoozed(now))
            {
                owed.begin_again(now);
            } else {
                owed.withdraw(now);
            }
            rows.push(owed.row());
        }
        if !rows.is_empty() {
            // No line of the journal is passed by it.
            self.store.owe(READER, 0, rows).await?;
        }
        held.remove(&keys);
        Ok(keys.len())
    }

    /// Reads what is kept since before a restart.
    pub(crate) async fn read_held(&self) -> Result<Held, StoreUnavailable> {
        let filter = DeliveryFilter { results: vec![HELD.to_owned()], ..DeliveryFilter::default() };
        let (mut held, mut before) = (Held::default(), None);
        loop {
            let rows = self.store.deliveries(&filter, before, PAGE).await?;
            for owed in rows.iter().filter_map(Owed::read) {
                keep(&mut held, &owed);
            }
            match rows.last().filter(|_| rows.len() == PAGE) {
                Some(last) => before = Some(last.key),
                None => return Ok(held),
            }
        }
    }

    /// What a line owes to whom.
    fn owed_by(
        &self,
        placed: &PlacedLine,
        entry: &orchestrator::Entry,
        record: &Record,
        now: Time,
    ) -> Vec<Owed> {
        let setup = self.setup;
        let mut owed = Vec::new();
        for (index, event) in entry.announces.iter().enumerate() {
            let told = Told { record, entry, placed, event, index, public_url: setup.public_url.as_deref() };
            let mut note = |to: To, payload: &Value| {
                let organisation = &record.organisation;
                let occasion =
                    Occasion { closure: record.key, organisation, id: told.id(), event_type: event };
                owed.push(Owed::new(self.clock.fresh_key(), occasion, to, payload, now));
            };
            let callback = record.said.as_ref().and_then(|said| said.callback.as_ref());
            if let Some(callback) = callback.filter(|callback| wants(&callback.on, event)) {
                note(To::command(&callback.url), &told.cloud_event());
            }
            for receiver in setup.receivers.iter().filter(|receiver| is_told(receiver, record, event)) {
                let payload = match receiver.format {
                    Format::CloudEvents => told.cloud_event(),
                    Format::Chat => told.chat(&self.hint(record, event)),
                };
                note(To::receiver(receiver), &payload);
            }
        }
        owed
    }

    /// What a chat is told to do. There is nothing to do about what is no ghost any more when its line is read.
    fn hint(&self, record: &Record, event: &str) -> Hint {
        if event == GHOST && is_ghost(record) { self.advisor.hint(record) } else { Hint::default() }
    }
}

/// What a page changes, and what it needs to know for that.
#[derive(Default)]
struct Page {
    known: BTreeMap<Uuid, Owed>,
    changed: BTreeSet<Uuid>,
}

impl Page {
    /// Takes in what the store has, unless this page has changed it.
    fn load(&mut self, stored: impl Iterator<Item = Owed>) {
        for one in stored {
            self.known.entry(one.key).or_insert(one);
        }
    }

    fn put(&mut self, owed: impl IntoIterator<Item = Owed>) {
        for one in owed {
            self.changed.insert(one.key);
            self.known.insert(one.key, one);
        }
    }

    /// A closure is a ghost anew, for another reason, or is none any more: what is kept of it is withdrawn. Whoever was told of
    /// no ghost is not told either that there is none any more.
    fn outdate(&mut self, closure: ClosureKey, owed: &mut Vec<Owed>, now: Time) {
        let of_closure = || self.known.values().filter(|one| one.closure == closure);
        owed.retain(|new| {
            let ghosts = || of_closure().filter(|one| one.body.event_type == GHOST && one.goes_where(new));
            new.body.event_type != CLEARED || ghosts().next().is_none() || !ghosts().all(Owed::is_untold)
        });
        let kept: Vec<_> = of_closure().filter(|one| one.is_held()).cloned().collect();
        self.put(kept.into_iter().map(|mut one| {
            one.withdraw(now);
            one
        }));
    }
}

/// Takes over what a page changed, once that is durable.
fn note<'a>(held: &mut Held, changed: impl Iterator<Item = &'a Owed>) {
    for owed in changed {
        if owed.is_held() {
            keep(held, owed);
        } else {
            held.remove(&[owed.key]);
        }
    }
}

fn keep(held: &mut Held, owed: &Owed) {
    held.add(&owed.organisation, owed.key, Time::from_millis(owed.body.noted_at));
}

/// Whether a closure is a ghost, also while it is looked at or its organisation is blocked.
fn is_ghost(record: &Record) -> bool {
    record.closure.haunted.is_some() && !record.closure.has_ended()
}

fn entry(placed: &PlacedLine) -> Option<orchestrator::Entry> {
    serde_json::from_slice(&placed.line.body).ok()
}

/// Says of whom nobody is told. One that is gone owes nothing either.
fn tell_unreadable(closure: ClosureKey, why: &str) {
    let closure = orchestrator::closure_id(closure);
    tracing::warn!(closure, why, "nobody is told of a closure that cannot be read");
}

fn is_told(receiver: &Receiver, record: &Record, event: &str) -> bool {
    receiver.organisation == record.organisation && wants(&receiver.on, event)
}
