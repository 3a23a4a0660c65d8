//! What the tests ask of a store, and what they must find afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use store::{ClosureKey, Commit, CommitRefused, Row, Store, conformance::samples};
use store_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::disk::Disk;

const FILE: &str = "closeout.db";

/// Closures that the work is about.
const CLOSURES: u64 = 6;

/// How often something is asked again at most, also of a disk that fails for long.
const TRIES: usize = 400;

/// A new store to copy: making one takes longer than what most tests do with it.
pub(crate) struct EmptyStore(TempDir);

impl EmptyStore {
    /// Made on the disk of the test, which is sound.
    pub(crate) fn made() -> Self {
        let folder = tempfile::tempdir().expect("the disk is sound");
        drop(SqliteStore::open(folder.path().join(FILE)).expect("the disk is sound"));
        Self(folder)
    }

    /// A copy in a folder of its own.
    pub(crate) fn copied(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("the disk is sound");
        let path = folder.path().join(FILE);
        fs::copy(self.0.path().join(FILE), &path).expect("the disk is sound");
        (folder, path)
    }
}

/// What was asked and what was answered.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The version that was answered last.
    answered: BTreeMap<ClosureKey, u64>,
    /// A later one that was asked for, and whose fate nobody was told.
    open: BTreeMap<ClosureKey, u64>,
    /// The place up to which a cursor was moved, by the last answer.
    cursor: u64,
    /// How often the store refused although the disk was sound when it was asked.
    pub(crate) late: usize,
    /// How often it refused at all.
    pub(crate) refused: usize,
    /// What it said at last.
    why: String,
}

/// Three versions of each of some closures, two commits under way at once, with lines, an event, a key, labels, and a cursor
/// between them. What is refused is asked again once the store has said how things stand, as a service does; `gives_up` ends the
/// work with the first refusal.
pub(crate) async fn work(store: &SqliteStore, disk: &Disk, gives_up: bool) -> Told {
    let mut told = Told::default();
    for pair in 0..CLOSURES / 2 {
        let mut rows = [2 * pair, 2 * pair + 1]
            .map(|n| Row { labels: vec![("order".to_owned(), n.to_string())], ..samples::row(n) });
        for round in 0..3 {
            let asked = rows.each_ref().map(|row| {
                told.open.insert(row.key, row.version);
                (row.clone(), disk.is_sound(), store.commit(commit(row, round)))
            });
            for (row, sound, answer) in asked {
                match answer.await {
                    Ok(()) => told.answer(&row),
                    Err(refused) => {
                        told.refuse(&refused, sound);
                        if gives_up {
                            return told;
                        }
                        ask_again(store, disk, &row, round, &mut told).await;
                    }
                }
            }
            rows = rows.map(|row| if round == 1 { samples::ended(&row) } else { samples::next(&row) });
        }
        let place = pair + 1;
        for _ in 0..TRIES {
            let sound = disk.is_sound();
            match store.move_cursor("announcements", place).await {
                Ok(()) => {
                    told.cursor = place;
                    break;
                }
                Err(_) if gives_up => return told,
                Err(why) => told.refuse(&CommitRefused::Unavailable(why), sound),
            }
        }
    }
    told
}

fn commit(row: &Row, round: u64) -> Commit {
    let mut commit = samples::insert(row);
    match round {
        0 => {
            commit.key =
                Some(store::KeyEntry { closure: row.key, ..samples::idempotency_key(&row.key.to_string()) });
        }
        1 => commit.inbox = Some(samples::event(&row.key.to_string())),
        _ => {}
    }
    commit
}

async fn ask_again(store: &SqliteStore, disk: &Disk, row: &Row, round: u64, told: &mut Told) {
    for _ in 0..TRIES {
        let sound = disk.is_sound();
        let stored = match store.load(row.key).await {
            Ok(stored) => stored.map_or(0, |row| row.version),
            Err(why) => {
                told.refuse(&CommitRefused::Unavailable(why), sound);
                continue;
            }
        };
        if stored == row.version {
            return told.answer(row);
        }
        assert_eq!(stored, row.version - 1, "neither what was there nor what was asked for");
        let sound = disk.is_sound();
        match store.commit(commit(row, round)).await {
            Ok(()) => return told.answer(row),
            Err(refused) => told.refuse(&refused, sound),
        }
    }
    panic!("the store does not come back: {told:?}");
}

impl Told {
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

    /// How many versions were answered.
    pub(crate) fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Opens the store again, and looks whether it holds what was answered and nothing by halves.
    pub(crate) async fn is_found_in(&self, path: &Path, case: &str) {
        let store = SqliteStore::open(path).unwrap_or_else(|why| panic!("{case}: {why}"));
        self.is_found(&store, case).await;
        assert_eq!(store.check_integrity().await.expect("the disk is sound"), Vec::<String>::new(), "{case}");
        store.commit(samples::insert(&samples::row(99))).await.unwrap_or_else(|why| panic!("{case}: {why}"));
    }

    /// The same of a store that is open.
    pub(crate) async fn is_found(&self, store: &SqliteStore, case: &str) {
        for n in 0..CLOSURES {
            let key = samples::key(n);
            let stored = store.load(key).await.expect("the disk is sound");
            let version = stored.as_ref().map_or(0, |row| row.version);
            let answered = self.answered.get(&key).copied().unwrap_or(0);
            let asked = self.open.get(&key).copied().unwrap_or(answered);
            assert!(
                version == answered || version == asked,
                "{case}: closure {n} is at {version}, {answered} was answered and {asked} asked for"
            );
            let lines = store.journal(key).await.expect("the disk is sound");
            assert_eq!(lines.len() as u64, version, "{case}: row and lines are one unit");
            let name = key.to_string();
            assert_eq!(
                store.key("producer", &name).await.expect("the disk is sound").is_some(),
                version > 0,
                "{case}: {name}"
            );
        }
        let events = store.inbox(100).await.expect("the disk is sound").len();
        let seconds = self.answered.values().filter(|version| **version > 1).count();
        assert!((seconds..=seconds + self.open.len()).contains(&events), "{case}: {events} events");
        let cursor = store.cursor("announcements").await.expect("the disk is sound");
        assert!((self.cursor..=self.cursor + 1).contains(&cursor), "{case}: the cursor is at {cursor}");
    }
}
