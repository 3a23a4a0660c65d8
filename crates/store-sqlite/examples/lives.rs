//! Writes the lives of many closures into a store on disk, 256 at a time or as many as one says, and tells what one costs the writer.
//!
//! ```sh
//! cargo run --release -p store-sqlite --example lives -- 50000 [FOLDER [AT_ONCE [TIMES]]]
//! ```
//!
//! With TIMES it does so over and over, into the same store, and so tells what a closure costs in a store that grows.
//!
//! A life is what a clean closure writes: accepted with an idempotency key and a read under way; the guest's close under way;
//! the accepted close and its event with the wrapper's close under way; closed. CPU time and bytes written are those of the whole
//! process, as the kernel counts them, per closure and without the first tenth; bytes kept are the file at the end, of all.

use std::{fs, path::PathBuf, sync::Arc, time::Instant};

use bytes::Bytes;
use store::{Commit, InboxEntry, KeyEntry, Line, Row, Store as _};
use store_sqlite::SqliteStore;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How many lives are under way at once, where nobody says.
const AT_ONCE: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(50_000, |count| count.parse().expect("a number of closures"));
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "target".to_owned()));
    let at_once = arguments.next().map_or(AT_ONCE, |at_once| at_once.parse().expect("how many at once"));
    let times: usize = arguments.next().map_or(1, |times| times.parse().expect("how many times"));
    let folder = tempfile::tempdir_in(folder).expect("a folder on disk");
    let store = Arc::new(SqliteStore::open(folder.path().join("lives.db")).expect("a new store"));

    run(&store, count / 10, at_once).await;
    for time in 1..=times {
        measure(&store, count, at_once).await;
        if times > 1 {
            println!("closures in the store     {:>9}\n", count / 10 + count * time);
        }
    }
    store.close().await.expect("the log is moved into the database");
    let kept = fs::metadata(folder.path().join("lives.db")).expect("the store is there").len();
    println!("bytes kept each           {:>9.0}", kept as f64 / (count / 10 + count * times) as f64);
}

/// Writes `count` lives and prints what one of them took.
async fn measure(store: &Arc<SqliteStore>, count: usize, at_once: usize) {
    let (cpu, written, transactions, started) =
        (cpu_seconds(), bytes_written(), store.transactions(), Instant::now());
    run(store, count, at_once).await;
    let closures = count as f64;
    println!("closures a second         {:>9.0}", closures / started.elapsed().as_secs_f64());
    println!("CPU microseconds each     {:>9.1}", (cpu_seconds() - cpu) * 1e6 / closures);
    println!("bytes written each        {:>9.0}", (bytes_written() - written) / closures);
    println!(
        "commits in a transaction  {:>9.1}",
        closures * 4.0 / (store.transactions() - transactions) as f64
    );
}

async fn run(store: &Arc<SqliteStore>, count: usize, at_once: usize) {
    let turns = Arc::new(Semaphore::new(at_once));
    for _ in 0..count {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        let store = Arc::clone(store);
        tokio::spawn(async move {
            live(&store).await;
            drop(turn);
        });
    }
    let _all = turns
        .acquire_many(u32::try_from(at_once).expect("a small number"))
        .await
        .expect("the semaphore is never closed");
}

async fn live(store: &SqliteStore) {
    let mut row = Row {
        key: Uuid::now_v7(),
        organisation: "main".to_owned(),
        conversation: Some(Uuid::new_v4()),
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
    row.created_at = i64::try_from(row.key.as_u128() >> 80).expect("a time in milliseconds");
    let line = |sequence, announcement: Option<&str>| Line {
        sequence,
        at: 1,
        kind: "replied".to_owned(),
        announcement: announcement.map(str::to_owned),
        body: Bytes::from(vec![b'b'; 380]),
    };
    let key = KeyEntry {
        scope: "bench".to_owned(),
        key: Uuid::new_v4().to_string(),
        digest: [1; 32],
        closure: row.key,
        attached: false,
        used_at: row.created_at,
    };
    let first = vec![line(1, Some("closeout.closure.accepted.v1"))];
    commit(store, Commit { closure: Some((row.clone(), 0)), lines: first, inbox: None, key: Some(key) })
        .await;

    step(&mut row, 1, "closing_participant", 480);
    row.participant = Some(Uuid::new_v4());
    commit(
        store,
        Commit { closure: Some((row.clone(), 1)), lines: vec![line(2, None)], ..Commit::default() },
    )
    .await;

    step(&mut row, 2, "closing_wrapper", 620);
    let event = InboxEntry {
        adapter: "stub".to_owned(),
        event: Uuid::new_v4().to_string(),
        digest: [2; 32],
        organisation: "main".to_owned(),
        conversation: row.conversation,
        received_at: row.created_at,
        result: "taken".to_owned(),
    };
    let heard = vec![
        line(3, Some("closeout.closure.participant-closed.v1")),
        line(4, Some("closeout.closure.confirmed.v1")),
    ];
    commit(store, Commit { closure: Some((row.clone(), 2)), lines: heard, inbox: Some(event), key: None })
        .await;

    step(&mut row, 1, "closed", 640);
    (row.ended, row.wake_at) = (true, None);
    let last = vec![line(5, Some("closeout.closure.closed.v1"))];
    commit(store, Commit { closure: Some((row, 4)), lines: last, ..Commit::default() }).await;
}

fn step(row: &mut Row, transitions: u64, state: &str, body: usize) {
    row.version += transitions;
    row.state = state.to_owned();
    row.body = Bytes::from(vec![b'a'; body]);
}

async fn commit(store: &SqliteStore, commit: Commit) {
    store.commit(commit).await.expect("a clean life is taken");
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(str::split_whitespace)
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    // Fields 14 and 15 of proc(5), in ticks of a hundredth of a second.
    (fields[11] + fields[12]) / 100.0
}

/// What this process gave to write(2), in bytes.
fn bytes_written() -> f64 {
    let io = fs::read_to_string("/proc/self/io").expect("Linux tells");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar is there");
    line.trim().parse().expect("a number")
}
