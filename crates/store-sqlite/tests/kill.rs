//! `kill -9` in the middle of commits: every commit that was answered is there, and the lock is free.
//!
//! This binary starts itself as the process that is killed, so it has no test harness.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use store::{Row, Store, conformance::samples};
use store_sqlite::SqliteStore;

/// Names the folder of the store to the process that is killed.
const FOLDER: &str = "STORE_SQLITE_KILL_TEST_FOLDER";

/// How often the process is killed.
const ROUNDS: u64 = 5;

/// Answers that are read in each round before the kill.
const ANSWERS: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the test can start threads");
    match env::var_os(FOLDER) {
        Some(folder) => runtime.block_on(commit_until_killed(Path::new(&folder))),
        None => runtime.block_on(every_answered_commit_survives_kill_9()),
    }
}

/// Commits closures at several versions from several tasks, and prints `key version` after each answer.
async fn commit_until_killed(folder: &Path) {
    let store =
        SqliteStore::open(folder.join("closeout.db")).expect("the lock of the killed process is free");
    let round: u64 = env::args().nth(1).and_then(|round| round.parse().ok()).expect("the round is given");
    let store: &'static SqliteStore = Box::leak(Box::new(store));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        tasks.spawn(async move {
            for n in 0.. {
                let mut row = samples::row(round * 10_000_000 + task * 100_000 + n);
                for _ in 0..3 {
                    store.commit(samples::insert(&row)).await.expect("a clean commit is taken");
                    let mut out = stdout().lock();
                    writeln!(out, "{} {}", row.key, row.version)
                        .and_then(|()| out.flush())
                        .expect("the parent reads");
                    drop(out);
                    row = samples::next(&row);
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn every_answered_commit_survives_kill_9() {
    let folder = tempfile::tempdir().expect("the test has a folder");
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        answered.extend(answers_until_kill(folder.path(), round));
        let store = open_within(folder.path(), Duration::from_secs(10));
        assert_eq!(store.check_integrity().await, Ok(Vec::new()));
        for (key, version) in &answered {
            let row: Row =
                store.load(*key).await.expect("the store can be read").expect("an answered row is there");
            assert!(row.version >= *version, "{key} is at {}, but {version} was answered", row.version);
            let lines = store.journal(*key).await.expect("the store can be read");
            assert_eq!(lines.len() as u64, row.version, "row and lines are one unit");
        }
    }
    assert!(answered.len() >= ANSWERS * usize::try_from(ROUNDS).expect("it is small"));
    println!("every_answered_commit_survives_kill_9 ... ok ({} answers, {ROUNDS} kills)", answered.len());
}

fn answers_until_kill(folder: &Path, round: u64) -> Vec<(uuid::Uuid, u64)> {
    let mut child = Command::new(env::current_exe().expect("the test knows its own file"))
        .arg(round.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test can start itself");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    let mut answers: Vec<String> = lines.by_ref().take(ANSWERS).map_while(Result::ok).collect();
    child.kill().expect("it can be killed");
    // What was printed before the kill was answered as well. The last line may be cut off.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    answers.extend(rest.into_iter().filter(|line| parsed(line).is_some()));
    child.wait().expect("it has ended");
    assert!(answers.len() >= ANSWERS, "the process ended by itself after {} answers", answers.len());
    answers.iter().filter_map(|line| parsed(line)).collect()
}

fn parsed(line: &str) -> Option<(uuid::Uuid, u64)> {
    let (key, version) = line.split_once(' ')?;
    Some((key.parse().ok()?, version.parse().ok()?))
}

/// The lock goes with the process, but the system may take a moment to bury it.
fn open_within(folder: &Path, bound: Duration) -> SqliteStore {
    let started = Instant::now();
    loop {
        match SqliteStore::open(folder.join("closeout.db")) {
            Ok(store) => return store,
            Err(failure) if started.elapsed() > bound => panic!("{failure}"),
            Err(_) => thread::yield_now(),
        }
    }
}
