//! Work of a known size, for whoever counts the instructions that it takes.
//!
//! ```sh
//! cargo run -p closeout-tests --example instructions -- stories 20
//! ```
//!
//! With 0 it prepares as for any other number, so the difference of two runs is the work alone.

#![expect(clippy::unwrap_used, reason = "work that fails is not worth counting")]

#[path = "../../fuzz/src/doors.rs"]
#[expect(dead_code, reason = "of the doors one is counted")]
mod doors;

use std::{hint::black_box, path::Path};

use bytes::Bytes;
use store::{Commit, KeyEntry, Line, Row, Store as _};
use store_sqlite::SqliteStore;
use uuid::Uuid;

/// A kind of work by its name: it is done so many times.
type Work = (&'static str, fn(u64));

const WORKS: [Work; 3] = [("stories", stories), ("deliveries", deliveries), ("commits", commits)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names = WORKS.map(|(name, _)| name).join(", ");
    let [name, times] = arguments.as_slice() else { panic!("usage: instructions WORK TIMES, of {names}") };
    let (_, work) =
        WORKS.into_iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("of {names}"));
    work(times.parse().unwrap());
}

/// Stories of the driver: some twenty conversations each, with all that goes wrong.
fn stories(times: u64) {
    for seed in 0..times {
        black_box(simulation::tell(seed, None).unwrap_or_else(|failure| panic!("{failure}")));
    }
}

/// The corpus of deliveries, verified by every scheme and read by every decoder.
fn deliveries(times: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/deliveries");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for _ in 0..times {
        for delivery in &corpus {
            black_box(doors::delivery(delivery));
        }
    }
}

/// New closures in a store on disk, each durable before the next one: a row, a line of the journal, and a key.
fn commits(times: u64) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(folder.path().join("closeout.db")).unwrap();
        for number in 0..times {
            store.commit(accepted(number)).await.unwrap();
        }
        store.close().await.unwrap();
    });
}

fn accepted(number: u64) -> Commit {
    // As version 7 is: the time first. The rest is spread by a multiplication, so that it is the same in each run.
    let spread = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let key = Uuid::from_u128((u128::from(number) << 80) | (7 << 76) | spread);
    let row = Row {
        key,
        organisation: "main".to_owned(),
        conversation: Some(Uuid::from_u128(spread << 64 | spread)),
        participant: None,
        version: 1,
        state: "verifying".to_owned(),
        reason: None,
        source: "http".to_owned(),
        ended: false,
        wake_at: Some(1_000),
        created_at: 1,
        updated_at: 1,
        labels: Vec::new(),
        queue: None,
        body: Bytes::from(vec![b'a'; 260]),
    };
    let line = Line {
        sequence: 1,
        at: 1,
        kind: "accepted".to_owned(),
        announcement: Some("closeout.closure.accepted.v1".to_owned()),
        body: Bytes::from(vec![b'b'; 380]),
    };
    let key = KeyEntry {
        scope: "main".to_owned(),
        key: key.to_string(),
        digest: [1; 32],
        closure: key,
        attached: false,
        used_at: 1,
    };
    Commit { closure: Some((row, 0)), lines: vec![line], inbox: None, key: Some(key) }
}
