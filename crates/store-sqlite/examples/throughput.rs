//! Measures how many transitions a second a store in a file makes durable.
//!
//! `cargo run --release -p store-sqlite --example throughput -- [folder] [body bytes] [seconds]`
//!
//! As many writers as the pressure says each take closures through five commits, one after the other, as a service
//! does: acceptance with an idempotency key, three steps, the webhook's step with its inbox entry, the end.

use std::{
    env,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use store::{Commit, InboxEntry, KeyEntry, Line, Row, Store};
use store_sqlite::SqliteStore;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The states of a clean closure, and whether the line that leads there is announced.
const STATES: [(&str, bool); 5] = [
    ("accepted", false),
    ("verifying", false),
    ("closing participant", false),
    ("closing wrapper", true),
    ("closed", true),
];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().map_or_else(env::temp_dir, PathBuf::from);
    let body: usize = arguments.next().map_or(600, |bytes| bytes.parse().expect("bytes are a number"));
    let seconds: u64 = arguments.next().map_or(5, |seconds| seconds.parse().expect("seconds are a number"));
    println!("pressure  transitions/s  closures/s  per transaction  p50 ms  p99 ms  CPU µs/transition  MiB");
    for pressure in [1, 64, 256] {
        let folder = tempfile::tempdir_in(&folder).expect("the folder can be written");
        measure(folder.path().join("throughput.db"), pressure, body, Duration::from_secs(seconds)).await;
    }
}

async fn measure(path: PathBuf, pressure: u64, body: usize, during: Duration) {
    let store = Arc::new(SqliteStore::open(&path).expect("a new store can be made"));
    let number = Arc::new(AtomicU64::new(0));
    let body = Bytes::from(vec![b'x'; body]);
    let started = Instant::now();
    let cpu_before = cpu_seconds();
    let mut writers = JoinSet::new();
    for _ in 0..pressure {
        let (store, number, body) = (Arc::clone(&store), Arc::clone(&number), body.clone());
        writers.spawn(async move {
            let mut waits = Vec::new();
            while started.elapsed() < during {
                let n = number.fetch_add(1, Ordering::Relaxed);
                close_one(&*store, n, &body, &mut waits).await;
            }
            waits
        });
    }
    let mut waits = writers.join_all().await.concat();
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    waits.sort_unstable();
    let at = |percent: usize| waits[waits.len() * percent / 100].as_secs_f64() * 1_000.0;
    let transitions = waits.len();
    let per_second = transitions as f64 / took;
    println!(
        "{pressure:>8}  {per_second:>13.0}  {:>10.0}  {:>15.1}  {:>6.2}  {:>6.2}  {:>17.1}  {:>3}",
        per_second / STATES.len() as f64,
        transitions as f64 / store.transactions() as f64,
        at(50),
        at(99),
        cpu * 1e6 / transitions as f64,
        std::fs::metadata(&path).map_or(0, |file| file.len() >> 20),
    );
}

async fn close_one(store: &dyn Store, n: u64, body: &Bytes, waits: &mut Vec<Duration>) {
    let mut row = accepted(n, body);
    for (step, (state, announced)) in (1..).zip(STATES) {
        row.version = step;
        row.state = state.to_owned();
        row.ended = state == "closed";
        row.wake_at = (!row.ended).then_some(row.created_at + 30_000);
        row.updated_at += 1;
        let line = Line {
            sequence: step,
            at: row.updated_at,
            kind: "replied".to_owned(),
            announcement: announced.then(|| "closure.moved".to_owned()),
            body: body.slice(..body.len() / 2),
        };
        let commit = Commit {
            lines: vec![line],
            key: (step == 1).then(|| idempotency_key(&row, n)),
            inbox: (state == "closing wrapper").then(|| event(&row)),
            closure: Some((row.clone(), step - 1)),
        };
        let asked = Instant::now();
        store.commit(commit).await.expect("a clean closure is taken");
        waits.push(asked.elapsed());
    }
}

fn accepted(n: u64, body: &Bytes) -> Row {
    let created_at = 1_700_000_000_000 + i64::try_from(n / 6).expect("it is small");
    Row {
        key: Uuid::now_v7(),
        organisation: "acme".to_owned(),
        conversation: Some(Uuid::new_v4()),
        participant: Some(Uuid::new_v4()),
        version: 0,
        state: String::new(),
        reason: None,
        source: "http".to_owned(),
        ended: false,
        wake_at: None,
        created_at,
        updated_at: created_at,
        labels: Vec::new(),
        queue: None,
        body: body.clone(),
    }
}

fn idempotency_key(row: &Row, n: u64) -> KeyEntry {
    KeyEntry {
        scope: "producer".to_owned(),
        key: format!("order-{n:012}"),
        digest: [9; 32],
        closure: row.key,
        attached: false,
        used_at: row.created_at,
    }
}

fn event(row: &Row) -> InboxEntry {
    InboxEntry {
        adapter: "genesys".to_owned(),
        event: Uuid::new_v4().to_string(),
        digest: [7; 32],
        organisation: row.organisation.clone(),
        conversation: row.conversation,
        received_at: row.updated_at,
        result: "taken".to_owned(),
    }
}

/// CPU time of this process so far, in seconds; 0 where `/proc` is missing.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // User and system time are fields 14 and 15 of proc(5), the 12th and 13th after the name, in ticks of 10 ms.
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}
