//! Closures that are written again and again, and what must hold of them whatever happened meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use store::{CommitRefused, Row, Store, conformance::samples};
use tokio::task::JoinSet;

/// Writers that each write a closure of their own until they are told to stop.
pub struct Lives {
    store: Arc<dyn Store>,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    writers: JoinSet<(Row, u64)>,
}

impl Lives {
    pub fn begin(store: &Arc<dyn Store>, writers: u64) -> Self {
        let mut lives = Self {
            store: Arc::clone(store),
            stop: Arc::default(),
            taken: Arc::default(),
            writers: JoinSet::new(),
        };
        for n in 0..writers {
            let (store, stop, taken) = (Arc::clone(store), Arc::clone(&lives.stop), Arc::clone(&lives.taken));
            lives.writers.spawn(live(store, samples::row(n), stop, taken));
        }
        lives
    }

    /// How many commits were taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits until `more` commits are taken from here on, and answers how long that took.
    pub async fn go_on(&self, more: u64, within: Duration) -> Duration {
        let (begin, goal) = (Instant::now(), self.taken() + more);
        while self.taken() < goal {
            assert!(begin.elapsed() < within, "only {} of {goal} commits within {within:?}", self.taken());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begin.elapsed()
    }

    /// Stops the writers, and compares what they were told with what is stored.
    pub async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(life) = self.writers.join_next().await {
            let (row, durable) = life.expect("a writer does not panic");
            let stored = self.store.load(row.key).await.expect("the server is back").expect("it was written");
            assert!(
                stored.version >= durable,
                "version {durable} was answered, {} is stored",
                stored.version
            );
            let journal = self.store.journal(row.key).await.expect("the server is back");
            let sequences: Vec<_> = journal.iter().map(|placed| placed.line.sequence).collect();
            assert_eq!(sequences, (1..=stored.version).collect::<Vec<_>>(), "one line for each version");
            assert!(journal.is_sorted_by(|one, next| one.position < next.position));
        }
    }
}

/// Writes version after version. What is not known after a failure is loaded, as every caller of a store does.
async fn live(store: Arc<dyn Store>, first: Row, stop: Arc<AtomicBool>, taken: Arc<AtomicU64>) -> (Row, u64) {
    let (mut row, mut durable) = (first, 0);
    while !stop.load(Ordering::Relaxed) || durable == 0 {
        match store.commit(samples::insert(&row)).await {
            Ok(()) => {
                durable = row.version;
                taken.fetch_add(1, Ordering::Relaxed);
                row = samples::next(&row);
            }
            Err(CommitRefused::Unavailable(_)) => loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if let Ok(stored) = store.load(row.key).await {
                    row = stored
                        .map_or_else(|| Row { version: 1, ..row.clone() }, |stored| samples::next(&stored));
                    break;
                }
            },
            // A commit in doubt that became durable after it was looked for.
            Err(CommitRefused::Version(version)) => row = Row { version: version + 1, ..row },
            Err(other) => panic!("{other}"),
        }
    }
    (row, durable)
}
