//! The connection breaks while closures are taken over.

use std::time::Instant;

use store::{Store as _, conformance::samples};
use store_postgres::PostgresStore;

use super::{
    breaker::{BREAKS, Break, Breaker},
    scene::BACK_WITHIN,
};
use crate::server;

/// More messages than a take-over of one closure takes.
const MESSAGES: u64 = 14;

/// It may be done although nobody heard so; then the closure is this service's, which finds it among those that are due.
#[tokio::test]
async fn what_is_taken_over_is_worked_on_also_where_the_answer_was_lost() {
    let (breaker, schema) = (Breaker::begin(&server::host()).await, server::schema());
    let heir = PostgresStore::open(&breaker.address_of(&schema), false).await.expect("nothing fails yet");
    let (mut number, mut unheard) = (0, 0);
    for how in BREAKS {
        for message in 0..MESSAGES {
            number += 1;
            let gone = PostgresStore::open(&server::address(&schema), false).await.expect("it answers");
            gone.commit(samples::insert(&samples::row(number))).await.expect("it is in order");
            gone.close().await.expect("it can say so");
            breaker.plan([message], how);
            let taken = heir.take_over(8).await;
            breaker.plan([], Break::Lost);
            let mut heard = taken.is_ok_and(|rows| rows.iter().any(|row| row.key == samples::key(number)));
            let begun = Instant::now();
            // Where a new connection was the one that broke, none is made for a moment. The name is asked for the first time, so the server is.
            while heir.holds(&number.to_string()).await.is_err() {
                assert!(
                    begun.elapsed() < BACK_WITHIN,
                    "{how:?} at message {message}: the server is not asked"
                );
                tokio::task::yield_now().await;
            }
            while !works_on(&heir, number).await {
                assert!(begun.elapsed() < BACK_WITHIN, "{how:?} at message {message}: it is left behind");
                heard |= !heir.take_over(8).await.expect("nothing fails any more").is_empty();
            }
            unheard += usize::from(!heard);
        }
    }
    println!("{number} closures were taken over, of which {unheard} without a word");
    assert!(unheard > 0, "an answer was lost");
}

async fn works_on(store: &PostgresStore, number: u64) -> bool {
    let due = store.due(i64::MAX, None, 100).await.expect("nothing fails any more");
    due.iter().any(|row| row.key == samples::key(number))
}
