//! The server goes away, and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use store::{CommitRefused, Store, conformance::samples};
use store_postgres::{Address, PostgresStore};

use crate::{
    lives::Lives,
    proxy::{Mode, Proxy},
    server,
};

/// Within what the store has to work again once the database is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_in_the_middle_of_commits_loses_none_that_was_answered() {
    let store = open(&server::address(&server::schema())).await;
    let lives = Lives::begin(&store, 16);
    for mode in ["fast", "immediate", "fast", "immediate"] {
        lives.go_on(300, Duration::from_secs(20)).await;
        server::control(&["--mode", mode, "restart"]).await;
        let back = lives.go_on(16, BACK_WITHIN).await;
        println!("{mode}: back after {back:?}");
    }
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_writers_session_loses_no_commit_that_was_answered() {
    let store = open(&server::address(&server::schema())).await;
    let lives = Lives::begin(&store, 16);
    for _ in 0..10 {
        lives.go_on(100, Duration::from_secs(20)).await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'closeout writer %'";
        server::session().await.execute(sql, &[]).await.expect("it can be asked");
        lives.go_on(16, BACK_WITHIN).await;
    }
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_of_the_server_loses_no_commit_that_was_answered() {
    let store = open(&server::address(&server::schema())).await;
    let lives = Lives::begin(&store, 16);
    for _ in 0..3 {
        lives.go_on(300, Duration::from_secs(20)).await;
        server::kill_writers().await;
        let back = lives.go_on(16, BACK_WITHIN).await;
        println!("back after {back:?}");
    }
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_told_at_once_and_made_again() {
    let proxy = Proxy::begin(&server::host()).await;
    let store = open(&through(&proxy, &server::schema())).await;
    let lives = Lives::begin(&store, 16);
    for _ in 0..3 {
        lives.go_on(100, Duration::from_secs(20)).await;
        proxy.set(Mode::Closed);
        refused_within(&store, Duration::from_secs(5)).await;
        assert!(store.load(samples::key(0)).await.is_err(), "nothing can be read either");
        proxy.set(Mode::Open);
        let back = lives.go_on(16, BACK_WITHIN).await;
        println!("back after {back:?}");
    }
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_has_an_end_and_nothing_is_answered_meanwhile() {
    let proxy = Proxy::begin(&server::host()).await;
    let store = open(&through(&proxy, &server::schema())).await;
    let lives = Lives::begin(&store, 16);
    lives.go_on(100, Duration::from_secs(20)).await;
    proxy.set(Mode::Silent);
    refused_within(&store, Duration::from_secs(20)).await;
    let taken = lives.taken();
    refused_within(&store, Duration::from_secs(20)).await;
    assert_eq!(lives.taken(), taken, "nothing is durable without its server");
    proxy.set(Mode::Open);
    let back = lives.go_on(16, BACK_WITHIN).await;
    println!("back after {back:?}");
    lives.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stood_still_is_got_out_of_the_way_and_writes_again_when_it_wakes() {
    let proxy = Proxy::begin(&server::host()).await;
    let schema = server::schema();
    let open = |address| async move {
        Arc::new(PostgresStore::open(&address, false).await.expect("the server of the test answers"))
    };
    let sleeper = open(through(&proxy, &schema)).await;
    let other = open(server::address(&schema)).await;
    for round in 0..4 {
        proxy.set(Mode::Deaf);
        let slept = Arc::clone(&sleeper);
        let asleep =
            tokio::spawn(async move { slept.commit(samples::insert(&samples::row(2 * round))).await });
        until_a_writer_stands_still().await;
        let taken = other.commit(samples::insert(&samples::row(2 * round + 1))).await;
        taken.expect("a writer that stands still is not waited for");
        assert!(!asleep.is_finished(), "nobody knows what became of it");
        proxy.set(Mode::Open);
        let woken = asleep.await.expect("it does not panic");
        woken.expect("what was not written is written again, as that is known");
        let stored = other.load(samples::key(2 * round)).await.expect("it answers");
        assert_eq!(stored.expect("it is there").version, samples::row(2 * round).version);
    }
}

/// Its last word is lost where a writer has begun to send when the server ends its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rolled_back_is_written_again_also_where_the_servers_last_word_is_lost() {
    let proxy = Proxy::begin(&server::host()).await;
    let store = open(&through(&proxy, &server::schema())).await;
    for round in 0..2 {
        proxy.set(Mode::Late);
        let late = Arc::clone(&store);
        let commit = tokio::spawn(async move { late.commit(samples::insert(&samples::row(round))).await });
        until_a_writer_stands_still().await;
        // For longer than the server bears, also the second time.
        tokio::time::sleep(Duration::from_millis(700)).await;
        proxy.set(Mode::Open);
        commit.await.expect("it does not panic").expect("it is known that it was not written");
        assert!(proxy.lost() > usize::try_from(round).expect("it is small"), "a last word was lost");
        let stored = store.load(samples::key(round)).await.expect("it answers");
        assert_eq!(stored.expect("it is there").version, samples::row(round).version);
    }
}

async fn open(address: &Address) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(address, true).await.expect("the server of the test answers"))
}

/// The address of a schema by way of the proxy.
fn through(proxy: &Proxy, schema: &str) -> Address {
    let url = format!("postgres://closeout@{}/closeout?schema={schema}", proxy.address);
    Address::parse(&url).expect("it is an address")
}

/// Waits for a writer that has the lock and says nothing.
async fn until_a_writer_stands_still() {
    let session = server::session().await;
    let sql = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'closeout writer %' AND state = 'idle in transaction'";
    let give_up = Instant::now() + Duration::from_secs(20);
    while session.query(sql, &[]).await.expect("it can be asked").is_empty() {
        assert!(Instant::now() < give_up, "no writer stands still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn refused_within(store: &Arc<dyn Store>, within: Duration) {
    let begin = Instant::now();
    loop {
        let refused = store.commit(samples::insert(&samples::row(1_000_000))).await;
        if let Err(CommitRefused::Unavailable(why)) = refused {
            println!("{} after {:?}", why.why, begin.elapsed());
            assert!(!why.why.contains("closeout@"), "{}", why.why);
            return;
        }
        assert!(begin.elapsed() < within, "commits are still answered: {refused:?}");
    }
}
