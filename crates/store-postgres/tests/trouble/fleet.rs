//! Services that share a schema: who lives, what the dead have left, offices, leases.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use store::{Ask, Heard, Row, Store, conformance::samples};
use store_postgres::{Address, PostgresStore};
use tokio::{task::JoinSet, time::Instant};

use crate::server;

async fn join(address: &Address) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(address, false).await.expect("the server of the test answers"))
}

async fn insert(store: &dyn Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        store.commit(samples::insert(&samples::row(n))).await.expect("it is in order");
    }
}

fn keys(rows: &[Row]) -> BTreeSet<store::ClosureKey> {
    rows.iter().map(|row| row.key).collect()
}

/// What is taken over until there is nothing for a while, in at most ten seconds.
async fn taken_over(store: &dyn Store, wanted: usize) -> BTreeSet<store::ClosureKey> {
    let (mut all, begun) = (BTreeSet::new(), Instant::now());
    while all.len() < wanted && begun.elapsed() < Duration::from_secs(10) {
        all.extend(keys(&store.take_over(64).await.expect("the server answers")));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_left_is_taken_over_once_and_what_lives_is_left_alone() {
    let address = server::address(&server::schema());
    let [one, two, three] = [join(&address).await, join(&address).await, join(&address).await];
    insert(&*one, 0..200).await;
    insert(&*two, 200..220).await;
    assert!(two.take_over(500).await.expect("it answers").is_empty(), "everybody lives");
    drop(one);
    let mut takers = JoinSet::new();
    for store in [Arc::clone(&two), Arc::clone(&three)] {
        takers.spawn(async move {
            let (mut all, begun) = (Vec::new(), Instant::now());
            while begun.elapsed() < Duration::from_secs(6) {
                all.extend(store.take_over(16).await.expect("the server answers"));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            all
        });
    }
    let taken: Vec<Row> = takers.join_all().await.into_iter().flatten().collect();
    assert_eq!((taken.len(), keys(&taken).len()), (200, 200), "each once");
    let due = |store: Arc<dyn Store>| async move {
        store.due(i64::MAX, None, 500).await.expect("it answers").len()
    };
    assert_eq!(due(two).await + due(three).await, 220, "each is due at its owner alone");
}

/// Who is served first after a death: what is due, the longest overdue first, and then what was begun last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_taken_over_by_due_time() {
    let address = server::address(&server::schema());
    let [one, two] = [join(&address).await, join(&address).await];
    // Keys grow with the number, so an order by key alone would be 0 to 4.
    let (overdue, later) = (samples::START, samples::START * 2);
    let plan = [
        (0, "ghost", Some(later)),
        (1, "ghost", Some(overdue + 2)),
        (2, "ghost", Some(overdue + 1)),
        (3, "verifying", Some(overdue)),
        (4, "verifying", Some(later)),
    ];
    for (number, state, wake_at) in plan {
        let row = Row { state: state.to_owned(), wake_at, ..samples::row(number) };
        one.commit(samples::insert(&row)).await.expect("it is in order");
    }
    one.close().await.expect("it can say so");
    let mut order = Vec::new();
    loop {
        let rows = two.take_over(1).await.expect("it answers");
        let Some(row) = rows.first() else { break };
        order.push(row.key);
    }
    assert_eq!(order, [2, 1, 4, 3, 0].map(samples::key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_says_goodbye_leaves_its_closures_at_once() {
    let address = server::address(&server::schema());
    let [one, two] = [join(&address).await, join(&address).await];
    insert(&*one, 0..10).await;
    one.close().await.expect("it can say so");
    assert_eq!(two.take_over(500).await.expect("it answers").len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sole_owner_left_is_found_by_those_that_share() {
    let address = server::address(&server::schema());
    let alone = PostgresStore::open(&address, true).await.expect("the server of the test answers");
    insert(&alone, 0..5).await;
    drop(alone);
    let shared = join(&address).await;
    assert_eq!(taken_over(&*shared, 5).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_has_one_holder_and_another_one_after_its_death() {
    let address = server::address(&server::schema());
    let [one, two] = [join(&address).await, join(&address).await];
    assert!(one.holds("upkeep").await.expect("it answers"));
    assert!(!two.holds("upkeep").await.expect("it answers"));
    assert!(two.holds("callbacks").await.expect("it answers"));
    assert!(!one.holds("callbacks").await.expect("it answers"));
    drop(one);
    let begun = Instant::now();
    while !two.holds("upkeep").await.expect("it answers") {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody holds it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_lease_at_once_never_have_more_than_there_is() {
    let address = server::address(&server::schema());
    let stores = [join(&address).await, join(&address).await, join(&address).await];
    let ask = Ask { wants: 7, limit: 300, length: 60_000, ..Ask::default() };
    let scout = stores[0].lease("main", ask).await.expect("it answers");
    assert_eq!(scout.requests, 1);
    assert_eq!(stores[1].lease("main", ask).await.expect("it answers").requests, 0);
    let heard = Some(Heard { ends_in: Some((50_000, 51_000)), count: 1 });
    stores[2].lease("main", Ask { wants: 0, heard, ..ask }).await.expect("it answers");
    let mut lessees = JoinSet::new();
    for number in 0..12 {
        let store = Arc::clone(&stores[number % 3]);
        lessees.spawn(async move {
            let mut leased = 0;
            loop {
                match store.lease("main", ask).await.expect("it answers").requests {
                    0 => return leased,
                    requests => leased += requests,
                }
            }
        });
    }
    let leased: u32 = lessees.join_all().await.into_iter().sum();
    assert_eq!(scout.requests + leased, 300 - 300 / 64);
    let other = stores[1].lease("other", ask).await.expect("it answers");
    assert_eq!(other.requests, 1, "each budget is one of its own");
}
