//! Measures how many transitions a second a database makes durable.
//!
//! `cargo run --release -p store-postgres --example postgres_throughput -- postgres://USER@HOST/DATABASE?schema=measured [body bytes] [seconds]`
//!
//! As many writers as the pressure says each take closures through five commits, one after the other, as a service
//! does: acceptance with an idempotency key, three steps, the webhook's step with its inbox entry, the end. What it writes stays
//! in the schema: name one that can be dropped.

mod closing;

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use store_postgres::{Address, PostgresStore};
use tokio::task::JoinSet;

use closing::{STATES, close_one};

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
