//! Work for a store below which something fails, and the witness of what it answered: what was answered has to be there, what was
//! refused is there as a whole or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use uuid::Uuid;

use super::samples;
use crate::{ClosureKey, Commit, CommitRefused, DeliveryRow, KeyEntry, Row, Store, StoreUnavailable};

/// How often something is asked again at most, also of a store that is away for long.
const TRIES: usize = 400;

/// Entries of the inbox that are looked through: more than all works on one store together leave.
const EVENTS: usize = 10_000;

/// Three versions of each of some closures, two commits under way at once, with lines, labels, an event and a key; and after each
/// two of them something that is owed, with the cursor up to which it is noted.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// The number of the first closure. Works on one store have numbers of their own.
    pub from: u64,
    /// Twice as many closures.
    pub pairs: u64,
    /// How long the caller waits before it asks again.
    pub pause: Duration,
    /// Ends with the first refusal, instead of asking the store how things stand and then once more, as a service does.
    pub gives_up: bool,
}

impl Default for Work {
    fn default() -> Self {
        Self { from: 0, pairs: 3, pause: Duration::ZERO, gives_up: false }
    }
}

impl Work {
    /// Asks a store for all of it. `is_sound` says whether nothing will fail any more.
    pub async fn ask(self, store: &dyn Store, is_sound: &(dyn Fn() -> bool + Sync)) -> Told {
        let mut told = Told::of(self);
        for pair in 0..self.pairs {
            let mut rows = [2 * pair, 2 * pair + 1].map(|n| Row {
                labels: vec![("order".to_owned(), n.to_string())],
                ..samples::row(self.from + n)
            });
            for round in 0..3 {
                let asked = rows.each_ref().map(|row| {
                    told.open.insert(row.key, row.version);
                    (row.clone(), is_sound(), store.commit(commit(row)))
                });
                for (row, sound, answer) in asked {
                    match answer.await {
                        Ok(()) => told.answer(&row),
                        Err(refused) => {
                            told.refuse(&refused, sound);
                            if self.gives_up {
                                return told;
                            }
                            self.ask_again(store, is_sound, &row, &mut told).await;
                        }
                    }
                }
                rows = rows.map(|row| if round == 1 { samples::ended(&row) } else { samples::next(&row) });
            }
            if !self.owe(store, is_sound, pair + 1, &mut told).await {
                return told;
            }
        }
        told
    }

    async fn ask_again(
        self,
        store: &dyn Store,
        is_sound: &(dyn Fn() -> bool + Sync),
        row: &Row,
        told: &mut Told,
    ) {
        for _ in 0..TRIES {
            let sound = is_sound();
            match store.load(row.key).await {
                Ok(stored) => {
                    let stored = stored.map_or(0, |row| row.version);
                    if stored == row.version {
                        return told.answer(row);
                    }
                    assert_eq!(stored, row.version - 1, "neither what was there nor what was asked for");
                    let sound = is_sound();
                    match store.commit(commit(row)).await {
                        Ok(()) => return told.answer(row),
                        Err(refused) => told.refuse(&refused, sound),
                    }
                }
                Err(why) => told.refuse(&CommitRefused::Unavailable(why), sound),
            }
            self.wait().await;
        }
        panic!("the store does not come back: {told:?}");
    }

    /// Notes what is owed at a place; `false` if that was refused and given up.
    async fn owe(
        self,
        store: &dyn Store,
        is_sound: &(dyn Fn() -> bool + Sync),
        place: u64,
        told: &mut Told,
    ) -> bool {
        for _ in 0..TRIES {
            let sound = is_sound();
            match store.owe(&told.reader(), place, vec![delivery(self.from, place)]).await {
                Ok(()) => {
                    told.cursor = place;
                    return true;
                }
                Err(_) if self.gives_up => return false,
                Err(why) => told.refuse(&CommitRefused::Unavailable(why), sound),
            }
            self.wait().await;
        }
        panic!("the store does not come back: {told:?}");
    }

    async fn wait(self) {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
    }
}

/// The first version of a closure comes with a key, the second with an event.
fn commit(row: &Row) -> Commit {
    let name = row.key.to_string();
    Commit {
        key: (row.version == 1).then(|| KeyEntry { closure: row.key, ..samples::idempotency_key(&name) }),
        inbox: (row.version == 2).then(|| samples::event(&name)),
        ..samples::insert(row)
    }
}

fn delivery(from: u64, place: u64) -> DeliveryRow {
    DeliveryRow {
        key: Uuid::from_u128((0xde << 120) | (u128::from(from) << 32) | u128::from(place)),
        closure: samples::key(from),
        organisation: "acme".to_owned(),
        lane: "a".to_owned(),
        result: "waiting".to_owned(),
        due_at: Some(samples::START),
        updated_at: samples::START,
        body: Bytes::from(format!("place {place}")),
    }
}

/// What was asked and what was answered.
#[derive(Debug)]
pub struct Told {
    work: Work,
    /// The version that was answered last.
    answered: BTreeMap<ClosureKey, u64>,
    /// A later one that was asked for, and whose fate nobody was told.
    open: BTreeMap<ClosureKey, u64>,
    /// The place up to which a cursor was moved, by the last answer.
    cursor: u64,
    /// How often the store refused although nothing was to fail any more when it was asked.
    pub late: usize,
    /// How often it refused at all.
    pub refused: usize,
    /// What it said at last.
    pub why: String,
}

impl Told {
    fn of(work: Work) -> Self {
        Self {
            work,
            answered: BTreeMap::new(),
            open: BTreeMap::new(),
            cursor: 0,
            late: 0,
            refused: 0,
            why: String::new(),
        }
    }

    fn answer(&mut self, row: &Row) {
        self.answered.insert(row.key, row.version);
        self.open.remove(&row.key);
    }

    fn refuse(&mut self, refused: &CommitRefused, sound: bool) {
        let CommitRefused::Unavailable(why) = refused else { panic!("{refused}") };
        self.why.clone_from(&why.why);
        self.refused += 1;
        self.late += usize::from(sound);
    }

    /// Works on one store do not share a reader.
    fn reader(&self) -> String {
        format!("reader {}", self.work.from)
    }

    /// How many versions were answered.
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Looks whether a store that works holds what was answered, and nothing by halves.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn is_found(&self, store: &dyn Store, case: &str) -> Result<(), StoreUnavailable> {
        let events: BTreeSet<String> =
            store.inbox(EVENTS).await?.into_iter().map(|entry| entry.event).collect();
        for n in 0..2 * self.work.pairs {
            let key = samples::key(self.work.from + n);
            let version = store.load(key).await?.map_or(0, |row| row.version);
            let answered = self.answered.get(&key).copied().unwrap_or(0);
            let asked = self.open.get(&key).copied().unwrap_or(answered);
            assert!(
                version == answered || version == asked,
                "{case}: closure {n} is at {version}, {answered} was answered and {asked} asked for"
            );
            let lines = store.journal(key).await?;
            let sequences: Vec<u64> = lines.iter().map(|placed| placed.line.sequence).collect();
            assert_eq!(sequences, (1..=version).collect::<Vec<_>>(), "{case}: row and lines are one unit");
            assert!(lines.is_sorted_by(|one, next| one.position < next.position), "{case}: {lines:?}");
            let name = key.to_string();
            assert_eq!(store.key("producer", &name).await?.is_some(), version > 0, "{case}: key {n}");
            assert_eq!(events.contains(&name), version > 1, "{case}: event {n}");
        }
        let cursor = store.cursor(&self.reader()).await?;
        assert!((self.cursor..=self.cursor + 1).contains(&cursor), "{case}: the cursor is at {cursor}");
        for place in 1..=self.work.pairs {
            let owed = store.delivery(delivery(self.work.from, place).key).await?;
            assert_eq!(owed.is_some(), place <= cursor, "{case}: what is owed at {place}, and {cursor}");
        }
        Ok(())
    }
}
