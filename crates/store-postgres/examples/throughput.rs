//! Measures how many transitions a second a database makes durable.
//!
//! `cargo run --release -p store-postgres --example throughput -- postgres://USER@HOST/DATABASE?schema=measured [body bytes] [seconds]`
//!
//! As many writers as the pressure says each take closures through five commits, one after the other, as a service
//! does: acceptance with an idempotency key, three steps, the webhook's step with its inbox entry, the end. What it writes stays
//! in the schema: name one that can be dropped.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use store::{
    Commit, InboxEntry, KeyEntry, Line, Row, Store,
    conformance::samples::{self, START},
};
use store_postgres::{Address, PostgresStore};
use tokio::task::JoinSet;
use uuid::Uuid;

/// The states of a clean closure, and whether the line that leads there is announced.
const STATES: [(&str, bool); 5] = [
    ("verifying", false),
    ("closing_participant", false),
    ("awaiting_confirmation", false),
    ("closing_wrapper", true),
    ("closed", true),
];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().expect("the first argument is postgres://USER@HOST/DATABASE?schema=NAME");
    let address = Address::parse(&url).expect("the first argument is an address");
    let body: usize = arguments.next().map_or(600, |bytes| bytes.parse().expect("bytes are a number"));
    let seconds: u64 = arguments.next().map_or(5, |seconds| seconds.parse().expect("seconds are a number"));
    println!("pressure  transitions/s  closures/s  per transaction  p50 ms  p99 ms");
    for pressure in [1, 64, 256] {
        measure(&address, pressure, body, Duration::from_secs(seconds)).await;
    }
}

async fn measure(address: &Address, pressure: u64, body: usize, during: Duration) {
    let store = PostgresStore::open(address, true).await.expect("the database can be opened");
    let store = Arc::new(store);
    let body = Bytes::from(vec![b'x'; body]);
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..pressure {
        let (store, body) = (Arc::clone(&store), body.clone());
        writers.spawn(async move {
            let mut waits = Vec::new();
            while started.elapsed() < during {
                close_one(&*store, &body, &mut waits).await;
            }
            waits
        });
    }
    let mut waits = writers.join_all().await.concat();
    let took = started.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |percent: usize| waits[waits.len() * percent / 100].as_secs_f64() * 1_000.0;
    let per_second = waits.len() as f64 / took;
    println!(
        "{pressure:>8}  {per_second:>13.0}  {:>10.0}  {:>15.1}  {:>6.2}  {:>6.2}",
        per_second / STATES.len() as f64,
        waits.len() as f64 / store.transactions() as f64,
        at(50),
        at(99),
    );
}

async fn close_one(store: &dyn Store, body: &Bytes, waits: &mut Vec<Duration>) {
    let id = Uuid::now_v7();
    let mut row = Row {
        key: id,
        conversation: Some(Uuid::new_v4()),
        participant: Some(Uuid::new_v4()),
        body: body.clone(),
        ..samples::row(0)
    };
    for (step, (state, announced)) in (1..).zip(STATES) {
        row.version = step;
        row.state = state.to_owned();
        row.ended = state == "closed";
        row.wake_at = (!row.ended).then_some(START + 30_000);
        row.updated_at += 1;
        let line = Line {
            body: body.slice(..body.len() / 2),
            ..samples::line(step, announced.then_some("closure.moved"))
        };
        let commit = Commit {
            lines: vec![line],
            key: (step == 1).then(|| KeyEntry { closure: id, ..samples::idempotency_key(&id.to_string()) }),
            inbox: (state == "closing_wrapper")
                .then(|| InboxEntry { conversation: row.conversation, ..samples::event(&id.to_string()) }),
            closure: Some((row.clone(), step - 1)),
        };
        let asked = Instant::now();
        store.commit(commit).await.expect("a clean closure is taken");
        waits.push(asked.elapsed());
    }
}
