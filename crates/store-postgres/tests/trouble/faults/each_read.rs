//! The connection breaks at each message of some reads.

use std::time::Instant;

use store::{
    Filter, Order, Store,
    conformance::{samples, witness::Work},
};
use store_postgres::PostgresStore;

use super::{
    breaker::{BREAKS, Break, Breaker},
    scene::BACK_WITHIN,
};
use crate::server;

#[tokio::test]
async fn a_read_whose_connection_breaks_is_answered_by_way_of_another_one() {
    let breaker = Breaker::begin(&server::host()).await;
    let store = PostgresStore::open(&breaker.address_of(&server::schema()), true).await;
    let store = store.expect("nothing fails");
    Work::default().ask(&store, &|| true).await;
    let whole = answers(&store).await;
    breaker.plan([], Break::Lost);
    assert_eq!(answers(&store).await, whole);
    let reads = breaker.seen();
    assert!(reads > 20, "they ask the server: {reads}");
    for how in BREAKS {
        for message in 0..reads {
            breaker.plan([message], how);
            assert_eq!(answers(&store).await, whole, "{how:?} at message {message} of {reads}");
        }
    }
}

#[tokio::test]
async fn a_read_whose_connections_break_again_and_again_is_told_and_the_next_one_is_answered() {
    let breaker = Breaker::begin(&server::host()).await;
    let store = PostgresStore::open(&breaker.address_of(&server::schema()), true).await;
    let store = store.expect("nothing fails");
    Work::default().ask(&store, &|| true).await;
    let whole = answers(&store).await;
    let mut told = 0;
    for how in BREAKS {
        for first in 0..20 {
            breaker.plan(first..first + 12, how);
            for (answer, whole) in answers(&store).await.into_iter().zip(&whole) {
                match answer {
                    Some(_) => assert_eq!(&answer, whole, "{how:?} from message {first} on"),
                    None => told += 1,
                }
            }
            breaker.plan([], how);
            let begun = Instant::now();
            while answers(&store).await != whole {
                assert!(begun.elapsed() < BACK_WITHIN, "{how:?} from message {first} on: it is not back");
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(told > 20, "{told} reads were refused");
}

/// What the store says to some questions; nothing where it cannot say.
async fn answers(store: &dyn Store) -> Vec<Option<String>> {
    let mut answers = Vec::new();
    for n in 0..6 {
        answers.push(store.load(samples::key(n)).await.map(|row| format!("{row:?}")).ok());
        answers.push(store.journal(samples::key(n)).await.map(|lines| format!("{lines:?}")).ok());
    }
    let list = store.list(&Filter::default(), Order::NewestFirst, None, 10).await;
    answers.push(list.map(|rows| format!("{rows:?}")).ok());
    answers.push(store.tally(&Filter::default()).await.map(|tally| format!("{tally:?}")).ok());
    answers.push(store.inbox(10).await.map(|events| format!("{events:?}")).ok());
    answers
}
