//! Reads the outbox, which is the journal, and notes who is owed what. The notes and the cursor are one write, so a line is
//! passed when all that it owes is durable, and never before.

use std::collections::{HashMap, hash_map::Entry};

use genesys_types::{Span, Time};
use orchestrator::Record;
use serde_json::Value;
use store::{ClosureKey, PlacedLine, Row, Store, StoreUnavailable};
use uuid::Uuid;

use crate::{
    delivery::{Body, Owed, WAITING},
    event::Told,
    setup::{Format, Receiver, Setup},
    wish::wants,
};

/// The name of the cursor.
pub(crate) const READER: &str = "callbacks";

/// Lines in one page.
const PAGE: usize = 200;

/// What is older is passed over: a receiver that is configured today wants no history, and neither does one whose callbacks
/// were switched off for a month. Long enough for a service that stood still over a weekend.
const TOLD_WITHIN: Span = Span::from_secs(72 * 3_600);

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

/// Passes one page.
pub(crate) async fn pass(store: &dyn Store, setup: &Setup, now: Time) -> Result<Passed, StoreUnavailable> {
    let after = store.cursor(READER).await?;
    let lines = store.announcements(after, PAGE).await?;
    let Some(last) = lines.last() else { return Ok(Passed::default()) };
    let position = last.position;
    let mut passed = Passed { lines: lines.len(), ..Passed::default() };
    let mut records = HashMap::new();
    let mut deliveries = Vec::new();
    for placed in &lines {
        if now.since(Time::from_millis(placed.line.at)) > TOLD_WITHIN {
            passed.too_old += 1;
            continue;
        }
        let Some(record) = record(store, placed.closure, &mut records).await? else { continue };
        deliveries.extend(owed_by(placed, record, setup, now));
    }
    passed.owed = deliveries.len();
    store.owe(READER, position, deliveries.iter().map(Owed::row).collect()).await?;
    Ok(passed)
}

/// The closure of a line, loaded once for a page. One that cannot be read, or is gone, owes nothing.
async fn record<'a>(
    store: &dyn Store,
    key: ClosureKey,
    known: &'a mut HashMap<ClosureKey, Option<Record>>,
) -> Result<Option<&'a Record>, StoreUnavailable> {
    let record = match known.entry(key) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            let row = store.load(key).await?;
            unknown.insert(row.and_then(|row| read(key, &row)))
        }
    };
    Ok(record.as_ref())
}

fn read(key: ClosureKey, row: &Row) -> Option<Record> {
    let read = Record::from_row(row);
    if let Err(why) = &read {
        let closure = orchestrator::closure_id(key);
        tracing::warn!(closure, why, "nobody is told of a closure that cannot be read");
    }
    read.ok()
}

/// What a line owes to whom.
fn owed_by(placed: &PlacedLine, record: &Record, setup: &Setup, now: Time) -> Vec<Owed> {
    let Ok(entry) = serde_json::from_slice::<orchestrator::Entry>(&placed.line.body) else {
        return Vec::new();
    };
    let mut owed = Vec::new();
    for (index, event) in entry.announces.iter().enumerate() {
        let told =
            Told { record, entry: &entry, placed, event, index, public_url: setup.public_url.as_deref() };
        let callback = record.said.as_ref().and_then(|said| said.callback.as_ref());
        if let Some(callback) = callback.filter(|callback| wants(&callback.on, event)) {
            let host = url::Url::parse(&callback.url).ok().and_then(|url| url.host_str().map(str::to_owned));
            let to = To { receiver: None, url: Some(callback.url.clone()), host: host.unwrap_or_default() };
            owed.push(delivery(&told, to, &told.cloud_event(), now));
        }
        for receiver in setup.receivers.iter().filter(|receiver| is_told(receiver, record, event)) {
            let payload = match receiver.format {
                Format::CloudEvents => told.cloud_event(),
                Format::Chat => told.chat(),
            };
            let host = receiver.url.host_str().unwrap_or_default().to_owned();
            let to = To { receiver: Some(receiver.name.clone()), url: None, host };
            owed.push(delivery(&told, to, &payload, now));
        }
    }
    owed
}

fn is_told(receiver: &Receiver, record: &Record, event: &str) -> bool {
    receiver.organisation == record.organisation && wants(&receiver.on, event)
}

struct To {
    receiver: Option<String>,
    url: Option<String>,
    host: String,
}

fn delivery(told: &Told<'_>, to: To, payload: &Value, now: Time) -> Owed {
    Owed {
        key: Uuid::now_v7(),
        closure: told.record.key,
        organisation: told.record.organisation.as_str().to_owned(),
        host: to.host,
        result: WAITING.to_owned(),
        due_at: Some(now),
        updated_at: now,
        body: Body {
            event_id: told.id(),
            event_type: told.event.to_owned(),
            receiver: to.receiver,
            url: to.url,
            payload: payload.to_string(),
            noted_at: now.millis(),
            tried_since: now.millis(),
            attempts: 0,
            tried_at: None,
            status: None,
            why: None,
        },
    }
}
