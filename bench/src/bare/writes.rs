//! The durable half of the ceiling: fully synced writes that share transactions.
//!
//! One thread owns an SQLite file (WAL, `synchronous=FULL`), drains all that waits into one transaction, and answers everybody once it
//! is durable. A write is a line of a log that only grows, and the row of its closure, written anew: the least that anything must keep
//! which is to go on after a kill. Rows are found by consecutive numbers, so that no page is touched twice without need.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use anyhow::Context;
use dashmap::DashMap;
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Writes in one transaction at most, as in the service.
const BATCH_LIMIT: usize = 1_024;

/// Where a closure is, as the row of its state says it.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// The command was taken.
    Accepted,
    /// The participant is about to be closed.
    ClosingParticipant,
    /// The webhook has come, and the wrapper is about to be closed.
    ClosingWrapper,
    /// Both are closed.
    Closed,
}

struct Write {
    row: i64,
    step: Step,
    conversation: Uuid,
    done: oneshot::Sender<()>,
}

/// The callers' end of the writing thread.
pub struct Writes {
    queue: Sender<Write>,
    rows: DashMap<Uuid, i64>,
    next: AtomicI64,
}

impl Writes {
    /// Makes the file and starts the thread, which ends with the last caller.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        connection.execute_batch(
            // As the service's own.
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 16384; PRAGMA cache_size = -3072;
             CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT NOT NULL);
             CREATE TABLE closure (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, state TEXT NOT NULL);",
        )?;
        let (queue, waiting) = mpsc::channel();
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            if let Err(error) = drain(&connection, &waiting) {
                eprintln!("cannot write: {error:#}");
                std::process::exit(1);
            }
        })?;
        Ok(Self { queue, rows: DashMap::new(), next: AtomicI64::new(1) })
    }

    /// Returns once the step is durable.
    pub async fn write(&self, conversation: Uuid, step: Step) -> anyhow::Result<()> {
        let ended = matches!(step, Step::Closed);
        let row = ended.then(|| self.rows.remove(&conversation)).flatten().map(|(_, row)| row);
        let row = row.unwrap_or_else(|| {
            *self.rows.entry(conversation).or_insert_with(|| self.next.fetch_add(1, Ordering::Relaxed))
        });
        let (done, durable) = oneshot::channel();
        self.queue.send(Write { row, step, conversation, done }).ok().context("the writer has ended")?;
        durable.await.context("the writer has ended")
    }
}

fn drain(connection: &Connection, waiting: &Receiver<Write>) -> rusqlite::Result<()> {
    let mut line = connection.prepare("INSERT INTO log (line) VALUES (?1)")?;
    let mut state =
        connection.prepare("INSERT OR REPLACE INTO closure (id, step, state) VALUES (?1, ?2, ?3)")?;
    let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
    let mut commit = connection.prepare("COMMIT")?;
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        batch.push(first);
        batch.extend(waiting.try_iter().take(BATCH_LIMIT - 1));
        begin.execute([])?;
        for write in &batch {
            let Write { row, step, conversation, .. } = write;
            let text = format!(
                r#"{{"conversation":"{conversation}","step":"{step:?}","attempts":1,"deadline":1764500000000,"reason":"benchmark"}}"#
            );
            line.execute([&text])?;
            state.execute(rusqlite::params![row, *step as u8, text])?;
        }
        commit.execute([])?;
        for write in batch.drain(..) {
            // A caller that has gone need not be told.
            let _ = write.done.send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn four_steps_are_four_lines_and_one_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bare.db");
        let writes = Writes::open(&file).unwrap();
        for conversation in [Uuid::from_u128(1), Uuid::from_u128(2)] {
            for step in [Step::Accepted, Step::ClosingParticipant, Step::ClosingWrapper, Step::Closed] {
                writes.write(conversation, step).await.unwrap();
            }
        }
        let connection = Connection::open(&file).unwrap();
        let count = |of: &str| connection.query_row(of, (), |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM log"), 8);
        assert_eq!(count("SELECT count(*) FROM closure"), 2);
        assert_eq!(count("SELECT count(*) FROM closure WHERE step = 3"), 2);
    }
}
