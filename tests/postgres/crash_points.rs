//! The service dies at its points, with its state in PostgreSQL.

use closeout_tests::{Pairs, die_around_closures, die_in_each_scenario};

use crate::setting::store;

/// What is asked of Genesys and of receivers, as the same points say that are struck with a store in SQLite.
const ASKED: [&str; 6] = ["call ", "login", "create channel", "open socket", "subscribe", "post callback"];

#[tokio::test]
async fn a_death_at_any_point_of_a_closure_loses_nothing_and_repeats_nothing() {
    die_in_each_scenario(Some(store()), Pairs::EachPoint).await;
}

#[tokio::test]
async fn a_death_before_or_after_what_else_is_made_durable_loses_nothing_and_does_nothing_twice() {
    let is_durable = |point: &str| !ASKED.iter().any(|asked| point.starts_with(asked));
    die_around_closures(Some(store()), is_durable).await;
}
