//! Every question is answered by an index, and in the index's order, however large the tables grow.

use rusqlite::Connection;
use store::{Filter, Order, conformance::samples};

use crate::{file, listing};

/// What SQLite will do for a statement, one step a line.
fn plan(connection: &Connection, sql: &str) -> String {
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Values that were not bound are NULL; the plan is made before they are looked at.
    let steps = explained.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>();
    steps.unwrap().join("\n")
}

fn list_plan(filter: &Filter) -> String {
    let connection = file::open_in_memory().unwrap();
    let after = Some((0, samples::key(1)));
    plan(&connection, &listing::list_query(filter, Order::NewestFirst, after, 50).0)
}

#[test]
fn lists_walk_an_index_in_order_and_never_sort() {
    let all = Filter::default;
    let team = ("team".to_owned(), "a".to_owned());
    let cases = [
        (all(), "closures_created_at"),
        (Filter { organisations: vec!["acme".to_owned()], ..all() }, "closures_created_at"),
        (Filter { states: vec!["ghost".to_owned()], ..all() }, "closures_state"),
        (Filter { conversation: Some(samples::conversation(1)), ..all() }, "closures_conversation"),
        (Filter { participant: Some(samples::conversation(1)), ..all() }, "closures_participant"),
        (Filter { labels: vec![team], ..all() }, "l USING PRIMARY KEY"),
    ];
    for (filter, index) in cases {
        let plan = list_plan(&filter);
        assert!(plan.contains(index), "{filter:?}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
    }
}

#[test]
fn a_tally_never_reads_a_body() {
    let connection = file::open_in_memory().unwrap();
    for states in [vec![], vec!["ghost".to_owned()]] {
        let filter = Filter { states, ..Filter::default() };
        let plan = plan(&connection, &listing::tally_query(&filter).0);
        assert!(plan.contains("COVERING INDEX closures_state"), "{plan}");
    }
}

#[test]
fn the_questions_of_the_orchestrator_walk_an_index_in_order() {
    let connection = file::open_in_memory().unwrap();
    let cases = [
        (crate::read::due_query(), "closures_wake_at"),
        (crate::read::open_after_query(), "closures_open"),
        (crate::read::open_of_query(), "closures_open_conversation"),
        (crate::read::announcements_query(), "journal_announcements"),
    ];
    for (sql, index) in cases {
        let plan = plan(&connection, &sql);
        assert!(plan.contains(&format!("INDEX {index}")), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
