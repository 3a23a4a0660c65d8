//! The connection breaks while the tables of a new store are made.

use store::{Store as _, conformance::samples};
use store_postgres::PostgresStore;

use super::breaker::{BREAKS, Break, Breaker};
use crate::server;

/// At every which message: making the tables again and again takes long. Odd, so that both ways to break come to each stretch.
const EVERY: usize = 7;

#[tokio::test]
async fn a_store_is_made_or_refused_whatever_is_lost_and_made_by_the_next_try() {
    let breaker = Breaker::begin(&server::host()).await;
    breaker.plan([], Break::Lost);
    let store = PostgresStore::open(&breaker.address_of(&server::schema()), true).await;
    drop(store.expect("nothing fails"));
    let messages = breaker.seen();
    assert!(messages > 80, "a new store is made with more than {messages} messages");
    let (mut refused, mut tried) = (0, 0);
    for (message, how) in (0..messages).step_by(EVERY).zip(BREAKS.into_iter().cycle()) {
        let case = format!("{how:?} at message {message} of {messages}");
        let address = breaker.address_of(&server::schema());
        breaker.plan([message], how);
        let first = PostgresStore::open(&address, true).await;
        refused += usize::from(first.is_err());
        tried += 1;
        drop(first);
        breaker.plan([], how);
        let store = PostgresStore::open(&address, true).await.unwrap_or_else(|why| panic!("{case}: {why}"));
        store.commit(samples::insert(&samples::row(1))).await.unwrap_or_else(|why| panic!("{case}: {why}"));
    }
    println!("{tried} of {messages} messages of a new store broke: {refused} refusals");
    assert!(refused > tried / 2, "{refused} of {tried} were refused");
}
