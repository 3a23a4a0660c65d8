//! Every question is answered by an index, and in the index's order, however large the tables grow.

use rusqlite::{Connection, Params, params_from_iter};
use store::{AuditFilter, Filter, Order, Part, conformance::samples};

use crate::{audit, batches, bloom, dead_letters, deliveries, file, finder, listing, read};

/// What SQLite will do for a statement, one step a line.
fn plan(connection: &Connection, sql: &str) -> String {
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Values that were not bound are NULL: for statements whose plan does not hang on them.
    let steps = explained.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>();
    steps.unwrap().join("\n")
}

/// The same with the values that it is asked with: SQLite looks at them, a limit above all, and may make another plan.
fn plan_with(connection: &Connection, sql: &str, values: impl Params) -> String {
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = explained.query_map(values, |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}

/// The plans for a first page of one and of many, and for a later one.
fn list_plans(filter: &Filter, part: Part) -> [String; 3] {
    let connection = file::open_in_memory().unwrap();
    [(None, 1), (None, 500), (Some((0, samples::key(1))), 50)].map(|(after, limit)| {
        let (sql, values) = listing::list_query(filter, part, Order::NewestFirst, after, limit);
        plan_with(&connection, &sql, params_from_iter(&values))
    })
}

#[test]
fn lists_walk_an_index_in_order_and_never_sort() {
    let all = Filter::default;
    let team = ("team".to_owned(), "a".to_owned());
    let cases = [
        (all(), Part::All, "closures_created_at"),
        (Filter { organisations: vec!["acme".to_owned()], ..all() }, Part::All, "closures_created_at"),
        (Filter { states: vec!["ghost".to_owned()], ..all() }, Part::AtRest, "closures_state"),
        (
            Filter { queues: vec![None], ..all() },
            Part::Held,
            "closures_queue (queue=? AND (created_at,key)<(?,?))",
        ),
        (
            Filter { queues: vec![Some(samples::key(1))], organisations: vec!["acme".to_owned()], ..all() },
            Part::Held,
            "closures_queue (queue=? AND (created_at,key)<(?,?))",
        ),
        (
            Filter { reasons: vec!["rejected".to_owned()], states: vec!["ghost".to_owned()], ..all() },
            Part::Reasoned,
            "closures_reason (reason=? AND (created_at,key)<(?,?))",
        ),
        (
            Filter { source: Some("batch".to_owned()), organisations: vec!["acme".to_owned()], ..all() },
            Part::Sourced,
            "closures_source (source=? AND (created_at,key)<(?,?))",
        ),
        (Filter { labels: vec![team], ..all() }, Part::All, "l USING PRIMARY KEY"),
    ];
    for (filter, part, index) in cases {
        let plans = list_plans(&filter, part);
        // Where the first page begins is not looked for.
        let (of_the_first, _) = index.split_once(" AND (created_at").unwrap_or((index, ""));
        for (plan, index) in plans.iter().zip([of_the_first, of_the_first, index]) {
            assert!(plan.contains(index), "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}

#[test]
fn what_is_found_by_an_id_is_looked_up_in_every_level_and_nowhere_else() {
    let connection = file::open_in_memory().unwrap();
    let by_id = |filter: Filter| {
        let filter = Filter { organisations: vec!["acme".to_owned()], ..filter };
        let (sql, values) = listing::list_query(&filter, Part::All, Order::NewestFirst, None, 1);
        plan_with(&connection, &sql, params_from_iter(&values))
    };
    let plans = [
        by_id(Filter { conversation: Some(samples::conversation(1)), ..Filter::default() }),
        by_id(Filter { participant: Some(samples::conversation(1)), ..Filter::default() }),
        plan(&connection, finder::NUMBERED_QUERY),
    ];
    for plan in plans {
        for level in ["finder_0", "finder_1", "finder_2", "finder_3"] {
            assert!(plan.contains(&format!("SEARCH {level} USING PRIMARY KEY (fingerprint=?)")), "{plan}");
        }
        assert!(!plan.contains("SCAN closures") && !plan.contains("SCAN c"), "{plan}");
    }
}

#[test]
fn what_stands_in_no_large_level_is_looked_up_in_the_others_alone_and_a_range_is_walked_by_its_bounds() {
    let connection = file::open_in_memory().unwrap();
    let in_cache = plan(&connection, finder::NUMBERED_IN_CACHE);
    for level in ["finder_0", "finder_1"] {
        assert!(
            in_cache.contains(&format!("SEARCH {level} USING PRIMARY KEY (fingerprint=?)")),
            "{in_cache}"
        );
    }
    assert!(!in_cache.contains("finder_2") && !in_cache.contains("finder_3"), "{in_cache}");
    for walk in [bloom::MOVED, bloom::HELD[0], bloom::HELD[1]] {
        let plan = plan(&connection, walk);
        assert!(plan.contains("USING PRIMARY KEY (fingerprint>? AND fingerprint<?)"), "{plan}");
    }
}

#[test]
fn a_tally_of_closures_at_rest_never_reads_a_body() {
    let connection = file::open_in_memory().unwrap();
    for states in [vec![], vec!["ghost".to_owned()]] {
        let filter = Filter { states, ..Filter::default() };
        let at_rest = plan(&connection, &listing::tally_query(&filter, Part::AtRest).0);
        assert!(at_rest.contains("COVERING INDEX closures_state"), "{at_rest}");
        let moving = plan(&connection, &listing::tally_query(&filter, Part::Moving).0);
        assert!(moving.contains("INDEX closures_open (moving=?)"), "{moving}");
    }
}

#[test]
fn ghosts_are_counted_by_queue_in_an_index_of_ghosts_alone() {
    let connection = file::open_in_memory().unwrap();
    for organisations in [vec![], vec!["acme".to_owned()]] {
        let plan = plan(&connection, &listing::tally_by_queue_query(&organisations).0);
        assert!(plan.contains("COVERING INDEX closures_queue"), "{plan}");
    }
}

#[test]
fn the_questions_of_the_orchestrator_walk_an_index_in_order() {
    let connection = file::open_in_memory().unwrap();
    let [due, _] = read::due_queries();
    let [at_rest, moving] = read::open_after_queries();
    let cases = [
        (due, "INDEX closures_wake_at"),
        (at_rest, "INDEX closures_open (moving=? AND key>?)"),
        (moving, "INDEX closures_open (moving=? AND key>?)"),
        (read::open_of_query(), "INDEX closures_open_conversation"),
        (read::announcements_query(), "INTEGER PRIMARY KEY"),
        (read::LAST_LINE.to_owned(), "INTEGER PRIMARY KEY"),
        (batches::ITEMS_OF_STATE.to_owned(), "INDEX batch_items_state (batch=? AND state=? AND number>?)"),
        (deliveries::due_query(), "INDEX deliveries_due (lane=? AND due_at>? AND due_at<?)"),
    ];
    for (sql, index) in cases {
        let plan = plan(&connection, &sql);
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn dead_letters_are_counted_in_an_index_and_found_by_their_mark() {
    let connection = file::open_in_memory().unwrap();
    let counted = plan(&connection, dead_letters::TALLY);
    assert!(counted.contains("COVERING INDEX dead_letters_open"), "{counted}");
    let found = plan(&connection, &dead_letters::marked_query());
    assert!(found.contains("SEARCH dead_letters USING INDEX dead_letters_mark (mark=?)"), "{found}");
}

#[test]
fn acts_are_read_along_their_keys_and_those_on_one_subject_by_it() {
    let connection = file::open_in_memory().unwrap();
    let ask = |filter: &AuditFilter| {
        let (sql, values) = audit::query(filter, None, 9);
        plan_with(&connection, &sql, params_from_iter(values))
    };
    let of_an_organisation = AuditFilter { organisations: vec!["acme".to_owned()], ..AuditFilter::default() };
    for any in [ask(&AuditFilter::default()), ask(&of_an_organisation)] {
        assert!(any.contains("SCAN audit") && !any.contains("TEMP B-TREE"), "the latest first: {any}");
    }
    let of_one = AuditFilter { subjects: vec!["cl_1".to_owned()], ..AuditFilter::default() };
    let found = ask(&of_one);
    assert!(found.contains("INDEX audit_subject (subject=?)") && !found.contains("TEMP B-TREE"), "{found}");
}

#[test]
fn a_journal_is_read_along_its_chain() {
    let connection = file::open_in_memory().unwrap();
    let plan = plan(&connection, &read::journal_query());
    assert!(!plan.contains("SCAN journal") && !plan.contains("SCAN l"), "{plan}");
}
