//! The service dies at each of its points, with its state in SQLite.

use closeout_tests::{Pairs, die_around_closures, die_in_each_scenario};

#[tokio::test]
async fn a_death_at_any_point_of_any_scenario_loses_nothing_and_repeats_nothing() {
    die_in_each_scenario(None, Pairs::All).await;
}

#[tokio::test]
async fn a_death_at_any_point_around_closures_loses_nothing_and_does_nothing_twice() {
    die_around_closures(None, |_| true).await;
}
