//! Measures what retention costs a database, and whether its size levels out.
//!
//! `cargo run --release -p store-postgres --example retention -- postgres://USER@HOST/DATABASE?schema=measured [seconds] [kept seconds]`
//!
//! 64 writers close without a pause. In the first third nothing is removed; then what ended longer ago than is kept goes, in
//! batches, as a service does it. Each line is of ten seconds. What it writes stays in the schema: name one that can be dropped.

#[path = "../postgres_throughput/closing.rs"]
mod closing;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use store::Store;
use store_postgres::{Address, Periods, PostgresStore};
use tokio_postgres::NoTls;

use closing::{close_one, now};

const WRITERS: usize = 64;

/// How much is removed at once, as the service does it.
const AT_ONCE: usize = 1_000;

const LINE: Duration = Duration::from_secs(10);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().expect("the first argument is postgres://USER@HOST/DATABASE?schema=NAME");
    let mut seconds =
        |other: u64| arguments.next().map_or(other, |seconds| seconds.parse().expect("seconds are a number"));
    let (during, kept) = (Duration::from_secs(seconds(180)), Duration::from_secs(seconds(30)));
    let address = Address::parse(&url).expect("the first argument is an address");
    // In about the proportions of a service: ten periods are kept of closures, and some of events, which go much earlier.
    let periods = Periods { closures: kept / 10, events: kept / 20 };
    let store = PostgresStore::open_with(&address, true, periods).await;
    let store = Arc::new(store.expect("the database can be opened"));
    let (begun, closed, removed) = (Instant::now(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let body = Bytes::from(vec![b'x'; 600]);
    for _ in 0..WRITERS {
        let (store, closed, body) = (Arc::clone(&store), Arc::clone(&closed), body.clone());
        tokio::spawn(async move {
            while begun.elapsed() < during {
                close_one(&*store, &body, &mut Vec::new()).await;
                closed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::spawn({
        let (store, removed) = (Arc::clone(&store), Arc::clone(&removed));
        async move {
            while begun.elapsed() < during {
                // Nothing is that old; a sweep also makes the parts for the time to come.
                let (mut rows_before, mut inbox_before) = (0, 0);
                if begun.elapsed() > during / 3 {
                    let kept = i64::try_from(kept.as_millis()).expect("it is a time of a measurement");
                    (rows_before, inbox_before) = (now() - kept, now() - kept / 3);
                }
                match store.prune(rows_before, inbox_before, AT_ONCE).await.expect("the database answers") {
                    0 => tokio::time::sleep(Duration::from_millis(100)).await,
                    some => drop(removed.fetch_add(some, Ordering::Relaxed)),
                }
            }
        }
    });
    println!("second  closures/s  removed/s     MB  dead rows");
    let (mut closed_before, mut removed_before) = (0, 0);
    while begun.elapsed() < during {
        tokio::time::sleep(LINE).await;
        let (now_closed, now_removed) = (closed.load(Ordering::Relaxed), removed.load(Ordering::Relaxed));
        let (bytes, dead) = size(&url).await;
        println!(
            "{:>6}  {:>10}  {:>9}  {:>5}  {:>9}",
            begun.elapsed().as_secs(),
            (now_closed - closed_before) / LINE.as_secs(),
            (now_removed - removed_before) / LINE.as_secs(),
            bytes / 1_000_000,
            dead
        );
        (closed_before, removed_before) = (now_closed, now_removed);
    }
}

/// The bytes of the schema with its indexes, and how many dead rows the server knows of.
async fn size(url: &str) -> (i64, i64) {
    let (address, schema) = url.split_once("?schema=").expect("the address names a schema");
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let sql = "SELECT sum(pg_total_relation_size(relid))::bigint, sum(n_dead_tup)::bigint
               FROM pg_stat_user_tables WHERE schemaname = $1";
    let row = client.query_one(sql, &[&schema]).await.expect("the server tells sizes");
    (row.get(0), row.get(1))
}
